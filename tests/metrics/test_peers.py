"""Agreement to 1e-9 with quantstats, empyrical-reloaded, ffn, skfolio and scipy on real curves."""

import warnings

import numpy as np
import polars as pl
import pytest

from seq_gym.metrics import (
    ReturnMoments,
    Undefined,
    cagr,
    calmar_ratio,
    cvar_95,
    deflated_sharpe_ratio,
    drawdown_series,
    excess_kurtosis,
    expected_maximum_sharpe,
    max_drawdown,
    omega_ratio,
    periods_per_year,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    return_moments,
    sharpe_ratio,
    simple_returns,
    skewness,
    sortino_ratio,
    total_return,
    value_at_risk_95,
    volatility,
)

WHY = "an oracle of the dev extra: pip install -c constraints.txt -e '.[dev]'"
REL = 1e-9
CURVES = {
    "BTC spot, days": ("binance_spot_BTCUSDT_1d_to_2026-01", 86_400),
    "DOGE spot, days": ("binance_spot_DOGEUSDT_1d_to_2026-01", 86_400),
    "SOL perpetual, hours": ("binance_um_SOLUSDT_1h_2020-10_2024-06", 3_600),
    "XRP spot, 5 minutes": ("binance_spot_XRPUSDT_5m_2022-12_2023-10", 300),
}


def _peer(name, why=WHY):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the peers warn of at import is theirs
        return pytest.importorskip(name, reason=why)


@pytest.fixture(params=CURVES, ids=lambda name: name.replace(" ", "_"))
def curve(request, shared_data):
    """One real equity curve: buy and hold of one unit at the closes, and its step."""
    file, step_s = CURVES[request.param]
    closes = pl.read_parquet(shared_data / "candles" / f"{file}.parquet")["close"]
    return closes.to_numpy()[:30_000].astype(np.float64), step_s


def _series(equity, step_s):
    pandas = _peer("pandas")
    index = pandas.date_range("2021-01-01", periods=len(equity), freq=f"{step_s}s")
    prices = pandas.Series(equity, index=index)
    return prices, prices.pct_change().iloc[1:]


def test_x2_quantstats_agrees_on_every_ratio_of_a_real_curve(curve):
    qs = _peer("quantstats").stats
    equity, step_s = curve
    ppy, ours = periods_per_year(step_s), simple_returns(equity)
    _, r = _series(equity, step_s)
    expected = {
        "total return": qs.comp(r),
        "volatility": qs.volatility(r, periods=ppy),
        "sharpe": qs.sharpe(r, periods=ppy),
        "sortino": qs.sortino(r, periods=ppy),
        "max drawdown": -qs.max_drawdown(r),
        "omega": qs.omega(r, periods=ppy),
        "cagr": qs.cagr(r, periods=ppy),
        "calmar": qs.calmar(r, periods=ppy),
    }
    measured = {
        "total return": total_return(equity),
        "volatility": volatility(ours, periods_per_year=ppy),
        "sharpe": sharpe_ratio(ours, periods_per_year=ppy),
        "sortino": sortino_ratio(ours, periods_per_year=ppy),
        "max drawdown": max_drawdown(equity, step_s=step_s).frac,
        "omega": omega_ratio(ours),
        "cagr": cagr(equity, step_s=step_s),
        "calmar": calmar_ratio(equity, step_s=step_s),
    }
    assert measured == pytest.approx(expected, rel=REL, abs=0)


