"""What a training run needs of a market: the one seam between candles and books.

Learning, validation, checkpoints and the run folder know nothing of what is traded. Ranges know
their data, the three parts of it in time order, the environments over the first two, and what
evaluate is told of the third.
"""

from __future__ import annotations

from typing import Any, Protocol

from seq_gym.envs.vector import TradingVectorEnv
from seq_gym.train.books import load_book_ranges
from seq_gym.train.candles import load_candle_ranges
from seq_gym.train.settings import AnyTrainConfig, TrainBookConfig

__all__ = ["Ranges", "load_ranges"]


class Ranges(Protocol):
    """The data of a run, split in time order."""

    @property
    def env(self) -> str:
        """Id of the environment."""
        ...

    @property
    def scaling(self) -> dict[str, Any] | None:
        """Statistics of the features over the training range; None where they are not scaled."""
        ...

    def described(self) -> dict[str, dict[str, Any]]:
        """Return the ranges as plain values, times and cursors."""
        ...

    def data_record(self) -> dict[str, Any]:
        """Return what a manifest says of the data."""
        ...

    def evaluate_settings(self) -> dict[str, Any]:
        """Return what evaluate is told of the run by default: its test range, side by side."""
        ...

    def training_env(self) -> TradingVectorEnv:
        """Make the batch that is trained in: random windows of the training range."""
        ...

    def validation_env(self) -> TradingVectorEnv:
        """Make a batch with a row for each window of validation, spread evenly over its range."""
        ...


def load_ranges(config: AnyTrainConfig, scaling: dict[str, Any] | None = None) -> Ranges:
    """Load the data of a run and split it in time order.

    Args:
        config: The run.
        scaling: Statistics that were fitted before; None fits them where the config asks for it.

    Raises:
        ConfigError: A range is too short, a setting breaks its rule, or the environment is not one
            over what the run trades.
        MarketDataError: The data is at fault.
    """
    if isinstance(config, TrainBookConfig):
        return load_book_ranges(config)
    return load_candle_ranges(config, scaling)
