"""Print every ratio of speed that the project promises: `python -m benchmarks.run [--quick]`.

See README.md beside it for how to read the table. A missed target is printed, not raised.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import subprocess
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.market import market_name
from benchmarks.measure import Scale

SECTIONS = {
    1: "peers",
    3: "gather",
    4: "forward",
    5: "costs",
    6: "startup",
    7: "storing",
    8: "train",
    9: "book",
    10: "book_disk",
    11: "book_cold",
    12: "book_envs",
}
"""Modules by the first of their rows; peers holds rows 1 and 2, book_envs 12 and 13."""
_LAST_ROW = 13
_PACKAGES = (
    "seq-gym",
    "gymnasium",
    "numpy",
    "numba",
    "polars",
    "gym-anytrading",
    "gym-trading-env",
    "hftbacktest",
    "stable-baselines3",
    "torch",
    "pandas",
)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    told = Path("/proc/cpuinfo")
    for line in told.read_text().splitlines() if told.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """Return the commit, and whether files differ from it."""
    root = Path(__file__).resolve().parents[1]
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _section(text: str) -> int:
    """Read the number of a row; return that of the section which holds it."""
    number = int(text)
    if not 1 <= number <= _LAST_ROW:
        raise argparse.ArgumentTypeError(f"rows are 1 to {_LAST_ROW}; was {number}")
    return max(first for first in SECTIONS if first <= number)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.run")
    parser.add_argument("--quick", action="store_true", help="3 rounds, shorter: a few minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement, 7 unless told")
    parser.add_argument("--only", type=_section, nargs="*", help=f"rows, of 1 to {_LAST_ROW}")
    given = parser.parse_args()
    rounds = given.rounds or (3 if given.quick else 7)
    scale = Scale(is_quick=given.quick, rounds=rounds)
    # gymnasium warns of what other people's environments do; none of it is a figure.
    warnings.filterwarnings("ignore", category=UserWarning)
    print(f"machine   {_processor()}, {os.cpu_count()} cores, {platform.platform()}")
    print(f"load      {_load()} at the start: above 0.5 the figures are noisy")
    print(f"python    {platform.python_version()}")
    print(f"packages  {', '.join(f'{name} {_version(name)}' for name in _PACKAGES)}")
    print(f"commit    {_commit()}")
    print(f"market    {market_name()}; ten symbols, a year, 500k candles: synthetic")
    print(f"measured  in turn, median of {rounds} rounds{', quick' if given.quick else ''}\n")
    print(f"{'row':<58} {'target':>9} {'measured':>10}  {'lowest .. highest':<18}verdict")
    missed = 0
    for number in dict.fromkeys(given.only or SECTIONS):
        for row in importlib.import_module(f"benchmarks.{SECTIONS[number]}").rows(scale):
            print(row.line(), flush=True)
            missed += row.verdict == "MISS"
    print(f"\n{missed} missed; load {_load()} at the end")


if __name__ == "__main__":
    main()
