"""Facts of the market: candles, instruments, funding, marks; immutable, checked, fingerprinted."""

from seq_gym.market.candles import CandleSeries, Gap
from seq_gym.market.columns import CandleColumns
from seq_gym.market.funding import FundingRates
from seq_gym.market.handmade import candles_from_rows, ramp_candles
from seq_gym.market.instruments import Instrument, split_symbol
from seq_gym.market.load import load_candles
from seq_gym.market.mark import MarkPrices
from seq_gym.market.store import Store
from seq_gym.market.synthetic import synthetic_candles
from seq_gym.market.windows import (
    Splits,
    Window,
    random_windows,
    sequential_windows,
    split_range,
)

__all__ = [
    "CandleColumns",
    "CandleSeries",
    "FundingRates",
    "Gap",
    "Instrument",
    "MarkPrices",
    "Splits",
    "Store",
    "Window",
    "candles_from_rows",
    "load_candles",
    "ramp_candles",
    "random_windows",
    "sequential_windows",
    "split_range",
    "split_symbol",
    "synthetic_candles",
]
