"""Bring files of corporate actions in: good lines are stored, of every other one it is said why not."""

from datetime import datetime
from itertools import islice
from typing import BinaryIO

from marketdata.adapters.action_files import read_actions
from marketdata.adapters.lines import UnreadableFile
from marketdata.services.actions import BATCH, store_actions
from marketdata.services.line_reports import FileReport

__all__ = ["UnreadableFile", "import_actions"]


def import_actions(*, file: BinaryIO, source: str, recorded_at: datetime, correct: bool = False) -> FileReport:
    """Store the corporate actions of a CSV file; read again, it changes nothing.

    :raises UnreadableFile: if the file as a whole makes no sense
    """
    report = FileReport()
    rows = read_actions(file)
    while batch := list(islice(rows, BATCH)):
        report.lines += len(batch)
        for each in batch:
            if each.problem:
                report.refuse(each.line, each.problem)
        good = [each for each in batch if not each.problem]
        done = store_actions(source=source, rows=[each.values for each in good], recorded_at=recorded_at, correct=correct)
        report.add(done, [each.line for each in good], rows=len(good))
    report.settle()
    return report
