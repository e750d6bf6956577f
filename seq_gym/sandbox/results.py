"""What a session came to: metrics of its curve, trades, costs (X1 to X5, S1-40 to S1-52)."""

from __future__ import annotations

import math
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from seq_gym.metrics import episode_metrics, trades_by_symbol
from seq_gym.sandbox.journal import Journal
from seq_gym.sandbox.ledger import Ledger
from seq_gym.sandbox.params import SandboxParams
from seq_gym.sandbox.records import PairResult, Results
from seq_gym.times import NS_PER_S

if TYPE_CHECKING:
    from seq_gym.sandbox.reader import SessionReader

__all__ = ["config_of", "new_session_id", "physics_of", "results_of"]


def physics_of(params: SandboxParams) -> dict[str, Any]:
    """Return the physics as plain values; a function goes by its name."""
    table = asdict(params)
    model = params.slippage
    if not isinstance(model, str):
        table["slippage"] = f"{model.__module__}:{getattr(model, '__qualname__', 'function')}"
    return table


def new_session_id() -> str:
    """Return "bt_" and 32 hex digits that no other session has, in this run of a program or any.

    A label and nothing else: two runs of one script are two sessions, and both are kept.
    """
    return f"bt_{uuid.uuid4().hex}"


def config_of(session: SessionReader) -> dict[str, Any]:
    """Return what a session was created with, the data's fingerprint included; plain values."""
    series = session.series
    return {
        "start_time_ns": series.time_of(session.start_cursor),
        "end_time_ns": series.time_of(session.end_cursor),
        "starting_balance": session.params.starting_balance,
        "strategy_label": session.strategy_label,
        "agent_id": session.agent_id,
        "candle_interval": series.interval,
        "symbols": series.symbols,
        "total_steps": session.total_steps,
        "physics": physics_of(session.params),
        "data_fingerprint": series.fingerprint,
    }


def _by_pair(
    session: SessionReader, ledger: Ledger, columns: np.typing.NDArray[np.int64], pnls: list[float]
) -> tuple[PairResult, ...]:
    found = trades_by_symbol(session.symbols, columns, pnls)
    return tuple(
        PairResult(
            symbol=pair.symbol,
            trades=pair.num_fills,
            win_rate=None
            if pair.closing.win_rate_frac is None
            else 100.0 * pair.closing.win_rate_frac,
            net_pnl=ledger.net_pnl(column),
        )
        for column, pair in enumerate(found)
    )


def results_of(session: SessionReader, journal: Journal, ledger: Ledger) -> Results:
    """Return the results of a session, as far as it has come.

    Args:
        session: The session, its journal up to date.
        journal: Its orders and fills.
        ledger: Its account.
    """
    pnls = [math.nan if f.realized_pnl is None else f.realized_pnl for f in journal.fills]
    metrics = episode_metrics(
        session.equity,
        step_s=session.series.interval_ns / NS_PER_S,
        closing_pnls=[pnl for pnl in pnls if not math.isnan(pnl)],
        num_fills=len(pnls),
        start_ns=session.series.time_of(session.start_cursor),
    )
    return Results(
        session_id=session.session_id,
        status=session.status,
        ending=session.ending.name,
        is_partial=session.status != "completed",
        config=config_of(session),
        final_equity=metrics.final_equity,
        total_pnl=metrics.total_pnl,
        roi_pct=100.0 * metrics.total_return_frac,
        total_trades=len(pnls),
        metrics=metrics,
        costs=ledger.costs(),
        by_pair=_by_pair(session, ledger, np.array(journal.fill_symbols, dtype=np.int64), pnls),
    )
