"""Days and times as files write them, turned into instants of UTC."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from accounts.domain.statements import LineRefused

SHOWN, LONGEST = 60, 80
FIRST_YEAR, LAST_YEAR = 1900, 2200

_YMD = re.compile(r"(?P<y>\d{4})(?P<s>[-/.]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})", re.ASCII)
_MDY = re.compile(r"(?P<m>\d{1,2})(?P<s>[-/.])(?P<d>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})", re.ASCII)
_DMY = re.compile(r"(?P<d>\d{1,2})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})", re.ASCII)
_DOTTED = re.compile(r"(?P<d>\d{1,2})(?P<s>\.)(?P<m>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})", re.ASCII)
_NAMED = re.compile(r"(?P<n>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})", re.ASCII)
_NAMED_LAST = re.compile(r"(?P<d>\d{1,2})[- ](?P<n>[A-Za-z]{3,9})[- ](?P<y>\d{4}|\d{2})", re.ASCII)
# the month first (US), the day first, or only what can't be mistaken
US, DAY_FIRST, ISO = "MM/DD/YYYY", "DD-MM-YYYY", "YYYY-MM-DD"
ORDERS: Mapping[str, tuple[re.Pattern[str], ...]] = {
    US: (_YMD, _MDY, _NAMED, _NAMED_LAST),
    DAY_FIRST: (_YMD, _DMY, _NAMED, _NAMED_LAST),
    ISO: (_YMD, _DOTTED, _NAMED, _NAMED_LAST),
}
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_TIME = re.compile(
    r"(?P<h>\d{1,2}):?(?P<m>\d{2})(:?(?P<s>\d{2})([.,](?P<f>\d{1,9}))?)? ?(?P<half>[AaPp][Mm])? ?"
    r"(?P<zone>Z|UTC|GMT|[ECMP][SD]T|CES?T|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
ZONES = {"Z": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
         "CET": 1, "CEST": 2}  # fmt: skip
SHORT_YEAR, CENTURY = 2, 2000
_STAMP = re.compile(
    r"([\d./-]{6,10}?|[A-Za-z.]{3,10} \d{1,2},? \d{4}?|\d{1,2}-[A-Za-z]{3,9}-\d{2,4})(?:[T;]|, ?| +)(\d{1,2}:?\d{2}.*)",
    re.ASCII,
)


def day(text: str, name: str, order: str = ISO) -> date:
    """Return the day that a text states.

    :raises LineRefused: if it states none

    >>> day("04/17/2023", "Date", US), day("19-12-2022", "Datum", DAY_FIRST), day("20180209", "tradeDate")
    (datetime.date(2023, 4, 17), datetime.date(2022, 12, 19), datetime.date(2018, 2, 9))
    """
    return _day(text[:LONGEST], name, order)


@lru_cache(maxsize=4096)
def _day(text: str, name: str, order: str) -> date:
    """Return the day that a short text states."""
    found = next(filter(None, (pattern.fullmatch(text.strip()) for pattern in ORDERS[order])), None)
    try:
        if found is None:
            raise ValueError
        parts = found.groupdict()
        month = int(parts["m"]) if "m" in parts else MONTHS[parts["n"][:3].lower()]
        year = int(parts["y"]) + (CENTURY if len(parts["y"]) == SHORT_YEAR else 0)
        said = date(year, month, int(parts["d"]))
    except (ValueError, KeyError) as error:
        raise LineRefused("bad_date", f"{name}: {text.strip()[:SHOWN]!r} is no day; write it as {order}.") from error
    if not FIRST_YEAR <= said.year <= LAST_YEAR:
        raise LineRefused("bad_date", f"{name}: the year of {text.strip()[:SHOWN]!r} can't be.")
    return said


def midnight(on: date) -> datetime:
    """Return the instant that stands for a day without a time: its start in UTC, wherever the reader sits."""
    return datetime.combine(on, time(), UTC)


def moment(on: date, clock: str, name: str, zone: ZoneInfo) -> datetime:
    """Return the instant of a time on a day; one that does not name its zone is of the given one.

    A time that was there twice is taken for the first; one that never was is refused.

    :raises LineRefused: if it is no time, or never was

    >>> moment(date(2018, 2, 9), "11:19:29", "dateTime", ZoneInfo("America/New_York")).isoformat()
    '2018-02-09T16:19:29+00:00'
    """
    found = _TIME.fullmatch(clock.strip())
    try:
        if found is None:
            raise ValueError
        hour = _hour(int(found["h"]), found["half"])
        fraction = int((found["f"] or "0")[:6].ljust(6, "0"))
        local = datetime.combine(on, time(hour, int(found["m"]), int(found["s"] or 0), fraction))
        if found["zone"]:
            return datetime.fromisoformat(f"{local.isoformat()}{_offset(found['zone'])}").astimezone(UTC)
        instant = local.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise LineRefused("bad_time", f"{name}: {clock.strip()[:SHOWN]!r} is no time such as 15:30:00.") from error
    if instant.astimezone(zone).replace(tzinfo=None) != local:
        raise LineRefused("bad_time", f"{name}: {local} never was in {zone}: the clocks went over it.")
    return instant


def _hour(hour: int, half: str | None) -> int:
    """Return an hour of 24 for one that may be of twelve."""
    if not half:
        return hour
    if not 1 <= hour <= 12:  # noqa: PLR2004  a clock face
        raise ValueError
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _offset(text: str) -> str:
    """Return an offset as ISO 8601 writes it."""
    return f"{ZONES[text]:+03d}:00" if text in ZONES else f"{text[:3]}:{text[-2:]}"


def stamp(text: str, name: str, zone: ZoneInfo, order: str = ISO) -> tuple[datetime, bool]:
    """Return the instant that a text states, and whether it is a day alone.

    :raises LineRefused: if it states none

    >>> stamp("2026-03-06T10:20:05.865Z", "datetime", ZoneInfo("UTC"))[0].isoformat()
    '2026-03-06T10:20:05.865000+00:00'
    """
    first, rest = _split(text.strip())
    on = day(first, name, order)
    return (moment(on, rest, name, zone), False) if rest else (midnight(on), True)


def _split(text: str) -> tuple[str, str]:
    """Return the day and the time of a stamp, as written."""
    found = _STAMP.fullmatch(text)
    return (found[1], found[2]) if found else (text, "")


def said_day(text: str, order: str = ISO) -> date | None:
    """Return the day that a text about the file as a whole states, None if it states none: nothing hangs on it."""
    try:
        return stamp(text, "", ZoneInfo("UTC"), order)[0].date()
    except LineRefused:
        return None
