"""Row 4: a long `step_batch` costs what happens in it, not how long it is.

Eight limit orders rest far below the market for a year of synthetic minutes; none fills.
"""

from __future__ import annotations

from typing import Any

from benchmarks.market import WEEK, YEAR, synthetic
from benchmarks.measure import Contender, Row, Scale, each, in_turn, seconds_of
from seq_gym import SandboxParams, Session
from seq_gym.engine.batch import Batch
from seq_gym.engine.codes import LIMIT
from seq_gym.engine.forward import MIN_SKIP
from seq_gym.sandbox.params import instrument_table, params_table
from seq_gym.sandbox.tape import build_tape
from seq_gym.times import NS_PER_S

_MINUTE_NS = 60 * NS_PER_S
_PARTS = tuple(number / 100 for number in range(1, 9))
"""Prices of the orders as parts of the first price."""


def _session(num_candles: int) -> Session:
    """Return a started session with the eight orders."""
    series = synthetic(YEAR)
    session = Session.create(
        data=series,
        end_time=series.start_ns + num_candles * _MINUTE_NS,
        snapshot_every=1440,
        save=False,
    )
    session.start()
    price = session.price("BTCUSDT")
    for part in _PARTS:
        order = session.place_order(
            "BTCUSDT", "buy", "limit", price=round(price * part), quantity=0.01
        )
        if order.status == "rejected":
            raise RuntimeError(f"The benchmark's order must rest; was rejected: {order.message}")
    return session


def _leap(num_candles: int) -> Contender:
    """Return a contender: one call of `step_batch`."""

    def contender() -> float:
        session = _session(num_candles)
        seconds = seconds_of(lambda: session.step_batch(num_candles))
        if not session.is_complete or session.fills():
            raise RuntimeError("The stretch must pass without a fill.")
        return seconds

    return contender


def _walk(num_candles: int) -> Contender:
    """Return a contender: as many calls of `step`."""

    def contender() -> float:
        session = _session(num_candles)

        def walk() -> None:
            for _ in range(num_candles):
                session.step()

        return seconds_of(walk)

    return contender


def _engine(num_candles: int, *, leaps: bool) -> Contender:
    """Return a contender: the engine alone, with its index or from candle to candle."""
    series = synthetic(YEAR)
    tape, params = build_tape(series), SandboxParams()
    table, _alive = params_table(params, series)
    instruments = instrument_table(params, series)
    batch = Batch(tape.candles, tape.funding, instruments, table, make_pyramid=lambda: tape.pyramid)
    account: Any = batch.accounts[0]

    def pass_time() -> None:
        while account.cursor < num_candles:
            left = num_candles - account.cursor
            if not leaps or batch.skip_quiet(left) <= 0:
                batch.advance(0, min(left, MIN_SKIP) if leaps else left)

    def contender() -> float:
        batch.reset(0, 0, num_candles)
        for part in _PARTS:
            request = batch.request(0, 0, 1)
            request.type, request.size = LIMIT, 0.01
            request.price = round(float(series.open[0, 0]) * part)
            if batch.place(0):
                raise RuntimeError("The benchmark's order must rest; the engine refused it.")
        return seconds_of(pass_time)

    return contender


def rows(scale: Scale) -> list[Row]:
    """Measure row 4."""
    session = in_turn({"week": _leap(WEEK), "year": _leap(YEAR)}, scale.rounds)
    walked = in_turn({"batch": _leap(WEEK), "steps": _walk(WEEK)}, 3 if scale.is_quick else 5)
    engine = in_turn(
        {"leap": _engine(YEAR, leaps=True), "walk": _engine(YEAR, leaps=False)}, scale.rounds
    )
    return [
        Row(
            name="4 step_batch: a year's cost over a week's",
            at_most=3.0,
            ratios=session["year"] / session["week"],
            note=each(session, "year", "week"),
        ),
        Row(
            name="4 a week: speed of step_batch over step by step",
            ratios=walked["steps"] / walked["batch"],
            note=each(walked, "steps", "batch", unit="ms"),
        ),
        Row(
            name="4 engine alone, a year: speed of leaping over walking",
            ratios=engine["walk"] / engine["leap"],
            note=each(engine, "walk", "leap"),
        ),
    ]
