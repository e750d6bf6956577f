"""A store in an S3 bucket, through pyarrow: one PUT commits, replaced parts outlive their readers.

S3 has no lock between writers. The names of parts are random, so that two writers never write under
one name; a writer whose manifest was changed under it is refused; and what no manifest names is
removed by later writers only when it is a day old, when nobody can still be using it.

Source: S0-18, S0-20.
"""

from __future__ import annotations

import re
import tempfile
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.store.layout import KINDS, is_nested
from seq_gym.market.store.manifest import MANIFEST_NAME
from seq_gym.market.store.place import OnWait
from seq_gym.times import NS_PER_DAY

__all__ = ["S3Place"]

_TIMEOUT_S: Final = 10.0
_ATTEMPTS: Final = 3
_AWS_CODE: Final = re.compile(r"AWS Error ([A-Z_]+)")
_ADVICE: Final = {
    "NO_SUCH_BUCKET": "there is no such bucket. Create it, or set SIM_S3_BUCKET",
    "ACCESS_DENIED": (
        "the credentials do not allow it. Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
        "AWS_SESSION_TOKEN, or the profile's rights"
    ),
    "INVALID_ACCESS_KEY_ID": "the credentials are not known. Check AWS_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH": "the credentials do not fit. Check AWS_SECRET_ACCESS_KEY",
    "NETWORK_CONNECTION": (
        "no server answers. Check the network, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
    ),
}


class S3Place:
    """A bucket, or a prefix in it. Open one with `S3Place.open`.

    Args:
        bucket: The bucket.
        prefix: What all paths begin with; "" = nothing.
        system: A pyarrow S3FileSystem.
        now_ns: The time against which the age of files is measured; None = the clock.
    """

    def __init__(self, bucket: str, prefix: str, system: Any, *, now_ns: int | None = None) -> None:
        self.bucket = bucket
        self.base = "/".join(part for part in (bucket, prefix) if part)
        self.name = f"s3://{self.base}"
        self.now_ns = now_ns
        self._system = system

    @classmethod
    def open(cls, url: str, environ: Mapping[str, str]) -> S3Place:
        """Open "s3://bucket/prefix" with the credentials of the usual AWS_* variables.

        Raises:
            ConfigError: There is no such bucket, or it cannot be reached; the message says why.
        """
        from pyarrow import fs

        bucket, _, prefix = url.removeprefix("s3://").rstrip("/").partition("/")
        if not bucket:
            raise ConfigError(f"An S3 store must name its bucket, s3://bucket/prefix; was {url!r}.")
        endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        scheme, _, host = (endpoint or "").rpartition("://")
        system = fs.S3FileSystem(
            access_key=environ.get("AWS_ACCESS_KEY_ID"),
            secret_key=environ.get("AWS_SECRET_ACCESS_KEY"),
            session_token=environ.get("AWS_SESSION_TOKEN"),
            region=region or ("us-east-1" if endpoint else None),
            endpoint_override=host or None,
            scheme=scheme or "https",
            connect_timeout=_TIMEOUT_S,
            request_timeout=_TIMEOUT_S,
            # A small file is one request then, instead of three.
            allow_delayed_open=True,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        )
        place = cls(bucket, prefix.strip("/"), system)
        with place._told(bucket):
            if system.get_file_info(bucket).type == fs.FileType.NotFound:
                raise ConfigError(f"{place.name} cannot be used: {_ADVICE['NO_SUCH_BUCKET']}.")
        return place

    @property
    def filesystem(self) -> Any:
        """A pyarrow file system rooted here."""
        from pyarrow import fs

        return fs.SubTreeFileSystem(self.base, self._system)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        with self._told(path):
            try:
                with self._system.open_input_stream(f"{self.base}/{path}") as stream:
                    data: bytes = stream.read()
            except FileNotFoundError:
                return None
        return data

    def tables(self) -> list[str]:
        """Return the folders that hold a manifest, sorted."""
        tail = f"/{MANIFEST_NAME}"
        paths = [path for kind in KINDS for path, _ in self._list(kind, recursive=True)]
        return sorted(path.removesuffix(tail) for path in paths if path.endswith(tail))

    def part_file(self, stem: str, replaced: str | None) -> str:  # noqa: ARG002 - a folder's needs it
        """Name a new part by what it holds and at random: no other writer has that name."""
        return f"{stem}.{uuid.uuid4().hex[:12]}.parquet"

    def write_part(self, path: str, data: bytes) -> None:
        """Write a part that no manifest names yet."""
        with self._told(path), self._system.open_output_stream(f"{self.base}/{path}") as stream:
            stream.write(data)

    def commit(self, path: str, data: bytes, expected: bytes | None) -> None:
        """Replace a manifest with one PUT.

        Raises:
            MarketDataError: Another writer changed it since it was read.
        """
        if self.read(path) != expected:
            raise _overtaken(f"{self.name}/{path}")
        self.write_part(path, data)
        if self.read(path) != data:
            raise _overtaken(f"{self.name}/{path}")

    def retire(self, folder: str, files: Iterable[str]) -> None:
        """Leave replaced parts to `clean`: a reader, or another writer, may still use them."""

    def discard(self, folder: str, files: Iterable[str]) -> None:
        """Remove parts that this writer wrote and that no manifest names."""
        for file in files:
            with self._told(file), suppress(FileNotFoundError):
                self._system.delete_file(f"{self.base}/{folder}/{file}")

    def clean(self, folder: str, keep: Collection[str]) -> None:
        """Remove parts of a table that no manifest names and that are a day old."""
        now_ns = time.time_ns() if self.now_ns is None else self.now_ns
        for path, changed_ns in self._list(folder, recursive=True):
            file = path.removeprefix(f"{folder}/")
            ours = file.endswith(".parquet") and ("/" not in file or is_nested(file))
            if ours and now_ns - changed_ns > NS_PER_DAY and file not in keep:
                with self._told(path):
                    self._system.delete_file(f"{self.base}/{path}")

    @contextmanager
    def locked(self, folder: str, on_wait: OnWait | None) -> Iterator[None]:  # noqa: ARG002
        """Promise nothing: two writers are told apart when they commit."""
        yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Offer a private folder of the system's."""
        with tempfile.TemporaryDirectory(prefix="seq_gym-") as folder:
            yield Path(folder)

    def _list(self, folder: str, *, recursive: bool) -> list[tuple[str, int]]:
        from pyarrow import fs

        where = f"{self.base}/{folder}"
        selector = fs.FileSelector(where, allow_not_found=True, recursive=recursive)
        with self._told(folder):
            found = self._system.get_file_info(selector)
        return [
            (info.path.removeprefix(f"{self.base}/"), info.mtime_ns or 0)
            for info in found
            if info.type == fs.FileType.File
        ]

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Say in a sentence what S3 refuses; nothing of its message is repeated but its code."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            match = _AWS_CODE.search(str(error))
            code = match[1] if match else type(error).__name__
            advice = _ADVICE.get(code, "see the code, and the AWS_* variables")
            raise ConfigError(f"{self.name} cannot be used ({code}, {path}): {advice}.") from None


def _overtaken(path: str) -> MarketDataError:
    return MarketDataError(
        f"{path} must stay as it is while an import runs; another import changed it. Nothing of "
        "this one is visible. Likely fix: import again; it will add what is missing."
    )
