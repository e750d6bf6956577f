"""Importers of order books: recordings in, BookEvents and a report out, told by their content.

One module per format; `FAMILIES` is the registry. The venues inside cryptofeed's container are
`cryptofeed.VENUES`. What a file is packed in (gzip, zstd) makes no difference.

Source: spec book.md (Formats that are read).
"""

from seq_gym.market.book.importers.reading import (
    FAMILIES,
    Family,
    is_recording,
    read_recording,
)
from seq_gym.market.book.importers.report import Recording, RecordingReport

__all__ = [
    "FAMILIES",
    "Family",
    "Recording",
    "RecordingReport",
    "is_recording",
    "read_recording",
]
