"""Episodes, equity and fills as Parquet: full precision, and the same bytes for the same run."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq_gym.evaluate.rollout import FILL_FIELDS, Episode
from seq_gym.metrics import EpisodeMetrics, TradeMetrics

__all__ = ["episode_rows", "write_tables"]

_FILL_NUMBERS = (
    "quantity",
    "price",
    "base_price",
    "notional",
    "fee",
    "slippage",
    "realized_pnl",
)


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
        }
        for each in episodes
    ]


def write_tables(folder: Path, names: Sequence[str], episodes: Sequence[Episode]) -> None:
    """Write episodes.parquet, equity.parquet and fills.parquet.

    Times are timestamps in nanoseconds, UTC. Nothing in them depends on the clock or the machine.
    """
    _write(folder / "episodes.parquet", _episode_table(names, episodes))
    _write(folder / "equity.parquet", _equity_table(names, episodes))
    _write(folder / "fills.parquet", _fill_table(names, episodes))


def _write(path: Path, table: Any) -> None:
    from pyarrow import parquet

    # Every choice of the writer is stated: a default that changes would change the bytes.
    parquet.write_table(
        table,
        path,
        version="2.6",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        data_page_version="1.0",
        row_group_size=1 << 20,
    )


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
            columns[name] = _times(values)
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
            "time": _times(np.concatenate(times) if times else []),
            "equity": pa.array(
                np.concatenate([each.equity for each in episodes]) if episodes else [], pa.float64()
            ),
        }
    )


def _fill_table(names: Sequence[str], episodes: Sequence[Episode]) -> Any:
    import pyarrow as pa

    fills = [fill for each in episodes for fill in each.fills]
    by_field: dict[str, list[Any]] = {
        name: [fill[place] for fill in fills] for place, name in enumerate(FILL_FIELDS)
    }
    columns = _labels(names, episodes, [len(each.fills) for each in episodes])
    columns["time"] = _times(by_field.pop("filled_ns"))
    for name, values in by_field.items():
        columns[name] = pa.array(values, pa.float64() if name in _FILL_NUMBERS else pa.string())
    return pa.table(columns)


def _labels(
    names: Sequence[str], episodes: Sequence[Episode], lengths: Sequence[int]
) -> dict[str, Any]:
    import pyarrow as pa

    agents = np.repeat(np.array([each.agent for each in episodes], np.int32), lengths)
    numbers = np.repeat(np.array([each.index for each in episodes], np.int32), lengths)
    labels = pa.DictionaryArray.from_arrays(pa.array(agents), pa.array(list(names), pa.string()))
    return {"agent": labels, "episode": pa.array(numbers)}


def _times(values: Any) -> Any:
    import pyarrow as pa

    return pa.array(np.asarray(values, np.int64), pa.timestamp("ns", tz="UTC"))
