"""Candles and funding rates from public archives of finished months and days."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from seq_gym.errors import ConfigError, DownloadError, UnknownName
from seq_gym.market.columns import CandleColumns
from seq_gym.market.download.naming import (
    INTERVALS,
    MARKETS,
    ArchiveFile,
    ArchiveMarket,
    days_of,
    plan_files,
)
from seq_gym.market.download.patience import Patience
from seq_gym.market.download.source import CandleKind, finished_before, named_interval
from seq_gym.market.download.web import FileServer
from seq_gym.market.funding import FundingRates
from seq_gym.market.importers import FoundTable, ReadOptions, open_tables, read_funding_table
from seq_gym.market.instruments import plain_symbol
from seq_gym.times import NS_PER_DAY

__all__ = ["ARCHIVE_URL", "ArchiveSource"]

ARCHIVE_URL: Final = "https://data.binance.vision"

_PUBLISHED_WITHIN_NS: Final = 62 * NS_PER_DAY
"""A month's file is there this long after its end at the latest; before, its days are tried."""
_SPELLING: Final = re.compile(r"\w{1,40}")
_SHA256: Final = re.compile(r"\b[0-9a-fA-F]{64}\b")


class ArchiveSource:
    """A public archive with the naming of data.binance.vision: zipped CSV by month and by day.

    Every file is checked against the `.CHECKSUM` beside it. A file that is not there is a gap, and
    is named in `absent`; so is one without a checksum. Today's candles are never there: ask an
    exchange for them.
    """

    def __init__(
        self,
        *,
        market: ArchiveMarket = "spot",
        base_url: str = ARCHIVE_URL,
        venue: str = "binance",
        folder: str | Path | None = None,
        timeout_s: float = 60.0,
        now_ns: Callable[[], int] = time.time_ns,
        patience: Patience | None = None,
    ) -> None:
        """Make a source; nothing is asked yet.

        Args:
            market: Spot, or futures margined in USDT (um) or in coin (cm).
            base_url: The archive's address: https, or http on this machine.
            venue: Whose candles they are.
            folder: Where the files are kept, and found again; None = they are read and forgotten.
            timeout_s: Seconds without a byte after which a request is made again.
            now_ns: Tells the present, UNIX nanoseconds.
            patience: How long failures are waited for.

        Raises:
            UnknownName: There is no such market.
            ConfigError: The address is not secure.
        """
        if market not in MARKETS:
            raise UnknownName("market", market, MARKETS)
        self._market = market
        self._venue = venue
        self._folder = None if folder is None else Path(folder)
        self._now_ns = now_ns
        self._server = FileServer(base_url, timeout_s=timeout_s, patience=patience or Patience())
        self._absent: list[str] = []

    @property
    def name(self) -> str:
        """The source as reports call it."""
        return f"{self._venue}-archive"

    @property
    def venue(self) -> str:
        """Whose candles they are; futures are apart from spot, whose symbols they share."""
        return self._venue if self._market == "spot" else f"{self._venue}_{self._market}"

    @property
    def intervals(self) -> tuple[str, ...]:
        """Lengths of candle that the archive has."""
        return INTERVALS if self._market == "spot" else INTERVALS[1:]

    @property
    def absent(self) -> list[str]:
        """Files that were asked for and are not there."""
        return list(self._absent)

    def spelling(self, symbol: str) -> str:
        """Return the archive's spelling: upper case without separators (BTCUSD_PERP keeps its own).

        Whether the archive has the symbol, only its files tell.

        Raises:
            ConfigError: It cannot be a part of a file's name, as that of a symbol is.
        """
        name = symbol.strip().upper()
        name = name if self._market == "cm" else plain_symbol(name)
        if not _SPELLING.fullmatch(name):
            raise ConfigError(
                f"symbol must be 1 to 40 letters, digits and _ at {self.name}; was {symbol!r}. "
                f"Likely fix: {'BTCUSD_PERP' if self._market == 'cm' else 'BTCUSDT'}, for example."
            )
        return name

    def pages(
        self,
        symbol: str,
        *,
        interval_ns: int,
        start_ns: int,
        end_ns: int,
        kind: CandleKind = "candles",
    ) -> Iterator[CandleColumns]:
        """Yield the finished candles that open at or after start and close by end.

        Raises:
            ConfigError: The archive has no such interval or kind.
            DownloadError: A file cannot be read, or is not what its checksum says.
            MarketDataError: A file holds something else than candles.
        """
        interval = named_interval(interval_ns, self.intervals, self.name)
        spelling = self.spelling(symbol)
        end_ns = finished_before(end_ns, interval_ns, self._now_ns())
        files = plan_files(
            spelling,
            table=kind,
            market=self._market,
            interval=interval,
            start_ns=start_ns,
            end_ns=end_ns,
            now_ns=self._now_ns(),
        )
        options = ReadOptions(symbol=spelling, venue=self.venue, interval_ns=interval_ns, kind=kind)
        for table, name in self._tables(files, options):
            for chunk in table.chunks():
                rows = _within(chunk.columns, start_ns, end_ns)
                if len(rows.time_ns):
                    yield replace(rows, symbol=spelling, interval_ns=interval_ns, source=name)

    def funding(self, symbol: str, *, start_ns: int, end_ns: int) -> Iterator[FundingRates]:
        """Yield the funding rates stamped from start to end, both included; finished months only.

        Raises:
            ConfigError: The market has no funding rates.
            DownloadError: A file cannot be read, or is not what its checksum says.
        """
        spelling = self.spelling(symbol)
        files = plan_files(
            spelling,
            table="funding",
            market=self._market,
            interval="",
            start_ns=start_ns,
            end_ns=end_ns + 1,
            now_ns=self._now_ns(),
        )
        options = ReadOptions(symbol=spelling, venue=self.venue, kind="funding")
        for table, name in self._tables(files, options):
            rates = read_funding_table(table)
            keep = (rates.time_ns >= start_ns) & (rates.time_ns <= end_ns)
            if keep.any():
                yield FundingRates(rates.time_ns[keep], rates.rate[keep], name)

    # ------------------------------------------------------------------ inner parts

    def _tables(
        self, files: list[ArchiveFile], options: ReadOptions
    ) -> Iterator[tuple[FoundTable, str]]:
        """Yield the tables of the files that are there, and their names, while they lie on disk."""
        with self._workplace() as folder:
            for file in files:
                for path in self._fetched(file, folder):
                    for table in open_tables(path, options):
                        yield table, path.name
                    if self._folder is None:
                        path.unlink()

    @contextlib.contextmanager
    def _workplace(self) -> Iterator[Path]:
        if self._folder is None:
            with tempfile.TemporaryDirectory(prefix="seq-gym-") as name:
                yield Path(name)
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"folder must be one that can be written; was {self._folder} ({error.strerror})."
            ) from error
        yield self._folder

    def _fetched(self, file: ArchiveFile, folder: Path) -> Iterator[Path]:
        path = self._fetch(file, folder)
        if path is not None:
            yield path
            return
        is_recent = file.to_ns > self._now_ns() - _PUBLISHED_WITHIN_NS
        if not (file.is_month and is_recent and "fundingRate" not in file.path):
            self._absent.append(file.path)
            return
        for day in days_of(file):
            path = self._fetch(day, folder)
            if path is None:
                self._absent.append(day.path)
            else:
                yield path

    def _fetch(self, file: ArchiveFile, folder: Path) -> Path | None:
        """Return where a file lies after it was fetched; None where the archive has none."""
        stated = self._server.text(f"{file.path}.CHECKSUM")
        if stated is None:
            return None
        sha256 = _SHA256.search(stated)
        if sha256 is None:
            raise DownloadError(
                f"{self._server.base_url}/{file.path}.CHECKSUM must state a sha256; "
                f"was {stated[:80]!r}."
            )
        target = folder / file.path
        if target.is_file() and _sha256_of(target) == sha256[0].lower():
            return target
        return target if self._server.fetch(file.path, target, sha256[0].lower()) else None


def _within(columns: CandleColumns, start_ns: int, end_ns: int) -> CandleColumns:
    keep = (columns.time_ns >= start_ns) & (columns.time_ns < end_ns)
    return columns if keep.all() else columns.take(np.flatnonzero(keep))


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
