"""A market whose best policy is known: the log price is a stationary AR(1) around a level.

    x' = phi x + sigma e,    log price = level + x

One asset, long or flat, filled at the next open, which is the last close; the fee is the only cost.
The agent sees x, and its position in the portfolio columns. With full positions the log return of
a step is a (x' - x) - cost where the position changes, so that the best policy solves

    V(x, p) = max over a of  a (phi - 1) x - cost(p -> a) + gamma E[V(x', a)]

by value iteration on a grid of x. Nothing is tuned to the path: the policy is computed from phi,
sigma and the fee alone, and then played in the environment itself on the windows of the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.market import CandleSeries, candles_from_rows

PHI, SIGMA, FEE = 0.9, 0.002, 0.0005
STD = SIGMA / np.sqrt(1.0 - PHI**2)
SETTINGS: dict[str, Any] = {
    "action": "ladder",
    "levels": [0.0, 1.0],
    "look_back": 1,
    "taker_fee_frac": FEE,
    "slippage": "fixed_bps",
    "slippage_bps": 0.0,
}


def mean_reverting(num_candles: int, seed: int) -> tuple[CandleSeries, NDArray[np.float64]]:
    """Return candles and x at every cursor in standard deviations, float64 [T + 1]."""
    noise = np.random.default_rng(seed).standard_normal(num_candles + 1)
    x = np.empty(num_candles + 1)
    x[0] = STD * noise[0]
    for t in range(num_candles):
        x[t + 1] = PHI * x[t] + SIGMA * noise[t + 1]
    price = 1_000.0 * np.exp(x)
    rows = np.column_stack(
        [
            price[:-1],
            np.maximum(price[:-1], price[1:]),
            np.minimum(price[:-1], price[1:]),
            price[1:],
            np.full(num_candles, 1e9),
        ]
    )
    return candles_from_rows(rows), x / STD


def settings(num_candles: int, seed: int) -> dict[str, Any]:
    """Return the arguments of an environment on such a market."""
    series, x = mean_reverting(num_candles, seed)
    feature = ("deviation", x[1:, None], -6.0, 6.0)
    return {**SETTINGS, "data": series, "features": [feature]}


class Best:
    """The policy that value iteration finds; reads x and the weight from a flat observation."""

    def __init__(self) -> None:
        self.grid = np.linspace(-6.0, 6.0, 601)
        x = self.grid * STD
        density = np.exp(-0.5 * ((x[None, :] - PHI * x[:, None]) / SIGMA) ** 2)
        move = density / density.sum(axis=1, keepdims=True)
        cost = np.array([[0.0, np.log1p(FEE)], [-np.log1p(-FEE), 0.0]])
        gain = np.stack([np.zeros(len(x)), (PHI - 1.0) * x], axis=1)
        value = np.zeros((len(x), 2))
        for _ in range(2_000):
            onward = gain + 0.999 * (move @ value)
            value = np.stack([(onward - cost[p]).max(axis=1) for p in (0, 1)], axis=1)
        self.target = np.stack([(onward - cost[p]).argmax(axis=1) for p in (0, 1)])

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: Any = 1
    ) -> tuple[Any, Any]:
        cell = np.abs(self.grid[None, :] - observation[:, :1]).argmin(axis=1)
        held = (observation[:, 7] > 0.5).astype(int)
        return self.target[held, cell], None
