"""Queue models run by themselves over the rows of one level: for measuring them against the truth.

The arithmetic is the venue's own (queue.py); only the market around it is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seq_gym._jit import kernel
from seq_gym.engine.book.layout import INSTRUMENT, ORDER, PARAMS
from seq_gym.engine.book.queue import join_queue, move_by_depth, move_by_print, take_executable
from seq_gym.engine.book.tables import instrument_at, order_at, params_at
from seq_gym.engine.layout import new_table

__all__ = ["walk_queues"]


@kernel
def _walk(
    params: int,
    instruments: int,
    orders: int,
    displayed: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    is_print: npt.NDArray[np.bool_],
    prev: npt.NDArray[np.float64],
    units: npt.NDArray[np.float64],
    ahead: npt.NDArray[np.float64],
    filled_at: npt.NDArray[np.int64],
) -> None:
    p, ins, o = params_at(params, 0), instrument_at(instruments, 0), order_at(orders, 0)
    for k in range(len(displayed)):
        join_queue(p, o, displayed[k])
        filled_at[k] = -1
        for row in range(first[k], first[k + 1]):
            if is_print[row]:
                move_by_print(p, o, units[row], units[row])
                if take_executable(p, ins, o) > 0.0 and filled_at[k] < 0:
                    filled_at[k] = row
            else:
                move_by_depth(p, o, prev[row], units[row])
            ahead[row] = o.front


def walk_queues(
    model: int,
    power: float,
    *,
    displayed: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    is_print: npt.NDArray[np.bool_],
    prev: npt.NDArray[np.float64],
    lots: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Predict the queue of K orders by one model, under strict rules.

    Args:
        model: A queue model of codes.py.
        power: Exponent of the power shapes.
        displayed: float64 [K]: lots at the order's tick when it joined.
        first: int64 [K + 1]: where the rows of each order begin.
        is_print: bool [R]: the row is a print at the order's tick, else a depth row of its level.
        prev: float64 [R]: a depth row's lots before it.
        lots: float64 [R]: a print's lots, a depth row's lots after it.

    Returns:
        The lots ahead after each row, float64 [R], and the row of the first execution of each
        order, int64 [K], -1 where there is none.

    Source: B18.
    """
    params: Any = new_table(PARAMS, 1)
    params["queue_model"], params["queue_power"] = model, power
    instruments, orders = new_table(INSTRUMENT, 1), new_table(ORDER, 1)
    ahead = np.zeros(len(lots))
    filled_at = np.zeros(len(displayed), np.int64)
    _walk(
        params.ctypes.data,
        instruments.ctypes.data,
        orders.ctypes.data,
        displayed,
        first,
        is_print,
        prev,
        lots,
        ahead,
        filled_at,
    )
    return ahead, filled_at
