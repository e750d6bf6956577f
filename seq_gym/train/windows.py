"""The windows that index observations point at, gathered in torch on the policy's device.

A feature matrix is held once for each device, whoever asks: all networks of a model, its targets,
other models on the same data. On the CPU it is the environment's own memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from seq_gym.envs.book.own import OWN_COLUMNS
from seq_gym.envs.book.settings import BookEnvSettings
from seq_gym.envs.features import FeatureMatrix
from seq_gym.envs.observations import ObservedWindow, portfolio_size
from seq_gym.envs.settings import EnvSettings
from seq_gym.errors import ConfigError, MissingExtra, UsageError

try:
    import torch as th
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

__all__ = ["MarketWindows", "WindowLayout"]

_LARGE = 1 << 20
"""Floats from which numpy's huge pages pay."""
_LINE = 16
"""Floats of a cache line."""

_tensors: WeakKeyDictionary[FeatureMatrix, dict[th.device, th.Tensor]] = WeakKeyDictionary()


def _tensor_of(matrix: FeatureMatrix, device: th.device) -> th.Tensor:
    """Return a feature matrix as float32 [T + 1, S * F] on a device: one for all who ask."""
    kept = _tensors.setdefault(matrix, {})
    if device not in kept:
        # A view that torch takes for writable, which it wants; nobody writes.
        flat = matrix.values.reshape(len(matrix.values), -1)
        pointer = flat.__array_interface__ | {"data": (flat.ctypes.data, False)}
        kept[device] = th.from_numpy(np.asarray(_Borrowed(pointer, flat))).to(device)
    return kept[device]


class _Borrowed:
    """Another array's memory, for numpy to make an array of."""

    def __init__(self, interface: dict[str, Any], owner: Any) -> None:
        self.__array_interface__ = interface
        self._owner = owner


class WindowLayout(NamedTuple):
    """What a network knows of a window: its place in an observation, but none of its numbers."""

    key: str
    """Its name in a dict observation."""
    look_back: int
    row_floats: int
    """S * F."""
    offset: int
    """Cursor at which the first of its candles opens, in the market that is attached."""
    multiple: int
    """Candles of the environment in one of its own."""
    features: tuple[str, ...]
    fingerprint: str
    """Of its features and their scaling: a network fits any matrix with the same one."""

    @property
    def num_floats(self) -> int:
        """How many floats the window holds."""
        return self.look_back * self.row_floats


def _layout(window: ObservedWindow) -> WindowLayout:
    look_back, row_floats = window.shape
    return WindowLayout(
        key=window.key,
        look_back=look_back,
        row_floats=row_floats,
        offset=window.offset,
        multiple=window.multiple,
        features=window.matrix.names,
        fingerprint=window.matrix.fingerprint,
    )


def _book_layout(settings: BookEnvSettings) -> WindowLayout:
    """Return the one window over a book, whose observations hold it in full."""
    names = settings.grid.names
    return WindowLayout(
        key="window",
        look_back=settings.look_back,
        row_floats=len(names),
        offset=0,
        multiple=1,
        features=names,
        fingerprint="",
    )


