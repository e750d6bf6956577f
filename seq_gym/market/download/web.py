"""Files over HTTPS with the standard library: timeouts, tries, checksums, and no half a file."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from seq_gym.errors import ConfigError, DownloadError
from seq_gym.market.download.patience import Passing, Patience

__all__ = ["FileServer"]

_CHUNK: Final = 1 << 20
_LARGEST_TEXT: Final = 1 << 16
_LARGEST_FILE: Final = 4 << 30
_BUSY: Final = (408, 418, 425, 429)
"""Statuses that ask for patience, beside those from 500."""
_NOT_THERE: Final = (404, 410)


class FileServer:
    """A place on the web with files below it.

    Attributes:
        base_url: Its address, without a slash at the end.
    """

    def __init__(self, base_url: str, *, timeout_s: float, patience: Patience) -> None:
        self.base_url = base_url.rstrip("/")
        _refuse_insecure(self.base_url)
        self._timeout_s = timeout_s
        self._patience = patience
        self._opener = urllib.request.build_opener(_SecureRedirects)

    def text(self, path: str) -> str | None:
        """Read a small text; None where there is no such file.

        Raises:
            DownloadError: It cannot be read.
        """
        return self._patience.ask(lambda: self._text(path), self._url(path))

    def fetch(self, path: str, target: Path, sha256: str) -> bool:
        """Write a file; it appears whole and as its checksum says, or not at all.

        Args:
            path: Below the address.
            target: Where it goes; what is there is replaced.
            sha256: Checksum, hex.

        Returns:
            False where there is no such file.

        Raises:
            DownloadError: It cannot be read, or never was what its checksum says.
        """
        return self._patience.ask(lambda: self._fetch(path, target, sha256), self._url(path))

    def _url(self, path: str) -> str:
        return f"{self.base_url}/{urllib.parse.quote(path)}"

    def _text(self, path: str) -> str | None:
        with self._open(path) as response:
            if response is None:
                return None
            return str(response.read(_LARGEST_TEXT).decode("utf-8", "replace"))

    def _fetch(self, path: str, target: Path, sha256: str) -> bool:
        with _own_disk(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        # The name of the process keeps two downloads of one file apart.
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            with self._open(path) as response:
                if response is None:
                    return False
                found = _copy(response, part)
            if found != sha256:
                raise Passing(f"its sha256 must be {sha256}; was {found}")
            with _own_disk(target):
                part.replace(target)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return True

    @contextlib.contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        """Open a file; None where there is none. What may pass is raised as Passing."""
        request = urllib.request.Request(self._url(path), headers={"User-Agent": "seq-gym"})
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                yield response
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _NOT_THERE:
                yield None
            elif error.code in _BUSY or error.code >= 500:
                raise Passing(f"HTTP {error.code} {_words(error)}", _wait_s(error)) from error
            else:
                raise DownloadError(
                    f"{error.url} was refused: HTTP {error.code} {_words(error)}."
                ) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, DownloadError):
                raise
            raise Passing(_words(error)) from error


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to where a connection could be listened to or changed."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            _refuse_insecure(newurl)
        except ConfigError as error:
            raise DownloadError(f"{req.full_url} leads elsewhere: {error}") from None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _copy(response: Any, part: Path) -> str:
    """Write a response to a file; return its sha256."""
    digest, size = hashlib.sha256(), 0
    with _own_disk(part), part.open("wb") as file:
        while chunk := _read(response):
            size += len(chunk)
            if size > _LARGEST_FILE:
                raise DownloadError(f"{response.url} must be at most {_LARGEST_FILE} bytes.")
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    stated = response.headers.get("Content-Length")
    if stated is not None and stated.strip() != str(size):
        raise Passing(f"it ended after {size} of {stated} bytes")
    return digest.hexdigest()


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read(_CHUNK))
    except (OSError, http.client.HTTPException) as error:
        raise Passing(_words(error)) from error


@contextlib.contextmanager
def _own_disk(path: Path) -> Iterator[None]:
    """Tell a full disk from a broken connection: asking again helps against one of them only."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"{path} cannot be written: {error.strerror}.") from error


def _refuse_insecure(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname):
        return
    raise ConfigError(
        f"An address must begin with https://, or be http:// on this machine; was {url!r}."
    )


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _wait_s(error: urllib.error.HTTPError) -> float:
    stated = str(error.headers.get("Retry-After") or "").strip()
    return float(stated) if stated.isdecimal() else 0.0  # a date: our own waits will do


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__
