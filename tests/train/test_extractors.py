"""Features extractors: one network for every kind of observation, and the market held once."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.market import synthetic_candles
from tests.envs.worlds import CANDLE, FOUR_ROUGH, ONE, PORTFOLIO

th = pytest.importorskip("torch")
sb3 = pytest.importorskip("stable_baselines3")
extractors = pytest.importorskip("seq_gym.train.extractors")
vec_env = pytest.importorskip("seq_gym.train.vec_env")

KINDS = ("flat", "dict", "index")
FRAMES = {
    "5m": {"look_back": 6, "features": ["log_return", "rsi_3"]},
    "15m": {"look_back": 2, "features": ["log_return"]},
}
WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "one": (CANDLE, {"data": ONE, "look_back": 9}),
    "timeframes": (CANDLE, {"data": ONE, "look_back": 4, "timeframes": FRAMES}),
    "rough": (PORTFOLIO, {"data": FOUR_ROUGH, "look_back": 3, "timeframes": {"5m": FRAMES["5m"]}}),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


def make(world: str, kind: str, num_envs: int = 4, **changes: Any) -> Any:
    env_id, arguments = WORLDS[world]
    arguments = {"episode_steps": 20, **arguments, **changes}
    env = gymnasium.make_vec(env_id, num_envs=num_envs, observation=kind, **arguments)
    return vec_env.SB3VecEnv(env.unwrapped)


def policy_name(kind: str) -> str:
    return "MlpPolicy" if kind == "flat" else "MultiInputPolicy"


def ppo(env: Any, kind: str, seed: int = 1, **arguments: Any) -> Any:
    return sb3.PPO(
        policy_name(kind),
        env,
        n_steps=32,
        batch_size=64,
        n_epochs=2,
        seed=seed,
        device="cpu",
        policy_kwargs=extractors.extractor_arguments(env, **arguments) | {"net_arch": [16]},
    )


def weights(model: Any) -> bytes:
    state = model.policy.state_dict()
    return b"".join(name.encode() + value.numpy().tobytes() for name, value in state.items())


def tensors(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: th.as_tensor(value) for key, value in observations.items()}
    return th.as_tensor(observations)


@pytest.mark.parametrize("world", WORLDS)
def test_the_network_sees_the_same_bits_whatever_the_kind_of_observation(world: str) -> None:
    seen = []
    for kind in KINDS:
        env = make(world, kind)
        env.seed(7)
        given = extractors.extractor_arguments(env)["features_extractor_kwargs"]
        extractor = extractors.WindowExtractor(env.observation_space, **given)
        rows = [extractor.inputs(tensors(env.reset()))]
        for _ in range(45):
            actions = np.stack([env.action_space.sample() * 0] * env.num_envs)
            rows.append(extractor.inputs(tensors(env.step(actions)[0])))
        assert all(row.dtype == th.float32 and row.is_contiguous() for row in rows)
        seen.append(b"".join(row.numpy().tobytes() for row in rows))
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("network", extractors.NETWORKS)
def test_training_gives_identical_weights_in_every_kind_of_observation(network: str) -> None:
    found = set()
    for kind in KINDS:
        model = ppo(make("timeframes", kind), kind, network=network)
        before = weights(model)
        model.learn(512)
        assert weights(model) != before
        found.add(weights(model))
    assert len(found) == 1


@pytest.mark.parametrize(("network", "dim"), [("mlp", None), ("mlp", 5), ("cnn", 7), ("gru", 3)])
def test_every_window_becomes_the_numbers_asked_for(network: Any, dim: int | None) -> None:
    env = make("rough", "index")
    given = extractors.extractor_arguments(env, network=network, features_dim=dim)
    extractor = extractors.WindowExtractor(
        env.observation_space, **given["features_extractor_kwargs"]
    )
    windows = env.env.settings.windows
    floats = [each.num_floats if dim is None else dim for each in windows]
    out = extractor(tensors(env.reset()))
    assert out.shape == (env.num_envs, sum(floats) + 5 + 4 * 4)
    assert extractor.features_dim == out.shape[1]


@pytest.mark.parametrize("look_back", [1, 2, 3, 4, 31])
def test_convolutions_take_windows_of_any_length(look_back: int) -> None:
    env = make("one", "index", look_back=look_back)
    given = extractors.extractor_arguments(env, network="cnn")["features_extractor_kwargs"]
    extractor = extractors.WindowExtractor(env.observation_space, **given)
    assert extractor(tensors(env.reset())).shape == (4, 64 + 9)


def test_the_order_of_time_matters_to_convolutions_and_recurrences() -> None:
    env = make("one", "dict")
    observation = tensors(env.reset())
    for network in ("cnn", "gru"):
        given = extractors.extractor_arguments(env, network=network)["features_extractor_kwargs"]
        extractor = extractors.WindowExtractor(env.observation_space, **given)
        turned = observation | {"window": observation["window"].flip(1)}
        assert not th.equal(extractor(observation), extractor(turned))


# ---------------------------------------------------------------------- the market held once


def _storage(model: Any) -> set[int]:
    """Addresses of the feature tensors that the networks of a model gather from."""
    found = set()
    for module in model.policy.modules():
        if isinstance(module, extractors.WindowExtractor):
            found |= {view.data_ptr() for view in module.market._views[th.device("cpu")]}
    return found


@pytest.mark.parametrize(("algorithm", "action"), [("DQN", "ladder"), ("SAC", "continuous")])
def test_target_networks_share_the_market_with_the_environment(algorithm: str, action: str) -> None:
    env = make("one", "index", action=action)
    model = getattr(sb3, algorithm)(
        "MultiInputPolicy",
        env,
        buffer_size=500,
        learning_starts=20,
        batch_size=16,
        seed=2,
        device="cpu",
        policy_kwargs=extractors.extractor_arguments(env, network="cnn") | {"net_arch": [8]},
    )
    model.learn(60)
    owners = [m for m in model.policy.modules() if isinstance(m, extractors.WindowExtractor)]
    assert len(owners) >= 2
    assert len({id(owner.market) for owner in owners}) == 1
    # On the CPU the tensor is the environment's own memory: no copy at all.
    assert _storage(model) == {env.env.settings.matrix.values.ctypes.data}
    assert _storage(model) == {
        each.data_ptr() for m in [copy.deepcopy(model.policy)] for each in _views(m)
    }


def _views(policy: Any) -> list[Any]:
    owners = [m for m in policy.modules() if isinstance(m, extractors.WindowExtractor)]
    return [view for owner in owners for view in owner.market._views[th.device("cpu")]]


def test_two_models_on_the_same_data_share_one_tensor() -> None:
    one, other = (ppo(make("one", "index"), "index") for _ in range(2))
    one.learn(128)
    other.learn(128)
    assert _storage(one) == _storage(other)


def test_the_market_is_no_part_of_the_state_of_a_network() -> None:
    model = ppo(make("one", "index"), "index")
    model.learn(128)
    flat = ppo(make("one", "flat"), "flat")
    assert list(model.policy.state_dict()) == list(flat.policy.state_dict())


def test_a_rollout_buffer_of_indexes_is_smaller_by_the_window() -> None:
    found = []
    for kind in ("flat", "index"):
        model = ppo(make("one", kind, look_back=128), kind)
        buffer = model.rollout_buffer.observations
        parts = buffer.values() if isinstance(buffer, dict) else [buffer]
        found.append(sum(part.nbytes for part in parts))
    assert found[0] / found[1] == (128 * 5 + 9) / (1 + 9)


def test_ten_symbols_by_128_candles_by_15_features_train_in_a_small_rollout_buffer() -> None:
    names = [f"rsi_{n}" for n in range(2, 17)]
    data = synthetic_candles([f"S{k}USDT" for k in range(10)], num_candles=400, seed=1)
    batch = gymnasium.make_vec(
        PORTFOLIO, num_envs=256, data=data, features=names, look_back=128, observation="index"
    )
    env = vec_env.SB3VecEnv(batch.unwrapped)
    model = sb3.PPO(
        "MultiInputPolicy",
        env,
        n_steps=128,
        batch_size=512,
        n_epochs=1,
        seed=0,
        device="cpu",
        policy_kwargs=extractors.extractor_arguments(env) | {"net_arch": [4]},
    )
    buffer = model.rollout_buffer
    stored = sum(
        array.nbytes
        for value in vars(buffer).values()
        for array in (value.values() if isinstance(value, dict) else [value])
        if isinstance(array, np.ndarray)
    )
    assert stored < 50e6
    assert model.policy.features_extractor.features_dim == 128 * 150 + 45
    before = weights(model)
    model.n_steps = buffer.buffer_size = 4  # a rollout of 4 steps in the buffer of 128
    buffer.reset()
    model.learn(1_024)
    assert weights(model) != before


# ---------------------------------------------------------------------- saving and loading


def saved(model: Any) -> bytes:
    file = io.BytesIO()
    model.save(file)
    return file.getvalue()


def test_a_saved_model_holds_none_of_the_market_and_plays_on_when_it_is_attached_again() -> None:
    long = synthetic_candles(("BTCUSDT",), num_candles=60_000, seed=3)
    env = make("one", "index", data=long)
    model = ppo(env, "index")
    model.learn(256)
    data = saved(model)
    values = env.env.settings.matrix.values
    assert len(data) < 150_000 < values.nbytes
    assert values[30_000:30_100].tobytes() not in data
    loaded = sb3.PPO.load(io.BytesIO(data), device="cpu")
    observation = env.reset()
    with pytest.raises(UsageError, match="attach"):
        loaded.predict(observation)
    extractors.attach(loaded, env)
    expected = model.predict(observation, deterministic=True)[0]
    np.testing.assert_array_equal(loaded.predict(observation, deterministic=True)[0], expected)
    assert _storage(loaded) == {values.ctypes.data}


def test_a_cursor_that_was_normalised_is_refused_and_one_that_was_left_alone_is_not() -> None:
    from stable_baselines3.common.vec_env import VecNormalize

    env = make("one", "index")
    with pytest.raises(UsageError, match=r"norm_obs_keys=\['portfolio'\]"):
        ppo(VecNormalize(env), "index").learn(128)
    env = make("one", "index")
    ppo(VecNormalize(env, norm_obs_keys=["portfolio"]), "index").learn(128)


def test_models_of_flat_and_dict_observations_need_no_market() -> None:
    for kind in ("flat", "dict"):
        env = make("timeframes", kind)
        model = ppo(env, kind, network="gru")
        loaded = sb3.PPO.load(io.BytesIO(saved(model)), device="cpu")
        observation = env.reset()
        expected = model.predict(observation, deterministic=True)[0]
        np.testing.assert_array_equal(loaded.predict(observation, deterministic=True)[0], expected)


def test_a_model_is_attached_to_other_data_for_a_while() -> None:
    other_data = synthetic_candles(("BTCUSDT",), num_candles=700, seed=9)
    own, other = make("one", "index"), make("one", "index", data=other_data)
    model = ppo(own, "index")
    extractor = model.policy.features_extractor
    before = extractor.inputs(tensors(own.reset()))
    with extractors.attached(model, other):
        other.seed(3)
        seen = extractor.inputs(tensors(other.reset()))
        flat = make("one", "flat", data=other_data)
        flat.seed(3)
        np.testing.assert_array_equal(seen.numpy(), flat.reset())
    own.seed(5)
    again = extractor.inputs(tensors(own.reset()))
    assert again.shape == before.shape
    assert _storage(model) == {own.env.settings.matrix.values.ctypes.data}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"look_back": 8}, "look_back of 'window' must be 9"),
        ({"features": ["log_return"]}, "features of 'window' must be"),
        ({"timeframes": FRAMES}, "windows must be"),
        ({"features": [("rsi", "ln(close)")]}, "built-in"),
    ],
)
def test_a_market_with_other_windows_is_refused_and_the_difference_named(
    changes: dict[str, Any], text: str
) -> None:
    model = ppo(make("one", "index"), "index")
    with pytest.raises(ConfigError, match=text):
        extractors.attach(model, make("one", "index", **changes))


def test_a_model_without_an_extractor_of_ours_is_left_alone() -> None:
    env = make("one", "flat")
    extractors.attach(sb3.PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu"), env)


def test_settings_are_found_behind_wrappers() -> None:
    env = make("one", "flat")
    single = gymnasium.make(CANDLE, data=ONE)
    wrapped = sb3.common.vec_env.VecNormalize(sb3.common.vec_env.VecCheckNan(env))
    dummy = sb3.common.vec_env.DummyVecEnv([lambda: single])
    assert extractors.settings_of(wrapped) is env.env.settings
    assert extractors.settings_of(dummy) is single.unwrapped.settings
    assert extractors.settings_of(env.env.settings) is env.env.settings
    with pytest.raises(ConfigError, match="environment of seq_gym"):
        extractors.settings_of(gymnasium.make("CartPole-v1"))


def test_wrong_arguments_are_refused() -> None:
    env = make("one", "index")
    with pytest.raises(UnknownName, match="'cnn'"):
        extractors.extractor_arguments(env, network="cn")
    with pytest.raises(ConfigError, match="features_dim must be a whole number"):
        extractors.extractor_arguments(env, features_dim=0)
    market = extractors.MarketWindows.of(env.env.settings)
    with pytest.raises(ConfigError, match="must have 54 floats"):
        extractors.WindowExtractor(gymnasium.spaces.Box(-1.0, 1.0, (5,)), market=market)
    other = make("one", "dict", look_back=4)
    with pytest.raises(ConfigError, match="must have the windows"):
        extractors.WindowExtractor(other.observation_space, market=market)


def test_a_pickled_market_forgets_its_numbers_and_keeps_its_layouts() -> None:
    market = extractors.MarketWindows.of(make("rough", "index").env.settings)
    again = pickle.loads(pickle.dumps(market))
    assert again.layouts == market.layouts
    assert again.matrices is None
    assert len(pickle.dumps(market)) < 2_000


@pytest.mark.skipif(not th.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_market_lies_beside_the_policy() -> None:
    env = make("timeframes", "index")
    model = ppo(env, "index")
    observation = tensors(env.reset())
    inputs = model.policy.features_extractor.inputs(observation)
    model.policy.to("cuda")
    moved = {key: value.cuda() for key, value in observation.items()}
    gathered = model.policy.features_extractor.inputs(moved)
    assert gathered.device.type == "cuda"
    assert th.equal(gathered.cpu(), inputs)
