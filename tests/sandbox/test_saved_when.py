"""When a session is saved, and where (S1-17, S1-55)."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq_gym.errors import UsageError
from seq_gym.evaluate import EvaluateConfig, evaluate
from seq_gym.policy import Strategy
from seq_gym.sandbox import saved_file
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import flat, random_market, session_of
from tests.sandbox.savings import finished, must_be_equal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "sessions.db"


def test_a_cancelled_session_is_saved_with_partial_results(path):
    live = session_of(flat(100, 9), steps=2, save_to=path)
    live.place_order("BTCUSDT", "buy", "market", quantity=3)
    live.cancel()
    loaded = Session.load(live.session_id, path)
    must_be_equal(live, loaded)
    assert (loaded.status, loaded.results().is_partial) == ("cancelled", True)
    assert loaded.position("BTCUSDT").quantity == 3


class Breaks(Strategy):
    def on_candle(self, session):
        session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=90)
        if session.step_index == 4:
            raise ZeroDivisionError


def test_a_session_whose_strategy_raised_is_saved_as_failed(path):
    live = session_of(flat(100, 9), start=False, save_to=path)
    with pytest.raises(ZeroDivisionError):
        live.run(Breaks())
    loaded = Session.load(live.session_id, path)
    must_be_equal(live, loaded)
    assert (loaded.status, len(loaded.open_orders())) == ("failed", 4)
    assert loaded.equity_curve()[-1].portfolio == live.portfolio()


def test_a_ruined_and_a_liquidated_session_are_saved(path):
    rows = [*flat(100, 2), (100, 100, 20, 20), *flat(20, 3)]
    kinds = {"RUINED": ({"ruin_frac": 0.5}, 99), "LIQUIDATED": ({"account": "margin"}, 250)}
    for ending, (arguments, quantity) in kinds.items():
        live = session_of(rows, steps=1, save_to=path, **arguments)
        live.place_order("BTCUSDT", "buy", "market", quantity=quantity)
        live.step_batch(5)
        assert live.ending.name == ending
        must_be_equal(live, Session.load(live.session_id, path))


def test_a_strategy_that_runs_to_the_end_is_saved_once(path):
    live = session_of(flat(100, 9), start=False, save_to=path)
    live.run(Strategy())
    assert Session.load(live.session_id, path).status == "completed"
    with pytest.raises(UsageError, match="saved once"):
        live.save()


def test_nothing_is_written_before_a_session_is_over_or_500_steps_old(path):
    live = session_of(flat(100, 9), steps=8, save_to=path)
    assert not path.parent.exists()
    live.step()
    assert path.exists()
    assert [each.name for each in path.parent.iterdir()] == ["sessions.db"]


def test_save_false_writes_nothing_and_save_keeps_it_after_all(path):
    live = session_of(flat(100, 600), save=False, save_to=path)
    with pytest.raises(UsageError, match="must be completed, cancelled or failed"):
        live.save()
    live.step_batch(600)
    assert not path.exists()
    assert not live.is_saved
    assert live.save_error is None
    assert live.save() == path
    assert live.is_saved
    must_be_equal(live, Session.load(live.session_id, path))


def test_environments_and_evaluate_save_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(saved_file.PATH_VARIABLE, str(tmp_path / "sessions.db"))
    owner = session_of(random_market(3), execution="next_open", save=False)
    batch = owner.tables
    batch.reset(0, 20, 120)
    view = Session.of_batch(batch, owner.series, owner.params, start=20, end=120)
    batch.advance(0, 100)
    assert view.is_complete
    config = EvaluateConfig(episodes=1, episode_steps=50, warm_up=10)
    evaluate(config, agents={"mine": Strategy}, data=owner.series)
    assert not (tmp_path / "sessions.db").exists()
    assert view.save() == tmp_path / "sessions.db"
    assert Session.load(view.session_id).results() == view.results()


def test_the_file_is_that_of_the_argument_else_the_variable_else_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(saved_file.PATH_VARIABLE, "variable.db")
    assert saved_file.sessions_path("argument.db") == tmp_path / "argument.db"
    assert saved_file.sessions_path() == tmp_path / "variable.db"
    monkeypatch.delenv(saved_file.PATH_VARIABLE)
    assert saved_file.sessions_path() == tmp_path / "runs" / "sessions.db"


def test_the_file_is_chosen_when_a_session_is_created(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    live = session_of(flat(100, 3), save_to="here.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    live.step_batch(3)
    assert (tmp_path / "here.db").exists()


def test_two_runs_of_one_program_are_two_sessions(path):
    first, second = finished(path), finished(path)
    assert first.session_id != second.session_id
    assert first.orders() == second.orders()
    for live in (first, second):
        must_be_equal(live, Session.load(live.session_id, path))


def test_a_save_is_on_the_disk_and_progress_is_cheap(path):
    with saved_file.writing(path) as link:
        assert link.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert link.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with saved_file.now_and_then(path) as link:
        assert link.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL


def test_a_path_may_hold_any_character(tmp_path):
    live = finished(tmp_path / "a b#c?mode=ro&d%20é.db")
    assert [each.name for each in tmp_path.iterdir()] == ["a b#c?mode=ro&d%20é.db"]
    must_be_equal(live, Session.load(live.session_id, tmp_path / "a b#c?mode=ro&d%20é.db"))
