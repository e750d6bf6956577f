import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.book.orders import OrderFlow, OrderKind, book_of
from seq_gym.market.book.phantoms import follow_touch, touch_ticks
from seq_gym.market.book.synthetic import (
    SyntheticMarket,
    synthetic_book,
    synthetic_books,
    synthetic_l3,
    synthetic_orders,
)
from tests.market.book.slow_orders import SlowBook

COLUMNS = ("exch_ts", "local_ts", "seq", "kind", "side", "tick", "lots")
NS = 1_000_000_000
GOLDEN = "e76f1ec5aee14b016b49ca550af25a285b7fa61dd386b1c81b03db80c48936ed"


@pytest.fixture(scope="module")
def orders() -> OrderFlow:
    return synthetic_orders(seconds=600, seed=7)


@pytest.fixture(scope="module")
def book(orders: OrderFlow) -> BookEvents:
    return book_of(orders)


def digest(events: BookEvents) -> str:
    parts = [getattr(events, name).tobytes() for name in COLUMNS]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def held(flow: OrderFlow) -> tuple[np.ndarray, np.ndarray]:
    """Touch after each message, and the seconds that it stood."""
    last = np.flatnonzero(np.diff(flow.message, append=-1) != 0)
    touch, ts = touch_ticks(flow)[last], flow.exch_ts[last]
    return touch[:-1], np.diff(ts) / NS


def mid_at(flow: OrderFlow, times: np.ndarray) -> np.ndarray:
    touch = touch_ticks(flow)
    return touch[np.searchsorted(flow.exch_ts, times, "right") - 1].mean(axis=1)


def test_the_same_seed_gives_the_same_bytes_on_every_machine() -> None:
    events = synthetic_book(seconds=3, seed=11)
    assert digest(events) == GOLDEN
    assert digest(synthetic_book(seconds=3, seed=12)) != digest(events)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**63 - 1), short=st.floats(0.01, 5.0))
def test_a_longer_recording_begins_with_the_shorter_one(seed: int, short: float) -> None:
    few = synthetic_book(seconds=short, seed=seed)
    many = synthetic_book(seconds=8.0, seed=seed)
    assert few.num_events <= many.num_events
    for name in COLUMNS:
        assert np.array_equal(getattr(few, name), getattr(many, name)[: few.num_events])


def test_b6_adding_a_symbol_or_a_venue_changes_no_other_book() -> None:
    one = synthetic_books(seconds=5, seed=3)
    more = synthetic_books(("ETHUSDT", "BTCUSDT"), ("kraken", "synthetic"), seconds=5, seed=3)
    assert [(each.symbol, each.venue) for each in more.books] == [
        ("ETHUSDT", "kraken"),
        ("ETHUSDT", "synthetic"),
        ("BTCUSDT", "kraken"),
        ("BTCUSDT", "synthetic"),
    ]
    assert more.books[3].fingerprint == one.books[0].fingerprint
    assert len({digest(each) for each in more.books}) == 4


def test_venues_share_a_fair_price_and_the_lagging_one_follows() -> None:
    lead = synthetic_orders(venue="a", lag_seconds=0.0, seconds=300)
    follow = synthetic_orders(venue="b", lag_seconds=0.4, seconds=300)
    times = lead.exch_ts[0] + np.arange(2, 298, 0.1) * NS
    first, second = np.diff(mid_at(lead, times)), np.diff(mid_at(follow, times))
    after = [np.corrcoef(first[: -k or None], second[k:])[0, 1] for k in (0, 4)]
    assert after[1] > 0.5
    assert after[1] > after[0] + 0.2
    assert abs(mid_at(lead, times) - mid_at(follow, times)).mean() < 10


def test_symbols_are_correlated_as_asked() -> None:
    def returns(symbol: str, correlation: float) -> np.ndarray:
        flow = synthetic_orders(symbol=symbol, seconds=900, correlation=correlation, seed=5)
        return np.diff(np.log(mid_at(flow, flow.exch_ts[0] + np.arange(1, 899) * NS)))

    apart = np.corrcoef(returns("BTCUSDT", 0.0), returns("ETHUSDT", 0.0))[0, 1]
    together = np.corrcoef(returns("BTCUSDT", 0.8), returns("ETHUSDT", 0.8))[0, 1]
    assert abs(apart) < 0.15
    assert 0.5 < together < 0.95


def test_it_begins_with_a_snapshot_and_both_clocks_go_forward(book: BookEvents) -> None:
    kinds = book.kind
    first = int(np.argmax(kinds[1:] != BookKind.SNAPSHOT)) + 1
    assert kinds[0] == BookKind.CLEAR
    assert first > 20
    assert (kinds[first:] != BookKind.SNAPSHOT).all()
    assert (book.exch_ts[:first] == book.exch_ts[0]).all()
    assert (np.diff(book.exch_ts) >= 0).all()
    assert (book.local_ts > book.exch_ts).all()
    assert 0.5e6 < np.median(book.local_ts - book.exch_ts) < 2e6


