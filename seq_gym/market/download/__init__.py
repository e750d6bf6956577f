"""Candles from where they are published: exchanges through ccxt, and public archives.

Nothing here is needed to read data that is already on disk. `CcxtSource` needs the extra
`download`; `ArchiveSource` needs the standard library.
"""

from seq_gym.market.download.archive import ARCHIVE_URL, ArchiveSource
from seq_gym.market.download.exchange import CcxtSource
from seq_gym.market.download.patience import Patience
from seq_gym.market.download.run import Download, download
from seq_gym.market.download.source import Source

__all__ = [
    "ARCHIVE_URL",
    "ArchiveSource",
    "CcxtSource",
    "Download",
    "Patience",
    "Source",
    "download",
]
