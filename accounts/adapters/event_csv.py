"""The event log: one CSV of everything that happened, read tolerantly and written exactly.

A spreadsheet takes a cell that starts with a sign such as = for a formula. What is written here never does: a text that would
gets an apostrophe in front, and a text that has apostrophes there already one more, so that reading gives back what was. Nor
does a part of one behind a semicolon, a tab or a line break, where other spreadsheets part cells.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.domain.event_data import NUMBER, EventData, read_number
from accounts.domain.events import Event, event_of, line_of
from accounts.domain.json_text import read_json, write_json
from accounts.domain.option_events import OptionLog
from accounts.domain.statements import LineRefused, Refusal, StatementLine
from marketdata.domain.money import plain
from marketdata.domain.spreadsheets import as_it_was, harmless_in_csv, harmless_json

COLUMNS = ("event_id", "timestamp", "event_type", "data_json", "reason_json", "notes", "tags", "affects_cash", "cash_delta")
NEEDED = ("event_id", "timestamp", "event_type")
# other spellings, without case and signs; the first column of a file that fits is taken
ALIASES = {
    "id": "event_id",
    "date": "timestamp",
    "datetime": "timestamp",
    "time": "timestamp",
    "occurredat": "timestamp",
    "type": "event_type",
    "event": "event_type",
    "kind": "event_type",
    "data": "data_json",
    "reason": "reason_json",
    "note": "notes",
    "comment": "notes",
    "tag": "tags",
    "tagsjson": "tags",
    "cash": "cash_delta",
} | {name.replace("_", ""): name for name in COLUMNS}

QUOTED = re.compile(r'[",\r\n]')
STAMP = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})([T ](?P<time>\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?) ?(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
NOTHING = frozenset({"", "null", "nan", "none"})
YES, NO = frozenset({"true", "1", "1.0", "yes", "y"}), frozenset({"false", "0", "0.0", "no", "n"})
SEPARATORS = ",;\t"
SHOWN = 60
OWN_NAMES = frozenset({"eventid", "eventtype", "datajson", "reasonjson", "affectscash", "cashdelta"})

Cells = Mapping[str, str]


class EventLog:
    """The event log as a format."""

    name = "event_log"
    title = "Event log"

    def certainty(self, file: StatementFile) -> float:
        """Say whether the first line of a file names the columns of an event log; one of those needed may be missing.

        Headings spelled otherwise may be those of another format that has a day and a type as well.
        """
        first = file.head.partition("\n")[0]
        spelled = {re.sub(r"[^a-z0-9]", "", heading.lower()) for heading in _headings(_records([first], first))}
        missing = len(NEEDED) - len(_columns(spelled).keys() & set(NEEDED))
        own = len(OWN_NAMES & spelled)
        if missing > 1:
            return 0.0
        return 1.0 if own > 1 else (0.9 if own and not missing else (0.2 if missing else 0.5))

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[StatementLine | Refusal]:
        """Yield the events of a log as lines of a statement, and of those that can't be taken why.

        A day without a time is that day in UTC, whatever the zone.

        :raises NotReadable: if the columns that are needed are not there
        """
        if not file.encoding.startswith("utf"):
            raise NotReadable("not_utf8", "An event log is UTF-8 text: save the file as CSV UTF-8, then try again.")
        records = _records(file.lines(), file.head)
        headings = _headings(records)
        columns = _columns(headings)
        if missing := [name for name in NEEDED if name not in columns]:
            raise NotReadable("missing_columns", f"The first line must name the columns; missing: {', '.join(missing)}.")
        options = OptionLog()
        for number, record in records:
            try:
                event, contract = options.plain(_event(_cells(columns, headings, record), zone))
                yield line_of(number, event, contract=contract)
            except LineRefused as refusal:
                yield Refusal(number, refusal.code, str(refusal))


def heading() -> str:
    """Return the first line of an event log."""
    return ",".join(COLUMNS) + "\n"


def row(line: StatementLine) -> str:
    """Return a complete line of a statement as a row of an event log."""
    event = event_of(line)
    cells = (
        _safe(event.id),
        event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        event.type,
        harmless_json(write_json(event.data)),
        harmless_json(write_json(event.reason)) if event.reason else "",
        _safe(event.notes),
        harmless_json(write_json(event.tags)) if event.tags else "",
        str(event.affects_cash),
        plain(event.cash or Decimal(0)),
    )
    return ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' if QUOTED.search(cell) else cell for cell in cells) + "\n"


def _records(lines: Iterable[str], head: str = "") -> Iterator[tuple[int, list[str] | LineRefused]]:
    """Yield the rows of a CSV that are not empty, or why one can't be taken apart, each with the line it starts on."""
    first = head.partition("\n")[0]
    reader = csv.reader(iter(lines), delimiter=max(SEPARATORS, key=first.count), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, LineRefused("bad_csv", f"The row can't be taken apart into cells: {error}.")
            continue
        if any(cell.strip() for cell in cells):
            yield number, cells


def _headings(records: Iterator[tuple[int, list[str] | LineRefused]]) -> list[str]:
    """Return the first row."""
    _, first = next(records, (1, []))
    return [heading.strip() for heading in first] if isinstance(first, list) else []


def _columns(headings: Iterable[str]) -> dict[str, int]:
    """Return where each of our columns stands; its own name outweighs other spellings."""
    spelled = [re.sub(r"[^a-z0-9]", "", heading.lower()) for heading in headings]
    found = {name: spelled.index(own) for name in COLUMNS if (own := name.replace("_", "")) in spelled}
    for place, spelling in enumerate(spelled):
        if place not in found.values() and spelling in ALIASES:
            found.setdefault(ALIASES[spelling], place)
    return found


def _cells(columns: Mapping[str, int], headings: Sequence[str], record: list[str] | LineRefused) -> Cells:
    """Return the cells of a row by their columns, those of other columns by their headings in brackets."""
    if isinstance(record, LineRefused):
        raise record
    if len(record) < len(headings) or any(record[len(headings) :]):
        raise LineRefused("wrong_number_of_cells", f"The row has {len(record)} cells instead of {len(headings)}.")
    if any("\0" in cell for cell in record):
        raise LineRefused("bad_character", "The row holds a NUL, which no text has.")
    cells = {name: as_it_was(record[place]) for name, place in columns.items()}
    others = {
        f"[{heading}]": record[place] for place, heading in enumerate(headings) if place not in columns.values() and heading
    }
    return cells | {name: cell for name, cell in others.items() if cell}


def _event(cells: Cells, zone: ZoneInfo) -> Event:
    """Return the event that a row states."""
    if not cells["event_id"].strip():
        raise LineRefused("missing_event_id", "event_id: give the event an id, by which it is known when it comes again.")
    at, names_zone = _instant(cells["timestamp"].strip(), zone)
    data = _object(cells, "data_json")
    for name in cells.keys() - COLUMNS:
        EventData.put(data, name[1:-1], cells[name])
    return Event(
        id=cells["event_id"],
        at=at,
        names_zone=names_zone,
        type=cells["event_type"],
        data=data,
        reason=_reason(cells),
        notes=re.sub(r"\r\n?", "\n", cells.get("notes", "")),
        tags=_tags(cells.get("tags", "")),
        affects_cash=_affects_cash(cells.get("affects_cash", "")),
        cash=None if _is_nothing(cash := cells.get("cash_delta", "")) else read_number(cash, "cash_delta"),
    )


def _instant(text: str, zone: ZoneInfo) -> tuple[datetime, bool]:
    """Return the instant that a text means, and whether it says so without the zone."""
    found = STAMP.fullmatch(text)
    try:
        if not found:
            raise ValueError
        local = datetime.fromisoformat(f"{found['day']}T{found['time'] or '00:00'}{(found['zone'] or '').replace('UTC', 'Z')}")
        if found["time"] is None:
            local = local.replace(tzinfo=UTC)
        names_zone = local.tzinfo is not None
        there = local if names_zone else local.replace(tzinfo=zone)
        instant = there.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise LineRefused("bad_timestamp", f"timestamp: {text[:SHOWN]!r} is no time such as 2024-01-02T15:00:00Z.") from error
    if not names_zone and there.utcoffset() != there.replace(fold=1).utcoffset():
        raise LineRefused("ambiguous_time", f"timestamp: {text} was twice, or never, in {zone}: write it with its offset.")
    return instant, names_zone


def _object(cells: Cells, name: str) -> EventData:
    """Return the JSON object in a cell, an empty one if the cell is."""
    text = cells.get(name, "")
    if _is_nothing(text):
        return EventData()
    try:
        value = read_json(text)
    except ValueError as error:
        raise LineRefused("bad_json", f"{name} is no JSON: {str(error)[:200]}.") from error
    if not isinstance(value, dict):
        raise LineRefused("bad_json", f"{name} must be a JSON object.")
    return EventData(value)


def _reason(cells: Cells) -> Mapping[str, Any]:
    """Return the reason in a cell: a JSON object, or a text that explains."""
    text = cells.get("reason_json", "")
    if _is_nothing(text) or text.lstrip().startswith("{"):
        return _object(cells, "reason_json")
    return {"explanation": text}


def _tags(text: str) -> list[str]:
    """Return the tags in a cell: a JSON list, or words with commas or semicolons between them."""
    if _is_nothing(text):
        return []
    if not text.lstrip().startswith("["):
        return [tag.strip() for tag in re.split(r"[,;]", text) if tag.strip()]
    try:
        tags = read_json(text)
    except ValueError as error:
        raise LineRefused("bad_json", f"tags is no JSON list: {str(error)[:200]}.") from error
    if not all(isinstance(tag, str) for tag in tags):
        raise LineRefused("bad_json", "tags must be texts.")
    return list(tags)


def _affects_cash(text: str) -> bool | None:
    """Return whether a cell says yes or no, or None if it says nothing."""
    word = text.strip().lower()
    if word in YES | NO:
        return word in YES
    if not _is_nothing(word):
        raise LineRefused("bad_affects_cash", f"affects_cash: {text[:SHOWN]!r} is neither True nor False.")
    return None


def _is_nothing(text: str) -> bool:
    """Say whether a cell says nothing, as programs spell it."""
    return text.strip().lower() in NOTHING


def _safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; a number is none."""
    return text if NUMBER.fullmatch(text) else harmless_in_csv(text)


READERS = (EventLog(),)
