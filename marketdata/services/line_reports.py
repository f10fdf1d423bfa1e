"""What is told of files that were read: how many lines became what, and of every line that was not taken, why not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from marketdata.domain.quality import Finding

MOST_TOLD = 1000
MALFORMED = "malformed_line"


class StoreReport(Protocol):
    """What became of a batch of rows."""

    stored: int
    known: int
    corrected: int
    refused: list[Finding]
    warned: list[Finding]


@dataclass(frozen=True, slots=True)
class LineReport:
    """What is to be told of a line of a file."""

    line: int
    rule: str
    field: str
    value: str
    detail: str


@dataclass(slots=True)
class FileReport:
    """What became of the lines of a file; of very many refusals, the first thousand are told and all are counted."""

    lines: int = 0
    stored: int = 0
    known: int = 0
    corrected: int = 0
    refusals: int = 0
    warnings: int = 0
    refused: list[LineReport] = field(default_factory=list)
    warned: list[LineReport] = field(default_factory=list)

    def refuse(self, line: int, detail: str, value: str = "") -> None:
        """Count and tell a line that says nothing."""
        self.refusals += 1
        if len(self.refused) < MOST_TOLD:
            self.refused.append(LineReport(line, MALFORMED, "", value, detail))

    def add(self, report: StoreReport, lines: Mapping[int, int] | list[int], *, rows: int) -> None:
        """Add what became of a batch of rows, by the lines they stood on."""
        self.stored += report.stored
        self.known += report.known
        self.corrected += report.corrected
        self.refusals += rows - report.stored - report.known - report.corrected
        self.warnings += len(report.warned)
        self.refused += _told(report.refused, lines, MOST_TOLD - len(self.refused))
        self.warned += _told(report.warned, lines, MOST_TOLD - len(self.warned))

    def settle(self) -> None:
        """Put what is told in the order of the lines."""
        self.refused.sort(key=lambda each: each.line)
        self.warned.sort(key=lambda each: each.line)

    def said(self) -> str:
        """Return the counts in words."""
        counts = {"stored": self.stored, "known": self.known, "corrected": self.corrected, "refused": self.refusals}
        counts["doubted"] = self.warnings
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "stored")

    def told(self, most: int) -> Iterable[str]:
        """Yield the first lines of what there is to tell, in words."""
        for found, word in ((self.refused, "refused"), (self.warned, "doubted")):
            for each in found[:most]:
                what = f"{each.field} {each.value!r} " if each.field else ""
                yield f"line {each.line}: {what}{word}, {each.rule}: {each.detail}"


def _told(found: list[Finding], lines: Mapping[int, int] | list[int], most: int) -> list[LineReport]:
    """Return what is told of rows by their lines."""
    return [LineReport(lines[each.index], each.rule, each.field, each.value, each.detail) for each in found[: max(most, 0)]]
