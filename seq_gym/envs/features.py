"""Feature matrices: every feature of every symbol at every cursor, computed once per dataset.

Row t of a matrix is what is known at cursor t, that is from candles 0..t-1 (C2, E3); row 0 is
zeros. A symbol's features are computed over the candles that it has: in a gap they stay at their
last value (C6), before the first known candle and while a look-back fills they are 0 (C3).
Features of the clock are those of the virtual time itself, in gaps too. NaN never leaves.

Matrices are shared: the same series and features give the same read-only array, from a small
cache, so that a thousand environments hold one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seq_gym.envs.feature_custom import Feature, array_columns, expression_column
from seq_gym.envs.feature_formulas import FeatureColumns
from seq_gym.envs.feature_table import (
    DEFAULT_FEATURES,
    FEATURE_SETS,
    FEATURES,
    FULL_FEATURES,
    FeatureSpec,
    feature_spec,
)
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleSeries

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "FEATURE_SETS",
    "FULL_FEATURES",
    "Feature",
    "FeatureMatrix",
    "FeatureSpec",
    "build_features",
    "feature_spec",
]

Floats = NDArray[np.float64]
FeatureLike: TypeAlias = str | Feature | tuple[Any, ...] | Mapping[str, Any]

_log = logging.getLogger(__name__)

# Part of the fingerprint: raise it whenever a formula changes its values.
_FORMULAS = "seq_gym.features/1"
_CACHE_SIZE = 16
# Above this share of clipped values the bounds hide what the feature says: worth a warning.
_CLIPPED_FRAC = 1e-3
# A value beyond its bound by less than this share of the range is rounding, not clipping.
_ROUNDING = 1e-9

_cache: OrderedDict[tuple[str, ...], FeatureMatrix] = OrderedDict()
_cache_lock = threading.Lock()


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class FeatureMatrix:
    """Features of a series.

    Attributes:
        values: float32 [T + 1, S, F], C-contiguous, read-only, finite, within the bounds; row t is
            **known at** cursor t.
        names: F names.
        low, high: float32 [F], bounds.
        warmup: Candles that a symbol needs before its every feature is defined; with no gaps and
            all symbols listed from row 0, the first cursor at which an episode's oldest window row
            may stand (E3).
        ready: int64 [S], first cursor at which every feature of the symbol is defined, gaps and
            late listing included; T + 1 if that never happens.
        clipped_frac: float64 [F], share of the defined values that lay beyond the bounds.
        fingerprint: sha256 of names, formulas, windows and bounds, not of the data: a trained model
            fits any matrix with its fingerprint.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    warmup: int
    ready: NDArray[np.int64]
    clipped_frac: Floats
    fingerprint: str


def build_features(
    series: CandleSeries,
    features: FeatureLike | Sequence[FeatureLike] = "default",
) -> FeatureMatrix:
    """Compute features for all symbols and cursors of a series, or take them from the cache.

    Args:
        series: Candles [T, S].
        features: One of these, or a sequence of them: a set of `FEATURE_SETS` ("default", "full"),
            a name of `FEATURES` (with a window if wanted, `rsi_28`), a `Feature`, a mapping with
            its keys; in a sequence also a tuple `(name, values[, low, high])`.

    Raises:
        UnknownName: A name that is not known.
        ConfigError: A name twice, no feature at all, or a custom feature that looks ahead.
    """
    columns = _resolve(features)
    key = (series.fingerprint, *(_content_key(column) for column in columns))
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    matrix = _build(series, columns)
    with _cache_lock:
        # Two threads may have built the same; the first one stays, so that it is shared.
        matrix = _cache.setdefault(key, matrix)
        _cache.move_to_end(key)
        while len(_cache) > _CACHE_SIZE:
            _cache.popitem(last=False)
    return matrix


def _resolve(features: FeatureLike | Sequence[FeatureLike]) -> list[FeatureSpec | Feature]:
    given: Any = [features] if isinstance(features, str | Feature | Mapping) else features
    if not isinstance(given, Iterable):
        raise ConfigError(
            f"features must be a set, a name, a Feature or a list of these; was {features!r}. "
            "Likely fix: 'default'."
        )
    items: list[Any] = list(given)
    columns: list[FeatureSpec | Feature] = []
    for item in items:
        names = FEATURE_SETS.get(item) if isinstance(item, str) else None
        columns += [_resolve_one(name) for name in names or (item,)]
    if not columns:
        raise ConfigError('features must name at least one; was empty. Use "default".')
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise ConfigError(f"features must differ in name; {column.name!r} was given twice.")
        seen.add(column.name)
    return columns


