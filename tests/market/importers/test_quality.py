"""judge: what is merged, resolved, refused, dropped and reported; findings add up."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import MarketDataError, UnknownName
from seq_gym.market import synthetic_candles
from seq_gym.market.columns import CandleColumns, join_chunks
from seq_gym.market.quality import Findings, QualityReport, judge
from seq_gym.times import NS_PER_HOUR, NS_PER_MINUTE, parse_time

START = parse_time("2025-01-01")


def table(minutes, close=None, volume=None, **fields):
    """Flat candles at these minutes."""
    minutes = np.asarray(minutes, dtype=np.int64)
    price = np.full(len(minutes), 10.0) if close is None else np.asarray(close, dtype=float)
    return CandleColumns(
        symbol="BTCUSDT",
        time_ns=START + minutes * NS_PER_MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=np.ones(len(minutes)) if volume is None else np.asarray(volume, dtype=float),
        source="x.csv",
        row_numbers=np.arange(2, 2 + len(minutes)),
        row_word="line",
        **fields,
    )


def minutes_of(columns):
    return ((columns.time_ns - START) // NS_PER_MINUTE).tolist()


# ---------------------------------------------------------------------- duplicates


def test_rows_that_differ_in_the_last_bit_only_are_identical():
    columns, findings = judge(table([0, 1, 1], close=[10.0, 0.3, 0.1 + 0.2]))
    assert columns.close.tolist() == [10.0, 0.3]
    assert (findings.duplicates, findings.conflicts) == (1, 0)
    with pytest.raises(MarketDataError, match="stated again"):
        judge(table([0, 1, 1], close=[10.0, 0.3, 0.300000000001]))


def test_identical_rows_are_merged_and_counted():
    columns, findings = judge(table([0, 1, 1, 2, 2, 2]))
    assert minutes_of(columns) == [0, 1, 2]
    assert (findings.rows, findings.kept, findings.duplicates, findings.conflicts) == (6, 3, 3, 0)
    assert columns.row_numbers.tolist() == [2, 3, 5]


def test_conflicts_name_both_lines_and_the_option_or_are_resolved_in_source_order():
    rows = table([2, 1, 1, 0], close=[12, 10, 11, 9])
    with pytest.raises(
        MarketDataError, match=r"line 3.*line 4.*open 11\.0 instead of 10\.0.*--on-conflict"
    ):
        judge(rows)
    first, findings = judge(rows, on_conflict="first")
    assert first.close.tolist() == [9, 10, 12]
    assert (findings.conflicts, findings.on_conflict, findings.order) == (1, "first", "descending")
    last, _ = judge(rows, on_conflict="last")
    assert last.close.tolist() == [9, 11, 12]
    with pytest.raises(UnknownName, match="Did you mean 'last'"):
        judge(rows, on_conflict="lst")


def test_a_volume_alone_makes_a_conflict_and_two_missing_ones_do_not():
    with pytest.raises(MarketDataError, match=r"volume 2\.0 instead of 1\.0"):
        judge(table([0, 0, 1], volume=[1, 2, 1]))
    twice = table([0, 0, 1], extra={"trades": np.array([np.nan, np.nan, 1.0])})
    assert judge(twice)[1].duplicates == 1


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), min_size=1, max_size=30))
def test_judge_agrees_with_a_slow_twin(rows):
    minutes, closes = zip(*rows, strict=True)
    for choice in ("first", "last"):
        kept = {}
        for minute, close in rows:
            if choice == "last" or minute not in kept:
                kept[minute] = close
        columns, findings = judge(
            table(minutes, closes, interval_ns=NS_PER_MINUTE), on_conflict=choice
        )
        assert dict(zip(minutes_of(columns), columns.close.tolist(), strict=True)) == kept
        assert minutes_of(columns) == sorted(kept)
        same = sum(close == kept[minute] for minute, close in rows) - len(kept)
        assert (findings.duplicates, findings.conflicts) == (same, len(rows) - len(kept) - same)


# ---------------------------------------------------------------------- bad rows


def test_bad_rows_are_refused_with_the_option_or_dropped_with_their_reasons():
    rows = table([0, 1, 2, 3], close=[10, -1, np.nan, 11])
    with pytest.raises(MarketDataError, match=r"line 3, .*open must be finite and > 0.*--drop-bad"):
        judge(rows)
    columns, findings = judge(rows, drop_bad=True)
    assert minutes_of(columns) == [0, 3]
    assert (findings.rows, findings.kept, findings.dropped) == (4, 2, 2)
    assert [row.partition(",")[2].split(",")[1] for row in findings.bad_rows] == [
        " line 3",
        " line 4",
    ]


def test_open_times_off_the_grid_are_refused_or_dropped_but_not_if_most_are():
    rows = table(range(10))
    rows.time_ns[5] += 1
    with pytest.raises(MarketDataError, match=r"line 7, .*multiple of the interval 1m.*--drop-bad"):
        judge(rows)
    columns, findings = judge(rows, drop_bad=True)
    assert (len(columns.time_ns), findings.dropped, findings.missing) == (9, 1, 1)
    rows.time_ns[:] = START + 1 + np.arange(10) * NS_PER_MINUTE
    with pytest.raises(MarketDataError, match="close time, or in another zone"):
        judge(rows, drop_bad=True)


def test_a_row_of_the_future_is_a_bad_row():
    rows = table([0, 1, 60 * 24 * 40])
    with pytest.raises(MarketDataError, match=r"line 4, .*must lie before now.*--drop-bad"):
        judge(rows, now_ns=START + NS_PER_HOUR)
    columns, findings = judge(rows, now_ns=START + NS_PER_HOUR, drop_bad=True)
    assert (minutes_of(columns), findings.dropped) == ([0, 1], 1)


def test_nothing_may_be_left():
    columns, findings = judge(table([0], close=[-1]), drop_bad=True)
    assert len(columns.time_ns) == 0
    assert (findings.kept, findings.first_ns, findings.interval_ns, findings.gaps) == (
        0,
        None,
        None,
        0,
    )
    assert findings.as_dict()["first"] is None


# ---------------------------------------------------------------------- unfinished


@pytest.mark.parametrize(
    ("seconds", "left"), [(60 * 4, 4), (60 * 5 - 1, 4), (60 * 5, 5), (60 * 9, 5)]
)
def test_a_last_candle_that_has_not_closed_is_left_out(seconds, left):
    rows = table(range(5))
    now = START + seconds * 10**9
    columns, findings = judge(rows, now_ns=now)
    assert len(columns.time_ns) == left
    assert findings.unfinished == 5 - left
    assert len(judge(rows)[0].time_ns) == 5


def test_a_file_written_inside_of_its_last_candle_has_it_unfinished():
    rows = table(range(5))
    for minute, left in ((3.5, 5), (4, 4), (4.5, 4), (5, 5), (7, 5)):
        written = START + int(minute * NS_PER_MINUTE)
        assert len(judge(rows, modified_ns=written)[0].time_ns) == left


# ---------------------------------------------------------------------- report


def test_gaps_are_counted_by_the_mode_of_the_steps():
    columns, findings = judge(table([0, 1, 2, 3, 6, 7, 11]))
    assert (findings.interval_ns, findings.gaps, findings.missing) == (NS_PER_MINUTE, 2, 5)
    assert findings.max_gap_ns == 4 * NS_PER_MINUTE
    assert (findings.first_ns, findings.last_ns) == (columns.time_ns[0], columns.time_ns[-1])


@pytest.mark.parametrize(
    ("minutes", "order"),
    [
        ([0, 1, 2], "ascending"),
        ([2, 1, 0], "descending"),
        ([0, 2, 1], "mixed"),
        ([0], ""),
        ([0, 0], ""),
    ],
)
def test_the_order_of_the_rows_is_told(minutes, order):
    assert judge(table(minutes))[1].order == order


def series_table(series):
    return CandleColumns(
        symbol="BTCUSDT",
        time_ns=series.start_ns + np.arange(series.num_candles) * series.interval_ns,
        **{n: getattr(series, n)[:, 0].copy() for n in ("open", "high", "low", "close", "volume")},
    )


def test_outliers_are_reported_and_kept():
    rows = series_table(synthetic_candles(num_candles=500))
    calm = judge(rows)[1].outliers
    assert calm < 20
    rows.high[100] *= 3
    columns, findings = judge(rows)
    assert len(columns.time_ns) == 500
    assert findings.outliers == calm + 1
    assert "row 100" in findings.worst_outliers[0].where
    assert "high is above low by a factor of 3" in findings.worst_outliers[0].what


def test_a_move_over_a_gap_and_a_flat_market_are_no_outliers():
    rows = series_table(synthetic_candles(num_candles=200))
    calm = judge(rows)[1].outliers
    late = np.concatenate((np.arange(100), np.arange(100) + 5000)) * NS_PER_MINUTE
    rows.time_ns[:] = START + late
    for name in ("open", "high", "low", "close"):
        getattr(rows, name)[100:] *= 4
    assert judge(rows)[1].outliers <= calm
    assert judge(table(range(50)))[1].outliers == 0


@given(st.lists(st.integers(0, 300), min_size=2, max_size=60, unique=True), st.data())
def test_findings_of_pieces_add_up_to_those_of_the_whole_in_any_order(minutes, data):
    volume = np.arange(len(minutes)) % 3
    whole = judge(table(sorted(minutes), volume=volume, interval_ns=NS_PER_MINUTE))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(minutes)), max_size=4)))
    edges = [0, *cuts, len(minutes)]
    pieces = [judge(whole[0].take(np.arange(a, b)))[1] for a, b in pairwise(edges) if b > a]
    # Neighbours first: a gap between pieces is counted when they meet.
    total = sum(pieces[1:], pieces[0])
    for name in ("rows", "kept", "zero_volume", "first_ns", "last_ns"):
        assert getattr(total, name) == getattr(whole[1], name)
    assert total.steps == whole[1].steps
    assert (total.gaps, total.missing, total.max_gap_ns) == (
        whole[1].gaps,
        whole[1].missing,
        whole[1].max_gap_ns,
    )


def test_what_a_reader_saw_belongs_to_the_findings():
    seen = Findings.of_reading(
        {"epoch unit ms": 3, "volume columns swapped": 1}, [("x, line 2", "bad")], 4
    )
    total = seen + judge(table([0, 1, 2]))[1]
    assert (total.rows, total.kept, total.dropped) == (7, 3, 4)
    assert total.units == {"ms": 3}
    assert total.bad_rows == ["x, line 2: bad"]
    assert (total + seen).notes == {"epoch unit ms": 6, "volume columns swapped": 2}


def test_the_report_says_every_fact_once_and_goes_through_json():
    rows = table(
        [3, 2, 1, 1, 1, 9, 8], close=[10, 10, 10, 10, 11, -1, 10], volume=[1, 0, 1, 1, 1, 1, 1]
    )
    _, findings = judge(rows, on_conflict="first", drop_bad=True)
    findings = Findings.of_reading({"epoch unit ms": 7}) + findings
    report = QualityReport(
        source="x.csv",
        symbol="BTCUSDT",
        venue="here",
        kind="candles",
        format="csv",
        findings=findings,
    )
    text = report.as_text()
    for fact in (
        "x.csv: candles BTCUSDT of here, read as csv",
        "4 rows, 1m, 2025-01-01T00:01:00Z to 2025-01-01T00:08:00Z, mixed",
        "gaps: 1, candles missing: 4, longest step 300 s",
        "identical rows, merged: 1",
        "conflicting rows, the first kept: 1",
        "bad rows, left out: 1",
        "candles without volume: 1",
        "epoch unit ms: 7 rows",
        "line 7",
    ):
        assert text.count(fact) == 1, (fact, text)
    again = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert again["findings"]["missing"] == 4
    assert again["findings"]["units"] == {"ms": 7}


def test_chunks_joined_keep_their_lines():
    joined = join_chunks([table([0, 1]), table([2, 3])])
    assert joined.row_numbers.tolist() == [2, 3, 2, 3]
