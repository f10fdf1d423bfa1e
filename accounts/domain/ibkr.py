"""What Interactive Brokers says in the records of a Flex query, which are the same in XML and CSV.

Times are of New York unless the account was set otherwise. A trade is known by its tradeID, a movement of cash by its
transactionID; both may be left out of a query, or blackened, and then the content is what a record is known by.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from accounts.domain.contracts import contract_of
from accounts.domain.figures import figure, money
from accounts.domain.happenings import Happening, currency_of, first_of, flow
from accounts.domain.ledger import EntryKind
from accounts.domain.listings import VENUES, coin, identified
from accounts.domain.moments import DAY_FIRST, ISO, US, day, midnight, stamp
from accounts.domain.statements import LONGEST_SYMBOL, NO_SIGN, Contract, InstrumentHints, LineRefused, Rate
from marketdata.domain.instruments import isin_is_valid
from marketdata.domain.money import UnknownCurrency, major_unit

SOURCE = "ibkr"
NEW_YORK = ZoneInfo("America/New_York")
CLASSES = {"STK": "EQUITY", "OPT": "OPTION", "FUT": "FUTURE", "FOP": "OPTION", "BOND": "BOND", "BILL": "BOND", "FUND": "FUND",
           "CRYPTO": "CRYPTO", "CMDTY": "COMMODITY", "WAR": "EQUITY", "IOPT": "EQUITY"}  # fmt: skip
RIGHTS = {"C": "CALL", "P": "PUT"}
PERCENT = Decimal("0.01")
BEFORE_TIME = re.compile(r"[;, ]|(?<=\d)T")
# a day that may be written in two orders, alone in its cell or before a time
SLASHED = re.compile(r"(?:^|[\"',;\t|])(?P<one>\d{1,2})/(?P<two>\d{1,2})/(?:\d{4}|\d{2})(?=$|[\"',;\t| T\r\n])", re.ASCII | re.M)
MONTHS = 12
COIN = re.compile(r"(?P<base>[A-Z0-9]{2,10})(?:[.-]|$)", re.ASCII)  # BTC.USD-PAXOS
# what a file says somewhere that takes back trades, or actions that were sales
CANCELED = ("TradeCancel", "(Ca.)", '"Ca"', ",Ca,")
GENUINE_ID = re.compile(r"\d{1,30}", re.ASCII)


def order_of(head: str, lines: Callable[[], Iterable[str]]) -> str:
    """Return in which order days are written, which only the whole file may tell: ISO where it does not.

    >>> order_of('"04/03/2024"', lambda: ['"04/03/2024"', '"25/03/2024;093000"'])
    'DD-MM-YYYY'
    """
    if not SLASHED.search(head):
        return ISO
    orders = set()
    for line in lines():
        for found in SLASHED.finditer(line):
            orders |= {DAY_FIRST} if int(found["one"]) > MONTHS else {US} if int(found["two"]) > MONTHS else set()
    return orders.pop() if len(orders) == 1 else ISO


@cache
def plain_name(name: str) -> str:
    """Return the name of a field without case and signs."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


