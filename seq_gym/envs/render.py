"""Rendering of an episode: a line of text, or a picture of price, fills, equity and drawdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.errors import MissingExtra
from seq_gym.types import Side

if TYPE_CHECKING:
    from seq_gym.sandbox.session import Session

__all__ = ["RENDER_MODES", "new_figure", "render_frame", "render_text"]

RENDER_MODES: Final = ("ansi", "rgb_array")

_SHOWN = 300
"""Candles in the picture, the latest ones."""


def render_text(session: Session) -> str:
    """Return time, equity, drawdown and positions in one line a symbol."""
    equity = np.asarray(session.equity)
    peak = float(equity.max())
    drawdown = 1.0 - equity[-1] / peak if peak > 0.0 else 0.0
    head = (
        f"{session.virtual_time}  step {session.step_index}/{session.total_steps}  "
        f"equity {equity[-1]:,.2f}  drawdown {100.0 * drawdown:.2f} %  "
        f"fills {len(session.fills())}"
    )
    lines = [
        f"  {p.symbol}  {p.quantity:+.8g} @ {p.avg_entry_price:,.8g}  "
        f"mark {p.mark_price:,.8g}  unrealised {p.unrealized_pnl:+,.2f}"
        for p in session.positions()
    ]
    return "\n".join([head, *(lines or ["  no position"])])


def new_figure() -> Any:
    """Return an empty picture of 800 x 500.

    Raises:
        MissingExtra: matplotlib is not installed (extra "plot").
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    figure = Figure(figsize=(8.0, 5.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_price(axes: Any, session: Session, first: int, now: int) -> None:
    """Draw each symbol's close relative to the start of the picture, and the fills on it."""
    series = session.series
    cursors = np.arange(first, now + 1)
    fills = session.fills()
    for s, symbol in enumerate(series.symbols):
        close = series.close[first - 1 : now, s] if first > 0 else series.close[:now, s]
        x = cursors[-len(close) :]
        base = close[np.flatnonzero(np.isfinite(close))[:1]]
        scale = 1.0 if len(series.symbols) == 1 or not len(base) else 1.0 / float(base[0])
        axes.plot(x, close * scale, lw=1.0, label=symbol)
        for side, marker, colour in ((Side.BUY, "^", "tab:green"), (Side.SELL, "v", "tab:red")):
            own = [f for f in fills if f.symbol == symbol and f.side == side.name.lower()]
            at = [(f.filled_ns - series.start_ns) / series.interval_ns for f in own]
            shown = [(a, f.price * scale) for a, f in zip(at, own, strict=True) if a >= first]
            if shown:
                axes.scatter(*zip(*shown, strict=True), marker=marker, c=colour, s=28, zorder=3)
    # Above the axes, where it hides no fill.
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, fontsize=8, frameon=False, borderpad=0
    )
    axes.set_ylabel("price" if len(series.symbols) == 1 else "price / first")


def render_frame(session: Session) -> NDArray[np.uint8]:
    """Return the last candles as a picture, uint8 [500, 800, 3].

    Raises:
        MissingExtra: matplotlib is not installed (extra "plot").
    """
    figure = new_figure()
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[3, 2, 1])
    equity = np.asarray(session.equity)
    start = session.start_cursor
    now = start + len(equity) - 1
    first = max(start, now - _SHOWN)
    _draw_price(top, session, first, now)
    cursors = np.arange(start, now + 1)[first - start :]
    peak = np.maximum.accumulate(equity)
    middle.plot(cursors, equity[first - start :], c="tab:blue", lw=1.0)
    middle.set_ylabel("equity")
    drawdown = 100.0 * (1.0 - equity / np.maximum(peak, 1e-300))
    bottom.fill_between(cursors, -drawdown[first - start :], color="tab:red", alpha=0.4, lw=0)
    bottom.set_ylabel("drawdown %")
    bottom.set_xlabel("candle")
    top.set_title(session.virtual_time, fontsize=9, loc="right")
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
