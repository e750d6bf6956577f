"""Run folders: files written beside their place and moved there whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seq_gym.errors import ConfigError

__all__ = ["move", "new_scratch", "read_json", "write_atomically", "write_json"]


def new_scratch(root: Path) -> Path:
    """Make an empty folder beside the run folders, to be filled and moved.

    Raises:
        ConfigError: The folder of runs cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".unfinished-", dir=root))
    except OSError as error:
        raise ConfigError(f"out must be a folder that can be written; {root}: {error}.") from error


def move(scratch: Path, root: Path, name: str) -> Path:
    """Give a folder its name; of two runs in one second the later has a number.

    Raises:
        ConfigError: There are too many of that name.
    """
    scratch.chmod(0o755)
    for number in range(1, 1_000):
        target = root / (name if number == 1 else f"{name}-{number}")
        if not target.exists():
            try:
                return scratch.rename(target)
            except OSError:
                if not target.exists():
                    raise
    raise ConfigError(f"out must have room for another run; {root} has 999 of {name}.")


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file beside its place and move it there.

    Args:
        path: Its place.
        write: Writes the file whose path it is given; that one has the same ending.
    """
    scratch = path.with_name(f".unfinished-{path.name}")
    try:
        write(scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_json(path: Path, document: object) -> None:
    """Write plain values as JSON, whole or not at all."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, lambda scratch: scratch.write_text(text + "\n", encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ConfigError: The file is not there, or holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} must be a JSON file; was not ({error}).") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must hold a JSON object; was {type(document).__name__}.")
    return document