class Record:
    """One record of a query: its fields by their names, which differ in case and signs between XML and CSV."""

    def __init__(self, fields: Mapping[str, str], base: str = "", order: str = ISO) -> None:
        self.fields = {plain_name(name): value for name, value in fields.items()}
        self.base = base
        self.order = order

    def text(self, *names: str) -> str:
        """Return the first of some fields that says something."""
        return first_of(
            *("" if (said := self.fields.get(plain_name(name), "").strip()) in {"--", "N/A"} else said for name in names)
        )

    def number(self, *names: str) -> Decimal | None:
        """Return the first of some fields that states a number."""
        return next((found for name in names if (found := figure(self.fields.get(plain_name(name), ""), name)) is not None), None)

    def turned(self, *names: str) -> "Record":
        """Return the record with some of its numbers turned round."""
        turned = {plain_name(name): f"{-number:f}" for name in names if (number := self.number(name))}
        return Record(self.fields | turned, self.base, self.order)

    def amount(self, *names: str) -> Decimal:
        """Return such a number, which has to be there.

        :raises LineRefused: if it is not
        """
        number = self.number(*names)
        if number is None:
            raise LineRefused("missing_value", f"{names[0]}: nothing is stated; add the field to the Flex query.")
        return money(number, names[0])

    def currency(self) -> str:
        """Return the currency of the record's money."""
        return currency_of(first_of(self.text("currency", "currencyPrimary"), self.base), "currency")

    def rate(self) -> Rate | None:
        """Return what the record's currency was worth in the account's."""
        value = self.number("fxRateToBase")
        return Rate(self.base, value) if value and value > 0 and self.base and value != 1 else None

    def id(self, *names: str) -> str:
        """Return the first of some ids that is none of the marks put over masked ones."""
        return next((said for name in names if GENUINE_ID.fullmatch(said := self.text(name)) and said.strip("0")), "")

    def account(self) -> str:
        """Return the account as the broker calls it."""
        return "" if (said := self.text("accountId", "clientAccountID")) == "-" else said

    def booked(self) -> datetime:
        """Return the day on which money moved: that of the report, which is the one the balance is of."""
        said = self.text("reportDate", "settleDate", "date", "dateTime", "tradeDate")
        if not said:
            raise LineRefused("missing_value", "reportDate: nothing is stated; add Report Date to the Flex query.")
        return midnight(self.day(BEFORE_TIME.split(said)[0], "reportDate"))

    def day(self, text: str, name: str) -> date:
        """Return the day that a field states.

        :raises LineRefused: if it states none, or may mean two
        """
        if self.order == ISO and SLASHED.match(text):
            raise LineRefused(
                "bad_date",
                f"{name}: {text[:20]!r} may mean two days, and no other day of the file decides which: set the date format of "
                "the Flex query to yyyyMMdd.",
            )
        return day(text, name, self.order)

    def traded(self) -> tuple[datetime, bool]:
        """Return when a trade was done, and whether only its day is known."""
        said = self.text("dateTime", "date/time", "tradeDate")
        if not said:
            raise LineRefused("missing_value", "dateTime: nothing is stated; add Date/Time or Trade Date to the Flex query.")
        if not BEFORE_TIME.search(said) and (clock := self.text("tradeTime")):
            said = f"{self.text('tradeDate', 'dateTime')};{clock}"
        self.day(BEFORE_TIME.split(said)[0], "dateTime")
        return stamp(said, "dateTime", NEW_YORK, self.order)

    def hints(self) -> InstrumentHints:
        """Return what the record says about its instrument."""
        category = self.text("assetCategory", "assetClass").upper()
        if category == "CRYPTO" and (found := COIN.match(self.text("symbol").upper())):
            return coin(found["base"], self.text("currency", "currencyPrimary").upper())
        sub = self.text("subCategory").upper()
        listed = self.text("listingExchange")
        symbol = re.sub(r"\s+", " ", self.text("symbol").upper())
        contract = self._contract() if category in {"OPT", "FOP"} else None
        multiplier = self.number("multiplier")
        if category in {"BOND", "BILL"} and multiplier in {None, 1}:
            multiplier = PERCENT
        numbers = {name: said for name in ("isin", "cusip", "figi") if (said := self.text(name).upper())}
        if not isin_is_valid(numbers.get("isin", "")):  # kept by no instrument, so nothing would be known by it again
            numbers.pop("isin", None)
        return InstrumentHints(
            **(identified(self.text("securityID"), self.text("securityIDType")) | numbers),
            broker_id=self.text("conid"),
            symbol=_plain_symbol(symbol, listed),
            exchange="OPRA" if contract else VENUES.get(listed.upper(), ""),
            venue=listed,
            name=self.text("description") if self.text("assetCategory", "assetClass") and self.text("quantity") else "",
            asset_class="ETF" if sub == "ETF" else CLASSES.get(category, ""),
            currency=self.text("currency", "currencyPrimary").upper(),
            multiplier=multiplier if multiplier and multiplier != 1 else None,
            contract=contract,
        )

    def _contract(self) -> Contract | None:
        """Return the option that the record is about."""
        right, strike, expiry = (
            RIGHTS.get(self.text("putCall", "put/call")[:1].upper()),
            self.number("strike"),
            self.text("expiry"),
        )
        under = self.text("underlyingSymbol")
        if right and strike and expiry and under:
            return Contract(under.upper(), self.day(expiry, "expiry"), right, strike)
        return contract_of(self.text("symbol"), self.text("description"))


