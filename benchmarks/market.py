"""The market that everything here runs on: real minutes of BTCUSDT, else the synthetic ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from seq_gym import CandleSeries, load_candles, synthetic_candles

FEATURES = ("scaled_return", "scaled_high", "scaled_low", "volume_ratio", "rsi")
LOOK_BACK = 30
WEEK, YEAR = 7 * 1440, 365 * 1440

_REAL = "binance_spot_BTCUSDT_1m_2025-05_2025-08.parquet"
_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "candles"
_SYNTHETIC_CANDLES = 130_708


def market_name() -> str:
    """Say which market it is."""
    real = "real BTCUSDT 1m, 2025-05 to 2025-08"
    return real if (_SHARED / _REAL).exists() else "synthetic BTCUSDT 1m"


@cache
def bitcoin() -> CandleSeries:
    """Return 130,708 minutes of one symbol."""
    if (_SHARED / _REAL).exists():
        return load_candles(_SHARED / _REAL)
    return synthetic_candles("BTCUSDT", num_candles=_SYNTHETIC_CANDLES)


@cache
def synthetic(num_candles: int, num_symbols: int = 1) -> CandleSeries:
    """Return synthetic minutes; a longer series begins with the same candles as a shorter one."""
    names = ("BTCUSDT", *(f"COIN{number}USDT" for number in range(1, num_symbols)))
    return synthetic_candles(names, num_candles=num_candles)
