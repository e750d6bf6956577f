"""Small markets and runs that the tests of evaluate share."""

from __future__ import annotations

import pytest

from seq_gym.evaluate import EvaluateConfig
from seq_gym.market import CandleSeries, synthetic_candles


@pytest.fixture(scope="session")
def market() -> CandleSeries:
    """Two symbols, 4,000 minutes."""
    return synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=4_000, seed=5)


@pytest.fixture(scope="session")
def small() -> EvaluateConfig:
    """Three windows of 120 candles on two days of the synthetic market."""
    return EvaluateConfig(episodes=3, episode_steps=120, end="2025-01-02", seed=7)
