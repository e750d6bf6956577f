"""A fake archive, and patience that waits without waiting."""

from __future__ import annotations

import pytest

from seq_gym.market.download import Patience
from tests.market.download.servers import FakeArchive


@pytest.fixture
def archive(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = FakeArchive()
    yield server
    server.close()


@pytest.fixture
def waits():
    """The seconds that were waited, instead of waiting."""
    return []


@pytest.fixture
def patience(waits):
    return Patience(tries=4, first_wait_s=1.0, sleep=waits.append)
