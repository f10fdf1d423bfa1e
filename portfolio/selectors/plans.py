"""What an account holds beside what it is meant to hold: the plan that is in force, drift, and what could be traded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from django.core.exceptions import ValidationError

from accounts.domain.plans import Basis
from accounts.models import Account, Classification, Target, TargetAllocation
from marketdata.models import Instrument
from marketdata.selectors.fx import rates_on
from portfolio.domain.allocation import Drift, Held, Plan, measure
from portfolio.domain.exact import EXACT, ZERO, money
from portfolio.models import Position, Snapshot
from portfolio.selectors.figures import Figures, names_of


class NoAllocation(ValidationError):
    """The account has no allocation in force, so nothing says what it is meant to hold."""

    def __init__(self) -> None:
        super().__init__(
            "The account has no target allocation in force; write one down, or say which of its allocations is meant.",
            code="no_allocation",
        )


@dataclass(frozen=True, slots=True)
class Planned:
    """An allocation as the domain reads it, and what its instruments are called."""

    allocation: TargetAllocation
    plan: Plan
    instruments: Mapping[str, Instrument]

    def label(self, key: str) -> str:
        """Return what a key of the plan is called."""
        return self.instruments[key].key if key in self.instruments else key


@dataclass(frozen=True)
class Stock:
    """What an account holds at the end of a day, in its own currency; `missing` names what has no price or rate."""

    account: Account
    positions: Sequence[Position]
    last: Snapshot | None
    balances: Mapping[str, Decimal]
    missing: Sequence[str]
    stale: Sequence[str]

    @property
    def total(self) -> Decimal:
        """The total value."""
        return self.last.total_value if self.last else ZERO

    @property
    def cash(self) -> Decimal:
        """All cash, in the account's currency."""
        return self.last.cash if self.last else ZERO

    @property
    def as_of(self) -> date | None:
        """The last day that was valued, none where none was."""
        return self.last.date if self.last else None

    @cached_property
    def rates(self) -> Mapping[str, Decimal]:
        """The rates of the day into the account's currency, by the currency they are of."""
        codes = {one.instrument.money for one in self.positions} | set(self.balances)
        return rates_into(self.account.base_currency, codes, self.as_of)

    @cached_property
    def holdings(self) -> list[Held]:
        """The positions that have a value."""
        return [
            held_of(one.instrument, one.quantity, one.value_in_base) for one in self.positions if one.value_in_base is not None
        ]

    def cash_by_currency(self) -> dict[str, Decimal]:
        """Return the cash of each currency in the account's; what has no rate is left out."""
        return {
            code: money(EXACT.multiply(amount, self.rates[code])) for code, amount in self.balances.items() if code in self.rates
        }


def rates_into(base: str, codes: Collection[str], day: date | None) -> dict[str, Decimal]:
    """Return what one unit of each currency was worth in another on a day; those without a known rate are left out."""
    wanted = [] if day is None else [((code, base), day) for code in codes if code != base]
    return {base: Decimal(1)} | {pair[0]: known.rate for (pair, _), known in rates_on(wanted).items()}


def held_of(instrument: Instrument, quantity: Decimal, value: Decimal) -> Held:
    """Return a holding as the domain reads it."""
    return Held(str(instrument.pk), instrument.key, quantity, value, instrument.asset_class, instrument.money)


def stock_of(figures: Figures) -> Stock:
    """Return what an account holds by its figures."""
    positions = [one for one in figures.positions() if one.quantity]
    balances = {code: amount for code, amount in figures.balances().items() if amount}
    base = figures.account.base_currency
    lacking = [key for key, gap in figures.gaps().items() if gap.known is None]
    unpriced = [one.instrument.key for one in positions if one.value_in_base is None]
    pairs = [
        key for key in lacking if "/" in key and key.split("/")[0] in {*balances, *(one.instrument.money for one in positions)}
    ]
    held = {str(one.instrument_id) for one in positions} | {f"{code}/{base}" for code in balances}
    held |= {f"{one.instrument.money}/{base}" for one in positions}
    stale = names_of(key for key in figures.stale() if key in held)
    return Stock(figures.account, positions, figures.last_snapshot(), balances, sorted({*unpriced, *pairs}), stale)


def allocation_of(account: Account, allocation_id: UUID | None = None) -> TargetAllocation:
    """Return an allocation of an account, the one in force unless another is named.

    :raises NoAllocation: if there is none
    """
    rows = TargetAllocation.objects.filter(account=account).select_related("taxonomy")
    found = rows.filter(in_force=True).first() if allocation_id is None else rows.filter(pk=allocation_id).first()
    if found is None:
        if allocation_id is not None:
            told = "The account has no such allocation; leave it out to mean the one in force."
            raise ValidationError({"allocation": ValidationError(told, code="does_not_exist")})
        raise NoAllocation
    return found


def planned_of(allocation: TargetAllocation) -> Planned:
    """Return an allocation with its weights, in the order in which they were written down."""
    targets = list(Target.objects.filter(allocation=allocation).select_related("instrument").order_by("pk"))
    shares: dict[str, dict[str, Decimal]] = {}
    instruments = {str(one.instrument_id): one.instrument for one in targets if one.instrument is not None}
    if allocation.taxonomy_id is not None:
        rows = Classification.objects.filter(taxonomy=allocation.taxonomy_id).select_related("instrument").order_by("pk")
        for row in rows:
            shares.setdefault(str(row.instrument_id), {})[row.category] = row.weight
            instruments[str(row.instrument_id)] = row.instrument
    weights = {str(one.instrument_id) if one.instrument_id else one.category: one.weight for one in targets}
    return Planned(allocation, Plan(Basis(allocation.basis), weights, shares), instruments)


def drift_of(stock: Stock, planned: Planned) -> Drift:
    """Return how far what an account holds is from an allocation."""
    return measure(planned.plan, stock.holdings, stock.total)


def labels_of(stock: Stock, planned: Planned) -> dict[str, str]:
    """Return what the rows of a drift are called: an instrument by its key, a category by its name."""
    if planned.plan.basis is not Basis.INSTRUMENT:
        return {}
    held = {str(one.instrument_id): one.instrument.key for one in stock.positions}
    return held | {key: one.key for key, one in planned.instruments.items()}
