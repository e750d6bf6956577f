"""Ask again when a source is busy: a bounded number of times, waiting longer each time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from seq_gym.errors import ConfigError, DownloadError

__all__ = ["Passing", "Patience"]

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class Passing(Exception):
    """A failure that may pass: the request may be made again.

    Attributes:
        wait_s: Seconds that the source asks to be left alone; 0 where it does not say.
    """

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a source is waited for.

    Raises:
        ConfigError: There is no try, or a wait is negative.
    """

    tries: int = 6
    """Requests in all, the first included."""
    first_wait_s: float = 1.0
    """Seconds before the second request; doubled before each later one."""
    longest_wait_s: float = 120.0
    """No wait is longer, whatever the source asks for."""
    sleep: Callable[[float], None] = time.sleep
    """What waits."""
    tell: Callable[[str], None] | None = None
    """Is told of each wait, in a sentence; None = the log is."""

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ConfigError(f"tries must be at least 1; was {self.tries}.")
        for name in ("first_wait_s", "longest_wait_s"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must be >= 0; was {getattr(self, name)!r}.")

    def ask(self, request: Callable[[], Answer], what: str) -> Answer:
        """Make a request until it is answered.

        Args:
            request: What to call; raises Passing where it may be called again.
            what: The request in words, for messages.

        Raises:
            DownloadError: The last try failed too.
        """
        for attempt in range(self.tries):
            try:
                return request()
            except Passing as error:
                failure = error
            if attempt + 1 < self.tries:
                wait_s = max(failure.wait_s, self.first_wait_s * 2**attempt)
                wait_s = min(wait_s, self.longest_wait_s)
                tell = self.tell or _log.info
                tell(f"{what}: {failure}; asked again in {wait_s:.0f} s")
                self.sleep(wait_s)
        raise DownloadError(
            f"{what} failed {self.tries} times: {failure}. What was stored before stays; the same "
            "command goes on from there."
        )
