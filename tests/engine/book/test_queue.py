"""B18: every queue shape against its formula, and the numbers that hftbacktest 2.4.4 gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym._jit import kernel
from seq_gym.engine.book import codes
from seq_gym.engine.book.layout import INSTRUMENT, ORDER, PARAMS
from seq_gym.engine.book.queue import (
    join_queue,
    move_by_depth,
    move_by_print,
    share_behind,
    take_executable,
)
from seq_gym.engine.book.tables import instrument_at, order_at, params_at
from seq_gym.engine.layout import new_table

PROBABILISTIC = (codes.POWER1, codes.POWER2, codes.POWER3, codes.LOG1, codes.LOG2)


@kernel
def _share(model: int, n: float, front: float, back: float) -> float:
    return share_behind(model, n, front, back)


@kernel
def _join(params: int, orders: int, displayed: float) -> None:
    join_queue(params_at(params, 0), order_at(orders, 0), displayed)


@kernel
def _depth(params: int, orders: int, prev: float, new: float) -> None:
    move_by_depth(params_at(params, 0), order_at(orders, 0), prev, new)


@kernel
def _print(params: int, instruments: int, orders: int, flow: float, printed: float) -> float:
    p = params_at(params, 0)
    move_by_print(p, order_at(orders, 0), flow, printed)
    return take_executable(p, instrument_at(instruments, 0), order_at(orders, 0))


class Queue:
    """One order in one queue."""

    def __init__(self, model: int, *, n: float = 3.0, fills: int = codes.STRICT) -> None:
        self.orders, self.params = new_table(ORDER, 1), new_table(PARAMS, 1)
        self.instruments = new_table(INSTRUMENT, 1)
        self.params[0].fills, self.params[0].queue_model = fills, model
        self.params[0].queue_power = n
        self.instruments["lot_mul"] = self.instruments["lot_div"] = 1.0

    @property
    def front(self) -> float:
        return float(self.orders[0].front)

    def join(self, displayed: float) -> Queue:
        _join(self.params.ctypes.data, self.orders.ctypes.data, displayed)
        return self

    def depth(self, prev: float, new: float) -> Queue:
        _depth(self.params.ctypes.data, self.orders.ctypes.data, prev, new)
        return self

    def print(self, flow: float) -> float:
        tables: Any = (self.params, self.instruments, self.orders)
        return float(_print(*(table.ctypes.data for table in tables), flow, flow))


@pytest.mark.parametrize(
    ("model", "share"),
    [
        (codes.POWER1, 6.0**3 / (6.0**3 + 2.0**3)),
        (codes.POWER2, 6.0**3 / 8.0**3),
        (codes.POWER3, 1.0 - (2.0 / 8.0) ** 3),
        (codes.LOG1, math.log(7.0) / (math.log(7.0) + math.log(3.0))),
        (codes.LOG2, math.log(7.0) / math.log(9.0)),
    ],
)
def test_b18_each_shape_gives_its_share_behind_me(model: int, share: float) -> None:
    assert _share(model, 3.0, 2.0, 6.0) == share
    # A decrease of 4 of a level of 8, of which 2 are ahead.
    expected = 2.0 - (1.0 - share) * 4.0 + min(6.0 - share * 4.0, 0.0)
    queue = Queue(model).join(2.0).depth(8.0, 4.0)
    assert queue.front == max(min(expected, 4.0), 0.0)


@pytest.mark.parametrize("model", PROBABILISTIC)
def test_b18_with_nothing_ahead_and_nothing_behind_front_is_the_new_level(model: int) -> None:
    assert Queue(model).join(0.0).depth(0.0, 0.0).front == 0.0
    assert Queue(model).join(0.0).depth(0.0, 5.0).front == 0.0  # an increase is behind me


@pytest.mark.parametrize("model", [*PROBABILISTIC, codes.AGGRESSIVE])
def test_b18_what_was_printed_is_no_cancel(model: int) -> None:
    queue = Queue(model).join(5.0)
    assert queue.print(2.0) == 0.0
    assert queue.front == 3.0
    assert queue.depth(5.0, 3.0).front == 3.0  # the level fell by the print and no more


def test_b18_risk_averse_never_moves_by_cancels_but_is_capped_by_the_level() -> None:
    queue = Queue(codes.RISK_AVERSE).join(5.0)
    assert queue.depth(9.0, 6.0).front == 5.0
    assert queue.depth(6.0, 2.0).front == 2.0


def test_b18_aggressive_takes_every_cancel_from_ahead_of_me() -> None:
    queue = Queue(codes.AGGRESSIVE).join(5.0)
    assert queue.depth(9.0, 6.0).front == 2.0
    assert queue.depth(6.0, 1.0).front == 0.0  # clamped (F3)


def test_b18_none_has_nothing_ahead() -> None:
    queue = Queue(codes.NO_QUEUE).join(50.0)
    assert queue.front == 0.0
    assert queue.print(3.0) == 3.0


def test_f3_front_is_clamped_between_zero_and_the_level_in_strict_mode_only() -> None:
    strict = Queue(codes.POWER1).join(9.0).depth(9.0, 10.0).depth(10.0, 0.0)
    parity = Queue(codes.POWER1, fills=codes.PARITY).join(9.0).depth(9.0, 10.0).depth(10.0, 0.0)
    share = 1.0 / (1.0 + 9.0**3)
    assert strict.front == 0.0
    assert parity.front == 9.0 - (1.0 - share) * 10.0 + min(1.0 - share * 10.0, 0.0)


def test_b18_executable_is_whole_lots_in_strict_and_rounded_in_parity() -> None:
    strict = Queue(codes.RISK_AVERSE).join(1.0)
    parity = Queue(codes.RISK_AVERSE, fills=codes.PARITY).join(1.0)
    assert strict.print(2.6) == 1.0
    assert parity.print(2.6) == 2.0  # as measured on hftbacktest 2.4.4
    assert (strict.front, parity.front) == (0.0, 0.0)


def test_b18_parity_keeps_a_front_of_less_than_half_a_lot_below_zero() -> None:
    parity = Queue(codes.RISK_AVERSE, fills=codes.PARITY).join(1.0)
    assert parity.print(1.4) == 0.0
    assert parity.front == 1.0 - 1.4
    assert parity.print(0.2) == 1.0


@given(
    st.sampled_from(PROBABILISTIC),
    st.floats(0.5, 4.0),
    st.integers(0, 50),
    st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=12),
)
def test_b18_front_stays_within_the_level_and_never_grows(
    model: int, n: float, displayed: int, moves: list[tuple[bool, int]]
) -> None:
    queue, level = Queue(model, n=n).join(displayed), float(displayed)
    for is_print, quantity in moves:
        before = queue.front
        if is_print:
            queue.print(float(quantity))
        else:
            queue.depth(level, float(quantity))
            level = float(quantity)
            assert queue.front <= level
        assert 0.0 <= queue.front <= before
        assert np.isfinite(queue.front)
