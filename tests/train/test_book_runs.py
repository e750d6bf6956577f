"""A run on a book from its config to its folder, going on with it, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError
from seq_gym.evaluate.cli import main as evaluate_main
from seq_gym.evaluate.cli import read_command_line as read_evaluate
from seq_gym.times import parse_time
from seq_gym.train import (
    BookValidationConfig,
    NetworkConfig,
    NormalizeConfig,
    callbacks,
    load_run,
    make_vec_env,
    resume,
    train,
)
from seq_gym.train.cli import main
from seq_gym.train.folder import RunFolder
from seq_gym.train.ranges import load_ranges
from seq_gym.train.vec_env import SB3VecEnv
from tests.train.runs import (
    SHORT,
    InterruptAt,
    assert_same_weights,
    log_lines,
    small_on_book,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run with a normaliser, on windows of four rows."""
    config = small_on_book(
        tmp_path_factory.mktemp("runs"),
        normalize=NormalizeConfig(observations=True, rewards=True),
        env_settings={"features": SHORT, "look_back": 4, "max_offset_ticks": 3},
        network=NetworkConfig(extractor="cnn", features_dim=16),
    )
    return train(config, command=["python", "-m", "agents.train_ppo", "x.toml"])


def test_the_folder_holds_what_the_run_was(trained: Any) -> None:
    folder = trained.folder
    assert folder.name[16:].startswith("-MarketMaking-v0-ppo-s0-")
    assert (folder / "DONE").read_text() == "complete\n"
    assert {each.name for each in folder.iterdir()} >= {
        "best_model.zip",
        "best_vecnormalize.pkl",
        "checkpoints",
        "config.toml",
        "log.jsonl",
        "tensorboard",
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["env"] == "seq_gym/MarketMaking-v0"
    assert manifest["data"]["source"] == "synthetic book of seed 42"
    assert manifest["specification"]["features"]["window"] == {"look_back": 4, "names": SHORT}
    splits = manifest["splits"]
    text = (folder / "config.toml").read_text()
    assert f"# test: {splits['test']['start']} to {splits['test']['end']}, read by evaluate" in text
    names = {name for line in log_lines(folder) for name in line}
    assert {"validation/reward", "rollout/spread_capture", "validation/mean_inventory"} <= names


def test_a_run_folder_is_evaluated_on_its_test_range(trained: Any, tmp_path: Path) -> None:
    source = str(trained.folder)
    config: Any = read_evaluate(["--agent", source])
    manifest = json.loads((trained.folder / "manifest.json").read_text())
    assert (config.env, config.window) == ("seq_gym/MarketMaking-v0", "sequential")
    assert config.env_settings["max_offset_ticks"] == 3
    assert config.sandbox.maker_fee_frac == 0.0  # the environment's own, as it was trained
    assert evaluate_main(["--agent", source, "--out", str(tmp_path)]) == 0
    (folder,) = tmp_path.iterdir()
    measured = json.loads((folder / "metrics.json").read_text())
    assert measured["data"]["fingerprint"] == manifest["data"]["fingerprint"]
    began = [parse_time(each["start"]) for each in measured["windows"]]
    assert began[0] == parse_time(manifest["splits"]["test"]["start"])
    assert {each["decisions"] for each in measured["windows"]} == {40}


def test_windows_that_were_trained_on_are_told(trained: Any, tmp_path: Path, capsys: Any) -> None:
    own = ["--agent", str(trained.folder), "--set", "warm_up=45s", "--episodes", "2"]
    assert evaluate_main([*own, "--out", str(tmp_path)]) == 0
    told = "NOT UNSEEN: ppo-s0 was trained or chosen on data of 2 of the 2 windows."
    assert told in capsys.readouterr().out
    other = [*own, "--set", "seed=7", "--set", "warm_up=45s"]
    assert evaluate_main([*other, "--out", str(tmp_path)]) == 0
    assert "NOT UNSEEN" not in capsys.readouterr().out


def test_the_chosen_model_acts_as_it_did_in_training(trained: Any) -> None:
    """Validation again, through the folder: the figures are those that chose the model."""
    env = SB3VecEnv(load_ranges(RunFolder.open(trained.folder).config()).validation_env())
    policy = load_run(trained.folder)
    policy.bind(env)
    env.seed(0)
    observations, played = env.reset(), {}
    while len(played) < env.num_envs:
        observations, _, dones, infos = env.step(policy.predict(observations)[0])
        for e in np.flatnonzero(dones):
            played.setdefault(e, infos[e]["episode"]["r"])
    assert np.mean(list(played.values())) == pytest.approx(trained.best_figures["reward"], abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"look_back": 3}, "features.window.look_back 4 is 3 here"),
        ({"features": SHORT[:2]}, "features.window.names"),
        ({"action": "discrete"}, "action.kind 'continuous' is 'discrete' here"),
        ({"decide_every": "1s"}, "observation.decide_every '100ms' is '1s' here"),
        ({"max_offset_ticks": 9}, "action.max_offset_ticks 3.0 is 9.0 here"),
    ],
)
def test_another_environment_is_refused_by_name(
    trained: Any, changes: dict[str, Any], words: str
) -> None:
    own = {"features": SHORT, "look_back": 4, "max_offset_ticks": 3, "episode_steps": 10}
    env = make_vec_env("seq_gym/MarketMaking-v0", 1, **(own | changes))
    with pytest.raises(ConfigError) as told:
        load_run(trained.folder).bind(env)
    assert words in str(told.value)


