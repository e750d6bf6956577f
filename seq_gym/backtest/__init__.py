"""One strategy over recorded books: `python -m seq_gym.backtest`, or `run_backtest(options)`."""

from seq_gym.backtest.run import Backtest, run_backtest
from seq_gym.backtest.settings import BacktestOptions
from seq_gym.runs.maker import FixedSpreadMaker

__all__ = ["Backtest", "BacktestOptions", "FixedSpreadMaker", "run_backtest"]
