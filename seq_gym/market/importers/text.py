"""Stream a text table in blocks: parsed in C where it is well formed, line by line where not.

A block that polars cannot read as what its columns must be is read again as strings, one line after
the other: that finds the line and the reason, and reads what is only unusual (a number with a plus,
blank lines, a header that comes again).

Source: spec C7; performance: memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import polars as pl

from seq_gym.errors import MarketDataError
from seq_gym.market.importers.containers import Part, Reader
from seq_gym.market.importers.convert import DROP_HINT, KEPT_BAD_ROWS
from seq_gym.market.importers.sheets import Sheet, split_line
from seq_gym.market.importers.tables import BadRow, Batch, Layout, ReadOptions, number_rows

__all__ = ["read_text"]

_BLOCK_BYTES: Final = 4 * 2**20
_LONGEST_LINE: Final = 2**20
_NULLS: Final = ["NULL", "null", "None", "NaN", "nan", "N/A", "NA"]
_TEXTS: Final = ("symbol", "date")


class _Block(NamedTuple):
    data: bytes
    """Whole lines."""
    bytes_read: int

    @property
    def num_lines(self) -> int:
        """Lines, blank ones included."""
        return self.data.count(b"\n") + (not self.data.endswith(b"\n"))


def read_text(part: Part, sheet: Sheet, layout: Layout, options: ReadOptions) -> Iterator[Batch]:
    """Read the rows of a text table in batches.

    Raises:
        MarketDataError: A line is not as wide as the table, not UTF-8, or endless.
    """
    wanted = list(dict.fromkeys([*layout.columns.values(), *options.extra]))
    texts = {layout.columns[name] for name in _TEXTS if name in layout.columns}
    fast = _FastParser(sheet, layout, wanted, texts)
    slow = _LineParser(sheet, wanted, texts | {layout.columns["time"]}, options)
    line = sheet.first_line
    with part.open() as reader:
        for block in _blocks(reader, sheet, part.name):
            rows = fast.read(block)
            if rows is None:
                yield slow.read(block, line)
                line += block.num_lines
            else:
                yield Batch(rows, number_rows(line, len(rows)), block.bytes_read, {})
                line += len(rows)


def _blocks(reader: Reader, sheet: Sheet, name: str) -> Iterator[_Block]:
    """Cut a stream into blocks of whole lines."""
    reader.read(sheet.skip_bytes)
    while data := reader.read(_BLOCK_BYTES):
        if not data.endswith(b"\n"):
            tail = reader.read_line(_LONGEST_LINE)
            if len(tail) == _LONGEST_LINE and not sheet.returns_only:
                raise MarketDataError(
                    f"{name} cannot be read: a line must be shorter than {_LONGEST_LINE:,} bytes."
                )
            data += tail
        data = data.replace(b"\r", b"\n") if sheet.returns_only else data
        yield _Block(data, reader.bytes_read)


class _FastParser:
    """The typed parser of polars; says None where a block does not fit it."""

    def __init__(
        self, sheet: Sheet, layout: Layout, wanted: Sequence[str], texts: set[str]
    ) -> None:
        time, names = layout.columns["time"], list(sheet.names)
        epochs = all(field.isdigit() for field in sheet.column(names.index(time)))
        types: dict[str, type[pl.DataType]] = dict.fromkeys(names, pl.String)
        types |= {name: pl.Float64 for name in wanted if name not in texts}
        types[time] = pl.Int64 if epochs else pl.String
        self._time, self._last, self._wanted = time, names[-1], list(wanted)
        self._separator, self._decimal_comma = sheet.separator, sheet.decimal_comma
        self._types = types
        # Looking for words costs a third, so only where the first rows have some; elsewhere a
        # block with one is read line by line.
        words = {field.strip() for row in sheet.rows for field in row} & set(_NULLS)
        self._nulls = sorted(words) or None
        self._positions = sorted({names.index(name) for name in (*wanted, names[-1])})

    def read(self, block: _Block) -> pl.DataFrame | None:
        """Return the rows of a block, one for each of its lines, or None."""
        data = block.data
        # A point among decimal commas parts thousands, or is a mistake: lines are looked at.
        if self._decimal_comma and b"." in data:
            return None
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return None
        has_quotes = b'"' in data
        try:
            rows = pl.read_csv(
                data,
                has_header=False,
                schema=self._types,
                columns=self._positions,
                separator=self._separator,
                quote_char='"' if has_quotes else None,
                null_values=self._nulls,
                decimal_comma=self._decimal_comma,
            )
        except (pl.exceptions.PolarsError, ValueError):
            return None
        # A line is a row, but for quotes in it; a blank one is all null.
        if (has_quotes and len(rows) != block.num_lines) or rows[self._time].has_nulls():
            return None
        # A line that is too short ends in null, as one does whose last field is empty.
        if rows[self._last].has_nulls() and (has_quotes or not self._is_full(data, len(rows))):
            return None
        return rows.select(self._wanted)

    def _is_full(self, data: bytes, num_rows: int) -> bool:
        return data.count(self._separator.encode()) == num_rows * (len(self._types) - 1)


class _LineParser:
    """Reads a block line by line, as strings; finds what is wrong, and where."""

    def __init__(
        self, sheet: Sheet, wanted: Sequence[str], verbatim: set[str], options: ReadOptions
    ) -> None:
        self._name = sheet.name
        self._verbatim = verbatim
        self._sheet = sheet
        self._wanted = wanted
        self._positions = [list(sheet.names).index(column) for column in wanted]
        self._drop_bad = options.drop_bad

    def read(self, block: _Block, first_line: int) -> Batch:
        """Return the rows of a block as strings.

        Raises:
            MarketDataError: A line is not as wide as the table or not UTF-8, and must not be left
                out.
        """
        rows: list[list[str]] = []
        numbers: list[int] = []
        bad: list[BadRow] = []
        num_bad = repeats = 0
        for line, raw in enumerate(block.data.split(b"\n"), start=first_line):
            if not raw.strip():
                continue
            fields = self._fields(raw)
            if isinstance(fields, list):
                rows.append([fields[position] for position in self._positions])
                numbers.append(line)
            elif fields == "":
                repeats += 1
            else:
                num_bad += 1
                bad = [*bad, self._refused(line, fields)] if len(bad) < KEPT_BAD_ROWS else bad
        return Batch(
            self._frame(rows),
            pl.Series(numbers, dtype=pl.Int64).to_numpy(),
            block.bytes_read,
            {"headers in between left out": repeats} if repeats else {},
            bad,
            num_bad,
        )

    def _fields(self, raw: bytes) -> list[str] | str:
        """Return the fields of a line, "" for the header again, or what is wrong with it."""
        try:
            text = raw.decode().rstrip("\r")
        except UnicodeDecodeError as error:
            return f"text must be UTF-8; was the byte {raw[error.start]:#04x}."
        if text.strip() == self._sheet.header:
            return ""
        fields = split_line(text, self._sheet.separator)
        if fields is None or "\r" in text or "\0" in text:
            return f"a line must be plain text with its quotes closed; was {text!r:.80}."
        width = len(self._sheet.names)
        if len(fields) == width + 1 and not fields[-1].strip():
            fields = fields[:width]
        if len(fields) != width:
            return (
                f"a row must have {width} fields; has {len(fields)}: {text!r:.80}. Is the file cut "
                "off?"
            )
        return fields

    def _refused(self, line: int, reason: str) -> BadRow:
        row = BadRow(f"{self._name}, line {line}", reason)
        if not self._drop_bad:
            raise MarketDataError(f"{row.where}: {row.reason} {DROP_HINT}")
        return row

    def _frame(self, rows: list[list[str]]) -> pl.DataFrame:
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self._wanted)
        frame = pl.DataFrame(
            {
                name: pl.Series(list(values), dtype=pl.String)
                for name, values in zip(self._wanted, columns, strict=True)
            }
        )
        return _with_points(frame, self._verbatim) if self._sheet.decimal_comma else frame


def _with_points(frame: pl.DataFrame, verbatim: set[str]) -> pl.DataFrame:
    """Write decimal commas as points; a point among them parts thousands, or is a mistake."""
    numbers = pl.exclude(*verbatim)
    odd = numbers.str.contains(".", literal=True)
    return frame.with_columns(
        pl.when(odd)
        .then(numbers + " (a point among decimal commas)")
        .otherwise(numbers.str.replace(",", ".", literal=True))
    )