def test_x2_empyrical_agrees_on_every_ratio_and_on_historical_var_and_cvar(curve):
    ep = _peer("empyrical")
    equity, step_s = curve
    ppy, r = periods_per_year(step_s), simple_returns(equity)
    expected = {
        "total return": ep.cum_returns_final(r),
        "volatility": ep.annual_volatility(r, annualization=ppy),
        "sharpe": ep.sharpe_ratio(r, annualization=ppy),
        "sortino": ep.sortino_ratio(r, annualization=ppy),
        "max drawdown": -ep.max_drawdown(r),
        "omega": ep.omega_ratio(r, annualization=ppy),
        "var": ep.value_at_risk(r),
        "cvar": ep.conditional_value_at_risk(r),
        "cagr": ep.cagr(r, annualization=ppy),
        "calmar": ep.calmar_ratio(r, annualization=ppy),
    }
    measured = {
        "total return": total_return(equity),
        "volatility": volatility(r, periods_per_year=ppy),
        "sharpe": sharpe_ratio(r, periods_per_year=ppy),
        "sortino": sortino_ratio(r, periods_per_year=ppy),
        "max drawdown": max_drawdown(equity, step_s=step_s).frac,
        "omega": omega_ratio(r),
        "var": value_at_risk_95(r),
        "cvar": cvar_95(r),
        "cagr": cagr(equity, step_s=step_s),
        "calmar": calmar_ratio(equity, step_s=step_s),
    }
    assert measured == pytest.approx(expected, rel=REL, abs=0)


def test_x2_ffn_agrees_on_its_ratios_and_on_the_drawdown(curve):
    ffn = _peer("ffn")
    equity, step_s = curve
    ppy, ours = periods_per_year(step_s), simple_returns(equity)
    prices, r = _series(equity, step_s)
    assert total_return(equity) == pytest.approx(ffn.calc_total_return(prices), rel=REL)
    assert sharpe_ratio(ours, periods_per_year=ppy) == pytest.approx(
        ffn.calc_sharpe(r, nperiods=ppy), rel=REL
    )
    assert sortino_ratio(ours, periods_per_year=ppy) == pytest.approx(
        ffn.calc_sortino_ratio(r, nperiods=ppy), rel=REL
    )
    assert max_drawdown(equity, step_s=step_s).frac == pytest.approx(
        -ffn.calc_max_drawdown(prices), rel=REL
    )
    np.testing.assert_allclose(drawdown_series(equity), -ffn.to_drawdown_series(prices), atol=1e-12)


def test_x3_the_duration_is_ffns_and_the_one_step_from_the_peak_that_ffn_leaves_out(curve):
    ffn = _peer("ffn")
    pandas = _peer("pandas")
    equity, step_s = curve
    prices, _ = _series(equity, step_s)
    details = ffn.drawdown_details(ffn.to_drawdown_series(prices), index_type=pandas.Index)
    deepest = details.loc[details["drawdown"].astype(float).idxmin()]
    ours = max_drawdown(equity, step_s=step_s)
    assert ours.duration_s == deepest["Length"].total_seconds() + step_s
    lengths = [length.total_seconds() for length in details["Length"]]
    assert ours.longest_s == max(lengths) + step_s


def test_x2_ffn_differs_in_cagr_by_its_year_of_365_and_a_quarter_days(curve):
    ffn = _peer("ffn")
    equity, step_s = curve
    prices, _ = _series(equity, step_s)
    ours, theirs = cagr(equity, step_s=step_s), ffn.calc_cagr(prices)
    assert (1 + ours) ** (365.25 / 365) - 1 == pytest.approx(theirs, rel=REL)
    assert ours != pytest.approx(theirs, rel=REL)


def test_x2_quantstats_differs_in_var_which_is_of_the_normal_distribution(curve):
    qs = _peer("quantstats").stats
    norm = _peer("scipy.stats").norm
    equity, step_s = curve
    r = simple_returns(equity)
    _, series = _series(equity, step_s)
    theirs = qs.value_at_risk(series)
    assert norm.ppf(0.05, r.mean(), r.std(ddof=1)) == pytest.approx(theirs, rel=REL)
    assert value_at_risk_95(r) != pytest.approx(theirs, rel=1e-3)


def test_x2_quantstats_differs_in_historical_cvar_by_all_that_tie_with_the_quantile(curve):
    qs = _peer("quantstats").stats
    equity, step_s = curve
    r = simple_returns(equity)
    _, series = _series(equity, step_s)
    theirs = qs.conditional_value_at_risk(series, method="historical")
    assert r[r <= np.quantile(r, 1 - 0.95)].mean() == pytest.approx(theirs, rel=REL)
    assert cvar_95(r) == pytest.approx(theirs, rel=1e-3)


