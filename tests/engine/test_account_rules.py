"""Money, margin, targets, risk and endings: hand-computed examples, played on both engines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seq_gym.engine import codes
from tests.engine.arena import FULL, LISTED_ONLY, Twins, candles_of, default_instruments
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
)

# Money


def test_a_round_trip_at_one_price_costs_exactly_its_two_fees() -> None:
    """M2, M4: 2 x 0.1 % of 1,000."""
    t = play(FLAT, FLAT, fees=True, **CLOSE)
    t.advance(1)
    buy(t, 10.0)
    sell(t, 10.0)
    assert cash(t) == pytest.approx(9_998.0)
    assert float(t.batch.accounts[0]["realized"]) == pytest.approx(-2.0)
    assert last_fill(t).realized == pytest.approx(-2.0)


def test_decimal_quantities_add_up_in_a_sale() -> None:
    """M3: 0.1 + 0.2 bought are 0.3 sold, and 0.3 less 0.1 less 0.2 is nothing."""
    t = play(FLAT, FLAT, **CLOSE)
    t.advance(1)
    buy(t, 0.1)
    buy(t, 0.2)
    stop(t, 0.3, 90.0)
    assert sell(t, 0.3) == codes.NONE
    assert gone(t) == [(3, codes.POSITION_CLOSED)]
    buy(t, 0.3)
    sell(t, 0.1)
    assert sell(t, 0.2) == codes.NONE
    assert float(t.batch.positions[0, 0]["qty"]) == 0.0


def test_what_a_cancelled_order_held_pays_for_the_next_one_at_the_same_open() -> None:
    """M3, O12: the first buy is too dear for its reserve, the second can have its money."""
    table = candles_of([FLAT, (120, 120, 120, 120)], [FLAT, FLAT])
    t = Twins(table, params(**FREE), default_instruments(2, **NO_FEES))
    t.advance(1)
    buy(t, 90.0)
    t.place(symbol=1, side=1, size=2_000.0, size_mode=codes.NOTIONAL)
    t.advance(1)
    assert gone(t)[0] == (1, codes.INSUFFICIENT_BALANCE)
    assert (fills(t)[0].symbol, fills(t)[0].qty) == (1, 20.0)


def test_a_maker_rebate_is_paid_out() -> None:
    """M2: 0.05 % of 950 is 0.475."""
    instruments = default_instruments(1, maker_fee_frac=-0.0005)
    t = Twins(candles_of([FLAT, (100, 100, 94, 95), FLAT]), params(**FREE, **CLOSE), instruments)
    t.advance(1)
    buy(t, 10.0, type=codes.LIMIT, price=95.0)
    t.advance(1)
    assert last_fill(t).fee == pytest.approx(-0.475)
    assert cash(t) == pytest.approx(9_050.475)


def test_a_spot_account_cannot_sell_what_it_does_not_have() -> None:
    """M3: also not what another sale holds."""
    t = play(FLAT, FLAT, **CLOSE)
    t.advance(1)
    assert sell(t, 1.0) == codes.INSUFFICIENT_BALANCE
    buy(t, 3.0)
    assert sell(t, 2.0, type=codes.LIMIT, price=110.0) == codes.NONE
    assert sell(t, 2.0, type=codes.LIMIT, price=111.0) == codes.INSUFFICIENT_BALANCE


def test_limit_buys_reserve_price_and_fee() -> None:
    """M3: 50 x 90 x 1.001 = 4,504.5."""
    t = play(FLAT, FLAT, fees=True, **CLOSE)
    t.advance(1)
    buy(t, 50.0, type=codes.LIMIT, price=90.0)
    assert float(t.batch.accounts[0]["reserved"]) == pytest.approx(4_504.5)
    assert buy(t, 55.0) == codes.INSUFFICIENT_BALANCE
    t.cancel(1)
    assert float(t.batch.accounts[0]["reserved"]) == 0.0


def test_ticks_and_lots_round_against_the_account() -> None:
    """M6: quantity and buy limit down, sell limit up, a slipped price to the worse tick."""
    instruments = default_instruments(1, **NO_FEES, tick=0.5, lot=0.1)
    rows = [FLAT, FLAT]
    t = Twins(candles_of(rows), params(slippage_floor=0.001, at_close=1), instruments)
    t.advance(1)
    buy(t, 1.29)
    assert (last_fill(t).qty, last_fill(t).price) == (1.2, 100.5)
    buy(t, 1.0, type=codes.LIMIT, price=95.4)
    sell(t, 1.0, type=codes.LIMIT, price=104.6)
    assert [float(o.price) for o in t.batch.orders[0, :2]] == [95.0, 105.0]


def test_min_notional_binds_at_placement_but_not_for_exits() -> None:
    """M6."""
    instruments = default_instruments(1, **NO_FEES, min_notional=150.0)
    t = Twins(candles_of([FLAT, FLAT]), params(**FREE, **CLOSE), instruments)
    t.advance(1)
    assert buy(t, 1.0) == codes.MIN_NOTIONAL
    assert buy(t, 2.0) == codes.NONE
    assert sell(t, 1.0) == codes.MIN_NOTIONAL
    assert sell(t, 1.0, reduce_only=True) == codes.NONE


# Margin


def test_liquidation_strikes_inside_the_candle_where_equity_equals_maintenance() -> None:
    """M5: cash -20,000 + 300 x P = 0.05 x 300 x P, so P = 20,000 / 285 = 70.175..."""
    t = play(FLAT, (100, 101, 60, 90), FLAT, **CLOSE, **MARGIN)
    t.advance(1)
    buy(t, 300.0)
    stop(t, 300.0, 65.0)
    t.advance(1)
    fill = last_fill(t)
    assert fill.price == pytest.approx(20_000 / 285)
    assert (fill.reason, fill.phase) == (codes.LIQUIDATION, codes.ADVERSE)
    assert gone(t) == [(2, codes.LIQUIDATION)]
    assert int(t.batch.accounts[0]["ending"]) == codes.LIQUIDATED


def test_a_gap_open_beyond_maintenance_liquidates_at_the_open_and_names_the_bad_debt() -> None:
    """M5: 300 units at 60 leave 18,000 - 20,000 = -2,000."""
    t = play(FLAT, (60, 61, 59, 60), FLAT, **CLOSE, **MARGIN)
    t.advance(1)
    buy(t, 300.0)
    t.advance(1)
    assert (last_fill(t).price, last_fill(t).phase) == (60.0, codes.OPEN)
    account = t.batch.accounts[0]
    assert float(account["bad_debt"]) == pytest.approx(2_000.0)
    assert float(account["equity"]) == pytest.approx(-2_000.0)


def test_all_symbols_move_together_to_the_margin_call() -> None:
    """M5: two longs of 150 that both fall by 40 are struck where one of 300 is."""
    rows = [FLAT, (100, 101, 60, 90), FLAT]
    t = Twins(
        candles_of(rows, rows), params(**FREE, **CLOSE, **MARGIN), default_instruments(2, **NO_FEES)
    )
    t.advance(1)
    for s in range(2):
        t.place(symbol=s, side=1, size=150.0)
    t.advance(1)
    prices = [f.price for f in fills(t)[2:]]
    assert prices == [pytest.approx(20_000 / 285)] * 2


def test_funding_is_paid_on_the_position_at_the_mark() -> None:
    """M5, D9: 10 units x 110 x 0.1 % = 1.1 from the long."""
    funding = np.array([[0.0], [0.0], [0.001], [0.0]])
    t = Twins(
        candles_of([FLAT, (100, 110, 100, 110), FLAT]),
        params(**FREE, **CLOSE, **MARGIN),
        default_instruments(1, **NO_FEES),
        funding,
    )
    t.advance(1)
    buy(t, 10.0)
    t.advance(1)
    assert float(t.batch.accounts[0]["funding"]) == pytest.approx(1.1)
    assert float(t.batch.accounts[0]["realized"]) == pytest.approx(-1.1)
    assert cash(t) == pytest.approx(9_000 - 1.1)


def test_interest_accrues_on_shorts_and_on_borrowed_cash() -> None:
    """M5, D9: 1 % of the short's 5,000; then 1 % of the 10,000 borrowed for a long of 20,000."""
    changes = {**FREE, **CLOSE, "margin": 1, "borrow_per_candle": 0.01}
    t = Twins(candles_of([FLAT] * 3), params(**changes), default_instruments(1, **NO_FEES))
    t.advance(1)
    sell(t, 50.0)
    t.advance(1)
    assert float(t.batch.accounts[0]["borrow"]) == pytest.approx(50.0)
    t = Twins(candles_of([FLAT] * 3), params(**changes), default_instruments(1, **NO_FEES))
    t.advance(1)
    buy(t, 200.0)
    t.advance(1)
    assert float(t.batch.accounts[0]["borrow"]) == pytest.approx(100.0)


