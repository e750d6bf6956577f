"""A store in a local folder: fsync, atomic replacement, a lock per table.

Source: S0-19.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.store.layout import is_nested, manifest_patterns
from seq_gym.market.store.locks import file_lock
from seq_gym.market.store.manifest import MANIFEST_NAME
from seq_gym.market.store.place import OnWait

__all__ = ["LocalPlace"]

_LOCK: Final = "_lock"
_STAGING: Final = "_staging"
_REVISION: Final = re.compile(r"\.r(\d+)\.parquet$")
_OURS: Final = re.compile(rf"\d{{4}}(-\d{{2}})?(\.r\d+)?\.parquet|{re.escape(MANIFEST_NAME)}\.tmp")
_OURS_OF_A_DATE: Final = re.compile(r"[0-9a-f]{16}(\.r\d+)?\.parquet")
"""Names that a writer gives to files before a manifest names them."""


class LocalPlace:
    """A folder; it is made by the first import.

    Raises:
        ConfigError: The path names a file.
    """

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise ConfigError(
                f"A store must be a folder; {root} is a file. Likely fix: pass the file to "
                "load_candles, or import it into a store."
            )
        self.root = root
        self.name = str(root)

    @property
    def filesystem(self) -> Any:
        """A pyarrow file system rooted here."""
        from pyarrow import fs

        return fs.SubTreeFileSystem(str(self.root.absolute()), fs.LocalFileSystem())

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def tables(self) -> list[str]:
        """Return the folders that hold a manifest, sorted."""
        found = [
            path.parent.relative_to(self.root).as_posix()
            for pattern in manifest_patterns(MANIFEST_NAME)
            for path in self.root.glob(pattern)
        ]
        return sorted(found)

    def part_file(self, stem: str, replaced: str | None) -> str:
        """Name a new part: the month or recording, and its revision from the second on."""
        if replaced is None:
            return f"{stem}.parquet"
        match = _REVISION.search(replaced)
        return f"{stem}.r{int(match[1]) + 1 if match else 2}.parquet"

    def write_part(self, path: str, data: bytes) -> None:
        """Write a part that no manifest names yet, durably."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_durably(target, data)
        if is_nested("/".join(target.parts[-2:])):
            _sync_folder(target.parent)  # the table's own folder is synced when it is committed

    def commit(self, path: str, data: bytes, expected: bytes | None) -> None:
        """Replace a manifest at once: readers see the old one or the new one.

        Raises:
            MarketDataError: Another writer changed it, past the lock.
        """
        if self.read(path) != expected:
            raise MarketDataError(
                f"{self.root / path} must stay as it is while a writer holds the lock; it "
                "changed. Likely fix: import again, and leave the store's files to seq_gym."
            )
        target = self.root / path
        # The parts' names must be on disk before the manifest that names them.
        _sync_folder(target.parent)
        draft = target.with_name(f"{target.name}.tmp")
        _write_durably(draft, data)
        draft.replace(target)
        _sync_folder(target.parent)

    def retire(self, folder: str, files: Iterable[str]) -> None:
        """Remove parts that the manifest has ceased to name; a reader that opens one retries."""
        for file in files:
            path = self.root / folder / file
            path.unlink(missing_ok=True)
            if is_nested(file):
                with suppress(OSError):  # it holds other parts
                    path.parent.rmdir()

    def discard(self, folder: str, files: Iterable[str]) -> None:
        """Remove parts that this writer wrote and that no manifest names."""
        self.retire(folder, files)

    def clean(self, folder: str, keep: Collection[str]) -> None:
        """Remove what killed writers left in a table's folder; the caller holds its lock.

        What others keep there (notes, folders of their tools) is left alone.
        """
        table = self.root / folder
        for path in [*table.glob("*"), *table.glob("date=*/*")]:
            file = path.relative_to(table).as_posix()
            ours = _OURS_OF_A_DATE if is_nested(file) else _OURS
            if ours.fullmatch(path.name) and file not in keep:
                self.retire(folder, [file])

    @contextmanager
    def locked(self, folder: str, on_wait: OnWait | None) -> Iterator[None]:
        """Be the only writer of a table; wait for another one."""

        def tell() -> None:
            if on_wait is not None:
                on_wait(f"Another import writes {folder}; waiting for it.")

        with file_lock(self.root / folder / _LOCK, on_wait=tell):
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Offer a private folder on the store's own disk; remove those of killed writers."""
        staging = self.root / _STAGING
        folder = staging / uuid.uuid4().hex
        with file_lock(staging / _LOCK):
            for other in staging.glob("*/"):
                with file_lock(other / _LOCK, wait=False) as free:
                    if free:
                        shutil.rmtree(other, ignore_errors=True)
            folder.mkdir()
            lock = file_lock(folder / _LOCK)
            lock.__enter__()
        try:
            yield folder
        finally:
            lock.__exit__(None, None, None)
            shutil.rmtree(folder, ignore_errors=True)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; its rename is durable by itself.
    with suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
