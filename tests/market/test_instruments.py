"""C8: symbols, their parts, and how they are looked up."""

from __future__ import annotations

import pytest

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.instruments import Instrument, find_symbol, split_symbol


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("BTCUSD", ("BTC", "USD")),
        ("ETHBTC", ("ETH", "BTC")),
        ("USDCUSDT", ("USDC", "USDT")),
        ("BTC/USD", ("BTC", "USD")),
        ("btc-eur", ("BTC", "EUR")),
        ("1000PEPE_USDC", ("1000PEPE", "USDC")),
        ("AAPL", ("AAPL", "")),
        ("BTC", ("BTC", "")),
    ],
)
def test_c8_a_symbol_splits_at_its_separator_or_its_longest_known_quote(symbol, parts):
    assert split_symbol(symbol) == parts


@pytest.mark.parametrize("name", ["XBT-USD", "btc/usd", "btc_usd", "XBTUSD", " BTCUSD "])
def test_c8_look_ups_ignore_case_and_separators_and_know_xbt(name):
    assert find_symbol(name, ["ETHUSD", "BTCUSD"]) == 1


def test_c8_an_exact_spelling_comes_before_a_similar_one():
    assert find_symbol("BTC-USD", ["BTCUSD", "BTC-USD"]) == 1


def test_c8_an_ambiguous_name_lists_its_candidates():
    with pytest.raises(ConfigError, match="BTCUSD, BTC-USD"):
        find_symbol("btc/usd", ["BTCUSD", "BTC-USD"])


def test_an_unknown_symbol_is_refused_with_the_near_miss():
    with pytest.raises(UnknownName, match="Did you mean 'BTCUSDT'"):
        find_symbol("BTCUSTD", ["BTCUSDT", "ETHUSDT"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"tick": -1.0},
        {"lot": float("nan")},
        {"contract_size": 0.0},
        {"taker_fee_frac": 1.5},
        {"min_notional": float("inf")},
    ],
)
def test_units_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match="BTCUSDT"):
        Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", **wrong)
