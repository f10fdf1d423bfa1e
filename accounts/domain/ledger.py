"""The entries of a ledger: their kinds, the signs each kind carries, and a draft that checks itself."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any
from uuid import UUID

from accounts.domain.limits import problem_of_data, problem_of_number, problem_of_tags, problem_of_text

ZERO = Decimal(0)
HALF_A_CENT = Decimal("0.005")
CENT_OF_CENTS = Decimal("1e-10")
SMALLEST_UNIT = Decimal("1e-12")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)

QUANTITY_LIMITS = {"digits": 12, "places": 12}
MONEY_LIMITS = {"digits": 15, "places": 10}
TEXT_LIMITS = {"reason_primary": 100, "reason_explanation": 10_000, "notes": 10_000, "source": 50, "external_id": 200}
LONGEST_TAG = 50
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,10})?", re.ASCII)
RATIO = re.compile(r"(?P<new>\d{1,9}(\.\d{1,9})?)(:(?P<old>\d{1,9}(\.\d{1,9})?))?", re.ASCII)
# enough for the product of a quantity, a price and a multiplier, each with all its digits
EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


class EntryKind(enum.StrEnum):
    """What happened to the account."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    BUY = "BUY"
    SELL = "SELL"
    SHORT = "SHORT"
    COVER = "COVER"
    DIVIDEND = "DIVIDEND"
    INTEREST = "INTEREST"
    FEE = "FEE"
    TAX = "TAX"
    TRANSFER_IN = "TRANSFER_IN"
    TRANSFER_OUT = "TRANSFER_OUT"
    FX = "FX"
    SPLIT = "SPLIT"
    SPIN_OFF = "SPIN_OFF"
    MERGER = "MERGER"
    RETURN_OF_CAPITAL = "RETURN_OF_CAPITAL"
    OPTION_EXERCISE = "OPTION_EXERCISE"
    OPTION_ASSIGNMENT = "OPTION_ASSIGNMENT"
    OPTION_EXPIRATION = "OPTION_EXPIRATION"
    STAKING = "STAKING"
    VALUATION = "VALUATION"
    LIABILITY = "LIABILITY"
    NOTE = "NOTE"


class Sign(enum.Enum):
    """What a signed figure of an entry may be."""

    POSITIVE = "above zero"
    NEGATIVE = "below zero"
    NOT_NEGATIVE = "zero or above"
    NOT_ZERO = "other than zero"
    NONE = "zero"
    ANY = "any"

    def allows(self, value: Decimal) -> bool:
        """Say whether a value keeps to the sign."""
        match self:
            case Sign.POSITIVE:
                return value > 0
            case Sign.NEGATIVE:
                return value < 0
            case Sign.NOT_NEGATIVE:
                return value >= 0
            case Sign.NOT_ZERO:
                return value != 0
            case Sign.NONE:
                return value == 0
            case Sign.ANY:
                return True


class Need(enum.Enum):
    """Whether a kind takes a field."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of entry asks of its fields; `moves` is the sign its quantity takes from a magnitude."""

    quantity: Sign = Sign.NONE
    cash: Sign = Sign.NONE
    instrument: Need = Need.REFUSED
    price: Need = Need.REFUSED
    moves: int = 1


