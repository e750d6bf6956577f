"""Where a store lies: what a folder and an S3 bucket both do, and how one is named.

Source: S0-18, S0-19, S0-20.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from seq_gym.errors import ConfigError, UnknownName

__all__ = ["OnWait", "Place", "open_place"]

OnWait = Callable[[str], None]
"""Is told why a writer waits."""

_DEFAULT_PATH: Final = "./data/sim"
_DEFAULT_BUCKET: Final = "sequence-sim-data-dev"


class Place(Protocol):
    """Files under one root, with paths relative to it, parted by "/"."""

    name: str
    """Names the place in messages."""

    @property
    def filesystem(self) -> Any:
        """A pyarrow file system rooted here."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""

    def tables(self) -> list[str]:
        """Return the folders that hold a manifest, sorted."""

    def part_file(self, stem: str, replaced: str | None) -> str:
        """Name a new part so that no reader of an older manifest can take it for another."""

    def write_part(self, path: str, data: bytes) -> None:
        """Write a part that no manifest names yet, durably."""

    def commit(self, path: str, data: bytes, expected: bytes | None) -> None:
        """Replace a manifest at once: readers see the old one or the new one.

        Raises:
            MarketDataError: Another writer changed it since it was read as `expected`.
        """

    def retire(self, folder: str, files: Iterable[str]) -> None:
        """Remove parts that the manifest has ceased to name, as soon as that is safe."""

    def discard(self, folder: str, files: Iterable[str]) -> None:
        """Remove parts that this writer wrote and that no manifest names."""

    def clean(self, folder: str, keep: Collection[str]) -> None:
        """Remove what killed writers left in a table's folder."""

    def locked(self, folder: str, on_wait: OnWait | None) -> AbstractContextManager[None]:
        """Be the only writer of a table, where the place can promise that."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Offer a private local folder for rows that do not fit in memory."""


def open_place(
    where: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None
) -> Place:
    """Open the place that is named, or the one that the environment names.

    Args:
        where: A folder, "s3://bucket/prefix", or None for SIM_STORE ("local" or "s3"),
            SIM_STORE_PATH (default ./data/sim) and SIM_S3_BUCKET (default sequence-sim-data-dev).
        environ: The environment; None = that of the process.

    Raises:
        UnknownName: SIM_STORE names no kind of store.
        ConfigError: It is of another kind, or the bucket cannot be reached; the message says why.

    Source: S0-18, S0-19, S0-20.
    """
    from seq_gym.market.store.local import LocalPlace
    from seq_gym.market.store.s3 import S3Place

    known = os.environ if environ is None else environ
    if where is None:
        kind = known.get("SIM_STORE", "").strip().lower() or "local"
        if kind not in ("local", "s3"):
            raise UnknownName("SIM_STORE", kind, ("local", "s3"))
        bucket = known.get("SIM_S3_BUCKET") or _DEFAULT_BUCKET
        where = f"s3://{bucket}" if kind == "s3" else known.get("SIM_STORE_PATH") or _DEFAULT_PATH
    if isinstance(where, str) and where.startswith("s3://"):
        return S3Place.open(where, known)
    if isinstance(where, str) and "://" in where:
        raise ConfigError(
            f"A store must be a folder or s3://bucket/prefix; was {where!r}. Other stores are "
            "reached through their S3 interface, with AWS_ENDPOINT_URL."
        )
    return LocalPlace(Path(where).expanduser())
