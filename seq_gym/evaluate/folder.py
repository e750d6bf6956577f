"""The run folder: written beside its place, moved there whole, and never edited."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from seq_gym.config import config_hash, config_to_toml
from seq_gym.errors import ConfigError, MissingExtra
from seq_gym.evaluate.evaluation import EvaluationResult
from seq_gym.evaluate.manifest import folder_name, make_manifest, utc_now
from seq_gym.evaluate.picture import draw
from seq_gym.evaluate.report import make_report
from seq_gym.evaluate.settings import NUMBERS_LEFT_OUT
from seq_gym.evaluate.tables import write_tables

__all__ = ["write_run_folder"]


def write_run_folder(
    result: EvaluationResult, command: Sequence[str], out: str | Path | None = None
) -> tuple[Path, list[str]]:
    """Write everything that a run came to.

    Args:
        result: The run.
        command: What started it; its first lines of the config and the manifest.
        out: Folder in which the run folder is made; None takes that of the config.

    Returns:
        The run folder, and notes on what is not in it.

    Raises:
        ConfigError: The folder cannot be written.
    """
    now = utc_now()
    digest = config_hash(result.config, leave_out=NUMBERS_LEFT_OUT)
    name = folder_name(now, result.env, result.candidates, result.config.seed, digest)
    root = Path(result.config.out if out is None else out)
    try:
        root.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=root))
    except OSError as error:
        raise ConfigError(f"out must be a folder that can be written; {root}: {error}.") from error
    try:
        notes = _fill(scratch, result, command)
        manifest = make_manifest(
            result.config,
            result.series,
            source=result.source,
            specs=result.specs,
            command=command,
            now=now,
            digest=digest,
            is_partial=result.is_partial,
        )
        _write_json(scratch / "manifest.json", manifest)
        state = "partial" if result.is_partial else "complete"
        (scratch / "DONE").write_text(f"{state}\n", encoding="utf-8")
        scratch.chmod(0o755)
        return _move(scratch, root, name), notes
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _fill(folder: Path, result: EvaluationResult, command: Sequence[str]) -> list[str]:
    config_toml = config_to_toml(result.config, header=" ".join(command))
    (folder / "config.toml").write_text(config_toml, encoding="utf-8")
    _write_json(folder / "metrics.json", result.document())
    write_tables(folder, [spec.name for spec in result.specs], result.episodes)
    notes = []
    picture = None
    if result.episodes:
        try:
            picture = draw(result.specs, result.episodes, result.series)
            (folder / "equity.png").write_bytes(picture)
        except MissingExtra as error:
            notes.append(f"No picture: {error}")
    report = make_report(
        title=f"{', '.join(result.candidates)} on {', '.join(result.series.symbols)}",
        command=command,
        facts=result.facts(),
        tables=result.tables(),
        notes=[*result.notes(), *notes],
        picture=picture,
        config_toml=config_toml,
        is_partial=result.is_partial,
    )
    (folder / "report.html").write_text(report, encoding="utf-8")
    return notes


def _write_json(path: Path, document: object) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _move(scratch: Path, root: Path, name: str) -> Path:
    """Give the folder its name; of two runs in one second the later has a number."""
    for number in range(1, 1_000):
        target = root / (name if number == 1 else f"{name}-{number}")
        if not target.exists():
            try:
                return scratch.rename(target)
            except OSError:
                if not target.exists():
                    raise
    raise ConfigError(f"out must have room for another run; {root} has 999 of {name}.")
