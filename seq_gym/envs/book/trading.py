"""BookTrading-v0: how its task reads its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.batch import BookBatch
from seq_gym.envs.book.acting import (
    TRADING_ACTIONS,
    TradingAction,
    trading_masks,
    trading_space,
)
from seq_gym.envs.book.layout import TRADING
from seq_gym.envs.book.task import BookMarket, BookTask, TaskSetup
from seq_gym.envs.book.terms import COMMON_TERMS
from seq_gym.envs.numbers import check_number, read_numbers
from seq_gym.errors import ConfigError, UnknownName

__all__ = ["BOOK_TRADING", "MOST_LOTS", "lots_of", "position_limit"]

DEFAULT_SIZES: Final = (0.25, 0.5, 1.0)
DEFAULT_OFFSETS: Final = (0.0, 1.0, 2.0, 5.0)
DEFAULT_PART: Final = 0.9
"""Part of the starting balance that the default position is worth: a market order sets aside its
cap, five percent above what it pays."""


MOST_LOTS: Final = 1 << 53
"""Lots are counted as whole float64."""


def lots_of(market: BookMarket, qty: float) -> int:
    """Return a base quantity in whole lots, rounded down but for dust."""
    return math.floor(qty / market.lot * (1.0 + 1e-12))


def position_limit(value: Any, market: BookMarket, name: str = "max_position") -> float:
    """Read a largest position: base quantity in whole lots; None: what the start affords.

    Raises:
        ConfigError: It is no number above 0, less than a lot, or more than can be counted.
    """
    is_given = value is not None
    if not is_given:
        instrument = market.instruments[0]
        if instrument.inverse:
            value = DEFAULT_PART * market.params.starting_balance * market.first_mid
        else:
            value = DEFAULT_PART * market.params.starting_balance / market.first_mid
        value /= float(instrument.contract_size)
    rule = f"a base quantity of at least a lot, {market.lot:g}, at most 2^53 lots"
    check_number(name, value, rule, lambda x: math.isfinite(x) and x > 0.0)
    lots = lots_of(market, float(value))
    if not 1 <= lots <= MOST_LOTS:
        hint = "" if is_given else " Likely fix: more starting_balance."
        raise ConfigError(f"{name} must be {rule}; was {value:g}.{hint}")
    ins = market.instruments[0]
    return lots * float(ins.lot_mul) / float(ins.lot_div)


def _masks(
    kind: TradingAction, market: BookMarket, sizes: list[int]
) -> Callable[[BookBatch], NDArray[Any]] | None:
    if kind == "target":
        return None
    params = market.params

    def masks(batch: BookBatch) -> NDArray[Any]:
        return trading_masks(
            kind,
            batch.positions["qty"][:, 0],
            batch.accounts["num_orders"],
            params.max_orders,
            params.account == "margin",
            sizes,
        )

    return masks


def _whole_offset(value: float) -> bool:
    return 0.0 <= value < 1e6 and value == math.floor(value)


def _setup(values: Mapping[str, Any], market: BookMarket) -> TaskSetup:
    kind = values["action"]
    if kind not in TRADING_ACTIONS:
        raise UnknownName("action kind", kind, TRADING_ACTIONS)
    sizes = read_numbers(
        "order_sizes",
        values["order_sizes"],
        DEFAULT_SIZES,
        "fractions above 0, up to 1",
        lambda x: 0.0 < x <= 1.0,
    )
    offsets = read_numbers(
        "offsets_ticks",
        values["offsets_ticks"],
        DEFAULT_OFFSETS,
        "whole numbers of ticks from 0",
        _whole_offset,
    )
    check_number("deadband", values["deadband"], "from 0 to 1", lambda x: 0.0 <= x <= 1.0)
    space = trading_space(kind, len(sizes), len(offsets))
    parts = [int(n) for n in np.ravel(getattr(space, "nvec", getattr(space, "n", [])))]
    max_qty = position_limit(values["max_position"], market)
    max_units = round(max_qty / market.lot) * market.lot_units
    return TaskSetup(
        action_space=space,
        action_kind=TRADING_ACTIONS.index(kind),
        max_qty=max_qty,
        levels=sizes + offsets,
        num_levels=len(sizes),
        constants={"deadband_units": values["deadband"] * max_units},
        masks=_masks(kind, market, parts),
    )


BOOK_TRADING: Final = BookTask(
    code=TRADING, name="BookTrading-v0", terms=COMMON_TERMS, setup=_setup
)
"""The task of BookTrading-v0."""
