"""What is kept of fills on books, what they cost, and the mids that an agent saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book import codes
from seq_gym.evaluate.episode import FillFields
from seq_gym.market.book.decimals import step_of
from seq_gym.market.book.events import BookEvents
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.book.tape import book_tape
from seq_gym.sandbox.book.tca import MARK_OUTS_S, FillCost

__all__ = ["BOOK_FILL_FIELDS", "fill_figures", "mids_at"]

BOOK_FILL_FIELDS: Final = FillFields(
    names=(
        "order_id",
        "symbol",
        "venue",
        "side",
        "type",
        "quantity",
        "price",
        "mid",
        "sent_mid",
        "notional",
        "fee",
        "liquidity",
        "realized_pnl",
        "local_ns",
        "exch_ns",
        "sent_ns",
    ),
    numbers=frozenset(("quantity", "price", "mid", "sent_mid", "notional", "fee", "realized_pnl")),
    times={"local_ns": "time", "exch_ns": "exchange_time", "sent_ns": "sent_time"},
)

_COSTS = ("shortfall_bps", "spread_cost_bps", "impact_bps", "fee_bps")


def fill_figures(session: BookSession) -> dict[str, float | None]:
    """Return the costs of a session's fills, weighed by notional (sandbox/book/tca.py).

    Args:
        session: A session that is over.

    Returns:
        Traded notional; the part of it that was made; costs and mark-outs in basis points, None
        where no fill has them: a mark-out that would lie beyond the window is not known.
    """
    costs = session.tca().fills
    notional = float(sum(each.fill.notional for each in costs))
    made = float(sum(c.fill.notional for c in costs if c.fill.liquidity == "maker"))
    figures: dict[str, float | None] = {
        "traded_notional": notional,
        "maker_frac": made / notional if notional else None,
    }
    for name in _COSTS:
        figures[name] = _weighed(costs, lambda cost, name=name: getattr(cost, name))  # type: ignore[misc]
    for horizon in MARK_OUTS_S:
        figures[f"mark_out_{horizon}s_bps"] = _weighed(
            costs,
            lambda cost, horizon=horizon: cost.mark_outs_bps[horizon],  # type: ignore[misc]
        )
    return figures


def _weighed(costs: Sequence[FillCost], read: Callable[[FillCost], Any]) -> float | None:
    known = [(value, cost.fill.notional) for cost in costs if (value := read(cost)) is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def mids_at(book: BookEvents, times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mid as it was received by each time, float64 [n], NaN where a side was empty.

    Args:
        book: The recording.
        times: int64 [n], UNIX nanoseconds of the agent's clock.
    """
    rows = book_tape(book).local_rows
    places = np.searchsorted(rows["ts"], times, side="right") - 1
    found = rows[np.maximum(places, 0)]
    known = (places >= 0) & (found["bid"] != codes.NO_BID) & (found["ask"] != codes.NO_ASK)
    step = step_of(book.instrument.tick)
    ticks = 0.5 * (found["bid"].astype(np.float64) + found["ask"].astype(np.float64))
    return np.where(known, ticks * step.mul / step.div, np.nan)
