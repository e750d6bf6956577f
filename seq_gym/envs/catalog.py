"""The environments by id. Their docstrings are their pages in the docs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium

from seq_gym.envs.core import EnvBatch
from seq_gym.envs.rewards import Reward
from seq_gym.envs.settings import EnvSettings, make_settings
from seq_gym.envs.single import TradingEnv
from seq_gym.envs.vector import TradingVectorEnv
from seq_gym.errors import ConfigError

__all__ = [
    "ENV_IDS",
    "CandleTradingEnv",
    "CandleTradingVectorEnv",
    "PortfolioEnv",
    "PortfolioVectorEnv",
    "register_envs",
]

_NOT_SETTINGS = ("self", "render_mode", "sandbox", "__class__")


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a constructor's own settings from its locals."""
    return {name: value for name, value in values.items() if name not in _NOT_SETTINGS}


def _defaults(env: type[TradingEnv]) -> dict[str, Any]:
    """Return the settings of a single environment with their defaults."""
    parameters = inspect.signature(env.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in _NOT_SETTINGS}


def _candle_settings(values: Mapping[str, Any], sandbox: Mapping[str, Any]) -> EnvSettings:
    """Resolve the settings of CandleTrading-v0: exactly one symbol."""
    if values["action"] == "weights":
        raise ConfigError(
            "action='weights' belongs to seq_gym/Portfolio-v0; use 'continuous' for one symbol."
        )
    settings = make_settings(values, sandbox, num_default=1)
    symbols = settings.series.symbols
    if len(symbols) != 1:
        raise ConfigError(
            f"CandleTrading-v0 trades one symbol; the data has {', '.join(symbols)}. Choose one "
            f"with symbols={symbols[0]!r}, or use seq_gym/Portfolio-v0."
        )
    return settings


def _portfolio_settings(values: Mapping[str, Any], sandbox: Mapping[str, Any]) -> EnvSettings:
    """Resolve the settings of Portfolio-v0: weights over all symbols."""
    others = {"action": "weights", "buy_fraction": 1.0, "levels": None}
    others |= {"order_sizes": None, "offsets_bps": None}
    return make_settings({**values, **others}, sandbox, num_default=4)


