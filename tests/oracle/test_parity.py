"""B, F: with fills="parity" every answer is hftbacktest's, on real recordings (answers on file)."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pytest

from seq_gym.engine.book.layout import ROW
from seq_gym.market.book.events import BookEvents
from seq_gym.sandbox.book.tape import book_tape
from tests.oracle import golden, ours
from tests.oracle.answers import coverage, differences
from tests.oracle.feed import local_touch
from tests.oracle.recordings import RECORDINGS, SEED, is_here, load
from tests.oracle.runs import NUM_ORDERS, RUNS, Run
from tests.oracle.script import Script, make_script

# One run of each queue model, both exchanges, both latencies; all others are slow.
QUICK = (
    ("spot-btc", Run(queue_model="power3")),
    ("spot-btc", Run(queue_model="log1", latency_ms=25)),
    ("spot-eth", Run(queue_model="power1", latency_ms=25, is_partial=False)),
    ("spot-eth", Run(queue_model="log2")),
    ("usdm-btc", Run(queue_model="power2", latency_ms=25)),
    ("usdm-btc", Run(queue_model="risk_averse")),
)
CASES = [
    pytest.param(name, run, id=f"{name} {run}", marks=marks)
    for name in RECORDINGS
    for run in RUNS
    for marks in (() if (name, run) in QUICK else pytest.mark.slow,)
]


def _needs(name: str) -> None:
    if not is_here(name):
        pytest.skip("the real recordings (../shared/data/book) are not on this machine")


@cache
def scripted(name: str) -> tuple[BookEvents, Script]:
    """Return a recording and the script that the answers on file belong to."""
    events = load(name)
    return events, make_script(events, SEED, NUM_ORDERS)


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_answers_on_file_belong_to_the_recording_and_the_script(name: str) -> None:
    _needs(name)
    events, script = scripted(name)
    told = golden.index()[name]
    advice = "the import or the script has changed: if rightly, `make oracle ARGS=--record`"
    assert golden.fingerprint(events) == told["recording"], advice
    assert script.fingerprint == told["script"], advice
    assert told["runs"] == [str(run) for run in RUNS], advice


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_script_touches_queues_partials_and_sweeps_often_enough(name: str) -> None:
    _needs(name)
    _, script = scripted(name)
    assert script.num_orders >= 1500
    for run in RUNS:
        if run.is_partial:
            touched = coverage(golden.answers_on_file(name, script, run), script.sizes)
            assert touched.is_enough, f"{run}: {touched}"


@pytest.mark.parametrize(("name", "run"), CASES)
def test_parity_gives_the_peers_fills_ticks_maker_flags_and_statuses(name: str, run: Run) -> None:
    _needs(name)
    events, script = scripted(name)
    found = differences(ours.play(events, script, run), golden.answers_on_file(name, script, run))
    assert not found, "\n".join([f"{len(found)} differ; `make oracle` plays both", *found[:10]])


@pytest.mark.parametrize("name", ["spot-btc", "usdm-eth"])
def test_b7_the_tapes_best_prices_are_those_of_two_dictionaries(name: str) -> None:
    _needs(name)
    events, script = scripted(name)
    rows = book_tape(events).local_rows
    assert rows.dtype == ROW
    times = np.unique(script.time)
    touch = local_touch(events, times)
    last = rows[np.searchsorted(rows["ts"], times, side="right") - 1]
    np.testing.assert_array_equal(last["bid"], touch.bid)
    np.testing.assert_array_equal(last["ask"], touch.ask)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("hftbacktest") is None, reason="hftbacktest is not installed"
)
def test_hftbacktest_itself_still_says_what_is_on_file() -> None:
    _needs("spot-eth")
    from hftbacktest.types import event_dtype

    from tests.oracle import peer
    from tests.oracle.feed import EVENT, to_events
    from tests.oracle.recordings import units_of

    assert event_dtype == EVENT
    events, script = scripted("spot-eth")
    units, run = units_of(events), Run()
    theirs = peer.play(to_events(events, units), units, script, run)
    assert not differences(theirs, golden.answers_on_file("spot-eth", script, run))
