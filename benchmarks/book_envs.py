"""Rows 12 and 13: MarketMaking-v0 over the tiled feed, one at a time and 64 in a batch.

Row 12: our environment through `gymnasium.make` beside a Gym-shaped one over hftbacktest: the same
decisions on the same feed, and both must come to the same number of fills.
Row 13: what the native batch replays in a second beside what the compiled door does for the same
maker. The windows of the batch lie end to end, so that it replays the feed once, as the door does.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import seq_gym  # noqa: F401  it registers its environments
from benchmarks.book_feed import QUICK_ROWS, ROWS, has_recording, price_region, tiled
from benchmarks.book_grid import INTERVAL_MS, LATENCY_MS, OFFSETS_TICKS, POSITION_LOTS, POWER, Grid
from benchmarks.book_maker import Maker
from benchmarks.measure import Contender, Row, Scale, Times, each, in_turn, seconds_of, skipped
from seq_gym.market.book.events import BookEvents
from seq_gym.sandbox.book.params import FillRule

NUM_ENVS = 64
_ID = "seq_gym/MarketMaking-v0"
_LEAST_ROUNDS = 5
_UNLIKE = 0.1
"""Largest difference of fills per event of batch and door: a door's new quote is a second order,
and each window of the batch begins without quotes."""


def _arguments(events: BookEvents, fills: FillRule) -> dict[str, Any]:
    """Return the environment with the physics of the other book rows; the rest is its default."""
    lot = events.instrument.lot
    return {
        "data": events,
        "decide_every": f"{INTERVAL_MS}ms",
        "action": "discrete",
        "offsets_ticks": OFFSETS_TICKS,
        "order_quantity": lot,
        "max_inventory": POSITION_LOTS * lot,
        "fills": fills,
        "queue_model": "power3",
        "queue_power": POWER,
        "latency_model": "constant",
        "latency": {"entry_ms": LATENCY_MS, "response_ms": LATENCY_MS},
        "starting_balance": 1e9,
        "max_leverage": 1_000.0,
        "taker_fee_frac": 0.0,
        "maker_fee_frac": 0.0,
    }


# ------------------------------------------------------------------ one at a time


def _playing(env: Any, actions: NDArray[Any], found: list[int]) -> Contender:
    """Return a contender: an episode of these actions; seconds of a step. The reset is not timed.

    It notes the number of fills.
    """

    def play() -> None:
        for action in actions:
            env.step(action)

    def contender() -> float:
        env.reset(seed=0)
        used = seconds_of(play)
        found.append(int(env.unwrapped.finals["num_fills"]))
        return used / len(actions)

    return contender


def _theirs(events: BookEvents, start_ns: int) -> Any:
    """Return the peer's environment over its fastest depth."""
    from benchmarks.book_gym import PeerEnv
    from benchmarks.book_peer import Peer
    from tests.oracle.feed import to_events
    from tests.oracle.recordings import units_of

    steps = (events.instrument.tick, events.instrument.lot)
    rows = to_events(events, units_of(events))
    return PeerEnv(Peer(rows, *steps, price_region(events)), start_ns)


def _single_times(
    envs: dict[str, Any], actions: NDArray[Any], rounds: int
) -> tuple[Times, dict[str, int]]:
    """Let all environments play the same actions; return seconds a step, and fills."""
    found: dict[str, list[int]] = {side: [] for side in envs}
    times = in_turn({s: _playing(env, actions, found[s]) for s, env in envs.items()}, rounds)
    if len({*found["env"], *found["hftbacktest"]}) != 1:
        raise RuntimeError(f"Both sides must have the same number of fills; were {found}.")
    return times, {side: counts[0] for side, counts in found.items()}


def _single_rows(events: BookEvents, rounds: int) -> list[Row]:
    """Row 12: the whole feed is one episode."""
    rules: dict[str, FillRule] = {"env": "parity_no_partial", "strict": "strict"}
    envs: dict[str, Any] = {
        side: gymnasium.make(_ID, window="full", **_arguments(events, rule))
        for side, rule in rules.items()
    }
    core = envs["env"].unwrapped
    envs["hftbacktest"] = _theirs(events, int(core.times[core.first_start]))
    steps = core.episode_steps
    touch = np.zeros((steps, 2), np.int64)
    drawn = np.random.default_rng(0).integers(0, len(OFFSETS_TICKS) + 1, (steps, 2))
    rows = []
    for name, actions, target in (("at the touch", touch, 1.2), ("drawn offsets", drawn, None)):
        times, fills = _single_times(envs, actions, rounds)
        rate = 1e-3 / float(np.median(times["env"]))
        note = f"{each(times, *envs)} a step: {rate:.0f} k steps/s; {fills['env']} fills of both"
        ratios = {side: times["hftbacktest"] / times[side] for side in rules}
        head = f"12 MarketMaking-v0 {name}"
        rows += [
            Row(
                name=f"{head}: over a Gym of hftbacktest",
                at_least=target,
                ratios=ratios["env"],
                note=note,
            ),
            Row(
                name=f"{head}, strict: over the same",
                ratios=ratios["strict"],
                note=f"{fills['strict']} fills",
            ),
        ]
    envs["hftbacktest"].close()
    return rows


