"""Look at the beginning of a text table: encoding, separator, heading, names, first rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from seq_gym.errors import MarketDataError
from seq_gym.market.importers.containers import Part

__all__ = ["Sheet", "plain_name", "read_sheet", "split_line"]

HEAD_BYTES: Final = 128 * 1024
_SEPARATORS: Final = ("\t", ";", "|", ",", " ")
"""In the order of preference: what stands between numbers is seldom inside of them."""
_FEWEST_COLUMNS: Final = 5
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_SAMPLE_LINES: Final = 200
_SAMPLE_ROWS: Final = 2_000
_MOST_HEADING: Final = 20
"""Lines above the table, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The beginning of a text table."""

    path: Path
    member: str | None
    heading: Sequence[str]
    """Lines above the table, such as a URL."""
    header: str | None
    """Line with the names of the columns; None = there is none."""
    names: Sequence[str]
    """Names of the columns, all different; "column 0", "column 1", ... where there are none."""
    separator: str
    decimal_comma: bool
    rows: Sequence[Sequence[str]]
    """Fields of the first rows, as many as stand in the first 128 KiB."""
    first_line: int
    """Line of the first row, counted from 1."""
    skip_bytes: int
    """Bytes above the first row."""
    returns_only: bool
    """Lines end in a carriage return alone, as on old Macs."""

    @property
    def name(self) -> str:
        """File name, with the member of an archive."""
        return self.path.name if self.member is None else f"{self.path.name}:{self.member}"

    @property
    def has_names(self) -> bool:
        """There is a header."""
        return self.header is not None

    @property
    def num_columns(self) -> int:
        """Columns, without a last one that is empty because lines end in a separator."""
        ends_empty = not any(row[-1].strip() for row in self.rows)
        return len(self.names) - int(ends_empty)

    def column(self, position: int) -> list[str]:
        """Return the first fields of a column."""
        return [row[position].strip() for row in self.rows]

    def numbers(self, position: int) -> list[float]:
        """Return the first fields of a column as numbers.

        Raises:
            ValueError: One is not a number.
        """
        decimal = "," if self.decimal_comma else "."
        return [float(field.replace(decimal, ".")) for field in self.column(position)]


def read_sheet(part: Part) -> Sheet:
    """Look at the beginning of a text.

    Raises:
        MarketDataError: It is no text, or holds no table.
    """
    with part.open() as reader:
        head = reader.read(HEAD_BYTES + 1)
    text, returns_only = _decoded(head[:HEAD_BYTES], part.name, whole=len(head) <= HEAD_BYTES)
    lines = text.split("\n")
    if len(head) > HEAD_BYTES:
        lines.pop()
    separator = _separator(lines)
    first = _first_of_table(lines, separator, part.name)
    names, has_header = _names(lines[first:], separator)
    start = first + int(has_header)
    rows = _rows(lines[start:], separator, len(names))
    if not has_header:
        _refuse_lost_header(part.name, lines[:first], separator)
    _refuse_no_table(part.name, names, rows, lines, first, is_cut=len(head) > HEAD_BYTES)
    return Sheet(
        path=part.path,
        member=part.member,
        heading=[line.strip() for line in lines[:first]],
        header=lines[first].strip() if has_header else None,
        names=names,
        separator=separator,
        decimal_comma=separator != "," and _has_decimal_commas(rows),
        rows=rows,
        first_line=1 + start,
        skip_bytes=len("\n".join(lines[:start]).encode()) + bool(start) + _mark_bytes(head),
        returns_only=returns_only,
    )


def split_line(line: str, separator: str) -> list[str] | None:
    """Split one line into its fields; None where a quote is not closed."""
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line.strip("\r")], delimiter=separator, strict=True))
    except (csv.Error, StopIteration):
        return None


def plain_name(name: str) -> str:
    """Reduce a column's name to what is compared: no case, blanks, underscores, brackets."""
    return re.sub(r"[\s_<>()\"']", "", name).lower()


def _decoded(head: bytes, name: str, *, whole: bool) -> tuple[str, bool]:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise MarketDataError(
            f"{name} cannot be read: text must be UTF-8; was UTF-16. Save it as UTF-8."
        )
    if b"\0" in head:
        raise MarketDataError(
            f"{name} cannot be read: text must not hold zero bytes. Is it UTF-16, or no text?"
        )
    body = head[_mark_bytes(head) :]
    returns_only = b"\n" not in body and b"\r" in body
    body = body.replace(b"\r", b"\n") if returns_only else body
    if not whole:
        cut = body.rfind(b"\n")
        if cut < 0:
            raise MarketDataError(
                f"{name} cannot be read: a line must be shorter than {HEAD_BYTES:,} bytes."
            )
        body = body[: cut + 1]
    if not body.strip():
        raise MarketDataError(f"{name} must have rows; was empty.")
    try:
        return body.decode(), returns_only
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise MarketDataError(
            f"{name}, line {line}: text must be UTF-8; was the byte {body[error.start]:#04x}. Save "
            "it as UTF-8."
        ) from error


