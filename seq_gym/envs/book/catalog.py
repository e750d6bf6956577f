"""BookTrading-v0. The docstring of the environment is its page in the docs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seq_gym.envs.book.core import BookEnvBatch
from seq_gym.envs.book.settings import BookEnvSettings, make_book_settings
from seq_gym.envs.book.single import BookEnv
from seq_gym.envs.book.task import BookTask
from seq_gym.envs.book.trading import BOOK_TRADING
from seq_gym.envs.rewards import Reward
from seq_gym.envs.vector import TradingVectorEnv

__all__ = ["BookTradingEnv", "BookTradingVectorEnv", "own_arguments", "vector_rows"]

_NOT_SETTINGS = ("self", "render_mode", "sandbox", "__class__")


def own_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a constructor's own settings from its locals."""
    return {name: value for name, value in values.items() if name not in _NOT_SETTINGS}


def vector_rows(
    env: type[BookEnv], task: BookTask, arguments: Mapping[str, Any], num_envs: int
) -> Callable[[int], BookEnvBatch]:
    """Return what makes the rows of a vector environment, in an autoreset mode.

    Args:
        env: The single environment, whose arguments and defaults these are.
        task: Its task.
        arguments: As given to the vector environment.
        num_envs: N.
    """
    parameters = inspect.signature(env.__init__).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.name not in _NOT_SETTINGS}
    own = {**defaults, **{name: arguments[name] for name in arguments if name in defaults}}
    physics = {name: arguments[name] for name in arguments if name not in defaults}
    settings: BookEnvSettings = make_book_settings(task, own, physics)
    return lambda mode: BookEnvBatch(settings, num_envs=num_envs, recorded=False, autoreset=mode)


