"""A line of a statement as a value: what a file says of one happening, before the ledger is asked."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from accounts.domain.ledger import HALF_A_CENT, EntryDraft, expected_cash, with_cash

CENT_PLACES = 2


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
class StatementLine:
    """A line that could be read.

    Its draft is not complete: the instrument is known by its name as written, the currency may be empty for the instrument's
    or the account's own, and the cash is to be computed where the file does not state it.
    """

    number: int
    draft: EntryDraft
    instrument: str = ""
    contract: Contract | None = None
    states_cash: bool = True
    names_zone: bool = True
    reverses: Reference | None = None
    corrects: Reference | None = None


def completed(line: StatementLine, *, instrument_id: UUID | None, currency: str, multiplier: Decimal) -> EntryDraft:
    """Return the draft of a line with what the file left open.

    :raises EntryRefused: if the cash does not follow from the other figures and has to be stated
    """
    draft = replace(line.draft, instrument_id=instrument_id, currency=line.draft.currency or currency, multiplier=multiplier)
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
