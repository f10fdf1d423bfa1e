"""OFX and QFX: what banks and brokers give to Quicken, in the manner of SGML (1.x: most tags are never closed) or XML (2.x).

A FITID is said to be unique and often is not, so the figures are part of what a transaction is known by.
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from accounts.adapters.base import CHUNK, NotReadable, StatementFile
from accounts.domain.figures import Style, figure
from accounts.domain.happenings import Happening, Lines, currency_of
from accounts.domain.ledger import EARLIEST
from accounts.domain.ofx import CONVERTED, Security, Transaction, happenings
from accounts.domain.statements import CashBalance, Heading, Holding, Item, LineRefused, Refusal, Skipped

TAG = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z0-9._]+) */?>(?P<text>[^<]*)")
LONGEST = 64 * 1024
MOST_VALUES = 150
MOST_TAGS = 4_000_000
DEEPEST = 100
BANKING = frozenset({"STMTTRN"})
INVESTING = frozenset(
    {"BUYSTOCK", "SELLSTOCK", "BUYMF", "SELLMF", "BUYDEBT", "SELLDEBT", "BUYOPT", "SELLOPT", "BUYOTHER", "SELLOTHER", "INCOME",
     "REINVEST", "INVEXPENSE", "TRANSFER", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "RETOFCAP", "SPLIT", "CLOSUREOPT"}
)  # fmt: skip
POSITIONS = frozenset({"POSSTOCK", "POSMF", "POSDEBT", "POSOPT", "POSOTHER"})
SECURITIES = frozenset({"STOCKINFO", "MFINFO", "DEBTINFO", "OPTINFO", "OTHERINFO"})
BALANCES = frozenset({"LEDGERBAL", "INVBAL"})
WHOLE = BANKING | INVESTING | POSITIONS | SECURITIES | BALANCES
STATEMENTS = frozenset({"STMTRS", "CCSTMTRS", "INVSTMTRS"})
ACCOUNT = frozenset({"ACCTID", "CURDEF", "DTSTART", "DTEND", "DTASOF"})


class Ofx:
    """A statement in OFX."""

    name = "ofx"
    title = "OFX or QFX (Quicken, Money)"

    def certainty(self, file: StatementFile) -> float:
        """Say whether a file begins as OFX does."""
        head = file.head.lstrip("\ufeff \r\n\t")[:4000].upper()
        return 1.0 if head.startswith(("OFXHEADER", "<?OFX", "<?XML", "<OFX>")) and "<OFX>" in file.head.upper() else 0.0

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the transactions, balances and positions of every account; the list of securities may stand at the end."""
        securities = {}
        for record in _records(file):
            if record.name in SECURITIES and (identity := record.fields.get("UNIQUEID")):
                securities[identity] = Security(record.name, record.fields)
        yield from _Reading(securities).items(file)


@dataclass(frozen=True, slots=True)
class _Record:
    """A group of values, all that stand in it by their names; or a single value of the statement itself."""

    name: str
    line: int
    fields: Mapping[str, str]
    raw: str


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    securities: Mapping[str, Security]
    lines: Lines = field(default_factory=lambda: Lines("ofx"))
    about: dict[str, str] = field(default_factory=dict)
    told: bool = True

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the records of a file say."""
        seen = 0
        for record in _records(file):
            seen += 1
            if record.name in STATEMENTS:
                yield from self._heading()
                self.about, self.told = {}, False
            elif record.name in ACCOUNT:
                self.about.setdefault(record.name, record.fields[record.name])
            elif record.name in BANKING | INVESTING:
                yield from self._heading()
                yield from self._transaction(record)
            elif record.name in BALANCES | POSITIONS:
                yield from self._heading()
                yield from self._left(record)
        yield from self._heading()
        if not seen:
            raise NotReadable("no_statement", "The file holds no statement of an account.")

    def _currency(self) -> str:
        return currency_of(self.about.get("CURDEF", "USD"), "CURDEF")

    def _heading(self) -> Iterator[Item]:
        """Yield whose statement it is, once that is known."""
        if self.told:
            return
        self.told = True
        try:
            start, end = (_day_of(self.about.get(name, "")) for name in ("DTSTART", "DTEND"))
            yield Heading(self.about.get("ACCTID", ""), self._currency(), start, end or _day_of(self.about.get("DTASOF", "")))
        except LineRefused:
            yield Heading(self.about.get("ACCTID", ""))

    def _transaction(self, record: _Record) -> Iterator[Item]:
        """Yield the lines that a transaction is, or why it can't be taken."""
        try:
            stated = record.fields.get("DTTRADE") or record.fields.get("DTPOSTED") or ""
            at, day_only = instant(stated)
            transaction = Transaction(record.name, record.fields, at, day_only, self.about.get("ACCTID", ""), self._currency())
            found: list[Happening] = list(happenings(transaction, self.securities))
            if not found:
                yield Skipped(record.line, "internal", f"{record.name}: it moves something between parts of the same account.")
            yield from [self.lines.line(record.line, happening, record.raw) for happening in found]
        except LineRefused as refusal:
            yield Refusal(record.line, refusal.code, str(refusal))

    def _left(self, record: _Record) -> Iterator[Item]:
        """Yield what the file says was left, as far as it can be read."""
        account, said = self.about.get("ACCTID", ""), record.fields
        try:
            if record.name in BALANCES:
                name = "BALAMT" if record.name == "LEDGERBAL" else "AVAILCASH"
                cash = figure(said.get(name, ""), name, Style.EITHER)
                day = _day_of(said.get("DTASOF", "") or self.about.get("DTASOF", ""))
                if cash is not None:
                    yield CashBalance(account, self._currency(), cash, day)
                return
            held, price, value = (figure(said.get(name, ""), name, Style.EITHER) for name in ("UNITS", "UNITPRICE", "MKTVAL"))
            if held is not None:
                hints = Transaction(record.name, said, EARLIEST, True, account, self._currency()).hints(self.securities)
                short = said.get("POSTYPE", "").upper() == "SHORT"
                yield Holding(account, hints, -abs(held) if short else held, price, value, _day_of(said.get("DTPRICEASOF", "")))
        except LineRefused:
            return  # what can't be read of a balance is nothing to compare with