def test_b11_a_message_prints_before_it_changes_levels(book: BookEvents) -> None:
    same = book.exch_ts[1:] == book.exch_ts[:-1]
    assert np.array_equal(same, book.seq[1:] == book.seq[:-1])
    late = same & (book.kind[1:] == BookKind.TRADE) & (book.kind[:-1] == BookKind.DEPTH)
    assert not late.any()
    assert (book.kind == BookKind.TRADE).sum() > 1000


@pytest.mark.parametrize("symbol", ["BTCUSDT", "XRPUSDT"])
def test_what_is_published_is_what_a_slow_book_of_orders_shows(symbol: str) -> None:
    flow = synthetic_orders(seconds=8, seed=2, symbol=symbol)
    events = book_of(flow)
    slow = SlowBook()
    rows = np.flatnonzero(events.kind != BookKind.CLEAR)
    at = 0
    for message in np.unique(flow.message):
        prints: dict[tuple[int, int], int] = {}
        for row in np.flatnonzero(flow.message == message):
            slow.apply(flow, row)
            if flow.kind[row] == OrderKind.FILL:
                key = (-int(flow.side[row]), int(flow.tick[row]))
                prints[key] = prints.get(key, 0) + int(flow.lots[row])
        assert slow.best(1) < slow.best(-1)
        while at < len(rows) and events.seq[rows[at]] == message:
            side, tick = int(events.side[rows[at]]), int(events.tick[rows[at]])
            if events.kind[rows[at]] == BookKind.TRADE:
                assert events.lots[rows[at]] == prints.pop((side, tick))
            else:
                assert events.lots[rows[at]] == slow.shown(side, tick)
            at += 1
        assert not prints
    assert at == len(rows)


def test_the_spread_is_mostly_a_tick_and_the_book_is_never_crossed(orders: OrderFlow) -> None:
    touch, seconds = held(orders)
    spread = touch[:, 1] - touch[:, 0]
    assert spread.min() >= 1
    assert (seconds * (spread == 1)).sum() / seconds.sum() > 0.65
    assert (seconds * spread).sum() / seconds.sum() < 2.0


def test_rates_and_depth_are_the_same_early_and_late() -> None:
    early, late = [], []
    for seed in range(6):
        flow = synthetic_orders(seconds=300, seed=seed)
        half = flow.exch_ts[0] + 150 * NS
        live = np.cumsum(np.where(flow.kind <= OrderKind.ADD, flow.lots, -flow.lots))
        for part, into in ((flow.exch_ts < half, early), (flow.exch_ts >= half, late)):
            messages = len(np.unique(flow.message[part])) / 150
            into.append((messages, live[part & (flow.kind > OrderKind.REST)].mean()))
    for before, after in zip(np.mean(early, axis=0), np.mean(late, axis=0), strict=True):
        assert after == pytest.approx(before, rel=0.2)
    assert 100 < np.mean(early, axis=0)[0] < 400


def test_volatility_is_that_of_the_market_asked_for() -> None:
    market = SyntheticMarket(annual_volatility=0.4)
    steps = []
    for seed in range(8):
        flow = synthetic_orders(seconds=300, seed=seed, market=market)
        mids = mid_at(flow, flow.exch_ts[0] + np.arange(0, 300, 5) * NS)
        steps.append(np.diff(np.log(mids)))
    yearly = np.concatenate(steps).std() * np.sqrt(365 * 86_400 / 5)
    assert yearly == pytest.approx(0.4, rel=0.3)
    assert abs(np.concatenate(steps).mean()) < 4 * np.concatenate(steps).std() / np.sqrt(480)


