"""A local S3 server, as the tests of the candle store have it."""

from __future__ import annotations

from tests.market.store.conftest import s3_endpoint, s3_environ

__all__ = ["s3_endpoint", "s3_environ"]
