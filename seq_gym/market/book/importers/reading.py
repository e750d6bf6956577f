"""Recordings of order books: the format is found by content, each instrument becomes BookEvents.

Source: spec book.md (Formats that are read, B1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.book.clock import least_latency, shift_needed
from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.importers import binance, cryptofeed, hftbacktest, snapshots, tardis
from seq_gym.market.book.importers.feeds import Feed, Feeds
from seq_gym.market.book.importers.finish import Finish, Made
from seq_gym.market.book.importers.lines import Places, Source, open_source
from seq_gym.market.book.importers.report import Recording
from seq_gym.market.importers.strangers import BOOKS_READ, stranger_of
from seq_gym.market.instruments import plain_symbol

__all__ = ["FAMILIES", "Family", "is_recording", "read_recording"]

PathLike: TypeAlias = str | Path
_PRICES: Final = {"open", "high", "low", "close"}


class Family(NamedTuple):
    """A format: how it is told, and how files of it are read."""

    name: str
    recognise: Callable[[Source], bool]
    read: Callable[[Sequence[Source], Feeds], None]
    unit: str = "line"
    """What places count."""


FAMILIES: Final = (
    Family("binance_websocket", binance.recognise, binance.read),
    Family("cryptofeed", cryptofeed.recognise, cryptofeed.read),
    Family("tardis", tardis.recognise, tardis.read),
    Family("hftbacktest", hftbacktest.recognise, hftbacktest.read, "row"),
    Family("book_snapshots", snapshots.recognise, snapshots.read),
)
"""Formats, in the order in which they are tried; no two recognise the same file."""


def is_recording(path: PathLike) -> bool:
    """Tell by its content whether a file is a recording of an order book that can be read."""
    try:
        source = open_source(Path(path))
        return any(family.recognise(source) for family in FAMILIES)
    except MarketDataError:
        return False


def read_recording(
    paths: PathLike | Iterable[PathLike],
    *,
    symbol: str | None = None,
    venue: str | None = None,
    tick: float | str | None = None,
    lot: float | str | None = None,
    shift_ns: int | None = None,
    fix_clock: bool = False,
    renames: bool = True,
) -> list[Recording]:
    """Read a recording: one or several files of one format, by one recorder.

    Args:
        paths: Files; what they are packed in (gzip, zstd) makes no difference.
        symbol: Only this one, or the name of what the files do not name.
        venue: Only this one, or the name of the only one where the files' own is not wanted.
        tick: Price step; None = what the recording says of the instrument, else the smallest
            decimal step seen.
        lot: Quantity step, likewise.
        shift_ns: Nanoseconds added to local_ts: the recorder's clock was behind by so much.
        fix_clock: Add what the clock is behind by at least, as measured.
        renames: `venue` may replace the one that the files state; else it must be that one.

    Returns:
        Books with their reports, by venue and symbol.

    Raises:
        ConfigError: No files, or both `shift_ns` and `fix_clock`; UnknownName of a venue that they
            do not have.
        MarketDataError: A file is of no known format, a row is nonsense or off its grid, or the
            recorder's clock is behind and no shift was asked for; names file and line.

    Source: B1, B8, B9, B10.
    """
    files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not files:
        raise ConfigError("A recording must have files; was none.")
    if shift_ns is not None and fix_clock:
        raise ConfigError(
            "Say shift_ns or fix_clock, not both: the one states what the other finds."
        )
    sources = [open_source(path, index) for index, path in enumerate(files)]
    family = _family_of(sources)
    places = Places(names=[source.name for source in sources], unit=family.unit)
    feeds = Feeds(places=places, symbol=symbol)
    family.read(sources, feeds)
    made = [_made(feed) for feed in _wanted(feeds, symbol, venue, files, renames)]
    least = [each.least[0] for each in made if each.least is not None]
    offset = min(least, default=None)
    shift = shift_needed(least) if fix_clock else int(shift_ns or 0)
    _refuse_early(made, places, shift, offset)
    steps = (None if tick is None else str(tick), None if lot is None else str(lot))
    finish = Finish(feeds, family.name, venue, steps, shift, offset)
    return sorted((finish.of(each) for each in made), key=lambda each: _name(each.events))


def _name(events: BookEvents) -> tuple[str, str]:
    return events.venue, events.symbol


def _family_of(sources: Sequence[Source]) -> Family:
    found: dict[str, Family] = {}
    for source in sources:
        family = next((each for each in FAMILIES if each.recognise(source)), None)
        if family is None:
            raise _unread(source)
        found[family.name] = family
    if len(found) > 1:
        raise MarketDataError(f"Files of one call must be of one format; were {', '.join(found)}.")
    return next(iter(found.values()))


def _unread(source: Source) -> MarketDataError:
    """Say what a file is, where that is seen, and which recordings are read."""
    rule = f"{source.name} must be a recording of an order book: {BOOKS_READ}"
    if not source.head:
        return MarketDataError(f"{rule}; was empty.")
    rows = [line.decode("utf-8-sig", "replace").split(",") for line in source.head_lines[:2]]
    stranger = stranger_of(rows[0], rows[0]) or stranger_of(rows[0], rows[-1]) if rows else None
    if stranger is None and rows and {name.strip().lower() for name in rows[0]} >= _PRICES:
        stranger = "candles, which sessions and environments on candles read"
    held = f"holds {stranger}" if stranger else f"begins with {source.head[:60]!r}"
    return MarketDataError(f"{rule}; {held}.")


def _wanted(
    feeds: Feeds, symbol: str | None, venue: str | None, files: Sequence[Path], renames: bool
) -> list[Feed]:
    known = [feed for feed in feeds.by_name.values() if feed.messages or feed.pieces]
    if not known:
        ignored = ", ".join(f"{name} ({count})" for name, count in feeds.ignored.items())
        raise MarketDataError(
            f"{files[0].name} must hold levels or trades; has none, but {ignored or 'nothing'}."
        )
    venues = {feed.venue for feed in known}
    if venue in venues:
        known = [feed for feed in known if feed.venue == venue]
    elif venue is not None and not renames and all(venues):
        raise UnknownName("venue", venue, sorted(venues), f"of {files[0].name}")
    elif venue is not None and len(venues) > 1:
        raise MarketDataError(
            f"{files[0].name} must hold {venue}, or one venue to be called so; holds "
            f"{', '.join(sorted(venues))}."
        )
    if symbol is None:
        return known
    wanted = [feed for feed in known if plain_symbol(feed.symbol) == plain_symbol(symbol)]
    if not wanted:
        names = ", ".join(sorted({feed.symbol for feed in known}))
        raise MarketDataError(f"{files[0].name} must hold {symbol}; holds {names}.")
    return wanted


def _made(feed: Feed) -> Made:
    rows = feed.rows()
    return Made(feed, rows, least_latency(rows.exch, rows.local))


def _refuse_early(made: Sequence[Made], places: Places, shift: int, offset: int | None) -> None:
    """Refuse what would be learnt before it happened (B1)."""
    if offset is None or offset + shift >= 0:
        return
    each = next(each for each in made if each.least is not None and each.least[0] == offset)
    assert each.least is not None
    behind = f"{-offset:,} ns ({-offset / 1e9:.3f} s)"
    raise MarketDataError(
        f"{places.told(int(each.rows.place[each.least[1]]))}: local_ts must be at or after exch_ts "
        f"(B1); was {-(offset + shift):,} ns before it. The recorder's clock is behind by at least "
        f"{behind}: read it with load_book(..., fix_clock=True) (--fix-clock), or shift_ns=... "
        "(--shift-ns) with what you know of it."
    )
