"""The constants of each lane: its steps, fees, latency and streams of draws."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from seq_gym._random import stream_of
from seq_gym.engine.book import codes
from seq_gym.engine.book.layout import INSTRUMENT
from seq_gym.engine.layout import Table, new_table
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.events import BookData
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.latency import PROFILES, Latency, latency_of, recorded_table
from seq_gym.sandbox.book.params import BookParams

__all__ = ["book_instruments"]


def _ratio(step: float) -> tuple[float, float]:
    """Return numerator and denominator of a decimal step: n x mul / div is the decimal's double."""
    exact = Fraction(repr(float(step)))
    return float(exact.numerator), float(exact.denominator)


def _write_instrument(row: Any, instrument: Instrument, params: BookParams) -> None:
    row.tick_mul, row.tick_div = _ratio(instrument.tick)
    row.lot_mul, row.lot_div = _ratio(instrument.lot)
    row.min_notional = instrument.min_notional
    row.contract_size = instrument.contract_size
    row.inverse = int(instrument.inverse)
    taker, maker = instrument.taker_fee_frac, instrument.maker_fee_frac
    row.taker_fee_frac = params.taker_fee_frac if taker is None else taker
    row.maker_fee_frac = params.maker_fee_frac if maker is None else maker
    name = (instrument.venue, instrument.symbol)
    for purpose in ("entry", "cancel", "response", "adverse"):
        row[f"stream_{purpose}"] = stream_of("book", *name, purpose)


def book_instruments(params: BookParams, data: BookData) -> tuple[Table, Any]:
    """Write the INSTRUMENT records [S]: an instrument's own fees win over the sandbox's.

    Returns:
        The table, and what must live as long as it is used.

    Raises:
        ConfigError: The symbols have several currencies, or mix linear and inverse contracts, or
            inverse ones are to be traded in a spot account.
    """
    _refuse_mixed(data)
    if data.books[0].instrument.inverse and params.account != "margin":
        raise ConfigError(
            "account must be 'margin' for inverse contracts: they are not bought with cash; was "
            f"{params.account!r}."
        )
    table = new_table(INSTRUMENT, len(data.books))
    recorded: np.ndarray | None = None
    if params.recorded_latency is not None:
        recorded = recorded_table(params.recorded_latency)
    own = _own_latencies(params, data)
    for row, book in zip(table, data.books, strict=True):
        target: Any = row
        _write_instrument(target, book.instrument, params)
        venue = book.instrument.venue
        if recorded is not None:
            target.latency_model = codes.LATENCY_RECORDED
            target.recorded, target.num_recorded = recorded.ctypes.data, len(recorded)
        else:
            latency = latency_of(venue, params.latency_model, params.latency, own)
            latency.write(target, params.latency_model)
        if params.latency_model == "none":
            target.latency_model = codes.LATENCY_NONE
    return table, recorded


def _own_latencies(params: BookParams, data: BookData) -> dict[str, Latency]:
    """Return `venue_latency` by venue in small letters; refuse venues that nobody knows."""
    known = {name.lower() for name in (*data.venues, *PROFILES)}
    for name in params.venue_latency:
        if name.lower() not in known:
            raise UnknownName("venue", name, sorted(set(data.venues)), "of venue_latency")
    return {name.lower(): each for name, each in params.venue_latency.items()}


def _refuse_mixed(data: BookData) -> None:
    """Refuse books whose money cannot be added up: of an inverse contract it is the base."""
    instruments = [each.instrument for each in data.books]
    if len({each.inverse for each in instruments}) > 1:
        raise ConfigError(
            "symbols must be all linear or all inverse contracts: their money differs. Likely "
            "fix: two sessions."
        )
    kind = "base" if instruments[0].inverse else "quote"
    money = sorted({each for each in (getattr(i, kind) for i in instruments) if each})
    if len(money) > 1:
        raise ConfigError(
            f"symbols must have one {kind} currency; were {', '.join(money)}. Likely fix: name "
            "the symbols of one."
        )
