"""Files over HTTP: whole and as their checksum says, or not at all."""

from __future__ import annotations

import hashlib
import threading

import pytest

from seq_gym.errors import ConfigError, DownloadError
from seq_gym.market.download import Patience
from seq_gym.market.download.patience import Passing
from seq_gym.market.download.web import FileServer
from tests.market.download.servers import answer, cut_short, hang_up, silent

BODY = bytes(range(256)) * 5_000
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(archive, patience):
    archive.files["a/b.zip"] = BODY
    return FileServer(archive.url, timeout_s=5.0, patience=patience)


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, tmp_path):
    assert server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert (tmp_path / "b.zip").read_bytes() == BODY
    assert [each.name for each in tmp_path.iterdir()] == ["b.zip"]


def test_what_is_not_there_is_no_error(server, tmp_path):
    assert server.text("a/none.CHECKSUM") is None
    assert not server.fetch("a/none.zip", tmp_path / "none.zip", SHA256)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fault",
    [
        answer(429, b"slow down"),
        answer(500, b""),
        answer(503, b""),
        cut_short(BODY),
        hang_up,
        answer(200, BODY[:-1]),
        answer(200, BODY[:-1] + b"x"),
    ],
    ids=["429", "500", "503", "cut short", "hung up", "truncated", "altered"],
)
def test_a_fault_that_passes_changes_nothing(fault, server, archive, waits, tmp_path):
    archive.faults["a/b.zip"] = [fault, fault]
    assert server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert (tmp_path / "b.zip").read_bytes() == BODY
    assert [each.name for each in tmp_path.iterdir()] == ["b.zip"]
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (answer(503, b""), "failed 4 times: HTTP 503"),
        (cut_short(BODY), "ended after|IncompleteRead"),
        (answer(200, b"other"), "its sha256 must be"),
    ],
    ids=["503", "cut short", "altered"],
)
def test_a_fault_that_stays_is_an_error_and_leaves_what_was_there(
    fault, words, server, archive, tmp_path
):
    (tmp_path / "b.zip").write_bytes(b"older")
    archive.faults["a/b.zip"] = [fault] * 9
    with pytest.raises(DownloadError, match=words):
        server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert archive.num_asked("a/b.zip") == 4
    assert (tmp_path / "b.zip").read_bytes() == b"older"
    assert [each.name for each in tmp_path.iterdir()] == ["b.zip"]


def test_a_server_that_says_nothing_is_given_up(archive, waits, patience, tmp_path):
    done = threading.Event()
    archive.faults["a/b.zip"] = [silent(30.0, done)] * 9
    server = FileServer(archive.url, timeout_s=0.2, patience=patience)
    with pytest.raises(DownloadError, match="timed out"):
        server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    done.set()
    assert len(waits) == 3


def test_the_wait_that_a_server_asks_for_is_kept_within_reason(archive, server, waits, tmp_path):
    archive.faults["a/b.zip"] = [
        answer(429, b"", Retry_After="7"),
        answer(503, b"", Retry_After="90000"),
        answer(503, b"", Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"),
    ]
    assert server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert waits == [7.0, 120.0, 4.0]


@pytest.mark.parametrize("stated", ["nan", "inf", "-5", "soon", "9" * 400])
def test_a_wait_that_is_no_number_of_seconds_is_our_own(stated, archive, server, waits, tmp_path):
    archive.faults["a/b.zip"] = [answer(429, b"", Retry_After=stated)]
    assert server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert waits == ([120.0] if stated.isdecimal() else [1.0])


def test_an_answer_that_is_not_http_is_told_in_one_line(archive, server, tmp_path):
    def garbage(handler):
        handler.wfile.write(b"\x00\x01 what?\r\n\r\n")
        handler.connection.close()

    def with_a_wrong_length(handler):
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: many\r\n\r\nx")

    archive.faults["a/b.zip"] = [garbage, with_a_wrong_length, garbage, with_a_wrong_length]
    with pytest.raises(DownloadError, match="failed 4 times: it ended after 1 of many") as error:
        server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    archive.faults["a/b.zip"] = [answer(302, b"", Location="/a/b.zip")] * 20
    with pytest.raises(DownloadError, match="HTTP 302") as loop:
        server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert "\n" not in f"{error.value}{loop.value}"


def test_a_refusal_is_not_asked_again(archive, server, waits, tmp_path):
    archive.faults["a/b.zip"] = [answer(403, b"no")] * 2
    with pytest.raises(DownloadError, match="was refused: HTTP 403"):
        server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert waits == []


def test_a_folder_that_cannot_be_written_is_not_blamed_on_the_network(server, waits, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DownloadError, match="cannot be written"):
        server.fetch("a/b.zip", tmp_path / "file" / "b.zip", SHA256)
    (tmp_path / "b.zip").mkdir()
    with pytest.raises(DownloadError, match="cannot be written"):
        server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert waits == []


@pytest.mark.parametrize(
    "url", ["http://data.example.com", "ftp://127.0.0.1/x", "file:///etc", "data.binance.vision"]
)
def test_only_https_is_trusted_beyond_this_machine(url, patience):
    with pytest.raises(ConfigError, match="must begin with https://"):
        FileServer(url, timeout_s=1.0, patience=patience)
    FileServer("https://data.example.com", timeout_s=1.0, patience=patience)
    FileServer("http://[::1]:8000", timeout_s=1.0, patience=patience)


@pytest.mark.parametrize("target", ["http://data.example.com/b.zip", "file:///etc/passwd"])
def test_a_redirect_to_an_insecure_place_is_not_followed(target, archive, server, waits, tmp_path):
    archive.faults["a/b.zip"] = [answer(302, b"", Location=target)]
    with pytest.raises(DownloadError, match=r"leads elsewhere: An address must|not allowed"):
        server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)
    assert waits == []


def test_a_redirect_on_this_machine_is_followed(archive, server, tmp_path):
    archive.faults["a/b.zip"] = [answer(302, b"", Location=f"{archive.url}/moved.zip")]
    archive.files["moved.zip"] = BODY
    assert server.fetch("a/b.zip", tmp_path / "b.zip", SHA256)


def test_patience_waits_twice_as_long_each_time_up_to_its_limit():
    waits: list[float] = []
    patience = Patience(tries=6, first_wait_s=2.0, longest_wait_s=9.0, sleep=waits.append)

    def never() -> None:
        raise Passing("busy")

    with pytest.raises(DownloadError, match=r"asking failed 6 times: busy\. What was stored"):
        patience.ask(never, "asking")
    assert waits == [2.0, 4.0, 8.0, 9.0, 9.0]


def test_whoever_watches_is_told_of_every_wait():
    told: list[str] = []
    patience = Patience(tries=3, sleep=lambda _: None, tell=told.append)

    def never() -> None:
        raise Passing("busy")

    with pytest.raises(DownloadError):
        patience.ask(never, "asking")
    assert told == ["asking: busy; asked again in 1 s", "asking: busy; asked again in 2 s"]


@pytest.mark.parametrize("settings", [{"tries": 0}, {"first_wait_s": -1.0}, {"longest_wait_s": -1}])
def test_patience_without_sense_is_refused(settings):
    with pytest.raises(ConfigError, match="must be"):
        Patience(**settings)
