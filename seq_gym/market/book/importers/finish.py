"""From a feed's rows to BookEvents: prices in ticks, sizes in lots, the clock shifted, a report.

Source: spec book.md (Events, B1).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.market.book.decimals import step_of
from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.book.importers.feeds import Facts, Feed, Feeds, Rows
from seq_gym.market.book.importers.grids import (
    IntArray,
    Refuse,
    counts,
    refusal,
    scaled,
    smallest_step,
)
from seq_gym.market.book.importers.report import Recording, RecordingReport
from seq_gym.market.book.integrity import MAX_TICK
from seq_gym.market.instruments import Instrument

__all__ = ["Finish", "Made"]

BoolArray: TypeAlias = npt.NDArray[np.bool_]

_MOST_BEYOND_FRAC: Final = 0.05
"""Share of rows that may be priced beyond the highest tick: above it the tick is at fault."""


class Made(NamedTuple):
    """Rows of one instrument before the recorder's clock is judged."""

    feed: Feed
    rows: Rows
    least: tuple[int, int] | None


class Finish:
    """Counts prices in ticks and sizes in lots, and reports; the same for all feeds of a call."""

    def __init__(
        self,
        feeds: Feeds,
        family: str,
        venue: str | None,
        steps: tuple[str | None, str | None],
        shift: int,
        offset: int | None,
    ) -> None:
        self._feeds, self._family, self._venue = feeds, family, venue
        self._steps, self._shift, self._offset = steps, shift, offset

    def of(self, made: Made) -> Recording:
        """Make one instrument's events and report.

        Raises:
            MarketDataError: A value is no number, off its grid, or a row breaks a rule.
        """
        feed, rows = made.feed, made.rows
        refuse = refusal(lambda row: self._feeds.places.told(int(rows.place[row])))
        facts = self._feeds.facts.get((feed.venue, feed.symbol), Facts())
        price, size = scaled(rows.price, "price", refuse), scaled(rows.qty, "size", refuse)
        tick, tick_from = _step(self._steps[0], facts.tick, smallest_step(price))
        lot, lot_from = _step(self._steps[1], facts.lot, smallest_step(size))
        ticks = counts(price, tick, "price", refuse)
        lots = counts(size, lot, "size", refuse)
        kept = self._within_reach(made, ticks, refuse)
        nothing = (rows.kind == BookKind.TRADE) & (lots == 0)
        if nothing.any():
            raise refuse(int(nothing.argmax()), "size of a trade must be above 0; was 0")
        local = np.where(rows.local >= 0, rows.local + self._shift, -1)
        # A row of the venue's clock alone stands behind the rows before it.
        order = np.argsort(_filled(local), kind="stable")
        order = order[kept[order]]
        events = BookEvents(
            instrument=self._instrument(feed, tick, lot, facts),
            exch_ts=rows.exch[order],
            local_ts=local[order],
            seq=rows.seq[order],
            kind=rows.kind[order].astype(np.int8),
            side=rows.side[order].astype(np.int8),
            tick=ticks[order].astype(np.int32),
            lots=lots[order],
        )
        steps = {"tick": tick, "tick_from": tick_from, "lot": lot, "lot_from": lot_from}
        return Recording(events, self._report(made, events, facts, steps))

    def _within_reach(self, made: Made, ticks: IntArray, refuse: Refuse) -> BoolArray:
        """Leave out levels so far away that their tick fits no int32: nobody will trade there."""
        rows = made.rows
        priced = (rows.kind <= BookKind.SNAPSHOT) | (rows.kind == BookKind.TRADE)
        wrong = priced & (ticks < 1)
        beyond = priced & (ticks > MAX_TICK)
        if beyond.sum() > _MOST_BEYOND_FRAC * len(ticks):
            wrong |= beyond
        wrong |= beyond & (rows.kind == BookKind.TRADE)
        if wrong.any():
            row = int(wrong.argmax())
            what = (
                f"price must be 1 to {MAX_TICK:,} ticks; was {ticks[row]:,}. State a coarser tick"
            )
            raise refuse(row, what)
        made.feed.counts["levels beyond the highest tick, left out"] += int(beyond.sum())
        kept: BoolArray = np.logical_not(beyond)
        return kept

    def _instrument(self, feed: Feed, tick: str, lot: str, facts: Facts) -> Instrument:
        venue = self._venue or feed.venue
        named = Instrument.of(feed.symbol, venue=venue)
        return Instrument(
            symbol=feed.symbol,
            base=named.base,
            quote=named.quote,
            venue=venue,
            tick=float(tick),
            lot=float(lot),
            contract_size=float(facts.contract_size or 1.0),
            inverse=facts.inverse,
        )

    def _report(
        self, made: Made, events: BookEvents, facts: Facts, steps: dict[str, Any]
    ) -> RecordingReport:
        feed, kinds = made.feed, np.bincount(events.kind, minlength=len(BookKind))
        named = {
            "snapshots": "snapshots",
            "gaps": "gaps",
            "duplicates": "duplicates",
            "checksums verified": "checksums_verified",
            "checksums broken": "checksums_failed",
        }
        counted: dict[str, Any] = {ours: feed.counts[theirs] for theirs, ours in named.items()}
        used = {int(index) for index in np.unique(made.rows.place >> 40)}
        names = self._feeds.places.names
        return RecordingReport(
            sources=tuple(name for index, name in enumerate(names) if index in used),
            symbol=events.symbol,
            venue=events.venue,
            format=self._family,
            **steps,
            rows=events.num_events,
            trades=int(kinds[BookKind.TRADE]),
            depth_rows=int(kinds[BookKind.DEPTH]),
            snapshot_rows=int(kinds[BookKind.SNAPSHOT]),
            **counted,
            gap_lines=tuple(feed.shown),
            least_latency_ns=None if made.least is None else made.least[0],
            clock_offset_ns=self._offset,
            shift_applied_ns=self._shift,
            first_ns=events.start_ns,
            last_ns=events.end_ns,
            notes={name: n for name, n in feed.counts.items() if n and name not in named},
            ignored=dict(self._feeds.ignored),
            facts=facts.note,
        )


def _step(stated: str | None, told: str, seen: str) -> tuple[str, str]:
    for step, source in ((stated, "stated"), (told, "told by the recording")):
        if step:
            step_of(step)
            return format(Decimal(step).normalize(), "f"), source
    return seen, "smallest step seen"


def _filled(local: Any) -> Any:
    """Give rows without a local time that of the last row before them that has one."""
    return np.where(local < 0, np.maximum.accumulate(local), local)
