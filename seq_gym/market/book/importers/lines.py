"""Files of a recording: what they are packed in, their lines with numbers, where a row stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from seq_gym.errors import MarketDataError
from seq_gym.market.importers.containers import Reader, parts_of, unpacking

__all__ = ["Places", "Source", "decoded", "faults_told", "open_source"]

_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 28
_HEAD: Final = 1 << 16
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PLACE_BITS: Final = 40


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file of a recording."""

    path: Path
    head: bytes
    """Its first bytes, unpacked."""
    open: Callable[[], Reader]
    index: int = 0
    """Which file of the call it is."""

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    @property
    def head_lines(self) -> list[bytes]:
        """The first whole lines, and the only one where it has no end."""
        lines = self.head.removeprefix(b"\xef\xbb\xbf").splitlines()
        whole = lines[:-1] if len(self.head) >= _HEAD and len(lines) > 1 else lines
        return [line for line in whole if line.strip()]

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (place, line) of the lines that are not blank; see `Places`.

        Raises:
            MarketDataError: The file is broken or cut off.
        """
        number, rest = 0, b""
        with self.open() as reader:
            while data := reader.read(_BLOCK):
                whole, end, last = data.rpartition(b"\n")
                if not end:
                    rest += data
                    if len(rest) > _LONGEST_LINE:
                        self.refuse(number + 1, f"a line must be below {_LONGEST_LINE:,} bytes")
                    continue
                for line in (rest + whole).split(b"\n"):
                    number += 1
                    if line and not line.isspace():
                        yield self.place(number), line
                rest = last
        if rest.strip():
            yield self.place(number + 1), rest

    def place(self, number: int) -> int:
        """Return file and line (or row) as one number."""
        return self.index << _PLACE_BITS | number

    def refuse(self, number: int, what: str) -> NoReturn:
        """Refuse a line.

        Raises:
            MarketDataError: Always.
        """
        raise MarketDataError(f"{self.name} line {number}: {what}.")


@dataclass(kw_only=True)
class Places:
    """Says where a row stands: its number holds the file's index and the line."""

    names: list[str] = field(default_factory=list)
    unit: str = "line"

    def told(self, place: int) -> str:
        """Return "file line 12"."""
        name = self.names[place >> _PLACE_BITS]
        return f"{name} {self.unit} {place & ((1 << _PLACE_BITS) - 1)}"


def open_source(path: Path, index: int = 0) -> Source:
    """Look at a file: plain, gzip or zstd.

    Raises:
        MarketDataError: There is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise MarketDataError(f"A recording must exist; {path} does not.")
    with unpacking(path.name), path.open("rb") as file:
        magic = file.read(4)
    size = path.stat().st_size
    opened = _opener(path, magic, size)
    with opened() as reader:
        head = reader.read(_HEAD)
    return Source(path=path, head=head, open=opened, index=index)


def _opener(path: Path, magic: bytes, size: int) -> Callable[[], Reader]:
    if magic == _ZSTD:
        return lambda: _open_zstd(path, size)
    if magic == b"PK\x03\x04":  # an .npz is read as a whole, by numpy
        return lambda: _plain(path, size)
    [part] = parts_of(path)
    return part.open


def _plain(path: Path, size: int) -> Reader:
    file = path.open("rb")
    return Reader(path.name, file, file, size)


def _open_zstd(path: Path, size: int) -> Reader:
    import pyarrow as pa

    with unpacking(path.name):
        file = path.open("rb")
    stream: IO[bytes] = pa.CompressedInputStream(file, "zstd")
    return Reader(path.name, stream, file, size)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_JSON: Final = json.JSONDecoder(parse_float=str, parse_constant=_no_constant)
"""Decimals stay text: what was 0.1 is 0.1."""


def decoded(text: str) -> Any:
    """Decode one JSON value; decimals stay text.

    Raises:
        ValueError: It is not JSON, or too deep.
    """
    try:
        return _JSON.decode(text)
    except RecursionError as error:
        raise ValueError("JSON is too deep") from error


@contextmanager
def faults_told(places: Places, place: int, what: str) -> Iterator[None]:
    """Say where a message stands that is not built as its venue builds it.

    Raises:
        MarketDataError: Something in it is missing or of another type.
    """
    try:
        yield
    except MarketDataError:
        raise
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise MarketDataError(
            f"{places.told(place)}: {what} must be whole and well formed; was not "
            f"({reason:.120}). Is the file cut off or edited?"
        ) from error