def _records(file: StatementFile) -> Iterator[_Record]:
    """Yield the groups of values that say something as a whole, and the single values about a statement."""
    group: _Group | None = None
    open_: list[str] = []
    for line, closes, tag, text in _tags(file):
        _nest(open_, closes, tag, text, line)
        if group is None:
            if not closes and tag in WHOLE:
                group = _Group(tag, line)
            elif not closes and (tag in STATEMENTS or (tag in ACCOUNT and text)):
                yield _Record(tag, line, {tag: text}, "")
        elif closes and tag == group.name:
            yield _Record(tag, group.line, group.fields, " ".join(f"{name}={said}" for name, said in group.fields.items())[:2000])
            group = None
        elif not closes and (text or tag == CONVERTED):
            group.take(tag, text or "Y")
    if group is not None:
        group.never_closed()


def _nest(open_: list[str], closes: bool, tag: str, text: str, line: int) -> None:
    """Keep what is open: a tag that has no text, until it or what it stands in is closed.

    :raises NotReadable: if too much is
    """
    if not closes and not text:
        open_.append(tag)
        if len(open_) > DEEPEST:
            raise NotReadable("broken_ofx", f"Line {line}: the file is nested deeper than any statement.")
    elif closes and tag in open_:
        while open_.pop() != tag:
            pass


@dataclass(slots=True)
class _Group:
    """A group of values whose end has not come yet."""

    name: str
    line: int
    fields: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, text: str) -> None:
        """Take a value in; of one that comes again the first counts."""
        self.fields.setdefault(name, text)
        if len(self.fields) > MOST_VALUES:
            self.never_closed()

    def never_closed(self) -> None:
        """Refuse the file.

        :raises NotReadable: always
        """
        raise NotReadable("broken_ofx", f"Line {self.line}: {self.name} is never closed; download the file once more.")


def _tags(file: StatementFile) -> Iterator[tuple[int, bool, str, str]]:
    """Yield the tags of a file: the line, whether it closes, its name, and the text behind it."""
    file.refuse_more_than(MOST_TAGS, b"<", "tags")
    text, buffer, line, count = file.open(), "", 1, 0
    while True:
        piece = text.read(CHUNK)
        buffer += piece
        if "<!" in buffer and re.search(r"<!(DOCTYPE|ENTITY|ELEMENT|\[CDATA)", buffer, re.I):
            raise NotReadable(
                "unsafe_xml", "The file declares a document type or entities, which no statement needs: it is not read."
            )
        whole = len(buffer) if not piece else buffer.rfind("<")
        if whole <= 0 and len(buffer) > LONGEST * 16:
            raise NotReadable("broken_ofx", f"Line {line}: a value has more characters than any of a statement.")
        at = 0
        for found in TAG.finditer(buffer, 0, max(whole, 0)):
            line += buffer.count("\n", at, found.start())
            at = found.start()
            count += 1
            said = html.unescape(found["text"][:LONGEST]).replace("\xa0", " ").strip()
            yield line, bool(found["close"]), found["name"].upper(), said
        if count > MOST_TAGS:
            raise NotReadable("too_many_lines", f"The file has more than {MOST_TAGS:,} tags; split it.")
        if not piece:
            return
        if whole > 0:
            line += buffer.count("\n", at, whole)
            buffer = buffer[whole:]


STAMP = re.compile(
    r"(?P<day>\d{8})((?P<time>\d{4}(\d{2})?)(\.\d{1,6})?)? *(\[(?P<offset>[+-]?\d{1,2}(\.\d{1,2})?)(:[^\]]*)?\])?", re.ASCII
)
DAYS = frozenset({"", "0000", "000000", "1200", "120000"})


def instant(text: str) -> tuple[datetime, bool]:
    """Return the instant of a stamp, and whether it is a day: midnight and noon stand for one. Without an offset it is of UTC.

    :raises LineRefused: if it is none

    >>> instant("20190227160000.000[-7:PST]")[0].isoformat(), instant("20190501000000[+2:CEST]")[0].date().isoformat()
    ('2019-02-27T23:00:00+00:00', '2019-05-01')
    """
    found = STAMP.fullmatch(text.strip())
    try:
        if not found:
            raise ValueError
        clock = found["time"] or ""
        whole = clock in DAYS
        offset = timedelta(0) if whole else timedelta(hours=float(found["offset"] or 0))
        hour, minute, second = (0, 0, 0) if whole else (int(clock[:2]), int(clock[2:4]), int(clock[4:] or 0))
        year, month, on = (int(found["day"][part]) for part in (slice(4), slice(4, 6), slice(6, 8)))
        return datetime(year, month, on, hour, minute, second, tzinfo=UTC) - offset, whole
    except (ValueError, OverflowError) as error:
        raise LineRefused("bad_date", f"DTPOSTED: {text[:40]!r} is no time such as 20240131120000[-5:EST].") from error


def _day_of(text: str) -> date | None:
    """Return the day of a stamp, None if there is none."""
    return instant(text)[0].date() if text else None


READERS = (Ofx(),)
