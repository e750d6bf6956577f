"""What S3 refuses is said in a sentence, without the secret."""

from __future__ import annotations

import pytest

from seq_gym.errors import ConfigError
from seq_gym.market.store import Store
from seq_gym.market.store.place import open_place
from seq_gym.market.store.s3 import S3Place
from tests.market.store.made import make_candles


def test_the_bucket_and_the_kind_come_from_the_environment(s3_environ, monkeypatch):
    monkeypatch.setenv("SIM_STORE", "S3")
    monkeypatch.setenv("SIM_S3_BUCKET", s3_environ)
    store = Store.open()
    assert store.place.name == f"s3://{s3_environ}"
    store.write_candles([make_candles()], venue="v")
    assert Store.open(f"s3://{s3_environ}/").load().num_candles == 200


def test_the_default_bucket_is_named_when_it_is_missing(s3_environ, monkeypatch):
    monkeypatch.setenv("SIM_STORE", "s3")
    with pytest.raises(ConfigError) as caught:
        Store.open()
    message = str(caught.value)
    assert "s3://sequence-sim-data-dev cannot be used: there is no such bucket" in message
    assert "SIM_S3_BUCKET" in message
    assert "a-secret" not in message


def test_two_prefixes_of_a_bucket_are_two_stores(s3_environ):
    one, two = (Store.open(f"s3://{s3_environ}/{name}") for name in ("a", "a/b"))
    one.write_candles([make_candles()], venue="v")
    two.write_candles([make_candles(symbol="ETHUSDT")], venue="v")
    assert one.load().symbols == ("BTCUSDT",)
    assert two.load().symbols == ("ETHUSDT",)


def test_a_server_that_does_not_answer_is_named_without_secrets(s3_environ, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"no server answers.*AWS_ENDPOINT_URL") as caught:
        Store.open(f"s3://{s3_environ}")
    assert "a-secret" not in str(caught.value)


class Refusing:
    """A file system whose every call fails as pyarrow's does."""

    def __init__(self, text):
        self.text = text

    def __getattr__(self, name):
        raise OSError(self.text)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ACCESS_DENIED", "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        ("NO_SUCH_BUCKET", "set SIM_S3_BUCKET"),
        ("SIGNATURE_DOES_NOT_MATCH", "Check AWS_SECRET_ACCESS_KEY"),
        ("SLOW_DOWN", "see the code"),
    ],
)
def test_what_the_server_refuses_is_told_without_its_words(code, advice):
    text = f"When reading 'x': AWS Error {code} during HeadBucket operation: key AKIA-SECRET"
    place = S3Place("bucket", "", Refusing(text))
    with pytest.raises(ConfigError, match=advice) as caught:
        place.read("x")
    assert code in str(caught.value)
    assert "SECRET " not in str(caught.value).replace("AWS_SECRET_ACCESS_KEY", "")
    assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix"])
def test_a_url_without_a_bucket_is_refused(url):
    with pytest.raises(ConfigError, match="must name its bucket"):
        open_place(url, {})


def test_another_kind_of_object_store_is_refused_not_made_a_folder():
    with pytest.raises(ConfigError, match=r"a folder or s3://bucket/prefix; was 'gs://bucket'"):
        Store.open("gs://bucket")
