"""A backtest as plain values: a line of JSON for each fill, and the summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, fields
from typing import Any

from seq_gym.backtest.run import Backtest
from seq_gym.runs.book_market import describe_books
from seq_gym.runs.manifest import PHYSICS_VERSION, describe_candles
from seq_gym.sandbox.book.results import book_config
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.results import physics_of
from seq_gym.times import NS_PER_S, format_time

__all__ = ["data_document", "fill_document", "physics_document", "summary_document"]

_TIME = "_ns"


def fill_document(fill: Any) -> dict[str, Any]:
    """Return a fill of either session as plain values; instants are ISO 8601 text."""
    document: dict[str, Any] = {"event": "fill"}
    for each in fields(fill):
        value = getattr(fill, each.name)
        if each.name.endswith(_TIME):
            text = None if value is None else format_time(value)
            document[each.name.removesuffix(_TIME) + "_time"] = text
        else:
            document[each.name] = value
    return document


def summary_document(run: Backtest) -> dict[str, Any]:
    """Return what a run came to; full precision, None where a figure has no value."""
    results, portfolio = run.results, run.session.portfolio()
    start_ns, end_ns = run.window
    document: dict[str, Any] = {
        "event": "summary",
        "agent": run.agent,
        "market": "book" if run.is_book else "candles",
        "status": results.status,
        "ending": results.ending,
        "partial": results.is_partial,
        "notes": list(run.replay.notes),
        "window": {"start": format_time(start_ns), "end": format_time(end_ns)},
        "data": data_document(run),
        "seed": run.options.seed,
        "physics_version": PHYSICS_VERSION,
        "pnl": {
            "currency": run.session.balance()[0].asset,
            "starting_balance": run.params.starting_balance,
            "final_equity": results.final_equity,
            "total": results.total_pnl,
            "return_pct": results.roi_pct,
            "realized": portfolio.realized_pnl,
            "unrealized": portfolio.unrealized_pnl,
        },
        "costs": asdict(results.costs),
        "metrics": results.metrics.as_row(),
        "undefined": results.metrics.reasons(),
        "by_symbol": [asdict(each) for each in results.by_pair],
        "orders": dict(sorted(Counter(each.status for each in run.session.orders()).items())),
    }
    if isinstance(run.session, BookSession):
        document["num_gaps"] = run.session.num_gaps
        document["stale_s"] = run.session.stale_ns / NS_PER_S
    if run.tca is not None:
        document["tca"] = run.tca.summary()
    return document


def data_document(run: Backtest) -> dict[str, Any]:
    """Return what the data was: source, fingerprint, symbols, range."""
    if run.replay.books is not None:
        return describe_books(run.replay.books, run.replay.source, run.replay.funding)
    series: Any = run.session.series  # type: ignore[union-attr]  # a session on candles has one
    return describe_candles(series, run.replay.source)


def physics_document(run: Backtest) -> dict[str, Any]:
    """Return the physics as plain values."""
    if isinstance(run.session, BookSession):
        physics: dict[str, Any] = book_config(run.session)["physics"]
        return physics
    return physics_of(run.session.params)