def _mark_bytes(head: bytes) -> int:
    return 3 if head.startswith(b"\xef\xbb\xbf") else 0


def _separator(lines: Sequence[str]) -> str:
    sample = [line for line in lines[-_SAMPLE_LINES:] if line.strip()]
    widths = {mark: _width(sample, mark) for mark in _SEPARATORS}
    wide = next((mark for mark in _SEPARATORS[:-1] if widths[mark] >= _FEWEST_COLUMNS), None)
    # A blank also stands inside of times, so it separates only where nothing else does.
    return wide or max((",", *_SEPARATORS), key=lambda mark: (widths[mark], mark != " "))


def _width(lines: Iterable[str], separator: str) -> int:
    """Return the most frequent number of fields of a line."""
    sample = islice((line for line in lines if line.strip()), _SAMPLE_LINES)
    counts = Counter(len(split_line(line, separator) or ()) for line in sample)
    return counts.most_common(1)[0][0] if counts else 0


def _first_of_table(lines: Sequence[str], separator: str, name: str) -> int:
    """Return the index of the header, or of the first row where there is none."""
    width = _width(lines, separator)
    for index, line in enumerate(lines[:_MOST_HEADING]):
        fields = split_line(line, separator)
        # What begins with a digit is a row, if a damaged one, and never a title to be skipped.
        begins = line.lstrip('"+- ')[:1].isdigit() or (
            fields and (len(fields) == width or _is_header(fields))
        )
        if begins and not _is_comment(line):
            return index
    raise MarketDataError(
        f"{name} cannot be read: a table must begin within {_MOST_HEADING} lines; begins with "
        f"{lines[0]!r:.80}."
    )


def _is_header(fields: Sequence[str]) -> bool:
    return {"open", "high", "low", "close"} <= {plain_name(field) for field in fields}


def _is_comment(line: str) -> bool:
    text = line.strip().lower()
    return not text or text[0] == "#" or "http" in text or "www." in text or text[:4] == "sep="


def _names(lines: Sequence[str], separator: str) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether a header states them."""
    fields = split_line(lines[0], separator) or []
    width = _width(lines, separator)
    if any(_NUMBER.fullmatch(field) for field in fields):
        return _distinct([""] * width), False
    names = _distinct(fields)
    if width == len(names) + 1 and _ends_in_separator(lines[1:], separator):
        names.append(f"column {len(names)}")
    return names, True


def _refuse_lost_header(name: str, above: Sequence[str], separator: str) -> None:
    """Refuse a line of several fields above rows without names: a header or a row, but damaged."""
    for line, text in enumerate(above, start=1):
        if separator in text and not _is_comment(text):
            raise MarketDataError(
                f"{name}, line {line}: what stands above rows without names must be a comment; was "
                f"{text!r:.80}. Correct the names of the columns, or remove the line."
            )


def _refuse_no_table(
    name: str,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    lines: Sequence[str],
    first: int,
    *,
    is_cut: bool,
) -> None:
    if len(names) > 1 and rows:
        return
    fault = (
        "a table must have rows of as many fields as columns, between commas, semicolons, tabs or "
        "bars"
    )
    if len(names) > 1 and not any(line.strip() for line in lines[first + 1 :]):
        fault = "it must have rows, and has only a header"
        if is_cut:
            fault = f"a line must be shorter than {HEAD_BYTES:,} bytes"
    raise MarketDataError(f"{name} cannot be read: {fault}; begins with {lines[first]!r:.80}.")


def _rows(lines: Sequence[str], separator: str, width: int) -> list[list[str]]:
    split = (split_line(line.rstrip("\r"), separator) for line in lines)
    fitting = (row for row in split if row and len(row) == width)
    return list(islice(fitting, _SAMPLE_ROWS))


def _ends_in_separator(lines: Iterable[str], separator: str) -> bool:
    return all(line.rstrip("\r").endswith(separator) for line in lines if line.strip())


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    return any(_DECIMAL_COMMA.fullmatch(field.strip()) for row in rows[:20] for field in row)


def _distinct(header: Iterable[str]) -> list[str]:
    """Name columns without a name, or with one that was used before, by their position."""
    named: list[str] = []
    for position, name in enumerate(header):
        clean = name.strip() or f"column {position}"
        while clean in named:
            clean = f"column {position}" if not clean.startswith("column") else clean + "'"
        named.append(clean)
    return named
