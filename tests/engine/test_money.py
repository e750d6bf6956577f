"""M4 after every event: nothing is created, nothing is lost, nothing goes below zero."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from seq_gym.engine import codes
from seq_gym.engine.batch import Batch
from seq_gym.engine.layout import Table
from tests.engine.arena import BALANCE, Scene, Twins, close_enough, random_verb


class Ledger:
    """Money rebuilt from the events alone: proceeds, costs and average cost, nothing else."""

    def __init__(self, lots: list[float]) -> None:
        self.lots = lots
        self.cash = BALANCE
        self.qty = [0.0] * len(lots)
        self.basis = [0.0] * len(lots)
        self.realized = 0.0
        self.turnover = 0.0

    def fill(self, event: Any) -> None:
        """Book one FILL and check what it says of itself."""
        s, side, qty, price = int(event.symbol), int(event.side), event.qty, event.price
        scale = 1e-9 * max(BALANCE, self.turnover, qty * event.base_price)
        worth = self.cash + self.qty[s] * event.base_price
        self.cash -= side * qty * price + event.fee
        held, basis = self.qty[s], self.basis[s]
        closing = min(qty, abs(held)) if held * side < 0 else 0.0
        if abs(closing - qty) <= 1e-12 * qty:
            closing = qty
        if closing:
            part = min(closing / abs(held), 1.0)
            profit = -side * closing * price - event.fee * closing / qty - basis * part
            assert abs(profit - event.realized) <= scale
            self.realized += profit
            basis -= basis * part
        else:
            assert math.isnan(event.realized), "a fill that only opens realises nothing"
        self.qty[s] += side * qty
        if self.lots[s] > 0.0:  # whole lots, without the dust of float sums
            self.qty[s] = round(self.qty[s] / self.lots[s]) * self.lots[s]
        if abs(self.qty[s]) <= 1e-12 * qty:
            self.qty[s] = 0.0
        opening = qty - closing
        self.basis[s] = basis + side * opening * price + event.fee * opening / qty
        self.turnover += qty * price
        change = self.cash + self.qty[s] * event.base_price - worth
        assert abs(change + event.fee + event.slippage) <= scale, "M4: a fill costs fee + slippage"
        books = BALANCE + self.realized - sum(self.basis)
        assert abs(self.cash - books) <= scale, "M4: equity = start + realized + unrealized"
        assert event.slippage >= 0.0
        assert side * (price - event.base_price) >= -1e-12 * price, "O3: slippage is never a gift"

    def equity(self, marks: list[float]) -> float:
        return self.cash + sum(q * m for q, m in zip(self.qty, marks, strict=True))


def check_identities(batch: Batch, ledger: Ledger, drained: Table) -> None:
    """Check M3 and M4 on an account, given the events since the last look."""
    a: Any = batch.accounts[0]
    spot = not batch.params[0].margin
    for event in drained:
        if event.kind == codes.FILL:
            ledger.fill(event)
            if spot:
                assert ledger.cash >= -1e-9 * BALANCE, "M3: cash never below zero"
                assert ledger.qty[int(event.symbol)] >= 0.0, "M3: base never below zero"
    positions = batch.positions[0]
    marks = [float(m) for m in batch.candles[int(a.cursor)]["mark"]]
    scale = 1e-9 * max(BALANCE, ledger.turnover)
    held = [float(q) for q in positions["qty"]]
    equity = a.cash + sum(q * m for q, m in zip(held, marks, strict=True))
    unrealized = equity - a.cash - float(positions["basis"].sum())
    assert abs(a.starting_balance + a.realized + unrealized - equity) <= scale, "M4"
    paid = a.borrow + a.funding
    assert abs(ledger.cash - paid - a.cash) <= scale
    assert abs(ledger.realized - paid - a.realized) <= scale
    assert np.allclose(ledger.qty, held, rtol=1e-9, atol=1e-12)
    assert np.allclose(ledger.basis, positions["basis"], rtol=1e-9, atol=scale)
    if spot:
        assert a.cash >= 0.0
        assert min(held) >= 0.0
        assert a.reserved <= a.cash + 1e-12 * BALANCE


class Solo(Twins):
    """The kernels alone, driven by the same random verbs, with the ledger beside them."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.candles, scene.params, scene.instruments, scene.funding)
        self.ledger = Ledger(scene.instruments["lot"].tolist())

    def _same(self, verb: str, ours: int, theirs: int, what: Any) -> int:
        drained = self.batch.drain()
        self.num_events += len(drained)
        check_identities(self.batch, self.ledger, drained)
        return ours


def play_money(seed: int, rows: int) -> int:
    """Play one random episode, the identities checked after every verb."""
    scene = Scene(seed, rows)
    solo = Solo(scene)
    while solo.running:
        for _ in range(int(scene.rng.choice([1, 2, 4]))):
            random_verb(scene, solo)
        solo.advance(1)
    a: Any = solo.batch.accounts[0]
    marks = [float(m) for m in solo.batch.candles[int(a.cursor)]["mark"]]
    final = solo.ledger.equity(marks) - a.borrow - a.funding
    assert close_enough(a.equity, final, max(BALANCE, solo.ledger.turnover))
    return solo.num_events


def test_identities_hold_after_every_verb_of_random_episodes() -> None:
    """M3, M4: tens of thousands of events."""
    assert sum(play_money(1_000_000 + seed, rows=60) for seed in range(200)) > 20_000


@pytest.mark.slow
def test_identities_hold_over_hundreds_of_thousands_of_events() -> None:
    assert sum(play_money(2_000_000 + seed, rows=200) for seed in range(700)) > 300_000
