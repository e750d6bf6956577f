"""The log of a run: log.jsonl, a line each time something is known, and the same to TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter, Logger

from seq_gym.errors import MissingExtra
from seq_gym.runs.folder import write_atomically
from seq_gym.runs.manifest import utc_now

__all__ = ["RunLog"]


class RunLog(KVWriter):
    """Writes figures to log.jsonl and TensorBoard; SB3's logger writes through it too.

    A resumed run appends to both, after forgetting what came after the checkpoint.

    Args:
        folder: The run folder.
        resumed_at: Step of the checkpoint; None for a new run.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, resumed_at: int | None = None) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtra("tensorboard", "train") from error
        path = folder / "log.jsonl"
        if resumed_at is not None and path.exists():
            _forget_after(path, resumed_at)
        self._file = path.open("a", encoding="utf-8")
        purge = None if resumed_at is None else resumed_at + 1
        self._board: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)

    def logger(self) -> Logger:
        """Return a logger for a model of SB3 that writes here."""
        return Logger(folder=None, output_formats=[self])

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Write what SB3's logger has collected; see `scalars`."""
        del key_excluded
        self.scalars(step, key_values)

    def scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Write figures of a step; what is no finite number is left out of TensorBoard."""
        line: dict[str, Any] = {
            "time": utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "step": int(step),
        }
        for name, value in values.items():
            number = _number(value)
            line[name] = number if number is not None or value is None else str(value)
            if number is not None:
                self._board.add_scalar(name, number, step)
        for name, value in line.items():
            if isinstance(value, str) and value in ("nan", "inf", "-inf"):
                line[name] = None
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()

    def hparams(self, config: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """Write the config and what came of it, for TensorBoard's page of hyperparameters."""
        from torch.utils.tensorboard.summary import hparams

        known = {name: value for name, value in figures.items() if math.isfinite(value)}
        make: Any = hparams  # it has no types
        for part in make(dict(_flat(config, "")), known):
            self._board.file_writer.add_summary(part)
        for name, value in known.items():
            self._board.add_scalar(name, value)

    def close(self) -> None:
        """Close both."""
        self._file.close()
        self._board.close()


def _forget_after(path: Path, step: int) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    # A crash may have left half a line at the end.
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    write_atomically(path, lambda scratch: scratch.write_text("".join(kept), encoding="utf-8"))


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _flat(values: Mapping[str, Any], path: str) -> Any:
    """Yield (name, value) with values that TensorBoard takes."""
    for name, value in values.items():
        where = f"{path}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{where}.")
        elif isinstance(value, bool | int | float | str):
            yield where, value
        else:
            yield where, json.dumps(value)
