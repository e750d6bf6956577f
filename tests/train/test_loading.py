"""Trained policies in evaluate: from run folders and from files, and what is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.evaluate import EvaluateConfig, evaluate
from seq_gym.evaluate.cli import main, read_command_line
from seq_gym.train import load_model, load_run, make_vec_env, train
from seq_gym.train.folder import file_hash
from tests.train.runs import small


@pytest.fixture
def copied(trained: Any, tmp_path: Path) -> Path:
    """A run folder that a test may spoil."""
    return Path(shutil.copytree(trained.folder, tmp_path / "run"))


def settings(folder: Path) -> EvaluateConfig:
    return read_command_line(["--agent", str(folder)])


def test_a_run_is_evaluated_on_its_test_range_with_its_own_settings(trained: Any) -> None:
    config = settings(trained.folder)
    manifest = json.loads((trained.folder / "manifest.json").read_text())
    result = evaluate(config)
    test = manifest["splits"]["test"]
    assert result.series.fingerprint == manifest["data"]["fingerprint"]
    assert min(window.start for window in result.windows) == test["cursors"][0]
    assert max(window.end for window in result.windows) <= test["cursors"][1]
    assert {window.num_steps for window in result.windows} == {100}
    assert len(result.windows) == (test["cursors"][1] - test["cursors"][0]) // 100
    assert result.candidates == ["ppo-s0"]
    assert config.env_settings["observation"] == "index"
    assert config.env_settings["feature_scaling"]["mean"]


def test_evaluate_policy_of_a_run_equals_evaluate_on_the_same_windows(trained: Any) -> None:
    from stable_baselines3.common.evaluation import evaluate_policy

    config = settings(trained.folder)
    result = evaluate(config)
    env = make_vec_env(
        result.env,
        len(result.windows),
        data=result.series,
        window=[window.start for window in result.windows],
        episode_steps=100,
        starting_balance=100_000.0,
        **config.env_settings,
    )
    policy = load_run(trained.folder)
    policy.bind(env)
    env.seed(0)
    rewards, _ = evaluate_policy(policy, env, len(result.windows), return_episode_rewards=True)
    episodes = result.episodes_of("ppo-s0")
    known = [np.log(each.equity[-1] / each.equity[0]) for each in episodes]
    assert rewards == pytest.approx(known, abs=1e-12)
    assert sum(each.metrics.total_trades for each in episodes) > 0


def test_the_chosen_model_acts_as_it_did_in_training(trained: Any) -> None:
    """Validation again, through the folder: the figures are those that chose the model."""
    from seq_gym.config import load_config
    from seq_gym.train import SB3VecEnv, TrainConfig
    from seq_gym.train.ranges import load_ranges

    config = load_config(TrainConfig, trained.folder / "config.toml")
    scaling = json.loads((trained.folder / "scaling.json").read_text())
    env = SB3VecEnv(load_ranges(config, scaling).validation_env())
    policy = load_run(trained.folder)
    policy.bind(env)
    env.seed(0)
    observations, played = env.reset(), {}
    while len(played) < env.num_envs:
        observations, _, dones, infos = env.step(policy.predict(observations)[0])
        for e in np.flatnonzero(dones):
            played.setdefault(e, infos[e]["episode"]["r"])
    assert np.mean(list(played.values())) == pytest.approx(
        trained.best_figures["reward"], abs=1e-12
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"look_back": 7}, "features.window.look_back 6 is 7 here"),
        ({"features": ["rsi"]}, "features.window.names"),
        ({"action": "ladder"}, "action.kind 'discrete' is 'ladder' here"),
        ({"observation": "dict"}, "observation.kind 'index' is 'dict' here"),
        ({"deadband": 0.02}, "action.deadband 0.01 is 0.02 here"),
        ({"feature_scaling": None}, "features.window.fingerprint"),
    ],
)
def test_another_specification_is_refused_by_name(
    trained: Any, changes: dict[str, Any], words: str
) -> None:
    import dataclasses

    config = settings(trained.folder)
    own = {**config.env_settings, **changes}
    if changes.get("features"):
        own["feature_scaling"] = None
    with pytest.raises(ConfigError) as told:
        evaluate(dataclasses.replace(config, env_settings=own))
    assert words in str(told.value)
    assert "--allow-mismatch" in str(told.value)


def test_a_mismatch_that_fits_can_be_allowed(trained: Any, tmp_path: Path, capsys: Any) -> None:
    given = ["--agent", str(trained.folder), "--set", "deadband=0.02", "--out", str(tmp_path)]
    assert main(given) == 1
    assert "action.deadband 0.01 is 0.02 here" in capsys.readouterr().err
    assert main([*given, "--allow-mismatch", "--episodes", "1"]) == 0
    given[3] = "look_back=9"
    assert main([*given, "--allow-mismatch"]) == 1
    assert "do not fit the environment" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["best_model.zip", "best_vecnormalize.pkl"])
def test_a_file_that_is_not_the_recorded_one_is_not_opened(copied: Path, name: str) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return pytest.fail, ("it was opened",)

    (copied / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ConfigError, match="must have the hash that its run recorded"):
        load_run(copied)
    (copied / name).unlink()
    with pytest.raises(ConfigError, match="must be there, its run recorded it"):
        load_run(copied)


def test_weights_are_read_as_tensors_alone(copied: Path) -> None:
    """Even with a hash that fits, nothing but tensors is taken from the model of a run."""
    import zipfile

    class Bomb:
        def __reduce__(self) -> Any:
            return pytest.fail, ("it was opened",)

    path = copied / "best_model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", "{}")
        archive.writestr("policy.pth", pickle.dumps(Bomb(), protocol=2))
    _record(copied, path)
    with pytest.raises(ConfigError, match="must be a model that Stable-Baselines3 saved"):
        load_run(copied)


def _record(folder: Path, path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][path.name] = file_hash(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_foreign_weights_and_normalisers_are_refused(copied: Path) -> None:
    path = copied / "best_vecnormalize.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    _record(copied, path)
    with pytest.raises(ConfigError, match="must hold a VecNormalize; was list"):
        load_run(copied)
    path.write_bytes(b"no pickle")
    _record(copied, path)
    with pytest.raises(ConfigError, match="must hold a VecNormalize; cannot be read"):
        load_run(copied)


def test_a_policy_without_an_environment_says_so(trained: Any) -> None:
    with pytest.raises(UsageError, match="call bind"):
        load_run(trained.folder).predict(np.zeros(3))


def test_masked_and_continuous_runs_are_evaluated_too(tmp_path: Path) -> None:
    off_policy = {"learning_starts": 64, "buffer_size": 500, "batch_size": 16}
    changes: list[dict[str, Any]] = [
        {"algo": "maskable_ppo", "env_settings": {"look_back": 6, "action": "order"}},
        {"algo": "sac", "symbols": ("A", "B"), "hyperparameters": off_policy},
        {"algo": "dqn", "hyperparameters": off_policy, "network": _gru()},
    ]
    for each in changes:
        result = train(small(tmp_path, total_steps=256, **each))
        told = evaluate(settings(result.folder))
        assert told.candidates == [f"{each['algo']}-s0"]


def _gru() -> Any:
    from seq_gym.train import NetworkConfig

    return NetworkConfig(extractor="gru", features_dim=8, hidden=(16,))


# ---------------------------------------------------------------------- model files


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that somebody saved himself, with its normaliser beside it."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecNormalize

    folder = tmp_path_factory.mktemp("mine")
    env = VecNormalize(make_vec_env("seq_gym/CandleTrading-v0", 4, look_back=6, episode_steps=50))
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=1, device="cpu", seed=1)
    model.learn(128)
    model.save(folder / "mine.zip")
    env.save(str(folder / "mine.pkl"))
    return folder


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        *("--agent", str(folder / "mine.zip"), "--symbols", "BTCUSDT", "--end", "2025-01-02"),
        *("--episodes", "2", "--episode-steps", "60", "--set", "look_back=6", *more),
    ]


def test_a_model_file_plays_as_it_does_in_stable_baselines(alone: Path) -> None:
    import gymnasium
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    config = read_command_line(
        arguments(alone, "--algo", "ppo", "--vecnormalize", str(alone / "mine.pkl"))
    )
    result = evaluate(config)
    made = gymnasium.make(
        result.env, data=result.series, look_back=6, episode_steps=60, starting_balance=100_000.0
    )
    env = VecNormalize.load(str(alone / "mine.pkl"), DummyVecEnv([lambda: made]))
    env.training = env.norm_reward = False
    model = PPO.load(alone / "mine.zip")
    for window, episode in zip(result.windows, result.episodes_of("mine"), strict=True):
        env.set_options({"start": window.start})
        observation, done, total = env.reset(), [False], 0.0
        while not done[0]:
            action, _ = model.predict(observation, deterministic=True)
            observation, reward, done, _ = env.step(action)
            total += float(reward[0])
        assert total == pytest.approx(np.log(episode.equity[-1] / episode.equity[0]), abs=1e-6)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "was given without. Likely fix: --algo ppo"),
        (["--algo", "pp0"], "Unknown algorithm 'pp0'. Did you mean 'ppo'?"),
        (["--algo", "dqn"], "must be a model of dqn"),
        (["--algo", "ppo", "--set", "look_back=7"], "observation 'Box(39,)' is 'Box(44,)' here"),
        (["--algo", "ppo", "--set", "action=ladder"], "'Discrete(3)' is 'Discrete(5)' here"),
        (["--algo", "ppo", "--vecnormalize", "nope.pkl"], "must hold a VecNormalize"),
    ],
)
def test_a_model_file_that_does_not_fit_is_one_line(
    alone: Path, more: list[str], words: str, capsys: Any, tmp_path: Path
) -> None:
    assert main(arguments(alone, *more, "--out", str(tmp_path))) == 1
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_a_damaged_or_missing_model_file_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "x.zip"
    broken.write_bytes(b"PK no zip")
    with pytest.raises(ConfigError, match="must be a model of ppo") as told:
        load_model(broken, "ppo")
    assert "\n" not in str(told.value)
    with pytest.raises(ConfigError, match="there is no"):
        evaluate(EvaluateConfig(agent=(str(tmp_path / "y.zip"),), algo="ppo"))
    with pytest.raises(UnknownName):
        load_model(broken, "reinforce")


def test_evaluate_needs_no_torch_until_a_trained_agent_is_named() -> None:
    import subprocess
    import sys

    code = (
        "import sys, seq_gym.evaluate.cli, seq_gym.train\n"
        "heavy = {'torch', 'stable_baselines3', 'tensorboard', 'tyro', 'pydantic'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_with_a_reward_of_ones_own_is_evaluated(tmp_path: Path) -> None:
    def gained(before: Any, after: Any) -> Any:
        return after.equity / before.equity - 1.0

    run = train(small(tmp_path, env_settings={"look_back": 6, "reward": gained}))
    assert evaluate(settings(run.folder)).candidates == ["ppo-s0"]


def test_windows_that_a_run_has_seen_are_told(trained: Any, tmp_path: Path) -> None:
    told = "NOT UNSEEN: ppo-s0 was trained or chosen on data of"
    own = settings(trained.folder)
    assert told not in evaluate(own).text()
    before = replace(own, warm_up=None)
    result = evaluate(before)
    cursors = json.loads((trained.folder / "manifest.json").read_text())["splits"]
    end = cursors["validation"]["cursors"][1]
    seen = sum(window.start < end for window in result.windows)
    assert 0 < seen < len(result.windows)
    assert f"{told} {seen} of the {len(result.windows)} windows." in result.text()
    assert told not in evaluate(replace(before, seed=own.seed + 1)).text()  # another market
