"""Portfolio Performance: its CSV exports of transactions, of accounts and of portfolios, in English and German.

"Value" is what moved on the account: fees and taxes are in it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.table import DELIMITERS, Record, Row, head, key, named, read_rows, records
from accounts.domain.contracts import contract_of
from accounts.domain.figures import Style
from accounts.domain.happenings import Happening, Lines, currency_of, flow, transfer
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import listed
from accounts.domain.moments import ISO, day, midnight, moment
from accounts.domain.statements import Holding, InstrumentHints, Item, LineRefused, Refusal
from marketdata.domain.money import plain
from marketdata.domain.spreadsheets import as_it_was

# our names for the columns, and what they are called in English and German exports
NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("Date", "Datum"),
    "time": ("Time", "Uhrzeit", "Zeit"),
    "isin": ("ISIN",),
    "ticker": ("Ticker Symbol", "Symbol", "Ticker-Symbol", "Ticker"),
    "wkn": ("WKN",),
    "security": ("Security Name", "Security", "Wertpapiername", "Wertpapier"),
    "value": ("Value", "Amount", "Wert", "Betrag", "Net Transaction Value", "Gesamtpreis"),
    "net": ("Net Transaction Value", "Gesamtpreis", "Total Price"),
    "currency": ("Transaction Currency", "Buchungswährung", "Currency", "Währung"),
    "fees": ("Fees", "Gebühren"),
    "taxes": ("Taxes", "Steuern"),
    "gross": ("Gross Amount", "Bruttobetrag"),
    "gross_currency": ("Currency Gross Amount", "Währung Bruttobetrag"),
    "rate": ("Exchange Rate", "Wechselkurs"),
    "shares": ("Shares", "Stück", "Bestand"),
    "quote": ("Quote", "Kurs"),
    "type": ("Type", "Typ"),
    "note": ("Note", "Notiz"),
    "account": ("Cash Account", "Konto", "Securities Account", "Depot", "Account"),
    "other": ("Offset Account", "Gegenkonto"),
    "market_value": ("Market Value", "Marktwert"),
}
OURS = {key(spelled): ours for ours, spellings in reversed(list(NAMES.items())) for spelled in reversed(spellings)}
GERMAN = frozenset(map(key, ("Datum", "Typ", "Wert", "Betrag", "Gebühren", "Steuern", "Stück", "Wertpapiername", "Notiz")))
AMOUNT = re.compile(r"(?P<before>[A-Z]{3})?\s*(?P<number>[^A-Z]+?)\s*(?P<after>[A-Z]{3})?", re.ASCII)
COMMA, POINT = re.compile(r"\d,(\d{1,2}|\d{4,})(?!\d)", re.ASCII), re.compile(r"\d\.(\d{1,2}|\d{4,})(?!\d)", re.ASCII)
ENOUGH = 4

TYPES: Mapping[str, str] = {
    "buy": "BUY", "kauf": "BUY", "sell": "SELL", "verkauf": "SELL", "deposit": "FLOW", "einlage": "FLOW", "removal": "OUT",
    "entnahme": "OUT", "dividend": "DIVIDEND", "dividends": "DIVIDEND", "dividende": "DIVIDEND", "interest": "INTEREST",
    "zinsen": "INTEREST", "interestcharge": "CHARGE", "zinsbelastung": "CHARGE", "fees": "FEE", "fee": "FEE", "gebühren": "FEE",
    "feesrefund": "REFUND_FEE", "gebührenerstattung": "REFUND_FEE", "taxes": "TAX", "tax": "TAX", "steuern": "TAX",
    "taxrefund": "REFUND_TAX", "steuerrückerstattung": "REFUND_TAX", "steuererstattung": "REFUND_TAX",
    "deliveryinbound": "IN", "einlieferung": "IN", "deliveryoutbound": "AWAY", "auslieferung": "AWAY",
    "transferin": "MOVED_IN", "transferinbound": "MOVED_IN", "securitytransferinbound": "MOVED_IN",
    "umbuchungeingang": "MOVED_IN",
    "transferout": "MOVED_OUT", "transferoutbound": "MOVED_OUT", "securitytransferoutbound": "MOVED_OUT",
    "umbuchungausgang": "MOVED_OUT",
}  # fmt: skip


class PortfolioPerformance:
    """The CSV exports of Portfolio Performance."""

    name = "portfolio_performance"
    title = "Portfolio Performance (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is: some names of columns are its own, others might be anybody's."""
        found = _headings(file)
        if found is None:
            return 0.0
        spelled = set(map(key, found[1].cells))
        there = {OURS[name] for name in spelled if name in OURS}
        own = {"gross", "gross_currency", "wkn", "quote", "other", "currency"} & there
        words = {
            key(name) for name in ("Security Name", "Wertpapiername", "Ticker Symbol", "Ticker-Symbol", "Transaction Currency")
        }
        words |= {
            key(name) for name in ("Buchungswährung", "Offset Account", "Gegenkonto", "Net Transaction Value", "Gesamtpreis")
        }
        if words & spelled and len(there) > ENOUGH:
            return 1.0
        if "market_value" in there:
            return 0.85
        return min(0.9, 0.5 + 0.1 * len(own) + (0.3 if {"fees", "taxes", "shares", "note"} <= there else 0))

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the transactions, or the holdings where the export is a list of these."""
        found = _headings(file)
        if found is None:
            raise NotReadable(
                "missing_columns", "No line names the columns of an export: Date, Type, Value (or Datum, Typ, Wert)."
            )
        delimiter, first = found
        names = [OURS.get(name, name) for name in named(first.cells)]
        yield from _Reading(file, delimiter, first.number, names, _style(file, delimiter, first), zone).items()


def _headings(file: StatementFile) -> tuple[str, Record] | None:
    """Return what separates the columns, and the row with their names; None if there is none."""
    for delimiter in DELIMITERS:
        if delimiter in file.head:
            for row in head(file, delimiter):
                there = {OURS[name] for name in map(key, row.cells) if name in OURS}
                if {"date", "value"} <= there and {"type", "shares"} & there:
                    return delimiter, row
                if {"shares", "security"} <= there and {"market_value", "isin"} <= there and "date" not in there:
                    return delimiter, row
    return None


def _style(file: StatementFile, delimiter: str, first: Record) -> Style:
    """Return how the file separates the fraction of a number: as most of its numbers show, and else as its language does."""
    seen: Counter[Style] = Counter()
    for row in head(file, delimiter):
        for cell in row.cells:
            seen[Style.COMMA] += bool(COMMA.search(cell))
            seen[Style.POINT] += bool(POINT.search(cell) and not re.search(r"\d{1,2}\.\d{1,2}\.\d{4}", cell))
    if seen[Style.COMMA] != seen[Style.POINT]:
        return Style.COMMA if seen[Style.COMMA] > seen[Style.POINT] else Style.POINT
    return Style.COMMA if len(GERMAN & set(map(key, first.cells))) > 1 else Style.POINT


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    file: StatementFile
    delimiter: str
    first: int
    names: list[str]
    style: Style
    zone: ZoneInfo
    lines: Lines = field(default_factory=lambda: Lines("portfolio_performance"))

    def items(self) -> Iterator[Item]:
        """Yield what the rows say."""
        for record in records(self.file, self.delimiter):
            if record.number <= self.first:
                continue
            if record.problem:
                yield Refusal(record.number, "bad_csv", record.problem)
                continue
            cells: dict[str, str] = {}
            for name, cell in zip(self.names, record.cells, strict=False):
                if cell.strip() or name not in cells:
                    cells[name] = cell
            row = Row(record.number, {key(name): cell for name, cell in cells.items()}, record.raw.strip(), self.style)
            yield from self._row(row)

    def _row(self, row: Row) -> Iterator[Item]:
        """Yield what a row says: a transaction, or what is held."""
        if "date" in self.names:
            yield from read_rows([row], self.lines, self._happenings)
            return
        try:
            held, (value, _) = row.units("shares"), _amount(row, "market_value")
            if held:
                yield Holding("", _hints(row), held, _amount(row, "quote")[0], value)
        except LineRefused as refusal:
            yield Refusal(row.number, refusal.code, str(refusal))

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a transaction says."""
        at, day_only, names_zone = self._at(row)
        value, code = _amount(row, "net") if row.text("net") else _amount(row, "value")
        currency = row.text("currency") or code
        shares = row.units("shares") or ZERO
        if value is None:
            raise LineRefused("missing_value", "Value: the cell is empty; fill it in.")
        made = Happening(
            kind=EntryKind.NOTE,
            at=at,
            day_only=day_only,
            names_zone=names_zone,
            currency=currency_of(currency, "Transaction Currency") if currency else "",
            hints=_hints(row),
            quantity=abs(shares),
            fee=abs(_amount(row, "fees")[0] or ZERO),
            tax=abs(_amount(row, "taxes")[0] or ZERO),
            notes=as_it_was(row.text("note")),
            account=row.text("account"),
            data=_foreign(row),
        )
        yield _of_type(row, made, _type_of(row, value, shares), abs(value))

    def _at(self, row: Row) -> tuple[datetime, bool, bool]:
        """Return when it happened, whether only its day is known, and whether its zone is; the column of the time wins."""
        said = row.needed_text("date")
        on, clock = re.split(r"T|,? ", said, maxsplit=1) if re.search(r"\d(T|,? )\d", said) else (said, "")
        clock = row.text("time") or clock
        that_day = day(on, "Date", ISO)
        if not clock or re.fullmatch(r"0?0:00(:00(\.0+)?)?", clock):
            return midnight(that_day), True, True
        return moment(that_day, clock, "Time", self.zone), False, False


