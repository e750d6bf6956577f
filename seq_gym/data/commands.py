"""What each command does: from its options to a document, a text and an exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seq_gym.console import say
from seq_gym.data.files import expand_files, recordings_of
from seq_gym.data.listing import coverage_document, coverage_text, list_document, list_text
from seq_gym.data.progress import show_progress
from seq_gym.data.report import download_document, download_text, import_document, import_text
from seq_gym.data.settings import (
    CoverageOptions,
    DownloadOptions,
    ImportOptions,
    ListOptions,
    ResampleOptions,
    VerifyOptions,
)
from seq_gym.errors import ConfigError, SeqGymError, UnknownName
from seq_gym.market.instruments import plain_symbol
from seq_gym.market.store import Coverage, Store, TableInfo, TableKey
from seq_gym.market.wording import counted
from seq_gym.times import parse_interval

if TYPE_CHECKING:
    from seq_gym.market.book.store import BookCoverage

__all__ = [
    "Outcome",
    "run_coverage",
    "run_download",
    "run_import",
    "run_list",
    "run_resample",
    "run_verify",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command came to."""

    document: Mapping[str, Any] = field(default_factory=dict)
    """For --output json."""
    text: str = ""
    """For people."""
    exit_code: int = 0


def run_import(options: ImportOptions) -> Outcome:
    """Import files.

    Raises:
        SeqGymError: A file or an option is at fault.
        KeyboardInterrupt: It was interrupted; the files of a symbol are stored whole, or not.
    """
    from seq_gym.market.book.store.importing import RecordingOptions
    from seq_gym.market.importers import ReadOptions

    store = Store.open(options.store)
    found = expand_files(options.files)
    recordings = recordings_of(found, options)
    paths = [path for path in found if path not in recordings]
    reading = ReadOptions(
        symbol=options.symbol,
        venue=options.venue,
        interval_ns=None if options.interval is None else parse_interval(options.interval),
        tz=options.tz,
        columns=options.column_names,
        extra=options.extra,
        kind=None if options.kind == "book" else options.kind,
        drop_bad=options.drop_bad,
    )
    recorded = RecordingOptions(
        symbol=options.symbol,
        venue=options.venue,
        tick=options.tick,
        lot=options.lot,
        fix_clock=options.fix_clock,
        shift_ns=None if options.shift_ns is None else int(options.shift_ns),
    )
    reports = []
    with _told_what_stays(store, len(found)), show_progress(options.quiet) as progress:
        if paths:
            reports += store.import_files(
                paths,
                reading,
                on_conflict=options.on_conflict,
                drop_bad=options.drop_bad,
                progress=progress,
                on_wait=say,
            )
        if recordings:
            reports += store.import_books(recordings, recorded, on_wait=say)
    return Outcome(
        document=import_document(store, reports),
        text=import_text(store, reports, is_quiet=options.quiet),
    )


def run_list(options: ListOptions) -> Outcome:
    """List the tables of the store."""
    store = Store.open(options.store)
    tables = store.list()
    names = _meant(options.symbol, tables)
    if options.symbol is not None:
        tables = [each for each in tables if each.key.symbol in names]
    covered: dict[TableKey, Coverage | BookCoverage] = {}
    for name in names:
        covered |= {each.key: each for each in store.coverage(name)}
        covered |= {each.key: each for each in store.book_coverage(name)}
    return Outcome(
        document=list_document(store, tables, covered), text=list_text(store, tables, covered)
    )


def run_coverage(options: CoverageOptions) -> Outcome:
    """Show density and gaps."""
    store = Store.open(options.store)
    tables = store.list()
    there = [each for each in tables if options.venue in (None, each.key.venue)]
    names = _meant(options.symbol, there or tables)
    covered = [each for name in names for each in store.coverage(name, options.venue)]
    books = [each for name in names for each in store.book_coverage(name, options.venue)]
    if options.interval is not None:
        books = []
        length_ns = parse_interval(options.interval)
        known = dict.fromkeys(str(each.key.interval) for each in covered)
        covered = [each for each in covered if each.key.interval_ns == length_ns]
        if known and not covered:
            raise UnknownName("interval", options.interval, known, "of the store")
    return Outcome(
        document=coverage_document(store, covered, books),
        text=coverage_text(store, covered, books),
    )


