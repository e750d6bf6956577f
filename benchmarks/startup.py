"""Row 6: importing, and the first step of a fresh process.

In processor time, like everything here. The kernel cache is emptied by running a copy of the
package that has none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import seq_gym
from benchmarks.measure import Contender, Row, Scale, each, in_turn

_IMPORT = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
_LIBRARIES = "gymnasium, numba, polars"
_FIRST_STEP = """
import gymnasium, seq_gym, time
start = time.process_time()
env = gymnasium.make("seq_gym/CandleTrading-v0")
env.reset(seed=0)
env.step(1)
print(time.process_time() - start)
"""
_PACKAGE = Path(seq_gym.__file__).parent


def _seconds(code: str, folder: Path) -> float:
    """Run code in a fresh process that finds the package in a folder; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def _process(code: str, folder: Path) -> Contender:
    return lambda: _seconds(code, folder)


def rows(scale: Scale) -> list[Row]:
    """Measure row 6."""
    rounds = 3 if scale.is_quick else 5
    home = _PACKAGE.parent
    imports = in_turn(
        {
            "seq_gym": _process(_IMPORT.format("seq_gym"), home),
            "libraries": _process(_IMPORT.format(_LIBRARIES), home),
        },
        rounds,
    )
    steps = in_turn(
        {
            "first step": _process(_FIRST_STEP, home),
            "libraries": _process(_IMPORT.format(_LIBRARIES), home),
        },
        rounds,
    )
    found = [
        Row(
            name="6 import seq_gym over gymnasium, numba and polars",
            at_most=1.5,
            ratios=imports["seq_gym"] / imports["libraries"],
            note=each(imports, "seq_gym", "libraries", unit="s"),
        ),
        Row(
            name="6 make, reset, step once over that import: warm cache",
            ratios=steps["first step"] / steps["libraries"],
            note=each(steps, "first step", unit="s"),
        ),
    ]
    name = "6 the same with an empty kernel cache (once)"
    if scale.is_quick:
        return [
            *found,
            Row(name=name, ratios=np.zeros(0), note="compiles for long: not in --quick"),
        ]
    with tempfile.TemporaryDirectory() as folder:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_PACKAGE, Path(folder) / "seq_gym", ignore=ignored)
        empty = _seconds(_FIRST_STEP, Path(folder))
    ratio = np.array([empty / float(np.median(steps["libraries"]))])
    return [*found, Row(name=name, ratios=ratio, note=f"first step {empty:.3g} s")]
