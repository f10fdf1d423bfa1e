"""What the transactions of an OFX statement mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from accounts.domain.contracts import UNITS, contract_of
from accounts.domain.figures import Style, figure, money, units
from accounts.domain.happenings import Happening, currency_of, first_of, flow, transfer
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import in_percent
from accounts.domain.moments import day
from accounts.domain.statements import Contract, InstrumentHints, LineRefused, Rate
from marketdata.domain.money import plain

CLASSES = {"STOCKINFO": "EQUITY", "MFINFO": "FUND", "DEBTINFO": "BOND", "OPTINFO": "OPTION", "POSOPT": "OPTION"}
OPENS_SHORT = frozenset({"SELLSHORT", "SELLTOOPEN"})
CLOSES_SHORT = frozenset({"BUYTOCOVER", "BUYTOCLOSE"})
COSTS = ("COMMISSION", "FEES", "LOAD", "MARKUP", "MARKDOWN", "PENALTY")
TAXES = ("TAXES", "WITHHOLDING", "STATEWITHHOLDING")
ENDS = {"EXPIRE": EntryKind.OPTION_EXPIRATION, "EXERCISE": EntryKind.OPTION_EXERCISE, "ASSIGN": EntryKind.OPTION_ASSIGNMENT}
OF_BANKS = {"INT": EntryKind.INTEREST, "DIV": EntryKind.INTEREST, "FEE": EntryKind.FEE, "SRVCHG": EntryKind.FEE}
CONVERTED = "ORIGCURRENCY"  # the amounts were converted into the currency of the account
DAY_LENGTH = 8


def _figure(text: str, name: str) -> Decimal | None:
    """Return a number: its fraction may stand behind a point or a comma, and thousands are never separated."""
    return figure(text, name, Style.EITHER)


@dataclass(frozen=True, slots=True)
class Security:
    """What the list of securities says about one."""

    name: str
    fields: Mapping[str, str]

    def contract(self) -> Contract | None:
        """Return the option that it is, by its terms or its symbol."""
        said = self.fields
        known = contract_of(said.get("TICKER", ""), said.get("SECNAME", ""))
        if known or self.name != "OPTINFO":
            return known
        strike, right = _figure(said.get("STRIKEPRICE", ""), "STRIKEPRICE"), said.get("OPTTYPE", "").upper()
        root = said.get("TICKER", "").split(" ")[0]
        if not strike or right not in {"CALL", "PUT"} or not root:
            return None
        return Contract(root, day(said.get("DTEXPIRE", "")[:DAY_LENGTH], "DTEXPIRE"), right, strike)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction: its values by their names, and what its statement says."""

    name: str
    fields: Mapping[str, str]
    at: datetime
    day_only: bool
    account: str
    currency: str

    def text(self, name: str) -> str:
        """Return a value, empty if it is not stated."""
        return self.fields.get(name, "")

    def number(self, *names: str) -> Decimal:
        """Return the sum of some values."""
        return sum((_figure(self.text(name), name) or ZERO for name in names), ZERO)

    def total(self) -> Decimal:
        """Return the money that moved.

        :raises LineRefused: if it is not stated
        """
        said = _figure(first_of(self.text("TOTAL"), self.text("TRNAMT")), "TOTAL")
        if said is None:
            raise LineRefused("missing_amount", "TOTAL: the transaction does not say how much money moved.")
        return money(said, "TOTAL")

    def hints(self, securities: Mapping[str, Security]) -> InstrumentHints:
        """Return what the file says about the instrument."""
        number, kind = self.text("UNIQUEID"), self.text("UNIQUEIDTYPE").upper()
        security = securities.get(number) or Security("", {})
        contract = security.contract()
        numbers = {kind.lower(): number} if kind in {"ISIN", "CUSIP", "FIGI", "WKN"} else {}
        said = security.fields
        symbol = first_of(said.get("TICKER", ""), number if kind == "TICKER" else "").upper()
        return InstrumentHints(
            **numbers,
            broker_id="" if numbers else number,
            symbol="" if contract else symbol,
            exchange="OPRA" if contract else "",
            name=said.get("SECNAME", ""),
            asset_class="OPTION" if contract else CLASSES.get(security.name, ""),
            currency=self.currency,
            multiplier=(_figure(said.get("SHPERCTRCT", ""), "SHPERCTRCT") or UNITS) if contract else None,
            contract=contract,
        )


def happenings(transaction: Transaction, securities: Mapping[str, Security]) -> Iterator[Happening]:
    """Yield what a transaction says; nothing for one between parts of the same account.

    :raises LineRefused: if it says too little
    """
    name = transaction.name
    symbol = "" if transaction.text(CONVERTED) else transaction.text("CURSYM")
    made = Happening(
        kind=EntryKind.NOTE,
        at=transaction.at,
        day_only=transaction.day_only,
        currency=currency_of(symbol, "CURSYM") if symbol else transaction.currency,
        hints=transaction.hints(securities) if transaction.text("UNIQUEID") else InstrumentHints(),
        notes=" - ".join(dict.fromkeys(filter(None, (transaction.text("NAME"), transaction.text("MEMO"))))),
        id=transaction.text("FITID"),
        weak_id=True,
        account=transaction.account,
        rate=_rate(transaction, symbol),
    )
    if name == "STMTTRN":
        yield _of_bank(transaction, made)
    elif name.startswith(("BUY", "SELL")):
        yield _trade(transaction, made)
    elif name == "REINVEST":
        yield from _reinvested(transaction, made)
    elif name in {"INCOME", "INVEXPENSE", "MARGININTEREST", "RETOFCAP"}:
        yield _of_cash(transaction, made)
    elif name in {"TRANSFER", "SPLIT", "CLOSUREOPT"}:
        yield _of_units(transaction, made)


