"""Custom feature columns: a polars expression, its SQL text, or an array.

An expression is evaluated per symbol over the candles that exist, and must be causal: row i may use
candles 0..i alone (C2). That is not taken on trust: the expression is evaluated again on shorter
and shorter prefixes of the data, and a value that changes when later candles are taken away is
refused. An array cannot be tested so; it is the caller's word that row t was known at candle t's
close.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleSeries
from seq_gym.times import format_time

__all__ = ["Feature"]

Floats = NDArray[np.float64]

# Prefixes, as shares of the data, on which an expression must repeat its values; besides, the last
# candle and the last two are taken away, where a shift by -1 stumbles, and the powers of two are
# lengths, so that a backward fill of the first rows is found.
_PREFIX_FRACS = (0.31, 0.57, 0.83)
_LARGEST = float(np.finfo(np.float32).max)
# Rolling sums in polars may round differently over different lengths; a leak is far larger.
_SAME_RTOL = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A feature of your own.

    Attributes:
        name: Its name; not one of the built-in ones.
        values: A `polars.Expr` over the columns open, high, low, close, volume, quote_volume,
            funding, mark (where the series has them), open_time (Datetime, UTC) and the series'
            extra columns; or the same as SQL text, e.g. "ln(close / open)"; or an array [T] (one
            column for all symbols) or [T, S] over the rows of the series' grid, row t **known at**
            the close of candle t. NaN and null mean "not known": the last value stays, 0 before
            the first.
        low, high: Finite bounds; values beyond are clipped.

    Raises:
        ConfigError: Name, bounds or values do not say what they must.
    """

    name: str
    values: pl.Expr | str | ArrayLike
    low: float = -10.0
    high: float = 10.0

    def __post_init__(self) -> None:
        """Check name and bounds; parse SQL text; copy arrays, so that a later edit cannot leak."""
        if not self.name.isidentifier():
            raise ConfigError(
                f"name of a feature must be an identifier; was {self.name!r}. "
                f"Use letters, digits and underscores."
            )
        if not -_LARGEST <= self.low < self.high <= _LARGEST:
            raise ConfigError(
                f"bounds of feature {self.name!r} must be finite (float32) with low < high; "
                f"were {self.low} and {self.high}."
            )
        if isinstance(self.values, str):
            object.__setattr__(self, "values", _parse_sql(self.name, self.values))
        elif not isinstance(self.values, pl.Expr):
            object.__setattr__(self, "values", _copy_array(self.name, self.values))

    @property
    def expression(self) -> pl.Expr | None:
        """The expression; None where the values are an array."""
        return self.values if isinstance(self.values, pl.Expr) else None

    def describe(self) -> list[str | float]:
        """Return what a trained model depends on: name, formula, bounds (not an array's data)."""
        formula = "array" if self.expression is None else str(self.expression)
        return [self.name, formula, float(self.low), float(self.high)]

    def content_key(self) -> str:
        """Return a digest of formula or data, for the cache."""
        expression = self.expression
        if expression is None:
            array = np.asarray(self.values)
            content = repr(array.shape).encode() + array.tobytes()
        else:
            content = _expression_bytes(expression)
        return hashlib.sha256(repr(self.describe()).encode() + content).hexdigest()


def _parse_sql(name: str, text: str) -> pl.Expr:
    try:
        return pl.sql_expr(text)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ConfigError(
            f"expression of feature {name!r} must be a polars SQL expression; was {text!r}. {error}"
        ) from error


def _copy_array(name: str, values: ArrayLike) -> Floats:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"values of feature {name!r} must be a polars expression, SQL text or numbers; "
            f"was {type(values).__name__}."
        ) from error
    array.flags.writeable = False
    return array


def _expression_bytes(expression: pl.Expr) -> bytes:
    try:
        return expression.meta.serialize()
    except (pl.exceptions.PolarsError, TypeError, ValueError, AttributeError):
        # A Python function that cannot be serialised: this very object, kept alive by the cache.
        return str(id(expression)).encode()


