"""No look-ahead: change every value after t, and nothing that is shown up to t may change (C2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from seq_gym.checks.altered import altered_after, jumped_after
from seq_gym.checks.doors import Moment, differences, observation_names, session_of, show
from seq_gym.checks.fills import misplaced_fills, profit_of_a_jump
from seq_gym.checks.leaks import Leak, LookAheadError, LookAheadReport
from seq_gym.checks.makers import Env, MakeEnv, execution_of, maker_of, session_cursor
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries
from seq_gym.sandbox.session import Session
from seq_gym.types import Execution

__all__ = ["check_no_lookahead"]

_SCALES = (3.0, 1.0 / 3.0)
"""The market after a cut goes up, and down: a maximum and a minimum of the future both show."""
_JUMPS = (1.25, 0.8)
_AFTER = 3
"""Steps after a cut that must show that the change arrived at all."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How an episode is replayed."""

    make: MakeEnv
    seed: int
    options: dict[str, Any] | None
    cursor_of: Callable[[Env], int]
    execution: Execution

    def reset(self, env: Env) -> tuple[Any, dict[str, Any]]:
        return env.reset(seed=self.seed, options=self.options)


def check_no_lookahead(
    env: Env | MakeEnv,
    *,
    series: CandleSeries | None = None,
    steps: int = 64,
    seed: int = 0,
    cuts: int | Sequence[int] = 3,
    actions: Iterable[Any] | None = None,
    options: dict[str, Any] | None = None,
    cursor_of: Callable[[Env], int] | None = None,
    execution: Execution | None = None,
) -> LookAheadReport:
    """Check that nothing is shown before it can be known.

    One episode is played on the market as it is. For some cursors t it is then replayed, with the
    same actions, on markets in which every value after t is another one, and everything that was
    shown up to t is compared, bit for bit: observation, reward, flags, info, action masks, text
    rendering, and the prices, tickers, candles, account, orders and fills of the session. Fills
    are also held against the candles: none may be at a price from before its order.

    What cannot be seen: a column that was computed from the market beforehand (an array, a column
    of a file) and is handed in ready-made. Give a function that makes it.

    Args:
        env: An environment made by `gymnasium.make`, which is not touched: it is made again by
            its spec, with other data. Or a function from a CandleSeries to an environment: needed
            for wrappers that a spec does not record, for array features, and for environments that
            are not ours.
        series: The market, where `env` is a function.
        steps: Steps to play, at most one episode.
        seed: Of the reset and of the actions.
        cuts: How many cursors t, evenly over what is played, or the cursors themselves.
        actions: Actions to play; None = drawn from the action space.
        options: Of `reset`.
        cursor_of: Says how many candles an environment knows; None = its session's cursor.
        execution: "next_open": what is ordered at t fills after t, so that a fill at a price that
            was known is a leak; "close": it may fill at the known close. None = what the
            environment is configured to, else "next_open".

    Raises:
        LookAheadError: Something looks ahead; it names what and when.
        ConfigError: The environment cannot be made again, or does not read the market given.

    Source: C2, C3; issue "No look-ahead".
    """
    make, series = maker_of(env, series)
    plan = _Plan(
        make, seed, options, cursor_of or session_cursor, execution or execution_of(make(series))
    )
    played, moments, names, leaks = _play(plan, series, steps, actions)
    first, last = moments[0].cursor, moments[-1].cursor
    where = _cuts(cuts, first, last)
    moved: set[str] = set()
    for cut in where:
        for scale in _SCALES:
            market = altered_after(series, cut, scale=scale, seed=cut)
            leaks += _compare(plan, market, moments, played, cut, names, moved)
    leaks += _jump(plan, series, first)
    if leaks:
        raise LookAheadError(_first_of_each(leaks))
    _refuse_deaf(moved, where, last)
    shown = moments[-1].values
    return LookAheadReport(
        num_steps=len(moments) - 1,
        cuts=tuple(where),
        doors=tuple(shown),
        num_fills=len(shown.get("session.fills", ())),
        unmoved=tuple(name for name in dict.fromkeys(names) if name not in moved),
    )


def _cuts(cuts: int | Sequence[int], first: int, last: int) -> list[int]:
    if not isinstance(cuts, int):
        wrong = [cut for cut in cuts if not first <= cut < last]
        if wrong:
            raise ConfigError(f"cuts must lie in {first} to {last - 1}, as played; was {wrong[0]}.")
        return list(cuts)
    # The first observation is worth a cut of its own: nothing but the look-back is known then.
    return sorted({int(cut) for cut in np.linspace(first, max(last - 1, first), max(cuts, 1))})


