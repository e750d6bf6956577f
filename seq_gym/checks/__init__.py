"""Checks that anyone may run on an environment, ours or their own."""

from seq_gym.checks.altered import altered_after, jumped_after
from seq_gym.checks.leaks import Leak, LookAheadError, LookAheadReport
from seq_gym.checks.lookahead import check_no_lookahead

__all__ = [
    "Leak",
    "LookAheadError",
    "LookAheadReport",
    "altered_after",
    "check_no_lookahead",
    "jumped_after",
]
