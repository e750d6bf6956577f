import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.orders import OrderFlow, OrderKind, book_of, lots_displayed
from seq_gym.market.book.phantoms import follow_arrivals, follow_touch, touch_ticks
from seq_gym.market.book.queue_truth import NEVER, QueueTruth, follow_orders, follow_phantoms
from seq_gym.market.book.synthetic import synthetic_orders
from seq_gym.market.instruments import Instrument
from tests.market.book.slow_orders import Phantom, SlowBook

REST, ADD, CANCEL, FILL = OrderKind
INSTRUMENT = Instrument(symbol="X", base="X", quote="Y", tick=1.0, lot=1.0)


def flow_of(*rows: tuple[int, int, int, int, int]) -> OrderFlow:
    """Rows of (kind, side, tick, lots, order), each a message of its own, at 1, 2, 3... seconds."""
    kind, side, tick, lots, order = np.array(rows).T
    message = np.where(kind == REST, 0, np.arange(len(rows)))
    return OrderFlow(
        instrument=INSTRUMENT,
        exch_ts=(message + 1) * 10**9,
        local_ts=(message + 1) * 10**9,
        message=message,
        kind=kind.astype(np.int8),
        side=side.astype(np.int8),
        tick=tick.astype(np.int32),
        lots=lots,
        order=order,
    )


def follow_one(flow: OrderFlow, row: int, side: int, tick: int, lots: int = 1) -> QueueTruth:
    as_array = [np.array([value]) for value in (row, side, tick)]
    return follow_phantoms(
        flow, row=as_array[0], side=as_array[1], tick=as_array[2], lots=lots, seconds=100
    )


BOOK = ((REST, 1, 100, 5, 0), (REST, 1, 100, 7, 1), (REST, 1, 99, 4, 2), (REST, -1, 101, 9, 3))


def test_a_phantom_is_filled_by_what_those_behind_it_were_filled_with() -> None:
    flow = flow_of(
        *BOOK,
        (ADD, 1, 100, 3, 4),
        (FILL, 1, 100, 5, 0),
        (FILL, 1, 100, 7, 1),
        (FILL, 1, 100, 2, 4),
        (FILL, 1, 100, 1, 4),
    )
    truth = follow_one(flow, 4, 1, 100, lots=3)
    assert truth.ahead_lots[0] == 12
    assert truth.path_row.tolist() == [5, 6]
    assert truth.path_ahead.tolist() == [7, 0]
    assert truth.first_fill_ts[0] == flow.exch_ts[7]
    assert truth.done_ts[0] == flow.exch_ts[8]
    assert truth.executed_ahead_lots[0] == 12
    assert truth.passed_ts[0] == NEVER


def test_cancels_ahead_and_behind_are_told_apart_by_name() -> None:
    flow = flow_of(*BOOK, (ADD, 1, 100, 3, 4), (CANCEL, 1, 100, 2, 4), (CANCEL, 1, 100, 6, 1))
    truth = follow_one(flow, 4, 1, 100)
    assert truth.cancelled_behind_lots[0] == 2
    assert truth.cancelled_ahead_lots[0] == 6
    assert truth.path_ahead.tolist() == [6]
    assert truth.first_fill_ts[0] == NEVER


@pytest.mark.parametrize(
    ("row", "filled"),
    [((FILL, 1, 99, 1, 2), 9), ((ADD, -1, 100, 4, 4), 4), ((ADD, -1, 99, 20, 4), 9)],
    ids=["a print beyond my tick fills all", "an ask at my tick its size", "one through it"],
)
def test_b17_the_market_passing_its_tick_fills_a_phantom(
    row: tuple[int, int, int, int, int], filled: int
) -> None:
    truth = follow_one(flow_of(*BOOK, row), 4, 1, 100, lots=9)
    assert truth.filled_lots[0] == filled
    assert truth.passed_ts[0] == truth.first_fill_ts[0] == 5 * 10**9
    assert (truth.done_ts[0] == NEVER) == (filled < 9)


def test_a_print_at_a_better_tick_and_an_order_of_its_own_side_do_nothing() -> None:
    flow = flow_of(*BOOK, (FILL, 1, 100, 5, 0), (ADD, 1, 99, 5, 4), (ADD, -1, 101, 5, 5))
    truth = follow_one(flow, 4, 1, 99)
    assert truth.ahead_lots[0] == 4
    assert truth.filled_lots[0] == 0
    assert truth.passed_ts[0] == NEVER


