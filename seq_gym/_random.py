"""Keyed randomness: every draw is a pure function of (seed, stream, counter).

There is no generator state, so batching, threads or an added symbol never change a draw. The
mixer is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014), applied once per word of the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from seq_gym._jit import COMPILED, kernel

__all__ = ["draw_below", "draw_uniform", "stream_of"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@kernel
def _mix(word: np.uint64) -> np.uint64:
    """Scramble 64 bits; a bijection."""
    word = (word ^ (word >> _S30)) * _MIX_1
    word = (word ^ (word >> _S27)) * _MIX_2
    return word ^ (word >> _S31)


def _wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let plain Python wrap around at 64 bits in silence, as the kernels do."""
    return function if COMPILED else np.errstate(over="ignore")(function)


@_wrapping
@kernel
def _draw(seed: int, stream: int, counter: int) -> np.uint64:
    """Return 64 random bits for a key."""
    word = _mix(np.uint64(seed) + _GOLDEN)
    word = _mix(word ^ (np.uint64(stream) + _GOLDEN))
    return _mix(word ^ (np.uint64(counter) + _GOLDEN))


@kernel
def draw_uniform(seed: int, stream: int, counter: int) -> float:
    """Return a float64 in [0, 1) for a key."""
    return float(_draw(seed, stream, counter) >> _S11) * (1.0 / 9007199254740992.0)


@kernel
def draw_below(seed: int, stream: int, counter: int, bound: int) -> int:
    """Return an integer in [0, bound) for a key; bound must be below 2**53 for an even spread."""
    return int(draw_uniform(seed, stream, counter) * bound)


def stream_of(*words: object) -> int:
    """Name a stream: the same words give the same 63-bit number on every machine."""
    text = "\x1f".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
