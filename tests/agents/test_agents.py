"""Every agent is a short complete file, and every one trades."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from seq_gym.config import field_docs
from seq_gym.evaluate import EvaluateConfig, EvaluationResult, evaluate
from seq_gym.evaluate.candles import FILL_FIELDS
from seq_gym.market import synthetic_candles

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "agents").glob("*.py"))
TRADERS = tuple(str(path) for path in FILES if "def on_candle" in path.read_text())
NAMES = [Path(path).stem for path in TRADERS]
SEVEN = "binance_um_*_1m_2026-02.parquet"
TWO = "binance_spot_*USDT_1m_2025-05_2025-08.parquet"
HOURS = "binance_spot_BTCUSDT_1h_2017-08_2024-04.parquet"
FIVE_HOURS = "binance_um_*USDT_1h_2020-10_2024-06.parquet"


def _every_agent_trades(result: EvaluationResult) -> None:
    for name in NAMES:
        episodes = result.episodes_of(name)
        fills = [fill for each in episodes for fill in each.fills]
        assert len(fills) >= 2, f"{name} made {len(fills)} fills"
        sides = {fill[FILL_FIELDS.index("side")] for fill in fills}
        assert sides == {"buy", "sell"}, f"{name} only {sides}"
        assert all(each.ending == "WINDOW_END" or each.ending == "DATA_END" for each in episodes)


def test_there_are_the_five_of_the_issue():
    assert set(NAMES) >= {
        "bracket_breakout",
        "donchian_breakout",
        "momentum_rotation",
        "rsi_mean_reversion",
        "sma_crossover",
    }


@pytest.mark.parametrize("path", TRADERS, ids=NAMES)
def test_an_agent_is_short_and_says_how_it_is_run(path):
    text = Path(path).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert f"python -m seq_gym.evaluate --agent agents/{Path(path).name}" in doc


@pytest.mark.parametrize("path", TRADERS, ids=NAMES)
def test_settings_are_frozen_and_every_one_has_a_sentence(path):
    spec = importlib.util.spec_from_file_location(f"agent_under_test_{Path(path).stem}", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    settings = module.Settings
    assert is_dataclass(settings)
    assert settings.__dataclass_params__.frozen
    assert set(field_docs(settings)) == {each.name for each in fields(settings)}


def test_every_agent_trades_on_the_synthetic_market():
    config = EvaluateConfig(agent=TRADERS, episodes=2, episode_steps=1_440, seed=1)
    market = synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=6_000, seed=2)
    _every_agent_trades(evaluate(config, data=market))


def test_an_agent_sees_nothing_of_the_future():
    market = synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=3_000, seed=2)
    cut = 2_000
    other = synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=3_000, seed=3)
    changed = _with_future(market, other, cut)
    config = EvaluateConfig(agent=TRADERS, window="full", warm_up=256)
    ours, theirs = evaluate(config, data=market), evaluate(config, data=changed)
    time = FILL_FIELDS.index("filled_ns")
    for name in NAMES:
        (a,), (b,) = ours.episodes_of(name), theirs.episodes_of(name)
        known = market.time_of(cut)
        before = [[f for f in each.fills if f[time] < known] for each in (a, b)]
        assert before[0] == before[1]
        assert before[0]
        steps = cut - 256 + 1
        assert a.equity[:steps].tobytes() == b.equity[:steps].tobytes()
        assert a.equity.tobytes() != b.equity.tobytes()


def _with_future(series, other, cut):
    """Return a series whose candles from `cut` on move as those of another."""
    from seq_gym.market import candles_from_rows

    rows = {}
    for column, name in enumerate(series.symbols):
        scale = series.close[cut - 1, column] / other.close[cut - 1, column]
        parts = [(series, 1.0, range(cut)), (other, scale, range(cut, series.num_candles))]
        rows[name] = [
            tuple(
                getattr(source, field)[t, column] * (1.0 if field == "volume" else by)
                for field in ("open", "high", "low", "close", "volume")
            )
            for source, by, times in parts
            for t in times
        ]
    return candles_from_rows(rows, instruments=series.instruments)


def test_every_agent_trades_on_two_symbols_of_real_minutes(shared_data):
    config = EvaluateConfig(
        agent=TRADERS,
        data=(str(shared_data / "candles" / TWO),),
        start="2025-06-01",
        end="2025-06-08",
        episodes=2,
    )
    _every_agent_trades(evaluate(config))


def test_every_agent_trades_on_the_seven_symbols_of_real_minutes(shared_data):
    config = EvaluateConfig(
        agent=TRADERS,
        data=(str(shared_data / "candles" / SEVEN),),
        start="2026-02-01",
        end="2026-02-03",
        episodes=1,
    )
    result = evaluate(config)
    assert result.env == "seq_gym/Portfolio-v0"
    assert result.series.num_symbols == 7
    _every_agent_trades(result)


def test_every_agent_trades_on_hours_with_gaps(shared_data):
    config = EvaluateConfig(
        agent=TRADERS,
        data=(str(shared_data / "candles" / HOURS),),
        start="2017-08-17",
        end="2018-03-31",
        window="full",
    )
    result = evaluate(config)
    assert result.series.gaps()
    _every_agent_trades(result)


@pytest.mark.slow
@pytest.mark.parametrize("files", [TWO, SEVEN, HOURS, FIVE_HOURS])
def test_every_agent_trades_on_all_of_the_real_data(shared_data, files):
    config = EvaluateConfig(
        agent=TRADERS, data=(str(shared_data / "candles" / files),), window="full", workers=2
    )
    result = evaluate(config)
    _every_agent_trades(result)
    for episode in result.episodes:
        assert len(episode.equity) == result.windows[0].num_steps + 1
