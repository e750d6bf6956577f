"""The documents of S1: pure functions from a session, or one of its records, to plain dicts.

Money and prices are text: account money with two decimals, prices with the decimals of their tick
(at least two), quantities with those of their lot. Ratios in `metrics` are numbers, undefined ones
None. Times are ISO 8601 with `Z`. Fields may be added, never renamed.

A session that was loaded has the documents of what it came to: `results`, `orders`, `trades`,
`equity_curve`, `portfolio`, `balance`, `positions`.

Source: responses.md, S1-06 to S1-58.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from seq_gym.errors import ConfigError, MarketDataError, UnknownName, UsageError
from seq_gym.market import CandleSeries
from seq_gym.market.store import DataRange
from seq_gym.sandbox.known import MOST_DECIMALS, whole_number
from seq_gym.sandbox.reader import SessionReader
from seq_gym.sandbox.records import Fill, Order, Portfolio, Position, Results, StepResult
from seq_gym.sandbox.saved_compare import Comparison
from seq_gym.sandbox.saved_list import BestSession, SavedEntry, SavedPage
from seq_gym.sandbox.saved_session import SavedSession
from seq_gym.times import IntervalLike, format_interval, format_time, parse_interval

__all__ = [
    "HTTP_STATUS",
    "balance",
    "best",
    "candles",
    "compare",
    "create",
    "data_range",
    "equity_curve",
    "error",
    "fill",
    "open_orders",
    "order",
    "orders",
    "portfolio",
    "positions",
    "price",
    "prices",
    "results",
    "session_list",
    "start",
    "step",
    "ticker",
    "trade_history",
    "trades",
]

Document = dict[str, Any]
AnySession = SessionReader | SavedSession

HTTP_STATUS = {
    "NOT_FOUND": 404,
    "INVALID_STATE": 409,
    "VALIDATION_ERROR": 422,
    "INVALID_SYMBOL": 400,
    "INVALID_QUANTITY": 400,
    "NOT_LISTED": 400,
    "INSUFFICIENT_BALANCE": 400,
    "RISK_LIMIT_EXCEEDED": 400,
    "ORDER_NOT_CANCELLABLE": 400,
    "DAILY_LOSS_LIMIT": 403,
    "ORDER_NOT_FOUND": 404,
    "PRICE_NOT_AVAILABLE": 503,
}
"""HTTP status of a code; every other refusal is 400."""

_INTERVALS = ("1m", "5m", "15m", "1h", "4h", "1d")
_SECONDS_PER_DAY = 86_400


# ---------------------------------------------------------------------- text


def _fixed(value: float, decimals: int = 2) -> str:
    """Write a number with fixed decimals; nothing is written as minus zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def _trimmed(value: float, decimals: int, least: int) -> str:
    """Write a number with at most `decimals`, and no trailing zeros beyond `least`."""
    whole, _, part = _fixed(value, decimals).partition(".")
    part = part.rstrip("0").ljust(least, "0")
    return f"{whole}.{part}" if part else whole


def _maybe(value: float | None) -> str | None:
    return None if value is None else _fixed(value)


def _price(session: AnySession, symbol: str, value: float | None) -> str | None:
    """Write a price with the decimals of its symbol; in full where nothing is known of it."""
    if value is None:
        return None
    if symbol not in session.symbols:
        return _trimmed(value, MOST_DECIMALS, 2)
    return _fixed(value, session.price_decimals(symbol))


def _quantity(session: AnySession, symbol: str, value: float | None) -> str | None:
    """Write a quantity with the decimals of its lot, or as many as it has, up to eight."""
    if value is None:
        return None
    decimals = session.lot_decimals(symbol) if symbol in session.symbols else None
    return _trimmed(value, 8, 0) if decimals is None else _fixed(value, decimals)


# ---------------------------------------------------------------------- lifecycle


def create(session: SessionReader) -> Document:
    """Return the document of a session that was just created."""
    return {
        "session_id": session.session_id,
        "status": session.status,
        "total_steps": session.total_steps,
        "estimated_pairs": len(session.symbols),
    }


def start(session: SessionReader) -> Document:
    """Return the document of a session that was just started."""
    return {
        "session_id": session.session_id,
        "status": session.status,
        "virtual_time": session.virtual_time,
        "step": session.step_index,
        "total_steps": session.total_steps,
    }