def _plain_symbol(symbol: str, listed: str) -> str:
    """Return a symbol without the ending of an exchange that is stated beside it, and class shares as US exchanges write them."""
    root, point, ending = symbol.rpartition(".")
    if point and ending in {"L", "DE", "PA", "AS", "MI", "SW", "TO"} and listed:
        return root
    if re.fullmatch(r"[A-Z]{1,5} [A-Z]{1,2}", symbol):
        return symbol.replace(" ", ".")
    return NO_SIGN.sub("-", symbol).strip("-")[:LONGEST_SYMBOL] if " " in symbol else symbol  # a bond: "T 4 1/4 11/15/34"


def cash(record: Record) -> Iterator[Happening]:
    """Yield what a record of a movement of cash says."""
    amount, kind = record.amount("amount"), record.text("type")
    entry = _kind_of_cash(kind.casefold(), record.text("description"), amount)
    if entry is None:
        raise LineRefused("unknown_type", f"type: {kind[:60]!r} is not known; enter the line by hand, and tell us of it.")
    hints = record.hints()
    number = record.id("transactionID")
    paid = record.text("dateTime")[:8] or record.text("settleDate")
    takes_back = entry in {EntryKind.DIVIDEND, EntryKind.RETURN_OF_CAPITAL} and amount < 0
    yield Happening(
        kind=entry,
        at=record.booked(),
        day_only=True,
        currency=record.currency(),
        hints=hints,
        cash=amount,
        notes=record.text("description"),
        id=number,
        group=f"{hints.broker_id or hints.key}|{paid}" if hints.key and paid else "",
        account=record.account(),
        rate=record.rate(),
        takes_back=takes_back,
    )


def _kind_of_cash(kind: str, description: str, amount: Decimal) -> EntryKind | None:
    """Return the kind of entry that a movement of cash is."""
    if kind.startswith("dividends") or kind.startswith("payment in lieu") or kind == "dividend":
        return EntryKind.RETURN_OF_CAPITAL if "RETURN OF CAPITAL" in description.upper() else EntryKind.DIVIDEND
    if "interest" in kind or "income" in kind:
        return EntryKind.INTEREST
    if "withholding" in kind or "tax" in kind:
        return EntryKind.TAX
    if "deposit" in kind or "withdrawal" in kind or kind in {"electronic fund transfer", "disbursement"}:
        return flow(amount)
    return EntryKind.FEE if "fee" in kind or "commission" in kind or kind in {"price adjustments", "advisor"} else None


def base_currency(text: str) -> str:
    """Return the currency of an account, or nothing if the text is none."""
    try:
        return major_unit(text.strip().upper())[0]
    except UnknownCurrency:
        return ""


def taxed(record: Record) -> Iterator[Happening]:
    """Yield what a record of a tax on trades, or on services, says."""
    yield Happening(
        kind=EntryKind.TAX,
        at=record.booked(),
        day_only=True,
        currency=record.currency(),
        hints=record.hints(),
        cash=record.amount("taxAmount", "salesTax"),
        notes=record.text("taxDescription", "taxableDescription"),
        id=record.id("transactionID"),
        account=record.account(),
        rate=record.rate(),
    )
