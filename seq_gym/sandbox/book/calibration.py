"""Queue models against the truth of an order-level recording: errors, and the exponent that fits.

Source: book.md (B18, Calibration and truth), S3-46.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from seq_gym.engine.book.queue_walk import walk_queues
from seq_gym.errors import ConfigError
from seq_gym.market.book.orders import OrderFlow
from seq_gym.market.book.queue_truth import NEVER, QueueTruth
from seq_gym.sandbox.book.params import QUEUE_MODELS
from seq_gym.sandbox.book.queue_rows import QueueRows, queue_rows
from seq_gym.times import NS_PER_S

__all__ = ["QueueCalibration", "QueueError", "calibrate_queue"]

_MODELS: Final = (
    ("risk_averse", 0.0),
    ("power1", 1.0),
    ("power1", 3.0),
    ("power2", 1.0),
    ("power2", 3.0),
    ("power3", 1.0),
    ("power3", 3.0),
    ("log1", 0.0),
    ("log2", 0.0),
    ("aggressive", 0.0),
    ("none", 0.0),
)
_LOWEST_POWER: Final = 0.05
_HIGHEST_POWER: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueError:
    """How far one model was from the truth, over all tracked orders."""

    model: str
    """A name of `QUEUE_MODELS`."""
    power: float
    """Exponent of the power shapes; 0 for others."""
    is_fitted: bool
    """The exponent was fitted to this recording."""
    ahead_error_frac: float
    """Mean absolute error of the lots ahead, in shares of what the level showed on joining: mean
    over depth rows before the first fill, then over orders."""
    ahead_bias_frac: float
    """Likewise, signed: above 0, the model is too far back."""
    fills_frac: float
    """Share of orders that it fills before the market passes their tick or time is up."""
    fill_agreement_frac: float
    """Share of orders of which it tells rightly whether they fill."""
    fill_time_error_s: float
    """Mean absolute error of the first fill's time, where both fill; NaN without any."""
    fill_time_bias_s: float
    """Likewise, signed: above 0, the model is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCalibration:
    """Errors of all queue models on one recording."""

    fingerprint: str
    """SHA-256 of the orders that were measured."""
    num_orders: int
    """Tracked orders."""
    num_rows: int
    """Depth rows at which predictions were judged."""
    true_fills_frac: float
    """Share of the tracked orders that were truly filled in the queue."""
    power: float
    """Exponent of power3 with the smallest error of the lots ahead."""
    errors: tuple[QueueError, ...]
    """By model; power3 also with its fitted exponent."""

    def error(self, model: str, power: float | None = None) -> QueueError:
        """Return the errors of a model; of several exponents the first, unless one is named.

        Raises:
            ConfigError: It was not measured.
        """
        for each in self.errors:
            if each.model == model and power in (None, each.power):
                return each
        raise ConfigError(f"model must be one that was measured; was {model!r} with power {power}.")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)

    def as_text(self) -> str:
        """Return a table of the errors."""
        lines = [
            f"Queue models on {self.num_orders:,} orders, {self.num_rows:,} rows "
            f"(data {self.fingerprint[:12]}); truly filled {self.true_fills_frac:.1%}; "
            f"power3 fits n = {self.power:.2f}",
            f"{'model':<18}{'ahead error':>12}{'bias':>9}{'fills':>8}{'agree':>8}"
            f"{'time error':>12}{'bias':>9}",
        ]
        for each in self.errors:
            power = f" n = {each.power:.3g}" if each.power else ""
            name = f"{each.model}{power}{' *' if each.is_fitted else ''}"
            lines.append(
                f"{name:<18}{each.ahead_error_frac:>12.1%}{each.ahead_bias_frac:>+9.1%}"
                f"{each.fills_frac:>8.1%}{each.fill_agreement_frac:>8.1%}"
                f"{each.fill_time_error_s:>10.2f} s{each.fill_time_bias_s:>+7.2f} s"
            )
        return "\n".join(lines)


def calibrate_queue(flow: OrderFlow, truth: QueueTruth) -> QueueCalibration:
    """Measure every queue model against the truth and fit the exponent of power3.

    The models see the L2 book that follows from the orders; the venue's own arithmetic runs (B18,
    strict). An order counts as filled by the time the market passes its tick, in truth and in
    every model.

    Args:
        flow: An order-level recording.
        truth: Tracked orders in it, each with something ahead of it.

    Raises:
        ConfigError: No tracked order has a row to be judged at.

    Source: B18.
    """
    if (truth.ahead_lots <= 0).any():
        raise ConfigError("truth must be of orders that join behind others; some were first.")
    rows = queue_rows(flow, truth)
    if not rows.is_waiting.any():
        raise ConfigError("truth must have orders that wait for a depth row; was none.")
    power = _fitted_power(rows)
    errors = [_measured(rows, truth, model, power, False) for model, power in _MODELS]
    errors.append(_measured(rows, truth, "power3", power, True))
    filled = truth.first_fill_ts != NEVER
    return QueueCalibration(
        fingerprint=_fingerprint(rows),
        num_orders=truth.num_orders,
        num_rows=int(rows.is_waiting.sum()),
        true_fills_frac=float(filled.mean()),
        power=power,
        errors=tuple(errors),
    )


def _measured(
    rows: QueueRows, truth: QueueTruth, model: str, power: float, is_fitted: bool
) -> QueueError:
    ahead, filled_at = _walk(rows, model, power)
    error = (ahead - rows.ahead)[rows.is_waiting]
    predicted = np.where(filled_at >= 0, rows.ts[np.maximum(filled_at, 0)], truth.passed_ts)
    fills, filled = predicted != NEVER, truth.first_fill_ts != NEVER
    both = fills & filled
    late = (predicted - truth.first_fill_ts)[both] / NS_PER_S
    return QueueError(
        model=model,
        power=power,
        is_fitted=is_fitted,
        ahead_error_frac=_mean_by_order(rows, np.abs(error)),
        ahead_bias_frac=_mean_by_order(rows, error),
        fills_frac=float(fills.mean()),
        fill_agreement_frac=float((fills == filled).mean()),
        fill_time_error_s=float(np.abs(late).mean()) if both.any() else math.nan,
        fill_time_bias_s=float(late.mean()) if both.any() else math.nan,
    )


def _walk(rows: QueueRows, model: str, power: float) -> tuple[Any, Any]:
    return walk_queues(
        QUEUE_MODELS[model],
        power,
        displayed=rows.displayed,
        first=rows.first,
        is_print=rows.is_print,
        prev=rows.prev,
        lots=rows.lots,
    )


def _mean_by_order(rows: QueueRows, values: Any) -> float:
    """Average over the judged rows of each order, in shares of its level, then over orders."""
    order = rows.order[rows.is_waiting]
    count = np.bincount(order, minlength=len(rows.displayed))
    total = np.bincount(order, weights=values, minlength=len(rows.displayed))
    judged = count > 0
    return float((total[judged] / count[judged] / rows.displayed[judged]).mean())


def _fitted_power(rows: QueueRows) -> float:
    """Search the exponent of power3: a grid, then golden sections around its best."""

    def cost(log_power: float) -> float:
        ahead, _ = _walk(rows, "power3", math.exp(log_power))
        return _mean_by_order(rows, np.abs(ahead - rows.ahead)[rows.is_waiting])

    grid = np.linspace(math.log(_LOWEST_POWER), math.log(_HIGHEST_POWER), 25)
    best = int(np.argmin([cost(float(x)) for x in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(20):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if cost(left) < cost(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _fingerprint(rows: QueueRows) -> str:
    digest = hashlib.sha256()
    for column in rows:
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
