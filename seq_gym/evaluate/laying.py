"""Lay the ground of a run: load its data, and choose its windows once its agents are known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.evaluate import baselines, book_baselines
from seq_gym.evaluate.agents import AgentSpec, load_agent, refuse_other_env
from seq_gym.evaluate.book_windows import choose_book_windows
from seq_gym.evaluate.books import BookGround
from seq_gym.evaluate.candles import CandleGround, make_env
from seq_gym.evaluate.ground import Roster
from seq_gym.evaluate.market import choose_windows, first_cursor, load_market
from seq_gym.evaluate.rollout import bind
from seq_gym.evaluate.settings import EvaluateBookConfig, EvaluateConfig
from seq_gym.market import CandleSeries, load_candles
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.market.book.load import load_book
from seq_gym.runs.book_decisions import decision_times
from seq_gym.runs.book_market import load_book_rates, load_books
from seq_gym.runs.environment import book_env_id, env_id, known_book_settings, known_env_settings
from seq_gym.runs.market import source_of

__all__ = ["lay_books", "lay_candles", "roster_of"]


def roster_of(config: EvaluateConfig | EvaluateBookConfig) -> Roster:
    """Return the agents that come with what a run trades."""
    if isinstance(config, EvaluateBookConfig):
        return book_baselines.roster(book_env_id(config.env))
    return baselines.ROSTER


# ---------------------------------------------------------------------------- candles


def lay_candles(config: EvaluateConfig, data: Any, specs: Sequence[AgentSpec]) -> CandleGround:
    """Lay the ground of a run on candles.

    Args:
        config: The run.
        data: A CandleSeries in place of what the config names, or None.
        specs: The agents.

    Raises:
        ConfigError: The config does not say what it must.
        MarketDataError: The data breaks a rule.
    """
    series = _series(config, data)
    env = env_id(config.env, series.num_symbols)
    first = first_cursor(config, series.num_candles, _needed(config, series, specs))
    source = source_of(config.data, config.seed) if data is None else "a CandleSeries from Python"
    return CandleGround(
        config=config,
        series=series,
        env=env,
        windows=tuple(choose_windows(config, first, series.num_candles)),
        source=source,
    )


def _series(config: EvaluateConfig, data: Any) -> CandleSeries:
    if data is None:
        return load_market(config)
    if not isinstance(data, CandleSeries):
        raise ConfigError(
            f"data must be a CandleSeries; was {type(data).__name__}. "
            "Likely fix: seq_gym.market.load_candles(...), or an EvaluateBookConfig for books."
        )
    return load_candles(
        data,
        symbols=list(config.symbols) or None,
        interval=config.interval,
        start=config.start,
        end=config.end,
        tz=config.tz,
        funding=config.funding_files,
        mark=config.mark_files,
    )


def _needed(config: EvaluateConfig, series: CandleSeries, specs: Sequence[AgentSpec]) -> int:
    """Return the candles that observations need; refuse settings that the run cannot have."""
    if all(spec.kind == "strategy" for spec in specs):
        _refuse_settings(config.env_settings)
        return 0
    _check_settings(config.env_settings, known_env_settings())
    env = make_env(config, series)
    try:
        _bind_all(specs, env, config)
        return int(env.unwrapped.settings.first_start)
    finally:
        env.close()


# ---------------------------------------------------------------------------- books


def lay_books(
    config: EvaluateBookConfig, data: Any, specs: Sequence[AgentSpec]
) -> tuple[BookGround, list[AgentSpec]]:
    """Lay the ground of a run on books.

    Args:
        config: The run.
        data: A BookData or BookEvents in place of what the config names, or None.
        specs: The agents.

    Returns:
        The ground, and the agents that can act on it: an environment trades one book, so that the
        baselines that act in one are left out where there are several.

    Raises:
        ConfigError: The config does not say what it must.
        MarketDataError: The data breaks a rule.
    """
    books = load_books(config, config.seed) if data is None else _books(config, data)
    env = book_env_id(config.env)
    kept = list(specs)
    if len(books.books) > 1:
        _refuse_several(specs, books, env)
        kept = [spec for spec in specs if spec.kind == "strategy"]
    source = "books from Python"
    if data is None:
        source = source_of(config.data, config.seed, "book")
    times = decision_times(
        books,
        config.sandbox,
        every=config.decide_every,
        every_events=config.decide_every_events,
    )
    ground = BookGround(
        config=config,
        books=books,
        rates=load_book_rates(config, books),
        env=env,
        times=times,
        windows=(),
        source=source,
    )
    windows = choose_book_windows(config, times, _needed_ns(ground, kept))
    return ground.with_windows(windows), kept


def _books(config: EvaluateBookConfig, data: Any) -> BookData:
    if not isinstance(data, BookData | BookEvents):
        raise ConfigError(
            f"data must be a BookData or BookEvents; was {type(data).__name__}. "
            "Likely fix: seq_gym.market.book.load.load_book(...), or an EvaluateConfig for candles."
        )
    return load_book(
        data,
        symbols=list(config.symbols) or None,
        venues=list(config.venues) or None,
        start=config.start,
        end=config.end,
        tick=config.tick,
        lot=config.lot,
        fix_clock=config.fix_clock,
        shift_ns=config.shift_ns,
    )


def _refuse_several(specs: Sequence[AgentSpec], books: BookData, env: str) -> None:
    for spec in specs:
        if spec.kind == "policy" and not spec.baseline:
            names = ", ".join(f"{book.symbol} at {book.venue}" for book in books.books)
            raise ConfigError(
                f"Agent {spec.name!r} is a policy and acts in {env}, which trades one book; the "
                f"data has {names}. Likely fix: --symbols and --venues that leave one."
            )


def _needed_ns(ground: BookGround, specs: Sequence[AgentSpec]) -> int:
    """Return the first instant at which an observation is full; 0 without policies."""
    config = ground.config
    if all(spec.kind == "strategy" for spec in specs):
        _refuse_settings(config.env_settings)
        return 0
    _check_settings(config.env_settings, known_book_settings())
    env = ground.make_env()
    try:
        _bind_all(specs, env, config)
        return int(env.unwrapped.times[env.unwrapped.first_start])
    finally:
        env.close()


# ---------------------------------------------------------------------------- both


def _refuse_settings(given: dict[str, Any]) -> None:
    if given:
        raise ConfigError(
            f"env_settings are for policies, and the run has none; was {given}. "
            "Likely fix: leave them out, or name a policy."
        )


def _check_settings(given: dict[str, Any], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise UnknownName("setting of the environment", name, known)


def _bind_all(
    specs: Sequence[AgentSpec], env: Any, config: EvaluateConfig | EvaluateBookConfig
) -> None:
    for spec in specs:
        if spec.kind == "policy":
            agent = load_agent(spec, config.seed, roster_of(config)).agent
            refuse_other_env(agent, spec.name, env.spec.id)
            bind(agent, env, allow_mismatch=config.allow_mismatch)
