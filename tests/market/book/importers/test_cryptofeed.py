"""Recordings of cryptofeed: Kraken, Coinbase, Bybit and OKX, checksums and sequences checked."""

from __future__ import annotations

import copy
from zlib import crc32

import numpy as np
import pyarrow as pa
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers import read_recording
from tests.market.book.importers.handmade import cryptofeed, replayed, write

PAIRS = {"error": [], "result": {"X": {"wsname": "ADA/EUR", "pair_decimals": 3, "lot_decimals": 2}}}


def read(path, **options):
    return read_recording(path, **options)


def only(tmp_path, lines, **options):
    [recording] = read_recording(write(tmp_path / "rec.jsonl", lines), **options)
    return recording


def kraken_crc(asks, bids):
    """As the venue's manual says it: ten asks, then ten bids, no points, no leading zeros."""
    text = ""
    for price, size in [*sorted(asks.items())[:10], *sorted(bids.items(), reverse=True)[:10]]:
        text += f"{price:.3f}".replace(".", "").lstrip("0")
        text += f"{size:.2f}".replace(".", "").lstrip("0")
    return crc32(text.encode())


def kraken_messages():
    bids, asks = {1.0: 5.0, 0.99: 4.0}, {1.01: 3.0, 1.02: 2.0}

    def told(levels, time):
        return [[f"{p:.3f}", f"{q:.2f}", time] for p, q in levels.items()]

    snapshot = {"as": told(asks, "1618678132.900000"), "bs": told(bids, "1618678132.100000")}
    messages = [(0.1, [1, snapshot, "book-1000", "ADA/EUR"])]
    asks |= {1.01: 2.5}
    update = {"a": told({1.01: 2.5}, "1618678133.150000"), "c": str(kraken_crc(asks, bids))}
    messages.append((0.2, [1, update, "book-1000", "ADA/EUR"]))
    trade = ["1.010", "0.50", "1618678133.140000", "b", "m", ""]
    messages.append((0.25, [2, [trade], "trade", "ADA/EUR"]))
    del bids[1.0]
    asks |= {1.0: 1.0}
    both = [
        {"a": told({1.0: 1.0}, "1618678133.250000")},
        {"b": told({1.0: 0.0}, "1618678133.260000"), "c": str(kraken_crc(asks, bids))},
    ]
    messages.append((0.3, [1, *both, "book-1000", "ADA/EUR"]))
    messages.append((0.4, {"event": "heartbeat"}))
    return messages


def test_kraken_is_read_to_the_row_and_each_checksum_verified(tmp_path):
    events, report = only(tmp_path, cryptofeed("KRAKEN", kraken_messages(), answers=[PAIRS]))
    kinds = [BookKind(kind).name for kind in events.kind]
    assert kinds == ["CLEAR", *["SNAPSHOT"] * 4, "DEPTH", "TRADE", "DEPTH", "DEPTH"]
    assert events.side.tolist() == [0, 1, 1, -1, -1, -1, 1, 1, -1]
    assert events.tick.tolist() == [0, 1000, 990, 1010, 1020, 1010, 1010, 1000, 1000]
    assert events.exch_ts[-1] == 1618678133_260_000_000
    assert (report.checksums_verified, report.checksums_failed, report.gaps) == (2, 0, 0)
    assert (report.tick, report.tick_from) == ("0.001", "told by the recording")


def test_a_broken_checksum_is_a_gap_from_there_to_the_next_snapshot_b10(tmp_path):
    messages = kraken_messages()
    messages[1][1][1]["a"][0][1] = "2.40"
    events, report = only(tmp_path, cryptofeed("KRAKEN", messages))
    assert (report.checksums_verified, report.checksums_failed, report.gaps) == (0, 1, 1)
    assert "rec.jsonl line 4: the book's checksum must be" in report.gap_lines[0]
    assert events.kind.tolist()[5:7] == [BookKind.GAP, BookKind.DEPTH]
    again = copy.deepcopy(messages[0])
    events, report = only(tmp_path, cryptofeed("KRAKEN", [*messages, (0.5, again[1])]))
    assert not replayed(events, np.arange(events.num_events)).is_stale


