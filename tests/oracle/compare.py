"""Play scripts in hftbacktest and in seq_gym, and say where they differ.

    python -m tests.oracle.compare               # the four recordings, every run: make oracle
    python -m tests.oracle.compare --seed 5 --orders 6000 usdm-btc
    python -m tests.oracle.compare some/other/recording.gz
    python -m tests.oracle.compare --record             # write hftbacktest's answers on file anew

It ends with exit status 1 where an answer differs or the script touched too little.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from seq_gym.market.book.events import BookEvents
from tests.oracle import golden
from tests.oracle.answers import Answers, coverage, differences
from tests.oracle.feed import to_events
from tests.oracle.recordings import RECORDINGS, SEED, load, units_of
from tests.oracle.runs import NUM_ORDERS, RUNS, Run
from tests.oracle.script import Script, make_script

_SHOWN = 8  # differences of a run that are printed

Player = Callable[[Run], Answers]


def _peer(events: BookEvents, script: Script) -> Player:
    """Return what plays a script in hftbacktest."""
    from tests.oracle import peer

    units = units_of(events)
    rows = to_events(events, units)
    return lambda run: peer.play(rows, units, script, run)


def _ours(events: BookEvents, script: Script) -> Player:
    """Return what plays a script in seq_gym."""
    from tests.oracle import ours

    return lambda run: ours.play(events, script, run)


def compare(script: Script, run: Run, ours: Player, peer: Player) -> bool:
    """Print one run's coverage and differences; return whether all is well."""
    theirs = peer(run)
    touched = coverage(theirs, script.sizes)
    found = differences(ours(run), theirs)
    is_enough = touched.is_enough or not run.is_partial
    verdict = f"{len(found)} DIFFER" if found else "equal"
    told = f"{touched}{'' if is_enough else ': TOO LITTLE'}"
    print(f"  {run!s:<28} {verdict:<10} {told}", flush=True)
    for line in found[:_SHOWN]:
        print(f"    {line}")
    return is_enough and not found


def main() -> None:
    """Compare, or write the answers on file."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recordings", nargs="*", help=f"of {', '.join(RECORDINGS)}, or paths")
    parser.add_argument("--seed", type=int, default=SEED, help="of the script")
    parser.add_argument("--orders", type=int, default=NUM_ORDERS, help="orders of the script")
    parser.add_argument("--record", action="store_true", help="write the answers on file anew")
    given = parser.parse_args()
    if given.record and (given.recordings or given.seed != SEED or given.orders != NUM_ORDERS):
        parser.error("--record writes all four recordings with the script that the tests know")
    is_well = True
    for name in given.recordings or RECORDINGS:
        events = load(name)
        script = make_script(events, given.seed, given.orders)
        print(f"{name}: {events!r}, {script.num_orders} orders, seed {script.seed}")
        peer = _peer(events, script)
        if given.record:
            golden.store(name, events, script, {run: peer(run) for run in RUNS})
            continue
        ours = _ours(events, script)
        for run in RUNS:
            is_well &= compare(script, run, ours, peer)
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
