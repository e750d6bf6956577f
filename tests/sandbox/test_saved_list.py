"""Saved sessions are found again: list, compare, best (S1-56 to S1-58, S1-71)."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import seq_gym
from seq_gym import best_session, compare_sessions, list_sessions
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.sandbox import responses, saved_file, saved_writer
from seq_gym.sandbox.saved_writer import PROGRESS_EVERY
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import flat, random_market, session_of

UP = [*flat(100, 1), (100, 104, 100, 103), (103, 103, 101, 102), (102, 109, 102, 108)]
"""Up by 8 percent, with a step down."""


def played(path: Path, label: str, fraction: float, **arguments: Any) -> Session:
    """A session that bought a part of its equity's worth after the first candle."""
    session = session_of(
        arguments.pop("rows", UP), steps=1, save_to=path, strategy_label=label, **arguments
    )
    if fraction:
        session.place_order("BTCUSDT", "buy", "market", fraction=fraction)
    session.step_batch(99)
    return session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def three(path: Path) -> dict[str, Session]:
    """Two momentum sessions and one that held nothing, whose Sharpe ratio is undefined."""
    return {
        "momentum_v1": played(path, "momentum_v1", 0.2, agent_id="anna"),
        "idle": played(path, "idle", 0.0, agent_id="bob"),
        "Momentum_v2": played(path, "Momentum_v2", 0.9, agent_id="bob"),
    }


def labels(found: Any) -> list[str]:
    return [each.strategy_label for each in found]


# ---------------------------------------------------------------------- the list


def test_the_list_has_all_that_was_saved_the_last_first(three, path):
    found = list_sessions(path)
    assert labels(found) == ["Momentum_v2", "idle", "momentum_v1"]
    assert labels(list_sessions(path, ascending=True)) == ["momentum_v1", "idle", "Momentum_v2"]
    assert found.total == len(found) == 3
    assert found[1].results == three["idle"].results()
    assert found[0:1] == (found[0],)


def test_s1_56_a_part_of_a_label_a_status_and_a_metric_choose_and_order(three, path):
    session_of(flat(100, 9), steps=2, save_to=path, strategy_label="momentum_v3").cancel()
    found = list_sessions(
        path, strategy_label="momentum", status="completed", sort_by="sharpe_ratio"
    )
    sharpe = [each.results.metrics.sharpe_ratio for each in found]
    assert set(labels(found)) == {"momentum_v1", "Momentum_v2"}
    assert sharpe == sorted(sharpe, reverse=True)
    assert labels(list_sessions(path, status="cancelled")) == ["momentum_v3"]
    assert labels(list_sessions(path, agent_id="bob")) == ["Momentum_v2", "idle"]
    assert labels(list_sessions(path, agent_id="bo")) == []
    assert labels(list_sessions(path, strategy_label="v1", agent_id="anna")) == ["momentum_v1"]
    assert labels(list_sessions(path, strategy_label="%")) == []


@pytest.mark.parametrize(
    ("label", "part"),
    [("ÄRGER", "ärg"), ("straße", "STRASSE"), ("50%_off", "%_"), ("it's", "'"), ("a\x00b", "\x00"),
     ("x\ud800y", "X\ud800"), ("two\nlines", "two\nl"), ("", "")],
)  # fmt: skip
def test_a_label_of_any_characters_is_saved_and_found_whatever_its_case(path, label, part):
    live = played(path, label, 0.0)
    assert live.save_error is None
    (found,) = list_sessions(path, strategy_label=part)
    assert found.session_id == live.session_id
    assert Session.load(live.session_id, path).strategy_label == label
    with pytest.raises(UsageError, match="session_id must be"):
        Session.load("bt_\ud800", path)


@pytest.mark.parametrize("ascending", [False, True])
def test_what_is_undefined_comes_last_either_way(three, path, ascending):
    found = list_sessions(path, sort_by="sharpe_ratio", ascending=ascending)
    assert labels(found)[-1] == "idle"
    assert found[-1].results.metrics.sharpe_ratio is None


