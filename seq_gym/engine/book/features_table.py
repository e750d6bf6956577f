"""The table of book features: name, formula, unit, bounds, look-back and source of each.

A feature at time t is a function of the rows with `local_ts <= t` of one recording (B1), so it does
not depend on the agent and is computed once for all environments. Three habits keep the inputs of a
network near unit scale on every instrument, without a fitted normaliser:

- quantities are measured in *mean levels*: over the moving average of the lots of a level;
- what has heavy tails is shown through slog(x) = sign(x) log(1 + |x|);
- returns are offered in units of the moving volatility too.

Words of the formulas: m = mid in ticks; the last one known where a side is empty. L = mean lots of
a watched level, of the ten best of each side (moving average over whole seconds, half-life 60 s).
EW_h = exponentially decayed sum with half-life h seconds; rate_h = EW_h ln 2 / h. dt = the decision
interval: since the sample before. Moving averages over whole seconds begin as plain means.

Where there is nothing to say: before both sides have had a price everything is 0; a level that is
not there repeats the price of the level before it with size 0 (distance 0 on an empty side); an
imbalance with an empty side is 1 or -1, with two it is 0; the spread and microprice of a one-sided
book are the last spread and 0; a ratio over nothing is 0. After the last row of the recording time
goes on over a book that stands still; a day later the moving averages stand still too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from seq_gym.engine.book.features_layout import DEPTH_OF_TOP, HORIZONS_S, NUM_BUCKETS
from seq_gym.errors import ConfigError, UnknownName

__all__ = [
    "BOOK_FEATURES",
    "BOOK_FEATURE_SETS",
    "COLUMN",
    "BookFeature",
    "book_feature_names",
]

LEVELS: Final = 1
"""Part: the ten best levels of each side are walked when they change."""
FLOW: Final = 2
"""Part: differences of the watched levels, and what left them."""
TRADES: Final = 4
"""Part: decayed sums over trades."""
BUCKETS: Final = 8
"""Part: volume buckets of VPIN."""
SECONDS: Final = 16
"""Part: moving averages over whole seconds, realised volatility."""
RETURNS: Final = 32
"""Part: mids of the past."""
TOP: Final = 64
"""Part: prices and sizes level by level."""

_CKS = "Cont, Kukanov & Stoikov (2014), The price impact of order book events, eq. 3"
_CCZ = "Cont, Cucuringu & Zhang (2023), Cross-impact of order flow imbalance; equal weights"
_ELO = "Easley, Lopez de Prado & O'Hara (2012), Flow toxicity and liquidity"
_STOIKOV = "Weighted mid, as in Stoikov (2018), The micro-price"
_ABDL = "Andersen, Bollerslev, Diebold & Labys (2003), realized volatility"
_GPW = "Gould & Bonart (2016), Queue imbalance as a one-tick-ahead price predictor"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookFeature:
    """A named book feature.

    Attributes:
        name: As asked for.
        formula: How it is computed; words and signs as the module says.
        unit: Of its value.
        low, high: Bounds; values beyond are clipped.
        look_back_s: Seconds of a known book after which it is full (E3).
        parts: What the pass must keep for it.
        source: Where the definition comes from; empty where it is our own.
    """

    name: str
    formula: str
    unit: str
    low: float
    high: float
    look_back_s: float
    parts: int
    source: str = ""


def _f(
    name: str, unit: str, low: float, high: float, look_back_s: float, parts: int, formula: str,
    source: str = "",
) -> BookFeature:  # fmt: skip
    return BookFeature(
        name=name, formula=formula, unit=unit, low=low, high=high, look_back_s=look_back_s,
        parts=parts, source=source,
    )  # fmt: skip


def _levels() -> list[BookFeature]:
    found = []
    scaled = LEVELS | SECONDS | TOP
    for side in ("bid", "ask"):
        found += [
            _f(f"{side}_distance_{k}", "log ticks", 0, 16, 0, LEVELS | TOP,
               f"log(1 + |m - {side} price {k}| in ticks)")
            for k in range(1, DEPTH_OF_TOP + 1)
        ]  # fmt: skip
        found += [
            _f(f"{side}_size_{k}", "log mean levels", 0, 16, 60, scaled,
               f"log(1 + lots of {side} {k} / L)")
            for k in range(1, DEPTH_OF_TOP + 1)
        ]  # fmt: skip
    return found


def _depths() -> list[BookFeature]:
    flow = LEVELS | FLOW | SECONDS
    found = []
    for k in (1, 5, 10):
        best = f"of the {k} best levels" if k > 1 else "of the best level"
        share = f"lots {best}"
        found += [
            _f(f"imbalance_{k}", "fraction", -1, 1, 0, LEVELS,
               f"(B - A) / (B + A); B, A = bid and ask {share}", _GPW if k == 1 else ""),
            _f(f"ofi_{k}", "slog mean levels", -16, 16, 60, flow,
               f"slog(OFI / ({k} L)); OFI = order flow {best} over dt", _CKS if k == 1 else _CCZ),
            _f(f"ofi_ewma_{k}", "slog mean levels/s", -16, 16, 60, flow,
               f"slog(rate_10(order flow {best}) / ({k} L))", _CKS if k == 1 else _CCZ),
        ]  # fmt: skip
    return found


def _trades() -> list[BookFeature]:
    found = []
    for h in HORIZONS_S:
        warm = 3.0 * h
        found += [
            _f(f"trade_sign_{h}s", "fraction", -1, 1, warm, TRADES,
               f"EW_{h}(aggressor's sign) / EW_{h}(1), over prints"),
            _f(f"trade_imbalance_{h}s", "fraction", -1, 1, warm, TRADES,
               f"EW_{h}(sign x lots) / EW_{h}(lots), over prints"),
            _f(f"trade_rate_{h}s", "log prints/s", 0, 16, warm, TRADES,
               f"log(1 + rate_{h}(1)), over prints"),
        ]  # fmt: skip
    return found


def _returns() -> list[BookFeature]:
    found = []
    for h in HORIZONS_S:
        found += [
            _f(f"return_bps_{h}s", "bps", -1000, 1000, h, RETURNS,
               f"1e4 log(m / m {h} s ago)"),
            _f(f"scaled_return_{h}s", "sigmas", -10, 10, 60, RETURNS | SECONDS,
               f"log(m / m {h} s ago) / (sigma sqrt({h})); sigma^2 = moving average of squared log "
               "returns of a second, half-life 300 s"),
        ]  # fmt: skip
    return found


def _rest() -> list[BookFeature]:
    flow = LEVELS | FLOW | SECONDS | TRADES
    return [
        _f("microprice_bps", "bps", -1000, 1000, 0, LEVELS,
           "1e4 (micro / m - 1); micro = (b A + a B) / (A + B) of the best level", _STOIKOV),
        _f("spread_bps", "bps", 0, 1000, 0, 0, "1e4 (a - b) / m"),
        _f("spread_zscore", "sigmas", -10, 10, 60, SECONDS,
           "(spread - mean) / max(deviation, mean / 10); both moving over whole seconds, "
           "half-life 300 s"),
        _f("spread_regime", "-1, 0, 1", -1, 1, 60, SECONDS,
           "1 where the moving mean of 10 s is above 1.5 x that of 300 s, -1 below 1 / 1.5 of it"),
        _f("trade_flow", "slog mean levels", -16, 16, 60, flow,
           "slog(sum of sign x lots of prints over dt / L)"),
        _f("vpin", "fraction", 0, 1, 60, BUCKETS | SECONDS,
           f"sum |buys - sells| / sum of volume, over the last {NUM_BUCKETS} buckets; true "
           "aggressors in place of bulk classes; a bucket = 5 s of moving mean volume (half-life "
           "300 s, known when it opens)", _ELO),
        _f("cancel_rate", "log mean levels/s", 0, 16, 60, flow,
           "log(1 + max(0, rate_10(R) - rate_10(lots printed)) / L); R = lots that left the "
           "watched levels"),
        _f("cancel_share", "fraction", 0, 1, 30, LEVELS | FLOW | TRADES,
           "1 - EW_10(lots printed) / EW_10(R), at least 0"),
        _f("realized_volatility_1m", "per root year", 0, 50, 60, SECONDS,
           "sqrt(mean squared log return of the last 60 whole seconds x seconds of 365 days)",
           _ABDL),
        _f("realized_volatility_5m", "per root year", 0, 50, 300, SECONDS,
           "as above, 300 seconds", _ABDL),
        _f("realized_volatility_1h", "per root year", 0, 50, 3600, SECONDS,
           "as above, 3600 seconds", _ABDL),
        _f("staleness", "log s", 0, 16, 0, 0, "log(1 + seconds since a row told about the book)"),
        _f("book_stale", "0, 1", 0, 1, 0, 0, "1 from a gap until the next snapshot (B10)"),
        _f("halted", "0, 1", 0, 1, 0, 0, "1 while trading is halted"),
        _f("buy_prints_per_second", "1/s, raw", 0, 1e9, 30, TRADES,
           "rate_10(1) over prints, buyers the aggressor; for fill_probability of an ask"),
        _f("sell_prints_per_second", "1/s, raw", 0, 1e9, 30, TRADES,
           "the same, sellers the aggressor; for fill_probability of a bid"),
        _f("mean_print_lots", "lots, raw", 0, 1e9, 30, TRADES, "EW_10(lots) / EW_10(1)"),
    ]  # fmt: skip


BOOK_FEATURES: Final[dict[str, BookFeature]] = {
    each.name: each for each in (*_levels(), *_depths(), *_trades(), *_returns(), *_rest())
}
"""Every book feature."""

COLUMN: Final[dict[str, int]] = {name: k for k, name in enumerate(BOOK_FEATURES)}
"""Where a sample writes each of them."""

BOOK_FEATURE_SETS: Final[dict[str, tuple[str, ...]]] = {
    "default": (
        "microprice_bps", "imbalance_1", "imbalance_5", "imbalance_10",
        "ofi_1", "ofi_5", "ofi_ewma_5", "trade_flow",
        "trade_imbalance_1s", "trade_imbalance_10s", "trade_rate_1s", "trade_rate_10s",
        "spread_bps", "spread_zscore", "cancel_share",
        "scaled_return_1s", "scaled_return_10s", "scaled_return_60s",
        "realized_volatility_1m", "staleness", "book_stale",
    ),
    "levels": tuple(each.name for each in _levels()),
    "full": tuple(
        each.name
        for each in BOOK_FEATURES.values()
        if "raw" not in each.unit and each.look_back_s <= 300
    ),
    "rates": ("buy_prints_per_second", "sell_prints_per_second", "mean_print_lots"),
}  # fmt: skip
"""Sets by name; "full" leaves out what needs an hour, and the raw rates."""


def book_feature_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return the features that a set, a name, or a sequence of these stands for.

    Raises:
        UnknownName: Neither a set nor a feature.
        ConfigError: None at all, or one twice.
    """
    items = (names,) if isinstance(names, str) else tuple(names)
    found: list[str] = []
    for item in items:
        if item not in BOOK_FEATURE_SETS and item not in BOOK_FEATURES:
            raise UnknownName("book feature", item, (*BOOK_FEATURE_SETS, *BOOK_FEATURES))
        found += BOOK_FEATURE_SETS.get(item, (item,))
    if not found:
        raise ConfigError('features must name at least one; was empty. Use "default".')
    for name in found:
        if found.count(name) > 1:
            raise ConfigError(f"features must differ in name; {name!r} was given twice.")
    return tuple(found)
