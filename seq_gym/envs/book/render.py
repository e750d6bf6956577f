"""Rendering of an episode over a book: a line of text, or a picture of mid, fills and equity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.envs.render import new_figure
from seq_gym.times import NS_PER_S

if TYPE_CHECKING:
    from seq_gym.sandbox.book.reader import BookReader

__all__ = ["render_book_frame", "render_book_text"]

_SHOWN: Final = 600
"""Decisions in the picture, the latest ones."""


def render_book_text(session: BookReader) -> str:
    """Return time, equity, position and fills in one line."""
    held = sum(each.quantity for each in session.positions())
    return (
        f"{session.virtual_time} equity {session.equity[-1]:.2f} position {held:g} "
        f"fills {len(session.fills())}"
    )


def _draw_mid(axes: Any, session: BookReader, times: NDArray[np.int64]) -> None:
    """Draw the mid that the agent saw, and its fills when it learnt of them."""
    axes.plot((times - times[0]) / NS_PER_S, session.view.mids(0, times), lw=1.0, c="tab:gray")
    for side, marker, colour in (("buy", "^", "tab:green"), ("sell", "v", "tab:red")):
        own = [f for f in session.fills() if f.side == side and f.local_ns >= times[0]]
        if own:
            at = [(f.local_ns - times[0]) / NS_PER_S for f in own]
            axes.scatter(at, [f.price for f in own], marker=marker, c=colour, s=28, zorder=3)
    axes.set_ylabel("mid, fills")


def render_book_frame(session: BookReader) -> NDArray[np.uint8]:
    """Return the last decisions as a picture, uint8 [500, 800, 3].

    Raises:
        MissingExtra: matplotlib is not installed (extra "plot").
    """
    figure = new_figure()
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    times = session.equity_times[-_SHOWN:]
    _draw_mid(top, session, times)
    bottom.plot((times - times[0]) / NS_PER_S, session.equity[-_SHOWN:], c="tab:blue", lw=1.0)
    bottom.set_ylabel("equity")
    bottom.set_xlabel("seconds")
    top.set_title(session.virtual_time, fontsize=9, loc="right")
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
