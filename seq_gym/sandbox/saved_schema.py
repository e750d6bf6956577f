"""The tables of saved sessions, one row of `sessions` a session."""

from __future__ import annotations

__all__ = ["SCHEMA", "SCHEMA_VERSION"]

SCHEMA_VERSION = 1
"""In `PRAGMA user_version`; rises whenever the tables change."""

SCHEMA = """
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    strategy_label TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    candle_interval TEXT NOT NULL,
    start_time_ns INTEGER NOT NULL,
    end_time_ns INTEGER NOT NULL,
    starting_balance REAL NOT NULL,
    step INTEGER NOT NULL,
    total_steps INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    config TEXT NOT NULL,
    physics_version INTEGER NOT NULL,
    ending TEXT,
    is_partial INTEGER,
    final_equity REAL,
    total_pnl REAL,
    roi_pct REAL,
    total_trades INTEGER,
    total_fees REAL,
    costs TEXT,
    by_pair TEXT,
    account TEXT
);
CREATE TABLE orders (
    session INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    order_id TEXT NOT NULL, symbol TEXT, side TEXT, type TEXT, status TEXT NOT NULL,
    quantity REAL, filled_quantity REAL, price REAL, trigger_price REAL, trail_frac REAL,
    notional REAL, fraction REAL, avg_fill_price REAL, fee REAL, time_in_force TEXT,
    reduce_only INTEGER, post_only INTEGER, group_id TEXT, created_ns INTEGER, updated_ns INTEGER,
    reason TEXT, message TEXT, "limit" TEXT, value, bound,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE TABLE fills (
    session INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    fill_id TEXT NOT NULL, order_id TEXT NOT NULL, symbol TEXT, side TEXT, type TEXT,
    quantity REAL, price REAL, base_price REAL, notional REAL, fee REAL, liquidity TEXT,
    slippage REAL, realized_pnl REAL, filled_ns INTEGER, reason TEXT, group_id TEXT,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE TABLE equity (
    session INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    simulated_ns INTEGER NOT NULL, total_equity REAL, available_cash REAL, position_value REAL,
    unrealized_pnl REAL, realized_pnl REAL,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE TABLE metrics (
    session INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value,
    reason TEXT,
    PRIMARY KEY (session, name)
) WITHOUT ROWID;
"""
"""Columns carry the names of the records' fields; `value` and `bound` keep the type they have."""
