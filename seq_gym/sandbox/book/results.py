"""What a session over books came to: metrics of its curve, trades, costs (X1 to X5)."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from seq_gym.metrics import episode_metrics, trades_by_symbol
from seq_gym.sandbox.book.journal import BookJournal
from seq_gym.sandbox.book.ledger import BookLedger
from seq_gym.sandbox.records import PairResult, Results

if TYPE_CHECKING:
    from seq_gym.sandbox.book.reader import BookReader

__all__ = ["book_config", "book_results"]


def book_config(session: BookReader) -> dict[str, Any]:
    """Return what a session was created with, the data's fingerprint included; plain values."""
    physics = asdict(session.params)
    recorded = physics.pop("recorded_latency")
    physics["recorded_latency"] = None if recorded is None else len(recorded)
    return {
        "start_time_ns": session.start_ns,
        "end_time_ns": session.end_ns,
        "starting_balance": session.params.starting_balance,
        "strategy_label": session.strategy_label,
        "agent_id": session.agent_id,
        "seed": session.seed,
        "symbols": session.symbols,
        "venues": session.data.venues,
        "physics": physics,
        "data_fingerprint": session.data.fingerprint,
    }


def _by_pair(
    session: BookReader, journal: BookJournal, ledger: BookLedger, pnls: list[float]
) -> tuple[PairResult, ...]:
    lanes = np.array(journal.fill_lanes, np.int64)
    found = trades_by_symbol(session.symbols, lanes, pnls)
    return tuple(
        PairResult(
            symbol=pair.symbol,
            trades=pair.num_fills,
            win_rate=None
            if pair.closing.win_rate_frac is None
            else 100.0 * pair.closing.win_rate_frac,
            net_pnl=ledger.net_pnl(s),
        )
        for s, pair in enumerate(found)
    )


def book_results(session: BookReader, journal: BookJournal, ledger: BookLedger) -> Results:
    """Return the results of a session, as far as it has come.

    Args:
        session: The session, its journal up to date.
        journal: Its orders and fills.
        ledger: Its account.
    """
    pnls = [math.nan if f.realized_pnl is None else f.realized_pnl for f in journal.fills]
    metrics = episode_metrics(
        session.equity,
        step_s=session.step_s,
        closing_pnls=[pnl for pnl in pnls if not math.isnan(pnl)],
        num_fills=len(pnls),
        start_ns=session.start_ns,
    )
    return Results(
        session_id=session.session_id,
        status=session.status,
        ending=session.ending.name,
        is_partial=session.status != "completed",
        config=book_config(session),
        final_equity=metrics.final_equity,
        total_pnl=metrics.total_pnl,
        roi_pct=100.0 * metrics.total_return_frac,
        total_trades=len(pnls),
        metrics=metrics,
        costs=ledger.costs(),
        by_pair=_by_pair(session, journal, ledger, pnls),
    )
