"""What a run on books is told beside its data: when it decides, and under which physics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from seq_gym.errors import ConfigError
from seq_gym.runs.book_market import BookChoice
from seq_gym.runs.environment import book_env_physics, is_book_env
from seq_gym.sandbox.book.params import BookParams
from seq_gym.times import parse_interval

__all__ = ["BookRun"]

_UNSAID = BookParams()
"""Stands for a sandbox of which nothing was said, until the environment is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRun(BookChoice):
    """A run on recorded books, beside a choice that names its environment, `env`.

    Raises:
        ConfigError: A value breaks its rule.
    """

    decide_every: str = "100ms"
    """Time between two decisions of a policy: 100ms, 1s, ...; strategies answer every event."""
    decide_every_events: int | None = None
    """Decide at every so many events instead."""
    sandbox: BookParams = field(default_factory=lambda: _UNSAID)
    """The physics of books: account, fills, queue_model, latency_model, fees, realism, limits; by
    default those of the environment."""

    @classmethod
    def defaults_for(cls, data: Mapping[str, Any]) -> Self:
        """Return the defaults of a run of which this much is said; what is no name is told later.

        Args:
            data: Values by field.
        """
        env = data.get("env")
        kind: Any = cls  # whose env is of the choice beside
        made: Self = kind(env=env if isinstance(env, str) and is_book_env(env) else None)
        return made

    @property
    def usual_physics(self) -> BookParams:
        """The physics of a run of which nothing is said: those that its environment has."""
        return book_env_physics(getattr(self, "env"))  # noqa: B009  of the choice beside

    @property
    def decision_arguments(self) -> dict[str, Any]:
        """What an environment is told of when it decides: one of the two ways."""
        if self.decide_every_events is None:
            return {"decide_every": self.decide_every}
        return {"decide_every_events": self.decide_every_events}

    def __post_init__(self) -> None:
        BookChoice.__post_init__(self)
        if self.sandbox is _UNSAID:
            object.__setattr__(self, "sandbox", self.usual_physics)
        self._check_spans("decide_every")
        events = self.decide_every_events
        if events is not None and events < 1:
            raise ConfigError(f"decide_every_events must be at least 1; was {events}.")
        usual = next(each.default for each in fields(self) if each.name == "decide_every")
        if events is not None and self.decide_every != usual:
            raise ConfigError(
                f"decide_every must be left out with decide_every_events={events}, which decides "
                f"by events; was {self.decide_every!r}. Likely fix: give one of them."
            )

    def _check_spans(self, *names: str) -> None:
        """Refuse fields that are no lengths of time; None is."""
        for name in names:
            value = getattr(self, name)
            try:
                if value is not None:
                    parse_interval(value)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
