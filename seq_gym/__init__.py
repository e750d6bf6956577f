"""Gymnasium environments over a replay sandbox for trading.

Importing this package registers `seq_gym/CandleTrading-v0` and `seq_gym/Portfolio-v0`, and over
order books `seq_gym/BookTrading-v0`:

    import gymnasium, seq_gym
    env = gymnasium.make("seq_gym/CandleTrading-v0", data="BTCUSDT-1m.parquet")

What belongs to order books is imported when it is first used.
"""

import importlib
import typing

from seq_gym.envs.book.registry import BOOK_ENV_IDS
from seq_gym.envs.book.registry import register_book_envs as _register_book_envs
from seq_gym.envs.catalog import ENV_IDS
from seq_gym.envs.catalog import register_envs as _register_envs
from seq_gym.envs.features import Feature
from seq_gym.errors import SeqGymError
from seq_gym.market import CandleSeries, Instrument, load_candles, synthetic_candles
from seq_gym.policy import Policy, Strategy
from seq_gym.sandbox.params import RiskProfile, SandboxParams
from seq_gym.sandbox.records import Candle, Fill, Order
from seq_gym.sandbox.saved_compare import compare_sessions
from seq_gym.sandbox.saved_list import best_session, list_sessions
from seq_gym.sandbox.session import Session

if typing.TYPE_CHECKING:
    from seq_gym.market.book.events import BookData, BookEvents
    from seq_gym.market.book.load import load_book
    from seq_gym.market.book.synthetic import synthetic_book
    from seq_gym.sandbox.book.latency import Latency
    from seq_gym.sandbox.book.params import BookParams
    from seq_gym.sandbox.book.session import BookSession

__version__ = "0.1.0"

__all__ = [
    "BOOK_ENV_IDS",
    "ENV_IDS",
    "BookData",
    "BookEvents",
    "BookParams",
    "BookSession",
    "Candle",
    "CandleSeries",
    "Feature",
    "Fill",
    "Instrument",
    "Latency",
    "Order",
    "Policy",
    "RiskProfile",
    "SandboxParams",
    "SeqGymError",
    "Session",
    "Strategy",
    "best_session",
    "compare_sessions",
    "list_sessions",
    "load_book",
    "load_candles",
    "synthetic_book",
    "synthetic_candles",
]

_LATER = {
    "BookData": "market.book.events",
    "BookEvents": "market.book.events",
    "BookParams": "sandbox.book.params",
    "BookSession": "sandbox.book.session",
    "Latency": "sandbox.book.latency",
    "load_book": "market.book.load",
    "synthetic_book": "market.book.synthetic",
}


def __getattr__(name: str) -> typing.Any:
    """Import what belongs to order books."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)


_register_envs()
_register_book_envs()