class BookTradingEnv(BookEnv):
    """Trade one symbol on a recorded order book.

    ## Description
    The agent sees a replayed L2 book as it was received, and its orders meet the book of the venue
    after the latency of the sandbox; fills come back after the latency of the answer. Resting
    orders wait in a queue. Decisions are at whole multiples of `decide_every`, or at every k-th
    event (`decide_every_events`). Under `fills="strict"` nothing is free: prints are shared, what
    was taken is gone, whole lots only; see docs/book.md for every assumption.

    ## Action space
    | `action` | space | meaning |
    |---|---|---|
    | `"target"` | `Box(-1, 1, (1,))` | go to the position a x `max_position` by a market order |
    | `"discrete"` | `Discrete(3)` | 0 short (spot: flat), 1 hold, 2 long, as targets -1 and 1 |
    | `"order"` | `MultiDiscrete([6, sizes, offsets])` | kind, size, price offset |

    Targets: negatives are 0 in spot; while an order is in flight nothing is sent; a change below
    `deadband` waits, but a target of 0 always closes. Order kinds: 0 nothing, 1 market buy, 2
    market sell, 3 limit buy at the best bid less the offset, 4 limit sell at the best ask plus the
    offset, 5 cancel all; sizes are fractions of `max_position`, which positions and working orders
    together do not exceed, nor what the cash covers. `env.unwrapped.action_masks()` says what can
    do anything.

    ## Observation space
    `Box` of float32: `look_back` rows of `features` (oldest first; docs/book_features.md), then
    what the agent knows of its own account and orders; `observation="dict"` gives
    `{"window", "own"}`. All bounds are finite. Own columns: `inventory`, `unrealized`, `profit`,
    `equity_change`, `drawdown`, `time_left`, `in_flight`, `latency`, and of the best working limit
    of either side `working`, `distance`, `size`, `queue` and `fill` (seq_gym/envs/book/own.py says
    how each is measured). The place in the queue is the agent's own estimate; the venue's is not
    shown.

    ## Rewards
    `reward` names a term or weighs several: `pnl` (quote; sums to final minus starting equity),
    `log_return` (sums to log(final / starting equity)), `drawdown_penalty`, `turnover_cost`,
    `inventory_penalty`, `spread_capture`; or it is a function of batch columns
    (seq_gym/envs/book/rewards.py).

    ## Starting state
    All cash, at a decision where every look-back is full. Windows are drawn by `window` from the
    seed; `reset(options={"start": ...})` sets one by hand. Latencies of an episode are drawn from
    the seed too.

    ## Episode end
    - Termination: equity at or below `ruin_frac` of the start (RUINED), or a margin call
      (LIQUIDATED).
    - Truncation: the window ended (WINDOW_END), or the data did (DATA_END), as at a sequence gap
      under `stale="truncate"`.

    `info["ending"]` says which. Positions are valued at the mid then, and stay open unless
    `liquidate_on_complete=True`.

    ## Arguments
    The sandbox's own (`starting_balance`, `account`, `fills`, `latency_model`, `queue_model`,
    `taker_fee_frac`, ...) are those of `BookParams`, with `liquidate_on_complete=False` and
    `max_orders=8`; `latency={"entry_ms": 5.0}` and the like are plain mappings.

    ## Version history
    - v0: initial version.

    Args:
        data: A recording, a store, BookData or BookEvents; None: ten minutes of the seeded
            synthetic book.
        symbols: The symbol, where the data has several.
        venue: The venue, where the data has several.
        funding: Funding rates by symbol or "SYMBOL@venue": a path, a frame or FundingRates; None:
            those of the store. Margin accounts pay them (M5).
        start: No episode starts before this time; look-backs read what is older.
        end: No episode goes beyond this time.
        window: "random", "sequential", "full", or a list of starts (cursors or times).
        episode_steps: Decisions of an episode; None: 1,000 or what the data has; "full" refuses it.
        decide_every: Time between decisions, such as "1s"; None: "100ms".
        decide_every_events: Decide at every k-th event that is received instead; not both.
        action: Action kind, see above.
        features: "default", "levels", "full", or a list of names (docs/book_features.md).
        look_back: Rows of features in the window.
        observation: "flat" or "dict".
        reward: Term name, `{name: weight}`, or a function `(before, after) -> float64 [N]`.
        reward_terms: Also report every named term of each step.
        max_position: Largest position, base quantity; None: 0.9 of the starting balance at the
            first price.
        deadband: Changes of position below this part of `max_position` are not traded.
        order_sizes: Sizes of order actions, fractions of `max_position`.
        offsets_ticks: Price offsets of order actions, ticks.
        fill_horizon: Horizon of the fill probability in the own state; None: left at 0.
        inventory_aversion: Scale of the `inventory_penalty` term, quote a second.
        turnover_cost_frac: Scale of the `turnover_cost` term.
        render_mode: "ansi" or "rgb_array" (the extra `plot`).
        sandbox: Fields of BookParams.

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
        venue: str | None = None,
        funding: Mapping[str, Any] | None = None,
        start: Any = None,
        end: Any = None,
        window: str | Sequence[Any] = "random",
        episode_steps: int | None = None,
        decide_every: Any = None,
        decide_every_events: int | None = None,
        action: str = "target",
        features: Any = "default",
        look_back: int = 1,
        observation: str = "flat",
        reward: str | Mapping[str, float] | Reward = "log_return",
        reward_terms: bool = False,
        max_position: float | None = None,
        deadband: float = 0.01,
        order_sizes: Sequence[float] | None = None,
        offsets_ticks: Sequence[float] | None = None,
        fill_horizon: Any = "1s",
        inventory_aversion: float = 0.0,
        turnover_cost_frac: float = 0.0001,
        render_mode: str | None = None,
        **sandbox: Any,
    ) -> None:
        settings = make_book_settings(BOOK_TRADING, own_arguments(locals()), sandbox)
        super().__init__(settings, render_mode)


class BookTradingVectorEnv(TradingVectorEnv):
    """N BookTrading environments in one kernel call.

    Args:
        num_envs: N.
        autoreset: "same_step", "next_step" or "disabled".
        render_mode: None; a batch is not rendered.
        arguments: Those of BookTradingEnv.
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
        rows = vector_rows(BookTradingEnv, BOOK_TRADING, arguments, num_envs)
        super().__init__(rows, num_envs, autoreset)
