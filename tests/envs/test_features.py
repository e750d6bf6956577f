"""Features: hand computations, rows and gaps, no look-ahead, bounds on real data."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seq_gym.envs.features import (
    DEFAULT_FEATURES,
    FEATURES,
    FULL_FEATURES,
    Feature,
    build_features,
    feature_spec,
)
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleColumns, CandleSeries, Instrument, load_candles

Floats = NDArray[np.float64]

MINUTE_NS = 60_000_000_000
DAY_NS = 1440 * MINUTE_NS
START_NS = 1_748_736_000_000_000_000  # 2025-06-01T00:00:00Z, a Sunday
YEAR_MINUTES = 365 * 1440


def walk(seed: int, num_candles: int, num_symbols: int = 1) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    shape = (num_candles, num_symbols)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(shape), axis=0))
    open_ = np.concatenate([np.full((1, num_symbols), 100.0), close[:-1]])
    return {
        "open": open_,
        "high": np.maximum(open_, close) * (1.0 + 0.004 * rng.random(shape)),
        "low": np.minimum(open_, close) * (1.0 - 0.004 * rng.random(shape)),
        "close": close,
        "volume": rng.lognormal(2.0, 1.0, shape),
    }


def series_of(
    columns: dict[str, Floats],
    valid: NDArray[np.bool_] | None = None,
    interval_ns: int = MINUTE_NS,
    funding: Floats | None = None,
    mark: Floats | None = None,
    extra: dict[str, Floats] | None = None,
) -> CandleSeries:
    shape = columns["close"].shape
    valid = np.ones(shape, dtype=np.bool_) if valid is None else valid
    table = {name: np.where(valid, values, np.nan) for name, values in columns.items()}
    symbols = tuple(f"{letter}USDT" for letter in "ABCDEFGH"[: shape[1]])
    return CandleSeries(
        symbols=symbols,
        instruments=tuple(Instrument.of(symbol) for symbol in symbols),
        interval_ns=interval_ns,
        start_ns=START_NS,
        **table,
        quote_volume=table["volume"] * table["close"],
        valid=valid,
        span=np.ones(shape, dtype=np.int32),
        funding=funding,
        mark=mark,
        extra=extra or {},
    )


def perpetual(columns: dict[str, Floats], valid: NDArray[np.bool_] | None = None) -> CandleSeries:
    """A series with funding rates and mark prices, made from the closes: every feature has data."""
    close = columns["close"]
    paid = np.arange(len(close))[:, None] % 8 == 3
    funding = np.where(paid, 1e-6 * close, 0.0)
    return series_of(columns, valid, funding=funding, mark=close * (1.0 + 1e-3 * np.sin(close)))


def column(series: CandleSeries, name: str, symbol: int = 0) -> Floats:
    """Return one feature, float64 [T + 1]."""
    return build_features(series, name).values[:, symbol, 0].astype(np.float64)


# ------------------------------------------------------------------ hand computations


def test_realized_volatility_is_annual_at_any_interval() -> None:
    columns = walk(1, 40)
    minutes = column(series_of(columns), "realized_volatility_5")[-1]
    days = column(series_of(columns, interval_ns=DAY_NS), "realized_volatility_5")[-1]
    moves = np.diff(np.log(columns["close"][:, 0]))[-5:]
    assert minutes == pytest.approx(math.sqrt(np.mean(moves**2) * YEAR_MINUTES), rel=1e-6)
    assert days == pytest.approx(math.sqrt(np.mean(moves**2) * 365), rel=1e-6)


def test_a_scaled_return_is_the_log_return_over_the_rms_log_true_range() -> None:
    columns = walk(2, 12)
    high, low, close = (columns[name][:, 0] for name in ("high", "low", "close"))
    ranges = [
        math.log(max(high[i], close[i - 1]) / min(low[i], close[i - 1])) for i in range(7, 12)
    ]
    unit = math.sqrt(sum(r * r for r in ranges) / 5)
    series = series_of(columns)
    assert column(series, "scaled_return_5")[-1] == pytest.approx(
        math.log(close[-1] / close[-2]) / unit, rel=1e-6
    )
    assert column(series, "scaled_low_5")[-1] == pytest.approx(
        math.log(low[-1] / close[-1]) / unit, rel=1e-6
    )


def test_simple_ratios_by_hand() -> None:
    columns = {
        "open": np.array([[90.0], [100.0]]),
        "high": np.array([[110.0], [125.0]]),
        "low": np.array([[80.0], [75.0]]),
        "close": np.array([[100.0], [100.0]]),
        "volume": np.array([[1.0], [3.0]]),
    }
    names = ("open_ratio", "high_ratio", "low_ratio", "close_position", "volume_ratio_2")
    row = build_features(series_of(columns), names).values[:, 0]
    assert row[1].tolist() == pytest.approx([-0.1, 0.1, -0.2, 1 / 3, 0.0])
    assert row[2].tolist() == pytest.approx([0.0, 0.25, -0.25, 0.0, 0.2])


def test_the_clock_is_that_of_the_virtual_time() -> None:
    series = series_of(walk(3, 30), interval_ns=60 * MINUTE_NS)
    # Cursor 6 is Sunday 06:00, a quarter of the day and 6 days and a quarter of the week.
    assert column(series, "time_of_day_sin")[6] == pytest.approx(1.0)
    assert column(series, "time_of_day_cos")[24] == pytest.approx(1.0)
    assert column(series, "day_of_week_sin")[6] == pytest.approx(math.sin(math.tau * 6.25 / 7))
    assert column(series, "day_of_week_cos")[24] == pytest.approx(1.0)


def test_funding_stays_at_the_latest_rate_in_basis_points() -> None:
    rates = np.array([[0.0], [1e-4], [0.0], [-2e-4], [0.0]])
    got = column(series_of(walk(4, 5), funding=rates), "funding_bps")
    assert got.tolist() == pytest.approx([0.0, 0.0, 1.0, 1.0, -2.0, -2.0])


def test_the_mark_basis_is_mark_over_close_and_stays_where_no_mark_price_is_known() -> None:
    columns = walk(5, 5)
    close = columns["close"]
    basis = np.array([[np.nan], [2.0], [np.nan], [-3.0], [5.0]])
    series = series_of(columns, mark=close * (1.0 + basis / 1e4))
    assert column(series, "mark_basis_bps").tolist() == pytest.approx(
        [0.0, 0.0, 2.0, 2.0, -3.0, 5.0], abs=1e-4
    )
    assert build_features(series, "mark_basis_bps").ready.tolist() == [2]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("funding_bps", "'funding_bps' must have funding rates to read; AUSDT has none.*funding="),
        ("mark_basis_bps", "'mark_basis_bps' must have mark prices to read; AUSDT has none.*mark="),
    ],
)
def test_a_feature_of_a_table_that_is_not_there_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_features(series_of(walk(4, 5)), name)


def test_a_symbol_without_mark_prices_is_named() -> None:
    columns = walk(4, 5, 2)
    mark = columns["close"].copy()
    mark[:, 1] = np.nan
    with pytest.raises(ConfigError, match="BUSDT has none"):
        build_features(series_of(columns, mark=mark), "mark_basis_bps")


def test_expressions_read_the_mark_price() -> None:
    series = perpetual(walk(4, 30))
    own = build_features(series, Feature("own", "(mark / close - 1) * 10000", -500.0, 500.0))
    np.testing.assert_allclose(own.values[:, 0, 0], column(series, "mark_basis_bps"), atol=1e-4)


# ------------------------------------------------------------------ rows, gaps, listing


def test_row_t_is_what_is_known_at_cursor_t() -> None:
    columns = walk(6, 20)
    got = column(series_of(columns), "log_return")
    assert got.shape == (21,)
    assert got[:2].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(got[2:], np.diff(np.log(columns["close"][:, 0])), rtol=1e-5)


def test_matrices_are_read_only_contiguous_and_of_stated_types() -> None:
    matrix = build_features(series_of(walk(7, 90, 3)), "full")
    assert matrix.values.shape == (91, 3, len(FULL_FEATURES))
    assert matrix.values.dtype == matrix.low.dtype == matrix.high.dtype == np.float32
    assert matrix.values.flags.c_contiguous
    assert not any(a.flags.writeable for a in (matrix.values, matrix.low, matrix.high))
    assert matrix.names == FULL_FEATURES


def test_c6_in_a_gap_a_feature_keeps_its_last_value_and_the_clock_runs_on() -> None:
    valid = np.ones((40, 1), dtype=np.bool_)
    valid[20:25] = False
    columns = walk(8, 40)
    series = series_of(columns, valid)
    rsi, clock = column(series, "rsi"), column(series, "time_of_day_sin")
    assert np.ptp(rsi[20:26]) == 0.0
    assert rsi[26] != rsi[25]
    assert len(set(clock[20:26].tolist())) == 6
    # The candles that exist give the same values as if they stood side by side.
    packed = series_of({k: v[valid[:, 0]] for k, v in columns.items()})
    np.testing.assert_array_equal(rsi[26:], column(packed, "rsi")[21:])


def test_c3_a_symbol_has_zero_features_until_its_first_candle_is_known() -> None:
    valid = np.ones((120, 2), dtype=np.bool_)
    valid[:30, 1] = False
    columns = walk(9, 120, 2)
    matrix = build_features(series_of(columns, valid), "full")
    assert not matrix.values[:31, 1].any()
    assert matrix.values[31, 1].any()
    assert matrix.ready.tolist() == [matrix.warmup, matrix.warmup + 30]
    late = series_of({k: v[30:, 1:] for k, v in columns.items()})
    alone = column(late, "rsi")
    np.testing.assert_array_equal(matrix.values[30:, 1, matrix.names.index("rsi")], alone)


def test_a_symbol_without_candles_is_zero_and_never_ready() -> None:
    valid = np.ones((50, 2), dtype=np.bool_)
    valid[:, 1] = False
    matrix = build_features(series_of(walk(10, 50, 2), valid), ("rsi", "time_of_day_cos"))
    assert not matrix.values[:, 1].any()
    assert matrix.ready.tolist() == [15, 51]


@pytest.mark.parametrize("name", FEATURES)
def test_the_warmup_is_the_first_cursor_with_a_value(name: str) -> None:
    matrix = build_features(perpetual(walk(11, 200)), name)
    assert matrix.warmup == FEATURES[name].warmup
    assert matrix.ready.tolist() == [matrix.warmup]


@pytest.mark.parametrize("name", FEATURES)
def test_a_price_that_stands_still_without_volume_gives_finite_features(name: str) -> None:
    still = {k: np.full((80, 1), 0.1) for k in ("open", "high", "low", "close")}
    matrix = build_features(perpetual({**still, "volume": np.zeros((80, 1))}), name)
    assert np.isfinite(matrix.values).all()
    assert matrix.ready.tolist() == [matrix.warmup]


# ------------------------------------------------------------------ no look-ahead


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 99))
def test_c2_changing_candles_from_t_on_leaves_rows_up_to_t_alone(seed: int, cursor: int) -> None:
    before = walk(seed, 100)
    after = {k: np.where(np.arange(100)[:, None] < cursor, v, 7.0) for k, v in before.items()}
    gaps = np.random.default_rng(seed).random((100, 1)) < 0.9
    names = (*FEATURES, "rsi_3", "realized_volatility_1")
    own = Feature("own", pl.col("close").rolling_mean(4) / pl.col("close"))
    first, second = (build_features(perpetual(c, gaps), [*names, own]) for c in (before, after))
    np.testing.assert_array_equal(first.values[: cursor + 1], second.values[: cursor + 1])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_values_are_finite_and_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gaps = rng.random((150, 2)) < rng.random()
    matrix = build_features(perpetual(walk(seed, 150, 2), gaps), tuple(FEATURES))
    assert np.isfinite(matrix.values).all()
    defined = matrix.values[matrix.ready.min() :]
    assert (defined >= np.minimum(matrix.low, 0)).all()
    assert (defined <= np.maximum(matrix.high, 0)).all()
    assert matrix.clipped_frac.max() == 0.0


# ------------------------------------------------------------------ custom features


def test_a_custom_expression_equals_the_built_in_one() -> None:
    valid = np.random.default_rng(0).random((60, 2)) < 0.8
    series = series_of(walk(12, 60, 2), valid)
    own = Feature("own", (pl.col("close") / pl.col("close").shift(1)).log(), -2.0, 2.0)
    np.testing.assert_array_equal(
        build_features(series, [own]).values, build_features(series, "log_return").values
    )
    sql = {"name": "sql", "values": "high / close - 1", "low": 0.0, "high": 3.0}
    np.testing.assert_array_equal(
        build_features(series, [sql]).values, build_features(series, "high_ratio").values
    )


@pytest.mark.parametrize(
    "leak",
    [
        pl.col("close").shift(-1) / pl.col("close"),
        pl.col("close") / pl.col("close").max(),
        (pl.col("close") - pl.col("close").mean()) / pl.col("close").std(),
        pl.col("close").reverse() / 100.0,
        pl.col("close").rolling_mean(5, center=True) / 100.0,
        pl.col("volume").rank() / 100.0,
        pl.col("close").shift(5).backward_fill() / 100.0,
    ],
    ids=["shift", "max", "z-score", "reverse", "centred", "rank", "backward fill"],
)
def test_c2_a_custom_expression_that_looks_ahead_is_refused_with_name_and_row(
    leak: pl.Expr,
) -> None:
    with pytest.raises(ConfigError, match=r"'leaky' must use candles up to its own row.* row \d+"):
        build_features(series_of(walk(13, 50)), [("leaky", leak)])


@pytest.mark.parametrize(
    "causal",
    [
        pl.col("close").ewm_mean(span=10) / 100.0,
        pl.col("close").rolling_std(20),
        pl.col("close").cum_max() / 100.0,
        pl.col("close").rolling_mean_by("open_time", "1h") / 100.0,
        pl.rolling_corr(pl.col("close"), pl.col("volume"), window_size=30),
    ],
    ids=["ewm", "std", "cum_max", "by time", "correlation"],
)
def test_causal_expressions_are_not_mistaken_for_leaks(causal: pl.Expr) -> None:
    series = series_of(walk(13, 3000))
    assert np.isfinite(build_features(series, [Feature("own", causal, -1e3, 1e3)]).values).all()


def test_heavy_clipping_is_logged_with_its_share(caplog: pytest.LogCaptureFixture) -> None:
    build_features(series_of(walk(29, 40)), [("price", pl.col("close"))])
    assert "'price': 100.00 %" in caplog.text


def test_a_custom_array_is_known_at_its_candles_close() -> None:
    series = series_of(walk(14, 4, 2))
    one = build_features(series, [("one", [1.0, 2.0, np.nan, 4.0])])
    assert one.values[:, 1, 0].tolist() == [0.0, 1.0, 2.0, 2.0, 4.0]
    each = build_features(series, [("each", np.arange(8.0).reshape(4, 2), 0.0, 5.0)])
    assert each.values[:, :, 0].tolist() == [[0, 0], [0, 1], [2, 3], [4, 5], [5, 5]]
    assert each.clipped_frac.tolist() == [0.25]


def test_extra_columns_and_open_times_serve_custom_expressions() -> None:
    extra = {"mood": np.arange(6.0).reshape(6, 1)}
    series = series_of(walk(15, 6), extra=extra)
    own = [("mood", pl.col("mood")), ("minute", pl.col("open_time").dt.minute())]
    assert build_features(series, own).values[1:, 0].tolist() == [[i, i] for i in range(6)]


def test_a_python_function_and_infinite_values_are_taken_within_the_bounds() -> None:
    series = series_of(walk(27, 30))
    halves = pl.col("close").map_batches(lambda x: x / 2.0, return_dtype=pl.Float64)
    own = [
        Feature("half", halves, 0.0, 1e3),
        Feature("endless", pl.lit(1.0) / pl.lit(0.0) + pl.col("low")),
    ]
    matrix = build_features(series, own)
    np.testing.assert_allclose(matrix.values[1:, 0, 0], series.close[:, 0] / 2.0, rtol=1e-6)
    assert matrix.values[1:, 0, 1].tolist() == [10.0] * 30
    assert matrix.clipped_frac.tolist() == [0.0, 1.0]


def test_sets_and_own_features_can_be_listed_together() -> None:
    series = series_of(walk(28, 70))
    matrix = build_features(series, ["default", "adx", ("own", pl.col("open"), 0.0, 1e4)])
    assert matrix.names == (*DEFAULT_FEATURES, "adx", "own")
    alone = build_features(series, Feature("own", "open", 0.0, 1e4))
    np.testing.assert_array_equal(alone.values[..., 0], matrix.values[..., -1])


def test_the_warmup_of_a_custom_expression_is_measured() -> None:
    series = series_of(walk(16, 50))
    matrix = build_features(series, ["log_return", ("own", pl.col("close").rolling_mean(9) / 99)])
    assert matrix.warmup == 9
    assert matrix.ready.tolist() == [9]


def test_bad_custom_features_are_refused() -> None:
    series = series_of(walk(17, 20))
    with pytest.raises(UnknownName, match=r"'clsoe'.*'close'"):
        build_features(series, [("own", pl.col("clsoe"))])
    with pytest.raises(ConfigError, match="one value per candle"):
        build_features(series, [("own", pl.col("close").mean())])
    with pytest.raises(ConfigError, match="a number per candle"):
        build_features(series, [("own", pl.lit("text") + pl.col("close").cast(pl.String))])
    with pytest.raises(ConfigError, match="a value somewhere"):
        build_features(series, [("own", pl.col("close").rolling_mean(30))])
    with pytest.raises(ConfigError, match=r"shape \(20,\)"):
        build_features(series, [("own", np.zeros(21))])
    with pytest.raises(ConfigError, match="SQL"):
        Feature("own", "close ///")
    with pytest.raises(ConfigError, match="low < high"):
        Feature("own", "close", 1.0, math.inf)
    with pytest.raises(ConfigError, match="identifier"):
        Feature("my own", "close")
    with pytest.raises(ConfigError, match="built-in"):
        build_features(series, [("rsi", pl.col("close"))])
    with pytest.raises(UnknownName, match="'values'"):
        build_features(series, [{"name": "own", "value": "close"}])


# ------------------------------------------------------------------ names, cache, fingerprint


def test_unknown_names_are_refused_with_the_near_miss() -> None:
    series = series_of(walk(18, 5))
    with pytest.raises(UnknownName, match="Did you mean 'rsi'"):
        build_features(series, "rsii")
    with pytest.raises(UnknownName, match="macd has no window"):
        feature_spec("macd_9")
    with pytest.raises(ConfigError, match="must be 2 to"):
        feature_spec("rsi_1")
    with pytest.raises(ConfigError, match="twice"):
        build_features(series, ["rsi", "atr", "rsi"])
    with pytest.raises(ConfigError, match="at least one"):
        build_features(series, [])


def test_a_window_in_the_name_changes_the_feature_and_its_warmup() -> None:
    series = series_of(walk(19, 60))
    matrix = build_features(series, ["rsi", "rsi_14", "rsi_28"])
    np.testing.assert_array_equal(matrix.values[..., 0], matrix.values[..., 1])
    assert (matrix.values[29:, 0, 2] != matrix.values[29:, 0, 1]).any()
    assert matrix.warmup == 29


def test_every_feature_of_the_sets_is_documented_and_bounded() -> None:
    assert set(DEFAULT_FEATURES) | set(FULL_FEATURES) <= set(FEATURES)
    for spec in FEATURES.values():
        assert spec.doc.endswith(".")
        assert "{" not in spec.doc
        assert -math.inf < spec.low < spec.high < math.inf


def test_equal_requests_over_equal_data_share_one_array() -> None:
    own = Feature("own", pl.col("close") / pl.col("open"))
    same = Feature("own", pl.col("close") / pl.col("open"))
    first = build_features(series_of(walk(20, 30)), ["rsi", own])
    assert build_features(series_of(walk(20, 30)), ("rsi", same)).values is first.values
    assert build_features(series_of(walk(21, 30)), ["rsi", own]).values is not first.values
    wider = Feature("own", pl.col("close") / pl.col("open"), -1.0, 99.0)
    assert build_features(series_of(walk(20, 30)), ["rsi", wider]).values is not first.values


def test_arrays_of_other_content_are_not_confused_in_the_cache() -> None:
    series = series_of(walk(22, 3))
    first, second = (build_features(series, [("own", [x] * 3)]) for x in (1.0, 2.0))
    assert first.values[-1, 0, 0] == 1.0
    assert second.values[-1, 0, 0] == 2.0
    assert first.fingerprint == second.fingerprint


def test_the_fingerprint_tells_names_windows_and_bounds_but_not_data() -> None:
    one, other = series_of(walk(23, 30)), series_of(walk(24, 30))
    assert build_features(one, "full").fingerprint == build_features(other, "full").fingerprint
    prints = {
        build_features(one, features).fingerprint
        for features in ("rsi", "rsi_15", ["rsi", "atr"], ["atr", "rsi"],
                         [("a", pl.col("open"))], [("a", pl.col("low"))], [("a", "open", -1, 1)])
    }  # fmt: skip
    assert len(prints) == 7


# ------------------------------------------------------------------ speed and real data


def test_cost_grows_with_the_data_and_not_faster() -> None:
    def seconds(num_candles: int) -> float:
        series = series_of(walk(25, num_candles))
        build_features(series_of(walk(26, 100)), "full")
        start = time.process_time()
        build_features(series, "full")
        return time.process_time() - start

    # Processor time, in turn, the lowest of several: another process must not change the answer.
    pairs = [(seconds(20_000 + i), seconds(80_000 + i)) for i in range(4)]
    small, large = (min(column) for column in zip(*pairs, strict=True))
    assert large < 12 * small


def real_files() -> list[str]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "candles"
    return sorted(p.name for p in folder.glob("*.parquet") if "funding" not in p.name)


def real_table(path: Path) -> CandleColumns:
    frame = pl.read_parquet(path)
    names = ("open", "high", "low", "close", "volume")
    values: dict[str, Any] = {name: frame[name].to_numpy().astype(np.float64) for name in names}
    symbol = next(part for part in path.name.split("_") if part.endswith(("USDT", "USD")))
    times = frame["ts"].dt.epoch("ns").to_numpy()
    return CandleColumns(symbol=symbol, time_ns=times, source=path.name, **values)


@pytest.mark.parametrize("name", real_files() or ["none"])
def test_the_bounds_contain_real_candles_and_clip_under_a_thousandth(
    shared_data: Path, name: str
) -> None:
    series = CandleSeries.from_columns(real_table(shared_data / "candles" / name))
    names = [name for name, spec in FEATURES.items() if spec.table is None]
    matrix = build_features(series, names)
    assert dict(zip(matrix.names, matrix.clipped_frac, strict=True)) == dict.fromkeys(names, 0.0)
    assert np.isfinite(matrix.values).all()
    assert matrix.ready[0] <= matrix.warmup + np.count_nonzero(~series.valid)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
def test_funding_and_basis_of_the_real_futures_lie_within_their_bounds(
    shared_data: Path, symbol: str
) -> None:
    folder = shared_data / "candles"
    files = {
        kind: folder / f"binance_um_{symbol}_1h-{kind}_2024-01_2026-04.parquet"
        for kind in ("futures", "funding_rate", "mark")
    }
    series = load_candles(
        files["futures"],
        symbols=symbol,
        funding={symbol: files["funding_rate"]},
        mark={symbol: files["mark"]},
    )
    assert not np.isnan(series.mark).any()
    matrix = build_features(series, ("funding_bps", "mark_basis_bps"))
    assert matrix.clipped_frac.tolist() == [0.0, 0.0]
    assert (np.ptp(matrix.values[:, 0], axis=0) > [5.0, 20.0]).all()


def test_the_full_set_is_near_unit_scale_from_1m_to_1d(shared_data: Path) -> None:
    for interval in ("1m_2025-05_2025-08", "1d_to_2026-01"):
        path = shared_data / "candles" / f"binance_spot_BTCUSDT_{interval}.parquet"
        series = CandleSeries.from_columns(real_table(path))
        matrix = build_features(series, FULL_FEATURES)
        size = np.sqrt(np.mean(np.square(matrix.values[matrix.warmup :, 0]), axis=0))
        for feature, rms in zip(matrix.names, size, strict=True):
            # At 1d the time of day stands still: its sine is 0.
            assert 0.1 < rms < 3.0 or feature == "time_of_day_sin", f"{feature}: {rms}"


def test_c4_a_daily_symbol_on_a_minute_grid_has_its_daily_features(shared_data: Path) -> None:
    folder = shared_data / "candles"
    minutes = real_table(folder / "binance_spot_BTCUSDT_1m_2025-05_2025-08.parquet")
    days = real_table(folder / "binance_spot_ETHUSDT_1d_to_2026-01.parquet")
    days = days.take(np.flatnonzero(days.time_ns >= minutes.time_ns[0])[:80])
    both = CandleSeries.from_columns([minutes, days])
    alone = CandleSeries.from_columns(days)
    names = ("rsi", "atr", "realized_volatility_20", "scaled_return_20")
    mixed, daily = build_features(both, names), build_features(alone, names)
    column = both.symbol_index("ETHUSDT")
    closes = (alone.start_ns + np.arange(81) * alone.interval_ns - both.start_ns) // MINUTE_NS
    np.testing.assert_allclose(mixed.values[closes, column], daily.values[:, 0], rtol=1e-6)
    # Within the day the finished candle's values stand.
    assert np.ptp(mixed.values[closes[40] : closes[41], column], axis=0).max() == 0.0