def step(session: SessionReader, result: StepResult | None = None) -> Document:
    """Return the document of a step.

    Args:
        session: The session.
        result: What `step` or `step_batch` returned; None = what the last one did.

    Raises:
        UsageError: INVALID_STATE: no step has been made.
    """
    result = session.last_step if result is None else result
    if result is None:
        raise UsageError("A step must have been made to show its document; there was none.")
    return {
        "virtual_time": format_time(result.virtual_time_ns),
        "step": result.step,
        "total_steps": result.total_steps,
        "progress_pct": _fixed(result.progress_pct),
        "prices": {name: _price(session, name, value) for name, value in result.prices.items()},
        "orders_filled": [fill(session, each) for each in result.orders_filled],
        "portfolio": portfolio(result.portfolio),
        "is_complete": result.is_complete,
        "remaining_steps": result.remaining_steps,
        "steps_executed": result.steps_executed,
        "orders_cancelled": [order(session, each) for each in result.orders_cancelled],
        "orders_rejected": [order(session, each) for each in result.orders_rejected],
    }


# ---------------------------------------------------------------------- the market


def prices(session: SessionReader) -> Document:
    """Return all prices at the virtual time."""
    return {
        "virtual_time": session.virtual_time,
        "prices": {name: _price(session, name, mark) for name, mark in session.prices().items()},
    }


def price(session: SessionReader, symbol: str) -> Document:
    """Return one price at the virtual time."""
    mark = session.price(symbol)
    name = session.symbols[session.series.symbol_index(symbol)]
    return {
        "symbol": name,
        "price": _price(session, name, mark),
        "virtual_time": session.virtual_time,
    }


def ticker(session: SessionReader, symbol: str) -> Document:
    """Return the trailing 24 h of known candles."""
    found = session.ticker(symbol)
    name = found.symbol
    return {
        "symbol": name,
        "open": _price(session, name, found.open),
        "high": _price(session, name, found.high),
        "low": _price(session, name, found.low),
        "close": _price(session, name, found.close),
        "volume": _quantity(session, name, found.volume),
        "quote_volume": _fixed(found.quote_volume),
        "price_change": _price(session, name, found.price_change),
        "price_change_pct": _fixed(found.price_change_pct),
        "trade_count": found.trade_count,
        "virtual_time": format_time(found.virtual_time_ns),
    }


def candles(
    session: SessionReader, symbol: str, interval: IntervalLike | None = None, limit: int = 100
) -> Document:
    """Return the last finished candles, oldest first."""
    name = session.symbols[session.series.symbol_index(symbol)]
    found = session.candles(symbol, interval, limit)
    return {
        "symbol": name,
        "interval": session.series.interval
        if interval is None
        else format_interval(parse_interval(interval)),
        "candles": [
            {
                "open_time": format_time(each.open_ns),
                "close_time": format_time(each.close_ns),
                "open": _price(session, name, each.open),
                "high": _price(session, name, each.high),
                "low": _price(session, name, each.low),
                "close": _price(session, name, each.close),
                "volume": _quantity(session, name, each.volume),
            }
            for each in found
        ],
    }


def data_range(data: CandleSeries | DataRange) -> Document:
    """Return what a series, or a store, covers, with its gaps (S1-02, C6)."""
    if isinstance(data, DataRange):
        first_ns, last_ns, symbols = data.earliest_ns, data.latest_ns, data.symbols
        gaps = list(data.gaps)
        intervals = list(data.intervals)
    else:
        first_ns, last_ns, symbols = data.start_ns, data.end_ns, data.symbols
        gaps = data.gaps()
        offered = {name: parse_interval(name) for name in _INTERVALS}
        intervals = [name for name, each in offered.items() if each % data.interval_ns == 0]
    return {
        "earliest": format_time(first_ns),
        "latest": format_time(last_ns),
        "total_pairs": len(symbols),
        "intervals_available": intervals,
        "data_gaps": [
            {
                "symbol": gap.symbol,
                "from": format_time(gap.from_ns),
                "to": format_time(gap.to_ns),
                "missing": gap.missing,
            }
            for gap in gaps
        ],
    }


# ---------------------------------------------------------------------- the account


def portfolio(account: AnySession | Portfolio) -> Document:
    """Return the account in quote units, two decimals."""
    found = account if isinstance(account, Portfolio) else account.portfolio()
    return {name: _fixed(value) for name, value in asdict(found).items()}


def balance(session: AnySession) -> Document:
    """Return what is held of each asset."""
    return {
        "balances": [
            {
                "asset": each.asset,
                **{
                    name: _fixed(value) if number == 0 else _trimmed(value, 8, 0)
                    for name, value in (
                        ("available", each.available),
                        ("locked", each.locked),
                        ("total", each.total),
                    )
                },
            }
            for number, each in enumerate(session.balance())
        ]
    }


