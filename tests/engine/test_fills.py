"""Fills: one hand-computed example for each rule of orders, played on both engines (O1 to O13)."""

from __future__ import annotations

import pytest

from seq_gym.engine import codes
from tests.engine.arena import LISTED_ONLY, Twins, candles_of, default_instruments
from tests.engine.arena import default_params as params
from tests.engine.examples import (
    CLOSE,
    FLAT,
    FREE,
    MARGIN,
    NO_FEES,
    buy,
    cash,
    fills,
    gone,
    last_fill,
    play,
    sell,
    stop,
    target,
)

# Gaps and limits


def test_a_sell_stop_behind_the_open_fills_from_the_open() -> None:
    """O5: a stop at 100 with an open of 95 fills from 95."""
    t = play((105, 105, 105, 105), (95, 97, 94, 96), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0)
    stop(t, 1.0, 100.0)
    t.advance(1)
    assert (last_fill(t).phase, last_fill(t).price) == (codes.OPEN, 95.0)


def test_a_buy_limit_above_the_open_fills_at_the_open_as_maker() -> None:
    """O5, D4: a buy limit at 100 with an open of 95 fills at 95."""
    t = play((105, 105, 105, 105), (95, 97, 94, 96), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=100.0)
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).liquidity) == (95.0, codes.MAKER)
    assert last_fill(t).slippage == 0.0


@pytest.mark.parametrize(("through", "count"), [(0, 1), (1, 0)])
def test_a_low_that_only_touches_the_limit_fills_it_unless_it_must_go_through(
    through: int, count: int
) -> None:
    """O6: touch is low <= limit, through is low strictly below."""
    t = play(FLAT, (100, 101, 98, 100), FLAT, through=through, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=98.0)
    t.advance(1)
    assert [f.price for f in fills(t)] == [98.0] * count


def test_a_limit_crossed_inside_the_candle_fills_at_its_price_with_the_maker_fee() -> None:
    """O6, M2: 2 x 98 = 196 quote, 0.1 % of it is 0.196."""
    t = play(FLAT, (100, 101, 97, 99), FLAT, fees=True, **CLOSE)
    t.advance(1)
    buy(t, 2.0, type=codes.LIMIT, price=98.0)
    t.advance(1)
    fill = last_fill(t)
    assert (fill.price, fill.liquidity, fill.phase) == (98.0, codes.MAKER, codes.ADVERSE)
    assert fill.fee == pytest.approx(0.196)
    assert cash(t) == pytest.approx(10_000 - 196.196)


def test_a_marketable_limit_takes_at_the_slipped_open_but_never_past_its_limit() -> None:
    """O3, O6: min(limit, open x (1 + s)) with s = 1 %."""
    for limit, price in ((105.0, 101.0), (100.5, 100.5)):
        t = play(FLAT, FLAT, slippage_model=codes.FIXED_BPS, impact=0.01, slippage_floor=0.0)
        buy(t, 1.0, type=codes.LIMIT, price=limit)
        t.advance(1)
        assert last_fill(t).price == pytest.approx(price)
        assert last_fill(t).liquidity == codes.TAKER


def test_a_post_only_limit_that_would_take_is_refused_at_once_and_expires_at_the_open() -> None:
    """O3, O6."""
    t = play(FLAT, FLAT, FLAT, **CLOSE)
    t.advance(1)
    assert buy(t, 1.0, type=codes.LIMIT, price=100.0, post_only=True) == codes.POST_ONLY_WOULD_TAKE
    t = play(FLAT, (95, 96, 94, 95))
    t.advance(1)
    assert buy(t, 1.0, type=codes.LIMIT, price=97.0, post_only=True) == codes.NONE
    t.advance(1)
    assert gone(t) == [(1, codes.POST_ONLY_WOULD_TAKE)]


# Market orders


def test_a_market_order_fills_at_once_or_at_the_next_open_as_asked() -> None:
    """O3: mark x (1 + s) now, or the next open x (1 + s)."""
    rows = (FLAT, (103, 104, 102, 103), FLAT)
    prices = {}
    for at_close in (0, 1):
        t = play(*rows, at_close=at_close, slippage_floor=0.0001)
        t.advance(1)
        buy(t, 1.0)
        t.advance(1)
        prices[at_close] = (last_fill(t).base_price, last_fill(t).price)
    assert prices[1] == (100.0, pytest.approx(100.01))
    assert prices[0] == (103.0, pytest.approx(103.0103))