class MarketWindows:
    """The windows of an environment's observations, and the market that they are gathered from.

    All networks of a model share one, also where SB3 copies them. Pickled, as SB3 does with the
    arguments of a policy when it saves a model, it keeps its layouts and forgets the market.

    Args:
        layouts: The windows in the order of a flat observation.
        portfolio_floats: Columns that follow them.
        matrices: The features of each window; None: no market is attached.
        rest: Name of those columns in a dict observation.
    """

    def __init__(
        self,
        layouts: Sequence[WindowLayout],
        portfolio_floats: int,
        matrices: Sequence[FeatureMatrix] | None = None,
        rest: str = "portfolio",
    ) -> None:
        self.layouts = tuple(layouts)
        self.portfolio_floats = portfolio_floats
        self.rest = rest
        self.matrices = None if matrices is None else tuple(matrices)
        self._views: dict[th.device, list[th.Tensor]] = {}

    @classmethod
    def of(cls, settings: EnvSettings | BookEnvSettings) -> MarketWindows:
        """Return the windows of an environment; over candles its market is attached."""
        if isinstance(settings, BookEnvSettings):
            columns = len(OWN_COLUMNS) + len(settings.task.columns)
            return cls([_book_layout(settings)], columns, rest="own")
        windows = settings.windows
        return cls(
            [_layout(each) for each in windows],
            portfolio_size(settings.series.num_symbols),
            [each.matrix for each in windows],
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> MarketWindows:
        """Stay the same: copies of a network share the market."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return MarketWindows, (self.layouts, self.portfolio_floats, None, self.rest)

    @property
    def num_floats(self) -> int:
        """Floats of a flat observation."""
        return sum(each.num_floats for each in self.layouts) + self.portfolio_floats

    def attach(self, other: MarketWindows) -> None:
        """Gather from another's market from now on.

        Raises:
            ConfigError: Its windows are not those that the network was made for.
        """
        _refuse_others(self, other)
        self.layouts, self.matrices, self._views = other.layouts, other.matrices, {}

    def gather(self, cursors: th.Tensor, portfolio: th.Tensor) -> th.Tensor:
        """Return the flat observations that index ones stand for: float32 [N, num_floats].

        Args:
            cursors: [N], on the device of the policy.
            portfolio: float32 [N, P], likewise.

        Raises:
            UsageError: No market is attached, or the cursors have been scaled.
            IndexError: A cursor lies outside of the market (on the CPU).
        """
        device = cursors.device
        views = self._views.get(device)
        if views is None:
            views = self._views[device] = self._view_on(device)
            _refuse_scaled(cursors)  # once: whoever scales them does so from the start
        out = _empty(len(cursors), self.num_floats, device)
        rows, at = cursors.long(), 0
        for layout, view in zip(self.layouts, views, strict=True):
            first = (rows - layout.offset) // layout.multiple if layout.multiple > 1 else rows
            until = at + layout.num_floats
            th.index_select(view, 0, first - (layout.look_back - 1), out=out[:, at:until])
            at = until
        out[:, at:] = portfolio
        return out

    def _view_on(self, device: th.device) -> list[th.Tensor]:
        """Return every window of each matrix as a row, overlapping: [T + 2 - look_back, floats]."""
        if self.matrices is None:
            raise UsageError(
                "A policy on index observations needs the market that they point into; none is "
                "attached. Call seq_gym.train.extractors.attach(model, env) after loading."
            )
        views = []
        for layout, matrix in zip(self.layouts, self.matrices, strict=True):
            tensor = _tensor_of(matrix, device)
            count = max(len(tensor) - layout.look_back + 1, 0)
            views.append(tensor.as_strided((count, layout.num_floats), (layout.row_floats, 1)))
        return views


def _refuse_scaled(cursors: th.Tensor) -> None:
    """Refuse what is no cursor: a normalised one points elsewhere, and would do so silently."""
    broken = cursors[cursors != cursors.round()]
    if len(broken):
        raise UsageError(
            f"The index of an observation must be a whole cursor; was {float(broken[0]):g}. Likely "
            "fix: VecNormalize(env, norm_obs_keys=['portfolio']), which leaves it as it is."
        )


def _empty(rows: int, floats: int, device: th.device) -> th.Tensor:
    """Allocate float32 [rows, floats], aligned to cache lines, as products like it.

    Large ones on the CPU come from numpy, which has huge pages: torch's cost a page fault each
    4 KiB, three quarters of the time of a large gather.
    """
    if device.type != "cpu" or rows * floats < _LARGE:
        return th.empty((rows, floats), dtype=th.float32, device=device)
    raw = np.empty(rows * floats + _LINE, np.float32)
    shift = -raw.ctypes.data % (4 * _LINE) // 4
    return th.from_numpy(raw[shift : shift + rows * floats].reshape(rows, floats))


def _refuse_others(own: MarketWindows, other: MarketWindows) -> None:
    """Refuse windows that a network was not made for, and name the first difference."""
    names = [each.key for each in own.layouts], [each.key for each in other.layouts]
    if names[0] != names[1]:
        raise ConfigError(f"windows must be {names[0]}, as the policy's are; were {names[1]}.")
    for mine, theirs in zip(own.layouts, other.layouts, strict=True):
        for name in ("look_back", "features", "multiple", "row_floats", "fingerprint"):
            wanted, was = getattr(mine, name), getattr(theirs, name)
            if wanted != was:
                raise ConfigError(
                    f"{name} of {mine.key!r} must be {wanted!r}, as the policy was trained on; was "
                    f"{was!r}. Likely fix: make the environment with the settings of the run."
                )
    if own.portfolio_floats != other.portfolio_floats:
        raise ConfigError(
            f"{own.rest} must have {own.portfolio_floats} columns, as the policy was trained on; "
            f"had {other.portfolio_floats}. Likely fix: as many symbols as then."
        )
