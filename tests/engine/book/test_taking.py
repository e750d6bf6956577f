"""Orders at arrival (B12 to B14, V5, V6): taking, resting and expiring."""

from __future__ import annotations

import pytest

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from tests.engine.book.bench import (
    BUY,
    MARKET,
    POST_ONLY,
    SELL,
    Bench,
    ask,
    bid,
    both,
    gap,
    status,
)

FOK, GTC, IOC = common.FOK, common.GTC, common.IOC
TAKER = common.TAKER
NO_LIQUIDITY, MAX_SLIPPAGE = common.NO_LIQUIDITY, common.MAX_SLIPPAGE
EXPIRED, ACCEPTED = codes.EXPIRED, codes.ACCEPTED


def test_b12_a_buy_crosses_when_its_tick_is_at_the_best_ask_and_not_one_below() -> None:
    bench = Bench(both())
    inside, at_ask = bench.buy(100, 1), bench.buy(101, 1)
    assert bench.to(10) == [(inside, ACCEPTED, 0), (at_ask, 1.0, 101, TAKER)]


def test_b12_an_empty_opposite_side_never_crosses() -> None:
    bench = Bench([bid(0, 100, 5), ask(0, 101, 5), ask(5, 101, 0)])
    order = bench.buy(101, 1)
    assert bench.to(5) == [(order, 1.0, 101, TAKER)]
    order = bench.buy(500, 1)
    assert bench.to(10) == [(order, ACCEPTED, 0)]


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_b13_what_does_not_cross_rests_only_if_it_may(tif: int) -> None:
    bench = Bench(both())
    order = bench.buy(100, 1, tif=tif)
    assert bench.to(10) == [(order, EXPIRED, NO_LIQUIDITY)]
    post = bench.buy(100, 1, flags=POST_ONLY)
    assert bench.to(20) == [(post, ACCEPTED, 0)]


def test_b13_a_post_only_that_crosses_expires() -> None:
    bench = Bench(both())
    order = bench.buy(101, 1, flags=POST_ONLY)
    assert bench.to(10) == [(order, EXPIRED, common.POST_ONLY_WOULD_TAKE)]


def test_b14_a_walk_takes_level_by_level_to_the_limit_and_ioc_loses_its_rest() -> None:
    bench = Bench([*both(), ask(0, 104, 9)])
    order = bench.buy(103, 20, tif=IOC)
    assert bench.to(10) == [
        (order, 5.0, 101, TAKER),
        (order, 8.0, 102, TAKER),
        (order, EXPIRED, NO_LIQUIDITY),
    ]


def test_b14_fok_needs_the_whole_size_displayed_within_its_limit() -> None:
    bench = Bench(both())
    order = bench.buy(102, 14, tif=FOK)
    assert bench.to(10) == [(order, EXPIRED, NO_LIQUIDITY)]
    assert bench.num_holes == 0
    order = bench.buy(102, 13, tif=FOK)
    assert bench.to(20) == [(order, 5.0, 101, TAKER), (order, 8.0, 102, TAKER)]
    order = bench.buy(102, 1, tif=FOK)  # what I took is not displayed to me (F2)
    assert bench.to(30) == [(order, EXPIRED, NO_LIQUIDITY)]


def test_b14_sells_walk_down() -> None:
    bench = Bench(both())
    order = bench.sell(99, 9, tif=IOC)
    assert bench.to(10) == [(order, 5.0, 100, TAKER), (order, 4.0, 99, TAKER)]


def test_v5_a_market_order_takes_to_its_cap_and_never_rests() -> None:
    bench = Bench([*both(), ask(0, 110, 9)])
    order = bench.buy(0, 20, type=MARKET)  # 5 % beyond the touch: 106
    assert bench.to(10)[-1] == (order, EXPIRED, NO_LIQUIDITY)
    assert float(bench.batch.positions[0, 0].qty) == 13.0


def test_v5_max_slippage_caps_what_a_taker_pays_from_the_arrival_mid() -> None:
    bench = Bench(both())
    order = bench.buy(105, 9, tif=IOC, max_slippage_frac=0.005)  # 100.5 * 1.005 = 101.0025
    assert bench.to(10) == [(order, 5.0, 101, TAKER), (order, EXPIRED, MAX_SLIPPAGE)]
    order = bench.sell(95, 9, tif=IOC, max_slippage_frac=0.004)  # ceil(100.098) = 101
    assert bench.to(20) == [(order, EXPIRED, MAX_SLIPPAGE)]


