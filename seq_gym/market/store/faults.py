"""What a check of the store finds."""

from __future__ import annotations

from typing import NamedTuple

from seq_gym.market.store.layout import TableKey

__all__ = ["Fault"]


class Fault(NamedTuple):
    """Something in a store that is not what an import wrote."""

    table: TableKey
    """The table."""
    file: str
    """The file, or the manifest."""
    problem: str
    """What is wrong, in a sentence."""
