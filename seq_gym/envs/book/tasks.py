"""Which task does what: the places where the kernel asks (kernel.py).

| when | what a task may do |
|---|---|
| `open_task` | after its account was opened: put what it starts with in place |
| `act` | at a decision: send, amend and cancel orders by the action |
| `settle` | at the next decision time, before the reward: end the episode, charge what is due |
| `pay` | add its own reward terms |
| `write_task` | write its columns after the own state of all tasks |
| `write_task_finals` | write its columns after the finals of all tasks |
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import inlined
from seq_gym.envs.book.acting import act_trading
from seq_gym.envs.book.executing import (
    act_execution,
    open_execution,
    pay_execution,
    settle_execution,
    write_execution,
    write_execution_finals,
)
from seq_gym.envs.book.layout import EXECUTION, MAKING, TRADING
from seq_gym.envs.book.making import (
    act_making,
    open_making,
    pay_making,
    settle_making,
    write_making,
    write_making_finals,
)

__all__ = ["act", "open_task", "pay", "settle", "write_task", "write_task_finals"]


@inlined
def open_task(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Put in place what the task of env e starts with."""
    if env.task == MAKING:
        open_making(state)
    elif env.task == EXECUTION:
        open_execution(env, c, a, e, state)


@inlined
def act(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Do what env e's action says."""
    if env.task == TRADING:
        act_trading(env, c, a, e, state)
    elif env.task == MAKING:
        act_making(env, c, a, e, state)
    else:
        act_execution(env, c, a, e, state)


@inlined
def settle(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Do what is due once time has passed; the task may end the episode."""
    if env.task == MAKING:
        settle_making(env, c, a, e, state)
    elif env.task == EXECUTION:
        settle_execution(env, c, a, e, state)


@inlined
def pay(env: Any, c: Any, e: int, state: Any) -> float:
    """Return the weighed terms of the task's own."""
    if env.task == MAKING:
        return pay_making(env, c, e, state)
    if env.task == EXECUTION:
        return pay_execution(env, c, e, state)
    return 0.0


@inlined
def write_task(env: Any, c: Any, e: int, state: Any, target: int) -> None:
    """Write the task's columns of an observation to an address."""
    if env.task == MAKING:
        write_making(env, c, e, target)
    elif env.task == EXECUTION:
        write_execution(env, c, e, state, target)


@inlined
def write_task_finals(env: Any, c: Any, a: Any, e: int, state: Any, target: int) -> None:
    """Write the task's columns of the finals to an address."""
    if env.task == MAKING:
        write_making_finals(a, state, target)
    elif env.task == EXECUTION:
        write_execution_finals(env, c, e, state, target)
