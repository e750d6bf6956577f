"""The physics of a run in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.params import SandboxParams

__all__ = ["describe_book_physics", "describe_sandbox"]


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


def describe_book_physics(
    params: BookParams, terms: Sequence[Mapping[str, Any]], *, parent_side: str | None = None
) -> str:
    """Say under which physics every agent of a run on books trades.

    Args:
        params: What it was told.
        terms: What that comes to on each book (terms.py): an instrument may state its own fees.
        parent_side: Side of the parent order that the environment puts into the account; None
            where it does not.
    """
    parts = [
        f"{params.account} account of {params.starting_balance:,.0f}{_funded(params, parent_side)}",
        f"fills {params.fills}",
        f"queue model {params.queue_model}",
        f"latency {params.latency_model}",
        _fees(terms),
    ]
    if params.account == "margin":
        parts.append(f"leverage up to {params.max_leverage:g}")
    flags = ("adverse_selection", "self_impact", "volatility_latency")
    parts += [f"{flag.replace('_', ' ')} on" for flag in flags if getattr(params, flag)]
    if params.risk is not None and params.risk.is_on:
        parts.append("risk limits on")
    end = "closed" if params.liquidate_on_complete else "marked, not sold,"
    return "; ".join([*parts, f"open positions are {end} at the end"])


def _funded(params: BookParams, side: str | None) -> str:
    """Say what an environment puts into the account beside the balance (envs/book/shortfall.py)."""
    if side is None:
        return ""
    if side == "sell" and params.account == "spot":
        return " plus, for policies, the quantity to sell"
    return " plus, for policies, twice the worth of the parent order in cash"


def _fees(terms: Sequence[Mapping[str, Any]]) -> str:
    """Say what is charged, book by book where they differ."""
    named: dict[str, list[str]] = {}
    for each in terms:
        taker, maker = _percent(each["taker_fee_frac"]), _percent(each["maker_fee_frac"])
        own = ", the instrument's own" if each["own_fees"] else ""
        named.setdefault(f"{taker} taker, {maker} maker{own}", []).append(each["symbol"])
    if len(named) == 1:
        return f"fees {next(iter(named))}"
    return "fees " + ", ".join(f"of {', '.join(who)} {what}" for what, who in named.items())


def _percent(frac: float) -> str:
    return f"{100.0 * frac:.6g}%"
