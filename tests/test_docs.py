"""The pages say what the code does: examples run, links lead somewhere, named tests exist."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import importlib
import re
import runpy
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import seq_gym
from seq_gym import Session
from seq_gym.data import cli
from seq_gym.data.commands import Outcome
from seq_gym.market import CandleSeries, candles_from_rows
from seq_gym.market.importers import ReadOptions
from seq_gym.market.store import Store
from seq_gym.types import Reason
from tests.data.conftest import websocket

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))

# Their code is complete. The other pages show fragments.
RUN = (
    "README.md",
    "docs/data.md",
    "docs/environments.md",
    "docs/fills.md",
    "docs/book_session.md",
    "docs/session.md",
    "docs/training.md",
)
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
DOOR = "python -m seq_gym.data "
NAMED_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

RULES = (
    *(f"C{k}" for k in range(1, 7)),
    *(f"O{k}" for k in range(2, 14)),
    *(f"M{k}" for k in range(1, 8)),
    *(f"R{k}" for k in range(1, 6)),
    *("O1", "O3b", "E1", "E1b", "E2", "E3", "E4", "E4c", "E4d", "E6"),
)


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks() -> list[Any]:
    """Every Python block, with what the text block right below it says that it prints."""
    found = []
    for page in RUN:
        for count, (code, printed) in enumerate(BLOCK.findall(read(page))):
            marks = [pytest.mark.slow] if "stable_baselines3" in code else []
            found.append(pytest.param(code, printed, id=f"{page}-{count}", marks=marks))
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages read."""
    folder = tmp_path_factory.mktemp("data")
    series = seq_gym.synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=3_000)
    for column, symbol in enumerate(series.symbols):
        rows = {"open_time": (series.start_ns + np.arange(3_000) * series.interval_ns) // 10**6}
        for name in ("open", "high", "low", "close", "volume"):
            rows[name] = getattr(series, name)[:, column]
        pl.DataFrame(rows).write_csv(folder / f"{symbol}-1m.csv")
    hours = [f"2025-01-02 {hour:02d}:00:00" for hour in range(24)]
    prices = {"when": hours, "last": 10.5, "open": 10.0, "high": 11.0, "low": 9.0}
    pl.DataFrame(prices).write_csv(folder / "prices.csv")
    bare = {"time": range(1_735_776_000, 1_735_862_400, 3_600), **dict(list(prices.items())[1:])}
    pl.DataFrame(bare).write_csv(folder / "bare.csv", include_header=False)
    recording = "\n".join(websocket()).encode()
    (folder / "btcusdt_20240808.gz").write_bytes(gzip.compress(recording))
    # What a page imports first: its examples may run on their own.
    Store.open(folder / "data" / "sim").import_files(
        [folder / f"{symbol}-1m.csv" for symbol in series.symbols], ReadOptions(venue="binance")
    )
    return folder


def door_commands(page: str) -> list[tuple[list[str], str]]:
    """The commands of the door on a page, with what the text block right below says it prints."""
    found = []
    for block, printed in COMMANDS.findall(read(page)):
        lines = [line for line in block.splitlines() if line.startswith(DOOR)]
        found += [(shlex.split(line.removeprefix(DOOR)), printed) for line in lines]
    return found


@pytest.fixture(autouse=True)
def store_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIM_STORE", "SIM_STORE_PATH", "SIM_S3_BUCKET"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("code", "printed"), blocks())
def test_the_python_of_a_page_runs_and_prints_what_the_page_says(
    code: str,
    printed: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)
    monkeypatch.delenv("SIM_SESSIONS_PATH")
    script = files / "example.py"
    script.write_text(re.sub(r"total_timesteps=[\d_]+", "total_timesteps=64", code), "utf-8")
    runpy.run_path(str(script), run_name="example")
    said = capsys.readouterr().out
    assert not printed or said == printed


def test_the_commands_of_the_page_of_data_run_and_print_what_it_says(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in (*files.glob("*.csv"), *files.glob("*.gz")):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    # Nothing outside can be reached from a test.
    offline = dataclasses.replace(cli.COMMANDS["download"], run=lambda options: Outcome())
    monkeypatch.setitem(cli.COMMANDS, "download", offline)
    commands = door_commands("docs/data.md")
    assert {arguments[0] for arguments, _ in commands} == set(cli.COMMANDS)
    for arguments, printed in commands:
        with contextlib.suppress(SystemExit):  # --help
            assert cli.main(arguments) == 0, arguments
        said = re.sub(r"fingerprint \w+", "fingerprint 0", capsys.readouterr().out)
        assert not printed or said == printed


def test_the_example_with_stable_baselines_is_complete_and_short() -> None:
    (code,) = (code for code, _ in BLOCK.findall(read("README.md")) if "stable_baselines3" in code)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 35
    assert "total_timesteps=" in code


def test_every_test_that_the_promise_page_names_exists() -> None:
    named = NAMED_TEST.findall(read("docs/fills.md"))
    assert len(named) > 50
    for file, name in named:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert re.search(rf"^def {name}\(", path.read_text("utf-8"), re.MULTILINE), name


def test_every_promise_names_a_test() -> None:
    page = read("docs/fills.md").partition("## The clock")[2].partition("## What candles")[0]
    promises = [each for each in page.split("\n\n") if each.strip().startswith("**")]
    assert len(promises) > 30
    assert [each for each in promises if not NAMED_TEST.search(each)] == []


def test_every_rule_has_its_place_on_the_promise_page() -> None:
    page = read("docs/fills.md")
    assert [rule for rule in RULES if not re.search(rf"\b{rule}\b", page)] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_table_of_contents() -> None:
    index = read("docs/index.md")
    names = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert [name for name in sorted(names) if f"\n{name}\n" not in index] == []


@pytest.fixture
def env_pages(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    return importlib.import_module("env_pages")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_marker_is_replaced_by_what_the_code_says(page: Path, env_pages: Any) -> None:
    text = env_pages.expand(page.read_text("utf-8"))
    assert "<!-- generated" not in text


def test_the_page_of_environments_has_every_id_argument_and_setting(env_pages: Any) -> None:
    text = env_pages.expand(read("docs/environments.md"))
    for env_id in (*seq_gym.ENV_IDS, *seq_gym.BOOK_ENV_IDS):
        assert f"## {env_id}" in text
    for params in (seq_gym.SandboxParams, seq_gym.BookParams):
        for field in dataclasses.fields(params):
            assert f"| `{field.name}` |" in text
    for argument, on_candles, on_books in (
        ("look_back", True, True),
        ("candles_per_step", True, False),
        ("decide_every", False, True),
        ("reward_terms", True, True),
    ):
        count = on_candles * len(seq_gym.ENV_IDS) + on_books * len(seq_gym.BOOK_ENV_IDS)
        assert text.count(f"| `{argument}` |") == count


def test_every_code_has_its_line_on_the_page_of_sessions() -> None:
    page = read("docs/session.md")
    codes = [reason.name for reason in Reason if reason is not Reason.NONE]
    assert [code for code in codes if f"`{code}`" not in page] == []


def test_the_changelog_has_the_version() -> None:
    assert f"## [{seq_gym.__version__}]" in read("CHANGELOG.md")


# Promises of docs/fills.md that no other test pins


def play(*rows: tuple[float, ...], **physics: Any) -> Session:
    """A started session without costs over rows of (open, high, low, close)."""
    free = {"taker_fee_frac": 0.0, "maker_fee_frac": 0.0, "slippage": "fixed_bps"}
    session = Session.create(
        data=physics.pop("data", None) or candles_from_rows(rows),
        liquidate_on_complete=False,
        slippage_bps=0.0,
        **(free | physics),
    )
    session.start()
    return session


def test_what_was_opened_at_the_open_may_take_profit_in_that_candle() -> None:
    session = play((100, 100, 100, 100), (101, 107, 100, 103), execution="next_open")
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=1)
    session.place_order("BTCUSDT", "sell", "take_profit", trigger_price=106)
    assert [fill.price for fill in session.step().fills] == [101.0, 106.0]


def test_spot_sells_that_the_position_no_longer_covers_go_newest_first() -> None:
    flat = (100, 100, 100, 100)
    session = play(flat, flat)
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=3)
    older = session.place_order("BTCUSDT", "sell", "limit", quantity=1, price=110)
    newer = session.place_order("BTCUSDT", "sell", "limit", quantity=1, price=120)
    exit_order = session.place_order("BTCUSDT", "sell", "market", quantity=2, reduce_only=True)
    assert exit_order.filled_quantity == 2
    assert session.order(older.order_id).status == "open"
    gone = session.order(newer.order_id)
    assert (gone.status, gone.reason) == ("cancelled", "INSUFFICIENT_BALANCE")


def test_one_order_more_than_may_work_is_refused() -> None:
    session = play((100, 100, 100, 100), (100, 100, 100, 100))
    session.step()
    limit = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": 1, "price": 90}
    orders = [session.place_order(**limit) for _ in range(17)]
    assert [order.code for order in orders] == [None] * 16 + ["TOO_MANY_ORDERS"]
    assert session.place_order("BTCUSDT", "buy", "market", quantity=1).status == "filled"


def test_a_flip_by_a_target_is_two_fills() -> None:
    session = play((100, 100, 100, 100), (100, 100, 100, 100), account="margin")
    session.step()
    session.rebalance({"BTCUSDT": 0.5})
    session.rebalance({"BTCUSDT": -0.5})
    assert [(fill.side, fill.quantity) for fill in session.fills()] == [
        ("buy", 50.0), ("sell", 50.0), ("sell", 50.0),
    ]  # fmt: skip


def test_a_target_of_a_symbol_that_cannot_trade_waits_until_it_is_replaced() -> None:
    flat = (100, 100, 100, 100)
    gapped: CandleSeries = candles_from_rows([flat, None, None, flat, flat])
    session = play(data=gapped, execution="next_open")
    session.step()
    session.rebalance({"BTCUSDT": 0.5})
    assert session.step_batch(2).fills == ()
    assert [fill.quantity for fill in session.step().fills] == [50.0]


def test_without_volume_slippage_is_its_floor() -> None:
    flat = (100, 100, 100, 100)
    session = play(flat, flat, slippage="volume_share")
    session.step()
    order = session.place_order("BTCUSDT", "buy", "market", quantity=50)
    assert order.avg_fill_price == pytest.approx(100.01)


def test_while_it_protects_nothing_a_trailing_stop_follows_the_close() -> None:
    """The close of 104 and the later high of 105 count, the earlier high of 120 does not."""
    rows = [(100, 100, 100, 100), (100, 120, 100, 104), (104, 105, 95, 100), (100, 101, 93, 95)]
    session = play(*rows)
    session.step()
    session.place_order("BTCUSDT", "buy", "stop_limit", quantity=1, trigger_price=130, price=130)
    session.place_order("BTCUSDT", "sell", "trailing_stop", quantity=1, trail_frac=0.1)
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=1)
    session.step_batch(2)
    stops = [fill for fill in session.fills() if fill.type == "trailing_stop"]
    assert [fill.price for fill in stops] == [pytest.approx(94.5)]


