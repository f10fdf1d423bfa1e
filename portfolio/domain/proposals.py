"""What a corporate action makes of a position: the entries to post, computed from the units held before its ex-date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from accounts.domain.ledger import EntryDraft, EntryKind
from marketdata.domain.actions import ActionKind
from portfolio.domain.exact import EXACT, ONE, ZERO, money, plain, units

SOURCE = "corporate-actions"
WHOLE = Decimal(1)
RATIO_PLACES = 9  # that the ledger keeps of each side
LARGEST_DENOMINATOR = 100_000
LATE, MONTH = 5, 31  # days


class NotProposed(ValueError):
    """Nothing can be proposed by itself; the message says what is needed, the field where."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Terms:
    """A corporate action as far as entries follow from it; `other` is what is received, by its id."""

    id: UUID
    kind: str
    instrument: UUID
    key: str
    currency: str
    ex_date: date
    pay_date: date | None = None
    ratio: Decimal | None = None
    cash: Decimal | None = None
    cash_currency: str = ""
    other: UUID | None = None
    other_currency: str = ""
    cost_fraction: Decimal | None = None
    old_symbol: str = ""
    new_symbol: str = ""

    @property
    def due_on(self) -> date:
        """The day from which on it can be posted."""
        return self.pay_date if self.kind == ActionKind.CASH_DIVIDEND and self.pay_date else self.ex_date

    @property
    def posted_as(self) -> frozenset[str]:
        """The kinds of entry by which somebody may have posted it by hand."""
        return POSTED_AS.get(self.kind, frozenset())


@dataclass(frozen=True, slots=True)
class Said:
    """What only the holder knows: cash paid for a fraction of a unit, or the part of the cost that a spin-off takes."""

    cash_in_lieu: Decimal | None = None
    cost_fraction: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """An action that meets a position."""

    terms: Terms
    held: Decimal
    said: Said

    @property
    def in_lieu(self) -> Decimal:
        """The cash for a fraction of a unit, signed: whoever is short pays it."""
        return (self.said.cash_in_lieu or ZERO).copy_sign(self.held)

    def fraction_of(self, quantity: Decimal) -> Decimal:
        """Return the fraction of a unit that cash was paid for.

        :raises NotProposed: if there is none
        """
        fraction = units(quantity) - quantity.quantize(WHOLE, ROUND_DOWN, EXACT)
        if not fraction:
            raise NotProposed(
                f"The {plain(quantity)} units have no fraction that cash could be paid for; leave cash_in_lieu out.",
                field="cash_in_lieu",
            )
        return fraction

    def draft(self, kind: EntryKind, *, leg: str = "", **fields: Any) -> EntryDraft:
        """Return an entry of the action; `leg` tells those of one action apart."""
        external = f"{self.terms.id}:{leg}" if leg else str(self.terms.id)
        defaults: dict[str, Any] = {
            "occurred_at": datetime.combine(self.terms.due_on, time(), UTC),
            "currency": self.terms.currency,
            "instrument_id": self.terms.instrument,
        }
        data = {"action": self.terms.kind} | fields.pop("data", {})
        return EntryDraft(kind=kind, source=SOURCE, external_id=external, data=data, **defaults | fields)


IN_UNITS = frozenset({ActionKind.SPLIT, ActionKind.STOCK_DIVIDEND, ActionKind.SPIN_OFF, ActionKind.MERGER})
POSTED_AS: Mapping[str, frozenset[str]] = {
    ActionKind.SPLIT: frozenset({EntryKind.SPLIT}),
    ActionKind.STOCK_DIVIDEND: frozenset({EntryKind.SPLIT, EntryKind.DIVIDEND}),
    ActionKind.CASH_DIVIDEND: frozenset({EntryKind.DIVIDEND}),
    ActionKind.SPIN_OFF: frozenset({EntryKind.SPIN_OFF}),
    ActionKind.MERGER: frozenset({EntryKind.MERGER}),
}


def entries_for(terms: Terms, held: Decimal, *, account: UUID, said: Said | None = None) -> Sequence[EntryDraft]:
    """Return the entries that an action asks of a position; `held` are the units before its ex-date.

    :raises NotProposed: if a person has to say something first, or post it by hand
    """
    case = _Case(terms, held, said or Said())
    if case.said.cash_in_lieu is not None and not (terms.kind in IN_UNITS and terms.ratio):
        raise NotProposed(
            f"This {terms.kind} gives no units, so no fraction of one; leave cash_in_lieu out.", field="cash_in_lieu"
        )
    match terms.kind:
        case ActionKind.SPLIT:
            return _split(case, terms.ratio or ONE)
        case ActionKind.STOCK_DIVIDEND:
            return _split(case, ONE + (terms.ratio or ZERO))
        case ActionKind.CASH_DIVIDEND:
            return _dividend(case)
        case ActionKind.SPIN_OFF:
            return _spin_off(case)
        case ActionKind.MERGER:
            return _merger(case, uuid5(NAMESPACE_URL, f"{account}/{terms.id}"))
        case _:
            return _note(case)


