"""Bring files of corporate actions in: good lines are stored, of every other one it is said why not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO

from marketdata.adapters.action_files import FileRow, read_actions
from marketdata.adapters.lines import UnreadableFile
from marketdata.domain.quality import Finding
from marketdata.services.actions import BATCH, ActionReport, store_actions

__all__ = ["ActionFileReport", "LineReport", "UnreadableFile", "import_actions"]

MOST_TOLD = 1000


@dataclass(frozen=True, slots=True)
class LineReport:
    """What is to be told of a line of a file."""

    line: int
    rule: str
    field: str
    value: str
    detail: str


@dataclass(slots=True)
class ActionFileReport:
    """What became of the lines of a file; of very many refusals, the first thousand are told and all are counted."""

    lines: int = 0
    stored: int = 0
    known: int = 0
    corrected: int = 0
    refusals: int = 0
    warnings: int = 0
    refused: list[LineReport] = field(default_factory=list)
    warned: list[LineReport] = field(default_factory=list)

    def refuse(self, told: LineReport) -> None:
        """Count and tell a line that was not taken."""
        self.refusals += 1
        if len(self.refused) < MOST_TOLD:
            self.refused.append(told)

    def add(self, report: ActionReport, lines: Mapping[int, int]) -> None:
        """Add what became of a batch of rows, by the lines they stood on."""
        self.stored += report.stored
        self.known += report.known
        self.corrected += report.corrected
        for each in report.refused:
            self.refuse(_told(each, lines))
        self.warnings += len(report.warned)
        self.warned += [_told(each, lines) for each in report.warned][: MOST_TOLD - len(self.warned)]


def import_actions(*, file: BinaryIO, source: str, recorded_at: datetime, correct: bool = False) -> ActionFileReport:
    """Store the corporate actions of a CSV file; read again, it changes nothing.

    :raises UnreadableFile: if the file as a whole makes no sense
    """
    report = ActionFileReport()
    rows = read_actions(file)
    while batch := list(islice(rows, BATCH)):
        report.lines += len(batch)
        for each in batch:
            if each.problem:
                report.refuse(LineReport(each.line, "malformed_line", "", "", each.problem))
        _store([each for each in batch if not each.problem], report, source, recorded_at, correct=correct)
    report.refused.sort(key=lambda each: each.line)
    return report


def _store(rows: Iterable[FileRow], report: ActionFileReport, source: str, recorded_at: datetime, *, correct: bool) -> None:
    """Store the rows that could be taken apart."""
    good = list(rows)
    done = store_actions(source=source, rows=[each.values for each in good], recorded_at=recorded_at, correct=correct)
    report.add(done, {index: each.line for index, each in enumerate(good)})


def _told(found: Finding, lines: Mapping[int, int]) -> LineReport:
    """Return what is told of a row by its line."""
    return LineReport(lines[found.index], found.rule, found.field, found.value, found.detail)