def test_slippage_is_impact_times_cumulative_notional_over_adv() -> None:
    """M1, O10: 0.1 x 5000 / 50,000 = 1 %; the second 2500 pay for 7500: 1.5 %."""
    table = candles_of([FLAT, FLAT], adv=50_000.0)
    t = Twins(table, params(at_close=1, margin=1), default_instruments(1, **NO_FEES))
    t.advance(1)
    buy(t, 50.0)
    buy(t, 25.0)
    assert [f.price for f in fills(t)] == [pytest.approx(101.0), pytest.approx(101.5)]


def test_a_candle_without_volume_makes_a_market_order_wait_for_the_next_traded_open() -> None:
    """C6."""
    table = candles_of([FLAT, FLAT, (104, 104, 104, 104), FLAT])
    table[2, 0].flags = LISTED_ONLY
    t = Twins(table, params(**FREE, **CLOSE), default_instruments(1, **NO_FEES))
    t.advance(2)
    buy(t, 1.0)
    assert fills(t) == []
    t.advance(1)
    assert (last_fill(t).cursor, last_fill(t).phase, last_fill(t).price) == (2, codes.OPEN, 104.0)


def test_an_all_in_buy_never_fails_when_the_open_gaps_up() -> None:
    """O3b: 10,000 at an open of 130 with 0.1 % fee buys 10,000 / 130.13 units."""
    t = play(FLAT, (130, 130, 130, 130), FLAT, fees=True)
    t.advance(1)
    t.ask_target(0, codes.TARGET_WEIGHT, 1.0)
    t.advance(1)
    assert last_fill(t).qty == pytest.approx(10_000 / 130.13)
    assert 0.0 <= cash(t) < 1e-8


def test_an_explicit_quantity_is_cancelled_whole_when_the_open_is_too_dear() -> None:
    """O12, M3."""
    t = play(FLAT, (130, 130, 130, 130), FLAT)
    t.advance(1)
    assert buy(t, 90.0) == codes.NONE
    t.advance(1)
    assert fills(t) == []
    assert gone(t) == [(1, codes.INSUFFICIENT_BALANCE)]


# Stops, targets, brackets


def test_when_one_candle_meets_stop_and_target_the_stop_comes_first() -> None:
    """O8, O9: the long's low comes before its high; the target has no position left."""
    t = play(FLAT, (100, 120, 80, 100), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0)
    stop(t, 1.0, 90.0)
    target(t, 1.0, 110.0)
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).phase) == (90.0, codes.ADVERSE)
    assert gone(t) == [(3, codes.POSITION_CLOSED)]


def test_for_a_short_the_high_comes_first() -> None:
    """O2, O8."""
    t = play(FLAT, (100, 120, 80, 100), FLAT, **CLOSE, **MARGIN)
    t.advance(1)
    sell(t, 1.0)
    exits = {"side": 1, "reduce_only": True, "symbol": 0, "size": 1.0}
    t.place(**exits, type=codes.TAKE_PROFIT, trigger=90.0)
    t.place(**exits, type=codes.STOP_LOSS, trigger=110.0)
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).phase) == (110.0, codes.ADVERSE)


def test_a_stop_fills_from_its_trigger_with_slippage() -> None:
    """O7: 90 x (1 - 1 %) = 89.1."""
    t = play(FLAT, (100, 100, 85, 95), FLAT, **CLOSE)
    t.batch.params[0].slippage_floor = 0.01
    t.reference.p.slippage_floor = 0.01
    t.advance(1)
    buy(t, 1.0)
    stop(t, 1.0, 90.0)
    t.advance(1)
    assert (last_fill(t).base_price, last_fill(t).price) == (90.0, pytest.approx(89.1))


def test_what_a_leg_has_opened_takes_no_profit_before_the_next_candle() -> None:
    """O2, D1: bought at 95 on the way down, the high of 110 in the same candle pays nothing."""
    t = play(FLAT, (100, 110, 90, 100), (100, 110, 99, 105), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=95.0)
    target(t, 1.0, 108.0)
    t.advance(1)
    assert [f.price for f in fills(t)] == [95.0]
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).cursor) == (108.0, 2)


def test_what_a_leg_has_opened_can_be_stopped_in_the_same_candle() -> None:
    """O2."""
    t = play(FLAT, (100, 101, 90, 100), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=95.0)
    stop(t, 1.0, 92.0)
    t.advance(1)
    assert [(f.price, f.phase) for f in fills(t)] == [(95.0, codes.ADVERSE), (92.0, codes.ADVERSE)]