def run_resample(options: ResampleOptions) -> Outcome:
    """Make tables of coarser candles."""
    store = Store.open(options.store)
    reports = [
        store.resample(
            symbol,
            options.to,
            venue=options.venue,
            on_conflict=options.on_conflict,
            on_wait=say,
        )
        for symbol in options.symbols
    ]
    return Outcome(
        document=import_document(store, reports),
        text=import_text(store, reports, is_quiet=True),
    )


def run_verify(options: VerifyOptions) -> Outcome:
    """Check everything against its fingerprint."""
    store = Store.open(options.store)
    if not store.list():
        raise ConfigError(
            f"A store that is verified must hold a table; {store.place.name} holds none. Likely "
            "fix: --store, or import first."
        )
    tables, faults = store.list(), store.verify()
    lines = [f"{fault.table}, {fault.file}: {fault.problem}" for fault in faults]
    found = f"{counted(len(tables), 'table')}, {counted(len(faults), 'fault')}"
    told = f"{found} in {store.place.name}"
    return Outcome(
        document={
            "store": store.place.name,
            "tables": len(tables),
            "faults": [
                {"table": str(fault.table), "file": fault.file, "problem": fault.problem}
                for fault in faults
            ],
        },
        text="\n".join([*lines, told]),
        exit_code=1 if faults else 0,
    )


def run_download(options: DownloadOptions) -> Outcome:
    """Bring candles from an archive or an exchange into the store."""
    from seq_gym.market.download import (
        ARCHIVE_URL,
        ArchiveSource,
        CcxtSource,
        Patience,
        Source,
        download,
    )

    store = Store.open(options.store)
    is_watched = sys.stderr.isatty() and not options.quiet
    patience = Patience(tell=say if is_watched else None)
    source: Source
    if options.is_archive:
        source = ArchiveSource(
            market=options.market,
            base_url=options.base_url or ARCHIVE_URL,
            folder=options.keep,
            patience=patience,
        )
    else:
        _refuse_for_exchanges(base_url=options.base_url, keep=options.keep)
        name = options.source.partition(":")[2]
        source = CcxtSource(name, market=options.market, patience=patience)
    stays = _told_what_stays(store, len(options.symbols))
    with stays, show_progress(options.quiet) as progress:
        done = [
            download(
                source,
                store,
                symbol,
                interval=options.interval,
                start=options.start,
                end=options.end,
                kind=options.kind,
                on_conflict=options.on_conflict,
                progress=progress,
                on_wait=say,
            )
            for symbol in options.symbols
        ]
    return Outcome(document=download_document(store, done), text=download_text(store, done))


@contextlib.contextmanager
def _told_what_stays(store: Store, num_named: int) -> Iterator[None]:
    """Add to an error or an interrupt what was stored before it: symbols are stored one by one."""
    if num_named == 1:
        yield
        return
    before = {each.key: each.fingerprint for each in store.list()}
    try:
        yield
    except (SeqGymError, KeyboardInterrupt) as error:
        now = {each.key: each.fingerprint for each in store.list()}
        new = [str(key) for key, fingerprint in now.items() if before.get(key) != fingerprint]
        if new:
            error.add_note(f"Stored before that: {', '.join(new)}.")
        raise


def _meant(name: str | None, tables: Sequence[TableInfo]) -> list[str | None]:
    """Return the symbols that a filter lets through: that spelling, else all that read the same.

    Kraken's XBTUSD and Coinbase's BTC-USD are both meant by btc/usd: a filter need not choose.

    Raises:
        UnknownName: No table is of such a symbol.
    """
    known = sorted({each.key.symbol for each in tables})
    if name is None or name in known:
        return [name]
    plain = plain_symbol(name)
    found: list[str | None] = [each for each in known if plain_symbol(each) == plain]
    if not found:
        raise UnknownName("symbol", name, known)
    return found


def _refuse_for_exchanges(**options: str | None) -> None:
    for name, value in options.items():
        if value is not None:
            raise ConfigError(
                f"{name} must be left out for an exchange, it is of archives; was {value!r}."
            )
