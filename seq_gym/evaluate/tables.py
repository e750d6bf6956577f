"""Episodes, equity and fills as Parquet: full precision, and the same bytes for the same run."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq_gym.evaluate.episode import Episode, FillFields
from seq_gym.metrics import EpisodeMetrics, TradeMetrics
from seq_gym.runs.tables import times_column, write_table

__all__ = ["episode_rows", "write_tables"]


def episode_rows(names: Sequence[str], episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Return one flat row per episode: agent, window, ending, every metric, every cost."""
    return [
        {
            "agent": names[each.agent],
            "episode": each.index,
            "start": each.start_ns,
            "end": each.end_ns,
            "ending": each.ending,
            **each.metrics.as_row(),
            **each.costs,
            **each.extras,
        }
        for each in episodes
    ]


def write_tables(
    folder: Path, names: Sequence[str], episodes: Sequence[Episode], fields: FillFields
) -> None:
    """Write episodes.parquet, equity.parquet and fills.parquet.

    Times are timestamps in nanoseconds, UTC. Nothing in them depends on the clock or the machine.
    """
    write_table(folder / "episodes.parquet", _episode_table(names, episodes))
    write_table(folder / "equity.parquet", _equity_table(names, episodes))
    write_table(folder / "fills.parquet", _fill_table(names, episodes, fields))


def _episode_table(names: Sequence[str], episodes: Sequence[Episode]) -> Any:
    import pyarrow as pa

    whole = {"episode", *_whole_numbers(EpisodeMetrics), *_whole_numbers(TradeMetrics)}
    rows = episode_rows(names, episodes)
    columns: dict[str, Any] = {}
    for name in rows[0] if rows else ("agent", "episode", "start", "end", "ending"):
        values = [row[name] for row in rows]
        if name in ("agent", "ending"):
            columns[name] = pa.array(values, pa.string())
        elif name in ("start", "end"):
            columns[name] = times_column(values)
        else:
            columns[name] = pa.array(values, pa.int64() if name in whole else pa.float64())
    return pa.table(columns)


def _whole_numbers(kind: type) -> set[str]:
    return {name for name, hint in typing.get_type_hints(kind).items() if hint is int}


def _equity_table(names: Sequence[str], episodes: Sequence[Episode]) -> Any:
    import pyarrow as pa

    lengths = [len(each.equity) for each in episodes]
    times = [each.times for each in episodes]
    return pa.table(
        {
            **_labels(names, episodes, lengths),
            "time": times_column(np.concatenate(times) if times else []),
            "equity": pa.array(
                np.concatenate([each.equity for each in episodes]) if episodes else [], pa.float64()
            ),
        }
    )


def _fill_table(names: Sequence[str], episodes: Sequence[Episode], fields: FillFields) -> Any:
    import pyarrow as pa

    fills = [fill for each in episodes for fill in each.fills]
    by_field: dict[str, list[Any]] = {
        name: [fill[place] for fill in fills] for place, name in enumerate(fields.names)
    }
    columns = _labels(names, episodes, [len(each.fills) for each in episodes])
    for name, column in fields.times.items():
        columns[column] = times_column(by_field.pop(name))
    for name, values in by_field.items():
        columns[name] = pa.array(values, pa.float64() if name in fields.numbers else pa.string())
    return pa.table(columns)


def _labels(
    names: Sequence[str], episodes: Sequence[Episode], lengths: Sequence[int]
) -> dict[str, Any]:
    import pyarrow as pa

    agents = np.repeat(np.array([each.agent for each in episodes], np.int32), lengths)
    numbers = np.repeat(np.array([each.index for each in episodes], np.int32), lengths)
    labels = pa.DictionaryArray.from_arrays(pa.array(agents), pa.array(list(names), pa.string()))
    return {"agent": labels, "episode": pa.array(numbers)}
