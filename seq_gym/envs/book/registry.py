"""The ids of the environments over books; their classes are imported when one is made."""

from __future__ import annotations

from typing import Final

import gymnasium

__all__ = ["BOOK_ENV_IDS", "register_book_envs"]

_PACKAGE: Final = "seq_gym.envs.book"

BOOK_ENV_IDS: Final = {
    "seq_gym/BookTrading-v0": (
        f"{_PACKAGE}.catalog:BookTradingEnv",
        f"{_PACKAGE}.catalog:BookTradingVectorEnv",
    ),
    "seq_gym/MarketMaking-v0": (
        f"{_PACKAGE}.catalog_making:MarketMakingEnv",
        f"{_PACKAGE}.catalog_making:MarketMakingVectorEnv",
    ),
    "seq_gym/Execution-v0": (
        f"{_PACKAGE}.catalog_execution:ExecutionEnv",
        f"{_PACKAGE}.catalog_execution:ExecutionVectorEnv",
    ),
}
"""Registered ids, with the places of their single and vector classes."""


def register_book_envs() -> None:
    """Register the environments with gymnasium."""
    for env_id, (single, vector) in BOOK_ENV_IDS.items():
        gymnasium.register(env_id, entry_point=single, vector_entry_point=vector)
