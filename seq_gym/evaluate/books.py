"""Recorded order books as the ground of an evaluation.

Equity is kept at every decision, and measured at each where they are a second or more apart, else
at every k-th, k decisions being the fewest that take a second: finer steps say more of the bounce
between bid and ask than of the agent. Every annual figure is scaled by that step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym._random import draw_below
from seq_gym.config import config_to_dict
from seq_gym.envs.book.kernel import ENGINE_STREAM
from seq_gym.evaluate.book_baselines import roster
from seq_gym.evaluate.book_costs import BOOK_FILL_FIELDS, fill_figures, mids_at
from seq_gym.evaluate.episode import Episode, FillFields
from seq_gym.evaluate.figures import BOOK_FIGURES, EXECUTION_FIGURES, book_columns
from seq_gym.evaluate.ground import Column, Compared, Roster
from seq_gym.evaluate.pacing import PacedSession
from seq_gym.evaluate.settings import EvaluateBookConfig
from seq_gym.evaluate.staleness import WindowStaleness, staleness_notes, window_staleness
from seq_gym.evaluate.terms import book_terms, describe_funding
from seq_gym.evaluate.wording import describe_book_physics
from seq_gym.market import FundingRates, Window
from seq_gym.market.book.events import BookData
from seq_gym.metrics import episode_metrics
from seq_gym.runs.book_market import describe_books
from seq_gym.runs.environment import sandbox_arguments
from seq_gym.sandbox.book.session import BookSession
from seq_gym.times import NS_PER_S, format_time

__all__ = ["BookGround"]

_SECONDS: Final = 1.0
"""Shortest step of the grid on which equity is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookGround:
    """Windows of recorded books under one physics; see Ground.

    Attributes:
        config: The run.
        books: Its data.
        rates: Funding rates by "SYMBOL@venue".
        env: Id of the environment of its policies.
        times: int64 [T], when agents may decide, UNIX nanoseconds of the agent's clock.
        windows: Its windows, places of `times`, all of one length.
        source: Where the data came from, in words.
    """

    config: EvaluateBookConfig
    books: BookData
    rates: Mapping[str, FundingRates]
    env: str
    times: NDArray[np.int64]
    windows: tuple[Window, ...]
    source: str

    def with_windows(self, windows: Sequence[Window]) -> BookGround:
        """Return the same with its windows."""
        return replace(self, windows=tuple(windows))

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.config.seed

    @property
    def allow_mismatch(self) -> bool:
        """Whether trained agents may be in an environment that they do not know."""
        return self.config.allow_mismatch

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is traded, with its venue where several trade it."""
        names = self.books.symbols
        return tuple(
            book.symbol if names.count(book.symbol) == 1 else f"{book.symbol}@{book.venue}"
            for book in self.books.books
        )

    @property
    def roster(self) -> Roster:
        """The agents that come with books."""
        return roster(self.env)

    @property
    def fill_fields(self) -> FillFields:
        """What is kept of a fill."""
        return BOOK_FILL_FIELDS

    @property
    def terms(self) -> list[dict[str, Any]]:
        """Fees and latencies of every book as they are charged and drawn."""
        return book_terms(self.config.sandbox, self.books)

    @property
    def is_execution(self) -> bool:
        """Whether policies have a parent order to do."""
        return self.env.endswith("/Execution-v0")

    @property
    def figures(self) -> Mapping[str, Callable[[Episode], float | None]]:
        """Figures that are averaged over episodes."""
        return EXECUTION_FIGURES if self.is_execution else BOOK_FIGURES

    @property
    def compared(self) -> Compared:
        """Agents are compared by their returns; in Execution-v0 by the shortfall that they save."""
        if self.is_execution:
            title = "the shortfall saved"
            return Compared(name="saved_bps", title=title, unit="bps", scale=1.0)
        return Compared(unit="bps", scale=10_000.0)

    @property
    def columns(self) -> Sequence[Column]:
        """Figures that only the table of books shows."""
        return book_columns(is_execution=self.is_execution)

    @property
    def return_unit(self) -> tuple[str, float]:
        """Minutes of a book move an account by basis points."""
        return "bps", 10_000.0

    @property
    def decision_s(self) -> float:
        """Seconds between two decisions; of decisions by events their median."""
        return float(np.median(np.diff(self.times))) / NS_PER_S

    @property
    def stride(self) -> int:
        """Decisions between two points at which equity is measured."""
        return max(math.ceil(_SECONDS / self.decision_s - 1e-9), 1)

    def span(self, window: Window) -> tuple[int, int]:
        """Return start and end of a window, UNIX nanoseconds."""
        return int(self.times[window.start]), int(self.times[window.end])

    def make_env(self) -> Any:
        """Make the environment; its episodes are as long as the windows, once they are known."""
        # Imported here: a run of strategies alone needs no environment.
        import gymnasium

        config = self.config
        arguments: dict[str, Any] = {
            "data": self.books,
            "funding": self.rates,
            **config.decision_arguments,
            **config.env_settings,
            **sandbox_arguments(config.sandbox),
        }
        if self.windows:
            arguments["episode_steps"] = self.windows[0].num_steps
        return gymnasium.make(self.env, **arguments)

    def env_start(self, env: Any, index: int) -> int:
        """Return the cursor of a window: an environment begins where its features are full."""
        start, _ = self.span(self.windows[index])
        return int(np.searchsorted(env.unwrapped.times, start))

    def run_strategy(self, strategy: Any, index: int) -> BookSession:
        """Run a strategy over a window, with the latencies that a policy would have."""
        window = self.windows[index]
        start, end = self.span(window)
        session = PacedSession.create(
            data=self.books,
            start_time=start,
            end_time=end,
            seed=_engine_seed(self.seed + index),
            funding=self.rates,
            **sandbox_arguments(self.config.sandbox),
        )
        assert isinstance(session, PacedSession)
        session.pace(self.times[window.start : window.end + 1], self.decision_s)
        session.run(strategy)
        return session

    def record(self, session: BookSession, env: Any, agent: int, index: int) -> Episode:
        """Return what is kept of a session."""
        fills = session.fills()
        step = self.stride
        times, equity = session.equity_times, session.equity
        kept = np.unique(np.append(np.arange(0, len(times), step), len(times) - 1))
        results = session.results()
        metrics = episode_metrics(
            equity[kept],
            step_s=step * self.decision_s,
            closing_pnls=[fill.realized_pnl for fill in fills if fill.realized_pnl is not None],
            num_fills=len(fills),
            start_ns=int(times[0]),
        )
        return Episode(
            agent=agent,
            index=index,
            start_ns=int(times[0]),
            end_ns=int(times[-1]),
            ending=results.ending,
            metrics=metrics,
            costs=asdict(results.costs),
            equity=equity[kept],
            times=times[kept],
            fills=[BOOK_FILL_FIELDS.row(fill) for fill in fills],
            extras={**fill_figures(session), **self._parent(env)},
        )

    def _parent(self, env: Any) -> dict[str, float | None]:
        """Return what the parent order of an episode of Execution-v0 cost; strategies have none."""
        if not self.is_execution:
            return {}
        if env is None:
            return {"parent_shortfall_bps": None, "parent_filled_frac": None}
        finals = env.finals
        done, left = finals["filled_quantity"], finals["unfilled_quantity"]
        return {
            "parent_shortfall_bps": finals["shortfall_bps"],
            "parent_filled_frac": done / (done + left),
        }

    def price_line(
        self, symbol: str, episode: Episode
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the mids of a symbol that an agent saw at the points of an episode."""
        names = {book.symbol: book for book in self.books.books}
        book = names[symbol.partition("@")[0]]
        mids = mids_at(book, episode.times)
        there = np.flatnonzero(~np.isnan(mids))
        return episode.times[there], mids[there]

    def facts(self) -> list[tuple[str, str]]:
        """Return what all agents share, as pairs of a word and a sentence."""
        config, books, windows = self.config, self.books, self.windows
        names = ", ".join(f"{each.symbol} at {each.venue}" for each in books.books)
        every = config.decide_every_events
        decided = config.decide_every if every is None else f"{every} events"
        rows = sum(each.num_events for each in books.books)
        side = config.env_settings.get("side", "buy") if self.is_execution else None
        return [
            ("data", self.source),
            (
                "market",
                f"{names}; {rows:,} rows of book and prints, {format_time(books.start_ns)} to "
                f"{format_time(books.end_ns)}{describe_funding(config.sandbox, self.rates)}",
            ),
            (
                "windows",
                f"{len(windows)} {config.window} of {windows[0].num_steps} decisions, "
                f"{format_time(self.span(windows[0])[0])} to "
                f"{format_time(self.span(windows[-1])[1])}; a decision every {decided}; equity "
                f"measured every {self.stride * self.decision_s:g} s; seed {config.seed}",
            ),
            ("sandbox", describe_book_physics(config.sandbox, self.terms, parent_side=side)),
            (
                "policies",
                f"act in {self.env}; strategies act on a BookSession under the same sandbox",
            ),
        ]

    def notes(self) -> list[str]:
        """Return a sentence where windows have a book that was unknown for a while (B10)."""
        return staleness_notes(self._stale(), self.config.sandbox)

    def _stale(self) -> list[WindowStaleness]:
        spans = [self.span(each) for each in self.windows]
        return window_staleness(self.books, self.config.sandbox, spans)

    def document(self) -> dict[str, Any]:
        """Return data, physics and windows as plain values."""
        described = describe_books(self.books, self.source)
        return {
            "data": {name: described[name] for name in ("symbols", "venues", "fingerprint")},
            "decide_every": self.config.decide_every,
            "decide_every_events": self.config.decide_every_events,
            "step_s": self.stride * self.decision_s,
            "sandbox": config_to_dict(self.config.sandbox),
            "terms": self.terms,
            "windows": [
                {
                    "episode": number,
                    "start": format_time(self.span(window)[0]),
                    "end": format_time(self.span(window)[1]),
                    "decisions": window.num_steps,
                    **stale.as_row(),
                }
                for number, (window, stale) in enumerate(
                    zip(self.windows, self._stale(), strict=True)
                )
            ],
        }

    def data_record(self) -> dict[str, Any]:
        """Return what a manifest says of the data."""
        return {**describe_books(self.books, self.source, self.rates), "terms": self.terms}


def _engine_seed(seed: int) -> int:
    """Return the seed that the first episode of an environment gives its engine (Z3)."""
    return int(draw_below(seed, ENGINE_STREAM, 0, 1 << 53))
