"""Features extractors: what a policy's network makes of the windows of an observation.

The same extractor serves flat, dict and index observations, and its network sees the same numbers
in the same order, bit for bit. With index observations it gathers the windows itself from the
feature matrices, which it holds once for each device: on the CPU they are the environment's own
memory. So a rollout buffer stores a cursor in place of a window.

The matrices belong to the market, not to the model: a saved model describes the windows that it
was trained on, and holds none of their numbers. After loading, `attach(model, env)` gives it the
market again; flat and dict observations need no market.

```python
env = SB3VecEnv(gymnasium.make_vec("seq_gym/CandleTrading-v0", 256, observation="index"))
model = PPO("MultiInputPolicy", env, policy_kwargs=extractor_arguments(env, network="cnn"))
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, cast, get_args

from seq_gym.envs.book.settings import BookEnvSettings
from seq_gym.envs.numbers import check_whole
from seq_gym.envs.settings import EnvSettings
from seq_gym.errors import ConfigError, MissingExtra, UnknownName
from seq_gym.train.networks import Convolutions, Perceptron, Recurrence
from seq_gym.train.windows import MarketWindows

try:
    import torch as th
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

__all__ = [
    "NETWORKS",
    "MarketWindows",
    "Network",
    "WindowExtractor",
    "attach",
    "attached",
    "extractor_arguments",
    "settings_of",
]

Network = Literal["mlp", "cnn", "gru"]
NETWORKS: Final[tuple[Network, ...]] = get_args(Network)
DEFAULT_DIM = 64
"""Numbers that a "cnn" or "gru" makes of a window."""

_MODULES: Mapping[Network, Any] = {"mlp": Perceptron, "cnn": Convolutions, "gru": Recurrence}


class WindowExtractor(BaseFeaturesExtractor):
    """Windows through a network each, and the portfolio columns beside them.

    Args:
        observation_space: Of the environment: flat, dict or index.
        market: The windows in it (`MarketWindows.of(settings)`).
        network: What each window goes through: "mlp" (a layer), "cnn" (two convolutions over time
            and a layer) or "gru" (a recurrence over time).
        features_dim: Numbers that each window becomes. None: 64, but with "mlp" the window as it
            is, so that the policy's own layers (`net_arch`) are the whole network.

    The output is what the windows became, the finest timeframe first, then the portfolio columns.

    Raises:
        UnknownName: No such network.
        ConfigError: The space is not that of the windows.
    """

    def __init__(
        self,
        observation_space: Any,
        *,
        market: MarketWindows,
        network: Network = "mlp",
        features_dim: int | None = None,
    ) -> None:
        if network not in NETWORKS:
            raise UnknownName("network", network, NETWORKS)
        if features_dim is not None:
            check_whole("features_dim", features_dim)
        self._kind = _kind_of(observation_space, market)
        plain = network == "mlp" and features_dim is None
        dim = DEFAULT_DIM if features_dim is None else features_dim
        width = market.num_floats
        if not plain:
            width = dim * len(market.layouts) + market.portfolio_floats
        super().__init__(observation_space, width)
        self.market = market
        self.network = network
        self.windows = th.nn.ModuleList(
            [] if plain else [_MODULES[network](layout, dim) for layout in market.layouts]
        )

    def inputs(self, observations: Any) -> th.Tensor:
        """Return what the network sees, the same whatever the kind of observation.

        Args:
            observations: A flat observation [N, floats], or a dict of the parts [N, ...].

        Returns:
            float32 [N, floats]: a flat observation.

        Raises:
            UsageError: Index observations, and no market is attached.
        """
        if self._kind == "flat":
            return cast("th.Tensor", observations)
        if self._kind == "index":
            return self.market.gather(observations["index"][:, 0], observations["portfolio"])
        parts = [observations[each.key].flatten(1) for each in self.market.layouts]
        return th.cat([*parts, observations[self.market.rest]], dim=1)

    def forward(self, observations: Any) -> th.Tensor:
        """Return float32 [N, features_dim]."""
        flat = self.inputs(observations)
        if not len(self.windows):
            return flat
        parts, at = [], 0
        for layout, module in zip(self.market.layouts, self.windows, strict=True):
            window = flat[:, at : at + layout.num_floats]
            parts.append(module(window.view(-1, layout.look_back, layout.row_floats)))
            at += layout.num_floats
        return th.cat([*parts, flat[:, at:]], dim=1)


def _kind_of(space: Any, market: MarketWindows) -> str:
    """Return the kind of observations that a space holds: flat, dict or index."""
    parts = getattr(space, "spaces", None)
    if parts is None:
        if space.shape != (market.num_floats,):
            raise ConfigError(
                f"observation_space must have {market.num_floats} floats, as its windows and "
                f"portfolio columns; was {space}."
            )
        return "flat"
    if set(parts) == {"index", "portfolio"}:
        return "index"
    wanted = {each.key: (each.look_back, each.row_floats) for each in market.layouts}
    if {key: part.shape for key, part in parts.items() if key != market.rest} != wanted:
        raise ConfigError(f"observation_space must have the windows {wanted}; was {space}.")
    return "dict"


# ---------------------------------------------------------------------- environments and models


def settings_of(env: Any) -> EnvSettings | BookEnvSettings:
    """Return the settings of an environment of ours, single, batch or behind SB3's wrappers.

    Raises:
        ConfigError: There are none.
    """
    inner = env
    while inner is not None:
        if isinstance(inner, EnvSettings | BookEnvSettings):
            return inner
        found = getattr(inner, "settings", None)
        if isinstance(found, EnvSettings | BookEnvSettings):
            return found
        many = getattr(inner, "envs", None)
        inner = many[0] if many else _inside(inner)
    raise ConfigError(f"env must be an environment of seq_gym, or a wrapper of one; was {env!r}.")


def _inside(wrapper: Any) -> Any:
    """Return what a wrapper wraps, None where it is none."""
    for name in ("venv", "env"):
        inner = getattr(wrapper, name, None)
        if inner is not None and inner is not wrapper:
            return inner
    return None


def extractor_arguments(
    env: Any, *, network: Network = "mlp", features_dim: int | None = None
) -> dict[str, Any]:
    """Return the `policy_kwargs` that give an SB3 model a WindowExtractor for an environment.

    Args:
        env: The environment that the model will learn on, wrapped or not, or its settings.
        network: See WindowExtractor.
        features_dim: See WindowExtractor.

    Raises:
        UnknownName: No such network.
        ConfigError: `env` is none of ours.
    """
    if network not in NETWORKS:
        raise UnknownName("network", network, NETWORKS)
    if features_dim is not None:
        check_whole("features_dim", features_dim)
    return {
        "features_extractor_class": WindowExtractor,
        "features_extractor_kwargs": {
            "market": MarketWindows.of(settings_of(env)),
            "network": network,
            "features_dim": features_dim,
        },
    }


def _markets(model: Any) -> list[MarketWindows]:
    """Return the markets of a model's networks, each once."""
    policy = getattr(model, "policy", model)
    found = [each.market for each in policy.modules() if isinstance(each, WindowExtractor)]
    return list({id(each): each for each in found}.values())


def attach(model: Any, env: Any) -> None:
    """Let a model gather its windows from the market of an environment from now on.

    A model that was loaded has none; one that plays on other data than it learned on needs the
    other. A model without a WindowExtractor is left alone.

    Args:
        model: An SB3 model, or a policy of one.
        env: The environment that it will act in, wrapped or not, or its settings.

    Raises:
        ConfigError: The environment's features, look-backs or timeframes are not the model's; the
            message names the first that differs.
    """
    own = _markets(model)
    other = MarketWindows.of(settings_of(env)) if own else None
    for market in own:
        assert other is not None
        market.attach(other)


@contextmanager
def attached(model: Any, env: Any) -> Iterator[None]:
    """Attach a model to the market of an environment for a while, and then to its own again.

    For an evaluation on other data in the middle of training: cursors of different series are not
    the same times.

    Args:
        model: As for `attach`.
        env: As for `attach`.

    Raises:
        ConfigError: As `attach` does.
    """
    own = _markets(model)
    before = [
        MarketWindows(each.layouts, each.portfolio_floats, each.matrices, each.rest) for each in own
    ]
    attach(model, env)
    try:
        yield
    finally:
        for market, kept in zip(own, before, strict=True):
            market.attach(kept)
