"""A store in a folder and one on S3, as the tests of the candle store have them."""

from __future__ import annotations

from tests.market.store.conftest import folder_store, s3_endpoint, s3_environ, store, where

__all__ = ["folder_store", "s3_endpoint", "s3_environ", "store", "where"]