def test_levels_deeper_than_kraken_tells_are_taken_out(tmp_path):
    snapshot = {"as": [["2.0", "1.0", "1618678133.0"]]}
    snapshot["bs"] = [["1.1", "1.0", "1618678133.0"], ["1.0", "1.0", "1618678133.0"]]
    update = {"b": [["1.2", "3.0", "1618678133.1"]]}
    messages = [(0.2, [1, snapshot, "book-2", "A/EUR"]), (0.3, [1, update, "book-2", "A/EUR"])]
    events, _ = only(tmp_path, cryptofeed("KRAKEN", messages))
    assert replayed(events, np.arange(events.num_events)).sides[1] == {12: 3, 11: 1}


def test_the_real_kraken_recording_verifies_every_checksum(shared_data):
    recordings = read(shared_data / "book" / "cryptofeed" / "KRAKEN.jsonl.zst")
    assert len(recordings) == 10
    assert sum(report.checksums_verified for _, report in recordings) == 2221 + 2047 + 1
    assert not any(report.checksums_failed or report.gaps for _, report in recordings)
    assert sum(report.trades for _, report in recordings) == 10
    ada = next(report for _, report in recordings if report.symbol == "ADA/XBT")
    assert (ada.tick, ada.lot) == ("0.00000001", "0.00000001")


def coinbase_messages():
    def update(side, price, size, time="2021-04-17T16:48:53.05Z"):
        return {"side": side, "event_time": time, "price_level": price, "new_quantity": size}

    def message(number, channel, *events):
        stamp = "2021-04-17T16:48:53.06Z"
        return {"channel": channel, "timestamp": stamp, "sequence_num": number, "events": events}

    def trade(number, side, price):
        base = {"product_id": "BTC-USD", "trade_id": str(number), "price": price, "size": "0.5"}
        return base | {"time": "2021-04-17T16:48:53.055Z", "side": side}

    levels = [update("bid", "100.0", "1"), update("offer", "101.0", "2")]
    book = {"type": "snapshot", "product_id": "BTC-USD", "updates": levels}
    change = {"type": "update", "product_id": "BTC-USD", "updates": [update("offer", "101.0", "1")]}
    old = {"type": "snapshot", "trades": [trade(1, "BUY", "99.0")]}
    fresh = {"type": "update", "trades": [trade(3, "BUY", "100.0"), trade(2, "SELL", "101.0")]}
    return [
        (0.1, message(0, "market_trades", old)),
        (0.2, message(1, "l2_data", book)),
        (0.3, message(2, "heartbeats", {"current_time": "now"})),
        (0.4, message(3, "market_trades", fresh)),
        (0.5, message(4, "l2_data", change)),
    ]


def test_coinbase_names_the_makers_side_and_offers_are_asks(tmp_path):
    events, report = only(tmp_path, cryptofeed("COINBASE", coinbase_messages()))
    prints = events.kind == BookKind.TRADE
    assert events.seq[prints].tolist() == [2, 3]
    assert events.side[prints].tolist() == [1, -1]
    assert events.side[events.kind == BookKind.SNAPSHOT].tolist() == [1, -1]
    assert report.ignored == {"trades before the recording": 1, "heartbeats": 1}
    assert report.gaps == 0


def test_a_coinbase_number_that_is_missing_on_any_channel_is_a_gap(tmp_path):
    messages = coinbase_messages()
    del messages[2]
    events, report = only(tmp_path, cryptofeed("COINBASE", messages))
    assert report.gaps == 1
    assert report.gap_lines == ("rec.jsonl line 5: sequence_num must be 2; was 3",)
    assert (events.kind == BookKind.GAP).sum() == 1
    twice = coinbase_messages()
    _, report = only(tmp_path, cryptofeed("COINBASE", [*twice[:2], twice[1], *twice[2:]]))
    assert report.gaps == 0
    assert report.ignored["repeated sequence number"] == 1


