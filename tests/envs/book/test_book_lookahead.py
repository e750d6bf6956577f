"""The future of the tape, altered: nothing that an environment shows before it changes (B1, E3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seq_gym.engine.book import codes
from seq_gym.market.book.events import BookEvents
from tests.envs.book.worlds import SMALL, make, make_vec, sampled


def _altered(events: BookEvents, after: int, seed: int) -> BookEvents:
    """Change every quantity that is received after an instant, on both clocks."""
    rng = np.random.default_rng(seed)
    later = events.local_ts > after
    lots = events.lots.copy()
    kinds = np.isin(events.kind, (codes.DEPTH, codes.TRADE))
    chosen = later & kinds & (lots > 0)
    lots[chosen] = rng.integers(1, 500, int(chosen.sum()))
    return replace(events, lots=lots)


@pytest.mark.parametrize("kind", ["target", "order"])
@pytest.mark.parametrize("cut", [4, 9])
def test_nothing_shown_before_an_instant_depends_on_what_is_received_after(
    kind: str, cut: int
) -> None:
    # One price for the order sizes of both: it is read at the first decision.
    arguments: dict[str, Any] = {"action": kind, "window": [6], "episode_steps": 14}
    arguments |= {"max_position": 0.08, "account": "margin", "latency_model": "none"}
    env = make(**arguments).unwrapped
    time = int(env.times[6 + cut])
    other = make(**arguments, data=_altered(SMALL, time, cut)).unwrapped
    one, two = env.reset(seed=1)[0], other.reset(seed=1)[0]
    np.testing.assert_array_equal(one, two)
    differs = False
    for k, row in enumerate(sampled(env.action_space, 1, 14)):
        left, right = env.step(row[0]), other.step(row[0])
        if k < cut:
            np.testing.assert_array_equal(left[0], right[0])
            assert left[1] == right[1]
        else:
            differs = differs or not np.array_equal(left[0], right[0])
    assert differs


def test_b1_the_queue_at_the_venue_is_not_shown() -> None:
    """Rows that the venue has handled and the agent has not received change no observation."""
    late = replace(SMALL, local_ts=SMALL.local_ts + 300_000_000)
    arguments: dict[str, Any] = {"action": "order", "window": [6], "latency_model": "none"}
    arguments |= {"account": "margin", "queue_model": "risk_averse", "offsets_ticks": [0, 1]}
    env = make(data=late, **arguments).unwrapped
    time = int(env.times[10])
    waiting = (late.exch_ts <= time) & (late.local_ts > time)
    lots = late.lots.copy()
    lots[waiting & (late.kind == codes.DEPTH) & (lots > 0)] += 1
    other = make(data=replace(late, lots=lots), **arguments).unwrapped
    env.reset(seed=1)
    other.reset(seed=1)
    for action in ([3, 0, 0], [4, 0, 0], [3, 0, 1], [4, 0, 1]):
        left, right = env.step(np.array(action)), other.step(np.array(action))
        np.testing.assert_array_equal(left[0], right[0])
    orders = [each._core.batch.orders[0, 0] for each in (env, other)]
    assert (orders[0]["front"] != orders[1]["front"]).any()  # it was another queue


@pytest.mark.parametrize("every", ["100ms", "1s"])
def test_where_the_agent_will_stand_is_guessed_for_speed_and_changes_nothing(every: str) -> None:
    """With an answer on its way at every decision, and a heartbeat before it: it may be late."""
    latency = {"entry_ms": 30.0, "response_ms": 40.0}
    envs = make_vec(
        "seq_gym/MarketMaking-v0", num_envs=4, decide_every=every, latency=latency, episode_steps=15
    )
    actions = sampled(envs.single_action_space, 4, 40)

    def play() -> list[Any]:
        shown: list[Any] = [envs.reset(seed=5)[0]]
        for each in actions:
            observations, rewards, *_ = envs.step(each)
            shown += [observations.copy(), rewards.copy()]
        return shown

    guessed = play()
    rows = envs.settings.grid.rows
    kept = rows.copy()
    try:
        rows[:] = 0  # never the place: it is searched for
        searched = play()
    finally:
        rows[:] = kept  # environments over one book share it
    assert kept.any()
    for one, two in zip(guessed, searched, strict=True):
        np.testing.assert_array_equal(one, two)