def test_a_stop_above_the_price_of_its_entry_meets_the_path_and_not_its_trigger() -> None:
    """D2: the entry fills at 90 on the way down; the stop at 95 can sell at 90 only."""
    t = play(FLAT, (100, 101, 85, 100), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=90.0)
    stop(t, 1.0, 95.0)
    t.advance(1)
    assert [f.price for f in fills(t)] == [90.0, 90.0]


def test_a_stop_that_the_open_had_passed_before_its_entry_filled_there_sells_at_the_open() -> None:
    """D2, O5: the entry, later in the book, fills at the gap open of 95; so does the stop at 97."""
    t = play(FLAT, (95, 96, 94, 95), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=80.0)
    stop(t, 1.0, 97.0)
    buy(t, 1.0, type=codes.LIMIT, price=98.0)
    t.advance(1)
    assert [f.price for f in fills(t)] == [95.0, 95.0]


def test_stop_and_target_coexist_and_lock_nothing() -> None:
    """O9: both for the whole position, in a spot account."""
    t = play(FLAT, FLAT, FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0)
    assert stop(t, 1.0, 90.0) == codes.NONE
    assert target(t, 1.0, 110.0) == codes.NONE
    assert sell(t, 1.0) == codes.NONE
    assert gone(t) == [(2, codes.POSITION_CLOSED), (3, codes.POSITION_CLOSED)]


def test_a_reduce_only_order_is_clipped_to_the_position() -> None:
    """O9."""
    t = play(FLAT, (100, 100, 80, 90), FLAT, **CLOSE, **MARGIN)
    t.advance(1)
    buy(t, 2.0)
    stop(t, 50.0, 90.0)
    t.advance(1)
    assert last_fill(t).qty == 2.0
    assert float(t.batch.positions[0, 0]["qty"]) == 0.0


def test_the_first_fill_of_a_group_cancels_the_rest_of_it() -> None:
    """O9b."""
    t = play(FLAT, (100, 112, 99, 110), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=90.0, group=7)
    buy(t, 1.0, type=codes.STOP_LIMIT, trigger=110.0, price=111.0, group=7)
    t.advance(1)
    assert last_fill(t).order_id == 2
    assert gone(t) == [(1, codes.GROUP_FILLED)]


def test_a_stop_limit_takes_within_its_limit_and_waits_when_the_gap_is_beyond_it() -> None:
    """O1, O6: trigger 105, limit 106; an open of 110 is too dear, the fall to 106 is not."""
    t = play(FLAT, (100, 107, 99, 106), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.STOP_LIMIT, trigger=105.0, price=106.0)
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).liquidity) == (105.0, codes.TAKER)
    t = play(FLAT, (110, 112, 104, 111), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.STOP_LIMIT, trigger=105.0, price=106.0)
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).liquidity) == (106.0, codes.MAKER)


def test_a_trailing_stop_follows_the_highs_of_earlier_candles_only() -> None:
    """O7, D14: after a high of 120 the level is 108; that candle itself fell to 109 unhurt."""
    rows = (FLAT, (100, 120, 109, 115), (115, 116, 100, 101), FLAT)
    t = play(*rows, **CLOSE)
    t.advance(1)
    buy(t, 1.0)
    sell(t, 1.0, type=codes.TRAILING_STOP, trail_frac=0.1, reduce_only=True)
    t.advance(1)
    assert len(fills(t)) == 1
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).cursor) == (pytest.approx(108.0), 2)


def test_under_trigger_close_a_stop_sees_the_close_and_fills_from_it() -> None:
    """O4, D3: the low of 80 is not seen, the close of 89 is."""
    t = play(FLAT, (100, 101, 80, 99), (99, 100, 80, 89), FLAT, trigger_close=1, **CLOSE)
    t.advance(1)
    buy(t, 1.0)
    stop(t, 1.0, 90.0)
    t.advance(1)
    assert len(fills(t)) == 1
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).phase) == (89.0, codes.CLOSE)


def test_a_stop_inside_a_thousand_candle_advance_fires_in_its_candle_at_its_price() -> None:
    """E1b, O13: nothing is skipped because the agent is away."""
    rows = [FLAT] * 1_001
    rows[700] = (99.0, 99.0, 88.0, 95.0)
    t = play(*rows, **CLOSE)
    t.advance(1)
    buy(t, 1.0)
    stop(t, 1.0, 90.0)
    t.advance(1_000)
    assert [(f.cursor, f.price) for f in fills(t)] == [(1, 100.0), (700, 90.0)]


