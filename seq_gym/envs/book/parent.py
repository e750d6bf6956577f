"""Execution-v0: how its task reads its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym.engine.book.batch import BookBatch
from seq_gym.envs.book.executing import (
    CONTINUOUS,
    DISCRETE,
    EXECUTION_COLUMNS,
    EXECUTION_FINALS,
    TAKE,
)
from seq_gym.envs.book.layout import EXECUTION
from seq_gym.envs.book.task import BookMarket, BookTask, TaskSetup
from seq_gym.envs.book.terms import COMMON_TERMS
from seq_gym.envs.book.trading import MOST_LOTS, lots_of
from seq_gym.envs.numbers import check_choice, check_number
from seq_gym.errors import ConfigError
from seq_gym.times import NS_PER_S

__all__ = ["EXECUTION_TASK", "execution_masks"]

ExecutionAction = Literal["discrete", "continuous"]
EXECUTION_ACTIONS: Final[Mapping[ExecutionAction, int]] = {
    "discrete": DISCRETE,
    "continuous": CONTINUOUS,
}
SIDES: Final = {"buy": 1, "sell": -1}
NUM_CHOICES: Final = 5
DEFAULT_PARTICIPATION: Final = 0.1
MOST_STEPS: Final = 1_000
"""Steps of an episode where `episode_steps` is None (settings.py)."""


def execution_masks(left: NDArray[np.float64], pending: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which choices of a discrete action can do anything, in MaskablePPO's layout.

    Args:
        left: Of Q, units of each row, [N].
        pending: Units of working orders, [N].

    Returns:
        bool [N, 5]: with all that is left in working orders nothing can be taken.
    """
    masks = np.ones((len(left), NUM_CHOICES), np.bool_)
    masks[:, TAKE:] = (left - pending > 1e-9)[:, None]
    return masks


def _masks(market: BookMarket, side: int, qty: float) -> Callable[[BookBatch], NDArray[Any]]:
    held = qty if side < 0 and market.params.account == "spot" else 0.0
    working = "pending_buy" if side > 0 else "pending_sell"
    unit = market.lot / market.lot_units

    def masks(batch: BookBatch) -> NDArray[Any]:
        positions = batch.positions[:, 0]
        left = (qty - side * (positions["qty"] - held)) / unit
        return execution_masks(left, positions[working])

    return masks


def _horizon_s(values: Mapping[str, Any], market: BookMarket) -> float:
    """Return how long an episode lasts, seconds."""
    times = market.grid.times
    steps = values["episode_steps"]
    if steps is None:
        steps = len(times) - 1
        if values["window"] != "full":
            steps = min(steps, MOST_STEPS)
    return steps * float(times[-1] - times[0]) / (len(times) - 1) / NS_PER_S


def _usual_lots(values: Mapping[str, Any], market: BookMarket) -> int:
    """Return `participation` of what is traded in a horizon on average, whole lots."""
    part = values["participation"]
    part = DEFAULT_PARTICIPATION if part is None else part
    check_number("participation", part, "above 0, up to 1", lambda x: 0.0 < x <= 1.0)
    prints, times = market.grid.prints, market.grid.times
    seconds = float(times[-1] - times[0]) / NS_PER_S
    seen = (prints["ts"] > times[0]) & (prints["ts"] <= times[-1])
    rate = float(prints["lots"][seen].sum()) / seconds
    return max(math.floor(part * rate * _horizon_s(values, market)), 1)


def _parent_lots(values: Mapping[str, Any], market: BookMarket) -> int:
    """Read Q in whole lots."""
    quantity = values["quantity"]
    if quantity is None:
        return _usual_lots(values, market)
    if values["participation"] is not None:
        raise ConfigError(
            f"participation must be left out with a quantity; was {values['participation']!r}. "
            "Likely fix: give one of them."
        )
    rule = f"a base quantity in whole lots of {market.lot:g}"
    check_number("quantity", quantity, rule, lambda x: math.isfinite(x) and x > 0.0)
    lots = lots_of(market, float(quantity))
    if lots < 1 or abs(quantity / market.lot - lots) > 1e-6 * lots:
        nearest = max(round(quantity / market.lot), 1) * market.lot
        raise ConfigError(f"quantity must be {rule}; was {quantity!r}. Likely fix: {nearest:.12g}.")
    _refuse_too_large(lots, values, market)
    return lots


