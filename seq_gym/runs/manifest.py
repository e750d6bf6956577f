"""The record of a run: command, versions, commit, seed, data. It reads the clock."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import seq_gym
from seq_gym.market import CandleSeries
from seq_gym.sandbox.params import PHYSICS_VERSION
from seq_gym.times import format_time

__all__ = [
    "PHYSICS_VERSION",
    "describe_candles",
    "folder_name",
    "record_of",
    "utc_now",
]

_LIBRARIES = ("numpy", "numba", "polars", "pyarrow", "gymnasium")


def utc_now() -> dt.datetime:
    """Return the time by which a run folder is named."""
    return dt.datetime.now(dt.UTC)


def folder_name(now: dt.datetime, env: str, agents: Sequence[str], seed: int, digest: str) -> str:
    """Return `<UTC time>-<env>-<agent>-s<seed>-<hash>`; of several agents the first and a count.

    >>> now = dt.datetime(2025, 6, 1, 1, 40, tzinfo=dt.UTC)
    >>> folder_name(now, "seq_gym/Portfolio-v0", ["trend", "sma"], 42, "0123456789ab")
    '20250601T014000Z-Portfolio-v0-trend+1-s42-0123456789ab'
    """
    more = f"+{len(agents) - 1}" if len(agents) > 1 else ""
    agent = re.sub(r"[^A-Za-z0-9_.]+", "-", agents[0] if agents else "none").strip("-.")
    return f"{now:%Y%m%dT%H%M%SZ}-{env.rpartition('/')[2]}-{agent}{more}-s{seed}-{digest}"


def describe_candles(series: CandleSeries, source: str) -> dict[str, Any]:
    """Return what a manifest says of candles."""
    return {
        "source": source,
        "fingerprint": series.fingerprint,
        "symbols": list(series.symbols),
        "interval": series.interval,
        "start": format_time(series.start_ns),
        "end": format_time(series.end_ns),
        "candles": series.num_candles,
    }


def record_of(
    data: Mapping[str, Any],
    *,
    seed: int,
    command: Sequence[str],
    now: dt.datetime,
    digest: str,
    libraries: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what every manifest says, plain values only.

    Args:
        data: The data of the run: source, fingerprint, symbols, range.
        seed: Seed of the run.
        command: What started it.
        now: When.
        digest: Hash of the config.
        libraries: Distributions whose versions count beside those of the package.
    """
    return {
        "command": list(command),
        "created": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seed": seed,
        "config_hash": digest,
        "physics_version": PHYSICS_VERSION,
        "data": dict(data),
        "versions": {
            "seq_gym": seq_gym.__version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in (*_LIBRARIES, *libraries)},
        },
        "platform": platform.platform(),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of the sources, with "+" where they were edited; None outside of git."""
    root = Path(seq_gym.__file__).resolve().parent
    try:
        # An installed package may lie in the repository of somebody else's project.
        _git(root, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(root, "rev-parse", "HEAD")
        edited = _git(root, "status", "--porcelain", "--", str(root))
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if edited else "")


def _git(root: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return answer.stdout.strip()