def test_takers_come_in_bursts_unless_the_market_is_poisson() -> None:
    calm = SyntheticMarket(excitation=0.0, informed_per_second=0.0, annual_volatility=1e-4)
    bursts = replace(calm, excitation=0.7)

    def clustering(market: SyntheticMarket) -> float:
        flow = synthetic_orders(seconds=900, seed=1, market=market)
        hits = np.unique(flow.message[flow.kind == OrderKind.FILL], return_index=True)[1]
        ts = flow.exch_ts[flow.kind == OrderKind.FILL][hits]
        counts = np.bincount(((ts - flow.exch_ts[0]) // NS).astype(int), minlength=900)
        assert counts.mean() == pytest.approx(market.market_orders_per_second, rel=0.2)
        return float(counts.var() / counts.mean())

    assert clustering(calm) == pytest.approx(1.0, abs=0.2)
    assert clustering(bursts) > 2.0


def test_sizes_have_a_heavy_tail_of_whole_lots(orders: OrderFlow) -> None:
    lots = orders.lots[orders.kind == OrderKind.ADD]
    assert lots.min() >= 1
    assert lots.mean() == pytest.approx(38, rel=0.15)
    assert np.quantile(lots, 0.999) > 15 * np.median(lots)


def test_imbalance_foretells_less_than_a_taker_pays(orders: OrderFlow, book: BookEvents) -> None:
    """Flow that senses the fair price leaves a trace, as in life; the half spread is above it."""
    times = orders.exch_ts[0] + np.arange(1, 598, 0.1) * NS
    row = np.searchsorted(orders.exch_ts, times, "right") - 1
    touch = touch_ticks(orders)[row]
    slow = [_shown(book, times, side, touch[:, int(side < 0)]) for side in (1, -1)]
    imbalance = (slow[0] - slow[1]) / (slow[0] + slow[1])
    half = (touch[:, 1] - touch[:, 0]) / 2
    mid = touch.mean(axis=1)
    for horizon in (1, 10, 50):
        move = mid_at(orders, times + horizon * NS // 10) - mid
        assert -0.05 < np.corrcoef(imbalance, move)[0, 1] < 0.3
        strong = np.abs(imbalance) > 0.6
        gain = np.sign(imbalance[strong]) * move[strong] - half[strong]
        fee = 0.0004 * mid.mean()
        assert gain.mean() - fee < -0.5 * fee
    assert np.corrcoef(imbalance, mid_at(orders, times + NS // 10) - mid)[0, 1] > 0.02


def _shown(book: BookEvents, times: np.ndarray, side: int, ticks: np.ndarray) -> np.ndarray:
    level: dict[int, int] = {}
    out, row = [], 0
    for ts, tick in zip(times, ticks, strict=True):
        while row < book.num_events and book.exch_ts[row] <= ts:
            if book.kind[row] <= BookKind.SNAPSHOT and book.side[row] == side:
                level[int(book.tick[row])] = int(book.lots[row])
            row += 1
        out.append(level[int(tick)])
    return np.array(out, float)


def test_a_naive_maker_at_the_touch_earns_less_than_its_fee() -> None:
    """Per fill at the touch, marked a second later: real books leave nothing to the slow."""
    earned = []
    for seed in range(4):
        flow = synthetic_orders(seconds=300, seed=seed)
        truth = follow_touch(flow, every_seconds=0.5, seconds=20)
        filled = (truth.first_fill_ts > 0) & (truth.first_fill_ts < flow.exch_ts[-1] - 2 * NS)
        mid = mid_at(flow, truth.first_fill_ts[filled] + NS)
        gain = truth.side[filled] * (mid - truth.tick[filled]) / truth.tick[filled]
        earned.append(1e4 * gain.mean())
    assert np.mean(earned) < 0.2  # basis points, before a fee of 1 to 2
    assert np.mean(earned) > -1.0


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="seconds must be above 0"):
        synthetic_book(seconds=0)
    with pytest.raises(ConfigError, match="seed must be from 0"):
        synthetic_book(seed=-1)
    with pytest.raises(ConfigError, match="correlation must be from 0 to 1"):
        synthetic_book(correlation=1.5)
    with pytest.raises(ConfigError, match="lag_seconds must be from 0 to 60"):
        synthetic_book(lag_seconds=-1)
    with pytest.raises(ConfigError, match="start_price must be finite"):
        synthetic_book(start_price=float("nan"))
    with pytest.raises(ConfigError, match="excitation must be below 1"):
        SyntheticMarket(excitation=1.0)
    with pytest.raises(ConfigError, match="more orders than there is room for"):
        SyntheticMarket(limit_orders_per_second=5000.0)
    with pytest.raises(UnknownName, match="kraken"):
        synthetic_books(venues=("krakenn",), lag_seconds={"kraken": 0.1}, seconds=1)


def test_a_busy_market_does_not_run_out_of_rows() -> None:
    busy = SyntheticMarket(market_orders_per_second=400.0, excitation=0.0)
    flow = synthetic_orders(seconds=60, market=busy)
    assert flow.exch_ts[-1] - flow.exch_ts[0] > 59 * NS
    assert len(flow.order) > 34_400  # more than the first guess had room for


def test_l3_comes_with_its_book_and_its_truth() -> None:
    made = synthetic_l3(seconds=30, seed=4, num_tracked=50)
    assert made.events.fingerprint == synthetic_book(seconds=30, seed=4).fingerprint
    assert made.orders.num_orders > 1000
    assert 0 < made.truth.num_orders <= 50
    assert (made.truth.ahead_lots > 0).all()
