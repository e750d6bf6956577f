"""The documents of S1, field by field (responses.md, S1-06 to S1-54)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seq_gym.errors import ConfigError, UsageError
from seq_gym.market import candles_from_rows, load_candles
from seq_gym.sandbox import responses
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import FEES, flat, session_of, ticked

FIELDS = {
    "create": {"session_id", "status", "total_steps", "estimated_pairs"},
    "start": {"session_id", "status", "virtual_time", "step", "total_steps"},
    "step": {
        "virtual_time", "step", "total_steps", "progress_pct", "prices", "orders_filled",
        "portfolio", "is_complete", "remaining_steps", "steps_executed", "orders_cancelled",
        "orders_rejected",
    },
    "portfolio": {
        "total_equity", "available_cash", "position_value", "unrealized_pnl", "realized_pnl",
    },
    "order": {
        "order_id", "symbol", "side", "type", "status", "quantity", "filled_quantity", "price",
        "trigger_price", "avg_fill_price", "fee", "time_in_force", "reduce_only", "group_id",
        "created_at", "updated_at", "reason",
    },
    "fill": {
        "fill_id", "order_id", "symbol", "side", "type", "quantity", "price", "notional", "fee",
        "liquidity", "slippage_pct", "realized_pnl", "filled_at",
    },
    "ticker": {
        "symbol", "open", "high", "low", "close", "volume", "quote_volume", "price_change",
        "price_change_pct", "trade_count", "virtual_time",
    },
    "candle": {"open_time", "close_time", "open", "high", "low", "close", "volume"},
    "position": {
        "symbol", "quantity", "avg_entry_price", "mark_price", "market_value", "unrealized_pnl",
        "realized_pnl", "opened_at",
    },
    "config": {"start_time", "end_time", "starting_balance", "strategy_label", "candle_interval"},
    "summary": {"final_equity", "total_pnl", "roi_pct", "total_trades", "total_fees"},
    "metrics": {
        "sharpe_ratio", "sortino_ratio", "max_drawdown_pct", "max_drawdown_duration_days",
        "win_rate", "profit_factor", "avg_win", "avg_loss", "best_trade", "worst_trade",
        "trades_per_day",
    },
    "by_pair": {"symbol", "trades", "win_rate", "net_pnl"},
}  # fmt: skip


def has_fields(document: dict[str, Any], name: str) -> bool:
    return FIELDS[name] <= set(document)


@pytest.fixture
def traded() -> Session:
    """A finished session: 10 bought at 100, 4 sold at 105, the rest stopped at 95."""
    rows = [*flat(100, 1), (101, 107, 100, 102), (102, 102, 94, 96), *flat(96, 3)]
    session = session_of(ticked(rows), steps=1, **FEES)
    session.place_order("BTCUSDT", "buy", "market", quantity="10")
    session.place_order("BTCUSDT", "sell", "take_profit", quantity=4, trigger_price=105)
    session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=95)
    session.place_order("BTCUSDT", "bye", "market", quantity=1)
    session.step_batch(4)
    return session


# ---------------------------------------------------------------------- real data


def june(shared_data: Path) -> Session:
    files = [
        shared_data / "candles" / f"binance_spot_{symbol}_1m_2025-05_2025-08.parquet"
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    return Session.create(
        data=load_candles(files),
        start_time="2025-06-01T00:00:00Z",
        end_time="2025-06-30",
        starting_balance=10_000,
        strategy_label="momentum_v1",
        agent_id="agent_1",
    )


def test_s1_14_to_16_june_2025_is_43200_steps_and_step_100_is_as_written(shared_data):
    session = june(shared_data)
    document = responses.create(session)
    assert document == {
        "session_id": session.session_id,
        "status": "created",
        "total_steps": 43_200,
        "estimated_pairs": 2,
    }
    session.start()
    assert responses.start(session) == {
        "session_id": session.session_id,
        "status": "running",
        "virtual_time": "2025-06-01T00:00:00Z",
        "step": 0,
        "total_steps": 43_200,
    }
    session.step_batch(100)
    document = responses.step(session)
    assert has_fields(document, "step")
    assert document["virtual_time"] == "2025-06-01T01:40:00Z"
    assert document["step"] == 100
    assert document["total_steps"] == 43_200
    assert document["progress_pct"] == "0.23"
    assert document["remaining_steps"] == 43_100
    assert document["steps_executed"] == 100
    assert document["is_complete"] is False
    assert set(document["prices"]) == {"BTCUSDT", "ETHUSDT"}
    assert all(len(text.partition(".")[2]) == 2 for text in document["prices"].values())
    assert document["portfolio"] == {
        "total_equity": "10000.00",
        "available_cash": "10000.00",
        "position_value": "0.00",
        "unrealized_pnl": "0.00",
        "realized_pnl": "0.00",
    }


def test_s1_17_and_40_a_month_of_real_candles_ends_with_results(shared_data):
    session = june(shared_data)
    session.start()
    session.step()
    session.place_order("BTCUSDT", "buy", "market", fraction=0.5)
    session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=100_000)
    while not session.is_complete:
        session.step_batch(1_440)
    document = json.loads(json.dumps(responses.results(session)))
    assert document["config"]["start_time"] == "2025-06-01T00:00:00Z"
    assert document["config"]["end_time"] == "2025-07-01T00:00:00Z"
    assert document["config"]["starting_balance"] == "10000.00"
    assert document["config"]["candle_interval"] == "1m"
    assert document["summary"]["total_trades"] == 2
    assert document["metrics"]["trades_per_day"] == pytest.approx(2 / 30)
    assert document["metrics"]["sharpe_ratio"] is not None
    stop = session.fills()[-1]
    row = session.series.row_at(stop.filled_ns) - 1
    assert session.series.low[row, 0] <= 100_000
    assert (session.series.low[session.start_cursor + 1 : row, 0] > 100_000).all()


# ---------------------------------------------------------------------- every document


def test_the_order_and_fill_documents(traded):
    bought, sold, stopped, wrong = (responses.order(traded, o) for o in traded.orders())
    assert all(has_fields(each, "order") for each in (bought, sold, stopped, wrong))
    assert bought["order_id"] == "P-00000001"
    assert (bought["quantity"], bought["avg_fill_price"], bought["fee"]) == (
        "10.000",
        "100.10",
        "1.00",
    )
    assert (sold["trigger_price"], sold["filled_quantity"], sold["reduce_only"]) == (
        "105.00",
        "4.000",
        True,
    )
    assert (wrong["status"], wrong["reason"], wrong["created_at"]) == (
        "rejected",
        "VALIDATION_ERROR",
        "2025-01-01T00:01:00Z",
    )
    entry, target, stop = (responses.fill(traded, f) for f in traded.fills())
    assert has_fields(entry, "fill")
    assert entry["realized_pnl"] is None
    assert (entry["liquidity"], entry["notional"], entry["slippage_pct"]) == (
        "taker",
        "1001.00",
        "0.1000",
    )
    # 105 x 0.999 = 104.895, to the worse tick 104.8; basis of a unit 100.1 x 1.001 = 100.2001
    assert target["price"] == "104.80"
    assert target["realized_pnl"] == "17.98"
    assert stop["price"] == "94.90"
    assert stop["filled_at"] == "2025-01-01T00:03:00Z"


def test_the_step_document_lists_fills_cancels_and_refusals(traded):
    document = responses.step(traded)
    assert [each["type"] for each in document["orders_filled"]] == ["take_profit", "stop_loss"]
    assert [each["side"] for each in document["orders_rejected"]] == ["bye"]
    assert document["steps_executed"] == 4
    assert document["progress_pct"] == "83.33"


def test_no_step_has_no_document():
    with pytest.raises(UsageError, match="step must have been made"):
        responses.step(session_of(flat(100, 3)))


def test_the_market_documents(traded):
    assert responses.prices(traded) == {
        "virtual_time": "2025-01-01T00:05:00Z",
        "prices": {"BTCUSDT": "96.00"},
    }
    assert responses.price(traded, "btc/usdt") == {
        "symbol": "BTCUSDT",
        "price": "96.00",
        "virtual_time": "2025-01-01T00:05:00Z",
    }
    ticker = responses.ticker(traded, "BTCUSDT")
    assert has_fields(ticker, "ticker")
    assert (ticker["open"], ticker["high"], ticker["low"], ticker["close"]) == (
        "100.00", "107.00", "94.00", "96.00",
    )  # fmt: skip
    assert (ticker["price_change"], ticker["price_change_pct"]) == ("-4.00", "-4.00")
    candles = responses.candles(traded, "btc-usdt", limit=2)
    assert (candles["symbol"], candles["interval"]) == ("BTCUSDT", "1m")
    assert len(candles["candles"]) == 2
    assert set(candles["candles"][0]) == FIELDS["candle"]
    assert candles["candles"][-1]["close_time"] == "2025-01-01T00:05:00Z"


def test_the_account_documents():
    session = session_of(ticked(flat(100, 5)), steps=1, **FEES)
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=90)
    session.place_order("BTCUSDT", "sell", "limit", quantity=4, price=110)
    assert responses.balance(session) == {
        "balances": [
            {"asset": "USDT", "available": "8907.91", "locked": "90.09", "total": "8998.00"},
            {"asset": "BTC", "available": "6", "locked": "4", "total": "10"},
        ]
    }
    (held,) = responses.positions(session)["positions"]
    assert held == {
        "symbol": "BTCUSDT",
        "quantity": "10.000",
        "avg_entry_price": "100.10",
        "mark_price": "100.00",
        "market_value": "1000.00",
        "unrealized_pnl": "-2.00",
        "realized_pnl": "0.00",
        "opened_at": "2025-01-01T00:01:00Z",
    }
    assert responses.portfolio(session) == {
        "total_equity": "9998.00",
        "available_cash": "8907.91",
        "position_value": "1000.00",
        "unrealized_pnl": "-2.00",
        "realized_pnl": "0.00",
    }
    assert [o["price"] for o in responses.open_orders(session)["open_orders"]] == [
        "90.00",
        "110.00",
    ]


@pytest.mark.parametrize(
    "name", ["orders", "open_orders", "trade_history", "trades", "equity_curve"]
)
def test_lists_are_paged_and_say_how_many_there_are(traded, name):
    write = getattr(responses, name)
    whole = write(traded)
    page = write(traded, limit=2, offset=1)
    assert set(page) == {name, "total", "limit", "offset"}
    assert page["total"] == len(whole[name])
    assert page[name] == whole[name][1:3]
    with pytest.raises(ConfigError, match="limit"):
        write(traded, limit=0)


def test_equity_points_have_the_portfolio_and_their_time(traded):
    point = responses.equity_curve(traded)["equity_curve"][0]
    assert set(point) == {"simulated_at"} | FIELDS["portfolio"]
    assert (point["simulated_at"], point["total_equity"]) == ("2025-01-01T00:00:00Z", "10000.00")


def test_the_results_document(traded):
    traded.step()
    document = json.loads(json.dumps(responses.results(traded)))
    for name in ("config", "summary", "metrics"):
        assert has_fields(document[name], name)
    assert set(document["by_pair"][0]) == FIELDS["by_pair"]
    assert document["status"] == "completed"
    summary = document["summary"]
    assert summary["total_trades"] == 3
    fees = 1.001 + 4 * 104.8 * 0.001 + 6 * 94.9 * 0.001
    assert summary["total_fees"] == f"{fees:.2f}"
    equity = 10_000 - 1001 + 4 * 104.8 + 6 * 94.9 - fees
    assert summary["final_equity"] == f"{equity:.2f}"
    assert summary["total_pnl"] == f"{equity - 10_000:.2f}"
    metrics = document["metrics"]
    assert metrics["win_rate"] == 50.0
    assert metrics["best_trade"] == metrics["avg_win"] == "17.98"
    assert metrics["avg_loss"].startswith("-")
    assert isinstance(metrics["profit_factor"], float)
    assert document["by_pair"] == [
        {"symbol": "BTCUSDT", "trades": 3, "win_rate": 50.0, "net_pnl": summary["total_pnl"]}
    ]


def test_what_has_no_value_is_null_with_its_reason():
    session = session_of(flat(100, 3))
    session.step_batch(3)
    metrics = responses.results(session)["metrics"]
    for name in ("win_rate", "profit_factor", "avg_win", "best_trade", "sharpe_ratio"):
        assert metrics[name] is None
    assert metrics["undefined"]["profit_factor"] == "no fill closed a position"
    assert metrics["trades_per_day"] == 0.0


def test_the_data_range_document():
    rows = [*flat(100, 3), None, None, *flat(100, 5)]
    assert responses.data_range(candles_from_rows(rows, interval="5m")) == {
        "earliest": "2025-01-01T00:00:00Z",
        "latest": "2025-01-01T00:50:00Z",
        "total_pairs": 1,
        "intervals_available": ["5m", "15m", "1h", "4h", "1d"],
        "data_gaps": [
            {
                "symbol": "BTCUSDT",
                "from": "2025-01-01T00:15:00Z",
                "to": "2025-01-01T00:25:00Z",
                "missing": 2,
            }
        ],
    }


def test_error_documents_of_values_and_of_calls():
    session = session_of(flat(100, 3), start=False)
    with pytest.raises(UsageError) as raised:
        session.step()
    document = responses.error(raised.value)["error"]
    assert document["code"] == "INVALID_STATE"
    assert "created" in document["message"]
    session.start()
    refused = responses.error(session.place_order("BTCUSD", "buy", "market", quantity=1))["error"]
    assert (refused["code"], refused["details"]["limit"]) == ("INVALID_SYMBOL", "symbol")
    with pytest.raises(ConfigError) as wrong:
        session.price("BTCUSD")
    assert responses.error(wrong.value)["error"]["details"]["near_miss"] == "BTCUSDT"
    assert responses.HTTP_STATUS[refused["code"]] == 400


def test_nothing_is_written_as_minus_zero():
    session = session_of(flat(100, 4), steps=1, account="margin")
    session.place_order("BTCUSDT", "sell", "market", quantity=1)
    assert "-0.00" not in json.dumps(responses.portfolio(session))


@pytest.mark.parametrize("name", ["orders", "open_orders", "trades", "trade_history"])
@pytest.mark.parametrize(
    ("page", "words"),
    [
        ({"limit": "x"}, "limit must be a whole number of at least 1; was 'x'"),
        ({"limit": 0}, "limit must be a whole number of at least 1; was 0"),
        ({"limit": True}, "limit must be a whole number"),
        ({"limit": 2.5}, "limit must be a whole number"),
        ({"offset": "x"}, "offset must be a whole number of at least 0; was 'x'"),
        ({"offset": -1}, "offset must be a whole number of at least 0; was -1"),
        ({"offset": None}, "offset must be a whole number"),
    ],
)
def test_a_page_that_is_no_whole_number_is_a_config_error(name, page, words):
    with pytest.raises(ConfigError, match=words):
        getattr(responses, name)(session_of(flat(100, 3)), **page)
