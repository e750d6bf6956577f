"""MarketMaking-v0: how its task reads its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym.engine.book.batch import BookBatch
from seq_gym.envs.book.layout import MAKING
from seq_gym.envs.book.making import CONTINUOUS, DISCRETE, MAKING_COLUMNS, MAKING_FINALS
from seq_gym.envs.book.task import BookMarket, BookTask, TaskSetup
from seq_gym.envs.book.terms import COMMON_TERMS
from seq_gym.envs.book.trading import lots_of, position_limit
from seq_gym.envs.numbers import check_number, read_numbers
from seq_gym.errors import ConfigError, UnknownName

__all__ = ["MARKET_MAKING", "making_masks"]

MakingAction = Literal["continuous", "discrete"]
MAKING_ACTIONS: Final[Mapping[MakingAction, int]] = {
    "continuous": CONTINUOUS,
    "discrete": DISCRETE,
}

DEFAULT_OFFSETS: Final = (0.0, 1.0, 2.0, 5.0, 10.0)
DEFAULT_QUOTES: Final = 10
"""Quotes that the default `order_quantity` needs to fill `max_inventory`."""


def making_masks(
    held: NDArray[np.float64], max_qty: float, margin: bool, num_offsets: int
) -> NDArray[np.bool_]:
    """Return which choices of a discrete action can do anything, in MaskablePPO's layout.

    Args:
        held: Signed position of each row, [N].
        max_qty: Limit of inventory.
        margin: Whether a sale may open a short.
        num_offsets: K.

    Returns:
        bool [N, 2 (K + 1)]: at its limit a side has only "no quote".
    """
    masks = np.ones((len(held), 2 * (num_offsets + 1)), np.bool_)
    dust = 1e-9 * max_qty
    low = -max_qty if margin else 0.0
    masks[:, :num_offsets] = (held < max_qty - dust)[:, None]
    masks[:, num_offsets + 1 : -1] = (held > low + dust)[:, None]
    return masks


def _order_lots(value: Any, market: BookMarket, max_lots: int) -> int:
    """Read `order_quantity` in whole lots."""
    if value is None:
        return max(max_lots // DEFAULT_QUOTES, 1)
    rule = f"a base quantity from a lot, {market.lot:g}, to max_inventory"
    check_number("order_quantity", value, rule, lambda x: math.isfinite(x) and x > 0.0)
    lots = lots_of(market, float(value))
    if not 1 <= lots <= max_lots:
        raise ConfigError(f"order_quantity must be {rule}; was {value:g}.")
    return lots


def _stop(value: Any, max_qty: float) -> float:
    """Read `inventory_stop` as a base quantity; None: never."""
    if value is None:
        return math.inf
    check_number("inventory_stop", value, "above 0, up to 1, or None", lambda x: 0.0 < x <= 1.0)
    return float(value) * max_qty * (1.0 - 1e-12)


def _whole_offset(value: float) -> bool:
    return 0.0 <= value < 1e6 and value == math.floor(value)


def _space(
    kind: MakingAction, num_offsets: int, max_qty: float, margin: bool
) -> tuple[spaces.Space[Any], Callable[[BookBatch], NDArray[Any]] | None]:
    """Return the space of one env's actions, and its masks."""
    if kind == "continuous":
        return spaces.Box(-1.0, 1.0, (4,), np.float32), None

    def masks(batch: BookBatch) -> NDArray[Any]:
        return making_masks(batch.positions["qty"][:, 0], max_qty, margin, num_offsets)

    return spaces.MultiDiscrete([num_offsets + 1, num_offsets + 1]), masks


def _setup(values: Mapping[str, Any], market: BookMarket) -> TaskSetup:
    kind = values["action"]
    if kind not in MAKING_ACTIONS:
        raise UnknownName("action kind", kind, tuple(MAKING_ACTIONS))
    offsets = read_numbers(
        "offsets_ticks",
        values["offsets_ticks"],
        DEFAULT_OFFSETS,
        "whole numbers of ticks from 0",
        _whole_offset,
    )
    furthest = values["max_offset_ticks"]
    check_number("max_offset_ticks", furthest, "a whole number of ticks from 0", _whole_offset)
    check_number("dampening", values["dampening"], "from 0 to 1", lambda x: 0.0 <= x <= 1.0)
    max_qty = position_limit(values["max_inventory"], market, "max_inventory")
    max_lots = round(max_qty / market.lot)
    lots = _order_lots(values["order_quantity"], market, max_lots)
    space, masks = _space(kind, len(offsets), max_qty, market.params.account == "margin")
    return TaskSetup(
        action_space=space,
        action_kind=MAKING_ACTIONS[kind],
        max_qty=max_qty,
        levels=offsets,
        num_levels=len(offsets),
        constants={
            "order_units": lots * market.lot_units,
            "max_offset_ticks": float(furthest),
            "inventory_stop_qty": _stop(values["inventory_stop"], max_qty),
            "dampening": float(values["dampening"]),
        },
        masks=masks,
    )


MARKET_MAKING: Final = BookTask(
    code=MAKING,
    name="MarketMaking-v0",
    terms=(*COMMON_TERMS, "asymmetric_dampening"),
    setup=_setup,
    defaults={"account": "margin", "maker_fee_frac": 0.0},
    columns=MAKING_COLUMNS,
    finals=MAKING_FINALS,
)
"""The task of MarketMaking-v0."""