def _refuse_too_large(lots: int, values: Mapping[str, Any], market: BookMarket) -> None:
    """Refuse a Q that could never be done; what it costs is put into the account (shortfall.py)."""
    rows, params = market.tape.venue_rows, market.params
    # What was taken is not there again until it is displayed or printed anew (F2); a peer's book
    # renews itself.
    shown = float(rows["lots"].sum(dtype=np.float64)) if params.fills == "strict" else math.inf
    most = min(shown, float(MOST_LOTS))
    if lots > most:
        raise ConfigError(
            f"quantity must be at most {most * market.lot:.12g}, all that the recording ever "
            f"shows; was {values['quantity']!r}. Likely fix: fewer base units, or participation."
        )
    limit = params.max_position_notional
    is_position = values["side"] == "buy" or params.account == "margin"
    ins, mid = market.instruments[0], market.first_mid
    worth = lots * market.lot * float(ins.contract_size) * (1.0 / mid if ins.inverse else mid)
    if limit is not None and is_position and worth > limit:
        raise ConfigError(
            f"quantity must be worth at most max_position_notional, {limit:g}; was "
            f"{values['quantity']!r}, worth {worth:g}. Likely fix: a higher max_position_notional."
        )


def _check(values: Mapping[str, Any], market: BookMarket) -> None:
    check_choice("side", values["side"], SIDES)
    check_choice("action kind", values["action"], EXECUTION_ACTIONS)
    check_number("max_rate", values["max_rate"], "above 0, up to 1000", lambda x: 0.0 < x <= 1e3)
    for name in ("unfilled_penalty_bps", "risk_aversion"):
        check_number(name, values[name], "at least 0", lambda x: 0.0 <= x < math.inf)
    check_number(
        "max_offset_ticks",
        values["max_offset_ticks"],
        "a whole number of ticks from 0",
        lambda x: 0.0 <= x < 1e6 and x == math.floor(x),
    )
    if market.params.liquidate_on_complete:
        raise ConfigError(
            "liquidate_on_complete must be False in Execution-v0, which would undo what it has "
            "done; was True."
        )


def _setup(values: Mapping[str, Any], market: BookMarket) -> TaskSetup:
    _check(values, market)
    ins = market.instruments[0]
    side, lots = SIDES[values["side"]], _parent_lots(values, market)
    qty = lots * float(ins.lot_mul) / float(ins.lot_div)
    kind = EXECUTION_ACTIONS[values["action"]]
    is_discrete = kind == DISCRETE
    return TaskSetup(
        action_space=spaces.Discrete(NUM_CHOICES)
        if is_discrete
        else spaces.Box(-1.0, 1.0, (2,), np.float32),
        action_kind=kind,
        max_qty=qty,
        constants={
            "side": side,
            "quantity_units": lots * market.lot_units,
            "max_rate": float(values["max_rate"]),
            "max_offset_ticks": float(values["max_offset_ticks"]),
            "unfilled_penalty_frac": values["unfilled_penalty_bps"] / 10_000.0,
            "risk_aversion": float(values["risk_aversion"]),
        },
        # The rest of a large parent may walk hundreds of levels at the horizon.
        report_slots=2_048,
        hole_slots=2_048,
        masks=_masks(market, side, qty) if is_discrete else None,
    )


EXECUTION_TASK: Final = BookTask(
    code=EXECUTION,
    name="Execution-v0",
    terms=(*COMMON_TERMS, "shortfall", "shortfall_risk"),
    setup=_setup,
    columns=EXECUTION_COLUMNS,
    finals=EXECUTION_FINALS,
)
"""The task of Execution-v0."""
