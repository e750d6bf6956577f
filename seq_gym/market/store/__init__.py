"""The store of market data: typed Parquet with a manifest per table, in a folder or on S3.

Candles, mark prices and funding rates are here, recorded books in `market/book/store`.
"""

from seq_gym.market.findings import OnConflict
from seq_gym.market.store.doors import is_store_name, load_until, load_window, store_of
from seq_gym.market.store.faults import Fault
from seq_gym.market.store.layout import Kind, TableKey
from seq_gym.market.store.place import OnWait
from seq_gym.market.store.ranges import Coverage, DataRange, TableInfo
from seq_gym.market.store.reports import ImportReport, OnProgress, Progress
from seq_gym.market.store.store import Store

__all__ = [
    "Coverage",
    "DataRange",
    "Fault",
    "ImportReport",
    "Kind",
    "OnConflict",
    "OnProgress",
    "OnWait",
    "Progress",
    "Store",
    "TableInfo",
    "TableKey",
    "is_store_name",
    "load_until",
    "load_window",
    "store_of",
]
