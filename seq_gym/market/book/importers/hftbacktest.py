"""Tapes of hftbacktest 2.x: `.npz` or `.npy` of events with flags; rows may be of one clock only.

The file names no instrument: say symbol= and venue=, or the symbol is taken from its name. Prices
are floats there; steps that are not stated follow from their 15 significant digits.

Source: spec book.md (hftbacktest npz).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers.feeds import Feeds, Rows
from seq_gym.market.book.importers.grids import texts_of_floats
from seq_gym.market.book.importers.lines import Source
from seq_gym.market.sources import symbol_in_name

__all__ = ["read", "recognise"]

_NEEDED: Final = ("ev", "exch_ts", "local_ts", "px", "qty")
_EXCH, _LOCAL, _BUY, _SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
_DEPTH, _SNAPSHOT, _CLEAR, _TRADE = 0, 1, 2, 3
_KINDS: Final = {1: _DEPTH, 2: _TRADE, 3: _CLEAR, 4: _SNAPSHOT}
"""Our kinds, by the low byte of their flags."""
_BEST: Final = 5
"""Best bid and ask alone: other people's summary of the levels, not read."""
_NPY: Final = b"\x93NUMPY"


def recognise(source: Source) -> bool:
    """Tell by an array inside whose type has the events' fields."""
    if source.head.startswith(_NPY):
        return b"'exch_ts'" in source.head[:1024] and b"'ev'" in source.head[:1024]
    if not source.head.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(source.path) as archive:
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as member:
                        head = member.read(1024)
                    return b"'exch_ts'" in head and b"'ev'" in head
    except (OSError, EOFError, zipfile.BadZipFile, RuntimeError, ValueError):
        return False
    return False


def read(sources: Sequence[Source], feeds: Feeds) -> None:
    """Read tapes of one instrument, in the order given.

    Raises:
        MarketDataError: A file is broken, names no symbol, or has a row of an unknown kind.
    """
    for source in sources:
        symbol = feeds.symbol or symbol_in_name(source.path)
        if symbol is None:
            raise MarketDataError(
                f"{source.name}: a tape of hftbacktest names no instrument; say symbol='BTCUSDT' "
                "(--symbol), or put it into the file's name."
            )
        feed = feeds.of("", symbol)
        events = _events(source)
        kinds = (events["ev"] & 0xFF).astype(np.int64)
        kept = kinds != _BEST
        feeds.ignored["best bid and ask"] += int((~kept).sum())
        rows = _rows(source, events, kinds, np.flatnonzero(kept))
        feed.counts["snapshots"] += int(_starts(rows.kind == _SNAPSHOT).sum())
        feed.pieces.append(rows)


def _events(source: Source) -> npt.NDArray[Any]:
    faults = (OSError, EOFError, zipfile.BadZipFile, ValueError, RuntimeError, KeyError)
    try:
        loaded = np.load(source.path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            events = loaded
        else:
            with loaded:
                events = loaded["data" if "data" in loaded.files else loaded.files[0]]
    except (*faults, zipfile.LargeZipFile, io.UnsupportedOperation) as error:
        raise MarketDataError(
            f"{source.name} cannot be read: {error!s:.120}. Is it cut off or broken?"
        ) from error
    names = events.dtype.names or ()
    missing = [name for name in _NEEDED if name not in names]
    if missing or events.ndim != 1:
        raise MarketDataError(
            f"{source.name} must be a table of hftbacktest 2 with {_NEEDED}; has {names or 'none'}."
        )
    for name in _NEEDED[:3]:
        if events.dtype[name].kind not in "iu":
            raise MarketDataError(f"{source.name}: {name} must be whole numbers.")
    return events


def _rows(
    source: Source, events: npt.NDArray[Any], kinds: npt.NDArray[np.int64], kept: Any
) -> Rows:
    flags = events["ev"][kept].astype(np.int64)
    kind = np.full(256, -1, dtype=np.int64)
    kind[list(_KINDS)] = list(_KINDS.values())
    ours = kind[kinds[kept]]
    side = ((flags & _BUY) > 0).astype(np.int64) - ((flags & _SELL) > 0)
    is_level = (ours == _DEPTH) | (ours == _SNAPSHOT)
    nowhere = (flags & (_EXCH | _LOCAL)) == 0
    for wrong, what in (
        (ours < 0, "ev must be of depth, trade, clear or snapshot"),
        (is_level & (side == 0), "ev of a level must be BUY or SELL"),
        (nowhere, "ev must be of the exchange's clock, the local one, or both"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise MarketDataError(
                f"{source.name} row {int(kept[row])}: {what}; was {int(flags[row]):#x}. Tapes of "
                "single orders (level 3) and of hftbacktest 1 are not read."
            )
    whole = (ours == _CLEAR) & (side == 0)
    price, size = events["px"][kept].astype(np.float64), events["qty"][kept].astype(np.float64)
    return Rows(
        exch=_stamps(source, events, kept, "exch_ts", flags & _EXCH),
        local=_stamps(source, events, kept, "local_ts", flags & _LOCAL),
        seq=np.zeros(len(kept), dtype=np.int64),
        kind=ours,
        side=side,
        place=source.place(0) + kept,
        price=texts_of_floats(np.where(whole, 0.0, price)),
        # A CLEAR says up to which price, not how much.
        qty=texts_of_floats(np.where(ours == _CLEAR, 0.0, size)),
    )


def _stamps(
    source: Source, events: npt.NDArray[Any], kept: Any, name: str, on_clock: Any
) -> npt.NDArray[np.int64]:
    stamps = events[name][kept].astype(np.int64)
    out = np.where(on_clock > 0, stamps, -1)
    known = np.flatnonzero(out != -1)
    wrong = known[(out[known] < 0)]
    back = known[1:][np.diff(out[known]) < 0]
    for rows, what in ((wrong, "be UNIX nanoseconds"), (back, "not step back on its clock")):
        if len(rows):
            row = int(rows[0])
            raise MarketDataError(
                f"{source.name} row {int(kept[row])}: {name} must {what}; was {stamps[row]}. "
                "Correct the tape's order with hftbacktest's own tools first."
            )
    return out


def _starts(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return mask & ~np.concatenate(([False], mask[:-1]))
