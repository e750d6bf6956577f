"""The kernels and the slow twin tell the same story, event by event (seq_gym.engine.reference)."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.arena import Scene, Twins, play, play_jumping, play_side_by_side, random_verb

SEEDS = st.integers(0, 2**62)
EPISODES = 2_500
BLOCKS = 4


@pytest.mark.parametrize("block", range(BLOCKS))
def test_kernels_and_reference_agree_on_random_episodes(block: int) -> None:
    """O, M, R and E: every event and the money after every verb."""
    size = EPISODES // BLOCKS
    events = sum(play(seed) for seed in range(block * size, (block + 1) * size))
    assert events > 15 * size, "the episodes have become too quiet to prove anything"


@settings(max_examples=200)
@given(seed=SEEDS)
def test_kernels_and_reference_agree_wherever_hypothesis_looks(seed: int) -> None:
    play(seed)


def test_accounts_of_one_batch_do_not_touch_each_other() -> None:
    assert sum(play_side_by_side(seed) for seed in range(60)) > 2_000


def test_jumping_over_quiet_candles_changes_nothing() -> None:
    """E1b, O13: a stretch that is jumped over is one in which nothing would have happened."""
    assert sum(play_jumping(seed) for seed in range(120)) > 4_000


@pytest.mark.slow
def test_jumping_over_quiet_candles_changes_nothing_in_very_many_episodes() -> None:
    assert sum(play_jumping(seed) for seed in range(1_000, 4_000)) > 100_000


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("SEQ_GYM_EPISODES", "10000")))
@given(seed=SEEDS)
def test_kernels_and_reference_agree_on_very_many_episodes(seed: int) -> None:
    play(seed)


@pytest.mark.slow
def test_kernels_and_reference_agree_on_long_episodes() -> None:
    for seed in range(300):
        play(seed, rows=300)


def _story_until(seed: int, half: int, spoil: float) -> str:
    """Play to cursor `half` over a market whose later candles are spoilt; return the events."""
    scene = Scene(seed)
    for name in ("open", "high", "low", "mark", "volume", "adv", "sigma"):
        scene.candles[name][half + 1 :] *= spoil
    twins = Twins(*scene.tables, scales=scene.scales)
    while twins.running and twins.reference.account.cursor < half:
        for _ in range(3):
            random_verb(scene, twins)
        twins.advance(1)
    return repr(twins.reference.events) + repr(twins.reference.account.curve)


def test_what_has_happened_depends_on_nothing_that_comes_later() -> None:
    """C2: the first promise of the package."""
    for seed in range(150):
        half = 3 + seed % 18
        assert _story_until(seed, half, 1.0) == _story_until(seed, half, 3.0)


def test_a_reset_account_plays_the_same_episode_again() -> None:
    """E4d: nothing of an earlier episode is left in either engine."""
    scene = Scene(7)
    twins = Twins(*scene.tables, scales=scene.scales)
    stories = []
    for _ in range(2):
        twins.reset()
        twins.reference.events.clear()
        twins.num_events = 0
        for _ in range(5):
            mark = twins.reference.known(0).mark
            twins.place(symbol=0, side=1, size=1_000.0, size_mode=1)
            twins.place(symbol=0, side=-1, size=1.0, type=2, reduce_only=True, trigger=mark * 0.97)
            twins.advance(3)
        stories.append(repr(twins.reference.events))
    assert stories[0] == stories[1]
