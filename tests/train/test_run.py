"""A run from its config to its folder: what is in it, what it never reads, and going on with it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq_gym.config import config_to_dict, load_config
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries
from seq_gym.train import NormalizeConfig, TrainConfig, ValidationConfig, callbacks, resume, train
from seq_gym.train import candles as train_candles
from seq_gym.train.folder import file_hash
from seq_gym.train.vec_env import SB3VecEnv
from tests.train.runs import PPO, InterruptAt, assert_same_weights, log_lines, small

BOTH = NormalizeConfig(observations=True, rewards=True)
OFF_POLICY = {"learning_starts": 256, "buffer_size": 2_000, "batch_size": 32, "gradient_steps": 1}
KINDS: dict[str, dict[str, Any]] = {
    "ppo": {"normalize": BOTH, "schedule": "linear"},
    "a2c": {"algo": "a2c", "hyperparameters": {"n_steps": 8}},
    "dqn": {
        "algo": "dqn",
        "hyperparameters": {**OFF_POLICY, "target_update_interval": 100},
        "env_settings": {"look_back": 6, "observation": "index"},
    },
    "sac": {
        "algo": "sac",
        "hyperparameters": OFF_POLICY,
        "normalize": BOTH,
        "env_settings": {"look_back": 6, "action": "continuous"},
        "total_steps": 1_024,
    },
    "maskable_ppo": {"algo": "maskable_ppo", "env_settings": {"look_back": 6, "action": "order"}},
}


def test_the_folder_holds_what_the_run_was(trained: Any) -> None:
    folder = trained.folder
    files = {each.name for each in folder.iterdir()}
    assert files == {
        "DONE",
        "best_model.zip",
        "best_vecnormalize.pkl",
        "checkpoints",
        "config.toml",
        "log.jsonl",
        "manifest.json",
        "model.zip",
        "scaling.json",
        "tensorboard",
        "vecnormalize.pkl",
    }
    assert folder.name[16:].startswith("-CandleTrading-v0-ppo-s0-")
    assert (folder / "DONE").read_text() == "complete\n"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["loader"] == "seq_gym.train.loading:load_run"
    assert manifest["command"][:3] == ["python", "-m", "agents.train_ppo"]
    assert {"torch", "stable_baselines3", "numpy"} <= set(manifest["versions"])
    assert len(manifest["data"]["fingerprint"]) == 64
    assert manifest["files"] == {
        name: file_hash(folder / name) for name in files if name.endswith(("zip", "pkl", "ng.json"))
    }
    splits = manifest["splits"]
    assert splits["train"]["end"] < splits["validation"]["start"]
    assert splits["validation"]["end"] < splits["test"]["start"]
    text = (folder / "config.toml").read_text()
    assert f"# test: {splits['test']['start']} to {splits['test']['end']}, read by evaluate" in text
    again = load_config(TrainConfig, folder / "config.toml")
    assert again.hyperparameters["n_steps"] == 32
    assert again.hyperparameters["gamma"] == 0.99  # what was not said is there too


def test_figures_of_validation_and_rollouts_are_logged(trained: Any) -> None:
    lines = log_lines(trained.folder)
    validated = [line for line in lines if "validation/sharpe_ratio" in line]
    assert [line["step"] for line in validated] == [0, 1_024, 2_048]
    assert {"rollout/ep_rew_mean", "rollout/turnover_frac", "time/fps", "train/loss"} <= {
        name for line in lines for name in line
    }
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(trained.folder / "tensorboard"))
    board.Reload()
    tags = set(board.Tags()["scalars"])
    assert {"validation/sharpe_ratio", "rollout/ep_rew_mean", "final/sharpe_ratio"} <= tags
    assert "_hparams_/experiment" in board.summary_metadata


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_weights_and_a_resumed_run_ends_where_one_run_does(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "TELL_S", 0.0)
    config = small(tmp_path, **KINDS[kind])
    whole = train(config)
    half = train(config, InterruptAt(config.total_steps // 2))
    assert (half.state, half.steps) == ("interrupted", config.total_steps // 2)
    assert not (half.folder / "DONE").exists()
    rest = resume(half.folder)
    assert rest.state == "complete"
    one, other = whole.model, rest.model
    assert one.num_timesteps == other.num_timesteps == config.total_steps
    assert one._n_updates == other._n_updates
    assert one._episode_num == other._episode_num
    assert one._current_progress_remaining == other._current_progress_remaining
    assert [each["r"] for each in one.ep_info_buffer] == [
        each["r"] for each in other.ep_info_buffer
    ]
    assert_same_weights(one, other)
    assert whole.best_figures == rest.best_figures
    first, second = one.get_vec_normalize_env(), other.get_vec_normalize_env()
    if first is not None:
        np.testing.assert_array_equal(first.obs_rms.mean, second.obs_rms.mean)
        np.testing.assert_array_equal(first.obs_rms.var, second.obs_rms.var)
        assert first.ret_rms.var == second.ret_rms.var
        np.testing.assert_array_equal(first.returns, second.returns)
    figures = ("validation/reward", "rollout/ep_rew_mean", "train/learning_rate")
    for name in figures:
        curve = [(line["step"], line[name]) for line in log_lines(whole.folder) if name in line]
        again = [(line["step"], line[name]) for line in log_lines(half.folder) if name in line]
        assert again == curve


def test_another_seed_gives_other_weights(trained: Any, tmp_path: Path) -> None:
    config = load_config(TrainConfig, trained.folder / "config.toml")
    other = train(TrainConfig(**{**_values(config), "seed": 1, "out": str(tmp_path)}))
    with pytest.raises(AssertionError):
        assert_same_weights(trained.model, other.model)


def _values(config: TrainConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config_to_dict(config)}


def test_a_finished_run_can_be_made_longer(tmp_path: Path) -> None:
    config = small(tmp_path, total_steps=512)
    first = train(config)
    longer = TrainConfig(**{**_values(config), "total_steps": 1_024})
    second = resume(first.folder, longer)
    assert second.steps == 1_024
    assert_same_weights(second.model, train(longer).model)
    manifest = json.loads((first.folder / "manifest.json").read_text())
    assert [each["steps"] for each in manifest["resumed"]] == [512]
    assert load_config(TrainConfig, first.folder / "config.toml").total_steps == 1_024
    with pytest.raises(ConfigError, match="was given another seed"):
        resume(first.folder, TrainConfig(**{**_values(longer), "seed": 3}))
    with pytest.raises(ConfigError, match="above the steps that it has, 1024; was 600"):
        resume(first.folder, TrainConfig(**{**_values(longer), "total_steps": 600}))


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    first = train(small(tmp_path, total_steps=512))
    again = resume(first.folder, progress=lambda _: None)
    assert (again.state, again.steps, again.best_step) == ("complete", 512, first.best_step)
    assert_same_weights(first.model, again.model)
    assert (first.folder / "DONE").read_text() == "complete\n"


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("validation", ValidationConfig(every=1_024, episodes=3, metric="fees"), "metric"),
        ("validation", ValidationConfig(every=1_024, episodes=2), "episodes"),
        ("hyperparameters", {**PPO, "gamma": 0.5}, "gamma"),
        ("embargo", 200, "embargo"),
    ],
)
def test_a_resumed_run_compares_and_learns_as_before(
    trained: Any, field: str, value: Any, named: str
) -> None:
    config = load_config(TrainConfig, trained.folder / "config.toml")
    other = TrainConfig(**{**_values(config), "total_steps": 4_096, field: value})
    with pytest.raises(ConfigError, match=rf"was given another {field}[.]?({named})?\. "):
        resume(trained.folder, other)


def test_a_resumed_run_may_be_looked_at_more_often(tmp_path: Path) -> None:
    rare = small(tmp_path, total_steps=512, validation=ValidationConfig(every=9_999, episodes=3))
    folder = train(rare).folder
    often = ValidationConfig(every=256, episodes=3, patience=50)
    changes = {"total_steps": 1_280, "validation": often, "checkpoint_every": 256}
    resume(folder, TrainConfig(**{**_values(rare), **changes}))
    validated = [line["step"] for line in log_lines(folder) if "validation/reward" in line]
    assert validated == [0, 512, 768, 1_024, 1_280]
    kept = sorted(int(each.name) for each in (folder / "checkpoints").iterdir())
    assert kept == [1_024, 1_280]


def test_where_a_resumed_run_goes_on_from_is_told_at_once(tmp_path: Path) -> None:
    folder = train(small(tmp_path, total_steps=512)).folder
    longer = small(tmp_path, total_steps=1_024)
    told: list[Any] = []
    resume(folder, longer, told.append)
    assert (told[0].steps, told[0].steps_per_s) == (512, 0.0)


def test_training_and_validation_never_hold_a_candle_of_the_test_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    real = CandleSeries.select

    def spied(self: CandleSeries, *args: Any, **kw: Any) -> CandleSeries:
        ends.append(kw.get("end"))
        return real(self, *args, **kw)

    config = small(tmp_path)
    ranges = train_candles.load_candle_ranges(config)
    monkeypatch.setattr(CandleSeries, "select", spied)
    training = ranges.training_env()
    validation = ranges.validation_env()
    series, splits = ranges.series, ranges.splits
    assert training.settings.series.end_ns == series.time_of(splits.train.end)
    assert validation.settings.series.end_ns == series.time_of(splits.validation.end)
    assert training.settings.first_start == splits.train.start
    assert training.settings.last_cursor == splits.train.end
    assert validation.settings.starts.min() == splits.validation.start
    assert validation.settings.starts.max() + 100 <= splits.validation.end
    assert splits.validation.start - splits.train.end >= training.settings.first_start
    assert max(end for end in ends if end is not None) < series.time_of(splits.test.start)


def test_costs_are_randomised_in_training_alone(tmp_path: Path) -> None:
    drawn = {"fee_scale": [0.5, 2.0], "slippage_scale": [0.5, 2.0]}
    config = small(
        tmp_path, total_steps=256, env_settings={"look_back": 6, "randomize": drawn}
    ).resolved()
    ranges = train_candles.load_candle_ranges(config)
    training = SB3VecEnv(ranges.training_env())
    validation = SB3VecEnv(ranges.validation_env())
    scales = []
    for env in (training, validation):
        env.seed(0)
        env.reset()
        infos: list[dict[str, Any]] = [{}]
        while not infos[0]:
            infos = env.step(np.zeros(env.num_envs, int))[3]
        scales.append([info.get("fee_scale", 1.0) for info in infos])
    assert len(set(scales[0])) == 8
    assert set(scales[1]) == {1.0}
    manifest = json.loads((train(config).folder / "manifest.json").read_text())
    assert "randomize" not in manifest["evaluate"]["env_settings"]


def test_what_happens_in_the_test_range_changes_no_weight(tmp_path: Path) -> None:
    config = small(tmp_path, total_steps=512)
    base = train(config)
    ranges = train_candles.load_candle_ranges(config)
    cut = ranges.series.time_of(ranges.splits.test.start)
    rows = (ranges.series.start_ns + np.arange(ranges.series.num_candles) * 60 * 10**9) >= cut
    changed = {
        name: np.where(
            rows[:, None], getattr(ranges.series, name) * 3.0, getattr(ranges.series, name)
        )
        for name in ("open", "high", "low", "close")
    }
    import dataclasses

    other = dataclasses.replace(ranges.series, **changed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_candles, "load_market", lambda config, seed: other)
        again = train(config)
    assert_same_weights(base.model, again.model)
    assert base.best_figures == again.best_figures


def test_it_stops_when_validation_finds_nothing_better(tmp_path: Path) -> None:
    told = ValidationConfig(every=256, episodes=2, patience=2, metric="fees")
    result = train(small(tmp_path, total_steps=20_000, validation=told))
    assert result.state == "stopped early"
    assert result.steps < 20_000
    assert (result.folder / "DONE").read_text() == "stopped early\n"


def test_weights_that_run_away_are_one_clear_error(tmp_path: Path) -> None:
    config = small(tmp_path, hyperparameters={**PPO, "learning_rate": 1e30, "max_grad_norm": 1e30})
    with pytest.raises(ConfigError, match="a smaller learning_rate"):
        train(config)


def test_the_best_model_is_the_one_of_its_step(tmp_path: Path) -> None:
    told = ValidationConfig(every=512, episodes=3, metric="turnover_frac")
    result = train(small(tmp_path, validation=told))
    curve = {
        line["step"]: line["validation/turnover_frac"]
        for line in log_lines(result.folder)
        if "validation/turnover_frac" in line and line["step"] > 0
    }
    assert result.best_figures["turnover_frac"] == min(curve.values())
    assert curve[result.best_step] == min(curve.values())


def test_checkpoints_beyond_those_kept_are_removed(tmp_path: Path) -> None:
    result = train(small(tmp_path, checkpoint_every=256, keep_checkpoints=2))
    kept = sorted(each.name for each in (result.folder / "checkpoints").iterdir())
    assert [int(name) for name in kept] == [1_792, 2_048]


def test_a_checkpoint_that_was_changed_is_not_opened(tmp_path: Path) -> None:
    result = train(small(tmp_path, total_steps=256))
    (checkpoint,) = (result.folder / "checkpoints").iterdir()
    (checkpoint / "state.pkl").write_bytes(pickle.dumps("mine"))
    with pytest.raises(ConfigError, match="must have the hash that its run recorded"):
        resume(result.folder)


def test_statistics_of_features_come_from_the_training_range_alone(trained: Any) -> None:
    from seq_gym.train.scaling import fit_scaling

    ranges = train_candles.load_candle_ranges(
        load_config(TrainConfig, trained.folder / "config.toml")
    )
    cut = ranges.until(ranges.splits.train)
    start = ranges.series.time_of(ranges.splits.train.start)
    known = fit_scaling(cut, "default", None, start=start)
    assert json.loads((trained.folder / "scaling.json").read_text()) == known


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"algo": "sac", "hyperparameters": {}}, "action must be one that sac can take"),
        (
            {"algo": "dqn", "hyperparameters": {}, "env_settings": {"action": "order"}},
            "or train it with ppo or a2c or maskable_ppo",
        ),
        ({"episode_steps": 9_000}, r"must fit the training range, which holds \d+ steps; was 9000"),
        (
            {"validation": ValidationConfig(episode_steps=5_000)},
            r"validation.episode_steps must fit the validation range",
        ),
        ({"embargo": 2}, "embargo must be >= the look-back"),
        ({"hyperparameters": {**PPO, "batch_size": 100}}, "batch_size=128"),
        ({"end": "2025-01-01", "split": (0.9, 0.05, 0.05)}, "must fit the validation range"),
        ({"num_envs": 1, "hyperparameters": {**PPO, "n_steps": 1}}, "batch_size must divide the 1"),
        (
            {
                "algo": "sac",
                "hyperparameters": {"ent_coef": "auto_0"},
                "env_settings": {"action": "continuous"},
            },
            "sac refuses them",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_folder_is_made(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        train(small(tmp_path, **changes))
    assert list(tmp_path.iterdir()) == []