def array_columns(feature: Feature, series: CandleSeries) -> Floats:
    """Return the feature's array as float64 [T, S].

    Raises:
        ConfigError: The shape is not that of the series.
    """
    array = np.asarray(feature.values, dtype=np.float64)
    rows, symbols = series.num_candles, series.num_symbols
    if array.shape not in ((rows,), (rows, symbols)):
        raise ConfigError(
            f"array of feature {feature.name!r} must have shape ({rows},) or ({rows}, {symbols}), "
            f"one row per candle of the series; was {array.shape}."
        )
    return np.broadcast_to(array.reshape(rows, -1), (rows, symbols))


def expression_column(feature: Feature, series: CandleSeries, symbol: int) -> Floats:
    """Return the expression over a symbol's existing candles: float64 [M], NaN where null.

    Raises:
        ConfigError: The expression fails, gives no number per candle, or looks ahead.
        UnknownName: It names a column that is not there.
    """
    rows = np.flatnonzero(series.valid[:, symbol])
    frame = _frame(series, symbol, rows)
    values = _evaluate(feature, frame)
    for count in _prefix_lengths(len(rows)):
        shorter = _evaluate(feature, frame.head(count))
        leaked = np.flatnonzero(~_same(shorter, values[:count]))
        if leaked.size:
            row = int(rows[leaked[0]])
            time = format_time(series.start_ns + row * series.interval_ns)
            raise ConfigError(
                f"feature {feature.name!r} must use candles up to its own row only; for "
                f"{series.symbols[symbol]} its value at row {row} ({time}) changes when the "
                f"candles after row {int(rows[count - 1])} are taken away. Look for shift(-1), a "
                f"mean over the whole column, backward fill or a centred window."
            )
    return values


def _prefix_lengths(num_candles: int) -> list[int]:
    lengths = {math.ceil(frac * num_candles) for frac in _PREFIX_FRACS}
    lengths |= {num_candles - 1, num_candles - 2}
    lengths |= {1 << k for k in range(num_candles.bit_length())}
    return sorted((n for n in lengths if 0 < n < num_candles), reverse=True)


def _same(shorter: Floats, longer: Floats) -> NDArray[np.bool_]:
    finite = np.abs(longer[np.isfinite(longer)])
    scale = float(finite.max()) if finite.size else 0.0
    same: NDArray[np.bool_] = np.isclose(
        shorter, longer, rtol=_SAME_RTOL, atol=1e-12 * scale, equal_nan=True
    )
    return same


def _frame(series: CandleSeries, symbol: int, rows: NDArray[np.intp]) -> pl.DataFrame:
    open_ns = series.start_ns + rows.astype(np.int64) * series.interval_ns
    columns = {name: values[rows, symbol] for name, values in series.extra.items()}
    for name in ("open", "high", "low", "close", "volume", "quote_volume"):
        columns[name] = getattr(series, name)[rows, symbol]
    for name in ("funding", "mark"):
        table = getattr(series, name)
        if table is not None:
            columns[name] = table[rows, symbol]
    frame = pl.DataFrame(columns).with_columns(pl.all().fill_nan(None))
    times = pl.Series("open_time", open_ns).cast(pl.Datetime("ns", "UTC"))
    return frame.with_columns(times)


def _evaluate(feature: Feature, frame: pl.DataFrame) -> Floats:
    expression = feature.expression
    assert expression is not None
    try:
        answer = frame.select(expression.alias(feature.name))
        column = answer.get_column(feature.name).cast(pl.Float64)
    except pl.exceptions.ColumnNotFoundError as error:
        missing = [c for c in expression.meta.root_names() if c not in frame.columns]
        name = missing[0] if missing else str(error)
        raise UnknownName("column", name, frame.columns, f"in feature {feature.name!r}") from error
    except pl.exceptions.PolarsError as error:
        raise ConfigError(
            f"expression of feature {feature.name!r} must give a number per candle. {error}"
        ) from error
    if len(column) != frame.height:
        raise ConfigError(
            f"expression of feature {feature.name!r} must give one value per candle; gave "
            f"{len(column)} for {frame.height}. A total over the whole column looks ahead; use a "
            f"rolling or cumulative form."
        )
    return column.fill_null(np.nan).to_numpy().astype(np.float64, copy=False)
