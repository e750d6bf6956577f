"""The kernels and the slow twin tell the same story, event by event (engine/book/reference.py)."""

from __future__ import annotations

import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine.book import codes
from seq_gym.engine.book.reference_queue import share_behind
from tests.engine.book.arena import Twins, play, random_verb
from tests.engine.book.worlds import World

SEEDS = st.integers(0, 2**40)
EPISODES = 240
BLOCKS = 4


@pytest.mark.parametrize("block", range(BLOCKS))
def test_kernels_and_twin_agree_on_random_episodes(block: int) -> None:
    """B, F, L, M: every event, the money and the orders after every verb."""
    size = EPISODES // BLOCKS
    events = sum(play(seed) for seed in range(block * size, (block + 1) * size))
    assert events > 30 * size, "the episodes have become too quiet to prove anything"


@settings(max_examples=40)
@given(seed=SEEDS)
def test_kernels_and_twin_agree_wherever_hypothesis_looks(seed: int) -> None:
    play(seed, 80)


def test_b18_shapes_of_the_probability_that_a_cancel_was_behind_me() -> None:
    shapes = {
        codes.POWER1: 8 / (8 + 27),
        codes.POWER2: 8 / 125,
        codes.POWER3: 1 - 27 / 125,
        codes.LOG1: math.log(3) / (math.log(3) + math.log(4)),
        codes.LOG2: math.log(3) / math.log(6),
    }
    for model, share in shapes.items():
        assert share_behind(model, 3.0, front=3.0, back=2.0) == pytest.approx(share)


@pytest.mark.parametrize("model", range(8))
def test_b18_every_queue_model_agrees_in_strict_and_in_parity(model: int) -> None:
    for fills in (codes.STRICT, codes.PARITY, codes.PARITY_NO_PARTIAL):
        for seed in range(4):
            play(model * 100 + seed, 100, queue_model=model, fills=fills, starting_balance=1e6)


def test_stopping_at_every_event_changes_nothing_of_the_story() -> None:
    """A7, B3: how time is cut into advances is not an event."""
    for seed in range(40):
        stories = []
        for wanted in (0, codes.ON_REPORT, 15):
            world = World(seed, 80, max_actions=1_000)
            twins = Twins(world)
            for _ in range(6):
                random_verb(world.rng, twins)
            while twins.running:
                twins.advance(world.end, wanted)
            stories.append(repr(twins.reference.events))
        assert stories[0] == stories[1] == stories[2], seed


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("SEQ_GYM_EPISODES", "5000")))
@given(seed=SEEDS)
def test_kernels_and_twin_agree_on_very_many_episodes(seed: int) -> None:
    play(seed)


@pytest.mark.slow
def test_kernels_and_twin_agree_on_long_episodes() -> None:
    for seed in range(100):
        play(seed, 1_500)