# ------------------------------------------------------------------ the batch


def _replaying(env: Any, starts: list[int], steps: int, found: list[int]) -> Contender:
    """Return a contender: every row quotes at the touch from its own start, so many steps."""
    action = np.zeros((env.num_envs, 2), np.int64)

    def play() -> None:
        for _ in range(steps):
            env.step(action)

    def contender() -> float:
        env.reset(seed=0, options={"start": starts})
        used = seconds_of(play)
        found.append(int(env.accounts["num_fills"].sum()))
        return used

    return contender


def _quoting(maker: Maker, found: list[int]) -> Contender:
    """Return a contender: one account quotes at the touch through the feed, without Python."""
    grid = Grid(interval_ms=INTERVAL_MS, levels=1)

    def contender() -> float:
        maker.open()
        return seconds_of(lambda: found.append(maker.run(grid)))

    return contender


def _batch(events: BookEvents, fills: FillRule, **more: Any) -> tuple[Any, int]:
    """Return a batch whose episodes cover the feed once, and how many steps of each are played."""
    arguments = {**_arguments(events, fills), **more}
    env: Any = gymnasium.make_vec(_ID, num_envs=NUM_ENVS, **arguments)
    steps = (len(env.settings.grid.times) - 2) // NUM_ENVS
    env.close()
    # One step more than what is played: no episode ends, and is reset, on the clock.
    return gymnasium.make_vec(_ID, num_envs=NUM_ENVS, episode_steps=steps + 1, **arguments), steps


def _replayed(env: Any, steps: int, events: BookEvents) -> int:
    """Return how many events the batch replays."""
    bounds = env.settings.grid.times[[0, steps * env.num_envs]]
    first, last = np.searchsorted(events.local_ts, bounds, side="right").tolist()
    return int(last - first)


def _batch_rows(events: BookEvents, fills: FillRule, rounds: int) -> list[Row]:
    """Row 13 under one rule of fills."""
    batches = {
        "batch": _batch(events, fills),
        "without fill chances": _batch(events, fills, fill_horizon=None),
    }
    found: dict[str, list[int]] = {name: [] for name in (*batches, "door")}
    contenders = {"door": _quoting(Maker(events, fills), found["door"])}
    counts = {"door": events.num_events}
    for name, (env, steps) in batches.items():
        starts = [steps * e for e in range(NUM_ENVS)]
        contenders[name] = _replaying(env, starts, steps, found[name])
        counts[name] = _replayed(env, steps, events)
    times = in_turn(contenders, rounds)
    filled = {name: found[name][0] / count for name, count in counts.items()}
    if abs(filled["batch"] / filled["door"] - 1.0) > _UNLIKE:
        raise RuntimeError(f"Batch and door must be filled alike; fills were {found}.")
    rates = {name: count / times[name] for name, count in counts.items()}
    told = ", ".join(f"{name} {np.median(rate) / 1e6:.0f}" for name, rate in rates.items())
    head = f"13 MarketMaking-v0, N = {NUM_ENVS}, {fills}"
    return [
        Row(
            name=f"{head}: over the door",
            at_least=0.8,
            ratios=rates["batch"] / rates["door"],
            note=f"{told} M events/s; {found['batch'][0]} and {found['door'][0]} fills",
        ),
        Row(
            name="13 the same without fill probabilities in the own state",
            ratios=rates["without fill chances"] / rates["door"],
        ),
    ]


def rows(scale: Scale) -> list[Row]:
    """Measure rows 12 and 13."""
    if not has_recording():
        return [skipped("12, 13: book environments", "the recording is not in ../shared/data/book")]
    events = tiled(QUICK_ROWS if scale.is_quick else ROWS)
    rounds = max(scale.rounds, _LEAST_ROUNDS)
    try:
        import hftbacktest  # noqa: F401
    except ImportError as error:
        single = [skipped("12: single book environments", f"{error}: `make bench` installs it")]
    else:
        single = _single_rows(events, rounds)
    rules: tuple[FillRule, ...] = ("strict", "parity_no_partial")
    return [*single, *(row for rule in rules for row in _batch_rows(events, rule, rounds))]
