"""A backtest as text for a terminal: what it is, a line for each fill, what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from seq_gym.backtest.run import Backtest
from seq_gym.console import TextTable, render
from seq_gym.runs.book_market import describe_books
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.params import SandboxParams
from seq_gym.times import NS_PER_S, format_time

__all__ = ["FillLines", "describe_run", "describe_summary"]

NOTHING = "-"
_TIME_WIDTH = 30
_FILL_COSTS = {
    "shortfall_bps": ("shortfall, bps", 1.0),
    "impact_bps": ("impact, bps", 1.0),
    "spread_cost_bps": ("spread cost, bps", 1.0),
    "fee_bps": ("fee, bps", 1.0),
    "mark_out_1s_bps": ("mark-out 1 s, bps", 1.0),
    "mark_out_10s_bps": ("mark-out 10 s, bps", 1.0),
    "mark_out_60s_bps": ("mark-out 60 s, bps", 1.0),
}
"""Figure of the report, its words and its scale."""
_ORDER_COSTS = {
    "order_implementation_shortfall_bps": ("whole order, bps", 1.0),
    "order_opportunity_bps": ("unfilled part, bps", 1.0),
    **{f"order_{name}": told for name, told in _FILL_COSTS.items()},
    "entry_latency_ns": ("entry latency, ms", 1e-6),
    "round_trip_ns": ("round trip, ms", 1e-6),
    "time_to_fill_ns": ("time to fill, ms", 1e-6),
}


def describe_run(run: Backtest) -> str:
    """Say what is run, before its first event."""
    params = run.params
    facts = [("data", _data(run)), ("account", _account(params)), ("physics", _physics(params))]
    facts.append(("seed", str(run.options.seed)))
    lines = [f"Backtest of {run.agent} on {', '.join(lane_names(run))}"]
    lines += [f"  {word.ljust(8)} {sentence}" for word, sentence in facts]
    return "\n".join([*lines, *run.replay.notes])


def describe_summary(run: Backtest) -> str:
    """Say what a run came to: profit and loss, statistics, costs of execution."""
    tables = [_pnl(run), _symbols(run), _statistics(run)]
    tables += [] if run.tca is None else _costs(run.tca.summary())
    parts = [render(table) for table in tables]
    if run.is_partial:
        parts.append(f"PARTIAL: it was stopped at {run.session.virtual_time}.")
    return "\n\n".join(parts)


class FillLines:
    """Writes fills as aligned lines; the widths are known before the first.

    Args:
        run: The run, before its first event.
    """

    def __init__(self, run: Backtest) -> None:
        self._names = {
            (i.symbol, i.venue): name
            for i, name in zip(instruments_of(run), lane_names(run), strict=True)
        }
        self._venues = {i.symbol: i.venue for i in instruments_of(run)}
        self._places = {
            (i.symbol, i.venue): (decimals_of(i.lot), decimals_of(i.tick))
            for i in instruments_of(run)
        }
        self._width = max(len("symbol"), *(len(name) for name in self._names.values()))

    @property
    def header(self) -> str:
        """Words above the lines."""
        words = ("time", "symbol", "side", "quantity", "price", "", "fee", "realised")
        return self._joined(words, "")

    def line(self, fill: Any) -> str:
        """Return the line of a fill, of either session."""
        key = (fill.symbol, getattr(fill, "venue", self._venues.get(fill.symbol, "")))
        lot, tick = self._places[key]
        cells = (
            format_time(getattr(fill, "local_ns", None) or fill.filled_ns),
            self._names[key],
            fill.side,
            _number(fill.quantity, lot),
            _number(fill.price, tick),
            fill.liquidity,
            f"{fill.fee:.4f}",
            NOTHING if fill.realized_pnl is None else f"{fill.realized_pnl:.4f}",
        )
        return self._joined(cells, fill.reason or "")

    def _joined(self, cells: Sequence[str], reason: str) -> str:
        time, name, side, quantity, price, liquidity, fee, realised = cells
        return (
            f"{time:<{_TIME_WIDTH}}  {name:<{self._width}}  {side:<4}  {quantity:>14}  "
            f"{price:>14}  {liquidity:<5}  {fee:>11}  {realised:>12}  {reason}"
        ).rstrip()


def instruments_of(run: Backtest) -> Sequence[Any]:
    """Return the instruments of what is traded, in order."""
    books = run.replay.books
    if books is not None:
        return [book.instrument for book in books.books]
    series: Any = run.session.series  # type: ignore[union-attr]  # a session on candles has one
    return list(series.instruments)


def lane_names(run: Backtest) -> list[str]:
    """Return "SYMBOL@venue" of what is traded; a venue that is not known is left out."""
    return [f"{i.symbol}@{i.venue}" if i.venue else i.symbol for i in instruments_of(run)]


def decimals_of(step: float) -> int | None:
    """Return how many decimals a step needs; None where there is none.

    >>> decimals_of(0.001), decimals_of(5.0), decimals_of(0.0)
    (3, 0, None)
    """
    if not step:
        return None
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _number(value: float, places: int | None) -> str:
    return f"{value:.10g}" if places is None else f"{value:.{places}f}"


# ---------------------------------------------------------------------------- what it is


def _data(run: Backtest) -> str:
    books = run.replay.books
    start, end = map(format_time, (run.replay.start_ns, run.replay.end_ns))
    if books is not None:
        said = describe_books(books, run.replay.source)
        rates = "; with funding rates" if run.replay.funding else ""
        span = f"{said['start']} to {said['end']}"
        return f"{run.replay.source}: {said['rows']:,} rows, {span}{rates}"
    series: Any = run.session.series  # type: ignore[union-attr]
    return f"{run.replay.source}: {series.interval} candles, {start} to {end}"


def _account(params: BookParams | SandboxParams) -> str:
    end = "closed" if params.liquidate_on_complete else "marked, not sold,"
    return (
        f"{params.account} of {params.starting_balance:,.2f}; fees "
        f"{_percent(params.taker_fee_frac)} taker, {_percent(params.maker_fee_frac)} maker unless "
        f"an instrument states its own; open positions are {end} at the end"
    )


def _physics(params: BookParams | SandboxParams) -> str:
    if isinstance(params, SandboxParams):
        return f"execution {params.execution}; trigger {params.trigger}"
    parts = [
        f"fills {params.fills}",
        f"queue {params.queue_model}",
        f"latency {params.latency_model}",
    ]
    switched = {
        "adverse selection": params.adverse_selection,
        "self-impact": params.self_impact,
        "volatility-conditioned latency": params.volatility_latency,
        "risk limits": params.risk is not None and params.risk.is_on,
    }
    return "; ".join([*parts, *(name for name, on in switched.items() if on)])


def _percent(frac: float) -> str:
    return f"{100.0 * frac:.6g}%"


# ---------------------------------------------------------------------------- what it came to


def _pnl(run: Backtest) -> TextTable:
    results, portfolio = run.results, run.session.portfolio()
    costs = results.costs
    rows: list[tuple[str, ...]] = [
        ("starting balance", _money(run.params.starting_balance)),
        ("final equity", _money(results.final_equity)),
        ("profit and loss", _money(results.total_pnl)),
        ("return, %", f"{results.roi_pct:+.4f}"),
        ("realised", _money(portfolio.realized_pnl)),
        ("unrealised", _money(portfolio.unrealized_pnl)),
        ("fees as maker", _money(costs.maker_fees)),
        ("fees as taker", _money(costs.taker_fees)),
        ("spread paid" if run.is_book else "slippage", _money(costs.slippage)),
    ]
    for name, amount in (("borrow", costs.borrow), ("funding", costs.funding)):
        if amount:
            rows.append((name, _money(amount)))
    currency = run.session.balance()[0].asset
    return TextTable("Profit and loss", ("", currency), rows)


def _symbols(run: Backtest) -> TextTable:
    rows: list[tuple[str, ...]] = [
        (
            name,
            str(each.trades),
            NOTHING if each.win_rate is None else f"{each.win_rate:.1f}",
            _money(each.net_pnl),
        )
        for name, each in zip(lane_names(run), run.results.by_pair, strict=True)
    ]
    return TextTable("By symbol", ("symbol", "fills", "wins, %", "net"), rows)


def _statistics(run: Backtest) -> TextTable:
    metrics = run.results.metrics
    orders = run.session.orders()
    counts = {
        status: sum(order.status == status for order in orders)
        for status in ("filled", "cancelled", "expired", "rejected")
    }
    rows: list[tuple[str, ...]] = [
        ("ending", run.results.ending),
        ("Sharpe, a year", _figure(metrics.sharpe_ratio)),
        ("Sortino, a year", _figure(metrics.sortino_ratio)),
        ("max drawdown, %", f"{100.0 * metrics.max_drawdown_frac:.4f}"),
        ("max drawdown", _money(metrics.max_drawdown_money)),
        ("fills", str(run.results.total_trades)),
        ("profit factor", _figure(metrics.trades.profit_factor)),
        ("best closing fill", _figure(metrics.trades.best_trade)),
        ("worst closing fill", _figure(metrics.trades.worst_trade)),
        *_staleness(run.session),
        ("orders", str(len(orders))),
        *((f"orders {status}", str(count)) for status, count in counts.items() if count),
    ]
    return TextTable("Statistics", ("", "value"), rows)


def _costs(summary: Mapping[str, Mapping[str, float]]) -> list[TextTable]:
    """Return a table of what fills cost and one of what orders did, where there are any."""
    rule = "positive is worse (mark-outs: positive is better)"
    tables = []
    for each, figures in (("fill", _FILL_COSTS), ("order", _ORDER_COSTS)):
        header = ("figure", f"{each}s", "mean", "p50", "p75", "p95", "p99")
        rows = []
        for name, (words, scale) in figures.items():
            spread = summary.get(name)
            if spread is not None:
                values = [spread[column] * scale + 0.0 for column in header[2:]]
                cells = [f"{round(value, 3) + 0.0:.3f}" for value in values]
                rows.append((words, f"{spread['count']:.0f}", *cells))
        if rows:
            tables.append(TextTable(f"Execution costs by {each}, {rule}", header, rows))
    return tables


def _staleness(session: Any) -> list[tuple[str, str]]:
    """Say how often and how long books were unknown, where they were (B10)."""
    if not isinstance(session, BookSession) or not session.num_gaps:
        return []
    return [
        ("gaps in the book", str(session.num_gaps)),
        ("book stale, s", f"{session.stale_ns / NS_PER_S:,.3f}"),
    ]


def _money(value: float) -> str:
    return f"{round(value, 2) + 0.0:,.2f}"


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.4f}"
