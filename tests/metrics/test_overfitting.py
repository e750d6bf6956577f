"""Probability of backtest overfitting: hand computation, a slow oracle, properties (X6)."""

import itertools
import math

import numpy as np
import pytest

from seq_gym.errors import ConfigError
from seq_gym.metrics import overfitting, probability_of_backtest_overfitting

GOOD, BAD = [0.03, 0.01], [-0.01, -0.03]


def _slow(matrix, num_blocks):
    """The definition, row by row."""
    matrix = matrix[: len(matrix) // num_blocks * num_blocks]
    blocks = np.split(np.arange(len(matrix)), num_blocks)
    logits = []
    for chosen in itertools.combinations(range(num_blocks), num_blocks // 2):
        inside = np.concatenate([blocks[b] for b in chosen])
        outside = np.setdiff1d(np.arange(len(matrix)), inside)
        score = matrix[inside].mean(axis=0) / matrix[inside].std(axis=0, ddof=1)
        test = matrix[outside].mean(axis=0) / matrix[outside].std(axis=0, ddof=1)
        rank = int((test <= test[score.argmax()]).sum())
        logits.append(math.log(rank / (matrix.shape[1] + 1 - rank)))
    return np.array(logits)


def test_x6_two_candidates_that_take_turns_are_pure_overfitting():
    found = probability_of_backtest_overfitting(
        np.column_stack([GOOD + BAD, BAD + GOOD]), num_blocks=2
    )
    assert (found.pbo, found.oos_loss_frac, found.num_splits) == (1.0, 1.0, 2)
    assert found.logits == pytest.approx([math.log(1 / 2)] * 2)


def test_x6_a_candidate_that_is_always_better_is_no_overfitting():
    found = probability_of_backtest_overfitting(
        np.column_stack([GOOD + GOOD, BAD + BAD]), num_blocks=2
    )
    assert (found.pbo, found.oos_loss_frac) == (0.0, 0.0)
    assert found.logits == pytest.approx([math.log(2)] * 2)


@pytest.mark.parametrize("num_blocks", [2, 4, 8])
def test_x6_sums_by_block_give_what_the_definition_gives_row_by_row(num_blocks):
    matrix = np.random.default_rng(num_blocks).normal(0.001, 0.01, (83, 7))
    found = probability_of_backtest_overfitting(matrix, num_blocks=num_blocks)
    assert found.logits == pytest.approx(_slow(matrix, num_blocks), rel=1e-9)
    assert found.num_rows == 83 // num_blocks * num_blocks


def test_x6_noise_is_overfitted_about_half_of_the_time():
    rng = np.random.default_rng(0)
    values = [
        probability_of_backtest_overfitting(rng.normal(0, 0.01, (160, 20)), num_blocks=8).pbo
        for _ in range(40)
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.1)


def test_x6_one_true_edge_among_noise_is_found_again():
    matrix = np.random.default_rng(1).normal(0, 0.01, (800, 20))
    matrix[:, 3] += 0.004
    assert probability_of_backtest_overfitting(matrix, num_blocks=10).pbo < 0.02


def test_x6_copies_of_one_candidate_tie_and_share_the_middle_rank():
    column = np.random.default_rng(2).normal(0, 0.01, 64)
    found = probability_of_backtest_overfitting(np.column_stack([column] * 3), num_blocks=4)
    assert found.logits.tolist() == [0.0] * 6
    assert found.pbo == 1.0


def test_x6_a_candidate_that_never_trades_in_a_half_leaves_the_probability_undefined():
    matrix = np.random.default_rng(3).normal(0, 0.01, (64, 3))
    matrix[:32, 1] = 0.0
    found = probability_of_backtest_overfitting(matrix, num_blocks=4)
    assert (found.pbo, found.oos_loss_frac, found.logits.size) == (None, None, 0)
    assert found.undefined == "candidate 1 does not vary in one half of the steps"


def test_the_answer_does_not_depend_on_how_the_splits_are_chunked(monkeypatch):
    matrix = np.random.default_rng(4).normal(0, 0.01, (96, 5))
    whole = probability_of_backtest_overfitting(matrix, num_blocks=8).logits
    monkeypatch.setattr(overfitting, "_CHUNK_VALUES", 200)
    assert np.array_equal(whole, probability_of_backtest_overfitting(matrix, num_blocks=8).logits)


@pytest.mark.parametrize(
    ("matrix", "num_blocks", "words"),
    [
        (np.zeros(10), 2, r"\[T, N\] with at least 2"),
        (np.zeros((10, 1)), 2, r"\[T, N\] with at least 2"),
        (np.full((10, 2), np.nan), 2, "must be finite"),
        (np.zeros((10, 2)), 3, "even and in 2..20; was 3"),
        (np.zeros((10, 2)), 22, "even and in 2..20; was 22"),
        (np.zeros((10, 2)), 8, "at least 16 rows for 8 blocks; was 10"),
    ],
)
def test_a_matrix_that_cannot_be_split_is_refused(matrix, num_blocks, words):
    with pytest.raises(ConfigError, match=words):
        probability_of_backtest_overfitting(matrix, num_blocks=num_blocks)