# ---------------------------------------------------------------------- playing


def _play(
    plan: _Plan, series: CandleSeries, steps: int, actions: Iterable[Any] | None
) -> tuple[list[Any], list[Moment], tuple[str, ...], list[Leak]]:
    """Play an episode on the market as it is."""
    env = plan.make(series)
    env.action_space.seed(plan.seed)
    drawn = _drawn(env) if actions is None else iter(actions)
    played: list[Any] = []

    def noted() -> Iterable[Any]:
        for action in islice(drawn, steps):
            played.append(action)
            yield action

    moments = list(_moments(plan, env, noted()))
    session = session_of(env)
    leaks = _misplaced(plan, session, moments[-1].cursor)
    names = observation_names(env)
    env.close()
    if len(moments) < 2:
        raise ConfigError("steps must be at least 1, and actions not empty.")
    return played, moments, names, leaks


def _drawn(env: Env) -> Iterator[Any]:
    while True:
        yield env.action_space.sample()


def _moments(plan: _Plan, env: Env, actions: Iterable[Any]) -> Iterable[Moment]:
    """Yield what is shown after the reset and after every step of one episode."""
    observation, info = plan.reset(env)
    outputs = {"observation": observation, "info": info}
    yield Moment(0, plan.cursor_of(env), show(env, outputs))
    for step, action in enumerate(actions, 1):
        observation, reward, terminated, truncated, info = env.step(action)
        outputs = {
            "observation": observation,
            "reward": reward,
            "terminated": terminated,
            "truncated": truncated,
            "info": info,
        }
        yield Moment(step, plan.cursor_of(env), show(env, outputs))
        if terminated or truncated:
            return


def _compare(
    plan: _Plan,
    market: CandleSeries,
    moments: list[Moment],
    played: list[Any],
    cut: int,
    names: tuple[str, ...],
    moved: set[str],
) -> list[Leak]:
    """Replay on a changed market, and return what differs at or before the cut."""
    env = plan.make(market)
    leaks: dict[str, Leak] = {}
    beyond = 0
    for was, now in zip(moments, _moments(plan, env, played), strict=False):
        if now.cursor != was.cursor:  # the episode ended inside of a step, in one of the two
            if min(now.cursor, was.cursor) <= cut:
                what = "the end of the episode"
                leaks.setdefault(what, _leak(market, was, cut, what, was.cursor, now.cursor))
            moved.add("the end of the episode")
            break
        found = list(differences(was.values, now.values, names))
        if was.cursor > cut:
            moved.update(name for name, _, _ in found)
            beyond += 1
        else:
            for name, a, b in found:
                leaks.setdefault(name, _leak(market, was, cut, name, a, b))
        if beyond >= _AFTER:
            break
    misplaced = _misplaced(plan, session_of(env), cut)
    env.close()
    return [*leaks.values(), *misplaced]


def _leak(market: CandleSeries, moment: Moment, cut: int, what: str, was: Any, became: Any) -> Leak:
    return Leak(
        what=what,
        step=moment.step,
        cursor=moment.cursor,
        time_ns=market.time_of(moment.cursor),
        cut=cut,
        was=was,
        became=became,
    )


def _misplaced(plan: _Plan, session: Session | None, cut: int) -> list[Leak]:
    if session is None or plan.execution != "next_open":
        return []
    return list(misplaced_fills(session, cut))


def _jump(plan: _Plan, series: CandleSeries, start: int) -> list[Leak]:
    """Return the profits from jumps at the start, where fills come at the next open."""
    if plan.execution != "next_open":
        return []
    markets = tuple(jumped_after(series, start, scale=scale) for scale in _JUMPS)
    return list(profit_of_a_jump(plan.make, markets, plan.reset, plan.cursor_of, plan.seed))


def _first_of_each(leaks: list[Leak]) -> list[Leak]:
    """Return the first leak of everything that leaks, in the order of time."""
    found: dict[str, Leak] = {}
    for leak in sorted(leaks, key=lambda leak: (leak.cursor, leak.cut)):
        found.setdefault(leak.what, leak)
    return list(found.values())


def _refuse_deaf(moved: set[str], cuts: list[int], last: int) -> None:
    """Refuse to vouch for an environment that does not hear of the market at all."""
    if not moved:
        raise ConfigError(
            f"The environment must read the market that it is made on; nothing that it showed up "
            f"to cursor {last} changed with the values after {', '.join(map(str, cuts))}."
        )