def test_x2_scipy_agrees_on_population_moments_and_quantstats_corrects_for_the_sample(curve):
    stats = _peer("scipy.stats")
    qs = _peer("quantstats").stats
    equity, step_s = curve
    r = simple_returns(equity)
    _, series = _series(equity, step_s)
    assert skewness(r) == pytest.approx(stats.skew(r), rel=REL)
    assert excess_kurtosis(r) == pytest.approx(stats.kurtosis(r), rel=REL)
    assert qs.skew(series) == pytest.approx(stats.skew(r, bias=False), rel=1e-8)
    assert qs.kurtosis(series) == pytest.approx(stats.kurtosis(r, bias=False), rel=1e-8)


def test_x2_skfolio_agrees_on_the_probabilistic_and_the_deflated_sharpe_ratio(curve):
    sk = _peer("skfolio.measures", "an oracle of its own: pip install skfolio")
    equity, _ = curve
    r = simple_returns(equity)
    moments = return_moments(r)
    assert isinstance(moments, ReturnMoments)
    for benchmark in (-0.01, 0.0, 0.005, 0.02):
        assert probabilistic_sharpe_ratio(moments, benchmark=benchmark) == pytest.approx(
            sk.probabilistic_sharpe_ratio(r, benchmark_sharpe_ratio=benchmark), rel=REL
        )
    trials = np.array([moments.sharpe, -0.01, 0.004, 0.011, 0.0, -0.02])
    assert deflated_sharpe_ratio(moments, trials).probability == pytest.approx(
        sk.deflated_sharpe_ratio(r, trials), rel=REL
    )
    for count in (2, 3, 10, 46, 1000, 1_000_000):
        assert expected_maximum_sharpe(num_trials=count, sharpe_std=0.03) == pytest.approx(
            sk.expected_max_sharpe_ratio(count, 0.03), rel=REL
        )


def test_x2_ffn_differs_in_the_deflated_sharpe_ratio_by_moments_corrected_for_the_sample(curve):
    ffn = _peer("ffn")
    equity, step_s = curve
    moments = return_moments(simple_returns(equity))
    assert not isinstance(moments, Undefined)
    _, series = _series(equity, step_s)
    trials = np.array([moments.sharpe, -0.01, 0.004, 0.011, 0.0, -0.02])
    corrected = ReturnMoments(
        num_returns=moments.num_returns,
        sharpe=moments.sharpe,
        skew=series.skew(),
        kurtosis=series.kurt() + 3.0,
    )
    theirs = ffn.core.calc_deflated_sharpe_ratio(series, trials, nperiods=1)
    assert deflated_sharpe_ratio(corrected, trials).probability == pytest.approx(theirs, rel=REL)


def test_x2_ffn_agrees_on_the_probability_of_backtest_overfitting_split_by_split(shared_data):
    ffn = _peer("ffn")
    pandas = _peer("pandas")
    trials = _moving_average_trials(shared_data)
    ours = probability_of_backtest_overfitting(trials, num_blocks=8)
    theirs = ffn.core.calc_prob_backtest_overfitting(
        pandas.DataFrame(trials), n_blocks=8, full_output=True
    )
    np.testing.assert_allclose(ours.logits, theirs["logits"].to_numpy(), rtol=REL)
    assert ours.pbo == pytest.approx(theirs["pbo"], abs=1e-12)


def _moving_average_trials(shared_data):
    """Returns of a grid of moving-average rules on BTC hours: a search as people make it."""
    file = shared_data / "candles" / "binance_um_BTCUSDT_1h_2020-10_2024-06.parquet"
    close = pl.read_parquet(file)["close"].to_numpy()[:8_003]
    r = close[1:] / close[:-1] - 1.0
    trials = []
    for window in (5, 8, 13, 21, 34, 55, 89, 144, 233):
        total = np.cumsum(np.insert(close, 0, 0.0))
        average = np.full(close.size, np.inf)
        average[window - 1 :] = (total[window:] - total[:-window]) / window
        trials.append((close > average)[:-1] * r)
    return np.column_stack(trials)[250:]