@pytest.mark.parametrize(
    ("kind", "trigger", "met", "prices"),
    [
        ("stop_loss", 95, (100, 100, 94, 100), [95.0, 100.0, 100.0]),
        ("take_profit", 105, (100, 106, 100, 100), [105.0]),
    ],
)
def test_under_a_cap_the_rest_of_a_stop_goes_on_and_that_of_a_target_waits_for_its_price(
    kind: str, trigger: float, met: tuple[float, ...], prices: list[float]
) -> None:
    quiet = (100, 100, 100, 100)
    rows = [(*quiet, 1_000), (*met, 10), (*quiet, 10), (*quiet, 10)]
    session = play(*rows, max_participation_frac=0.5)
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=20)
    session.place_order("BTCUSDT", "sell", kind, trigger_price=trigger)
    fills = session.step_batch(3).fills
    assert [fill.price for fill in fills] == prices
    assert {fill.quantity for fill in fills} == {5.0}


@pytest.mark.parametrize(("reduce_only", "left"), [(True, None), (False, -1.0)])
def test_on_margin_only_a_reduce_only_exit_never_closes_more_than_the_position(
    reduce_only: bool, left: float | None
) -> None:
    flat = (100, 100, 100, 100)
    session = play(flat, flat, account="margin")
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=1)
    session.place_order("BTCUSDT", "sell", "market", quantity=2, reduce_only=reduce_only)
    position = session.position("BTCUSDT")
    assert (None if position is None else position.quantity) == left


def test_the_net_pnl_of_a_pair_leaves_borrow_interest_out() -> None:
    flat = (100, 100, 100, 100)
    session = play(flat, flat, flat, account="margin", borrow_rate_frac=1.0)
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=200)
    session.step_batch(2)
    results = session.results()
    assert results.total_pnl < 0.0
    assert [pair.net_pnl for pair in results.by_pair] == [0.0]


def test_a_target_of_a_coarse_symbol_waits_for_its_next_open() -> None:
    flat = (100, 100, 100, 100)
    market = candles_from_rows({"BTCUSDT": [flat] * 6, "ETHUSDT": [None, None, flat] * 2})
    span = market.span.copy()
    span[[2, 5], 1] = 3
    session = play(data=dataclasses.replace(market, span=span), execution="next_open")
    session.step()
    session.rebalance({"BTCUSDT": 0.25, "ETHUSDT": 0.25})
    assert [fill.symbol for fill in session.step_batch(2).fills] == ["BTCUSDT"]
    assert [fill.symbol for fill in session.step_batch(3).fills] == ["ETHUSDT"]
