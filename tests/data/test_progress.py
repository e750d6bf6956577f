"""A bar for a person, now and then a line for a log, nothing when asked to be quiet."""

from __future__ import annotations

import io
import sys

from seq_gym.data.progress import show_progress
from seq_gym.market.store import Progress


def at(done: int, stage: str = "reading") -> Progress:
    return Progress(source="a.csv", stage=stage, done=done, total=200, rows=1_000 * done)


def test_a_log_gets_a_line_every_half_minute_and_none_of_a_short_import(capsys):
    seconds = 0.0
    with show_progress(False, clock=lambda: seconds) as show:
        assert show is not None
        for done in range(101):
            seconds = done * 0.7
            show(at(done))
    assert capsys.readouterr().err.splitlines() == [
        "reading a.csv: 22 %, 43,000 rows",
        "reading a.csv: 43 %, 86,000 rows",
    ]
    with show_progress(False, clock=lambda: 0.0) as show:
        assert show is not None
        show(at(1))
    assert capsys.readouterr().err == ""


def test_what_is_not_known_is_not_told(capsys):
    seconds = 0.0
    with show_progress(False, clock=lambda: seconds) as show:
        assert show is not None
        seconds = 31.0
        show(Progress(source="x", stage="reading", done=0, total=0, rows=5_000))
    assert capsys.readouterr().err == "reading x: 5,000 rows\n"


def test_quiet_shows_nothing():
    with show_progress(True) as show:
        assert show is None


def test_a_person_sees_a_bar_for_what_is_read_and_one_for_what_is_written(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with show_progress(False) as show:
        assert show is not None
        show(at(50))
        show(at(200))
        show(at(1, "writing"))
        show(at(0, "writing"))
    text = terminal.getvalue()
    assert "reading a.csv" in text
    assert "writing a.csv" in text
    assert text.endswith("\r")  # nothing of a bar stays
