"""Which files are meant, and which of them are recordings of order books."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seq_gym.data.settings import ImportOptions
from seq_gym.errors import ConfigError, MarketDataError

__all__ = ["expand_files", "recordings_of"]


def expand_files(patterns: Sequence[str]) -> list[Path]:
    """Expand folders and patterns, each file once.

    A file is taken by its name, whatever marks that holds; one whose name begins with a dot fits
    only patterns that say the dot, as in a shell.

    Raises:
        ConfigError: There is no such file.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern)
        if pattern and path.exists():
            named = _in_folder(path) if path.is_dir() else [path]
        elif any(mark in pattern for mark in "*?["):
            root = Path(path.anchor)
            fitting = root.glob(str(path.relative_to(path.anchor)))
            hidden = path.name.startswith(".")
            named = sorted(
                each
                for each in fitting
                if each.is_file() and (hidden or not each.name.startswith("."))
            )
        else:
            named = []
        if not named:
            raise ConfigError(f"FILE must name files that exist; there is no {pattern!r}.")
        for each in named:
            found.setdefault(each.resolve(), each)
    return list(found.values())


def _in_folder(folder: Path) -> list[Path]:
    """Return what can be read of a folder: candles and the like, and recordings."""
    from seq_gym.market.book.store.importing import recordings_in
    from seq_gym.market.sources import expand_paths

    recordings = recordings_in(folder)
    try:
        tables = expand_paths(folder)
    except MarketDataError:
        if not recordings:
            raise ConfigError(
                f"A folder must hold recordings of books, or tables (.csv, .parquet, .zip, ...); "
                f"{folder} has none."
            ) from None
        tables = []
    return sorted({*recordings, *tables})


def recordings_of(paths: Sequence[Path], options: ImportOptions) -> list[Path]:
    """Return the files that are recordings of order books.

    Raises:
        ConfigError: There is none, and an option is of recordings only; or there are no others, and
            an option is of the others only.
    """
    from seq_gym.market.book.importers import is_recording

    if options.kind == "book":
        _refuse_of_tables(options)
        return list(paths)
    found = [path for path in paths if is_recording(path)]
    if options.kind and found:
        raise ConfigError(
            f"kind must be 'book' for {found[0].name}, a recording of an order book; was "
            f"{options.kind!r}. Likely fix: leave it out."
        )
    if paths and len(found) == len(paths):
        _refuse_of_tables(options)
    asked = {
        "tick": options.tick,
        "lot": options.lot,
        "fix_clock": options.fix_clock or None,
        "shift_ns": options.shift_ns,
    }
    for name, value in asked.items():
        if value is not None and not found:
            raise ConfigError(
                f"{name} must be left out, it is of recorded order books and no FILE is one; was "
                f"{value!r}."
            )
    return found


def _refuse_of_tables(options: ImportOptions) -> None:
    """Refuse options that say how candles and the like are read, where no file is one."""
    for name in ("interval", "tz", "columns", "extra", "drop_bad"):
        value = getattr(options, name)
        if value:
            raise ConfigError(
                f"{name} must be left out, it is of candles and rates, and every FILE is a "
                f"recording of a book; was {value!r}."
            )