def test_v5_a_limit_that_only_its_slippage_stops_rests_at_its_limit() -> None:
    bench = Bench(both())
    order = bench.buy(101, 9, max_slippage_frac=0.0)
    assert bench.to(10) == [(order, ACCEPTED, 0)]


def test_v5_a_halted_venue_refuses_and_a_stale_book_does_in_strict() -> None:
    bench = Bench([*both(), status(20, 0), status(30, 1)])
    bench.to(20)
    halted = bench.buy(100, 1)
    assert bench.to(25) == [(halted, codes.REFUSED, common.NOT_LISTED)]
    bench.to(35)
    order = bench.buy(100, 1)
    assert bench.to(39) == [(order, ACCEPTED, 0)]
    late = Bench([*both(), gap(20)], entry_ns=30.0, latency_model=codes.LATENCY_CONSTANT)
    order = late.buy(100, 1)
    assert late.to(50) == [(order, codes.REFUSED, common.STALE_BOOK)]


def test_v6_front_is_what_is_displayed_at_my_tick_on_my_side() -> None:
    bench = Bench(both())
    orders = bench.buy(100, 1), bench.buy(99, 1), bench.buy(98, 1), bench.sell(102, 1)
    bench.to(10)
    assert [bench.front(order) for order in orders] == [5.0, 7.0, 0.0, 8.0]


def test_v6_front_is_less_my_own_hole_there() -> None:
    bench = Bench([*both(), bid(0, 98, 1)])
    bench.sell(100, 3, tif=IOC)
    bench.to(10)
    order = bench.buy(100, 1)
    bench.to(20)
    assert bench.front(order) == 2.0


def test_b18_front_is_zero_without_a_queue_model() -> None:
    bench = Bench(both(), queue_model=codes.NO_QUEUE)
    order = bench.buy(100, 1)
    bench.to(10)
    assert bench.front(order) == 0.0


# Parity: hftbacktest 2.4.4


def test_b14_in_parity_the_book_stays_as_it_is() -> None:
    bench = Bench(both(), fills=codes.PARITY)
    for ts in (10, 20):
        order = bench.buy(101, 9.6, tif=IOC)
        assert bench.to(ts) == [(order, 5.0, 101, TAKER), (order, EXPIRED, NO_LIQUIDITY)]


@pytest.mark.parametrize(
    ("side", "tick", "fills"),
    [
        (BUY, 102, [(5.0, 101), (11.6, 102)]),
        (SELL, 99, [(5.0, 100), (7.0, 99), (4.6, 99)]),
    ],
)
def test_b14_in_parity_a_sweep_fills_its_rest_at_its_limit(
    side: int, tick: int, fills: list[tuple[float, int]]
) -> None:
    bench = Bench(both(), fills=codes.PARITY)
    order = bench.send(side, tick, 16.6)
    told = bench.to(10)
    assert [(fill[0], fill[2], fill[3]) for fill in told] == [(order, t, TAKER) for _, t in fills]
    assert [fill[1] for fill in told] == pytest.approx([qty for qty, _ in fills])


def test_b14_in_parity_a_market_order_walks_a_hundred_ticks() -> None:
    bench = Bench([*both(), ask(0, 200, 2), ask(0, 201, 2)], fills=codes.PARITY)
    order = bench.buy(0, 50.6, type=MARKET, tif=FOK)
    told = bench.to(10)
    assert [fill[2] for fill in told[:-1]] == [101, 102, 200]
    assert told[-1] == (order, EXPIRED, NO_LIQUIDITY)


def test_b14_in_parity_fok_counts_in_rounded_lots() -> None:
    bench = Bench(both(), fills=codes.PARITY)
    order = bench.buy(102, 13.4, tif=FOK)
    assert [fill[2] for fill in bench.to(10)] == [101, 102]
    order = bench.buy(102, 13.6, tif=FOK)
    assert bench.to(20) == [(order, EXPIRED, NO_LIQUIDITY)]


@pytest.mark.parametrize("tif", [GTC, IOC, FOK])
def test_b14_without_partial_fills_any_size_fills_at_the_best_opposite_price(tif: int) -> None:
    bench = Bench(both(), fills=codes.PARITY_NO_PARTIAL)
    order = bench.buy(105, 1000.0, tif=tif)
    assert bench.to(10) == [(order, 1000.0, 101, TAKER)]
    post = bench.buy(101, 1.0, flags=POST_ONLY)
    assert bench.to(20) == [(post, EXPIRED, common.POST_ONLY_WOULD_TAKE)]
