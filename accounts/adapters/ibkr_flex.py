"""Interactive Brokers: the answer to a Flex query as XML, with one or more accounts in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.markup import Element, elements
from accounts.domain.figures import figure
from accounts.domain.happenings import Happening, Lines
from accounts.domain.ibkr import CANCELED, SOURCE, Record, base_currency, cash, order_of, taxed
from accounts.domain.ibkr_actions import booking_of, corporate, transferred
from accounts.domain.ibkr_trades import ended, trade
from accounts.domain.moments import said_day
from accounts.domain.statements import CashBalance, Heading, Holding, Item, LineRefused, Refusal, Skipped, said_with
from accounts.domain.takebacks import settled

ACTION = "CorporateAction"
HEADS = frozenset({"FlexQueryResponse", "FlexStatements", "FlexStatement", "AccountInformation"})
SUMMARY = 'levelOfDetail="DETAIL"'
READ: Mapping[str, Callable[[Record], Iterator[Happening]]] = {
    "Trade": trade,
    "TradeConfirm": trade,
    "CashTransaction": cash,
    "Transfer": transferred,
    "TransactionTax": taxed,
    "SalesTax": taxed,
    "OptionEAE": ended,
}
# as confirmations of trades call what activity statements call otherwise
CONFIRMED = {"commission": "ibCommission", "commissionCurrency": "ibCommissionCurrency", "tax": "taxes", "code": "notes"}
MOST_TOGETHER = 40


class FlexXml:
    """A Flex query as XML."""

    name = "ibkr_flex_xml"
    title = "Interactive Brokers Flex query (XML)"

    def certainty(self, file: StatementFile) -> float:
        """Say whether a file is such an answer."""
        start = file.head.lstrip("\ufeff \r\n\t")
        return 1.0 if (start.startswith("<") and "<FlexQueryResponse" in file.head) or "<FlexStatement " in file.head else 0.0

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the trades, movements of cash, corporate actions and transfers of every account, and its closing figures."""
        reading = _Reading(file.mentions(SUMMARY), file.mentions("<Trade "), order_of(file.head, file.lines))
        yield from settled(reading.items(file), trades=file.mentions(*CANCELED))


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    details: bool
    trades: bool
    order: str
    lines: Lines = field(default_factory=lambda: Lines(SOURCE))
    account: str = ""
    base: str = ""
    heading: Heading | None = None
    start: date | None = None
    end: date | None = None
    actions: list[tuple[int, Record, str]] = field(default_factory=list)
    taxed: set[str] = field(default_factory=set)

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the elements of a file say."""
        seen = 0
        for element in elements(file):
            if element.starts:
                yield from self._element(element)
                seen += element.name == "FlexStatement"
            elif element.name == "FlexStatement":
                yield from self._acted()
                yield from self._headed()
        if not seen:
            raise NotReadable("no_statement", "The XML holds no FlexStatement: run the Flex query again and save its answer.")

    def _element(self, element: Element) -> Iterator[Item]:
        """Yield what one element says."""
        record = Record(_renamed(element), self.base, self.order)
        if element.name not in HEADS:
            yield from self._headed()
        if element.name == "FlexStatement":
            self._begins(record)
        elif element.name == "AccountInformation":
            self.base = base_currency(record.text("currency"))
            self.heading = replace(self.heading or Heading(self.account), currency=self.base, name=record.text("acctAlias"))
        elif element.name == ACTION:
            yield from self._action(element, record)
        elif element.name in READ and element.attributes:
            if element.name in {"TransactionTax", "SalesTax"} or not (self.details and record.text("levelOfDetail") == "SUMMARY"):
                yield from self._lines(element, record)
        else:
            yield from self._left(element.name, record)

    def _begins(self, record: Record) -> None:
        """Begin the statement of an account."""
        self.account, self.base = record.text("accountId"), ""
        self.start, self.end = (said_day(record.text(name).split(";")[0], self.order) for name in ("fromDate", "toDate"))
        self.heading = Heading(self.account, "", self.start, self.end)

    def _headed(self) -> Iterator[Item]:
        """Yield whose statement it was."""
        if self.heading:
            yield self.heading
        self.heading = None

    def _lines(self, element: Element, record: Record) -> Iterator[Item]:
        """Yield the lines that a record is, or why it can't be taken."""
        raw = _raw(element)
        if self._is_said_elsewhere(element.name, record):
            yield Skipped(element.line, "said_elsewhere", f"{element.name}: the trade that it belongs to says it, too.")
            return
        try:
            for happening in list(READ[element.name](record)):
                yield self.lines.line(element.line, self._own(happening), raw)
        except LineRefused as refusal:
            yield Refusal(element.line, refusal.code, str(refusal))

    def _is_said_elsewhere(self, name: str, record: Record) -> bool:
        """Say whether a trade of the file says what a record says: that an option ended, or what tax was paid on the trade."""
        if name == "Trade" and record.text("taxes").strip("0.-"):
            self.taxed.add(record.id("tradeID"))
        return (name == "OptionEAE" and self.trades) or (name == "TransactionTax" and record.id("tradeId") in self.taxed - {""})

    def _own(self, happening: Happening) -> Happening:
        """Return what happened, to the account whose statement it is in where the record does not say."""
        return happening if happening.account else replace(happening, account=self.account)

    def _action(self, element: Element, record: Record) -> Iterator[Item]:
        """Keep a record of a corporate action until its others have come."""
        if self.actions and (booking_of(self.actions[-1][1]) != booking_of(record) or len(self.actions) >= MOST_TOGETHER):
            yield from self._acted()
        self.actions.append((element.line, record, _raw(element)))

    def _acted(self) -> Iterator[Item]:
        """Yield the lines of a corporate action, all of whose records have come."""
        waiting, self.actions = self.actions, []
        if not waiting:
            return
        try:
            told = dict(corporate([record for _, record, _ in waiting]))
            for place, happening in told.items():
                number, _, raw = waiting[place]
                yield self.lines.line(number, self._own(happening), raw)
            yield from said_with(number for place, (number, _, _) in enumerate(waiting) if place not in told)
        except LineRefused as refusal:
            for number, _, _ in waiting:
                yield Refusal(number, refusal.code, str(refusal))

    def _left(self, name: str, record: Record) -> Iterator[Item]:
        """Yield what the file says was left at the end of its period."""
        day = self.end
        try:
            if name == "CashReportCurrency" and (left := record.number("endingCash")) is not None:
                currency = record.text("currency").upper()
                if base_currency(currency):
                    yield CashBalance(record.account() or self.account, currency, left, day)
            if name == "OpenPosition" and record.text("levelOfDetail") in {"", "SUMMARY"}:
                held = figure(record.text("position"), "position")
                if held:
                    account = record.account() or self.account
                    price, value = record.number("markPrice"), record.number("positionValue")
                    yield Holding(account, record.hints(), held, price, value, day)
        except LineRefused:
            return  # what can't be read of a balance is nothing to compare with


def _renamed(element: Element) -> Mapping[str, str]:
    """Return the attributes of an element under the names that activity statements give them."""
    if element.name != "TradeConfirm":
        return element.attributes
    return {CONFIRMED.get(name, name): value for name, value in element.attributes.items()}


def _raw(element: Element) -> str:
    """Return an element about as it stands in the file, without what it leaves empty."""
    said = " ".join(f'{name}="{value}"' for name, value in element.attributes.items() if value)
    return f"<{element.name} {said}/>"[:4000]


READERS = (FlexXml(),)
