"""What a window can go through: a layer, convolutions over time, or a recurrence."""

from __future__ import annotations

from typing import cast

from seq_gym.errors import MissingExtra
from seq_gym.train.windows import WindowLayout

try:
    import torch as th
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

__all__ = ["Convolutions", "Perceptron", "Recurrence"]

_CHANNELS = 32
_KERNELS = (5, 3)
_STRIDE = 2


class Convolutions(th.nn.Module):
    """Two convolutions over time, each of stride 2, then one layer: [N, L, C] -> [N, dim]."""

    def __init__(self, layout: WindowLayout, dim: int) -> None:
        super().__init__()
        layers: list[th.nn.Module] = []
        channels, length = layout.row_floats, layout.look_back
        for size in _KERNELS:
            layers += [
                th.nn.Conv1d(channels, _CHANNELS, size, stride=_STRIDE, padding=size // 2),
                th.nn.ReLU(),
            ]
            channels, length = _CHANNELS, (length - 1) // _STRIDE + 1
        layers += [th.nn.Flatten(), th.nn.Linear(channels * length, dim), th.nn.ReLU()]
        self.layers = th.nn.Sequential(*layers)

    def forward(self, window: th.Tensor) -> th.Tensor:
        """Return float32 [N, dim]."""
        return cast("th.Tensor", self.layers(window.transpose(1, 2)))


class Recurrence(th.nn.Module):
    """A gated recurrent unit over the window, oldest candle first: its last state [N, dim]."""

    def __init__(self, layout: WindowLayout, dim: int) -> None:
        super().__init__()
        self.gru = th.nn.GRU(layout.row_floats, dim, batch_first=True)

    def forward(self, window: th.Tensor) -> th.Tensor:
        """Return float32 [N, dim]."""
        _, last = self.gru(window)
        return cast("th.Tensor", last[0])


class Perceptron(th.nn.Module):
    """One layer over the whole window: [N, L, C] -> [N, dim]."""

    def __init__(self, layout: WindowLayout, dim: int) -> None:
        super().__init__()
        self.layers = th.nn.Sequential(
            th.nn.Flatten(), th.nn.Linear(layout.num_floats, dim), th.nn.ReLU()
        )

    def forward(self, window: th.Tensor) -> th.Tensor:
        """Return float32 [N, dim]."""
        return cast("th.Tensor", self.layers(window))