class CandleTradingEnv(TradingEnv):
    """Trade one symbol on recorded candles.

    ## Description
    The agent holds cash and one asset. Each step it acts on what is known at the close of the last
    candle; its orders meet the next open (`execution="next_open"`), resting orders the whole of
    each candle, and `candles_per_step` candles pass. Fills pay slippage by size and the fees of the
    sandbox; see docs/fills.md for every assumption.

    ## Action space
    | `action` | space | meaning |
    |---|---|---|
    | `"discrete"` | `Discrete(3)` | 0 hold, 1 buy `buy_fraction` of equity, 2 close |
    | `"ladder"` | `Discrete(len(levels))` | go to the target weight `levels[a]` |
    | `"continuous"` | `Box(-1, 1, (1,))` | target weight x leverage; less than `deadband` waits |
    | `"order"` | `MultiDiscrete([6, 2, sizes, offsets])` | type, side, size, price offset |

    A discrete buy with less cash left than `deadband` of equity is a hold. In spot, negative
    targets are 0. `env.unwrapped.action_masks()` says what can do anything.

    ## Observation space
    `Box` of float32: a window of `look_back` candles of `features` (oldest first), then cash,
    profit, drawdown, progress, working orders, and listed, weight, unrealised profit and age of the
    position; `observation="dict"` gives `{"window", "portfolio"}`. All bounds are finite.

    `observation="index"` gives `{"index", "portfolio"}`: the cursor in place of the windows, exact
    up to 2**24 candles. The policy holds the features once and gathers the windows itself, see
    `seq_gym.train.extractors`; what it stores of a step is smaller by the window.

    `timeframes={"1h": 24, "1d": 7}` puts the last 24 hours and the last 7 days that have closed (in
    UTC; today's is never seen) after the window, the finest first, each with features of its own;
    in a dict as `"window_1h"` and `"window_1d"`. An episode then starts where all of them are full.

    ## Rewards
    `reward` names a term or weighs several: `pnl`, `log_return`, `differential_sharpe`,
    `differential_sortino`, `drawdown_penalty`, `turnover_cost`, `holding_cost`; or it is a function
    of batch columns. Over an episode `log_return` adds up to log(final / starting equity).

    ## Starting state
    All cash, at a cursor where every feature of the look-back is known. Windows are drawn by
    `window` from the seed; `reset(options={"start": ...})` sets one by hand. `randomize` draws the
    scale of an episode's fees and slippage likewise, and `info` tells it.

    ## Episode end
    - Termination: equity at or below `ruin_frac` of the start (RUINED), or a margin call
      (LIQUIDATED).
    - Truncation: the window ended (WINDOW_END), or the data did (DATA_END).

    `info["ending"]` says which.

    ## Arguments
    The sandbox's own (`starting_balance`, `taker_fee_frac`, `account`, `risk`, ...) are those of
    `seq_gym.SandboxParams`, with `execution="next_open"` and `liquidate_on_complete=False`.

    ## Version history
    - v0: initial version.

    Args:
        data: A Parquet or CSV file, a polars or pandas frame, or a CandleSeries. None: the seeded
            synthetic market.
        symbols: The symbol, where the data has several.
        interval: Candle length such as "5m"; finer data is resampled. None: as it is.
        start: No episode starts before this time; look-backs may read what is older.
        end: No episode goes beyond this time.
        window: "random", "sequential", "full", or a list of starts (cursors or times).
        episode_steps: Steps of an episode; None: 1,000 or what the data has; "full" refuses it.
        candles_per_step: Candles that pass in one step.
        action: Action kind, see above.
        features: "default", "full", or a list of feature names and own features
            (seq_gym.envs.features).
        look_back: Candles in the window.
        timeframes: Windows of longer candles beside it, finished ones only: `{"1h": 24}` or
            `{"1h": {"look_back": 24, "features": "default"}}`; multiples of the candle length.
        feature_scaling: `{"mean": [F], "std": [F]}` and the same by timeframe: features less their
            mean over their deviation, clipped to -10 .. 10 (seq_gym.train.scaling fits it).
        observation: "flat", "dict" or "index".
        reward: Term name, `{name: weight}`, or a function `(before, after) -> float64 [N]`.
        reward_terms: Also report every named term of each step.
        levels: Targets of the ladder; None: 0 to 1 in quarters, with a margin account -1 to 1.
        buy_fraction: Fraction of equity that a discrete buy spends.
        deadband: Changes of weight below this are not traded; a target of 0 always closes.
        leverage: Scale of targets; above 1 in margin accounts only.
        order_sizes: Sizes of order actions, fractions of equity.
        offsets_bps: Price offsets of order actions.
        eta: Adaptation rate of the differential ratios.
        turnover_cost_frac: Scale of the `turnover_cost` term.
        holding_cost_frac: Scale of the `holding_cost` term.
        randomize: `{"fee_scale": [0.5, 2.0], "slippage_scale": [0.5, 4.0]}`: what an episode's
            costs are multiplied by, drawn anew for each (seq_gym.envs.randomize).
        render_mode: "ansi" or "rgb_array".
        sandbox: Fields of SandboxParams.

    Raises:
        UnknownName: An argument, feature, term or choice does not exist.
        ConfigError: A value breaks its rule, or the data is too short.
        MarketDataError: The data is at fault.
    """

    def __init__(
        self,
        data: Any = None,
        *,
        symbols: str | Sequence[str] | None = None,
        interval: str | None = None,
        start: Any = None,
        end: Any = None,
        window: str | Sequence[Any] = "random",
        episode_steps: int | None = None,
        candles_per_step: int = 1,
        action: str = "discrete",
        features: Any = "default",
        look_back: int = 30,
        timeframes: Mapping[str, Any] | None = None,
        feature_scaling: Mapping[str, Any] | None = None,
        observation: str = "flat",
        reward: str | Mapping[str, float] | Reward = "log_return",
        reward_terms: bool = False,
        levels: Sequence[float] | None = None,
        buy_fraction: float = 1.0,
        deadband: float = 0.01,
        leverage: float = 1.0,
        order_sizes: Sequence[float] | None = None,
        offsets_bps: Sequence[float] | None = None,
        eta: float = 0.01,
        turnover_cost_frac: float = 0.001,
        holding_cost_frac: float = 0.0001,
        randomize: Mapping[str, Any] | None = None,
        render_mode: str | None = None,
        **sandbox: Any,
    ) -> None:
        super().__init__(_candle_settings(_own(locals()), sandbox), render_mode)


