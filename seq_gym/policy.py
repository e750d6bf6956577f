"""What trades: a Policy acts on observations, a Strategy on a session.

A Policy has the signature of Stable-Baselines3's `predict`, so that scripted policies run in SB3's
`evaluate_policy` and SB3 models run in ours. A Strategy has callbacks on a session.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seq_gym.errors import ConfigError, UnknownName

__all__ = [
    "Policy",
    "Strategy",
    "callbacks_of",
    "is_policy",
    "is_strategy",
    "refuse_deaf",
    "refuse_no_strategy",
]

STRATEGY_CALLBACKS = (
    "on_start",
    "on_candle",
    "on_book",
    "on_trade",
    "on_nbbo",
    "on_heartbeat",
    "on_fill",
    "on_reject",
    "on_message",
    "on_shutdown",
)
"""The callbacks that a session calls where the strategy has them."""

_MISSPELT: Final = 0.85
"""So alike (difflib's ratio) are a callback and a name that was meant to be it."""

_CALLED_ON: Final = {
    "candles": ("on_candle",),
    "books": ("on_book", "on_trade", "on_nbbo", "on_heartbeat"),
}
"""Callbacks that only sessions of one kind call."""


@runtime_checkable
class Policy(Protocol):
    """Chooses actions from observations."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return actions and the next recurrent state.

        Args:
            observation: One observation, or a batch of them [N, ...] (or a dict of such).
            state: What the last call returned; None at first.
            episode_start: bool [N]: these rows begin an episode.
            deterministic: Take the best action rather than a sample.
        """
        ...


class Strategy:
    """Callbacks on a session; override what you need. A plain class with any of them will do.

    On candles, order of a step: `on_fill` and `on_reject` for everything that happened in it, in
    time order, then `on_candle` once. On books every callback comes at its own instant of the
    agent's clock. `on_start` comes before anything else, `on_shutdown` after it.
    """

    def on_start(self, session: Any) -> None:
        """Do something when the session has started and no candle has passed."""

    def on_candle(self, session: Any) -> None:
        """Act on the candle that has just closed; place orders with `session.place_order`."""

    def on_book(self, session: Any, symbol: str) -> None:
        """React to a change of a book; all that came at one instant is one call."""

    def on_trade(self, session: Any, trade: Any) -> None:
        """React to a print of a venue's tape (sandbox.book.records.PublicTrade)."""

    def on_nbbo(self, session: Any, nbbo: Any) -> None:
        """React to a new best price over all venues of a symbol (sandbox.book.records.Nbbo)."""

    def on_heartbeat(self, session: Any) -> None:
        """Do something at every whole second of virtual time."""

    def on_fill(self, session: Any, fill: Any) -> None:
        """React to a fill, once it is known."""

    def on_reject(self, session: Any, order: Any) -> None:
        """React to a refused, expired or cancelled order; `order.reason` says why."""

    def on_message(self, session: Any, sender: str, message: Any) -> None:
        """React to what another strategy of the session has sent (`session.send`)."""

    def on_shutdown(self, session: Any) -> None:
        """Do something when the session is over; its results can be read."""


def is_policy(agent: object) -> bool:
    """Say whether an object acts on observations."""
    return callable(getattr(agent, "predict", None))


def is_strategy(agent: object) -> bool:
    """Say whether an object acts on a session."""
    return not is_policy(agent) and any(
        callable(getattr(agent, name, None)) for name in STRATEGY_CALLBACKS
    )


def callbacks_of(strategy: Any) -> dict[str, Callable[..., None]]:
    """Return the callbacks that a strategy, or a class of strategies, has of its own, by name."""
    kind = strategy if isinstance(strategy, type) else type(strategy)
    found = {}
    for name in STRATEGY_CALLBACKS:
        callback = getattr(strategy, name, None)
        inherited = getattr(kind, name, None) is getattr(Strategy, name)
        if callable(callback) and not inherited:
            found[name] = callback
    return found


def refuse_no_strategy(agent: object) -> None:
    """Refuse what acts on no session, or would by a callback whose name is misspelt.

    Raises:
        ConfigError: It has none of the callbacks, or it is a class and no object.
        UnknownName: A method's name is nearly that of a callback, and would never be called.
    """
    if isinstance(agent, type):
        raise ConfigError(
            f"A strategy must be an object; was the class {agent.__name__}. Likely fix: "
            f"{agent.__name__}()."
        )
    if not is_strategy(agent):
        raise ConfigError(
            f"A strategy must have at least one of {', '.join(STRATEGY_CALLBACKS)}; was "
            f"{type(agent).__name__}."
        )
    for name in dir(agent):
        if not name.startswith("on_") or name in STRATEGY_CALLBACKS:
            continue
        if get_close_matches(name, STRATEGY_CALLBACKS, n=1, cutoff=_MISSPELT):
            raise UnknownName("callback", name, STRATEGY_CALLBACKS, f"of {type(agent).__name__}")


def refuse_deaf(
    strategy: Any,
    market: Literal["candles", "books"],
    where: str = "",
    fix: str = "",
    *,
    agent: str = "",
) -> None:
    """Refuse a strategy that a session of one kind would never call.

    Args:
        strategy: An object, or a class.
        market: What the session replays.
        where: What is said to be that, such as "env 'MarketMaking-v0'"; "": this session.
        fix: What else to do.
        agent: What the run calls it; "": it goes by its own name.

    Raises:
        ConfigError: It has callbacks of the other kind alone.
    """
    own = callbacks_of(strategy)
    other = "books" if market == "candles" else "candles"
    deaf = [name for name in _CALLED_ON[other] if name in own]
    if not deaf or any(name in own for name in _CALLED_ON[market]):
        return
    kind = strategy if isinstance(strategy, type) else type(strategy)
    own_name = f"Strategy {getattr(strategy, 'name', kind.__name__)!r}"
    who = f"Agent {agent!r}" if agent else own_name
    words = {"candles": "candles", "books": "order books"}
    needed = " or ".join(_CALLED_ON[market][:2])
    raise ConfigError(
        f"{who} trades {words[other]} ({', '.join(deaf)}); {where or 'this session'} "
        f"is of {words[market]}, and would never call it. Likely fix: a strategy with {needed}"
        f"{fix}."
    )