def _resolve_one(item: object) -> FeatureSpec | Feature:
    if isinstance(item, str):
        return feature_spec(item)
    if isinstance(item, Feature):
        custom = item
    elif isinstance(item, Mapping):
        custom = Feature(**_known_keys(item))
    elif isinstance(item, tuple) and 2 <= len(item) <= 4:
        custom = Feature(*item)
    else:
        raise ConfigError(
            "a feature must be a name, a Feature, (name, values[, low, high]) or a mapping of "
            f"these; was {item!r}."
        )
    if custom.name in FEATURES:
        raise ConfigError(
            f"name of a custom feature must not be a built-in one; was {custom.name!r}. "
            f"Call it my_{custom.name}."
        )
    return custom


def _known_keys(item: Mapping[Any, Any]) -> dict[str, Any]:
    known = ("name", "values", "low", "high")
    for key in item:
        if key not in known:
            raise UnknownName("key of a feature", key, known)
    for key in known[:2]:
        if key not in item:
            raise ConfigError(f"a feature mapping must have the key {key!r}; had {list(item)}.")
    return dict(item)


def _describe(column: FeatureSpec | Feature) -> list[Any]:
    if isinstance(column, Feature):
        return column.describe()
    return [column.name, column.window, column.low, column.high]


def _content_key(column: FeatureSpec | Feature) -> str:
    return column.content_key() if isinstance(column, Feature) else column.name


def _build(series: CandleSeries, columns: list[FeatureSpec | Feature]) -> FeatureMatrix:
    num_symbols, num_features = series.num_symbols, len(columns)
    _refuse_missing_tables(series, columns)
    values = np.zeros((series.num_candles + 1, num_symbols, num_features), dtype=np.float32)
    ready = np.zeros(num_symbols, dtype=np.int64)
    num_clipped = np.zeros(num_features)
    num_defined = np.zeros(num_features)
    warmup = 0
    for s in range(num_symbols):
        known = np.cumsum(series.valid[:, s], dtype=np.int64)
        inputs = _Inputs(series, s)
        for f, column in enumerate(columns):
            grid, look_back = _on_grid(column, inputs, known)
            first, clipped, defined = _write(grid, column, values[1:, s, f])
            warmup = max(warmup, look_back)
            ready[s] = max(ready[s], first + 1)
            num_clipped[f] += clipped
            num_defined[f] += defined
    low = np.array([column.low for column in columns], dtype=np.float32)
    high = np.array([column.high for column in columns], dtype=np.float32)
    clipped_frac = num_clipped / np.maximum(num_defined, 1.0)
    _warn_of_clipping(columns, clipped_frac)
    for array in (values, low, high, ready, clipped_frac):
        array.flags.writeable = False
    return FeatureMatrix(
        values=values,
        names=tuple(column.name for column in columns),
        low=low,
        high=high,
        warmup=warmup,
        ready=ready,
        clipped_frac=clipped_frac,
        fingerprint=_fingerprint(columns),
    )


def _refuse_missing_tables(series: CandleSeries, columns: list[FeatureSpec | Feature]) -> None:
    """Refuse a feature of a table that the series, or one of its symbols, does not have."""
    for column in columns:
        table = column.table if isinstance(column, FeatureSpec) else None
        if table is None:
            continue
        values = getattr(series, table)
        lacks = np.ones(series.num_symbols, np.bool_) if values is None else _has_none(values)
        if lacks.any():
            symbol = series.symbols[int(np.argmax(lacks))]
            word = {"funding": "funding rates", "mark": "mark prices"}[table]
            raise ConfigError(
                f"feature {column.name!r} must have {word} to read; {symbol} has none. Likely fix: "
                f"load_candles(..., {table}={{{symbol!r}: FILE}})."
            )


def _has_none(values: Floats) -> NDArray[np.bool_]:
    """Return which symbols have no value at all: bool [S]."""
    return np.asarray(np.isnan(values).all(axis=0))