OFF_POLICY = {"learning_starts": 256, "buffer_size": 2_000, "batch_size": 32, "gradient_steps": 1}
KINDS: dict[str, dict[str, Any]] = {
    "making": {"normalize": NormalizeConfig(observations=True, rewards=True)},
    "execution": {
        "env": "Execution-v0",
        "algo": "sac",
        "hyperparameters": OFF_POLICY,
        "env_settings": {"features": SHORT, "quantity": 0.5, "observation": "dict"},
        "validation": BookValidationConfig(every=512, episodes=3, metric="shortfall_bps"),
    },
    "trading": {
        "env": "BookTrading-v0",
        "algo": "maskable_ppo",
        "env_settings": {"features": SHORT, "action": "order"},
        "decide_every_events": 40,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_ends_where_one_run_does(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "TELL_S", 0.0)
    config = small_on_book(tmp_path, **KINDS[kind])
    whole = train(config)
    half = train(config, InterruptAt(512))
    assert (half.state, half.steps) == ("interrupted", 512)
    rest = resume(half.folder)
    assert rest.state == "complete"
    assert_same_weights(whole.model, rest.model)
    assert whole.best_figures == rest.best_figures
    for name in ("validation/reward", "rollout/ep_rew_mean"):
        curve = [(line["step"], line[name]) for line in log_lines(whole.folder) if name in line]
        again = [(line["step"], line[name]) for line in log_lines(half.folder) if name in line]
        assert again == curve


def test_other_funding_rates_are_other_data(tmp_path: Path) -> None:
    """They are beside the recording, whose fingerprint knows nothing of them."""
    rates, out = tmp_path / "rates.csv", tmp_path / "runs"
    rows = "time,rate\n2025-01-01T00:01:00Z,{}\n2025-01-01T00:02:00Z,0.0001\n"
    rates.write_text(rows.format(0.0001))
    told = {"funding": (f"BTCUSDT={rates}",), "checkpoint_every": 256, "total_steps": 256}
    folder = train(small_on_book(out, **told)).folder
    assert resume(folder).state == "complete"
    rates.write_text(rows.format(0.0002))
    with pytest.raises(ConfigError, match=r"The funding rates of .* must be those .*BTCUSDT@synth"):
        resume(folder)


def test_execution_is_chosen_by_what_the_order_cost(tmp_path: Path) -> None:
    result = train(small_on_book(tmp_path, **KINDS["execution"]))
    figures = result.figures
    assert figures.keys() == {
        "shortfall_bps",
        "filled_frac",
        "fees",
        "slippage",
        "trades",
        "reward",
    }
    assert figures["reward"] == pytest.approx(-figures["shortfall_bps"], abs=1e-6)
    assert figures["filled_frac"] == pytest.approx(1.0)
    curve = [
        line["validation/shortfall_bps"]
        for line in log_lines(result.folder)
        if "validation/shortfall_bps" in line and line["step"] > 0
    ]
    assert result.best_figures["shortfall_bps"] == min(curve)


# ---------------------------------------------------------------------- the command


TINY = [
    *("end=2025-01-01T00:03:30", "total_steps=256", "num_envs=8", "episode_steps=40"),
    *("threads=1", "validation.every=256", "validation.episodes=2", f"features={SHORT}"),
]
ROLLOUT = ["n_steps=32", "batch_size=128", "n_epochs=1"]


def sets(values: list[str]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def test_the_command_trains_resumes_and_evaluates(tmp_path: Path, capsys: Any) -> None:
    own = ["env=MarketMaking-v0", "queue_model=none", "latency.entry_ms=2", "max_inventory=0.05"]
    assert main("ppo", sets([*own, *TINY, *ROLLOUT, f"out={tmp_path}"])) == 0
    told = capsys.readouterr()
    assert "validation return" in told.err
    assert " bps, reward " in told.err
    (folder,) = tmp_path.iterdir()
    assert f"python -m seq_gym.evaluate --agent {folder}" in told.out
    asked: Any = read_evaluate(["--agent", str(folder)])
    assert (asked.sandbox.queue_model, asked.sandbox.latency.entry_ms) == ("none", 2.0)
    assert asked.env_settings["max_inventory"] == 0.05
    assert main("ppo", ["--resume", str(folder), *sets(["total_steps=512"])]) == 0
    assert "512 steps, complete" in capsys.readouterr().out
    assert evaluate_main(["--agent", str(folder), "--out", str(tmp_path / "e")]) == 0


@pytest.mark.parametrize(
    ("algo", "env"),
    [("dqn", "BookTrading-v0"), ("maskable_ppo", "MarketMaking-v0"), ("dqn", "Execution-v0")],
)
def test_without_a_config_every_script_has_an_action_that_it_can_take(
    algo: str, env: str, tmp_path: Path
) -> None:
    few = ["learning_starts=64", "buffer_size=500"] if algo == "dqn" else ROLLOUT
    assert main(algo, sets([f"env={env}", *TINY, *few, f"out={tmp_path}"])) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["env=MarketMakng-v0"], "Did you mean 'MarketMaking-v0'?"),
        (["env=MarketMaking-v0", "candles_per_step=2"], "Unknown setting 'candles_per_step'"),
        (["env=MarketMaking-v0", "max_inventry=1"], "Did you mean 'max_inventory'?"),
        (["env=MarketMaking-v0", "queue_model=pwer3"], "Did you mean 'power3'?"),
        (["max_inventory=1"], "Unknown setting 'max_inventory'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: Any
) -> None:
    assert main("ppo", sets([*arguments, f"out={tmp_path}"])) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert words in told
    assert list(tmp_path.iterdir()) == []


def test_a_recording_is_trained_on_and_evaluated(
    shared_data: Path, tmp_path: Path, capsys: Any
) -> None:
    """A real recording: the run is on books because its data is."""
    recording = shared_data / "book" / "cryptofeed" / "COINBASE.jsonl.zst"
    own = [f"data={recording}", "fix_clock=true", "symbols=BTC-USD", f"out={tmp_path}"]
    rest = [each for each in TINY if not each.startswith(("end=", "episode_steps="))]
    rest += ["episode_steps=10", "fill_horizon=none"]  # else embargoes are longer than all of it
    assert main("ppo", sets([*own, *rest, *ROLLOUT])) == 0
    (folder,) = tmp_path.iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["env"] == "seq_gym/BookTrading-v0"
    assert manifest["data"]["venues"] == ["coinbase"]
    assert evaluate_main(["--agent", str(folder), "--out", str(tmp_path / "e")]) == 0
    assert "BTC-USD at coinbase" in capsys.readouterr().out