def positions(session: AnySession) -> Document:
    """Return every open position."""
    return {"positions": [_position(session, each) for each in session.positions()]}


def _position(session: AnySession, held: Position) -> Document:
    return {
        "symbol": held.symbol,
        "quantity": _quantity(session, held.symbol, held.quantity),
        "avg_entry_price": _price(session, held.symbol, held.avg_entry_price),
        "mark_price": _price(session, held.symbol, held.mark_price),
        "market_value": _fixed(held.market_value),
        "unrealized_pnl": _fixed(held.unrealized_pnl),
        "realized_pnl": _fixed(held.realized_pnl),
        "opened_at": format_time(held.opened_ns),
    }


# ---------------------------------------------------------------------- orders


def order(session: AnySession, placed: Order) -> Document:
    """Return one order."""
    name = placed.symbol
    return {
        "order_id": placed.order_id,
        "symbol": name,
        "side": placed.side,
        "type": placed.type,
        "status": placed.status,
        "quantity": _quantity(session, name, placed.quantity),
        "filled_quantity": _quantity(session, name, placed.filled_quantity),
        "price": _price(session, name, placed.price),
        "trigger_price": _price(session, name, placed.trigger_price),
        "avg_fill_price": _price(session, name, placed.avg_fill_price),
        "fee": _fixed(placed.fee),
        "time_in_force": placed.time_in_force,
        "reduce_only": placed.reduce_only,
        "group_id": placed.group_id,
        "created_at": format_time(placed.created_ns),
        "updated_at": format_time(placed.updated_ns),
        "reason": placed.reason,
        "message": placed.message,
        "post_only": placed.post_only,
        "trail_frac": placed.trail_frac,
        "notional": _maybe(placed.notional),
        "fraction": placed.fraction,
    }


def fill(session: AnySession, made: Fill) -> Document:
    """Return one fill."""
    name = made.symbol
    return {
        "fill_id": made.fill_id,
        "order_id": made.order_id,
        "symbol": name,
        "side": made.side,
        "type": made.type,
        "quantity": _quantity(session, name, made.quantity),
        "price": _price(session, name, made.price),
        "notional": _fixed(made.notional),
        "fee": _fixed(made.fee),
        "liquidity": made.liquidity,
        "slippage_pct": _fixed(made.slippage_pct, 4),
        "realized_pnl": _maybe(made.realized_pnl),
        "filled_at": made.filled_at,
        "reason": made.reason,
    }


def _page(name: str, rows: Sequence[Any], limit: int, offset: int) -> Document:
    count, first = whole_number("limit", limit), whole_number("offset", offset, least=0)
    shown = list(rows[first : first + count])
    return {name: shown, "total": len(rows), "limit": count, "offset": first}


def _listed(page: Document, name: str, write: Any) -> Document:
    return {**page, name: [write(each) for each in page[name]]}


def orders(session: AnySession, limit: int = 100, offset: int = 0) -> Document:
    """Return every order, refused ones included, oldest first."""
    page = _page("orders", session.orders(), limit, offset)
    return _listed(page, "orders", lambda each: order(session, each))


def open_orders(session: AnySession, limit: int = 100, offset: int = 0) -> Document:
    """Return the orders that work."""
    page = _page("open_orders", session.open_orders(), limit, offset)
    return _listed(page, "open_orders", lambda each: order(session, each))


def trade_history(session: AnySession, limit: int = 100, offset: int = 0) -> Document:
    """Return the fills so far."""
    page = _page("trade_history", session.fills(), limit, offset)
    return _listed(page, "trade_history", lambda each: fill(session, each))


def trades(session: AnySession, limit: int = 100, offset: int = 0) -> Document:
    """Return the trade log: every fill, `total_trades` of them (S1-54)."""
    page = _page("trades", session.trades(), limit, offset)
    return _listed(page, "trades", lambda each: fill(session, each))


def equity_curve(session: AnySession, limit: int = 10_000, offset: int = 0) -> Document:
    """Return the snapshots of the account."""
    page = _page("equity_curve", session.equity_curve(), limit, offset)
    return _listed(
        page,
        "equity_curve",
        lambda each: {
            "simulated_at": format_time(each.simulated_ns),
            **portfolio(each.portfolio),
        },
    )


# ---------------------------------------------------------------------- afterwards


