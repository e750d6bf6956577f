"""Small books and environments for the tests of environments over books."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

import seq_gym  # noqa: F401 - registers the environments
from seq_gym._jit import COMPILED
from seq_gym.engine.book import codes
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.market.instruments import Instrument

TRADING = "seq_gym/BookTrading-v0"

PLAIN = ("microprice_bps", "imbalance_1")
"""Features without a look-back, for books of a few seconds."""

SMALL = synthetic_book(seconds=40.0 if COMPILED else 8.0, seed=3)
"""Seconds of a book; fewer where kernels run as plain Python."""

START = 1_700_000_000_000_000_000
MS = 1_000_000

KINDS: dict[str, dict[str, Any]] = {
    "target": {"action": "target"},
    "discrete": {"action": "discrete"},
    "order": {"action": "order"},
    "target-margin": {"action": "target", "account": "margin"},
    "order-margin": {"action": "order", "account": "margin"},
    "order-parity": {"action": "order", "fills": "parity"},
    "order-events": {"action": "order", "decide_every_events": 7},
    "target-window": {"action": "target", "look_back": 4, "observation": "dict"},
}
"""Every action kind, spot and margin, and more, by name."""


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    steps = None if arguments.get("window") == "full" else 20
    return {"data": SMALL, "features": PLAIN, "episode_steps": steps, **arguments}


def make(env_id: str = TRADING, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment, on the small book unless data is given."""
    return gymnasium.make(env_id, **_given(arguments))


def make_vec(env_id: str = TRADING, num_envs: int = 3, **arguments: Any) -> Any:
    """Make a native vector environment, likewise."""
    return gymnasium.make_vec(env_id, num_envs=num_envs, **_given(arguments))


def book_of(
    rows: list[tuple[int, int, int, int, int]], *, delay_ms: int = 0, lot: float = 1.0
) -> BookData:
    """Make a book from rows (ms, kind, side, tick, lots); a tick is 0.01, the delay the feed's."""
    columns = np.array(rows, np.int64)
    exch = START + columns[:, 0] * MS
    events = BookEvents(
        instrument=Instrument(
            symbol="BTCUSDT", base="BTC", quote="USDT", venue="hand", tick=0.01, lot=lot
        ),
        exch_ts=exch,
        local_ts=exch + delay_ms * MS,
        seq=np.zeros(len(rows), np.int64),
        kind=columns[:, 1].astype(np.int8),
        side=columns[:, 2].astype(np.int8),
        tick=columns[:, 3].astype(np.int32),
        lots=columns[:, 4],
    )
    return BookData(books=(events,))


def still(count: int = 12, every_ms: int = 100) -> list[tuple[int, int, int, int, int]]:
    """A book of 10.00 x 50 / 10.01 x 50 that stands still, told again from time to time."""
    rows = [
        (0, codes.SNAPSHOT, 1, 1_000, 50),
        (0, codes.SNAPSHOT, 1, 999, 80),
        (0, codes.SNAPSHOT, -1, 1_001, 50),
        (0, codes.SNAPSHOT, -1, 1_002, 80),
    ]
    return rows + [(k * every_ms, codes.DEPTH, 1, 990, k) for k in range(1, count + 1)]


FREE: dict[str, Any] = {
    "taker_fee_frac": 0.0,
    "maker_fee_frac": 0.0,
    "latency_model": "none",
    "starting_balance": 1_000.0,
    "max_position": 50.0,
}
"""No fee, no latency, and a thousand to buy 50 at 10 with."""


def hand(rows: list[tuple[int, int, int, int, int]], **arguments: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment over rows written out, played from its first decision to its last."""
    delay = arguments.pop("delay_ms", 0)
    return make(data=book_of(rows, delay_ms=delay), **{"window": "full", **FREE, **arguments})


def own(env: gymnasium.Env[Any, Any], observation: Any) -> dict[str, float]:
    """Return the own state of a flat observation by name."""
    from seq_gym.envs.book.own import OWN_COLUMNS

    at = env.unwrapped._core.window_floats
    names = [name for name, _, _ in OWN_COLUMNS]
    return dict(zip(names, observation[at : at + len(names)].tolist(), strict=True))


def sampled(space: Any, num_envs: int, count: int) -> list[Any]:
    """Draw actions [count, N] from the space of one row."""
    space.seed(11)
    return [np.stack([space.sample() for _ in range(num_envs)]) for _ in range(count)]


def play(env: gymnasium.Env[Any, Any], actions: Any, **reset: Any) -> dict[str, list[Any]]:
    """Play actions to the end of them or of the episode; return everything as lists."""
    observation, info = env.reset(**reset)
    out: dict[str, list[Any]] = {"observations": [observation], "infos": [info], "rewards": []}
    out |= {"terminated": [], "truncated": []}
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        for key, value in (
            ("observations", observation),
            ("infos", info),
            ("rewards", reward),
            ("terminated", terminated),
            ("truncated", truncated),
        ):
            out[key].append(value)
        if terminated or truncated:
            break
    return out
