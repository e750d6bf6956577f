"""Recorded books as polars frames, and back.

Source: spec book.md (Events).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.book.decimals import counts_of, step_of
from seq_gym.market.book.integrity import COLUMNS, MAX_TICK
from seq_gym.market.instruments import Instrument

if TYPE_CHECKING:
    import polars as pl

    from seq_gym.market.book.events import BookEvents

__all__ = ["KINDS", "columns_of_frame", "frame_of"]

Columns: TypeAlias = dict[str, Any]

KINDS: Final = ("DEPTH", "SNAPSHOT", "CLEAR", "TRADE", "GAP", "STATUS")
"""Names of the kinds, by their number."""
_STATUS: Final = KINDS.index("STATUS")
_NEEDED: Final = ("exch_ts", "local_ts", "seq", "kind", "side", "price", "qty")


def frame_of(book: BookEvents) -> pl.DataFrame:
    """Return the columns of book.md; see `BookEvents.to_frame`."""
    import polars as pl

    kinds = pl.Series(book.kind).replace_strict(
        range(len(KINDS)), KINDS, return_dtype=pl.Enum(KINDS)
    )
    return pl.DataFrame(
        {
            "exch_ts": book.exch_ts,
            "local_ts": book.local_ts,
            "seq": book.seq,
            "kind": kinds,
            "side": book.side,
            "price": book.price,
            "qty": book.qty,
        }
    ).select(pl.lit(book.venue).alias("venue"), pl.lit(book.symbol).alias("symbol"), pl.all())


def columns_of_frame(frame: pl.DataFrame, instrument: Instrument) -> Columns:
    """Read a frame's columns on an instrument's grid; see `BookEvents.from_frame`.

    Raises:
        ConfigError: A column is missing.
        MarketDataError: A row is not the instrument's, or cannot be read on its grid.
    """
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise ConfigError(f"A frame of a book must have {_NEEDED}; has no {', '.join(missing)}.")
    for name in ("venue", "symbol"):
        if name in frame.columns:
            others = set(frame[name].unique().to_list()) - {getattr(instrument, name)}
            if others:
                raise MarketDataError(
                    f"A frame of a book must be of one {name}, {getattr(instrument, name)!r}; has "
                    f"{sorted(map(str, others))[:5]} too. Filter it first."
                )
    kind = _kinds(frame)
    plain = {name: _whole(frame, name) for name in ("exch_ts", "local_ts", "seq", "side")}
    tick = _counts(frame, "price", instrument.tick)
    if len(tick) and (tick.max() > MAX_TICK or tick.min() < 0):
        raise MarketDataError(f"Prices must be 0 to {MAX_TICK:,} ticks; was {tick.max():,}.")
    lots = np.where(kind == _STATUS, frame["qty"].to_numpy() != 0, 0)
    traded = kind != _STATUS
    lots[traded] = _counts(frame.filter(traded), "qty", instrument.lot)
    columns = plain | {"kind": kind, "tick": tick, "lots": lots}
    return {name: columns[name].astype(dtype) for name, dtype in COLUMNS.items()}


def _kinds(frame: pl.DataFrame) -> npt.NDArray[np.integer]:
    import polars as pl

    column = frame["kind"]
    if column.dtype.is_integer():
        return _whole(frame, "kind")
    numbers = column.cast(pl.String).replace_strict(
        KINDS, range(len(KINDS)), default=None, return_dtype=pl.Int8
    )
    if numbers.has_nulls():
        row = int(numbers.is_null().arg_max() or 0)
        raise MarketDataError(f"Row {row}: kind must be one of {KINDS}; was {column[row]!r}.")
    return numbers.to_numpy()


def _whole(frame: pl.DataFrame, name: str) -> npt.NDArray[np.integer]:
    column = frame[name]
    if not column.dtype.is_integer() or column.has_nulls():
        raise MarketDataError(
            f"Column {name} must be whole numbers in each row; was {column.dtype} with "
            f"{column.null_count()} empty."
        )
    return column.to_numpy()


def _counts(frame: pl.DataFrame, name: str, step: float) -> npt.NDArray[np.int64]:
    column = frame[name]
    values = column.to_numpy().astype(np.float64)
    counts, fits = counts_of(values, step_of(step, name))
    if not fits.all():
        row = int((~fits).argmax())
        raise MarketDataError(
            f"Row {row}: {name} must be a multiple of {step}; was {values[row]}. Is the "
            "instrument's tick and lot right?"
        )
    return counts