def _rate(transaction: Transaction, symbol: str) -> Rate | None:
    """Return what the currency of the amounts was worth in that of the account, where it is another one."""
    rate = _figure(transaction.text("CURRATE"), "CURRATE") if symbol else None
    return Rate(transaction.currency, rate) if rate and rate > 0 and symbol.upper() != transaction.currency else None


def _of_bank(transaction: Transaction, made: Happening) -> Happening:
    """Return a movement of money, of a bank's account or of the cash of a broker's."""
    cash, kind = transaction.total(), transaction.text("TRNTYPE").upper()
    if not cash:
        raise LineRefused("nothing_moved", "TRNAMT: the transaction moves nothing; leave it out.")
    entry = OF_BANKS.get(kind) or (transfer(cash) if kind == "XFER" else flow(cash))
    return replace(made, kind=entry, cash=cash, hints=InstrumentHints())


def _trade(transaction: Transaction, made: Happening) -> Happening:
    """Return a purchase or a sale."""
    quantity, price = transaction.number("UNITS"), _figure(transaction.text("UNITPRICE"), "UNITPRICE")
    said = {transaction.text(name).upper() for name in ("BUYTYPE", "SELLTYPE", "OPTBUYTYPE", "OPTSELLTYPE")}
    if transaction.name.startswith("BUY"):
        kind = EntryKind.COVER if said & CLOSES_SHORT else EntryKind.BUY
    else:
        kind = EntryKind.SHORT if said & OPENS_SHORT else EntryKind.SELL
    total = abs(transaction.total())
    cash = -total if transaction.name.startswith("BUY") else total
    hints, accrued = made.hints, abs(transaction.number("ACCRDINT"))
    if price and not hints.contract:
        hints = in_percent(hints, quantity, price, total - accrued)
    data = {"accrued_interest": plain(accrued)} if accrued else {}
    fee, tax = (money(abs(transaction.number(*names)), names[0]) for names in (COSTS, TAXES))
    made = replace(made, hints=hints, fee=fee, tax=tax, data=data)
    return replace(made, kind=kind, quantity=units(quantity, "UNITS"), price=price, cash=cash)


def _reinvested(transaction: Transaction, made: Happening) -> Iterator[Happening]:
    """Yield the dividend and the purchase that a reinvestment is."""
    total = abs(transaction.total())
    quantity, price = units(transaction.number("UNITS"), "UNITS"), _figure(transaction.text("UNITPRICE"), "UNITPRICE")
    earned = EntryKind.INTEREST if transaction.text("INCOMETYPE").upper() == "INTEREST" else EntryKind.DIVIDEND
    yield replace(made, kind=earned, cash=total, id=f"{made.id}/income", group=made.id)
    fee = money(abs(transaction.number(*COSTS)), "COMMISSION")
    bought = replace(made, kind=EntryKind.BUY, quantity=quantity, price=price, cash=-total, fee=fee)
    yield replace(bought, id=f"{made.id}/units", group=made.id)


def _of_cash(transaction: Transaction, made: Happening) -> Happening:
    """Return what moved money because of an instrument, or of a loan."""
    total, name = transaction.total(), transaction.name
    if name == "INVEXPENSE":
        return replace(made, kind=EntryKind.FEE, cash=-abs(total))
    if name == "MARGININTEREST":
        return replace(made, kind=EntryKind.INTEREST, cash=-abs(total), hints=InstrumentHints())
    if name == "RETOFCAP":
        return replace(made, kind=EntryKind.RETURN_OF_CAPITAL, cash=total)
    if transaction.text("INCOMETYPE").upper() == "INTEREST":
        return replace(made, kind=EntryKind.INTEREST, cash=total)
    tax = money(abs(transaction.number(*TAXES)), "WITHHOLDING")
    return replace(made, kind=EntryKind.DIVIDEND, cash=total, tax=tax if total > 0 else ZERO, takes_back=total < 0)


def _of_units(transaction: Transaction, made: Happening) -> Happening:
    """Return what moved units: a transfer, a split, or the end of an option."""
    moved = units(transaction.number("UNITS"), "UNITS")
    if transaction.name == "TRANSFER":
        out = transaction.text("TFERACTION").upper() == "OUT" or moved < 0
        kind = EntryKind.TRANSFER_OUT if out else EntryKind.TRANSFER_IN
        price = _figure(first_of(transaction.text("AVGCOSTBASIS"), transaction.text("UNITPRICE")), "UNITPRICE")
        return replace(made, kind=kind, quantity=moved, price=price, cash=ZERO)
    if transaction.name == "CLOSUREOPT":
        kind = ENDS.get(transaction.text("OPTACTION").upper(), EntryKind.OPTION_EXPIRATION)
        return replace(made, kind=kind, quantity=moved, cash=ZERO)
    top, bottom = transaction.text("NUMERATOR"), transaction.text("DENOMINATOR")
    change = units(transaction.number("NEWUNITS") - transaction.number("OLDUNITS"), "NEWUNITS")
    cash = money(transaction.number("FRACCASH"), "FRACCASH")
    return replace(
        made, kind=EntryKind.SPLIT, quantity=change, cash=cash, data={"ratio": f"{top}:{bottom}"} if top and bottom else {}
    )
