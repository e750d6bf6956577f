"""Sessions over books and what they are told wrongly: one error that names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError, UsageError
from seq_gym.market import synthetic_candles
from seq_gym.market.book.load import load_book
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.market.store import Store
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.session import Session

BOOK = synthetic_book(seconds=5.0, seed=2)
CANDLES = synthetic_candles("BTCUSDT", num_candles=9)

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "symbols": ({"symbols": 3}, "symbols must be a name, or a list of names; was 3"),
    "venues": ({"venues": [3]}, r"venues must be a name, or a list of names; was \[3\]"),
    "reversed": (
        {"start_time": "2025-01-02", "end_time": "2025-01-01"},
        "end_time must be after start_time; were end_time='2025-01-01'",
    ),
    "elsewhere": ({"start_time": "2030-01-01"}, "The window must lie inside the data"),
    "latency": ({"latency": 3}, "latency must be a mapping such as .*was 3"),
    "field": ({"latency": {"entry": 1.0}}, "Unknown field of latency 'entry'.*entry_ms"),
    "recorded-without": (
        {"latency_model": "recorded"},
        r"^latency_model='recorded' needs recorded_latency, .*one of none, constant",
    ),
    "recorded-unasked": (
        {"latency_model": "none", "recorded_latency": np.zeros((1, 3), np.int64)},
        r"recorded_latency must be left out unless latency_model='recorded'.*'none'",
    ),
    "recorded": (
        {"latency_model": "recorded", "recorded_latency": "x"},
        r"recorded_latency must be an int64 array \[n, 3\].*was 'x'",
    ),
    "buffer": ({"scan_buffer_secs": "a"}, "scan_buffer_secs must be a number .*was 'a'"),
    "dedup": ({"dedup": "no"}, "dedup must be true or false; was 'no'"),
    "profiles": ({"profiles_path": 3}, "profiles_path must be the path .*was 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_is_refused_by_its_name(name: str) -> None:
    arguments, match = WRONG[name]
    with pytest.raises(ConfigError, match=match):
        BookSession.create(data=BOOK, **arguments)


def test_latencies_are_plain_mappings_too() -> None:
    session = BookSession.create(data=BOOK, latency={"entry_ms": 2.0}, venue_latency={"kraken": {}})
    assert session.params.latency is not None
    assert session.params.latency.entry_ms == 2.0


@pytest.mark.parametrize("where", ["store", "memory"])
def test_an_end_before_its_start_is_refused_wherever_a_book_is(where: str, tmp_path: Any) -> None:
    store = Store.open(tmp_path)
    store.write_book(BOOK)
    data = store if where == "store" else BOOK
    with pytest.raises(ConfigError, match="end must be after start; were end='2025-01-01' and st"):
        load_book(data, start="2025-01-03", end="2025-01-01")


def test_a_time_beyond_all_is_the_end_of_the_window() -> None:
    session = BookSession.create(data=BOOK)
    session.start()
    session.advance(10**30)
    assert session.is_complete


@pytest.mark.parametrize("order_id", ["xyz", "P-", "P-_1", 3, None, ""])
def test_an_id_of_another_form_is_told_the_form(order_id: Any) -> None:
    session = BookSession.create(data=BOOK)
    session.start()
    for verb in (session.order, session.trace, session.cancel_order):
        with pytest.raises(
            UsageError, match="'P-' and 8 hex digits, such as 'P-0000001f'"
        ) as error:
            verb(order_id)
        assert error.value.code == "ORDER_NOT_FOUND"
        assert repr(order_id) in str(error.value)


def test_an_id_that_no_order_has_is_told_which_there_are() -> None:
    session = BookSession.create(data=BOOK)
    session.start()
    with pytest.raises(UsageError, match="it has none yet; was 'P-00000000'"):
        session.trace("P-00000000")
    session.advance("2s")
    session.place_order("BTCUSDT", "buy", "market", 0.01)
    session.place_order("BTCUSDT", "sell", "market", 0.01)
    match = "it has P-00000001 to P-00000002; was 'P-00000000'"
    with pytest.raises(UsageError, match=match):
        session.trace("P-00000000")


class OfCandles:
    def on_candle(self, session: Any) -> None:
        """Never called on books."""


class OfBooks:
    def on_book(self, session: Any, symbol: str) -> None:
        """Never called on candles."""


def test_a_strategy_of_the_other_market_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'OfCandles' trades candles \(on_candle\); this"):
        BookSession.create(data=BOOK).run(OfCandles())
    with pytest.raises(ConfigError, match=r"'OfBooks' trades order books \(on_book\); this"):
        Session.create(data=CANDLES, save=False).run(OfBooks())
    with pytest.raises(ConfigError, match=r"must be an object; was the class OfBooks.*OfBooks\(\)"):
        BookSession.create(data=BOOK).run(OfBooks)


def test_one_that_trades_both_runs_on_both() -> None:
    both = type("Both", (OfCandles, OfBooks), {})
    assert BookSession.create(data=BOOK).run(both()) is not None
