"""Feature scaling: a feature less its mean, over its standard deviation, by numbers that are given.

`feature_scaling={"mean": [...], "std": [...], "1h": {"mean": [...], "std": [...]}}` scales the
window's features, and those of a timeframe: one number a feature, in their order, the same for all
symbols. The numbers are fitted on a training range once (`seq_gym.train.scaling.fit_scaling`),
stored as JSON, and are constants here: nothing is ever fitted on what an episode shows.

The result is clipped to -10 .. 10 and computed once for a dataset, into a matrix that all
environments share. Rows before a symbol's every feature is defined stay zero (C3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from seq_gym.envs.features import FeatureMatrix
from seq_gym.errors import ConfigError, UnknownName

__all__ = ["SCALED_BOUND", "check_scaling", "scale_features"]

SCALED_BOUND: Final = 10.0
"""A scaled feature lies within this many standard deviations of its mean; beyond, it is clipped."""

_KEYS = ("mean", "std", "features")

_scaled: WeakKeyDictionary[FeatureMatrix, dict[str, FeatureMatrix]] = WeakKeyDictionary()


def check_scaling(scaling: Any, timeframes: Sequence[str]) -> dict[str, Any]:
    """Read the `feature_scaling` argument of an environment.

    Args:
        scaling: None, or a mapping with `mean` and `std` (and `features`, the names they belong
            to), and such a mapping for each timeframe by its name.
        timeframes: The names of the environment's timeframes.

    Returns:
        The scaling of each window: "" for the environment's own candles, else the timeframe; none
        for a window that stays as it is.

    Raises:
        UnknownName: A key is neither; carries the near miss.
        ConfigError: A value is no mapping.
    """
    if scaling is None:
        return {}
    if not isinstance(scaling, Mapping):
        raise ConfigError(
            f"feature_scaling must map 'mean' and 'std' to a number a feature; was {scaling!r}."
        )
    for key in scaling:
        if key not in (*_KEYS, *timeframes):
            raise UnknownName("key of feature_scaling", key, (*_KEYS, *timeframes))
    own = {key: scaling[key] for key in _KEYS if key in scaling}
    asked = {"": own} if own else {}
    return asked | {name: scaling[name] for name in timeframes if name in scaling}


def scale_features(matrix: FeatureMatrix, scaling: Any, name: str = "") -> FeatureMatrix:
    """Return a matrix of scaled features, computed once: `(x - mean) / std` within the bound.

    Args:
        matrix: The features.
        scaling: `mean` and `std`, [F] each, and optionally `features`, their names.
        name: The timeframe, for messages; "" for the window of the environment's own candles.

    Returns:
        Values and bounds scaled and clipped to SCALED_BOUND; `ready` and `warmup` as they were;
        the fingerprint names the scaling too.

    Raises:
        UnknownName: A key is none.
        ConfigError: A list has another length than the features, a mean is not finite, a standard
            deviation is not above 0, or the names are not those of the features.
    """
    where = f"feature_scaling of timeframe {name!r}" if name else "feature_scaling"
    mean, std = _read(matrix, scaling, where)
    text = json.dumps([matrix.fingerprint, "scaled", mean.tolist(), std.tolist()])
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    kept = _scaled.setdefault(matrix, {})
    if fingerprint not in kept:
        kept[fingerprint] = _scale(matrix, mean, std, fingerprint)
    return kept[fingerprint]


def _read(
    matrix: FeatureMatrix, scaling: Any, where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and std, float64 [F] each."""
    if not isinstance(scaling, Mapping):
        raise ConfigError(f"{where} must map 'mean' and 'std' to numbers; was {scaling!r}.")
    for key in scaling:
        if key not in _KEYS:
            raise UnknownName(f"key of {where}", key, _KEYS)
    names = scaling.get("features")
    if names is not None and list(names) != list(matrix.names):
        raise ConfigError(
            f"{where} must be of the features {list(matrix.names)}; was of {list(names)}. Likely "
            f"fix: fit it again, or use the features that it was fitted on."
        )
    mean = _numbers(matrix, scaling, where, "mean")
    std = _numbers(matrix, scaling, where, "std")
    if not (std > 0.0).all():
        raise ConfigError(f"std of {where} must be above 0; was {std.tolist()}.")
    return mean, std


def _numbers(
    matrix: FeatureMatrix, scaling: Mapping[str, Any], where: str, key: str
) -> NDArray[np.float64]:
    """Return one list of finite numbers, float64 [F]."""
    if key not in scaling:
        raise ConfigError(f"{where} must have {key!r}; had {list(scaling)}.")
    try:
        numbers = np.array(scaling[key], np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{key} of {where} must be numbers; was {scaling[key]!r}.") from error
    if numbers.shape != (len(matrix.names),) or not np.isfinite(numbers).all():
        raise ConfigError(
            f"{key} of {where} must be {len(matrix.names)} finite numbers, one for each of "
            f"{', '.join(matrix.names)}; was {scaling[key]!r}."
        )
    return numbers


def _scale(
    matrix: FeatureMatrix, mean: NDArray[np.float64], std: NDArray[np.float64], fingerprint: str
) -> FeatureMatrix:
    """Compute a scaled matrix, symbol by symbol: no second copy of the whole in float64."""
    values = np.zeros_like(matrix.values)
    beyond, defined = np.zeros(len(mean)), 0
    for s, first in enumerate(matrix.ready.tolist()):
        scaled = (matrix.values[first:, s] - mean) / std
        beyond += np.count_nonzero(np.abs(scaled) > SCALED_BOUND, axis=0)
        defined += len(scaled)
        values[first:, s] = np.clip(scaled, -SCALED_BOUND, SCALED_BOUND)
    low, high = (
        np.clip((bound - mean) / std, -SCALED_BOUND, SCALED_BOUND).astype(np.float32)
        for bound in (matrix.low, matrix.high)
    )
    clipped_frac = np.maximum(matrix.clipped_frac, beyond / max(defined, 1))
    for array in (values, low, high, clipped_frac):
        array.flags.writeable = False
    return FeatureMatrix(
        values=values,
        names=matrix.names,
        low=low,
        high=high,
        warmup=matrix.warmup,
        ready=matrix.ready,
        clipped_frac=clipped_frac,
        fingerprint=fingerprint,
    )