def test_leverage_ends_where_the_initial_margin_does() -> None:
    """M5: 3 x 10,000 is allowed, a unit more is not."""
    t = play(FLAT, FLAT, **CLOSE, **MARGIN)
    t.advance(1)
    assert buy(t, 301.0) == codes.INSUFFICIENT_BALANCE
    assert buy(t, 300.0) == codes.NONE


def test_a_flip_closes_and_opens_in_one_fill_of_an_order() -> None:
    """M4: 10 bought at 100, 25 sold at 110: 100 realised, 15 short at 110."""
    t = play(FLAT, (110, 110, 110, 110), FLAT, **CLOSE, **MARGIN)
    t.advance(1)
    buy(t, 10.0)
    t.advance(1)
    sell(t, 25.0)
    assert last_fill(t).realized == pytest.approx(100.0)
    assert float(t.batch.positions[0, 0]["qty"]) == -15.0
    assert float(t.batch.positions[0, 0]["basis"]) == pytest.approx(-1_650.0)


# Targets


def test_targets_sell_first_and_scale_the_buys_by_one_factor() -> None:
    """E6: 10,000 in the first symbol become thirds of what remains after the fees."""
    table = candles_of([FLAT] * 3, [FLAT] * 3, [FLAT] * 3)
    t = Twins(table, params(**FREE, **CLOSE), default_instruments(3))
    t.advance(1)
    t.ask_target(0, codes.TARGET_WEIGHT, 1.0)
    t.rebalance()
    for s in range(3):
        t.ask_target(s, codes.TARGET_WEIGHT, 0.0 if s == 0 else 0.5)
    t.rebalance()
    sides = [(f.symbol, f.side) for f in fills(t)]
    assert sides == [(0, 1), (0, -1), (1, 1), (2, 1)]
    assert fills(t)[2].qty == pytest.approx(fills(t)[3].qty)
    assert 0.0 <= cash(t) < 1e-8


