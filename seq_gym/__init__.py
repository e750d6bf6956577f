"""Gymnasium environments over a replay sandbox for trading.

Importing this package registers `seq_gym/CandleTrading-v0` and `seq_gym/Portfolio-v0`:

    import gymnasium, seq_gym
    env = gymnasium.make("seq_gym/CandleTrading-v0", data="BTCUSDT-1m.parquet")
"""

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

__version__ = "0.1.0"

__all__ = [
    "ENV_IDS",
    "Candle",
    "CandleSeries",
    "Feature",
    "Fill",
    "Instrument",
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
    "load_candles",
    "synthetic_candles",
]

_register_envs()
