"""Stream JSON: a list of rows, alone or inside a document, each a list or a record.

freqtrade's ``[[ms, open, high, low, close, volume], ...]``, Binance's and Kraken's REST rows,
Bitfinex' and Coinbase Exchange's in their own orders, Coinbase Advanced Trade's
``{"candles": [{"start": ..., "low": ..., ...}]}``, and any other records with names.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from seq_gym.errors import MarketDataError
from seq_gym.market.importers.containers import Part, Reader
from seq_gym.market.importers.tables import Batch, number_rows

__all__ = ["JsonSample", "begins_with_rows", "read_json", "sample_json"]

_BEGIN: Final = re.compile(r"\[[ \t\r\n]*(?=[\[{])")
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_COMMA: Final = re.compile(r"[ \t\r\n]*,")
_BLOCK: Final = 2**20
_SAMPLE_ROWS: Final = 2_000
_LARGEST_ROW: Final = 2**20
_LARGEST_REST: Final = 2**24


class JsonSample(NamedTuple):
    """First rows of a JSON table."""

    names: Sequence[str]
    """Keys of its records; "column 0", "column 1", ... where the rows are lists."""
    rows: Sequence[Sequence[Any]]
    has_names: bool

    def column(self, name: str) -> list[Any]:
        """Return the first values of a column."""
        position = list(self.names).index(name)
        return [row[position] for row in self.rows]


def begins_with_rows(head: bytes) -> bool:
    """Tell whether the beginning of a JSON document leads to a list of rows."""
    return _BEGIN.search(head.decode(errors="replace")) is not None


def sample_json(part: Part) -> JsonSample:
    """Look at the first rows.

    Raises:
        MarketDataError: There is no list of rows.
    """
    with part.open() as reader:
        every = (row for rows in _windows(part.name, reader) for row in rows)
        rows = list(islice(every, _SAMPLE_ROWS))
    if not rows:
        raise MarketDataError(f"{part.name} must have rows; was an empty list.")
    if isinstance(rows[0], dict):
        names = list(rows[0])
        return JsonSample(
            names, [[row.get(name) for name in names] for row in _records(rows)], True
        )
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    lists = [row for row in rows if isinstance(row, list) and len(row) == width]
    if not width:
        raise MarketDataError(
            f"{part.name} cannot be read: JSON must hold rows; was {rows[0]!r:.60}."
        )
    return JsonSample([f"column {position}" for position in range(width)], lists, False)


def read_json(part: Part, sample: JsonSample, wanted: Sequence[str], time: str) -> Iterator[Batch]:
    """Read the rows in batches; their numbers count from 0.

    Raises:
        MarketDataError: The document is broken or cut off, or a row is not like the first.
    """
    first = 0
    with part.open() as reader:
        for rows in _windows(part.name, reader):
            columns = _columns(rows, sample, wanted, part.name, first)
            frame = pl.DataFrame(
                [_series(n, v, n == time) for n, v in zip(wanted, columns, strict=True)]
            )
            yield Batch(frame, number_rows(first, len(frame)), reader.bytes_read, {})
            first += len(frame)


def _columns(
    rows: Sequence[Any], sample: JsonSample, wanted: Sequence[str], name: str, first: int
) -> list[Sequence[Any]]:
    """Turn rows into columns, after a look at the shape of each."""
    if sample.has_names:
        odd = next((i for i, row in enumerate(rows) if not isinstance(row, dict)), None)
    else:
        width = len(sample.names)
        odd = next(
            (i for i, row in enumerate(rows) if type(row) is not list or len(row) != width), None
        )
    if odd is not None:
        shape = "a record" if sample.has_names else f"a list of {len(sample.names)}"
        raise MarketDataError(
            f"{name}, row {first + odd}: a row must be {shape}, as the first is; was "
            f"{rows[odd]!r:.80}."
        )
    if sample.has_names:
        return [[row.get(column) for row in rows] for column in wanted]
    columns = list(zip(*rows, strict=True))
    return [columns[list(sample.names).index(column)] for column in wanted]


def _series(name: str, values: Sequence[Any], is_time: bool) -> pl.Series:
    """Keep whole numbers whole and floats as they are; all else becomes text, to be judged."""
    kinds = set(map(type, values))
    if is_time and kinds == {int} and max(map(abs, values)) < 2**63:
        return pl.Series(name, values, dtype=pl.Int64)
    if not is_time and kinds <= {int, float}:
        try:
            return pl.Series(name, np.asarray(values, dtype=np.float64))
        except OverflowError:
            pass  # a whole number beyond every double: its text says so
    texts = [value if isinstance(value, str | None) else repr(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _records(rows: Sequence[Any]) -> list[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, dict)]


def _windows(name: str, reader: Reader) -> Iterator[list[Any]]:
    """Decode the rows of the first list of rows, some thousand at a time."""
    text = _Text(name, reader)
    text.seek_rows()
    while rows := text.next_rows():
        yield rows
    text.refuse_more_rows()


class _Text:
    """A window over a JSON document that moves forward."""

    def __init__(self, name: str, reader: Reader) -> None:
        self._name = name
        self._reader = reader
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder()
        self._text, self._at, self._ended = "", 0, False
        self._before, self._is_first = "", True

    def seek_rows(self) -> None:
        """Move behind the bracket that opens the rows."""
        while (found := _BEGIN.search(self._text)) is None:
            if self._ended or len(self._text) > 4 * _BLOCK:
                raise MarketDataError(
                    f"{self._name} cannot be read: JSON must hold a list of rows, [[time, open, "
                    "...], ...] or [{...}, ...]; has none."
                )
            self._more()
        self._before = self._text[: found.start()]
        self._at = found.end()

    def next_rows(self) -> list[Any]:
        """Return the next rows, as many as stand whole in the window; none behind the last."""
        while True:
            start = self._behind_blanks(self._at)
            if self._text.startswith("]", start):
                self._at = start + 1
                return []
            comma = None if self._is_first else _COMMA.match(self._text, start)
            rows, end = self._whole_rows(start if comma is None else comma.end())
            if end and (self._is_first or comma) and (end < len(self._text) or self._ended):
                self._at, self._is_first = end, False
                return rows
            if self._ended or len(self._text) - self._at > _LARGEST_ROW:
                raise MarketDataError(
                    f"{self._name} cannot be read: JSON must be whole and well formed; was "
                    f"{self._text[self._at : self._at + 60]!r}. Is the file cut off?"
                )
            self._more()

    def _whole_rows(self, start: int) -> tuple[list[Any], int]:
        """Decode rows from a position on; return them and where they end, 0 where none is whole."""
        start = self._behind_blanks(start)
        close = "}" if self._text.startswith("{", start) else "]"
        end = self._text.rfind(f"{close},", start) + 1
        # All rows at once are ten times faster; where what stands between is more than rows, such
        # as the end of the list, the text of "[rows]" is not JSON, and each is decoded alone.
        try:
            if end:
                return json.loads(f"[{self._text[start:end]}]"), end
        except (ValueError, RecursionError):
            pass
        return self._one_by_one(start)

    def _one_by_one(self, start: int) -> tuple[list[Any], int]:
        rows: list[Any] = []
        end = 0
        while len(rows) < _SAMPLE_ROWS:
            try:
                row, end = self._json.raw_decode(self._text, start)
            except (ValueError, RecursionError):
                break
            rows.append(row)
            comma = _COMMA.match(self._text, end)
            if comma is None:
                break
            start = self._behind_blanks(comma.end())
        return rows, end

    def _behind_blanks(self, start: int) -> int:
        found = _BLANKS.match(self._text, start)
        return start if found is None else found.end()

    def refuse_more_rows(self) -> None:
        """Check what stands around the rows: well-formed JSON, and no second list of rows."""
        while not self._ended and len(self._text) - self._at < _LARGEST_REST:
            self._more()
        rest = self._text[self._at :]
        if _BEGIN.search(rest):
            raise MarketDataError(
                f"{self._name} cannot be read: JSON must hold one list of rows; has several. Save "
                "each in a file of its own."
            )
        try:
            json.loads(f"{self._before}[]{rest}")
        except (ValueError, RecursionError) as error:
            raise MarketDataError(
                f"{self._name} cannot be read: JSON must be whole and well formed; behind its rows "
                f"was {rest.strip()!r:.60}. Is the file cut off?"
            ) from error

    def _more(self) -> None:
        data = self._reader.read(_BLOCK)
        self._ended = not data
        try:
            fresh = self._decode.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise MarketDataError(
                f"{self._name} cannot be read: JSON must be UTF-8; was {error.reason}."
            ) from error
        self._text, self._at = self._text[self._at :] + fresh, 0