def test_the_real_coinbase_recording_has_no_gap_and_prints_take_the_side_they_hit(shared_data):
    recordings = read(shared_data / "book" / "cryptofeed" / "COINBASE.jsonl.zst", fix_clock=True)
    assert [report.symbol for _, report in recordings] == ["BTC-USD", "ETH-USD"]
    hits = {1: 0, -1: 0}
    for events, report in recordings:
        assert (report.gaps, report.snapshots) == (0, 1)
        for row in np.flatnonzero(events.kind == BookKind.TRADE).tolist():
            known = np.arange(row)
            book = replayed(events, known[events.kind[:row] != BookKind.TRADE])
            bid, _, ask, _ = book.best()
            if bid is not None and not bid < events.tick[row] < ask:
                hits[1 if (events.tick[row] >= ask) == (events.side[row] > 0) else -1] += 1
            if sum(hits.values()) > 25:
                break
    assert hits[1] > 20
    assert hits[-1] == 0


def test_bybit_counts_updates_and_tells_spot_from_linear_by_the_address(shared_data):
    recordings = read(shared_data / "book" / "cryptofeed" / "BYBIT.jsonl.zst")
    found = {(report.venue, report.symbol): report for _, report in recordings}
    assert len(found) == 6
    assert found["bybit", "BTCUSDT"].lot == "0.000001"
    assert found["bybit_linear", "BTCUSDT"].lot == "0.001"
    assert not any(report.gaps or report.duplicates for report in found.values())
    assert sum(report.snapshots for report in found.values()) == 6
    assert found["bybit_linear", "SOLUSDT"].trades == 165


def test_a_bybit_update_that_is_missing_is_a_gap(shared_data, tmp_path):
    packed = shared_data / "book" / "cryptofeed" / "BYBIT.jsonl.zst"
    data = pa.CompressedInputStream(pa.OSFile(str(packed)), "zstd").read().decode()
    lines = data.splitlines()
    deltas = [
        number
        for number, line in enumerate(lines)
        if "orderbook.200.SOLUSDT" in line and '\\"type\\":\\"delta\\"' in line
    ]
    del lines[deltas[100]]
    [(_, report)] = read(write(tmp_path / "rec.jsonl", lines), symbol="SOLUSDT")
    assert report.gaps == 1
    assert report.gap_lines[0].startswith(f"rec.jsonl line {deltas[101]}: u must be")


def test_the_real_okx_recording_verifies_every_checksum(shared_data):
    recordings = read(shared_data / "book" / "cryptofeed" / "OKX.jsonl.zst")
    assert sum(report.checksums_verified for _, report in recordings) == 287 + 3
    assert not any(report.checksums_failed or report.gaps for _, report in recordings)
    assert [report.lot for _, report in recordings] == ["1", "0.00000001", "1"]
    assert "inverse contracts of 100 USD" in recordings[0].report.facts


def test_okx_contracts_are_what_the_venue_says_of_them(shared_data):
    recordings = read(shared_data / "book" / "cryptofeed" / "OKX.jsonl.zst")
    found = {each.events.symbol: each.events.instrument for each in recordings}
    kinds = {name: (each.market, each.contract_size) for name, each in found.items()}
    assert kinds == {
        "BTC-USDT": ("spot", 1.0),
        "BTC-USD-220527": ("inverse", 100.0),
        "UNI-USD-SWAP": ("inverse", 10.0),
    }
    assert found["BTC-USD-220527"].inverse