class PortfolioEnv(TradingEnv):
    """Allocate between cash and several symbols on recorded candles.

    ## Description
    Each step the agent states target weights. At the next open the sandbox sells what is above
    target, then buys what is below it with the cash that is there, all buys scaled by one factor
    when it does not cover fees and slippage; then `candles_per_step` candles pass.

    ## Action space
    `Box(-1, 1, (S,))`: `w = a / max(1, sum of |a|)` x leverage, the rest is cash; negatives are 0
    in spot. Changes of a weight below `deadband` are not traded; a target of 0 always closes.

    ## Observation space
    As CandleTrading-v0, with S symbols: the window is `[look_back, S * F]`, and each symbol has its
    listed, weight, unrealised profit and age columns. A symbol that is not listed yet is zeros.
    `observation` is "flat", "dict" or "index", as there.

    ## Rewards
    As CandleTrading-v0.

    ## Starting state
    All cash, at a cursor where the look-back of at least one symbol is full.

    ## Episode end
    - Termination: equity at or below `ruin_frac` of the start (RUINED), or a margin call
      (LIQUIDATED).
    - Truncation: the window ended (WINDOW_END), or the data did (DATA_END).

    ## Arguments
    Those of CandleTrading-v0, but for `action`, `levels`, `buy_fraction`, `order_sizes` and
    `offsets_bps`.

    ## Version history
    - v0: initial version.

    Args:
        data: As in CandleTradingEnv; also `{symbol: file or frame}` or a list of files.
        symbols: The symbols to trade; None: all that the data has.
        interval: Candle length such as "5m"; finer data is resampled. None: as it is.
        start: No episode starts before this time; look-backs may read what is older.
        end: No episode goes beyond this time.
        window: "random", "sequential", "full", or a list of starts (cursors or times).
        episode_steps: Steps of an episode; None: 1,000 or what the data has; "full" refuses it.
        candles_per_step: Candles that pass in one step.
        features: "default", "full", or a list of feature names and own features.
        look_back: Candles in the window.
        timeframes: Windows of longer candles beside it, finished ones only: `{"1h": 24}` or
            `{"1h": {"look_back": 24, "features": "default"}}`; multiples of the candle length.
        feature_scaling: `{"mean": [F], "std": [F]}` and the same by timeframe: features less their
            mean over their deviation, clipped to -10 .. 10 (seq_gym.train.scaling fits it).
        observation: "flat", "dict" or "index".
        reward: Term name, `{name: weight}`, or a function `(before, after) -> float64 [N]`.
        reward_terms: Also report every named term of each step.
        deadband: Changes of weight below this are not traded.
        leverage: Scale of targets; above 1 in margin accounts only.
        eta: Adaptation rate of the differential ratios.
        turnover_cost_frac: Scale of the `turnover_cost` term.
        holding_cost_frac: Scale of the `holding_cost` term.
        randomize: `{"fee_scale": [0.5, 2.0], "slippage_scale": [0.5, 4.0]}`: what an episode's
            costs are multiplied by, drawn anew for each (seq_gym.envs.randomize).
        render_mode: "ansi" or "rgb_array".
        sandbox: Fields of SandboxParams.

    Raises:
        UnknownName: An argument, feature, term or choice does not exist.
        ConfigError: A value breaks its rule, or the data is too short.
        MarketDataError: The data is at fault.
    """

    def __init__(
        self,
        data: Any = None,
        *,
        symbols: str | Sequence[str] | None = None,
        interval: str | None = None,
        start: Any = None,
        end: Any = None,
        window: str | Sequence[Any] = "random",
        episode_steps: int | None = None,
        candles_per_step: int = 1,
        features: Any = "default",
        look_back: int = 30,
        timeframes: Mapping[str, Any] | None = None,
        feature_scaling: Mapping[str, Any] | None = None,
        observation: str = "flat",
        reward: str | Mapping[str, float] | Reward = "log_return",
        reward_terms: bool = False,
        deadband: float = 0.01,
        leverage: float = 1.0,
        eta: float = 0.01,
        turnover_cost_frac: float = 0.001,
        holding_cost_frac: float = 0.0001,
        randomize: Mapping[str, Any] | None = None,
        render_mode: str | None = None,
        **sandbox: Any,
    ) -> None:
        super().__init__(_portfolio_settings(_own(locals()), sandbox), render_mode)


def _split(
    env: type[TradingEnv], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split arguments into an environment's own, with its defaults, and the sandbox's."""
    defaults = _defaults(env)
    own = {**defaults, **{name: given[name] for name in given if name in defaults}}
    return own, {name: given[name] for name in given if name not in defaults}


def _rows_of(settings: EnvSettings, num_envs: int) -> Callable[[int], EnvBatch]:
    """Return what makes the rows of a vector environment, in an autoreset mode."""
    return lambda mode: EnvBatch(settings, num_envs=num_envs, recorded=False, autoreset=mode)


class CandleTradingVectorEnv(TradingVectorEnv):
    """N CandleTrading environments in one kernel call.

    Args:
        num_envs: N.
        autoreset: "same_step", "next_step" or "disabled".
        render_mode: None; a batch is not rendered.
        arguments: Those of CandleTradingEnv.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset: str = "same_step",
        render_mode: None = None,
        **arguments: Any,
    ) -> None:
        del render_mode
        settings = _candle_settings(*_split(CandleTradingEnv, arguments))
        super().__init__(_rows_of(settings, num_envs), num_envs, autoreset)


class PortfolioVectorEnv(TradingVectorEnv):
    """N Portfolio environments in one kernel call.

    Args:
        num_envs: N.
        autoreset: "same_step", "next_step" or "disabled".
        render_mode: None; a batch is not rendered.
        arguments: Those of PortfolioEnv.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset: str = "same_step",
        render_mode: None = None,
        **arguments: Any,
    ) -> None:
        del render_mode
        settings = _portfolio_settings(*_split(PortfolioEnv, arguments))
        super().__init__(_rows_of(settings, num_envs), num_envs, autoreset)


ENV_IDS = {
    "seq_gym/CandleTrading-v0": ("CandleTradingEnv", "CandleTradingVectorEnv"),
    "seq_gym/Portfolio-v0": ("PortfolioEnv", "PortfolioVectorEnv"),
}
"""Registered ids, with the names of their single and vector classes here."""


def register_envs() -> None:
    """Register the environments with gymnasium."""
    for env_id, (single, vector) in ENV_IDS.items():
        gymnasium.register(
            env_id,
            entry_point=f"{__name__}:{single}",
            vector_entry_point=f"{__name__}:{vector}",
        )
