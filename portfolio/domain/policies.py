"""Whether an account keeps to its bounds: what each comes to, which way it went, and who is the worst offender.

Shares are of the total value; sizes count, so a short position concentrates as a long one does. A bound is broken above its
threshold, kept at it. Where something held has no price or rate the shares are not known, and neither is the answer.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.allocation import Held
from portfolio.domain.exact import EXACT, ZERO, plain

SHOWN = Decimal("0.0001")
NOTHING_HELD = "Nothing is held."
NO_VALUE = "The total value is not above zero, so nothing is a share of it."
NO_DAYS = "No day of the year has been valued."


class Kind(enum.StrEnum):
    """What a bound watches."""

    POSITION = "POSITION"
    ASSET_CLASS = "ASSET_CLASS"
    CURRENCY = "CURRENCY"
    FEES = "FEES"
    CASH = "CASH"


class State(enum.StrEnum):
    """Whether a bound is kept."""

    OK = "ok"
    BROKEN = "broken"


class Offender(NamedTuple):
    """What comes closest to breaking a bound, or breaks it most, and its amount in the account's currency."""

    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Facts:
    """What bounds are checked against; `missing` names what lacks a price or rate."""

    base: str
    total: Decimal
    holdings: Sequence[Held]
    cash: Mapping[str, Decimal]  # by currency, in the account's
    fees: Decimal
    average: Decimal | None  # the average value of the days of the year; none where no day was valued
    missing: Sequence[str] = ()
    fees_missing: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """What a bound comes to; without a value there is no state, and `reason` says why."""

    kind: Kind
    threshold: Decimal
    value: Decimal | None = None
    offender: Offender | None = None
    reason: str = ""

    @property
    def state(self) -> State | None:
        """Whether the bound is kept; none where that is not known."""
        if self.value is None:
            return None
        return State.BROKEN if self.value > self.threshold else State.OK

    @property
    def message(self) -> str:
        """What is said of it in one sentence."""
        if self.value is None:
            return self.reason
        what = SAID[self.kind].format(self.offender.name if self.offender else "")
        return f"{what}: {_percent(self.value)}, at most {_percent(self.threshold)}."


def check(kind: Kind, threshold: Decimal, facts: Facts) -> Check:
    """Return what a bound comes to.

    >>> held = [Held("1", "A:X", Decimal(7), Decimal(70), "EQUITY", "EUR")]
    >>> facts = Facts("USD", Decimal(100), held, {"USD": Decimal(30)}, ZERO, None)
    >>> found = check(Kind.POSITION, Decimal("0.5"), facts)
    >>> found.state, found.value, found.message
    (<State.BROKEN: 'broken'>, Decimal('0.7'), 'The position in A:X: 70 %, at most 50 %.')
    """
    if kind is Kind.FEES:
        return _check_fees(threshold, facts)
    if facts.missing:
        return Check(kind, threshold, reason=f"No price or rate is known of {', '.join(facts.missing)}.")
    if facts.total <= 0:
        return Check(kind, threshold, reason=NO_VALUE)
    worst = max(_AMOUNTS[kind](facts), key=lambda one: (abs(one.amount), one.name), default=None)
    if worst is None:
        return Check(kind, threshold, ZERO)
    size = max(worst.amount, ZERO) if kind is Kind.CASH else abs(worst.amount)
    return Check(kind, threshold, EXACT.divide(size, facts.total), worst)


def _check_fees(threshold: Decimal, facts: Facts) -> Check:
    """Return what the fees of a year come to, of the average value of its days."""
    if facts.average is None:
        return Check(Kind.FEES, threshold, reason=NO_DAYS)
    if facts.fees_missing:
        return Check(Kind.FEES, threshold, reason=f"No price or rate was known of {', '.join(facts.fees_missing)}.")
    if facts.average <= 0:
        return Check(Kind.FEES, threshold, reason="The average value of the year is not above zero.")
    return Check(Kind.FEES, threshold, EXACT.divide(facts.fees, facts.average), Offender("fees", facts.fees))


def _positions(facts: Facts) -> Iterable[Offender]:
    """Return the positions."""
    return [Offender(held.name, held.value) for held in facts.holdings]


def _classes(facts: Facts) -> Iterable[Offender]:
    """Return the asset classes; long and short of a class add up in size."""
    return _summed((held.asset_class, abs(held.value)) for held in facts.holdings)


def _currencies(facts: Facts) -> Iterable[Offender]:
    """Return the foreign currencies: what is held in each, and the cash."""
    held = [(held.currency, held.value) for held in facts.holdings]
    return _summed((code, amount) for code, amount in [*held, *facts.cash.items()] if code != facts.base)


def _cash(facts: Facts) -> Iterable[Offender]:
    """Return all cash together."""
    return [Offender("cash", sum(facts.cash.values(), ZERO))]


def _summed(parts: Iterable[tuple[str, Decimal]]) -> list[Offender]:
    """Return amounts added up by name."""
    sums: dict[str, Decimal] = {}
    for name, amount in parts:
        sums[name] = sums.get(name, ZERO) + amount
    return [Offender(name, amount) for name, amount in sums.items()]


def _percent(share: Decimal) -> str:
    """Return a share as it is read."""
    return f"{plain((share * 100).quantize(SHOWN, context=EXACT))} %"


_AMOUNTS: Mapping[Kind, Callable[[Facts], Iterable[Offender]]] = {
    Kind.POSITION: _positions,
    Kind.ASSET_CLASS: _classes,
    Kind.CURRENCY: _currencies,
    Kind.CASH: _cash,
}
SAID = {
    Kind.POSITION: "The position in {}",
    Kind.ASSET_CLASS: "The asset class {}",
    Kind.CURRENCY: "The foreign currency {}",
    Kind.FEES: "The fees of a year",
    Kind.CASH: "The uninvested cash",
}
