"""The error tree. Wrong calls raise; what the market or the rules refuse is a value.

```text
SeqGymError
+-- ConfigError(ValueError)        what you wrote
|   +-- UnknownName                a name that is not known; carries kind, name, known, near miss
+-- MarketDataError(ValueError)    what you fed: file, row, time
+-- UsageError(RuntimeError)       calls out of order; carries a code of responses.md
+-- DownloadError(OSError)         a source of data cannot be reached, or sent what it must not
+-- MissingExtra(ImportError)      an optional dependency is not installed
```
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DownloadError",
    "MarketDataError",
    "MissingExtra",
    "SeqGymError",
    "UnknownName",
    "UsageError",
]


class SeqGymError(Exception):
    """Base of every error that seq_gym raises on purpose."""


class ConfigError(SeqGymError, ValueError):
    """A setting, argument or file does not say what it must."""


class UnknownName(ConfigError):
    """A name is not one of the known ones.

    Attributes:
        kind: What was named, e.g. "feature" or "symbol".
        name: What was written.
        known: The names that exist.
        near_miss: The closest known name, or None.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], why: str = "") -> None:
        self.kind = kind
        self.name = str(name)
        self.known = tuple(known)
        close = difflib.get_close_matches(self.name.lower(), [k.lower() for k in self.known], n=1)
        self.near_miss = next((k for k in self.known if close and k.lower() == close[0]), None)
        hint = (
            f"Did you mean {self.near_miss!r}?"
            if self.near_miss
            else f"Choose from: {', '.join(self.known) or '(nothing is known)'}."
        )
        reason = f" ({why})" if why else ""
        super().__init__(f"Unknown {kind} {self.name!r}{reason}. {hint}")


class MarketDataError(SeqGymError, ValueError):
    """Market data breaks a rule; the message names file, row and time."""


class UsageError(SeqGymError, RuntimeError):
    """A call came out of order or asked for what is not there.

    Attributes:
        code: The code of responses.md, e.g. "INVALID_STATE" or "ORDER_NOT_FOUND".
    """

    def __init__(self, message: str, code: str = "INVALID_STATE") -> None:
        self.code = code
        super().__init__(message)


class DownloadError(SeqGymError, OSError):
    """A source of data cannot be reached, or sent something other than what it promises."""


class MissingExtra(SeqGymError, ImportError):
    """An optional dependency is missing; the message names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"{package} is not installed. Install it with: pip install 'seq-gym[{extra}]'"
        )
