"""The result of a run as tables for a terminal, and for the report."""

from __future__ import annotations

from collections.abc import Sequence

from seq_gym.console import TextTable
from seq_gym.evaluate.aggregate import AgentSummary, Comparison, Summary
from seq_gym.evaluate.settings import EvaluateConfig
from seq_gym.market import CandleSeries, Window
from seq_gym.metrics import BootstrapInterval
from seq_gym.sandbox.params import SandboxParams
from seq_gym.times import format_time

__all__ = ["agent_table", "comparison_table", "describe_run", "notes"]

NOTHING = "-"


def describe_run(
    config: EvaluateConfig, series: CandleSeries, windows: Sequence[Window], env: str, source: str
) -> list[tuple[str, str]]:
    """Return what all agents of the run share, as pairs of a word and a sentence."""
    length = windows[0].num_steps
    each = "candle" if config.candles_per_step == 1 else f"{config.candles_per_step} candles"
    # Only margin accounts pay it, so a spot run need not say that there is none.
    funding = "; no funding rates" if config.sandbox.account == "margin" else ""
    funding = funding if series.funding is None else "; with funding rates"
    funding += "" if series.mark is None else "; with mark prices"
    return [
        ("data", source),
        (
            "market",
            f"{', '.join(series.symbols)}; {series.interval} candles, "
            f"{format_time(series.start_ns)} to {format_time(series.end_ns)}{funding}",
        ),
        (
            "windows",
            f"{len(windows)} {config.window} of {length} candles, "
            f"{format_time(series.time_of(windows[0].start))} to "
            f"{format_time(series.time_of(windows[-1].end))}; a decision every {each}; "
            f"seed {config.seed}",
        ),
        ("sandbox", describe_sandbox(config.sandbox)),
        ("policies", f"act in {env}; strategies act on a session under the same sandbox"),
    ]


def describe_sandbox(params: SandboxParams) -> str:
    """Say under which physics every agent of the run trades."""
    slippage = params.slippage if isinstance(params.slippage, str) else "of a function"
    parts = [
        f"{params.account} account of {params.starting_balance:,.0f}",
        f"execution {params.execution}",
        f"trigger {params.trigger}",
        f"limits fill on {params.limit_fill}",
        f"fees {_percent(params.taker_fee_frac)} taker, {_percent(params.maker_fee_frac)} maker",
        f"slippage {slippage}",
    ]
    if params.max_participation_frac is not None:
        parts.append(f"at most {_percent(params.max_participation_frac)} of a candle's volume")
    if params.account == "margin":
        parts.append(f"leverage up to {params.max_leverage:g}")
    if params.risk is not None and params.risk.is_on:
        parts.append("risk limits on")
    end = "closed" if params.liquidate_on_complete else "marked, not sold,"
    return "; ".join([*parts, f"open positions are {end} at the end"])


def agent_table(summary: Summary) -> TextTable:
    """Return one row per agent: means over episodes with 95 % bootstrap intervals."""
    return TextTable(
        "Agents (mean over episodes [95 % bootstrap interval]; * = baseline)",
        (
            "agent",
            "episodes",
            "return %",
            "Sharpe, a year",
            "DSR",
            "max drawdown %",
            "worst %",
            "trades",
            "fees",
        ),
        [_agent_row(each) for each in summary.agents],
    )


def comparison_table(summary: Summary) -> TextTable:
    """Return one row per agent and baseline: paired differences of the return."""
    return TextTable(
        "Paired differences of the return on the same windows",
        ("agent less baseline", "windows", "difference %", "better in", "verdict"),
        [_comparison_row(each) for each in summary.comparisons],
    )


def notes(summary: Summary, is_partial: bool) -> list[str]:
    """Return the sentences below the tables: deflated Sharpe, overfitting, what is missing."""
    tried = f"{summary.num_trials} agent{'' if summary.num_trials == 1 else 's'} tried"
    lines = [
        f"DSR: deflated Sharpe ratio, the probability that the true one is above 0; {tried}.",
    ]
    overfitting = summary.overfitting
    if overfitting is not None and overfitting.pbo is not None:
        lines.append(
            f"Probability of backtest overfitting (choosing the best of {summary.num_trials}): "
            f"{overfitting.pbo:.3f}."
        )
    elif summary.num_trials > 1:
        lines.append(f"Probability of backtest overfitting: undefined, {summary.no_overfitting}.")
    if is_partial:
        lines.append("PARTIAL: the run was interrupted; only finished episodes are counted.")
    return lines


def _agent_row(each: AgentSummary) -> tuple[str, ...]:
    figures = each.figures
    return (
        each.name + ("*" if each.baseline else ""),
        str(each.num_episodes),
        _interval(figures["total_return_frac"], 100.0, 2),
        _interval(figures["sharpe_ratio"], 1.0, 2),
        _probability(each),
        _interval(figures["max_drawdown_frac"], 100.0, 2).replace("+", ""),
        f"{100.0 * each.worst_drawdown_frac:.2f}",
        _mean(figures["total_trades"], 1),
        _mean(figures["total_fees"], 2),
    )


def _comparison_row(each: Comparison) -> tuple[str, ...]:
    pair = each.differences["total_return_frac"]
    return (
        f"{each.agent} - {each.baseline}",
        str(each.num_windows),
        _interval(pair.difference, 100.0, 2),
        f"{pair.better_frac:.0%}",
        _verdict(pair.difference),
    )


def _verdict(difference: BootstrapInterval) -> str:
    if difference.low is None or difference.high is None:
        return "one window says nothing"
    if difference.low > 0.0:
        return "better"
    return "worse" if difference.high < 0.0 else "not told apart"


def _probability(each: AgentSummary) -> str:
    deflated = each.deflated_sharpe
    known = deflated is not None and deflated.probability is not None
    return f"{deflated.probability:.3f}" if deflated is not None and known else NOTHING


def _percent(frac: float) -> str:
    return f"{100.0 * frac:.6g}%"


def _mean(value: BootstrapInterval | None, digits: int) -> str:
    return NOTHING if value is None else f"{value.estimate:,.{digits}f}"


def _interval(value: BootstrapInterval | None, scale: float, digits: int) -> str:
    if value is None:
        return NOTHING
    mean = f"{scale * value.estimate:+.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} [{scale * value.low:+.{digits}f}, {scale * value.high:+.{digits}f}]"
