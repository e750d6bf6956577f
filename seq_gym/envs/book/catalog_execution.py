"""Execution-v0. The docstring of the environment is its page in the docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seq_gym.envs.book.catalog import own_arguments, vector_rows
from seq_gym.envs.book.parent import EXECUTION_TASK
from seq_gym.envs.book.settings import make_book_settings
from seq_gym.envs.book.single import BookEnv
from seq_gym.envs.rewards import Reward
from seq_gym.envs.vector import TradingVectorEnv

__all__ = ["ExecutionEnv", "ExecutionVectorEnv"]


class ExecutionEnv(BookEnv):
    """Buy or sell a quantity on a recorded order book within a horizon.

    ## Description
    A parent order of Q (`quantity`, or `participation` in what is traded) is to be done within the
    `episode_steps` decisions of an episode. At each decision the agent lets a part of it rest in
    the queue, takes a part at once, or waits. Latencies, queues and fills are those of
    BookTrading-v0.

    No more than Q is ever executed, whatever is on its way: what is free to be sent is what is left
    of Q less all that working orders may still do. At the last decision but one, what rests is
    cancelled; at the last, what is left is sent as a market order, whatever the action says. What
    is left even then (no liquidity within the market order's cap, or a cancellation not answered in
    time) is charged at the opposite touch, worsened by the taker's fee and by
    `unfilled_penalty_bps`. The touch is no walk: where Q is many times what the touch shows, raise
    the penalty, or being late may be cheaper than trading.

    ## Action space
    A *slice* is what is left of Q over the decisions that are left: the step of a TWAP.

    | `action` | space | meaning |
    |---|---|---|
    | `"continuous"` | `Box(-1, 1, (2,))` | rate, aggressiveness |
    | `"discrete"` | `Discrete(5)` | 0 wait, 1 join the touch, 2 improve it, 3 take a slice, 4 two |

    Rate: from -1 nothing to 1 `max_rate` slices. Aggressiveness, 0 and below: a post-only limit
    that far (-1: `max_offset_ticks`) behind the own touch; above 0: an immediate-or-cancel limit
    that far through the opposite touch. One child order rests at a time; at its tick it never
    grows, keeping its place in the queue, and it stays while the agent takes or waits. Discrete
    joins are of `max_rate` slices; improving is by a tick, where the spread leaves one; discrete
    takes are market orders. What rests is rounded up to whole lots; of what is taken, parts of a
    lot are carried to the next decision. `env.unwrapped.action_masks()` says what can do anything.

    ## Observation space
    That of BookTrading-v0, with `max_position` = Q, then `remaining` (of Q, 0 to 1), `pending`
    (in working orders / Q), `carried` (part of a lot), `shortfall` (so far) and `price_move` (of
    the mid since arrival, above 0 against the order); the last two as slog of basis points.

    ## Rewards
    `reward` names a term or weighs several, or is a function of batch columns.

    | term | value of a step |
    |---|---|
    | `shortfall` | minus the change of the implementation shortfall, bps of Q at the arrival mid |
    | `shortfall_risk` | -`risk_aversion` x (left / Q)^2 x seconds |
    | `pnl`, `log_return`, ... | as in BookTrading-v0 |

    The implementation shortfall (Perold, 1988, The implementation shortfall: paper versus reality)
    is what a paper portfolio that did all of Q at the arrival mid is ahead of the real one, fees
    included: what has been paid for what is done, and what the rest would cost at the mid (at the
    end: at the touch, with fee and penalty), less Q at the arrival mid. The rewards of an episode
    add up to minus the total, `env.unwrapped.finals["shortfall_bps"]`. The risk term is that of
    Almgren and Chriss (2001, Optimal execution of portfolio transactions), the variance of the
    price being part of `risk_aversion`.

    ## Starting state
    A decision where every look-back is full; arrival is then. A spot account that sells begins with
    Q as a position at the arrival mid; every other account with twice the worth of Q in cash. Both
    are transfers in, on top of `starting_balance`: equity starts from there.

    ## Episode end
    - Termination: Q is done (TARGET_DONE), equity at or below `ruin_frac` of the start (RUINED), or
      a margin call (LIQUIDATED).
    - Truncation: the window ended (WINDOW_END), or the data did (DATA_END), with a part of Q left.

    `info["ending"]` says which; `env.unwrapped.finals` has what was filled and left, the shortfall
    in basis points and in money, and the arrival mid.

    ## Arguments
    The sandbox's own are those of `BookParams`; `liquidate_on_complete` must be False.

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
        episode_steps: Decisions of an episode, the horizon; None: 1,000 or what the data has;
            "full" refuses it.
        decide_every: Time between decisions, such as "1s"; None: "100ms".
        decide_every_events: Decide at every k-th event that is received instead; not both.
        side: "sell" or "buy".
        quantity: Q, base quantity in whole lots; None: by `participation`.
        participation: Part of what is traded in a horizon on average over the data; None: 0.1.
            Not beside `quantity`.
        action: Action kind, see above.
        features: "default", "levels", "full", or a list of names (docs/book_features.md).
        look_back: Rows of features in the window.
        observation: "flat" or "dict".
        reward: Term name, `{name: weight}`, or a function `(before, after) -> float64 [N]`.
        reward_terms: Also report every named term of each step.
        max_rate: Slices of a full rate, and of what joins the touch.
        max_offset_ticks: Ticks behind and through the touch at full aggressiveness.
        unfilled_penalty_bps: What is left at the end is charged this much beyond touch and fee.
        risk_aversion: Scale of the `shortfall_risk` term, basis points a second.
        inventory_aversion: Scale of the `inventory_penalty` term, quote a second.
        turnover_cost_frac: Scale of the `turnover_cost` term.
        fill_horizon: Horizon of the fill probability in the own state; None: left at 0.
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
        side: str = "sell",
        quantity: float | None = None,
        participation: float | None = None,
        action: str = "continuous",
        features: Any = "default",
        look_back: int = 1,
        observation: str = "flat",
        reward: str | Mapping[str, float] | Reward = "shortfall",
        reward_terms: bool = False,
        max_rate: float = 10.0,
        max_offset_ticks: int = 10,
        unfilled_penalty_bps: float = 10.0,
        risk_aversion: float = 0.0,
        inventory_aversion: float = 0.0,
        turnover_cost_frac: float = 0.0001,
        fill_horizon: Any = "1s",
        render_mode: str | None = None,
        **sandbox: Any,
    ) -> None:
        settings = make_book_settings(EXECUTION_TASK, own_arguments(locals()), sandbox)
        super().__init__(settings, render_mode)


class ExecutionVectorEnv(TradingVectorEnv):
    """N Execution environments in one kernel call.

    Args:
        num_envs: N.
        autoreset: "same_step", "next_step" or "disabled".
        render_mode: None; a batch is not rendered.
        arguments: Those of ExecutionEnv.
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
        rows = vector_rows(ExecutionEnv, EXECUTION_TASK, arguments, num_envs)
        super().__init__(rows, num_envs, autoreset)
