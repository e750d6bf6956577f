"""equity.png: one episode of all agents, with drawdown and fills, and the returns of all."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.errors import MissingExtra
from seq_gym.evaluate.agents import AgentSpec
from seq_gym.evaluate.episode import Episode
from seq_gym.evaluate.ground import Ground
from seq_gym.metrics import drawdown_series
from seq_gym.times import format_time

__all__ = ["draw", "shown_window"]

_MOST_POINTS = 4_000
_MOST_MARKS = 2_000


def shown_window(episodes: Sequence[Episode]) -> int:
    """Return the window in which the first agent had its median return: neither best nor worst."""
    first = min(each.agent for each in episodes)
    own = sorted(
        (each for each in episodes if each.agent == first),
        key=lambda each: (each.metrics.total_return_frac, each.index),
    )
    return own[(len(own) - 1) // 2].index


def draw(specs: Sequence[AgentSpec], episodes: Sequence[Episode], ground: Ground) -> bytes:
    """Return the picture as PNG.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib import dates
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    window = shown_window(episodes)
    shown = [each for each in episodes if each.index == window]
    figure = Figure(figsize=(11, 12), layout="constrained")
    axes: Any = figure.subplots(4, 1, height_ratios=(3, 2, 3, 2))
    canvas: Any = FigureCanvasAgg(figure)
    _draw_equity(axes[0], specs, shown, len({each.index for each in episodes}))
    _draw_drawdown(axes[1], specs, shown, ground.return_unit)
    _draw_fills(axes[2], specs, shown[0], ground)
    _draw_returns(axes[3], specs, episodes, ground.return_unit)
    # One time axis for the three panels of the episode.
    clock: Any = dates
    locator = clock.AutoDateLocator()
    axes[0].xaxis.set_major_locator(locator)
    axes[0].xaxis.set_major_formatter(clock.ConciseDateFormatter(locator))
    for axis in axes[:2]:
        axis.xaxis.get_offset_text().set_visible(False)
    axes[2].set_xlabel("UTC")
    for axis in axes[1:3]:
        axis.sharex(axes[0])
    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _draw_equity(axis: Any, specs: Sequence[AgentSpec], shown: list[Episode], count: int) -> None:
    for each in shown:
        points = _thin(each.equity)
        axis.plot(_dates(each.times[points]), each.equity[points], **_style(specs[each.agent]))
    start = format_time(shown[0].start_ns)
    which = f" (of 0 to {count - 1})" if count > 1 else ""
    axis.set_title(f"Equity in episode {shown[0].index}{which}, from {start}")
    axis.set_ylabel("equity, quote")
    axis.ticklabel_format(axis="y", style="plain", useOffset=False)
    axis.legend(loc="best", fontsize="small", ncols=3)


def _draw_drawdown(
    axis: Any, specs: Sequence[AgentSpec], shown: list[Episode], unit: tuple[str, float]
) -> None:
    word, scale = unit
    for each in shown:
        depth = -scale * drawdown_series(each.equity)
        points = _thin(depth)
        axis.plot(_dates(each.times[points]), depth[points], **_style(specs[each.agent]))
    axis.set_title("Drawdown")
    axis.set_ylabel(f"below the peak, {word}")


def _draw_fills(axis: Any, specs: Sequence[AgentSpec], episode: Episode, ground: Ground) -> None:
    fields = ground.fill_fields
    at = {name: fields.place(name) for name in ("symbol", "side", "price", fields.known_at)}
    counts = Counter(fill[at["symbol"]] for fill in episode.fills)
    symbol = counts.most_common(1)[0][0] if counts else ground.symbols[0]
    times, prices = ground.price_line(symbol, episode)
    if prices.size:
        points = _thin(prices)
        axis.plot(_dates(times[points]), prices[points], color="0.6", linewidth=0.8)
    own = [fill for fill in episode.fills if fill[at["symbol"]] == symbol][:_MOST_MARKS]
    for side, marker, colour in (("buy", "^", "tab:green"), ("sell", "v", "tab:red")):
        marks = [fill for fill in own if fill[at["side"]] == side]
        if marks:
            when = np.array([fill[at[fields.known_at]] for fill in marks], np.int64)
            paid = [fill[at["price"]] for fill in marks]
            axis.scatter(_dates(when), paid, marker=marker, color=colour, s=18, label=side)
    if own:
        axis.legend(loc="best", fontsize="small", ncols=2)
    name = specs[episode.agent].name
    axis.set_title(f"{symbol} and the fills of {name} ({counts.get(symbol, 0)})")
    axis.set_ylabel("price, quote")
    axis.ticklabel_format(axis="y", style="plain", useOffset=False)


def _draw_returns(
    axis: Any, specs: Sequence[AgentSpec], episodes: Sequence[Episode], unit: tuple[str, float]
) -> None:
    word, scale = unit
    agents = sorted({each.agent for each in episodes})
    for row, agent in enumerate(agents):
        own = [scale * e.metrics.total_return_frac for e in episodes if e.agent == agent]
        style = {"color": "0.5"} if specs[agent].baseline else {}
        axis.scatter(own, [row] * len(own), s=16, alpha=0.7, **style)
        axis.scatter([float(np.mean(own))], [row], marker="|", s=200, color="black")
    axis.axvline(0.0, color="0.8", linewidth=0.8, zorder=0)
    axis.set_yticks(range(len(agents)), [specs[agent].name for agent in agents])
    axis.invert_yaxis()
    axis.set_title("Return of every episode, and the mean")
    axis.set_xlabel(f"return, {word}")


def _style(spec: AgentSpec) -> dict[str, Any]:
    style = {"linewidth": 0.8, "linestyle": "--"} if spec.baseline else {"linewidth": 1.5}
    return {"label": spec.name, **style}


def _dates(times: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return times.astype("datetime64[ns]")


def _thin(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the places to draw: of every stretch the lowest and the highest value."""
    if len(values) <= _MOST_POINTS:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), _MOST_POINTS // 2, dtype=np.intp)
    places = {0, len(values) - 1}
    for low, high in pairwise(edges):
        places.add(int(low + values[low:high].argmin()))
        places.add(int(low + values[low:high].argmax()))
    return np.array(sorted(places), dtype=np.intp)
