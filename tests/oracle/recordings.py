"""The recordings that are compared: four of Binance beside the project, or any that is named."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from seq_gym.market.book.decimals import step_of
from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.importers import read_recording
from tests.oracle.feed import Units

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "book" / "binance"
RECORDINGS = {
    "spot-btc": "spot/btcusdt_20240808.gz",
    "spot-eth": "spot/ethusdt_20240808.gz",
    "usdm-btc": "usdm/btcusdt_20240808.gz",
    "usdm-eth": "usdm/ethusdt_20240808.gz",
}
SEED = 20240808


@cache
def load(name: str) -> BookEvents:
    """Return a recording by its name here or by its path; its clock is mended (B1)."""
    path = FOLDER / RECORDINGS[name] if name in RECORDINGS else Path(name)
    recordings = read_recording(path, fix_clock=True)
    return max((each.events for each in recordings), key=lambda events: events.num_events)


def units_of(events: BookEvents) -> Units:
    """Return the steps of a recording's prices and quantities."""
    steps = (step_of(events.instrument.tick), step_of(events.instrument.lot))
    return Units(*(float(part) for step in steps for part in step))


def is_here(name: str) -> bool:
    """Whether a recording of the list lies beside the project."""
    return (FOLDER / RECORDINGS[name]).exists()
