"""The folder of a training run: its files are written whole, and none is trusted unhashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq_gym.config import config_hash, config_to_toml, load_config
from seq_gym.errors import ConfigError
from seq_gym.runs.folder import move, new_scratch, read_json, write_atomically, write_json
from seq_gym.runs.manifest import folder_name, record_of, utc_now
from seq_gym.train.ranges import Ranges
from seq_gym.train.settings import NUMBERS_LEFT_OUT, AnyTrainConfig, config_kind

__all__ = ["LOADER", "RunFolder", "check_hash", "file_hash"]

LOADER = "seq_gym.train.loading:load_run"
"""How evaluate loads the policy of a run."""
LIBRARIES = ("torch", "stable_baselines3")


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_hash(path: Path, recorded: str) -> None:
    """Refuse a file that is not the one whose hash was recorded.

    Raises:
        ConfigError: It is not there, or another.
    """
    if not path.is_file():
        raise ConfigError(f"{path} must be there, its run recorded it; was not. Train it again.")
    if file_hash(path) != recorded:
        raise ConfigError(
            f"{path} must have the hash that its run recorded; was another file, and was not "
            "loaded. Likely fix: copy the whole run folder again."
        )


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A training run on disk."""

    path: Path

    @classmethod
    def create(
        cls,
        config: AnyTrainConfig,
        ranges: Ranges,
        specification: Mapping[str, Any],
        command: Sequence[str],
    ) -> RunFolder:
        """Make the folder of a new run, with its config, manifest and scaling.

        Raises:
            ConfigError: It cannot be written.
        """
        now, digest = utc_now(), config_hash(config, leave_out=NUMBERS_LEFT_OUT)
        root = Path(config.out)
        scratch = cls(new_scratch(root))
        record = record_of(
            ranges.data_record(),
            seed=config.seed,
            command=command,
            now=now,
            digest=digest,
            libraries=LIBRARIES,
        )
        files = {}
        if ranges.scaling is not None:
            write_json(scratch.path / "scaling.json", ranges.scaling)
            files["scaling.json"] = file_hash(scratch.path / "scaling.json")
        manifest = {
            **record,
            "name": f"{config.algo}-s{config.seed}",
            "loader": LOADER,
            "algo": config.algo,
            "env": ranges.env,
            "splits": ranges.described(),
            "specification": dict(specification),
            "evaluate": ranges.evaluate_settings(),
            "state": "running",
            "files": files,
        }
        write_json(scratch.path / "manifest.json", manifest)
        scratch.write_config(config, ranges, command)
        name = folder_name(now, ranges.env, [config.algo], config.seed, digest)
        return cls(move(scratch.path, root, name))

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the folder of a training run.

        Raises:
            ConfigError: It is none.
        """
        folder = cls(Path(path))
        if not (folder.path / "manifest.json").is_file():
            raise ConfigError(
                f"{path} must be the folder of a training run; has no manifest.json. Likely fix: "
                "the path that the run printed."
            )
        if folder.manifest().get("loader") != LOADER:
            raise ConfigError(f"{path} must be the folder of a training run; is of another kind.")
        return folder

    def manifest(self) -> dict[str, Any]:
        """Read the manifest."""
        return read_json(self.path / "manifest.json")

    def config(self) -> AnyTrainConfig:
        """Read the config."""
        kind = config_kind(str(self.manifest()["env"]), ())
        return load_config(kind, self.path / "config.toml")

    def scaling(self) -> dict[str, Any] | None:
        """Read the statistics of the features, where they are scaled."""
        path = self.path / "scaling.json"
        if not path.exists():
            return None
        check_hash(path, self.manifest()["files"].get(path.name, ""))
        return read_json(path)

    def write_config(self, config: AnyTrainConfig, ranges: Ranges, command: Sequence[str]) -> None:
        """Write the resolved config; its head says which range is for what."""
        lines = [" ".join(command)]
        lines += [
            f"{name}: {each['start']} to {each['end']}"
            + (", read by evaluate alone" if name == "test" else "")
            for name, each in ranges.described().items()
        ]
        text = config_to_toml(config, header="\n".join(lines))
        write_atomically(
            self.path / "config.toml", lambda scratch: scratch.write_text(text, encoding="utf-8")
        )

    def update(self, **values: Any) -> None:
        """Write the manifest again with other values."""
        write_json(self.path / "manifest.json", {**self.manifest(), **values})

    def record_files(self, names: Sequence[str], **values: Any) -> None:
        """Write the manifest again with the hashes of files as they are now."""
        files = dict(self.manifest()["files"])
        files |= {name: file_hash(self.path / name) for name in names}
        self.update(files=files, **values)

    def save_model(self, model: Any, *, best: bool) -> None:
        """Save a model and its normaliser, and record their hashes.

        Args:
            model: The model.
            best: As the best one so far, which is the one that evaluate takes; else as the last.
        """
        before = "best_" if best else ""
        names = [f"{before}model.zip"]
        write_atomically(self.path / names[0], model.save)
        normalizer = model.get_vec_normalize_env()
        if normalizer is not None:
            names.append(f"{before}vecnormalize.pkl")
            write_atomically(self.path / names[1], lambda path: normalizer.save(str(path)))
        if best or "policy" not in self.manifest():
            chosen = {"policy": names[0], "normalizer": names[1] if normalizer else None}
            self.record_files(names, **chosen)
        else:
            self.record_files(names)

    def checked(self, name: str) -> Path:
        """Return the path of a file whose hash is the recorded one.

        Raises:
            ConfigError: It is not; or the run has no such file.
        """
        recorded = self.manifest()["files"].get(name)
        if recorded is None:
            raise ConfigError(
                f"{self.path} must hold {name}; it has none yet. Likely fix: train it for longer."
            )
        check_hash(self.path / name, recorded)
        return self.path / name
