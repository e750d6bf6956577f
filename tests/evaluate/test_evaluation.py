"""evaluate(): one configuration for all, honest figures, the same numbers everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seq_gym.config import config_to_toml, load_config
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.evaluate import EvaluateConfig, evaluate
from seq_gym.evaluate.aggregate import summarise
from seq_gym.evaluate.candles import FILL_FIELDS
from seq_gym.evaluate.cli import read_command_line
from seq_gym.market import candles_from_rows
from seq_gym.metrics import episode_metrics
from seq_gym.policy import Strategy
from seq_gym.runs.environment import known_env_settings
from seq_gym.sandbox.params import SandboxParams
from seq_gym.sandbox.session import Session


class Switch(Strategy):
    """Goes all in and all out, every 40 candles."""

    deadband = 0.01

    def on_start(self, session):
        self.count = 0
        self.ask(session)

    def on_candle(self, session):
        self.ask(session)

    def ask(self, session):
        session.rebalance({session.symbols[0]: self.weight(self.count)}, deadband=self.deadband)
        self.count += 1

    @staticmethod
    def weight(count):
        return 1.0 if (count // 40) % 2 == 0 else 0.0


class SwitchPolicy:
    """The same as an action of Portfolio-v0; keeps its count in the state."""

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        count = 0 if episode_start[0] else state
        action = np.zeros(2, dtype=np.float32)
        action[0] = Switch.weight(count)
        return action, count + 1


class Nothing:
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return 0, state


class Raises(Strategy):
    def on_candle(self, session):
        raise ZeroDivisionError("planted")


def test_a_policy_and_a_strategy_that_ask_the_same_get_the_same(market, small):
    result = evaluate(small, agents={"strategy": Switch, "policy": SwitchPolicy()}, data=market)
    ours, theirs = result.episodes_of("strategy"), result.episodes_of("policy")
    assert len(ours) == len(theirs) == 3
    drop = FILL_FIELDS.index("order_id")
    for a, b in zip(ours, theirs, strict=True):
        assert len(a.fills) >= 3
        cut = [[f[:drop] + f[drop + 1 :] for f in each.fills] for each in (a, b)]
        assert cut[0] == cut[1]
        assert a.equity.tobytes() == b.equity.tobytes()
        assert a.metrics == b.metrics
        assert a.costs == b.costs


def test_the_numbers_of_an_episode_are_those_of_a_session_run_by_hand(market, small):
    config = replace(small, sandbox=replace(small.sandbox, taker_fee_frac=0.002, ruin_frac=0.1))
    result = evaluate(config, agents={"switch": Switch}, data=market)
    window, episode = result.windows[1], result.episodes_of("switch")[1]
    session = Session.create(
        data=market,
        start_time=market.time_of(window.start),
        end_time=market.time_of(window.end),
        starting_balance=100_000.0,
        execution="next_open",
        liquidate_on_complete=False,
        taker_fee_frac=0.002,
        ruin_frac=0.1,
    )
    results = session.run(Switch())
    assert session.equity.tobytes() == episode.equity.tobytes()
    assert results.metrics == episode.metrics
    assert [f.price for f in session.fills()] == [
        f[FILL_FIELDS.index("price")] for f in episode.fills
    ]


def test_hold_earns_nothing_and_buy_and_hold_earns_the_market(market, small):
    result = evaluate(replace(small, symbols=("BTCUSDT",)), data=market)
    for episode in result.episodes_of("hold"):
        assert episode.metrics.total_return_frac == 0.0
        assert episode.metrics.sharpe_ratio is None
    for window, episode in zip(result.windows, result.episodes_of("buy-and-hold"), strict=True):
        (fill,) = (dict(zip(FILL_FIELDS, f, strict=True)) for f in episode.fills)
        assert fill["base_price"] == result.series.open[window.start, 0]
        spent = fill["quantity"] * fill["price"] + fill["fee"]
        worth = 100_000.0 - spent + fill["quantity"] * result.series.close[window.end - 1, 0]
        assert episode.metrics.final_equity == pytest.approx(worth, rel=1e-12)
        assert spent == pytest.approx(100_000.0, rel=1e-4)


def test_equal_weight_keeps_the_weights_and_random_depends_on_seed_and_window_alone(market):
    config = EvaluateConfig(episodes=2, episode_steps=1_500, seed=3)
    first = evaluate(config, data=market)
    fills = first.episodes_of("equal-weight")[0].fills
    assert {f[FILL_FIELDS.index("symbol")] for f in fills} == {"BTCUSDT", "ETHUSDT"}
    one, two = first.episodes_of("random")
    assert one.fills != two.fills
    again = evaluate(config, agents={"other": Switch}, data=market)
    assert again.episodes_of("random")[1].fills == two.fills
    other = evaluate(replace(config, seed=4, window="sequential"), data=market)
    assert other.episodes_of("random")[0].fills != one.fills


def test_every_agent_has_the_very_same_windows(market, small):
    result = evaluate(small, agents={"a": Switch, "b": SwitchPolicy()}, data=market)
    starts = {
        spec.name: [e.start_ns for e in result.episodes_of(spec.name)] for spec in result.specs
    }
    assert len({tuple(s) for s in starts.values()}) == 1
    assert starts["a"] == [market.time_of(w.start) for w in result.windows]


def test_figures_carry_their_uncertainty_and_the_number_of_agents_tried(market, small):
    result = evaluate(small, agents={"a": Switch, "b": SwitchPolicy()}, data=market)
    summary = result.summary
    by_name = {each.name: each for each in summary.agents}
    returns = [e.metrics.total_return_frac for e in result.episodes_of("a")]
    interval = by_name["a"].figures["total_return_frac"]
    assert interval.estimate == pytest.approx(np.mean(returns), rel=1e-12)
    assert interval.low <= interval.estimate <= interval.high
    assert summary.num_trials == 2
    assert by_name["a"].deflated_sharpe.num_trials == 2
    assert by_name["hold"].deflated_sharpe is None
    assert by_name["hold"].figures["sharpe_ratio"] is None
    (pair,) = (c for c in summary.comparisons if (c.agent, c.baseline) == ("a", "buy-and-hold"))
    beside = [e.metrics.total_return_frac for e in result.episodes_of("buy-and-hold")]
    difference = pair.differences["total_return_frac"].difference
    assert difference.estimate == pytest.approx(np.mean(np.subtract(returns, beside)), rel=1e-9)
    # Equal agents: the choice between them carries nothing, so half of the splits are wrong or tie.
    assert summary.overfitting is not None


def test_one_agent_has_no_overfitting_to_speak_of(market, small):
    result = evaluate(small, agents={"a": Switch}, data=market)
    assert result.summary.overfitting is None
    assert "2 agents" in result.summary.no_overfitting


def test_metrics_of_an_episode_are_those_of_its_equity(market, small):
    result = evaluate(small, agents={"a": Switch}, data=market)
    for episode in result.episodes_of("a"):
        place = FILL_FIELDS.index("realized_pnl")
        closing = [f[place] for f in episode.fills if f[place] is not None]
        assert episode.metrics == episode_metrics(
            episode.equity,
            step_s=60.0,
            closing_pnls=closing,
            num_fills=len(episode.fills),
            start_ns=episode.start_ns,
        )
        assert len(episode.times) == len(episode.equity)
        assert episode.times[-1] == episode.end_ns


def test_an_agent_that_decides_every_fifth_candle_is_asked_every_fifth_candle(market, small):
    config = replace(small, candles_per_step=5, episode_steps=24)
    asked = []

    class Counts(Strategy):
        def on_candle(self, session):
            asked.append(session.step_index)

    result = evaluate(config, agents={"a": Counts, "b": SwitchPolicy()}, data=market)
    assert asked[:3] == [5, 10, 15]
    assert all(len(e.equity) == 121 for e in result.episodes)


def test_an_agent_that_raises_is_named_with_its_line(market, small):
    words = (
        r"Agent 'bad' failed in episode 0: ZeroDivisionError: planted \(test_evaluation.py:\d+\)"
    )
    with pytest.raises(ConfigError, match=words):
        evaluate(small, agents={"bad": Raises}, data=market)


def test_an_interrupt_keeps_whole_rounds_and_says_so(market, small):
    def stop(done, wanted, agent):
        assert wanted == 15
        if done == 8:
            raise KeyboardInterrupt

    result = evaluate(small, stop, agents={"a": Switch}, data=market)
    assert result.is_partial
    assert len(result.episodes) == 8
    assert len(result.episodes_of("a")) == 2
    assert len(result.episodes_of("equal-weight")) == 1
    assert {c.num_windows for c in result.summary.comparisons} == {1, 2}
    assert "PARTIAL" in result.text()


def test_a_run_that_finished_nothing_still_has_a_text():
    assert summarise([], [], 0).agents == ()

    def stop(done, wanted, agent):
        raise KeyboardInterrupt

    config = EvaluateConfig(episodes=1, episode_steps=10, end="2025-01-01")
    result = evaluate(config, stop)
    assert "PARTIAL" in result.text()


def test_the_environment_is_chosen_by_the_number_of_symbols(market, small):
    one = evaluate(replace(small, symbols=("ETHUSDT",)), agents={"n": Nothing()}, data=market)
    assert one.env == "seq_gym/CandleTrading-v0"
    assert evaluate(small, agents={"s": Switch}, data=market).env == "seq_gym/Portfolio-v0"
    with pytest.raises(ConfigError, match="trades one symbol"):
        evaluate(replace(small, env="CandleTrading-v0"), data=market)
    with pytest.raises(UnknownName, match="Did you mean 'Portfolio-v0'"):
        evaluate(replace(small, env="Portfolioo-v0"), data=market)


def test_settings_of_the_environment_reach_it_or_are_refused(market, small):
    known = known_env_settings()
    assert {"action", "features", "look_back", "deadband", "reward"} <= set(known)
    assert not {"data", "symbols", "window", "episode_steps", "sandbox"} & set(known)

    class Shape(Nothing):
        seen: list[int] = []  # noqa: RUF012 - the test reads what the class saw

        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            self.seen.append(observation.size)
            return 0, state

    config = replace(small, symbols=("BTCUSDT",), episodes=1)
    evaluate(replace(config, env_settings={"look_back": 10}), agents={"a": Shape()}, data=market)
    evaluate(replace(config, env_settings={"look_back": 20}), agents={"a": Shape()}, data=market)
    assert Shape.seen[0] < Shape.seen[-1]
    with pytest.raises(UnknownName, match="look_back"):
        evaluate(
            replace(config, env_settings={"look_bak": 1}), agents={"a": Nothing()}, data=market
        )
    with pytest.raises(ConfigError, match="env_settings are for policies"):
        evaluate(replace(config, env_settings={"look_back": 9}), agents={"a": Switch}, data=market)


def test_timeframes_reach_the_policies_from_toml_and_from_the_command_line(market, tmp_path):
    class Shape(Nothing):
        seen: list[int] = []  # noqa: RUF012 - the test reads what the class saw

        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            self.seen.append(observation.size)
            return 0, state

    path = tmp_path / "run.toml"
    path.write_text(
        'symbols = ["BTCUSDT"]\nepisodes = 1\nepisode_steps = 5\n'
        '[env_settings.timeframes]\n"5m" = 2\n15m = { look_back = 3, features = ["log_return"] }\n'
    )
    first = read_command_line(["--config", str(path)])
    again = tmp_path / "again.toml"
    again.write_text(config_to_toml(first))
    assert load_config(EvaluateConfig, again) == first
    evaluate(first, agents={"a": Shape()}, data=market)
    assert Shape.seen[-1] == 30 * 5 + 2 * 5 + 3 + 9
    # A table that is set is merged with that of the file, as every table is.
    second = read_command_line(["--config", str(path), "--set", "timeframes={5m = 4}"])
    evaluate(second, agents={"a": Shape()}, data=market)
    assert Shape.seen[-1] == 30 * 5 + 4 * 5 + 3 + 9
    wrong = read_command_line(["--config", str(path), "--set", "timeframes={5min = 4}"])
    with pytest.raises(UnknownName, match="'5m'"):
        evaluate(wrong, agents={"a": Shape()}, data=market)


def test_ruin_ends_an_episode_and_is_never_better_than_survival():
    prices = [100.0] * 50 + [100.0 - 1.9 * k for k in range(1, 51)]
    rows = [(p, p, p, p, 1e6) for p in prices]
    falling = candles_from_rows({"BTCUSDT": rows})
    sandbox = SandboxParams(
        starting_balance=1_000.0,
        account="margin",
        execution="next_open",
        liquidate_on_complete=False,
    )
    config = EvaluateConfig(window="full", warm_up=10, sandbox=sandbox)

    class Levered(Strategy):
        def on_start(self, session):
            session.rebalance({"BTCUSDT": 2.5})

    result = evaluate(config, agents={"levered": Levered}, data=falling)
    (episode,) = result.episodes_of("levered")
    assert episode.ending == "LIQUIDATED"
    assert len(episode.equity) < 91
    (hold,) = result.episodes_of("hold")
    assert episode.metrics.total_return_frac < hold.metrics.total_return_frac
    assert result.text()


def test_given_candles_follow_the_interval_symbols_and_dates_of_the_config(market):
    config = EvaluateConfig(
        interval="1h", symbols=("ETHUSDT",), start="2025-01-02", warm_up=2, window="full"
    )
    result = evaluate(config, data=market)
    assert (result.series.interval, result.series.symbols) == ("1h", ("ETHUSDT",))
    expected = market.resample("1h").select(["ETHUSDT"], "2025-01-02")
    assert result.series.fingerprint == expected.fingerprint
    with pytest.raises(ConfigError, match="interval"):
        evaluate(replace(config, interval="90s"), data=market)
