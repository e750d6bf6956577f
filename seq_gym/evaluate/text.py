"""The result of a run as tables for a terminal, and for the report."""

from __future__ import annotations

from collections.abc import Sequence

from seq_gym.console import TextTable
from seq_gym.evaluate.aggregate import AgentSummary, Comparison, Summary
from seq_gym.evaluate.ground import Column, Compared, Ground
from seq_gym.metrics import BootstrapInterval

__all__ = ["agent_table", "comparison_table", "notes"]

NOTHING = "-"


def agent_table(summary: Summary, ground: Ground) -> TextTable:
    """Return one row per agent: means over episodes with 95 % bootstrap intervals."""
    unit, scale = ground.return_unit
    return TextTable(
        "Agents (mean over episodes [95 % bootstrap interval]; * = baseline)",
        (
            "agent",
            "episodes",
            f"return {unit}",
            "Sharpe, a year",
            "DSR",
            f"max drawdown {unit}",
            f"worst {unit}",
            *(column.title for column in ground.columns),
        ),
        [_agent_row(each, scale, ground.columns) for each in summary.agents],
    )


def comparison_table(summary: Summary, ground: Ground) -> TextTable:
    """Return one row per agent and baseline: paired differences of what they are compared by."""
    compared = ground.compared
    return TextTable(
        f"Paired differences of {compared.title} on the same windows",
        ("agent less baseline", "windows", f"difference {compared.unit}", "better in", "verdict"),
        [_comparison_row(each, compared) for each in summary.comparisons],
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


def _agent_row(each: AgentSummary, scale: float, columns: Sequence[Column]) -> tuple[str, ...]:
    figures = each.figures
    return (
        each.name + ("*" if each.baseline else ""),
        str(each.num_episodes),
        _interval(figures["total_return_frac"], scale, 2),
        _interval(figures["sharpe_ratio"], 1.0, 2),
        _probability(each),
        _interval(figures["max_drawdown_frac"], scale, 2).replace("+", ""),
        f"{scale * each.worst_drawdown_frac:.2f}",
        *(_mean(figures[column.name], column) for column in columns),
    )


def _comparison_row(each: Comparison, compared: Compared) -> tuple[str, ...]:
    pair = each.differences[compared.name]
    return (
        f"{each.agent} - {each.baseline}",
        str(each.num_windows),
        _interval(pair.difference, compared.scale, 2),
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


def _mean(value: BootstrapInterval | None, column: Column) -> str:
    return NOTHING if value is None else f"{column.scale * value.estimate:,.{column.digits}f}"


def _interval(value: BootstrapInterval | None, scale: float, digits: int) -> str:
    if value is None:
        return NOTHING
    mean = f"{scale * value.estimate:+.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} [{scale * value.low:+.{digits}f}, {scale * value.high:+.{digits}f}]"