def _split(case: _Case, ratio: Decimal) -> list[EntryDraft]:
    """Return the split; with cash in lieu, whole units are left. Whoever is short pays for the fraction."""
    data = {"ratio": ratio_text(ratio)}
    if case.said.cash_in_lieu is None:
        return [case.draft(EntryKind.SPLIT, data=data)]
    after = EXACT.multiply(case.held, ratio)
    whole = after - case.fraction_of(after)
    return [case.draft(EntryKind.SPLIT, data=data, quantity=whole - case.held, cash=case.in_lieu)]


def _dividend(case: _Case) -> list[EntryDraft]:
    """Return the dividend before taxes; whoever is short owes it."""
    terms = case.terms
    amount = money(EXACT.multiply(case.held, terms.cash or ZERO))
    data = {"per_unit": plain(terms.cash or ZERO), "units": plain(case.held)}
    if case.held < 0:
        return [
            case.draft(
                EntryKind.FEE,
                cash=amount,
                fee=-amount,
                currency=terms.cash_currency,
                data=data,
                notes="A dividend owed on a short position.",
            )
        ]
    return [case.draft(EntryKind.DIVIDEND, cash=amount, currency=terms.cash_currency, data=data | {"gross": plain(amount)})]


def _spin_off(case: _Case) -> list[EntryDraft]:
    """Return the units received, and the part of the cost that goes with them; of a short position they are owed."""
    terms = case.terms
    fraction = case.said.cost_fraction if case.said.cost_fraction is not None else terms.cost_fraction
    if fraction is None:
        raise NotProposed(
            "Say cost_fraction, the part of the cost that goes to what is spun off; no prices tell it.", field="cost_fraction"
        )
    quantity = units(EXACT.multiply(case.held, terms.ratio or ZERO))
    entry = case.draft(
        EntryKind.SPIN_OFF,
        instrument_id=terms.other,
        currency=terms.other_currency,
        quantity=abs(quantity),
        data={"from": terms.key, "cost_fraction": plain(fraction)},
    )
    return [entry, *_in_lieu(case, quantity)]


def _merger(case: _Case, group: UUID) -> list[EntryDraft]:
    """Return the leg that goes, with its cash, and the one that comes; for cash alone it is a sale."""
    terms = case.terms
    cash = money(EXACT.multiply(case.held, terms.cash or ZERO))
    currency = terms.cash_currency or terms.currency
    if terms.other is None or terms.ratio is None:
        return [case.draft(EntryKind.MERGER, quantity=-case.held, cash=cash, currency=currency)]
    come = units(EXACT.multiply(case.held, terms.ratio))
    return [
        case.draft(EntryKind.MERGER, leg="out", quantity=-case.held, cash=cash, currency=currency, group=group),
        case.draft(
            EntryKind.MERGER,
            leg="in",
            instrument_id=terms.other,
            currency=terms.other_currency,
            quantity=come,
            group=group,
        ),
        *_in_lieu(case, come),
    ]


def _in_lieu(case: _Case, come: Decimal) -> list[EntryDraft]:
    """Return the sale of the fraction of a unit that came, for the cash paid for it; nothing where none was."""
    if case.said.cash_in_lieu is None:
        return []
    fraction = case.fraction_of(come)
    return [
        case.draft(
            EntryKind.SELL if fraction > 0 else EntryKind.COVER,
            leg="lieu",
            instrument_id=case.terms.other,
            currency=case.terms.other_currency,
            quantity=-fraction,
            price=money(EXACT.divide(case.said.cash_in_lieu, abs(fraction))),
            cash=case.in_lieu,
            data={"rounding": "Cash in lieu of a fraction of a unit."},
        )
    ]


def _note(case: _Case) -> list[EntryDraft]:
    """Return a note: a new name, or an end of trading, changes nothing in what is held."""
    terms = case.terms
    if terms.kind == ActionKind.SYMBOL_CHANGE:
        told = f"{terms.old_symbol or terms.key} is called {terms.new_symbol} from {terms.ex_date} on."
        return [case.draft(EntryKind.NOTE, notes=told, data={"from_symbol": terms.old_symbol, "to_symbol": terms.new_symbol})]
    return [case.draft(EntryKind.NOTE, notes=f"{terms.key} is not traded any more from {terms.ex_date} on.")]


def ratio_text(ratio: Decimal) -> str:
    """Return a ratio as new units to old ones, as the ledger writes it.

    >>> ratio_text(Decimal("4")), ratio_text(Decimal("1.05")), ratio_text(Decimal("0.033333333333"))
    ('4:1', '21:20', '1:30')
    """
    fraction = Fraction(ratio).limit_denominator(LARGEST_DENOMINATOR)
    near = Decimal(fraction.numerator) / Decimal(fraction.denominator)
    if abs(near - ratio) <= abs(ratio) * Decimal("1e-9"):
        return f"{fraction.numerator}:{fraction.denominator}"
    return plain(round(ratio, RATIO_PLACES))


def days_by_hand(terms: Terms) -> tuple[date, date]:
    """Return the first and the last day on which an entry somebody posted is taken for the action.

    Brokers book a few days late; where nobody knows when a dividend is paid, within a month.
    """
    if terms.kind != ActionKind.CASH_DIVIDEND:
        return terms.ex_date, date.fromordinal(terms.ex_date.toordinal() + LATE)
    last = terms.pay_date.toordinal() + LATE if terms.pay_date else terms.ex_date.toordinal() + MONTH
    return terms.ex_date, date.fromordinal(last)
