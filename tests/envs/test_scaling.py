"""Feature scaling: fitted on a range, constant ever after, the same bits through every door."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.checks import check_no_lookahead
from seq_gym.checks.altered import altered_after
from seq_gym.envs.features import build_features
from seq_gym.envs.scaling import SCALED_BOUND, scale_features
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.train.scaling import fit_scaling
from tests.envs.test_index import gathered
from tests.envs.test_vector import sampled
from tests.envs.worlds import CANDLE, FOUR_ROUGH, ONE, ONE_ROUGH, PORTFOLIO, make, make_vec

FEATURES = ["log_return", "rsi_3", "volume_ratio_5"]
FRAMES = {"5m": {"look_back": 3, "features": ["log_return", "rsi_3"]}}
ARGUMENTS: dict[str, Any] = {"features": FEATURES, "look_back": 4, "timeframes": FRAMES}


def fitted(series: Any = ONE, **range_: Any) -> dict[str, Any]:
    return fit_scaling(series, FEATURES, FRAMES, **range_)


# ---------------------------------------------------------------------- fitting


def test_mean_and_deviation_are_those_of_the_rows_known_in_the_range() -> None:
    start, end = "2025-01-01T01:00:00", "2025-01-01T03:20:00"
    scaling = fitted(start=start, end=end)
    rows = build_features(ONE, FEATURES).values[60:201, 0].astype(np.float64)
    np.testing.assert_allclose(scaling["mean"], rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaling["std"], rows.std(axis=0), rtol=1e-12)
    assert scaling["features"] == FEATURES
    longer = build_features(ONE.resample("5m"), FRAMES["5m"]["features"])
    rows = longer.values[12:41, 0].astype(np.float64)
    np.testing.assert_allclose(scaling["5m"]["mean"], rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaling["5m"]["std"], rows.std(axis=0), rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(60, 390), scale=st.sampled_from([0.2, 3.0]), rough=st.booleans())
def test_nothing_after_the_end_of_the_range_changes_what_is_fitted(
    cut: int, scale: float, rough: bool
) -> None:
    series = FOUR_ROUGH if rough else ONE
    end = series.time_of(cut)
    other = altered_after(series, cut, scale=scale, seed=cut)
    assert fitted(series, end=end) == fitted(other, end=end)
    assert fitted(series, end=end) == fitted(series.select(end=end))


def test_a_change_at_the_end_of_the_range_does_change_it() -> None:
    other = altered_after(ONE, 299, scale=3.0, seed=1)
    assert fitted(ONE, end=ONE.time_of(300)) != fitted(other, end=ONE.time_of(300))


def test_rows_before_a_symbol_is_listed_or_after_its_data_ended_do_not_count() -> None:
    scaling = fitted(FOUR_ROUGH)
    matrix = build_features(FOUR_ROUGH, FEATURES)
    parts = []
    for s in range(4):
        last = int(np.flatnonzero(FOUR_ROUGH.valid[:, s])[-1]) + 1
        parts.append(matrix.values[matrix.ready[s] : last + 1, s])
    assert len({len(part) for part in parts}) >= 3
    rows = np.concatenate(parts).astype(np.float64)
    np.testing.assert_allclose(scaling["mean"], rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaling["std"], rows.std(axis=0), rtol=1e-12)


def test_the_settings_of_an_environment_say_features_and_range() -> None:
    end = "2025-01-01T04:00:00"
    env = make(**ARGUMENTS, end=end)
    found = fit_scaling(env.unwrapped.settings)
    first = ONE.time_of(env.unwrapped.settings.first_start)
    assert found == fitted(start=first, end=end)
    scaled = make(**ARGUMENTS, feature_scaling=found)
    with pytest.raises(ConfigError, match="must be None while it is fitted"):
        fit_scaling(scaled.unwrapped.settings)


def test_a_feature_that_does_not_move_is_left_its_size() -> None:
    constant = ("half", "close * 0 + 0.5", -1.0, 1.0)
    scaling = fit_scaling(ONE, [constant, "rsi"])
    assert scaling["std"][0] == 1.0
    assert scaling["mean"][0] == 0.5


def test_a_range_without_a_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="no"):
        fit_scaling(ONE, "default", end=ONE.time_of(10))


def test_what_is_fitted_is_plain_json() -> None:
    scaling = fitted(FOUR_ROUGH)
    assert json.loads(json.dumps(scaling, allow_nan=False)) == scaling


# ---------------------------------------------------------------------- applying


def test_scaled_features_have_mean_zero_and_deviation_one_where_they_were_fitted() -> None:
    matrix = scale_features(build_features(ONE, FEATURES), strip(fitted()))
    rows = matrix.values[matrix.ready[0] :, 0].astype(np.float64)
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(rows.std(axis=0), 1.0, rtol=1e-2)


def strip(scaling: dict[str, Any]) -> dict[str, Any]:
    return {key: scaling[key] for key in ("features", "mean", "std")}


@settings(max_examples=40, deadline=None)
@given(
    mean=st.floats(-1e3, 1e3),
    std=st.floats(1e-9, 1e3),
    rough=st.booleans(),
)
def test_scaled_values_are_the_formula_and_stay_within_their_bounds(
    mean: float, std: float, rough: bool
) -> None:
    raw = build_features(FOUR_ROUGH if rough else ONE_ROUGH, FEATURES)
    matrix = scale_features(raw, {"mean": [mean] * 3, "std": [std] * 3})
    for s, first in enumerate(raw.ready):
        wanted = np.clip((raw.values[first:, s].astype(np.float64) - mean) / std, -10.0, 10.0)
        np.testing.assert_array_equal(matrix.values[first:, s], wanted.astype(np.float32))
        assert not matrix.values[:first, s].any()
    low, high = np.minimum(matrix.low, 0.0), np.maximum(matrix.high, 0.0)
    assert ((low <= matrix.values) & (matrix.values <= high)).all()
    assert matrix.low.min() >= -SCALED_BOUND
    assert matrix.high.max() <= SCALED_BOUND
    assert not matrix.values.flags.writeable


def test_a_scaling_is_applied_once_for_all_environments_and_is_part_of_the_fingerprint() -> None:
    scaling = fitted()
    one, other = (make(**ARGUMENTS, feature_scaling=scaling).unwrapped for _ in range(2))
    plain = make(**ARGUMENTS).unwrapped
    assert one.settings.matrix is other.settings.matrix
    assert one.settings.timeframes[0].matrix is other.settings.timeframes[0].matrix
    moved = replace_mean(scaling, 0.25)
    third = make(**ARGUMENTS, feature_scaling=moved).unwrapped
    prints = {each.settings.matrix.fingerprint for each in (plain, one, third)}
    assert len(prints) == 3


def replace_mean(scaling: dict[str, Any], mean: float) -> dict[str, Any]:
    return {**scaling, "mean": [mean, *scaling["mean"][1:]]}


@pytest.mark.parametrize("rough", [False, True])
def test_every_door_shows_the_same_scaled_bits(rough: bool) -> None:
    env_id, data = (PORTFOLIO, FOUR_ROUGH) if rough else (CANDLE, ONE)
    arguments = {**ARGUMENTS, "data": data, "feature_scaling": fitted(data), "episode_steps": 15}
    batch = make_vec(env_id, 3, **arguments)
    index = make_vec(env_id, 3, observation="index", **arguments)
    singles = [make(env_id, **arguments) for _ in range(3)]
    rows, _ = batch.reset(seed=2)
    pointed, _ = index.reset(seed=2)
    found = [env.reset(seed=2 + e)[0] for e, env in enumerate(singles)]
    for actions in sampled(batch.single_action_space, 3, 14):
        np.testing.assert_array_equal(gathered(index, pointed), rows)
        np.testing.assert_array_equal(np.stack(found), rows)
        assert batch.observation_space.contains(rows)
        rows, pointed = batch.step(actions)[0], index.step(actions)[0]
        found = [env.step(action)[0] for env, action in zip(singles, actions, strict=True)]


def test_the_account_does_not_notice_how_features_are_shown() -> None:
    plain, scaled = make(**ARGUMENTS), make(**ARGUMENTS, feature_scaling=fitted())
    for env in (plain, scaled):
        env.reset(seed=4)
    for action in (1, 0, 2, 1, 0):
        assert plain.step(action)[1] == scaled.step(action)[1]


def test_scaled_features_look_no_further_ahead() -> None:
    check_no_lookahead(make(**ARGUMENTS, feature_scaling=fitted()), steps=30)


def test_a_timeframe_may_be_scaled_alone() -> None:
    env = make(**ARGUMENTS, feature_scaling={"5m": fitted()["5m"]}).unwrapped
    assert env.settings.matrix is build_features(ONE, FEATURES)
    assert env.settings.timeframes[0].matrix.low.min() >= -SCALED_BOUND


@pytest.mark.parametrize(
    ("scaling", "error", "text"),
    [
        ([1.0], ConfigError, "must map"),
        ({"maen": [0.0]}, UnknownName, "mean"),
        ({"15m": {}}, UnknownName, "5m"),
        ({"mean": [0.0] * 3}, ConfigError, "must have 'std'"),
        ({"mean": [0.0] * 2, "std": [1.0] * 3}, ConfigError, "3 finite numbers, one for each of"),
        ({"mean": [0.0] * 3, "std": [1.0, 0.0, 1.0]}, ConfigError, "above 0"),
        ({"mean": [np.nan] * 3, "std": [1.0] * 3}, ConfigError, "finite"),
        ({"mean": "abc", "std": [1.0] * 3}, ConfigError, "must be numbers"),
        ({"mean": [0.0] * 3, "std": [1.0] * 3, "features": ["rsi"]}, ConfigError, "fit it again"),
        ({"5m": {"mean": [0.0]}}, ConfigError, "timeframe '5m'"),
        ({"5m": [1.0]}, ConfigError, "timeframe '5m'"),
        ({"5m": {"sdt": [1.0]}}, UnknownName, "timeframe '5m'"),
    ],
)
def test_a_wrong_scaling_is_refused_and_says_why(scaling: Any, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        make(**ARGUMENTS, feature_scaling=scaling)


def test_a_scaling_fitted_on_one_series_may_be_shown_on_another() -> None:
    later = replace(ONE, start_ns=ONE.start_ns + ONE.interval_ns * 1440)
    env = gymnasium.make(CANDLE, data=later, **ARGUMENTS, feature_scaling=fitted())
    assert env.unwrapped.settings.matrix.fingerprint