RULES: Mapping[EntryKind, Rule] = {
    EntryKind.DEPOSIT: Rule(cash=Sign.POSITIVE),
    EntryKind.WITHDRAWAL: Rule(cash=Sign.NEGATIVE),
    EntryKind.BUY: Rule(Sign.POSITIVE, Sign.ANY, Need.REQUIRED, Need.REQUIRED),
    EntryKind.SELL: Rule(Sign.NEGATIVE, Sign.ANY, Need.REQUIRED, Need.REQUIRED, moves=-1),
    EntryKind.SHORT: Rule(Sign.NEGATIVE, Sign.ANY, Need.REQUIRED, Need.REQUIRED, moves=-1),
    EntryKind.COVER: Rule(Sign.POSITIVE, Sign.ANY, Need.REQUIRED, Need.REQUIRED),
    EntryKind.DIVIDEND: Rule(cash=Sign.NOT_NEGATIVE, instrument=Need.REQUIRED, price=Need.OPTIONAL),
    EntryKind.INTEREST: Rule(cash=Sign.NOT_ZERO, instrument=Need.OPTIONAL),
    EntryKind.FEE: Rule(cash=Sign.NOT_ZERO, instrument=Need.OPTIONAL),
    EntryKind.TAX: Rule(cash=Sign.NOT_ZERO, instrument=Need.OPTIONAL),
    EntryKind.TRANSFER_IN: Rule(Sign.NOT_NEGATIVE, Sign.NOT_NEGATIVE, Need.OPTIONAL, Need.OPTIONAL),
    EntryKind.TRANSFER_OUT: Rule(Sign.ANY, Sign.ANY, Need.OPTIONAL, Need.OPTIONAL, moves=-1),
    EntryKind.FX: Rule(cash=Sign.NOT_ZERO, price=Need.OPTIONAL),
    EntryKind.SPLIT: Rule(Sign.ANY, Sign.ANY, Need.REQUIRED),
    EntryKind.SPIN_OFF: Rule(Sign.POSITIVE, Sign.ANY, Need.REQUIRED, Need.OPTIONAL),
    EntryKind.MERGER: Rule(Sign.NOT_ZERO, Sign.ANY, Need.REQUIRED, Need.OPTIONAL),
    EntryKind.RETURN_OF_CAPITAL: Rule(cash=Sign.POSITIVE, instrument=Need.REQUIRED),
    EntryKind.OPTION_EXERCISE: Rule(Sign.NOT_ZERO, Sign.ANY, Need.REQUIRED, Need.OPTIONAL, moves=-1),
    EntryKind.OPTION_ASSIGNMENT: Rule(Sign.NOT_ZERO, Sign.ANY, Need.REQUIRED, Need.OPTIONAL),
    EntryKind.OPTION_EXPIRATION: Rule(Sign.NOT_ZERO, Sign.NONE, Need.REQUIRED),
    EntryKind.STAKING: Rule(Sign.POSITIVE, Sign.NONE, Need.REQUIRED, Need.OPTIONAL),
    EntryKind.VALUATION: Rule(instrument=Need.REQUIRED, price=Need.REQUIRED),
    EntryKind.LIABILITY: Rule(price=Need.REQUIRED),
    EntryKind.NOTE: Rule(instrument=Need.OPTIONAL),
}

TAKES_CASH = frozenset({EntryKind.BUY, EntryKind.COVER})
GIVES_CASH = frozenset({EntryKind.SELL, EntryKind.SHORT})
TRADES = TAKES_CASH | GIVES_CASH
TRANSFERS = frozenset({EntryKind.TRANSFER_IN, EntryKind.TRANSFER_OUT})
ENDS = frozenset({EntryKind.OPTION_EXERCISE, EntryKind.OPTION_ASSIGNMENT})  # of contracts that were held, or written
FLOWS = frozenset({EntryKind.DEPOSIT, EntryKind.WITHDRAWAL}) | TRANSFERS