@pytest.mark.parametrize(
    "name",
    [
        "roi_pct", "final_equity", "total_pnl", "total_trades", "total_fees", "sharpe_ratio",
        "sortino_ratio", "max_drawdown_pct", "max_drawdown_duration_days", "win_rate",
        "profit_factor", "avg_win", "avg_loss", "best_trade", "worst_trade", "trades_per_day",
        "cagr_frac", "calmar_ratio", "volatility_frac", "starting_balance", "total_steps",
    ],
)  # fmt: skip
def test_every_name_of_summary_and_metrics_sorts(three, path, name):
    assert list_sessions(path, sort_by=name).total == 3
    if name in ("profit_factor", "avg_loss", "calmar_ratio"):  # nobody lost
        with pytest.raises(UsageError, match=f"a value of {name}"):
            best_session(name, path)
    else:
        assert best_session(name, path).metric == name


def test_the_best_value_is_the_one_of_the_results_document(three, path):
    for name in ("max_drawdown_pct", "win_rate", "trades_per_day", "max_drawdown_duration_days"):
        best = best_session(name, path)
        live = three[best.session.strategy_label]
        assert best.value == responses.results(live)["metrics"][name]
    assert best_session("roi_pct", path).value == three["Momentum_v2"].results().roi_pct


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sort_by": "sharp_ratio"}, "Did you mean 'sharpe_ratio'"),
        ({"sort_by": "number; DROP TABLE sessions"}, "sort_by"),
        ({"status": "complete"}, "Did you mean 'completed'"),
        ({"status": "created"}, "status"),
    ],
)
def test_unknown_names_are_refused_with_the_near_miss(three, path, arguments, words):
    with pytest.raises(UnknownName, match=words):
        list_sessions(path, **arguments)
    with pytest.raises(UnknownName, match="Unknown metric 'sharp_ratio'"):
        best_session("sharp_ratio", path)


def test_pages_are_cut_and_say_how_many_there_are(three, path):
    found = list_sessions(path, limit=1, offset=1)
    assert (labels(found), found.total, found.limit, found.offset) == (["idle"], 3, 1, 1)
    assert list_sessions(path, offset=7).total == 3
    assert labels(list_sessions(path, limit=2**70)) == ["Momentum_v2", "idle", "momentum_v1"]
    far = list_sessions(path, offset=2**70)
    assert (len(far), far.total, far.offset) == (0, 3, 2**70)
    for page in ({"limit": 0}, {"offset": -1}, {"limit": "3"}):
        with pytest.raises(ConfigError, match="whole number"):
            list_sessions(path, **page)


def test_where_nothing_was_saved_the_list_is_empty_and_no_file_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(saved_file.PATH_VARIABLE)
    assert list(list_sessions()) == []
    with pytest.raises(ConfigError, match="there is none at"):
        list_sessions("misspelt.db")
    with pytest.raises(UsageError, match="0 that the filters"):
        best_session()
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- progress


def test_s1_71_a_running_session_is_listed_with_its_step_every_500(path):
    live = session_of(flat(100, 2_000), save_to=path, strategy_label="slow")
    steps = []
    for _ in range(13):
        live.step_batch(100)
        steps.append([each.step for each in list_sessions(path)] if path.exists() else None)
    assert steps == [None] * 4 + [[500]] * 5 + [[1000]] * 4
    (entry,) = list_sessions(path, status="running")
    assert (entry.session_id, entry.total_steps) == (live.session_id, 2_000)
    assert (entry.progress_pct, entry.results) == (50.0, None)
    document = responses.session_list(list_sessions(path))["sessions"][0]
    assert (document["summary"], document["metrics"]) == (None, None)
    with pytest.raises(UsageError, match="running at step 1000 of 2000") as raised:
        Session.load(live.session_id, path)
    assert raised.value.code == "INVALID_STATE"
    live.step_batch(2_000)
    (entry,) = list_sessions(path)
    assert (entry.status, entry.step) == ("completed", 2_000)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_progress_is_one_small_write_and_none_without_save(path, monkeypatch):
    told = []
    tell = saved_writer.SessionSaver.tell
    monkeypatch.setattr(
        saved_writer.SessionSaver,
        "tell",
        lambda self, s: (told.append(s.step_index), tell(self, s)),
    )
    for save in (True, False):
        live = session_of(flat(100, 2_000), save=save, save_to=path)
        while not live.is_complete:
            live.step()
    assert told == [500, 1_000, 1_500]
    assert PROGRESS_EVERY == 500


