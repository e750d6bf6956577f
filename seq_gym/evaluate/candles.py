"""Candles as the ground of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.config import config_to_dict
from seq_gym.evaluate.baselines import ROSTER
from seq_gym.evaluate.episode import Episode, FillFields
from seq_gym.evaluate.figures import FIGURES, candle_columns
from seq_gym.evaluate.ground import Column, Compared, Roster
from seq_gym.evaluate.settings import EvaluateConfig
from seq_gym.evaluate.wording import describe_sandbox
from seq_gym.market import CandleSeries, Window
from seq_gym.metrics import episode_metrics
from seq_gym.policy import Strategy
from seq_gym.runs.environment import env_id, sandbox_arguments
from seq_gym.runs.manifest import describe_candles
from seq_gym.sandbox.session import Session
from seq_gym.times import NS_PER_S, format_time

__all__ = ["FILL_FIELDS", "CandleGround", "make_env"]

FILL_FIELDS: Final = (
    "order_id",
    "symbol",
    "side",
    "type",
    "quantity",
    "price",
    "base_price",
    "notional",
    "fee",
    "liquidity",
    "slippage",
    "realized_pnl",
    "filled_ns",
    "reason",
)

_FILLS: Final = FillFields(
    names=FILL_FIELDS,
    numbers=frozenset(
        ("quantity", "price", "base_price", "notional", "fee", "slippage", "realized_pnl")
    ),
    times={"filled_ns": "time"},
)


def make_env(config: EvaluateConfig, series: CandleSeries, length: int | None = None) -> Any:
    """Make the environment of a run under its sandbox.

    Args:
        config: The run.
        series: Its data.
        length: Candles of a window; None leaves them to the environment.

    Raises:
        ConfigError: The environment refuses a setting.
    """
    # Imported here: a run of strategies alone needs no environment.
    import gymnasium

    arguments: dict[str, Any] = {
        "data": series,
        "candles_per_step": config.candles_per_step,
        **config.env_settings,
        **sandbox_arguments(config.sandbox),
    }
    if length is not None:
        arguments["episode_steps"] = length // config.candles_per_step
    return gymnasium.make(env_id(config.env, series.num_symbols), **arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleGround:
    """Windows of one series of candles under one sandbox; see Ground.

    Attributes:
        config: The run.
        series: Its data.
        env: Id of the environment of its policies.
        windows: Its windows, all of one length.
        source: Where the data came from, in words.
    """

    config: EvaluateConfig
    series: CandleSeries
    env: str
    windows: tuple[Window, ...]
    source: str

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
        """What is traded."""
        return self.series.symbols

    @property
    def roster(self) -> Roster:
        """The agents that come with candles."""
        return ROSTER

    @property
    def fill_fields(self) -> FillFields:
        """What is kept of a fill."""
        return _FILLS

    @property
    def figures(self) -> Mapping[str, Callable[[Episode], float | None]]:
        """Figures that are averaged over episodes."""
        return FIGURES

    @property
    def compared(self) -> Compared:
        """Agents are compared by their returns."""
        return Compared()

    @property
    def columns(self) -> Sequence[Column]:
        """Figures that only the table of candles shows."""
        return candle_columns()

    @property
    def return_unit(self) -> tuple[str, float]:
        """Returns are shown in percent."""
        return "%", 100.0

    def span(self, window: Window) -> tuple[int, int]:
        """Return start and end of a window, UNIX nanoseconds."""
        return self.series.time_of(window.start), self.series.time_of(window.end)

    def make_env(self) -> Any:
        """Make the environment, its episodes as long as the windows."""
        return make_env(self.config, self.series, self.windows[0].num_steps)

    def env_start(self, env: Any, index: int) -> int:
        """Return the cursor of a window: the environment has the same ones."""
        del env
        return self.windows[index].start

    def run_strategy(self, strategy: Any, index: int) -> Session:
        """Run a strategy over a window."""
        window = self.windows[index]
        start, end = self.span(window)
        session = Session.create(
            data=self.series,
            start_time=start,
            end_time=end,
            snapshot_every=0,
            save=False,  # a run folder keeps it
            **sandbox_arguments(self.config.sandbox),
        )
        # One that answers nothing can be advanced in one piece: step_batch(n) is n times step.
        passive = _is_passive(strategy)
        steps = window.num_steps if passive else self.config.candles_per_step
        session.run(strategy, candles_per_step=steps)
        return session

    def record(self, session: Session, env: Any, agent: int, index: int) -> Episode:
        """Return what is kept of a session; its grid is that of the candles."""
        del env
        fills = session.fills()
        equity = np.array(session.equity, dtype=np.float64)
        start_ns, _ = self.span(self.windows[index])
        steps, interval_ns = len(equity) - 1, self.series.interval_ns
        results = session.results()
        metrics = episode_metrics(
            equity,
            step_s=interval_ns / NS_PER_S,
            closing_pnls=[fill.realized_pnl for fill in fills if fill.realized_pnl is not None],
            num_fills=len(fills),
            start_ns=start_ns,
        )
        return Episode(
            agent=agent,
            index=index,
            start_ns=start_ns,
            end_ns=start_ns + steps * interval_ns,
            ending=results.ending,
            metrics=metrics,
            costs=asdict(results.costs),
            equity=equity,
            times=start_ns + np.arange(steps + 1, dtype=np.int64) * interval_ns,
            fills=[_FILLS.row(fill) for fill in fills],
        )

    def price_line(
        self, symbol: str, episode: Episode
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the closes of a symbol in an episode, where there are any."""
        series = self.series
        first, last = series.row_at(episode.start_ns), series.row_at(episode.end_ns)
        closes = series.close[first:last, series.symbol_index(symbol)]
        there = np.flatnonzero(~np.isnan(closes))
        return episode.times[there + 1], closes[there]

    def facts(self) -> list[tuple[str, str]]:
        """Return what all agents share, as pairs of a word and a sentence."""
        config, series, windows = self.config, self.series, self.windows
        per_step = config.candles_per_step
        each = "candle" if per_step == 1 else f"{per_step} candles"
        # Only margin accounts pay it, so a spot run need not say that there is none.
        funding = "; no funding rates" if config.sandbox.account == "margin" else ""
        funding = funding if series.funding is None else "; with funding rates"
        funding += "" if series.mark is None else "; with mark prices"
        return [
            ("data", self.source),
            (
                "market",
                f"{', '.join(series.symbols)}; {series.interval} candles, "
                f"{format_time(series.start_ns)} to {format_time(series.end_ns)}{funding}",
            ),
            (
                "windows",
                f"{len(windows)} {config.window} of {windows[0].num_steps} candles, "
                f"{format_time(self.span(windows[0])[0])} to "
                f"{format_time(self.span(windows[-1])[1])}; a decision every {each}; "
                f"seed {config.seed}",
            ),
            ("sandbox", describe_sandbox(config.sandbox)),
            ("policies", f"act in {self.env}; strategies act on a session under the same sandbox"),
        ]

    def notes(self) -> list[str]:
        """Return nothing: candles have no state that may be unknown."""
        return []

    def document(self) -> dict[str, Any]:
        """Return data, physics and windows as plain values."""
        spans = [(self.span(window), window) for window in self.windows]
        return {
            "data": {
                "symbols": list(self.series.symbols),
                "interval": self.series.interval,
                "fingerprint": self.series.fingerprint,
            },
            "candles_per_step": self.config.candles_per_step,
            "sandbox": config_to_dict(self.config.sandbox),
            "windows": [
                {
                    "episode": number,
                    "start": format_time(start),
                    "end": format_time(end),
                    "candles": window.num_steps,
                }
                for number, ((start, end), window) in enumerate(spans)
            ],
        }

    def data_record(self) -> dict[str, Any]:
        """Return what a manifest says of the data."""
        return describe_candles(self.series, self.source)


def _is_passive(strategy: Any) -> bool:
    answers = ("on_candle", "on_fill", "on_reject")
    return isinstance(strategy, Strategy) and all(
        getattr(type(strategy), name) is getattr(Strategy, name) for name in answers
    )