def _warn_of_clipping(columns: list[FeatureSpec | Feature], clipped_frac: Floats) -> None:
    for column, frac in zip(columns, clipped_frac, strict=True):
        if frac > _CLIPPED_FRAC:
            _log.warning(
                "feature %r: %.2f %% of its values lie beyond its bounds [%g, %g] and are clipped; "
                "scale it or widen its low and high.",
                column.name, 100.0 * frac, column.low, column.high,
            )  # fmt: skip


def _fingerprint(columns: list[FeatureSpec | Feature]) -> str:
    text = json.dumps([_FORMULAS, [_describe(column) for column in columns]])
    return hashlib.sha256(text.encode()).hexdigest()


def _write(
    grid: Floats, column: FeatureSpec | Feature, out: NDArray[np.float32]
) -> tuple[int, int, int]:
    """Write a feature's values within its bounds, 0 where undefined.

    Args:
        grid: float64 [T], NaN where undefined.
        column: Its bounds are used.
        out: float32 [T], written.

    Returns:
        First defined row (T if none), number of clipped values, number of defined ones.
    """
    defined = ~np.isnan(grid)
    slack = _ROUNDING * (column.high - column.low)
    clipped = (grid < column.low - slack) | (grid > column.high + slack)
    out[:] = np.where(defined, np.clip(grid, column.low, column.high), 0.0)
    first = int(np.argmax(defined)) if defined.any() else len(grid)
    return first, int(np.count_nonzero(clipped)), int(np.count_nonzero(defined))


class _Inputs:
    """One symbol's columns: of the candles that exist, and of the whole grid."""

    def __init__(self, series: CandleSeries, symbol: int) -> None:
        self.series = series
        self.symbol = symbol
        self.rows = np.flatnonzero(series.valid[:, symbol])
        self.candles = self._columns(self.rows)
        self.grid = self._columns(np.arange(series.num_candles))

    def _columns(self, rows: NDArray[np.intp]) -> FeatureColumns:
        series, s = self.series, self.symbol
        funding = None if series.funding is None else np.nan_to_num(series.funding[rows, s])
        return FeatureColumns(
            open=series.open[rows, s],
            high=series.high[rows, s],
            low=series.low[rows, s],
            close=series.close[rows, s],
            volume=np.nan_to_num(series.volume[rows, s]),
            close_ns=series.start_ns + (rows.astype(np.int64) + 1) * series.interval_ns,
            funding=np.zeros(len(rows)) if funding is None else funding,
            mark=np.full(len(rows), np.nan) if series.mark is None else series.mark[rows, s],
        )


def _on_grid(
    column: FeatureSpec | Feature, inputs: _Inputs, known: NDArray[np.int64]
) -> tuple[Floats, int]:
    """Compute a feature of one symbol on the grid.

    Args:
        column: The feature.
        inputs: The symbol's columns.
        known: int64 [T], candles of the symbol up to and including each row.

    Returns:
        float64 [T], NaN while undefined, and the number of candles to its first value.
    """
    series, s = inputs.series, inputs.symbol
    if isinstance(column, Feature) and column.expression is None:
        grid = _carried(array_columns(column, series)[:, s])
    elif isinstance(column, FeatureSpec) and column.on_grid:
        grid = column.compute(inputs.grid)
    else:
        if isinstance(column, FeatureSpec):
            candles = column.compute(inputs.candles)
        else:
            candles = expression_column(column, series, s)
        # Index -1, a symbol without a candle so far, meets the NaN at the end.
        grid = np.append(_carried(candles), np.nan)[known - 1]
    grid = np.where(known > 0, grid, np.nan)
    defined = ~np.isnan(grid)
    if isinstance(column, FeatureSpec):
        return grid, column.warmup
    if inputs.rows.size and not defined.any():
        raise ConfigError(
            f"feature {column.name!r} must have a value somewhere; for {series.symbols[s]} it had "
            f"none in {inputs.rows.size} candles. Load more candles or shorten its look-back."
        )
    return grid, int(known[np.argmax(defined)]) if defined.any() else 1


def _carried(values: Floats) -> Floats:
    """Return values with NaN replaced by the value before; leading NaN stay."""
    rows = np.arange(len(values))
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, rows))
    return np.where(last >= 0, values[last], np.nan) if len(values) else values