# Liquidity, time in force, caps


def test_a_participation_cap_fills_in_parts_candle_by_candle() -> None:
    """O10, D7: 10 % of a volume of 50 is 5 units a candle."""
    t = Twins(
        candles_of([FLAT] * 4, volume=50.0),
        params(**FREE, max_participation_frac=0.1),
        default_instruments(1, **NO_FEES),
    )
    buy(t, 12.0)
    t.advance(4)
    assert [(f.cursor, f.qty) for f in fills(t)] == [(0, 5.0), (1, 5.0), (2, 2.0)]


@pytest.mark.parametrize(("tif", "filled"), [(codes.IOC, [5.0]), (codes.FOK, [])])
def test_ioc_cancels_what_the_cap_leaves_and_fok_does_nothing(
    tif: int, filled: list[float]
) -> None:
    """O10."""
    t = Twins(
        candles_of([FLAT] * 2, volume=50.0),
        params(**FREE, max_participation_frac=0.1),
        default_instruments(1, **NO_FEES),
    )
    buy(t, 12.0, tif=tif)
    t.advance(1)
    assert [f.qty for f in fills(t)] == filled
    assert gone(t) == [(1, codes.NO_LIQUIDITY)]


def test_an_ioc_limit_that_cannot_take_expires_on_arrival() -> None:
    """O1."""
    t = play(FLAT, (100, 101, 90, 95), FLAT)
    buy(t, 1.0, type=codes.LIMIT, price=95.0, tif=codes.IOC)
    t.advance(1)
    assert gone(t) == [(1, codes.EXPIRED)]


def test_an_ioc_stop_limit_that_fires_beyond_its_limit_expires() -> None:
    """O1: one arrival, also of the limit that it becomes."""
    t = play(FLAT, (110, 112, 100, 105), FLAT, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.STOP_LIMIT, trigger=105.0, price=106.0, tif=codes.IOC)
    t.advance(1)
    assert fills(t) == []
    assert gone(t) == [(1, codes.EXPIRED)]


def test_max_slippage_fills_what_is_within_it_and_cancels_the_rest() -> None:
    """O1, S3-27: 0.1 x n / 100,000 <= 0.2 % up to n = 2,000: 20 of 50 units."""
    table = candles_of([FLAT, FLAT], adv=100_000.0)
    t = Twins(table, params(at_close=1), default_instruments(1, **NO_FEES))
    t.advance(1)
    buy(t, 50.0, max_slippage_frac=0.002)
    assert last_fill(t).qty == pytest.approx(20.0)
    assert gone(t) == [(1, codes.MAX_SLIPPAGE)]


def test_an_order_goes_after_the_candles_it_was_given() -> None:
    """O1, D14: placed at cursor 1 for two candles."""
    t = play(*[FLAT] * 5, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=90.0, expire_after=2)
    t.advance(1)
    assert gone(t) == []
    t.advance(1)
    cancelled = t.reference.events[-1]
    assert (cancelled.reason, cancelled.cursor) == (codes.EXPIRED, 3)


# Priority


def test_an_amended_order_loses_its_priority_and_a_decreased_one_keeps_it() -> None:
    """O11: two limits at 95 fill in the order of the book."""
    for verb, order in (("amend", [2, 1]), ("decrease", [1, 2])):
        t = play(FLAT, (100, 100, 94, 95), FLAT, **CLOSE)
        t.advance(1)
        buy(t, 2.0, type=codes.LIMIT, price=95.0)
        buy(t, 2.0, type=codes.LIMIT, price=95.0)
        if verb == "amend":
            t.amend(1, qty=3.0)
        else:
            t.decrease(1, 1.0)
        t.advance(1)
        assert [f.order_id for f in fills(t)] == order, verb


def test_decreasing_to_nothing_is_refused_and_leaves_the_order_as_it_was() -> None:
    """O11."""
    t = play(FLAT, FLAT, **CLOSE)
    t.advance(1)
    buy(t, 2.0, type=codes.LIMIT, price=95.0)
    assert t.decrease(1, 2.0) == codes.INVALID_QUANTITY
    assert float(t.batch.orders[0, 0]["qty"]) == 2.0
    assert t.cancel(1) == codes.NONE
    assert t.cancel(1) == codes.ORDER_NOT_FOUND