def test_real_orders_are_followed_to_their_own_end() -> None:
    flow = flow_of(
        *BOOK,
        (ADD, 1, 100, 3, 4),
        (ADD, 1, 100, 8, 5),
        (CANCEL, 1, 100, 5, 0),
        (FILL, 1, 100, 7, 1),
        (FILL, 1, 100, 1, 4),
        (CANCEL, 1, 100, 2, 4),
        (FILL, 1, 100, 8, 5),
    )
    truth = follow_orders(flow)
    assert truth.row.tolist() == [4, 5]
    assert truth.ahead_lots.tolist() == [12, 15]
    assert truth.filled_lots.tolist() == [1, 8]
    assert truth.done_ts.tolist() == [NEVER, flow.exch_ts[10]]
    assert truth.cancelled_ahead_lots.tolist() == [5, 7]
    assert truth.executed_ahead_lots.tolist() == [7, 8]
    assert truth.path_ahead[truth.path_first[1] :].tolist() == [10, 3, 2, 0]


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32), symbol=st.sampled_from(["BTCUSDT", "XRPUSDT", "DOGEUSDT"]))
def test_truth_equals_phantoms_inside_the_queues_of_a_slow_book(seed: int, symbol: str) -> None:
    flow = synthetic_orders(seconds=6, seed=seed, symbol=symbol)
    draw = np.random.default_rng(seed)
    touch = touch_ticks(flow)
    starts = np.flatnonzero(np.diff(flow.message, prepend=-1) > 0)[1:]
    rows = np.sort(draw.choice(starts, 60))
    side = draw.choice([1, -1], 60)
    tick = np.where(side > 0, touch[rows - 1, 0], touch[rows - 1, 1])
    tick = tick - side * draw.integers(0, 3, 60)
    lots = draw.integers(1, 80, 60)
    truth = follow_phantoms(flow, row=rows, side=side, tick=tick, lots=lots, seconds=3)
    slow, joined = SlowBook(), []
    for row in range(len(flow.order)):
        for k in np.flatnonzero(rows == row):
            until = int(flow.exch_ts[row]) + 3 * 10**9
            joined.append(Phantom(int(side[k]), int(tick[k]), int(lots[k]), until))
            assert slow.shown(int(side[k]), int(tick[k])) == truth.ahead_lots[k]
            slow.join(joined[-1], int(side[k]), int(tick[k]), 0)
        slow.apply(flow, row)
        assert (slow.best(1) or -1) == touch[row, 0]
        assert (slow.best(-1) or -1) == touch[row, 1]
    for k, phantom in enumerate(joined):
        mine = slice(truth.path_first[k], truth.path_first[k + 1])
        assert truth.first_fill_ts[k] == phantom.first_fill
        assert truth.done_ts[k] == phantom.done
        assert truth.passed_ts[k] == phantom.passed
        assert truth.filled_lots[k] == lots[k] - phantom.leaves
        ahead = [(row, each) for row, each in phantom.path if flow.exch_ts[row] <= phantom.until]
        steps = _changes(int(truth.ahead_lots[k]), ahead)
        assert list(zip(truth.path_row[mine], truth.path_ahead[mine], strict=True)) == steps


def _changes(start: int, path: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out, now = [], start
    for row, ahead in path:
        if ahead != now:
            out.append((row, ahead))
            now = ahead
    return out


def test_phantoms_at_the_touch_join_what_is_displayed_there() -> None:
    flow = synthetic_orders(seconds=30, seed=9)
    truth = follow_touch(flow, every_seconds=1.0)
    touch = touch_ticks(flow)[truth.row - 1]
    assert truth.num_orders == 58
    assert np.array_equal(truth.tick, np.where(truth.side > 0, touch[:, 0], touch[:, 1]))
    assert (truth.ahead_lots > 0).all()


def test_lots_displayed_are_those_of_a_slow_book_at_any_row() -> None:
    flow = synthetic_orders(seconds=4, seed=1)
    slow, rows = SlowBook(), np.arange(len(flow.order))
    tick = int(np.median(flow.tick))
    shown = [
        lots_displayed(flow, rows, np.full(len(rows), side), np.full(len(rows), tick))
        for side in (1, -1)
    ]
    for row in rows:
        assert slow.shown(1, tick) == shown[0][row]
        assert slow.shown(-1, tick) == shown[1][row]
        slow.apply(flow, row)


def test_broken_recordings_and_wrong_phantoms_are_refused() -> None:
    with pytest.raises(MarketDataError, match="must have the lots that are taken"):
        flow_of(*BOOK, (CANCEL, 1, 100, 6, 0))
    with pytest.raises(MarketDataError, match="added exactly once"):
        flow_of(*BOOK, (ADD, 1, 100, 6, 0))
    with pytest.raises(MarketDataError, match="lots must be > 0"):
        flow_of(*BOOK, (CANCEL, 1, 100, 0, 0))
    flow = flow_of(*BOOK, (ADD, 1, 98, 1, 4))
    with pytest.raises(ConfigError, match="row must be from 0 to 4"):
        follow_one(flow, 5, 1, 100)
    with pytest.raises(ConfigError, match="lots must be > 0"):
        follow_one(flow, 4, 1, 100, lots=0)
    with pytest.raises(MarketDataError, match="behind another"):
        follow_arrivals(flow)
    with pytest.raises(ConfigError, match="every_seconds must be > 0"):
        follow_touch(flow, every_seconds=0)


def test_one_message_of_several_rows_is_one_print_and_one_row_per_level() -> None:
    flow = flow_of(*BOOK, (FILL, 1, 100, 5, 0), (FILL, 1, 100, 7, 1), (FILL, 1, 99, 1, 2))
    message = np.array([0, 0, 0, 0, 1, 1, 1])
    together = OrderFlow(
        **{name: getattr(flow, name) for name in ("instrument", "kind", "side", "tick", "lots")},
        order=flow.order,
        message=message,
        exch_ts=message + 10,
        local_ts=message + 11,
    )
    book = book_of(together)
    rows = [
        tuple(int(getattr(book, name)[i]) for name in ("kind", "side", "tick", "lots"))
        for i in range(book.num_events)
    ]
    assert rows == [
        (BookKind.CLEAR, 0, 0, 0),
        (BookKind.SNAPSHOT, 1, 100, 12),
        (BookKind.SNAPSHOT, 1, 99, 4),
        (BookKind.SNAPSHOT, -1, 101, 9),
        (BookKind.TRADE, -1, 100, 12),
        (BookKind.TRADE, -1, 99, 1),
        (BookKind.DEPTH, 1, 100, 0),
        (BookKind.DEPTH, 1, 99, 3),
    ]
