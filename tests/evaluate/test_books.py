"""evaluate() on order books: the same windows, seeds and physics for all, the same figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from seq_gym._random import draw_below
from seq_gym.config import config_to_toml, load_config
from seq_gym.envs.book.kernel import ENGINE_STREAM
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.evaluate import EvaluateBookConfig, EvaluateConfig, evaluate, write_run_folder
from seq_gym.evaluate.book_costs import BOOK_FILL_FIELDS
from seq_gym.evaluate.cli import main, read_command_line
from seq_gym.evaluate.picture import draw, shown_window
from seq_gym.market.book.synthetic import synthetic_book, synthetic_books
from seq_gym.metrics import episode_metrics
from seq_gym.policy import Strategy
from seq_gym.runs.environment import known_book_settings, sandbox_arguments
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.session import BookSession

PLACE = {name: place for place, name in enumerate(BOOK_FILL_FIELDS.names)}
NS = 1_000_000_000


class Swing(Strategy):
    """Buys 0.5 at the start of every odd ten seconds of the window, and sells it at every even."""

    def on_start(self, session):
        self.began = session.virtual_time_ns
        self.sides = ["buy", "sell"]
        self.act(session)

    def on_heartbeat(self, session):
        # The end of a window is no decision of a policy.
        now = session.virtual_time_ns
        if (now - self.began) % (10 * NS) == 0 and now < session.end_ns:
            self.act(session)

    def act(self, session):
        side = self.sides.pop(0)
        self.sides.append(side)
        session.place_order("BTCUSDT", side, "market", 0.5, time_in_force="IOC")


class SwingPolicy:
    """The same as targets of BookTrading-v0, whose largest position is 0.5."""

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        count = 0 if episode_start[0] else state
        return np.array([(count // 100 + 1) % 2], np.float32), count + 1


@pytest.fixture(scope="module")
def book():
    return synthetic_book(seconds=300.0, seed=5)


MARGIN = BookParams(starting_balance=100_000.0, account="margin", liquidate_on_complete=False)


@pytest.fixture(scope="module")
def told():
    return EvaluateBookConfig(episodes=2, episode_steps=300, seed=7, sandbox=MARGIN)


@pytest.fixture(scope="module")
def swung(book, told):
    # The first decision is at 0.1 s: windows begin at whole seconds, where a strategy may act too.
    config = replace(
        told, env_settings={"max_position": 0.5}, window="sequential", warm_up="60900ms"
    )
    return evaluate(config, agents={"strategy": Swing, "policy": SwingPolicy()}, data=book)


def test_a_policy_and_a_strategy_that_ask_the_same_get_the_same(swung):
    ours, theirs = swung.episodes_of("strategy"), swung.episodes_of("policy")
    drop = {PLACE["order_id"], PLACE["type"]}
    for a, b in zip(ours, theirs, strict=True):
        rows = [[[v for k, v in enumerate(f) if k not in drop] for f in e.fills] for e in (a, b)]
        assert len(rows[0]) >= 3
        assert rows[0] == rows[1]
        assert a.equity.tobytes() == b.equity.tobytes()
        assert a.times.tolist() == b.times.tolist()
        assert a.metrics == b.metrics
        assert (a.costs, a.extras, a.ending) == (b.costs, b.extras, b.ending)


def test_the_numbers_of_an_episode_are_those_of_a_session_run_by_hand(swung, book):
    start, end = swung.ground.span(swung.windows[1])
    episode = swung.episodes_of("strategy")[1]
    session = BookSession.create(
        data=book,
        start_time=start,
        end_time=end,
        seed=draw_below(7 + 1, ENGINE_STREAM, 0, 1 << 53),
        **sandbox_arguments(swung.config.sandbox),
    )
    session.run(Swing())
    assert [BOOK_FILL_FIELDS.row(fill) for fill in session.fills()] == episode.fills
    assert session.equity.tolist() == episode.equity.tolist()
    assert (episode.start_ns, episode.end_ns) == (start, end)


def test_equity_is_measured_every_second_and_scaled_to_a_year_by_that(swung):
    assert swung.ground.stride == 10
    for episode in swung.episodes:
        assert np.unique(np.diff(episode.times)).tolist() == [NS]
        assert len(episode.equity) == 31
        assert episode.metrics.periods_per_year == 365 * 86_400
        closing = [f[PLACE["realized_pnl"]] for f in episode.fills]
        assert episode.metrics == episode_metrics(
            episode.equity,
            step_s=1.0,
            closing_pnls=[pnl for pnl in closing if pnl is not None],
            num_fills=len(episode.fills),
            start_ns=episode.start_ns,
        )


@pytest.mark.parametrize(("every", "step_s"), [("250ms", 1.0), ("300ms", 1.2), ("5s", 5.0)])
def test_the_grid_is_the_fewest_decisions_that_take_a_second(book, every, step_s):
    config = EvaluateBookConfig(decide_every=every, episodes=1, episode_steps=12)
    result = evaluate(config, agents={"swing": Swing}, data=book)
    (episode,) = result.episodes_of("swing")
    assert episode.metrics.step_s == pytest.approx(step_s)
    assert episode.times[0] % round(float(every.strip("ms")) * (1e6 if "ms" in every else 1e9)) == 0


def test_every_agent_has_the_very_same_windows_and_hold_earns_nothing(swung):
    starts = {spec.name: [e.start_ns for e in swung.episodes_of(spec.name)] for spec in swung.specs}
    assert list(starts) == ["strategy", "policy", "hold", "random"]
    assert len({tuple(each) for each in starts.values()}) == 1
    for episode in swung.episodes_of("hold"):
        assert episode.metrics.total_return_frac == 0.0
        assert episode.extras["maker_frac"] is None
    assert all(len(episode.fills) > 0 for episode in swung.episodes_of("random"))


def test_random_depends_on_seed_and_window_alone(swung, book):
    again = evaluate(replace(swung.config, env=None), data=book)
    assert again.episodes_of("random")[1].fills == swung.episodes_of("random")[1].fills
    one, two = again.episodes_of("random")
    assert one.fills != two.fills


def test_costs_of_fills_are_weighed_by_notional(swung):
    (episode, _) = swung.episodes_of("strategy")
    notional = [f[PLACE["notional"]] for f in episode.fills]
    paid = [
        (1.0 if f[PLACE["side"]] == "buy" else -1.0)
        * (f[PLACE["price"]] - f[PLACE["sent_mid"]])
        / f[PLACE["sent_mid"]]
        + f[PLACE["fee"]] / (f[PLACE["quantity"]] * f[PLACE["sent_mid"]])
        for f in episode.fills
    ]
    wanted = 1e4 * sum(p * n for p, n in zip(paid, notional, strict=True)) / sum(notional)
    assert episode.extras["shortfall_bps"] == pytest.approx(wanted, rel=1e-9)
    assert episode.extras["traded_notional"] == pytest.approx(sum(notional), rel=1e-12)
    assert episode.extras["maker_frac"] == 0.0
    assert episode.extras["mark_out_60s_bps"] is None  # it lies beyond the window
    by_name = {each.name: each for each in swung.summary.agents}
    assert by_name["strategy"].figures["shortfall_bps"].estimate > 9.0  # the fee is 10
    assert by_name["hold"].figures["shortfall_bps"] is None


def test_physics_reach_both_doors(book, told):
    config = replace(told, sandbox=replace(told.sandbox, taker_fee_frac=0.0, queue_model="none"))
    result = evaluate(config, agents={"s": Swing, "p": SwingPolicy()}, data=book)
    for name in ("s", "p"):
        assert all(e.costs["taker_fees"] == 0.0 for e in result.episodes_of(name))
        assert any(e.fills for e in result.episodes_of(name))
    assert "queue model none" in result.text()


def test_execution_is_compared_by_the_shortfall_that_is_saved(book):
    config = EvaluateBookConfig(env="Execution-v0", episodes=2, episode_steps=100)
    for action in ("discrete", "continuous"):
        result = evaluate(replace(config, env_settings={"action": action}), data=book)
        assert [spec.name for spec in result.specs] == ["passive", "random", "twap", "aggressive"]
        by_name = {each.name: each.figures for each in result.summary.agents}
        twap = by_name["twap"]["parent_shortfall_bps"].estimate
        assert 9.0 < twap < 30.0  # the fee is 10 bps
        assert by_name["twap"]["parent_filled_frac"].estimate == pytest.approx(1.0)
        pairs = {each.baseline: each.differences for each in result.summary.comparisons}
        saved = twap - by_name["passive"]["parent_shortfall_bps"].estimate
        assert pairs["twap"]["saved_bps"].difference.estimate == pytest.approx(saved)
        assert "the shortfall saved" in result.text()


def test_market_making_runs_a_policy_in_its_own_action_space(book, told):
    class Quotes:
        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            return np.array([-1.0, -1.0, 1.0, 1.0], np.float32), None

    config = replace(told, env="MarketMaking-v0")
    result = evaluate(config, agents={"quotes": Quotes()}, data=book)
    fills = [fill for e in result.episodes_of("quotes") for fill in e.fills]
    assert {fill[PLACE["liquidity"]] for fill in fills} == {"maker"}
    assert math.isclose(sum(e.extras["maker_frac"] for e in result.episodes_of("quotes")), 2.0)


def test_several_books_are_for_strategies(told):
    books = synthetic_books(("BTCUSDT", "ETHUSDT"), seconds=60.0)
    config = replace(told, episodes=1, episode_steps=50)
    result = evaluate(config, agents={"swing": Swing}, data=books)
    assert [spec.name for spec in result.specs] == ["swing", "hold"]
    with pytest.raises(ConfigError, match="trades one book"):
        evaluate(config, agents={"p": SwingPolicy()}, data=books)


def test_names_and_settings_that_are_of_candles_are_refused_with_the_near_miss(book, told):
    with pytest.raises(UnknownName, match="Did you mean 'MarketMaking-v0'"):
        evaluate(replace(told, env="MarketMakin-v0"), data=book)
    with pytest.raises(ConfigError, match="trades on candles"):
        evaluate(replace(told, env="Portfolio-v0"), data=book)
    with pytest.raises(ConfigError, match="trades on recorded books"):
        evaluate(EvaluateConfig(env="MarketMaking-v0"))
    with pytest.raises(UnknownName, match="look_back"):
        evaluate(replace(told, env_settings={"look_bak": 3}), data=book)
    with pytest.raises(ConfigError, match="observations are full"):
        evaluate(replace(told, warm_up="1s"), data=book)
    with pytest.raises(ConfigError, match="BookData"):
        evaluate(told, data="book")
    assert {"action", "features", "quantity", "max_inventory"} <= set(known_book_settings())
    assert not {"data", "decide_every", "venue"} & set(known_book_settings())


def test_the_command_line_tells_books_by_environment_and_by_data(tmp_path):
    config = read_command_line(["--env", "MarketMaking-v0", "--set", "queue_model=none"])
    assert isinstance(config, EvaluateBookConfig)
    assert (config.sandbox.queue_model, config.env) == ("none", "MarketMaking-v0")
    set_so = read_command_line(["--set", "env=Execution-v0", "--set", "latency.entry_ms=2"])
    assert set_so.sandbox.latency.entry_ms == 2.0
    assert isinstance(read_command_line([]), EvaluateConfig)
    rows = [
        {"timestamp": 1_735_689_600_000 + k, "symbol": "X", "bids": [[1, 2]], "asks": [[2, 2]]}
        for k in range(3)
    ]
    recording = tmp_path / "x.jsonl"
    recording.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert isinstance(read_command_line(["--data", str(recording)]), EvaluateBookConfig)
    path = tmp_path / "run.toml"
    path.write_text(config_to_toml(config))
    assert load_config(EvaluateBookConfig, path) == config
    assert read_command_line(["--config", str(path), "--set", "queue_model=log1"]) == replace(
        config, sandbox=replace(config.sandbox, queue_model="log1")
    )
    with pytest.raises(ConfigError, match="--candles-per-step is for runs on candles"):
        read_command_line(["--env", "MarketMaking-v0", "--candles-per-step", "5"])
    with pytest.raises(UnknownName, match="Did you mean 'queue_model'"):
        read_command_line(["--env", "MarketMaking-v0", "--set", "queue_modle=none"])
    path.write_text('env = "Execution-v0"\n[sandbox]\nexecution = "close"\n')
    with pytest.raises(ConfigError, match=r"unknown key 'sandbox\.execution'"):
        read_command_line(["--config", str(path)])


SMALL = ("--env", "BookTrading-v0", "--end", "2025-01-01T00:03:00Z", "--episodes", "2")


def test_a_misspelt_environment_is_told_before_the_options_of_books():
    """Else --fix-clock was called unknown, as if the run were on candles."""
    with pytest.raises(UnknownName, match=r"Unknown env 'MarketMakin-v0'.*'MarketMaking-v0'"):
        read_command_line(["--env", "MarketMakin-v0", "--data", "book.gz", "--fix-clock"])


def test_a_run_folder_of_books_is_whole_and_repeats_to_the_byte(tmp_path, capsys):
    arguments = [*SMALL, "--episode-steps", "200", "--set", "decide_every=200ms"]
    assert main([*arguments, "--out", str(tmp_path / "a"), "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (first,) = (tmp_path / "a").iterdir()
    assert document["data"]["venues"] == ["synthetic"]
    assert document["windows"][0]["decisions"] == 200
    config = str(first / "config.toml")
    more = ["--workers", "2", "--out", str(tmp_path / "b")]
    assert main(["--config", config, *more]) == 0
    (again,) = (tmp_path / "b").iterdir()
    names = ("episodes.parquet", "equity.parquet", "fills.parquet", "metrics.json")
    for name in names:
        assert (again / name).read_bytes() == (first / name).read_bytes()
    fills = pl.read_parquet(first / "fills.parquet")
    episodes = pl.read_parquet(first / "episodes.parquet")
    assert fills.height == episodes["total_trades"].sum() > 0
    assert {"time", "exchange_time", "sent_time", "mid", "venue"} <= set(fills.columns)
    assert (fills["exchange_time"] <= fills["time"]).all()
    assert "mark_out_1s_bps" in episodes.columns
    manifest = json.loads((first / "manifest.json").read_text())
    assert manifest["data"]["source"] == "synthetic book of seed 42"
    assert manifest["data"]["rows"] > 1_000
    assert (first / "equity.png").stat().st_size > 10_000


def test_the_picture_has_the_unit_of_the_tables(book, told, market, small, monkeypatch):
    from matplotlib.figure import Figure

    made, subplots = [], Figure.subplots

    def recorded(figure, *args, **kw):
        made.append(subplots(figure, *args, **kw))
        return made[-1]

    monkeypatch.setattr(Figure, "subplots", recorded)
    of_books = evaluate(told, agents={"swing": Swing}, data=book)
    of_candles = evaluate(small, data=market)
    for result, word, scale in ((of_books, "bps", 1e4), (of_candles, "%", 100.0)):
        draw(result.specs, result.episodes, result.ground)
        _, drawdown, _, returns = made[-1]
        assert drawdown.get_ylabel() == f"below the peak, {word}"
        assert returns.get_xlabel() == f"return, {word}"
        own = [each for each in result.episodes if each.agent == 0]
        drawn = returns.collections[0].get_offsets()[:, 0]
        np.testing.assert_allclose(drawn, [scale * e.metrics.total_return_frac for e in own])
        shown = next(e for e in own if e.index == shown_window(result.episodes))
        deepest = -scale * shown.metrics.max_drawdown_frac
        assert min(drawdown.lines[0].get_ydata()) == pytest.approx(deepest)


def test_what_was_interrupted_on_books_is_kept(book, told, tmp_path):
    def stop(done, wanted, agent):
        if done == 3:
            raise KeyboardInterrupt

    result = evaluate(told, stop, agents={"swing": Swing}, data=book)
    folder, _ = write_run_folder(result, ["test"], tmp_path)
    assert result.is_partial
    assert (folder / "DONE").read_text() == "partial\n"
