"""Figures of closing fills (semantics X4)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.metrics import trade_metrics, trades_by_symbol

PNLS = st.lists(st.floats(-1e6, 1e6), max_size=30)


def test_x4_the_figures_of_four_trades_by_hand():
    t = trade_metrics([30.0, -10.0, 10.0, -6.0])
    assert t.num_closing_fills == 4
    assert t.win_rate_frac == 0.5
    assert t.profit_factor == 2.5
    assert (t.avg_win, t.avg_loss) == (20.0, -8.0)
    assert (t.best_trade, t.worst_trade) == (30.0, -10.0)
    assert t.net_pnl == 24.0
    assert t.undefined == {}


def test_x4_zero_is_neither_a_win_nor_a_loss():
    t = trade_metrics([10.0, 0.0, -5.0, 0.0])
    assert t.win_rate_frac == 0.25
    assert (t.avg_win, t.avg_loss) == (10.0, -5.0)


def test_x4_without_losses_the_profit_factor_is_null_with_the_reason():
    t = trade_metrics([10.0, 5.0])
    assert (t.profit_factor, t.avg_loss) == (None, None)
    assert t.undefined == dict.fromkeys(("profit_factor", "avg_loss"), "no closing fill lost")
    assert t.worst_trade == 5.0


def test_x4_with_losses_alone_the_profit_factor_is_truly_zero():
    t = trade_metrics([-10.0])
    assert (t.profit_factor, t.win_rate_frac, t.avg_win) == (0.0, 0.0, None)
    assert t.undefined == {"avg_win": "no closing fill won"}


def test_x4_an_episode_without_a_closing_fill_has_reasons_and_no_zeros():
    t = trade_metrics([])
    assert (t.win_rate_frac, t.profit_factor, t.best_trade, t.worst_trade) == (None,) * 4
    assert set(t.undefined) == {
        "win_rate_frac", "profit_factor", "avg_win", "avg_loss", "best_trade", "worst_trade",
    }  # fmt: skip
    assert t.net_pnl == 0.0


def test_s1_52_every_symbol_has_its_fills_and_their_sum_is_all():
    by = trades_by_symbol(
        ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
        [0, 1, 0, 1, 0],
        [np.nan, np.nan, 12.0, -3.0, np.nan],
    )
    assert [s.symbol for s in by] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert [s.num_fills for s in by] == [3, 2, 0]
    assert [s.closing.net_pnl for s in by] == [12.0, -3.0, 0.0]
    assert [s.closing.win_rate_frac for s in by] == [1.0, 0.0, None]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-1e6, 1e6)), max_size=30))
@settings(deadline=None)
def test_x4_symbols_add_up_to_the_whole(fills):
    ids = np.array([i for i, _ in fills], dtype=np.int64)
    pnls = np.array([p for _, p in fills])
    by = trades_by_symbol(("A", "B", "C"), ids, pnls)
    assert sum(s.num_fills for s in by) == len(fills)
    whole = trade_metrics(pnls).net_pnl
    assert sum(s.closing.net_pnl for s in by) == pytest.approx(whole, rel=1e-9, abs=1e-6)


@given(PNLS)
@settings(deadline=None)
def test_x4_the_figures_fit_each_other(pnls):
    t = trade_metrics(pnls)
    if t.win_rate_frac is not None:
        assert 0.0 <= t.win_rate_frac <= 1.0
        assert t.worst_trade <= t.best_trade
    if t.profit_factor is not None:
        assert t.profit_factor >= 0.0
        assert (t.net_pnl >= 0) == (t.profit_factor >= 1.0) or abs(t.net_pnl) < 1e-6


@pytest.mark.parametrize(
    ("ids", "pnls", "words"),
    [
        ([0, 1], [1.0], "vectors of one length"),
        ([0.5], [1.0], "must be integers"),
        ([2], [1.0], r"in 0\.\.1; was 2"),
        ([-1], [1.0], r"in 0\.\.1; was -1"),
        ([0], [np.inf], "must be finite"),
    ],
)
def test_fills_that_do_not_fit_their_symbols_are_refused(ids, pnls, words):
    with pytest.raises(ConfigError, match=words):
        trades_by_symbol(("A", "B"), ids, pnls)