def test_progress_waits_for_nobody_and_is_tried_again(path):
    live = session_of(flat(100, 2_000), save_to=path)
    played(path, "another", 0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    live.step_batch(500)
    other.execute("ROLLBACK")
    other.close()
    assert list_sessions(path, status="running").total == 0
    live.step_batch(500)
    assert list_sessions(path, status="running")[0].step == 1_000


def test_a_file_that_is_removed_while_a_session_runs_is_made_again(path):
    live = session_of(flat(100, 2_000), save_to=path)
    live.step_batch(500)
    for each in path.parent.iterdir():
        each.unlink()
    live.step_batch(500)
    assert list_sessions(path)[0].step == 1_000
    live.step_batch(1_000)
    assert Session.load(live.session_id, path).results() == live.results()


# ---------------------------------------------------------------------- compare and best


def test_s1_57_the_one_ahead_in_both_is_recommended(path):
    rows = [*flat(100, 1), (100, 104, 100, 103), (103, 103, 90, 92), (92, 109, 92, 108)]
    bad = session_of(rows, steps=1, save_to=path, strategy_label="momentum_v1")
    bad.place_order("BTCUSDT", "buy", "market", fraction=0.9)
    bad.step_batch(2)
    bad.place_order("BTCUSDT", "sell", "market", quantity=bad.position("BTCUSDT").quantity)
    bad.step_batch(99)
    good = played(path, "momentum_v2", 0.9, rows=rows)
    document = responses.compare(compare_sessions([bad.session_id, good.session_id], path))
    assert json.loads(json.dumps(document)) == {
        "comparisons": [
            {
                "session_id": each.session_id,
                "strategy_label": each.strategy_label,
                "roi_pct": each.results().roi_pct,
                "sharpe_ratio": each.results().metrics.sharpe_ratio,
            }
            for each in (bad, good)
        ],
        "best_by_roi": good.session_id,
        "best_by_sharpe": good.session_id,
        "recommendation": f"{good.session_id} (momentum_v2) outperforms on all key metrics",
    }
    asked = f"{bad.session_id},{good.session_id}"
    assert responses.compare(compare_sessions(asked, path)) == document


def test_it_is_said_where_no_session_is_ahead_in_both(path):
    steady = [(100 + k, 101 + k, 100 + k, 101 + k) for k in range(6)]
    wild = [*flat(100, 1), (100, 130, 100, 130), (130, 130, 90, 90), (90, 150, 90, 150)]
    wild += flat(150, 2)
    calm = played(path, "calm", 0.5, rows=steady)
    rich = played(path, "rich", 0.9, rows=wild)
    found = compare_sessions((calm.session_id, rich.session_id), path)
    assert found.best_by_roi == rich.session_id
    assert found.best_by_sharpe == calm.session_id
    assert found.recommendation == (
        f"No session is ahead on all key metrics: {rich.session_id} (rich) has the highest "
        f"return; {calm.session_id} (calm) has the highest Sharpe ratio"
    )


def test_equal_sessions_are_not_ranked(path):
    first, second = (played(path, "same", 0.5) for _ in range(2))
    found = compare_sessions((first.session_id, second.session_id), path)
    assert found.recommendation == (
        "No session is ahead on all key metrics: no return is above all others; no Sharpe ratio "
        "is above all others"
    )
    assert found.best_by_roi == first.session_id


def test_a_ratio_that_is_undefined_and_windows_that_differ_are_named(three, path):
    idle, best = three["idle"], three["Momentum_v2"]
    cut = session_of(random_market(7, 50, gaps=False), steps=1, save_to=path, strategy_label="cut")
    cut.place_order("BTCUSDT", "buy", "market", fraction=0.9)
    cut.step_batch(9)
    cut.cancel()
    text = compare_sessions((idle.session_id, best.session_id), path).recommendation
    assert "outperforms" not in text
    assert text.endswith(f"{idle.session_id} (idle) without a Sharpe ratio")
    text = compare_sessions((cut.session_id, best.session_id), path).recommendation
    assert text.endswith(
        f"(their windows, candles or pairs differ; partial results: {cut.session_id})"
    )
    two = played(path, "idle", 0.0)
    found = compare_sessions((idle.session_id, two.session_id), path)
    assert found.best_by_sharpe is None


def test_fees_that_differ_are_named_and_capital_and_limits_are_not(three, path):
    best = three["Momentum_v2"].session_id
    costly = played(path, "costly", 0.5, taker_fee_frac=0.001)
    text = compare_sessions((best, costly.session_id), path).recommendation
    assert text.endswith("on all key metrics (their fees or other physics differ)")
    rich = played(path, "rich", 0.5, starting_balance=10**6, risk={"max_open_orders": 9})
    text = compare_sessions((best, rich.session_id), path).recommendation
    assert text.endswith("outperforms on all key metrics")


def test_a_comparison_needs_two_sessions_that_are_over(three, path):
    one = three["idle"].session_id
    for asked in ([], [one], [one, one], one, f"{one},"):
        with pytest.raises(ConfigError, match="two different ones"):
            compare_sessions(asked, path)
    with pytest.raises(UsageError) as raised:
        compare_sessions([one, "bt_0"], path)
    assert raised.value.code == "NOT_FOUND"
    live = session_of(flat(100, 2_000), steps=500, save_to=path)
    with pytest.raises(UsageError, match="must be over to be compared") as raised:
        compare_sessions([one, live.session_id], path)
    assert raised.value.code == "INVALID_STATE"


def test_s1_58_the_best_is_the_highest_and_of_drawdowns_the_lowest(three, path):
    assert best_session("roi_pct", path).session.strategy_label == "Momentum_v2"
    assert best_session("max_drawdown_pct", path).session.strategy_label == "idle"
    assert best_session("roi_pct", path, agent_id="anna").session.strategy_label == "momentum_v1"
    document = responses.best(best_session(path=path))
    assert document["metric"] == "sharpe_ratio"
    assert document["value"] == document["metrics"]["sharpe_ratio"]
    assert document["session_id"] == three[document["strategy_label"]].session_id
    with pytest.raises(UsageError) as raised:
        best_session("sharpe_ratio", path, strategy_label="idle")
    assert raised.value.code == "NOT_FOUND"
    with pytest.raises(UnknownName, match="roi_pct"):
        best_session("roi_pc", path)


def test_partial_results_are_best_only_where_that_is_asked_for(path):
    played(path, "small", 0.1)
    cut = session_of(UP, steps=1, save_to=path, strategy_label="cut")
    cut.place_order("BTCUSDT", "buy", "market", fraction=0.9)
    cut.step_batch(1)
    cut.cancel()
    assert best_session("roi_pct", path).session.strategy_label == "small"
    assert best_session("roi_pct", path, status=None).session.strategy_label == "cut"


def test_the_documents_have_their_fields(three, path):
    document = json.loads(json.dumps(responses.session_list(list_sessions(path))))
    assert set(document) == {"sessions", "total", "limit", "offset"}
    first = document["sessions"][0]
    whole = responses.results(three["Momentum_v2"])
    assert first["summary"] == whole["summary"]
    assert first["metrics"] == whole["metrics"]
    assert first["start_time"] == whole["config"]["start_time"]
    assert (first["progress_pct"], first["status"]) == ("100.00", "completed")
    assert seq_gym.list_sessions is list_sessions