def test_a_dead_zone_keeps_what_is_near_but_a_target_of_zero_always_closes() -> None:
    """E6."""
    t = play(*[FLAT] * 3, **CLOSE)
    t.advance(1)
    t.ask_target(0, codes.TARGET_WEIGHT, 0.05)
    t.rebalance()
    t.ask_target(0, codes.TARGET_WEIGHT, 0.1, deadband=0.06)
    t.rebalance()
    assert len(fills(t)) == 1
    t.ask_target(0, codes.TARGET_WEIGHT, 0.0, deadband=0.06)
    t.rebalance()
    assert len(fills(t)) == 2


# Risk


def test_an_off_limit_refuses_nothing_when_no_cash_is_left() -> None:
    """R4: None switches a limit off, whatever there is to compare."""
    t = play(FLAT, FLAT, any_risk=1, **CLOSE)
    t.advance(1)
    buy(t, 100.0)
    assert cash(t) == 0.0
    assert buy(t, 1.0) == codes.INSUFFICIENT_BALANCE


def test_equal_to_a_limit_is_allowed_and_above_it_is_refused() -> None:
    """R1, R5: half of 10,000."""
    t = play(FLAT, FLAT, any_risk=1, max_order_size_pct=50.0, **CLOSE)
    t.advance(1)
    assert buy(t, 50.1) == codes.RISK_LIMIT_EXCEEDED
    assert buy(t, 50.0) == codes.NONE


def test_pending_orders_count_towards_the_position_limit_whatever_their_size_mode() -> None:
    """R2: two waiting notionals of 4,000 leave room for 2,000 of 10,000."""
    t = play(FLAT, FLAT, any_risk=1, max_position_size_pct=100.0, **MARGIN)
    for _ in range(2):
        assert buy(t, 4_000.0, size_mode=codes.NOTIONAL) == codes.NONE
    assert buy(t, 2_100.0, size_mode=codes.NOTIONAL) == codes.RISK_LIMIT_EXCEEDED
    assert buy(t, 2_000.0, size_mode=codes.NOTIONAL) == codes.NONE


def test_an_amended_order_needs_no_second_place_among_the_open_ones() -> None:
    """R4, O11."""
    t = play(FLAT, FLAT, any_risk=1, max_open_orders=1, **CLOSE)
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=90.0)
    assert t.amend(1, price=91.0) == codes.NONE
    assert buy(t, 1.0, type=codes.LIMIT, price=90.0) == codes.RISK_LIMIT_EXCEEDED


def test_the_daily_loss_limit_refuses_until_midnight() -> None:
    """R3: 1.5 % lost; 24 candles a day, the day ends at cursor 24."""
    rows = [FLAT, (85, 85, 85, 85), *[(85.0, 85.0, 85.0, 85.0)] * 24]
    t = play(*rows, any_risk=1, daily_loss_limit_pct=1.0, **CLOSE)
    t.advance(1)
    buy(t, 10.0)
    t.advance(1)
    sell(t, 10.0)
    assert buy(t, 1.0) == codes.DAILY_LOSS_LIMIT
    t.advance(22)
    assert buy(t, 1.0) == codes.NONE


