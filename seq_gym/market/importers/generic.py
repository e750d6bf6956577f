"""Tables that name their columns in the usual words, or whose columns the user names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from seq_gym.errors import MarketDataError, UnknownName
from seq_gym.market.columns import PRICE_NAMES, FloatArray
from seq_gym.market.importers.names import kind_in_name, symbol_of_file, venue_in_name
from seq_gym.market.importers.sheets import Sheet, plain_name
from seq_gym.market.importers.strangers import READ, stranger_of
from seq_gym.market.importers.tables import COLUMN_NAMES, Layout, ReadOptions, TableKind

__all__ = ["find_columns", "kind_of", "layout_of", "recognise"]

_NEEDED: Final = {"funding": ("time", "rate")}
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2})?(\.\d+)?")
_INDEX_NAMES: Final = ("column0", "unnamed:0", "index", "level0")


def recognise(sheet: Sheet, options: ReadOptions) -> Layout | None:
    """Read any text table whose columns have names, theirs or those that the options give."""
    sample = {name: sheet.column(position) for position, name in enumerate(sheet.names)}
    return layout_of(
        "csv" if sheet.has_names else "csv without names",
        sheet.names,
        sample,
        options,
        sheet.path,
        sheet.member,
    )


def layout_of(
    form: str,
    names: Sequence[str],
    sample: Mapping[str, Sequence[object]],
    options: ReadOptions,
    path: Path,
    member: str | None,
) -> Layout:
    """Find the columns of a table by their names.

    Args:
        form: What the report calls the format.
        names: Columns of the table.
        sample: First values of each column.
        options: What the user says; its columns come first.
        path: File, whose name may tell symbol, venue and kind.
        member: Member of an archive, likewise.

    Raises:
        UnknownName: A column that was named is not there.
        MarketDataError: A column is missing.
    """
    where = path.name if member is None else f"{path.name}:{member}"
    kind = options.kind or kind_of(names, sample, path, member)
    columns = find_columns(names, sample, options, where, kind)
    no_volume = kind == "candles" and "volume" not in columns
    ignored = [name for name in names if plain_name(name) in ("adjclose", "adjustedclose")]
    return Layout(
        format=form,
        columns=columns,
        kind=kind,
        symbol=symbol_of_file(path, member),
        venue=venue_in_name(path, member),
        tz=options.tz,
        notes=[
            *(f"{name} left out: prices are as traded" for name in ignored),
            *(["no volume stated: every candle counts as traded"] if no_volume else []),
        ],
    )


def find_columns(
    names: Sequence[str],
    sample: Mapping[str, Sequence[object]],
    options: ReadOptions,
    where: str,
    kind: TableKind = "candles",
) -> dict[str, str]:
    """Map our names to the table's columns; those that were named come first.

    Raises:
        UnknownName: A column that was named is not there.
        MarketDataError: A column that is needed is missing.
    """
    for named in (*options.columns.values(), *options.extra):
        if named not in names:
            raise UnknownName("column", named, names, f"in {where}")
    taken = set(options.columns.values())
    free = {plain_name(name): name for name in reversed(names) if name not in taken}
    # Of "T" and "t" the one that is spelled as ours: the other is often another time.
    free |= {name: name for name in names if name == plain_name(name) and name not in taken}
    found: dict[str, str] = {}
    for ours, usual in COLUMN_NAMES.items():
        theirs = next((free[plain_name(n)] for n in usual if plain_name(n) in free), None)
        column = options.columns.get(ours) or theirs
        if column is not None:
            found[ours] = column
    if _are_clocks(sample.get(found.get("time", ""), ())) and "date" in free:
        found["date"] = free["date"]
    if "time" not in found and (index := _index_of_times(names, sample)):
        found["time"] = index
    if kind == "funding" and "rate" not in found and "open" in found:
        found["rate"] = found["open"]
    _refuse_missing(found, names, sample, where, kind)
    if kind == "funding":
        return {ours: found[ours] for ours in ("time", "rate", "symbol") if ours in found}
    return {ours: column for ours, column in found.items() if ours != "rate"}


def _are_clocks(values: Sequence[object]) -> bool:
    """Tell a column of hours and minutes, whose days stand in a column of their own."""
    return bool(values) and all(_CLOCK.fullmatch(str(value).strip()) for value in values)


def kind_of(
    names: Sequence[str], sample: Mapping[str, Sequence[object]], path: Path, member: str | None
) -> TableKind:
    """Tell what a table holds: by its columns, by its name, by its values."""
    plain = {plain_name(name): name for name in names}
    stated = {
        ours for ours, usual in COLUMN_NAMES.items() if any(plain_name(n) in plain for n in usual)
    }
    if "rate" in stated and not {"high", "low", "close"} & stated:
        return "funding"
    named = kind_in_name(path, member)
    if named is not None:
        return named
    prices = [_numbers(sample.get(plain.get(name, ""), ())) for name in PRICE_NAMES]
    return "funding" if _are_rates(prices) else "candles"


def _are_rates(prices: Sequence[FloatArray]) -> bool:
    """A funding table in the shape of candles: the rate is the open, all else is zero."""
    first, *others = prices
    return bool(
        len(first)
        and all(len(values) == len(first) and not values.any() for values in others)
        and (np.abs(first) < 1).all()
    )


def _numbers(values: Sequence[object]) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.zeros(0)


def _index_of_times(names: Sequence[str], sample: Mapping[str, Sequence[object]]) -> str | None:
    """Return the first column where it has no name of its own and holds dates: a frame's index."""
    first = names[0] if names else ""
    if plain_name(first) not in _INDEX_NAMES or not sample.get(first):
        return None
    dates = [str(value)[:4].isdigit() and str(value)[4:5] == "-" for value in sample[first]]
    return first if all(dates) else None


def _refuse_missing(
    found: Mapping[str, str],
    names: Sequence[str],
    sample: Mapping[str, Sequence[object]],
    where: str,
    kind: TableKind,
) -> None:
    needed = _NEEDED.get(kind, ("time", *PRICE_NAMES))
    missing = next((ours for ours in needed if ours not in found), None)
    if missing is None:
        return
    first = [str(values[0]) for values in sample.values() if len(values)]
    stranger = stranger_of(names, first)
    if stranger is not None:
        raise MarketDataError(f"{where} holds {stranger}; read are {READ}.")
    listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    if kind == "funding":
        raise MarketDataError(
            f"{where}: funding must have one of the columns "
            f"{', '.join(COLUMN_NAMES[missing])}; has {listed}. "
            f"Name it: columns={{{missing!r}: '...'}} (--columns {missing}=...)."
        )
    example = ",".join(f"{ours}=..." for ours in needed if ours not in found)
    raise MarketDataError(
        f"{where}: candles must have a column for {missing} "
        f"({' or '.join(COLUMN_NAMES[missing])}, any case); has {listed}. "
        f"Name it: columns={{{missing!r}: '...'}} (--columns {example})."
    )