def _type_of(row: Row, value: Decimal, shares: Decimal) -> str:
    """Return the type of a transaction; where none is stated, what moved tells: money that went for units bought them."""
    said = key(row.text("type"))
    if said in TYPES:
        return TYPES[said]
    if said:
        raise LineRefused(
            "unknown_type", f"Type: {row.text('type')[:60]!r} is not known; write it as Portfolio Performance does."
        )
    if shares and (row.text("isin") or row.text("ticker") or row.text("wkn") or row.text("security")):
        return "BUY" if value < 0 else "SELL"
    if row.text("isin") or row.text("ticker") or row.text("security"):
        return "DIVIDEND" if value > 0 else "TAX"
    return "FLOW" if value > 0 else "OUT"


def _of_type(row: Row, made: Happening, kind: str, value: Decimal) -> Happening:
    """Return what a transaction of a type is; the value is a magnitude."""
    if kind in {"BUY", "SELL"}:
        return replace(made, kind=EntryKind(kind), cash=-value if kind == "BUY" else value, price=None)
    if kind in {"IN", "AWAY", "MOVED_IN", "MOVED_OUT"}:
        return _moved(made, inward=kind in {"IN", "MOVED_IN"}, value=value)
    plain_one = replace(made, quantity=ZERO, fee=ZERO)
    if kind in {"FLOW", "OUT"}:
        cash = value if kind == "FLOW" else -value
        return replace(plain_one, kind=flow(cash), cash=cash, tax=ZERO, hints=InstrumentHints())
    if kind in {"DIVIDEND", "INTEREST"}:
        return replace(plain_one, kind=EntryKind(kind), cash=value, fee=made.fee)
    if kind == "CHARGE":
        return replace(plain_one, kind=EntryKind.INTEREST, cash=-value, tax=ZERO)
    entry = EntryKind.TAX if kind.endswith("TAX") else EntryKind.FEE
    return replace(plain_one, kind=entry, cash=value if kind.startswith("REFUND") else -value, tax=ZERO)