class EntryRefused(ValueError):
    """The draft breaks the rules of its kind; `problems` maps each field to what is wrong and what to do."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in self.problems.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDraft:
    """One happening before it is written: quantity and cash are signed, fee and tax are zero or above."""

    kind: EntryKind
    occurred_at: datetime
    currency: str
    instrument_id: UUID | None = None
    quantity: Decimal = ZERO
    price: Decimal | None = None
    cash: Decimal = ZERO
    fee: Decimal = ZERO
    tax: Decimal = ZERO
    multiplier: Decimal = Decimal(1)
    data: Mapping[str, Any] = field(default_factory=dict)
    reason_primary: str = ""
    reason_explanation: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    source: str = "manual"
    external_id: str = ""
    group: UUID | None = None

    def check(self) -> None:
        """Refuse a draft that breaks the rules of its kind.

        :raises EntryRefused: naming every field that is wrong
        """
        problems = _problems_of_numbers(self) | _problems_of_texts(self) or _problems_of_shape(self) or _problems_of_cash(self)
        if problems:
            raise EntryRefused(problems)


def expected_cash(draft: EntryDraft) -> Decimal | None:
    """Return the cash that follows from the other figures of a draft, or None where it does not follow."""
    costs = draft.fee + draft.tax
    if draft.kind in TRADES and draft.price is not None:
        return cash_of_trade(draft.quantity, draft.price, draft.multiplier, costs)
    if draft.kind in {EntryKind.DIVIDEND, EntryKind.INTEREST} and "gross" in draft.data:
        return gross_of(draft) - draft.tax
    if draft.kind in {EntryKind.FEE, EntryKind.TAX} and costs:
        return -costs
    return None


def cash_of_trade(quantity: Decimal, price: Decimal, multiplier: Decimal, costs: Decimal) -> Decimal:
    """Return the cash of a trade: what is bought (a quantity above zero) is paid, what is sold is received, costs are paid."""
    worth = EXACT.multiply(EXACT.multiply(quantity, price), multiplier)
    return EXACT.quantize(EXACT.subtract(-worth, costs), CENT_OF_CENTS)


def gross_of(draft: EntryDraft) -> Decimal:
    """Return the gross amount a draft states in `data.gross`.

    :raises EntryRefused: if it is not a decimal written as a string
    """
    gross = draft.data.get("gross")
    if not isinstance(gross, str) or not AMOUNT.fullmatch(gross):
        raise EntryRefused({"data.gross": 'Write the gross amount as a decimal string, such as "12.34".'})
    return Decimal(gross)


def with_cash(draft: EntryDraft) -> EntryDraft:
    """Return the draft with the cash filled in that follows from its other figures.

    :raises EntryRefused: if a number is none, or the cash does not follow and has to be given
    """
    if problems := _problems_of_numbers(draft):
        raise EntryRefused(problems)
    cash = expected_cash(draft)
    if cash is not None:
        return replace(draft, cash=cash)
    if RULES[draft.kind].cash in {Sign.POSITIVE, Sign.NEGATIVE, Sign.NOT_ZERO, Sign.NOT_NEGATIVE} and not draft.quantity:
        raise EntryRefused({"cash": f"A {draft.kind} needs its cash, signed ({RULES[draft.kind].cash.value})."})
    return draft


def from_magnitudes(draft: EntryDraft, *, cash: Decimal | None) -> EntryDraft:
    """Return the draft with the signs of its kind, from a quantity that was given as a magnitude, and cash that may be left out.

    A kind that can go either way (a split, a merger, an option that expires) keeps the sign it was given. Whoever exercises
    holds the contracts, and whoever is assigned wrote them: their end has its sign, with or without one.

    :raises EntryRefused: if a number is none, a magnitude is below zero, or the cash is needed and does not follow
    """
    if problems := _problems_of_numbers(draft):
        raise EntryRefused(problems)
    rule = RULES[draft.kind]
    signed = draft
    if draft.kind in ENDS:
        signed = replace(draft, quantity=abs(draft.quantity) * rule.moves)
    elif rule.quantity not in {Sign.NOT_ZERO, Sign.ANY} or draft.kind in TRANSFERS:
        if draft.quantity < 0:
            raise EntryRefused({"quantity": f"Give the size alone: a {draft.kind} has the sign of its kind."})
        signed = replace(draft, quantity=draft.quantity * rule.moves)
    return replace(signed, cash=cash) if cash is not None else with_cash(signed)


def ratio_of(data: Mapping[str, Any]) -> Decimal:
    """Return the units held after a split for each unit held before.

    :raises EntryRefused: if `data.ratio` is neither "new:old" nor a positive decimal

    >>> ratio_of({"ratio": "4:1"})
    Decimal('4')
    """
    written = RATIO.fullmatch(str(data.get("ratio", "")))
    new, old = (Decimal(written["new"]), Decimal(written["old"] or 1)) if written else (ZERO, ZERO)
    if not new or not old:
        raise EntryRefused({"data.ratio": 'A SPLIT needs data.ratio, new units to old ones, such as "2:1".'})
    return new / old


def _problems_of_numbers(draft: EntryDraft) -> dict[str, str]:
    """Return which numbers are none, or too large or too precise to be stored as they are."""
    problems = {}
    if problem := problem_of_number(draft.quantity, **QUANTITY_LIMITS):
        problems["quantity"] = problem
    for name, amount in (("price", draft.price), ("cash", draft.cash), ("fee", draft.fee), ("tax", draft.tax)):
        if amount is not None and (problem := problem_of_number(amount, **MONEY_LIMITS)):
            problems[name] = problem
    return problems


def check_texts(**texts: str) -> None:
    """Refuse texts of an entry, by the names of their fields, that are too long or hold what can't be printed.

    :raises EntryRefused: naming every field that is wrong
    """
    problems = {name: problem for name, text in texts.items() if (problem := problem_of_text(text, most=TEXT_LIMITS[name]))}
    if problems:
        raise EntryRefused(problems)


def _problems_of_texts(draft: EntryDraft) -> dict[str, str]:
    """Return which texts and data are too long to be stored, or not to be printed."""
    problems = {}
    for name, most in TEXT_LIMITS.items():
        if (text := getattr(draft, name)) and (problem := problem_of_text(text, most=most)):
            problems[name] = problem
    if draft.tags and (problem := problem_of_tags(draft.tags, most=LONGEST_TAG)):
        problems["tags"] = problem
    if draft.data and (problem := problem_of_data(draft.data)):
        problems["data"] = problem
    return problems


def _problems_of_shape(draft: EntryDraft) -> dict[str, str]:
    """Return what is wrong with fields taken one by one."""
    rule, kind, problems = RULES[draft.kind], draft.kind, {}
    for name, sign, amount in (("quantity", rule.quantity, draft.quantity), ("cash", rule.cash, draft.cash)):
        if not sign.allows(amount):
            problems[name] = f"The {name} of a {kind} must be {sign.value}."
    for name, cost in (("price", draft.price), ("fee", draft.fee), ("tax", draft.tax)):
        if cost is not None and cost < 0:
            problems[name] = f"The {name} must be zero or above."
    for name, need, value in (("instrument", rule.instrument, draft.instrument_id), ("price", rule.price, draft.price)):
        if need is Need.REQUIRED and value is None:
            problems[name] = f"A {kind} needs its {name}."
        if need is Need.REFUSED and value is not None:
            problems[name] = f"A {kind} takes no {name}; leave it out."
    return problems | _problems_of_place(draft) or _problems_of_kind(draft)


def _problems_of_place(draft: EntryDraft) -> dict[str, str]:
    """Return what is wrong with the currency and the time."""
    problems = {}
    if not CURRENCY.fullmatch(draft.currency):
        problems["currency"] = "Write the currency as three capital letters (ISO 4217), such as USD."
    if draft.occurred_at.tzinfo is None:
        problems["occurred_at"] = "Give the time with its offset from UTC, such as 2024-01-02T15:00:00Z."
    elif draft.occurred_at < EARLIEST:
        problems["occurred_at"] = "The time lies before 1970."
    return problems


def _problems_of_kind(draft: EntryDraft) -> dict[str, str]:
    """Return what only one kind of entry asks."""
    kind = draft.kind
    if kind in TRANSFERS:
        return _problems_of_transfer(draft)
    if kind is EntryKind.SPLIT:
        ratio_of(draft.data)
    if kind in {EntryKind.FEE, EntryKind.TAX} and draft.cash > 0 and not draft.data.get("refund"):
        return {"cash": f"The cash of a {kind} must be below zero; of one that was paid back, say so in data.refund."}
    if kind is EntryKind.LIABILITY and not draft.data.get("name"):
        return {"data.name": "A LIABILITY needs data.name, what is owed and to whom."}
    if kind is EntryKind.NOTE and not draft.notes:
        return {"notes": "A NOTE needs its notes."}
    if kind is EntryKind.FX and draft.group is None:
        return {"group": "An FX entry is one leg of an exchange: give both legs the same group."}
    return {}


def _problems_of_transfer(draft: EntryDraft) -> dict[str, str]:
    """Return what is wrong with a transfer: it moves units of an instrument or cash, in one direction."""
    outward = draft.kind is EntryKind.TRANSFER_OUT
    direction = "below" if outward else "above"
    for name, value in (("quantity", draft.quantity), ("cash", draft.cash)):
        if (value > 0) if outward else (value < 0):
            return {name: f"The {name} of a {draft.kind} must be {direction} zero, or zero."}
    if bool(draft.quantity) != (draft.instrument_id is not None):
        return {"instrument": "A transfer of units needs both the instrument and the quantity; of cash, neither."}
    if not draft.quantity and not draft.cash:
        return {"cash": f"A {draft.kind} moves cash or units: give one of them, {direction} zero."}
    return {}


def _problems_of_cash(draft: EntryDraft) -> dict[str, str]:
    """Return what is wrong with the cash beside the figures it follows from."""
    expected = expected_cash(draft)
    if draft.kind in TAKES_CASH and draft.cash > 0:
        return {"cash": f"A {draft.kind} takes cash: it must be zero or below."}
    if draft.kind in GIVES_CASH and draft.cash < -(draft.fee + draft.tax):
        return {"cash": f"A {draft.kind} gives cash: it can't fall below minus its fee and tax."}
    if expected is not None and abs(draft.cash - expected) > HALF_A_CENT and not draft.data.get("rounding"):
        return {
            "cash": f"The cash contradicts the other figures: {expected.normalize():f} follows from them. "
            "Correct it, leave it out, or say why in data.rounding."
        }
    return {}
