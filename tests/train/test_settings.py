"""The config of a run: one schema for files, --set and Python, and no word that is not known."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from seq_gym.config import config_from_mapping, config_to_toml, load_config
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.train import NormalizeConfig, TrainConfig
from seq_gym.train.algorithms import ALGORITHMS, fitting_actions
from seq_gym.train.cli import read_command_line


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_every_setting_of_an_algorithm_is_an_argument_of_its_class(algo: str) -> None:
    pytest.importorskip("stable_baselines3")
    told = ALGORITHMS[algo]
    known = inspect.signature(told.load_class().__init__).parameters
    assert set(told.settings) <= set(known)
    assert set(told.defaults) <= set(told.settings)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"total_stps": 1}, "unknown key 'total_stps'. Did you mean 'total_steps'?"),
        ({"algo": "pp0"}, "Did you mean 'ppo'?"),
        ({"validation": {"metrc": "fees"}}, "unknown key 'validation.metrc'"),
        ({"hyperparameters": {"n_step": 4}}, "Unknown setting of ppo 'n_step'"),
        ({"hyperparameters": {"gamma": "much"}}, "gamma must be a number; was 'much'"),
        ({"hyperparameters": {"gamma": 2}}, "gamma must be from 0 to 1; was 2"),
        ({"hyperparameters": {"n_epochs": 2.5}}, "n_epochs must be a whole number; was 2.5"),
        ({"hyperparameters": {"n_steps": 0}}, "n_steps must be at least 1; was 0"),
        ({"split": [0.5, 0.5, 0.0]}, "split must be three shares above 0"),
        ({"split": [0.5, 0.2, 0.2]}, "split must be three shares above 0"),
        ({"num_envs": 0}, "num_envs must be at least 1; was 0"),
        ({"seed": -1}, "seed must be from 0"),
        ({"normalize": {"clip": 0.0}}, "clip must be above 0"),
        ({"network": {"hidden": [64, 0]}}, "hidden must be at least 1"),
        ({"start": "yesterday"}, "start: A time must be"),
        ({"total_steps": 0, "validation": {"every": "x"}}, "validation.every must be"),
    ],
)
def test_a_wrong_word_is_refused_with_what_was_meant(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as told:
        config_from_mapping(TrainConfig, values)
    assert words in str(told.value)


def test_all_wrong_words_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        config_from_mapping(TrainConfig, {"sede": 1, "validation": {"evry": 2}, "agent": "x"})
    assert str(told.value).startswith("3 settings are wrong:")


def test_a_resolved_config_is_a_complete_record(tmp_path: Path) -> None:
    config = TrainConfig(algo="dqn", hyperparameters={"gamma": 0.9}).resolved()
    assert config.hyperparameters["gamma"] == 0.9
    assert config.hyperparameters["learning_rate"] == 1e-4
    path = tmp_path / "c.toml"
    path.write_text(config_to_toml(config))
    assert load_config(TrainConfig, path) == config


def test_overrides_reach_every_section() -> None:
    words = "n_steps=8 look_back=20 hidden=[32] metric=reward taker_fee_frac=0.0 validation.every=9"
    given = [part for word in words.split() for part in ("--set", word)]
    config = read_command_line("ppo", given).config
    assert config.hyperparameters["n_steps"] == 8
    assert config.env_settings["look_back"] == 20
    assert config.network.hidden == (32,)
    assert (config.validation.metric, config.validation.every) == ("reward", 9)
    assert config.sandbox.taker_fee_frac == 0.0
    with pytest.raises(UnknownName, match="Did you mean 'look_back'"):
        read_command_line("ppo", ["--set", "look_bak=20"])
    with pytest.raises(UnknownName, match="Did you mean"):
        read_command_line("ppo", ["--set", "learning_rte=20"])


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_without_a_config_every_script_has_an_action_that_it_can_take(algo: str) -> None:
    config = read_command_line(algo, []).config
    assert config.env_settings.get("action", "discrete") in fitting_actions(algo)


def test_a_word_of_sac_is_none_of_ppo() -> None:
    assert TrainConfig(algo="sac", hyperparameters={"ent_coef": "auto_0.1"})
    with pytest.raises(ConfigError, match="ent_coef must be a number; was 'auto'"):
        TrainConfig(hyperparameters={"ent_coef": "auto"})


def test_features_are_scaled_by_one_thing_alone() -> None:
    given = {"feature_scaling": {"mean": [0.0], "std": [1.0]}}
    assert TrainConfig(env_settings=given)
    with pytest.raises(ConfigError, match="leave one of them out"):
        TrainConfig(env_settings=given, normalize=NormalizeConfig(scale_features=True))
