"""From the records of a session to the rows of its file and back, to the last bit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeVar

import numpy as np

from seq_gym.metrics import EpisodeMetrics, TradeMetrics
from seq_gym.sandbox.records import (
    Balance,
    Costs,
    EquityPoint,
    Fill,
    Order,
    PairResult,
    Portfolio,
    Position,
    Results,
)

__all__ = [
    "Account",
    "account_of",
    "columns_of",
    "json_of",
    "metric_rows",
    "point_of",
    "point_row",
    "record_of",
    "results_from",
    "row_of",
    "text_of",
]

Record = TypeVar("Record", Order, Fill)

_FLAGS = ("reduce_only", "post_only")
_NOT_FIGURES = ("trades", "undefined")


class Account:
    """How an account stood when its session was over, and what its texts need.

    Args:
        portfolio: In quote units.
        balance: Of every asset.
        positions: Those that are open.
        open_orders: Ids of the orders that work still, in priority order; only a failed session
            leaves any.
        decimals: By symbol that was traded: decimals of its prices and of its lot, or None.
        quote: The currency of the account.
    """

    def __init__(
        self,
        *,
        portfolio: Portfolio,
        balance: Sequence[Balance],
        positions: Sequence[Position],
        open_orders: Sequence[str],
        decimals: Mapping[str, tuple[int, int | None]],
        quote: str,
    ) -> None:
        self.portfolio = portfolio
        self.balance = tuple(balance)
        self.positions = tuple(positions)
        self.open_orders = tuple(open_orders)
        self.decimals = dict(decimals)
        self.quote = quote

    def as_json(self) -> str:
        """Write it; `account_of` reads it."""
        return json_of(
            {
                "portfolio": asdict(self.portfolio),
                "balance": [asdict(each) for each in self.balance],
                "positions": [asdict(each) for each in self.positions],
                "open_orders": self.open_orders,
                "decimals": self.decimals,
                "quote": self.quote,
            }
        )


def account_of(text: str) -> Account:
    """Read what `Account.as_json` wrote."""
    table = json.loads(text)
    return Account(
        portfolio=Portfolio(**table["portfolio"]),
        balance=[Balance(**each) for each in table["balance"]],
        positions=[Position(**each) for each in table["positions"]],
        open_orders=table["open_orders"],
        decimals={symbol: (price, lot) for symbol, (price, lot) in table["decimals"].items()},
        quote=table["quote"],
    )


def json_of(value: Any) -> str:
    """Write plain values; every float is read back as it is."""
    return json.dumps(value, default=_plain)


def columns_of(record: type[Record]) -> tuple[str, ...]:
    """Return the columns of a record's table, which are its fields."""
    return tuple(each.name for each in fields(record))


def row_of(record: Order | Fill, columns: Iterable[str]) -> tuple[Any, ...]:
    """Return the values of a record's row."""
    return tuple(_cell(getattr(record, name)) for name in columns)


def record_of(kind: type[Record], columns: Sequence[str], row: Sequence[Any]) -> Record:
    """Return the record of a row."""
    table = dict(zip(columns, row, strict=True))
    for name in _FLAGS:
        if name in table:
            table[name] = bool(table[name])
    return kind(**table)


def point_row(point: EquityPoint) -> tuple[float, ...]:
    """Return the values of a snapshot's row."""
    p = point.portfolio
    return (
        point.simulated_ns,
        p.total_equity,
        p.available_cash,
        p.position_value,
        p.unrealized_pnl,
        p.realized_pnl,
    )


def point_of(row: Sequence[Any]) -> EquityPoint:
    """Return the snapshot of a row."""
    time_ns, equity, cash, value, unrealized, realized = row
    return EquityPoint(
        simulated_ns=time_ns,
        portfolio=Portfolio(
            total_equity=equity,
            available_cash=cash,
            position_value=value,
            unrealized_pnl=unrealized,
            realized_pnl=realized,
        ),
    )


# ---------------------------------------------------------------------- results


def metric_rows(metrics: EpisodeMetrics) -> list[tuple[str, Any, str | None]]:
    """Return name, value and, where there is none, why, of every figure."""
    reasons = metrics.reasons()
    return [(name, _cell(value), reasons.get(name)) for name, value in metrics.as_row().items()]


def results_from(
    session: Mapping[str, Any], metrics: Iterable[tuple[str, Any, str | None]]
) -> Results:
    """Return the results of a session's row and of the rows of its metrics."""
    config = json.loads(session["config"])
    return Results(
        session_id=session["session_id"],
        status=session["status"],
        ending=session["ending"],
        is_partial=bool(session["is_partial"]),
        config={**config, "symbols": tuple(config["symbols"])},
        final_equity=session["final_equity"],
        total_pnl=session["total_pnl"],
        roi_pct=session["roi_pct"],
        total_trades=session["total_trades"],
        metrics=_metrics_of(metrics),
        costs=Costs(**json.loads(session["costs"])),
        by_pair=tuple(PairResult(**each) for each in json.loads(session["by_pair"])),
    )


def _metrics_of(rows: Iterable[tuple[str, Any, str | None]]) -> EpisodeMetrics:
    """Return the metrics of their rows; one that a later version added is left out."""
    values: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, value, reason in rows:
        values[name] = value
        if reason is not None:
            reasons[name] = reason
    trades = TradeMetrics(**_figures(TradeMetrics, values, reasons))
    return EpisodeMetrics(**_figures(EpisodeMetrics, values, reasons), trades=trades)


def _figures(
    kind: type[EpisodeMetrics] | type[TradeMetrics],
    values: Mapping[str, Any],
    reasons: Mapping[str, str],
) -> dict[str, Any]:
    """Return the arguments that make a record of figures, why some are None included."""
    names = [each.name for each in fields(kind) if each.name not in _NOT_FIGURES]
    why = {name: reasons[name] for name in names if name in reasons}
    return {**{name: values.get(name) for name in names}, "undefined": why}


# ---------------------------------------------------------------------- one value


def _plain(value: Any) -> Any:
    """Return what JSON can write of a number of numpy; anything else by its text."""
    return value.item() if isinstance(value, np.generic) else str(value)


def text_of(value: object) -> str:
    """Return a text as SQLite can hold it; half a surrogate pair as it would be printed."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _cell(value: Any) -> Any:
    """Return what SQLite can hold of a value."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    return value if isinstance(value, int | float | None) else str(value)
