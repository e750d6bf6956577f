"""MarketMaking-v0. The docstring of the environment is its page in the docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seq_gym.envs.book.catalog import own_arguments, vector_rows
from seq_gym.envs.book.quoting import MARKET_MAKING
from seq_gym.envs.book.settings import make_book_settings
from seq_gym.envs.book.single import BookEnv
from seq_gym.envs.rewards import Reward
from seq_gym.envs.vector import TradingVectorEnv

__all__ = ["MarketMakingEnv", "MarketMakingVectorEnv"]


class MarketMakingEnv(BookEnv):
    """Quote both sides of a recorded order book.

    ## Description
    At each decision the agent says how far behind the best bid and the best ask it quotes, and how
    much. Quotes are post-only limit orders: they wait in the queue, and expire instead of taking.
    A quote that is where it should be is left alone and keeps its place in the queue, also when a
    part of it has been filled; one that changes its tick or grows is amended and goes to the back.
    Latencies, queues and fills are those of BookTrading-v0.

    Inventory never leaves `max_inventory`, whatever is on its way: a quote counts with all that it
    may still do, and is cut to what the limit covers. One whose arrival or amend is not answered
    is left alone until the answer. While the book is stale (a sequence gap) quotes stay.

    ## Action space
    | `action` | space | meaning |
    |---|---|---|
    | `"continuous"` | `Box(-1, 1, (4,))` | bid offset, ask offset, bid size, ask size |
    | `"discrete"` | `MultiDiscrete([K + 1, K + 1])` | bid and ask at `offsets_ticks[k]` |

    Continuous offsets: from -1 at the touch to 0.9 at `max_offset_ticks` behind it, whole ticks;
    above 0.9 (the last twentieth of the range) there is no quote. Sizes: from -1 one lot to 1
    `order_quantity`, whole lots. Discrete: K is no quote; sizes are `order_quantity`.
    `env.unwrapped.action_masks()` says what can do anything.

    ## Observation space
    That of BookTrading-v0, then `bid_exposure` and `ask_exposure`: what working orders of either
    side may still execute / `max_inventory`, those that are being cancelled included.

    ## Rewards
    `reward` names a term or weighs several, or is a function of batch columns.

    | term | value of a step |
    |---|---|
    | `pnl` | equity after minus before, quote; sums to final minus starting equity |
    | `log_return` | log(after / before); sums to log(final / starting equity) |
    | `spread_capture` | sum over fills of side x (venue's mid - price) x quantity, quote |
    | `inventory_penalty` | -`inventory_aversion` x (inventory / max)^2 x seconds |
    | `asymmetric_dampening` | pnl - max(0, `dampening` x inventory x change of the mid) |
    | `drawdown_penalty`, `turnover_cost` | as in BookTrading-v0 |

    `spread_capture` adds up to minus the account's spread cost. The running penalty on the square
    of inventory is that of Cartea, Jaimungal and Penalva (2015, Algorithmic and high-frequency
    trading, chapter 10). `asymmetric_dampening` (Spooner, Fearnley, Savani and Koukorinis, 2018,
    Market making via reinforcement learning) takes a part of the gains from holding inventory away
    and leaves the losses; inventory is that before the step.

    ## Starting state
    All cash, no quote, at a decision where every look-back is full. Windows and latencies are drawn
    from the seed.

    ## Episode end
    - Termination: inventory has reached `inventory_stop` x `max_inventory` (INVENTORY_LIMIT),
      equity at or below `ruin_frac` of the start (RUINED), or a margin call (LIQUIDATED).
    - Truncation: the window ended (WINDOW_END), or the data did (DATA_END).

    `info["ending"]` says which; `env.unwrapped.finals` has the figures of the episode: spread
    capture, mean and largest inventory (parts of the maximum), quotes placed, messages sent,
    seconds with a quote on both sides.

    ## Arguments
    The sandbox's own are those of `BookParams`, with `account="margin"` (a maker needs shorts),
    `maker_fee_frac=0.0` (state your venue's; an instrument's own fees win) and
    `liquidate_on_complete=False`.

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
        order_quantity: Size of a full quote, base quantity; None: a tenth of `max_inventory`.
        max_inventory: Largest position, base quantity; None: 0.9 of the starting balance at the
            first price.
        offsets_ticks: Offsets of discrete actions, ticks behind the touch.
        max_offset_ticks: Largest offset of continuous actions.
        inventory_stop: Part of `max_inventory` at which the episode terminates; None: never.
        dampening: Eta of the `asymmetric_dampening` term, 0 to 1.
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
        action: str = "continuous",
        features: Any = "default",
        look_back: int = 1,
        observation: str = "flat",
        reward: str | Mapping[str, float] | Reward = "pnl",
        reward_terms: bool = False,
        order_quantity: float | None = None,
        max_inventory: float | None = None,
        offsets_ticks: Sequence[float] | None = None,
        max_offset_ticks: int = 10,
        inventory_stop: float | None = None,
        dampening: float = 0.5,
        inventory_aversion: float = 0.0,
        turnover_cost_frac: float = 0.0001,
        fill_horizon: Any = "1s",
        render_mode: str | None = None,
        **sandbox: Any,
    ) -> None:
        settings = make_book_settings(MARKET_MAKING, own_arguments(locals()), sandbox)
        super().__init__(settings, render_mode)


class MarketMakingVectorEnv(TradingVectorEnv):
    """N MarketMaking environments in one kernel call.

    Args:
        num_envs: N.
        autoreset: "same_step", "next_step" or "disabled".
        render_mode: None; a batch is not rendered.
        arguments: Those of MarketMakingEnv.
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
        rows = vector_rows(MarketMakingEnv, MARKET_MAKING, arguments, num_envs)
        super().__init__(rows, num_envs, autoreset)