def _moved(made: Happening, *, inward: bool, value: Decimal) -> Happening:
    """Return what was delivered, or moved between accounts: units at what they were worth, or money."""
    sign = 1 if inward else -1
    kind = transfer(Decimal(sign))
    if not made.quantity or not made.hints.key:
        return replace(made, kind=kind, quantity=ZERO, cash=value * sign, hints=InstrumentHints(), fee=ZERO, tax=ZERO)
    costs = {name: plain(cost) for name, cost in (("fee", made.fee), ("tax", made.tax)) if cost}
    worth = value - made.fee - made.tax if inward else value + made.fee + made.tax
    data = {**made.data, "amount": plain(value), **({"cost": plain(value)} if inward else {}), **costs}
    return replace(made, kind=kind, price=worth / made.quantity, cash=ZERO, fee=ZERO, tax=ZERO, data=data)


def _amount(row: Row, name: str) -> tuple[Decimal | None, str]:
    """Return an amount and the currency written beside it, if there is one."""
    said = row.text(name)
    found = AMOUNT.fullmatch(said)
    code = (found["before"] or found["after"] or "") if found else ""
    return row.money(name), code


def _foreign(row: Row) -> dict[str, str]:
    """Return what a transaction was worth in another currency, as the file says it."""
    gross, rate = row.money("gross"), row.number_in("rate")
    currency = row.text("gross_currency")
    if gross is None or not currency or currency == row.text("currency"):
        return {}
    return {"gross_amount": f"{plain(abs(gross))} {currency}", **({"rate": plain(rate)} if rate else {})}


def _hints(row: Row) -> InstrumentHints:
    """Return what a transaction says about its instrument."""
    ticker, name = row.text("ticker"), as_it_was(row.text("security"))
    if contract := contract_of(ticker):
        return InstrumentHints(exchange="OPRA", name=name, asset_class="OPTION", contract=contract)
    hints = listed(ticker) if ticker else InstrumentHints()
    return replace(hints, isin=row.text("isin").upper() or hints.isin, wkn=row.text("wkn").upper(), name=name)


READERS = (PortfolioPerformance(),)