def results(session: AnySession, found: Results | None = None) -> Document:
    """Return the results of a session that is over.

    Args:
        session: The session.
        found: Results to write; None = those of the session.
    """
    found = session.results() if found is None else found
    return {
        "session_id": found.session_id,
        "status": found.status,
        "ending": found.ending,
        "is_partial": found.is_partial,
        "config": {
            "start_time": format_time(found.config["start_time_ns"]),
            "end_time": format_time(found.config["end_time_ns"]),
            "starting_balance": _fixed(found.config["starting_balance"]),
            "strategy_label": found.config["strategy_label"],
            "candle_interval": found.config["candle_interval"],
            "agent_id": found.config["agent_id"],
            "pairs": list(found.config["symbols"]),
        },
        "summary": _summary(found),
        "metrics": _metrics(found),
        "by_pair": [
            {
                "symbol": pair.symbol,
                "trades": pair.trades,
                "win_rate": pair.win_rate,
                "net_pnl": _fixed(pair.net_pnl),
            }
            for pair in found.by_pair
        ],
        "costs": {name: _fixed(value) for name, value in asdict(found.costs).items()},
    }


def _summary(found: Results) -> Document:
    """Return the figures of S1-42."""
    return {
        "final_equity": _fixed(found.final_equity),
        "total_pnl": _fixed(found.total_pnl),
        "roi_pct": _fixed(found.roi_pct),
        "total_trades": found.total_trades,
        "total_fees": _fixed(found.costs.total_fees),
    }


def _metrics(found: Results) -> Document:
    """Return the figures of S1-43 to S1-51, and why some are None."""
    measured, closing = found.metrics, found.metrics.trades
    rate = closing.win_rate_frac
    return {
        "sharpe_ratio": measured.sharpe_ratio,
        "sortino_ratio": measured.sortino_ratio,
        "max_drawdown_pct": 100.0 * measured.max_drawdown_frac,
        "max_drawdown_duration_days": measured.max_drawdown_duration_s / _SECONDS_PER_DAY,
        "win_rate": None if rate is None else 100.0 * rate,
        "profit_factor": closing.profit_factor,
        "avg_win": _maybe(closing.avg_win),
        "avg_loss": _maybe(closing.avg_loss),
        "best_trade": _maybe(closing.best_trade),
        "worst_trade": _maybe(closing.worst_trade),
        "trades_per_day": measured.trades_per_day,
        "periods_per_year": measured.periods_per_year,
        "undefined": measured.reasons(),
    }


def session_list(found: SavedPage) -> Document:
    """Return what `list_sessions` found (S1-56); what runs still has no summary, no metrics."""
    return {
        "sessions": [_entry(each) for each in found],
        "total": found.total,
        "limit": found.limit,
        "offset": found.offset,
    }


def compare(found: Comparison) -> Document:
    """Return what `compare_sessions` found (S1-57)."""
    return {
        "comparisons": [asdict(each) for each in found.comparisons],
        "best_by_roi": found.best_by_roi,
        "best_by_sharpe": found.best_by_sharpe,
        "recommendation": found.recommendation,
    }


def best(found: BestSession) -> Document:
    """Return what `best_session` found (S1-58)."""
    return {"metric": found.metric, "value": found.value, **_entry(found.session)}


def _entry(found: SavedEntry) -> Document:
    """Return one line of a list."""
    whole = found.results
    return {
        "session_id": found.session_id,
        "status": found.status,
        "strategy_label": found.strategy_label,
        "agent_id": found.agent_id,
        "candle_interval": found.candle_interval,
        "start_time": format_time(found.start_ns),
        "end_time": format_time(found.end_ns),
        "step": found.step,
        "total_steps": found.total_steps,
        "progress_pct": _fixed(found.progress_pct),
        "updated_at": found.updated_at,
        "summary": None if whole is None else _summary(whole),
        "metrics": None if whole is None else _metrics(whole),
    }


def error(what: Exception | Order) -> Document:
    """Return the document of a refused order, or of a call that raised."""
    if isinstance(what, Order):
        named = {"limit": what.limit, "value": what.value, "bound": what.bound}
        details: Mapping[str, Any] = {"order_id": what.order_id, **named}
        return _error(what.reason or "VALIDATION_ERROR", what.message or "", details)
    if isinstance(what, UnknownName):
        code = "INVALID_SYMBOL" if what.kind == "symbol" else "VALIDATION_ERROR"
        details = {"kind": what.kind, "name": what.name, "near_miss": what.near_miss}
        return _error(code, str(what), details)
    if isinstance(what, UsageError):
        return _error(what.code, str(what), {})
    if isinstance(what, ConfigError | MarketDataError):
        return _error("VALIDATION_ERROR", str(what), {})
    raise what


def _error(code: str, message: str, details: Mapping[str, Any]) -> Document:
    return {"error": {"code": code, "message": message, "details": dict(details)}}
