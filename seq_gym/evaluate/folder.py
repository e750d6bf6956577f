"""The run folder: written beside its place, moved there whole, and never edited."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from seq_gym.config import config_hash, config_to_toml
from seq_gym.errors import MissingExtra
from seq_gym.evaluate.evaluation import EvaluationResult
from seq_gym.evaluate.manifest import make_manifest
from seq_gym.evaluate.picture import draw
from seq_gym.evaluate.report import make_report
from seq_gym.evaluate.settings import NUMBERS_LEFT_OUT
from seq_gym.evaluate.tables import write_tables
from seq_gym.runs.folder import move, new_scratch, write_json
from seq_gym.runs.manifest import folder_name, utc_now

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
    scratch = new_scratch(root)
    try:
        notes = _fill(scratch, result, command)
        manifest = make_manifest(
            result.ground,
            specs=result.specs,
            command=command,
            now=now,
            digest=digest,
            is_partial=result.is_partial,
        )
        write_json(scratch / "manifest.json", manifest)
        state = "partial" if result.is_partial else "complete"
        (scratch / "DONE").write_text(f"{state}\n", encoding="utf-8")
        return move(scratch, root, name), notes
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _fill(folder: Path, result: EvaluationResult, command: Sequence[str]) -> list[str]:
    config_toml = config_to_toml(result.config, header=" ".join(command))
    (folder / "config.toml").write_text(config_toml, encoding="utf-8")
    write_json(folder / "metrics.json", result.document())
    names = [spec.name for spec in result.specs]
    write_tables(folder, names, result.episodes, result.ground.fill_fields)
    notes = []
    picture = None
    if result.episodes:
        try:
            picture = draw(result.specs, result.episodes, result.ground)
            (folder / "equity.png").write_bytes(picture)
        except MissingExtra as error:
            notes.append(f"No picture: {error}")
    report = make_report(
        title=f"{', '.join(result.candidates)} on {', '.join(result.ground.symbols)}",
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
