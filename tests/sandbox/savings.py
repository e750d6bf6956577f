"""Sessions to save, and what a loaded one must equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seq_gym.sandbox import responses
from seq_gym.sandbox.saved_session import SavedSession
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import FEES, flat, session_of, ticked

DOCUMENTS = (
    "results", "orders", "open_orders", "trades", "trade_history", "equity_curve", "portfolio",
    "balance", "positions",
)  # fmt: skip
RECORDS = (
    "results", "orders", "open_orders", "fills", "trades", "equity_curve", "portfolio", "balance",
    "positions",
)  # fmt: skip


def finished(path: Path | None, **arguments: Any) -> Session:
    """A finished session of three fills, saved to a path."""
    rows = [*flat(100, 1), (101, 107, 100, 102), (102, 102, 94, 96), *flat(96, 3)]
    session = session_of(ticked(rows), steps=1, save_to=path, **{**FEES, **arguments})
    session.place_order("BTCUSDT", "buy", "market", quantity="10")
    session.place_order("BTCUSDT", "sell", "take_profit", quantity=4, trigger_price=105)
    session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=95)
    session.place_order("BTCUSDT", "bye", "market", quantity=1)
    session.step_batch(99)
    return session


def must_be_equal(live: Session, loaded: SavedSession) -> None:
    for name in RECORDS:
        was, found = getattr(live, name)(), getattr(loaded, name)()
        assert found == was, name
        assert repr(found) == repr(was) or name == "results", name  # 1 is not 1.0, 0 not False
    for name in DOCUMENTS:
        was, found = getattr(responses, name)(live), getattr(responses, name)(loaded)
        assert json.dumps(found, sort_keys=True) == json.dumps(was, sort_keys=True), name
    assert loaded.session_id == live.session_id
    assert loaded.status == live.status
    assert loaded.ending == live.ending.name
    assert loaded.step_index == live.step_index
    assert loaded.total_steps == live.total_steps
    assert loaded.virtual_time_ns == live.virtual_time_ns
    assert loaded.symbols == live.symbols
    assert loaded.quote == live.quote
    assert loaded.is_complete
