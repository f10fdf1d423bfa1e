"""The lines of a kept file as they stand there, each with what it says and what would become of it: a page of them at a time."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from zoneinfo import ZoneInfo

from accounts.adapters import reader_for
from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.leftovers import is_table
from accounts.domain.statements import Refusal, Skipped, StatementLine
from accounts.models import ImportBatch

MOST_READ = 20_000  # of what stands further down the text is shown alone
SHOWN = 300


@dataclass(slots=True)
class Line:
    """A line of a file: its text, what it says (several happenings at times), its fate, and why where it is not taken."""

    number: int
    fate: str
    text: str = ""
    says: list[StatementLine] = field(default_factory=list)
    why: list[tuple[str, str]] = field(default_factory=list)


def lines_of(batch: ImportBatch, content: bytes, wanted: Sequence[tuple[int, str]]) -> list[Line]:
    """Return some lines of a file, by their numbers and fates; without its content, what is known of them."""
    lines = {number: Line(number, fate) for number, fate in wanted}
    for refusal in batch.refused:
        if refusal["line"] in lines:
            lines[refusal["line"]].why.append((refusal["code"], refusal["detail"]))
    if content and lines:
        file = StatementFile(content)
        said = _said(batch, file, lines.keys())
        texts = dict(_texts(file, lines.keys())) if is_table(file) else {}
        for number, line in lines.items():
            line.says = said[number].says
            line.why = line.why or said[number].why
            line.text = texts.get(number, said[number].text)[:SHOWN]
    return list(lines.values())


def _texts(file: StatementFile, wanted: Collection[int]) -> Iterator[tuple[int, str]]:
    """Yield some lines of a table as they stand there."""
    last = max(wanted)
    for number, text in enumerate(islice(file.lines(), last), 1):
        if number in wanted:
            yield number, text.strip("\r\n\ufeff")


def _said(batch: ImportBatch, file: StatementFile, wanted: Collection[int]) -> Mapping[int, Line]:
    """Return what some lines say, as far as their place lets it be read quickly."""
    found: defaultdict[int, Line] = defaultdict(lambda: Line(0, ""))
    left = {number for number in wanted if number <= MOST_READ}
    options = batch.options
    try:
        reader = reader_for(batch.format if options["mapping"] is None else options["form"], file, options["mapping"])
        for item in reader.read(file, ZoneInfo(options["time_zone"])) if left else ():
            number = getattr(item, "number", getattr(item, "line", 0))
            if not left and number not in wanted:
                break
            left.discard(number)
            if number not in wanted:
                continue
            if isinstance(item, StatementLine):
                found[number].says.append(item)
                found[number].text = found[number].text or item.raw
            elif isinstance(item, Skipped | Refusal):
                found[number].why.append((item.code, item.detail))
    except NotReadable:
        pass  # whoever looks sees the lines as they stand
    return found
