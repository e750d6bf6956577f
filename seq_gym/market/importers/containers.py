"""Open what a file is packed in: plain, gzip, zip; its kind is told by its first bytes.

A packed file may claim to hold far more than it is worth: what unpacks to more than 300 times its
size is refused, beyond a first 64 MiB. Nothing is ever unpacked to disk or whole into memory.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple, TypeAlias

from seq_gym.errors import MarketDataError

__all__ = ["Content", "Part", "Reader", "content_of", "parts_of", "told_apart"]

Content: TypeAlias = Literal["text", "json", "parquet", "arrow file", "arrow stream"]
_MAGIC: Final = ((b"PAR1", "parquet"), (b"ARROW1", "arrow file"), (b"\xff" * 4, "arrow stream"))
_REFUSED: Final = (
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it first"),
    (b"\xfd7zXZ", "packed with xz", "Unpack it first"),
    (b"BZh", "packed with bzip2", "Unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it first"),
    (b"Rar!", "a rar archive", "Unpack it first"),
    (b"\x1f\x8b", "packed twice", "Unpack it first"),
    (b"PK\x03\x04", "an archive inside an archive", "Unpack it first"),
    (b"FEA1", "Feather of version 1", "Save it as Feather 2 or Parquet"),
    (b"\x89HDF", "HDF5", "Save it as Parquet or CSV"),
    (b"\x80", "a pickle, which can run code", "Save it as Parquet or CSV"),
    (b"SQLite", "a SQLite database", "Export a table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save it as CSV"),
    (b"%PDF", "a PDF", "Give the file of numbers"),
    *(
        (tag, "a page of HTML or XML", "Download the file of numbers itself")
        for tag in (b"<!", b"<?", b"<html", b"<HTML", b"<Error")
    ),
)
_TABLES: Final = (".csv", ".tsv", ".json", ".jsonl")
_MOST_RATIO, _FREE_BYTES = 300, 64 * 2**20
_UNPACKING: Final = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)
"""What gzip and zipfile raise for broken, cut-off and encrypted data."""


class Part(NamedTuple):
    """One table's bytes inside a file."""

    path: Path
    member: str | None
    num_bytes: int
    open: Callable[[], Reader]
    """Opens the bytes at their beginning."""

    @property
    def name(self) -> str:
        """File name, with the member of an archive."""
        return self.path.name if self.member is None else f"{self.path.name}:{self.member}"


_Stream: TypeAlias = IO[bytes] | gzip.GzipFile


class Reader:
    """Bytes of one table, unpacked as they are read; counts what it cost of the file."""

    def __init__(self, name: str, stream: _Stream, packed: IO[bytes] | None, size: int) -> None:
        self._name, self._stream, self._packed, self._size = name, stream, packed, size
        self._given = 0

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; fewer only at the end.

        Raises:
            MarketDataError: The file is broken, cut off, or unpacks to too much.
        """
        with unpacking(self._name):
            data = self._stream.read(count)
        return self._counted(data)

    def read_line(self, limit: int) -> bytes:
        """Return the rest of a line, its end included, or up to `limit` bytes of it.

        Raises:
            MarketDataError: As in `read`.
        """
        with unpacking(self._name):
            data = self._stream.readline(limit)
        return self._counted(data)

    def _counted(self, data: bytes) -> bytes:
        self._given += len(data)
        if self._given > max(_MOST_RATIO * self._size, _FREE_BYTES) and self._is_packed:
            raise MarketDataError(
                f"{self._name}: a packed file must unpack to at most {_MOST_RATIO} times its size; "
                f"was {self._given:,} bytes and more from {self._size:,}. Unpack it first."
            )
        return data

    @property
    def bytes_read(self) -> int:
        """How far into `Part.num_bytes` the reading is."""
        return self._given if self._packed is None else self._packed.tell()

    @property
    def _is_packed(self) -> bool:
        return self._stream is not self._packed

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        if self._packed is not None:
            self._packed.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Say in the words of the house that a file cannot be read."""
    try:
        yield
    except _UNPACKING as error:
        reason = str(error) or type(error).__name__
        raise MarketDataError(
            f"{name} cannot be read: {reason}. Is it cut off, broken or encrypted? Download it "
            "again."
        ) from error


def parts_of(path: Path) -> list[Part]:
    """List the tables that a file holds: itself, or the tables among a zip's members.

    Raises:
        MarketDataError: There is no such file, or a zip without tables.
    """
    if not path.is_file():
        raise MarketDataError(f"A candle file must exist; {path} does not.")
    with unpacking(path.name):
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(4)
    if magic in (b"PK\x03\x04", b"PK\x05\x06"):
        return _members(path)
    if magic[:2] == b"\x1f\x8b":
        return [Part(path, None, size, lambda: _open_gzip(path, size))]
    return [Part(path, None, size, lambda: _open_plain(path, size))]


def content_of(part: Part) -> Content:
    """Tell by its first bytes what a part holds.

    Raises:
        MarketDataError: It is of a kind that is not read; the message says what to do.
    """
    with part.open() as reader:
        head = reader.read(512)
    for magic, content in _MAGIC:
        if head.startswith(magic):
            return told_apart(content)
    for magic, what, advice in _REFUSED:
        if head.lstrip().startswith(magic):
            raise MarketDataError(
                f"{part.name} cannot be read: it is {what}. {advice}, or choose another file."
            )
    if head[257:262] == b"ustar":
        raise MarketDataError(f"{part.name} cannot be read: it is a tar archive. Unpack it first.")
    return "json" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{") else "text"


def told_apart(content: str) -> Content:
    """Return the content as one of the closed list."""
    known: dict[str, Content] = {
        "parquet": "parquet",
        "arrow file": "arrow file",
        "arrow stream": "arrow stream",
    }
    return known[content]


def _open_plain(path: Path, size: int) -> Reader:
    with unpacking(path.name):
        file = path.open("rb")
    return Reader(path.name, file, file, size)


def _open_gzip(path: Path, size: int) -> Reader:
    with unpacking(path.name):
        file = path.open("rb")
    return Reader(path.name, gzip.open(file, "rb"), file, size)


def _members(path: Path) -> list[Part]:
    with unpacking(path.name), zipfile.ZipFile(path) as archive:
        files = [
            item
            for item in archive.infolist()
            if not item.is_dir() and "__MACOSX" not in item.filename and item.file_size
        ]
    names = [item.filename for item in files]
    if "[Content_Types].xml" in names:
        raise MarketDataError(
            f"{path.name} cannot be read: it is an Excel workbook. Save it as CSV."
        )
    tables = [item for item in files if Path(item.filename).suffix.lower() in _TABLES]
    if not tables and len(files) == 1:
        tables = files
    if not tables:
        raise MarketDataError(
            f"{path.name} cannot be read: a zip must hold a CSV or JSON file; holds "
            f"{', '.join(names[:5]) or 'none'}."
        )
    return [_member(path, item) for item in tables]


def _member(path: Path, item: zipfile.ZipInfo) -> Part:
    def opened() -> Reader:
        with unpacking(f"{path.name}:{item.filename}"):
            archive = zipfile.ZipFile(path)
            try:
                stream = archive.open(item)
            finally:
                # The open member keeps the file; the archive itself is not needed any more.
                archive.close()
        return Reader(f"{path.name}:{item.filename}", stream, None, item.compress_size)

    return Part(path, item.filename, item.file_size, opened)