# Endings


@pytest.mark.parametrize(("liquidate", "count"), [(0, 1), (1, 2)])
def test_the_end_cancels_what_is_pending_and_sells_only_where_asked(
    liquidate: int, count: int
) -> None:
    """M7."""
    t = play(FLAT, (100, 108, 100, 108), liquidate_on_complete=liquidate, **CLOSE)
    t.advance(1)
    buy(t, 10.0)
    stop(t, 10.0, 50.0)
    t.advance(1)
    assert len(fills(t)) == count
    assert gone(t) == [(2, codes.END_OF_EPISODE)]
    assert float(t.batch.accounts[0]["equity"]) == pytest.approx(10_080.0)
    assert int(t.batch.accounts[0]["ending"]) == codes.DATA_END


def test_a_symbol_whose_data_ends_is_closed_at_its_last_close() -> None:
    """C3, D8."""
    table = candles_of([FLAT, (100, 107, 99, 106), FLAT, FLAT], [FLAT] * 4)
    table[3:, 0]["mark"] = 106.0
    table["flags"][3:, 0] = LISTED_ONLY | codes.DATA_ENDED
    assert int(table["flags"][2, 0]) == FULL
    t = Twins(table, params(**FREE, **CLOSE), default_instruments(2, **NO_FEES))
    t.advance(1)
    buy(t, 10.0)
    stop(t, 10.0, 50.0)
    t.advance(2)
    assert (last_fill(t).price, last_fill(t).reason) == (106.0, codes.DELISTED)
    assert gone(t) == [(2, codes.DELISTED)]
    assert buy(t, 1.0) == codes.NOT_LISTED


def test_ruin_ends_the_episode() -> None:
    """E1: half of the start is gone."""
    t = play(FLAT, (40, 40, 40, 40), FLAT, FLAT, ruin_frac=0.5, **CLOSE)
    t.advance(1)
    buy(t, 100.0)
    t.advance(3)
    assert int(t.batch.accounts[0]["ending"]) == codes.RUINED
    assert int(t.batch.accounts[0]["cursor"]) == 2


def test_a_coarse_candle_meets_only_what_was_pending_at_its_open() -> None:
    """C4: a limit placed in the middle of a candle of three waits for the next one."""
    table = candles_of([FLAT, FLAT, (100, 100, 80, 90), FLAT, FLAT, (90, 95, 80, 90)])
    for t_row in (1, 2, 4, 5):
        table["flags"][t_row, 0] = LISTED_ONLY
    for t_row in (3, 6):
        table["flags"][t_row, 0] = codes.TRADED | codes.LISTED | codes.FRESH | 3 << codes.SPAN_SHIFT
    t = Twins(table, params(**FREE), default_instruments(1, **NO_FEES))
    t.advance(1)
    buy(t, 1.0, type=codes.LIMIT, price=85.0)
    t.advance(5)
    assert [(f.cursor, f.price) for f in fills(t)] == [(5, 85.0)]


def test_the_first_open_is_known_at_the_start_and_nothing_else() -> None:
    """C3: at cursor 0 the mark is the first open; an order then meets that open."""
    t = play((100, 120, 90, 110), FLAT)
    assert math.isclose(t.reference.known(0).mark, 100.0)
    buy(t, 1.0)
    t.advance(1)
    assert last_fill(t).price == 100.0


@pytest.mark.parametrize(
    ("scale", "reason"), [(1.0, codes.NONE), (100.0, codes.RISK_LIMIT_EXCEEDED)]
)
@pytest.mark.parametrize("verb", ["target", "order"])
def test_the_limit_on_an_order_counts_the_fee_that_this_account_pays(
    scale: float, reason: int, verb: str
) -> None:
    """R1: 49 % of the cash and a fee of 0.1 % are within its half; with a fee of 10 % no more."""
    market = candles_of([(100.0, 100.0, 100.0, 100.0)] * 4)
    rules = params(any_risk=1, max_order_size_pct=50.0, at_close=1)
    twins = Twins(market, rules, default_instruments(1), scales=(scale, 1.0))
    if verb == "target":
        assert twins.ask_target(0, codes.TARGET_WEIGHT, 0.49) == reason
    else:
        assert twins.place(symbol=0, side=1, size=49.0) == reason
