"""What an import tells: its progress while it runs, its findings at the end.

Source: spec C7.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Protocol

from seq_gym.market.store.layout import TableKey

if TYPE_CHECKING:
    from seq_gym.market.quality import Findings, QualityReport

__all__ = ["ImportReport", "OnProgress", "Progress", "SourceReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where an import stands."""

    source: str
    """File or table that is worked on."""
    stage: str
    """"reading", then "writing"."""
    done: int
    """Bytes that were read, or months that were written, of all."""
    total: int
    """Bytes to read, or months to write; 0 = not known."""
    rows: int
    """Rows that were read so far."""


OnProgress = Callable[[Progress], None]


class SourceReport(Protocol):
    """What was found in one source, for people and for programs."""

    def as_text(self) -> str:
        """Tell it in lines of text."""

    def as_dict(self) -> Mapping[str, Any]:
        """Tell it as a document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import brought into one table."""

    key: TableKey
    """The table."""
    sources: tuple[str, ...]
    """Files or frames it came from."""
    quality: tuple[QualityReport, ...]
    """What was found in each of them (C7); empty for funding rates and books."""
    recordings: tuple[SourceReport, ...] = ()
    """What was found in each recording of a book."""
    rows: int
    """Rows of the table now."""
    added: int
    """Rows whose time the table did not hold."""
    changed: int
    """Stored rows that were replaced, or completed with a column that they lacked."""
    refused: int
    """New rows that lost to stored ones, by on_conflict="first"."""
    is_changed: bool
    """The table changed; False where it held all of it before."""
    fingerprint: str
    """Of the table's content now."""

    @property
    def by_source(self) -> dict[str, Findings]:
        """What was found, by source."""
        return {report.source: report.findings for report in self.quality}

    @property
    def findings(self) -> Findings | None:
        """What was found in all sources; None for funding rates."""
        each = [report.findings for report in self.quality]
        return reduce(operator.add, each) if each else None
