"""A statement as values: what a file says, line by line, before the ledger is asked.

A reader yields these in the order of the file: lines, refusals of lines, and facts beside the lines (whose account it is, from
when to when, what the file says was left at its end).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from accounts.domain.ledger import EXACT, HALF_A_CENT, ZERO, EntryDraft, expected_cash, with_cash
from marketdata.domain.money import round_to

CENT_PLACES, PRICE_PLACES = 2, 10
LONGEST_SYMBOL = 24
NO_SIGN = re.compile(r"[^A-Z0-9]+")  # of a symbol that is made of a name


class LineRefused(ValueError):
    """The line can't be taken; `code` says in which way, the text why and what to do."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not taken, and why."""

    line: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Another entry, by the id its source gives it."""

    source: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Contract:
    """An option, by its terms."""

    underlying: str
    expiry: date
    right: str
    strike: Decimal

    @property
    def symbol(self) -> str:
        """The symbol that the options industry gives it.

        >>> Contract("AAPL", date(2013, 1, 19), "CALL", Decimal("450")).symbol
        'AAPL130119C00450000'
        """
        return f"{self.underlying}{self.expiry:%y%m%d}{self.right[0]}{int(self.strike * 1000):08d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentHints:
    """What a file says about an instrument; empty is what it does not say.

    `exchange` is a MIC, `venue` the exchange as the file calls it, `currency` what its prices are quoted in (GBX stays GBX),
    `multiplier` how many units of the price one unit of the quantity is (100 of a US option, 0.01 of a bond quoted in percent).
    """

    isin: str = ""
    figi: str = ""
    cusip: str = ""
    wkn: str = ""
    broker_id: str = ""
    symbol: str = ""
    exchange: str = ""
    venue: str = ""
    name: str = ""
    asset_class: str = ""
    currency: str = ""
    multiplier: Decimal | None = None
    contract: Contract | None = None

    @property
    def key(self) -> str:
        """The shortest name that means the instrument: SYMBOL:MIC, a symbol, or else one of its numbers.

        >>> InstrumentHints(symbol="SAP", exchange="XETR").key, InstrumentHints(isin="DE0007164600", name="SAP SE").key
        ('SAP:XETR', 'DE0007164600')
        """
        if self.contract:
            return self.contract.symbol
        if self.symbol:
            return f"{self.symbol}:{self.exchange}" if self.exchange else self.symbol
        return self.isin or self.figi or self.cusip or self.wkn or self.name

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers by which the country of an instrument knows it."""
        return tuple(number for number in (self.cusip, self.wkn) if number)

    @property
    def name_as_symbol(self) -> str:
        """The symbol that is made of its name, where it is all that a file says.

        >>> InstrumentHints(name="My Flat (2nd)").name_as_symbol
        'MY-FLAT-2ND'
        """
        return NO_SIGN.sub("-", self.name.upper()).strip("-")[:LONGEST_SYMBOL]

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells this instrument from others of the same file."""
        return (self.isin or self.figi or self.cusip or self.broker_id, self.key)


NO_HINTS = InstrumentHints()


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a line's currency was worth in another on its day, as the file says."""

    currency: str
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """A line that could be read.

    Its draft is not complete: the instrument is known by its name as written, the currency may be empty for the instrument's
    or the account's own, and the cash is to be computed where the file does not state it.

    One line of a file may be several happenings (a currency exchange has two legs): they carry the same number and group.
    `account` is the account as the file calls it, `raw` the line as it stands there. `takes_back` says that the line undoes an
    earlier one that the file does not hold: its figures are that one's with every sign turned round. `price_follows` says that
    the file states the money of a trade and no price in its currency.
    """

    number: int
    draft: EntryDraft
    instrument: str = ""
    contract: Contract | None = None
    states_cash: bool = True
    names_zone: bool = True
    reverses: Reference | None = None
    corrects: Reference | None = None
    hints: InstrumentHints = NO_HINTS
    account: str = ""
    rate: Rate | None = None
    takes_back: bool = False
    price_follows: bool = False
    day_only: bool = False
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose statement it is: the account as the file calls it, its currency, and the days from the first to the last."""

    account: str = ""
    currency: str = ""
    start: date | None = None
    end: date | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class CashBalance:
    """What a file says was left of a currency at the end of a day (None: of its period)."""

    account: str
    currency: str
    cash: Decimal
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a file says was held of an instrument at the end of a day (None: of its period)."""

    account: str
    hints: InstrumentHints
    quantity: Decimal
    price: Decimal | None = None
    value: Decimal | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the whole file that its reader should see."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is passed over on purpose: it moved nothing, or says what another line says."""

    line: int
    code: str
    detail: str


Fact = Heading | CashBalance | Holding | Remark | Skipped
Item = StatementLine | Refusal | Fact


def said_with(numbers: Iterable[int]) -> Iterator[Skipped]:
    """Yield that some rows are no lines of their own: sent alone, they would be taken for something else."""
    for number in numbers:
        yield Skipped(number, "said_with_another", "Another line of the file says it, too: they belong together.")


def completed(line: StatementLine, *, instrument_id: UUID | None, currency: str, multiplier: Decimal) -> EntryDraft:
    """Return the draft of a line with what the file left open.

    :raises EntryRefused: if the cash does not follow from the other figures and has to be stated
    """
    draft = replace(line.draft, instrument_id=instrument_id, currency=line.draft.currency or currency, multiplier=multiplier)
    if line.price_follows and multiplier != line.draft.multiplier:
        worth = EXACT.divide(EXACT.multiply(line.draft.price or ZERO, line.draft.multiplier), multiplier)
        draft = replace(draft, price=round_to(worth, PRICE_PLACES))
    return _explained(draft) if line.states_cash else with_cash(draft)


def _explained(draft: EntryDraft) -> EntryDraft:
    """Return the draft with the reason for its cash where the price, as written, explains it.

    Old files state the cash that moved beside a price rounded to the cent: then the cash is right, and the price as good as
    its last digit allows.
    """
    if draft.price is None or not draft.quantity or draft.data.get("rounding"):
        return draft
    cash = expected_cash(draft)
    off = abs(draft.cash - cash) if cash is not None else 0
    exponent = draft.price.normalize().as_tuple().exponent
    last_place = Decimal(1).scaleb(min(int(exponent), -CENT_PLACES))
    if HALF_A_CENT < off <= abs(draft.quantity) * draft.multiplier * last_place / 2 + HALF_A_CENT:
        return replace(draft, data={**draft.data, "rounding": "The price is rounded."})
    return draft