def test_a_broken_okx_checksum_is_a_gap(tmp_path):
    def message(action, bids, stated):
        data = {"asks": [["11.5", "1", "0", "1"]], "bids": bids, "ts": "1618678133000"}
        arg = {"channel": "books", "instId": "A-B"}
        return {"arg": arg, "action": action, "data": [data | {"checksum": stated}]}

    def signed(text):
        return int(np.uint32(crc32(text.encode())).astype(np.int32))

    bids = [["10", "1", "0", "1"], ["9.5", "3", "0", "1"]]
    messages = [
        (0.1, message("snapshot", bids, signed("10:1:11.5:1:9.5:3"))),
        (0.2, message("update", [["10", "2", "0", "1"]], signed("10:2:11.5:1:9.5:3"))),
        (0.3, message("update", [["10", "4", "0", "1"]], signed("10:5:11.5:1:9.5:3"))),
    ]
    events, report = only(tmp_path, cryptofeed("OKX", messages))
    assert (report.checksums_verified, report.checksums_failed, report.gaps) == (2, 1, 1)
    assert "rec.jsonl line 5: the book's checksum must be" in report.gap_lines[0]
    assert events.kind.tolist()[-3:] == [BookKind.GAP, BookKind.DEPTH, BookKind.DEPTH]


def test_an_okx_update_that_does_not_continue_the_last_number_is_a_gap(tmp_path):
    def message(action, before, number, bids):
        data = {"asks": [["11", "1", "0", "1"]], "bids": bids, "ts": "1618678133000"}
        data |= {"prevSeqId": before, "seqId": number}
        return {"arg": {"channel": "books", "instId": "A-B"}, "action": action, "data": [data]}

    messages = [
        (0.1, message("snapshot", -1, 5, [["10", "1", "0", "1"]])),
        (0.2, message("update", 5, 8, [["10", "2", "0", "1"]])),
        (0.3, message("update", 9, 10, [["10", "3", "0", "1"]])),
    ]
    events, report = only(tmp_path, cryptofeed("OKX", messages))
    assert report.gap_lines == ("rec.jsonl line 5: prevSeqId must be 8; was 9",)
    assert events.kind.tolist()[-3:] == [BookKind.GAP, BookKind.DEPTH, BookKind.DEPTH]


def test_a_venue_is_chosen_or_the_only_one_renamed(shared_data, tmp_path):
    path = shared_data / "book" / "cryptofeed" / "BYBIT.jsonl.zst"
    assert {report.symbol for _, report in read(path, venue="bybit")} == {"BTCUSDT", "ETHUSDT"}
    with pytest.raises(MarketDataError, match=r"must hold okx.*holds bybit, bybit_linear"):
        read(path, venue="okx")
    events, _ = only(tmp_path, cryptofeed("KRAKEN", kraken_messages()), venue="kraken_eu")
    assert events.venue == "kraken_eu"


def test_a_venue_that_is_not_read_is_told_with_those_that_are(tmp_path):
    lines = cryptofeed("BITMEX", [])
    with pytest.raises(MarketDataError, match=r"kraken, coinbase, bybit, okx\); was of 'BITMEX'"):
        only(tmp_path, lines)


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_what_a_recording_is_packed_in_makes_no_difference_and_a_cut_one_is_refused(tmp_path, pack):
    lines = cryptofeed("KRAKEN", kraken_messages() * 50)
    path = tmp_path / "rec.bin"
    with pa.CompressedOutputStream(str(path), pack) as stream:
        stream.write(("\n".join(lines) + "\n").encode())
    packed = path.read_bytes()
    [(events, _)] = read(path)
    [(expected, _)] = read(write(tmp_path / "rec.jsonl", lines))
    assert events.fingerprint == expected.fingerprint
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(MarketDataError, match=r"rec\.bin"):
        read(path)


def test_a_record_is_refused_with_its_line(tmp_path):
    for broken in ("[1, 2]", '{"t":"recv","conn":"c","ts":NaN,"data":"{}"}', '{"t":"recv"}', "{"):
        lines = cryptofeed("KRAKEN", kraken_messages())
        lines.insert(4, broken)
        with pytest.raises(MarketDataError, match=r"rec\.jsonl line 5"):
            only(tmp_path, lines)
