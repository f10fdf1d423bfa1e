"""How far what is held is from what it is meant to be: actual and target weights, and the drift between them.

All values are in the account's currency and exact. Weights are shares of the total value (cash and positions less liabilities);
what the targets leave over is meant to be cash, and liabilities count against cash. Drift is half the sum of the sizes of all
differences: the share of the account that would have to change places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from accounts.domain.plans import Basis
from portfolio.domain.exact import EXACT, ONE, ZERO

CASH, UNCLASSIFIED = "cash", "unclassified"
HALF = Decimal("0.5")


class Held(NamedTuple):
    """An instrument that is held, or might be: what is held of it is worth so much."""

    key: str
    name: str
    quantity: Decimal
    value: Decimal
    asset_class: str
    currency: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Target weights by what they are for: ids of instruments, or names of categories.

    `shares` says which share of an instrument belongs to which category of a taxonomy.
    """

    basis: Basis
    weights: Mapping[str, Decimal]
    shares: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)

    @property
    def cash(self) -> Decimal:
        """The weight that is left for cash."""
        return ONE - sum(self.weights.values(), ZERO)

    def places(self, held: Held) -> Mapping[str, Decimal]:
        """Return the shares of an instrument by what weights are for; a taxonomy may leave a part of it out."""
        if self.basis is Basis.TAXONOMY:
            return self.shares.get(held.key, {})
        return {{Basis.INSTRUMENT: held.key, Basis.ASSET_CLASS: held.asset_class, Basis.CURRENCY: held.currency}[self.basis]: ONE}


class Standing(NamedTuple):
    """What one thing is worth and is meant to be; `planned` unless no target names it, so that it is meant to be nothing."""

    key: str
    planned: bool
    value: Decimal
    target: Decimal
    instruments: tuple[str, ...]

    @property
    def difference(self) -> Decimal:
        """What it is too much, below zero: too little."""
        return self.value - self.target


@dataclass(frozen=True, slots=True)
class Drift:
    """Where everything stands; the values add up to the total."""

    total: Decimal
    rows: Sequence[Standing]
    unclassified: Standing
    cash: Standing

    @property
    def everything(self) -> list[Standing]:
        """All rows, cash among them."""
        return [*self.rows, self.unclassified, self.cash]

    @property
    def off(self) -> Decimal:
        """The amount that would have to change places."""
        return EXACT.multiply(sum((abs(row.difference) for row in self.everything), ZERO), HALF)

    def weight(self, amount: Decimal) -> Decimal | None:
        """Return an amount as a share of the total; none where there is no total above zero."""
        return EXACT.divide(amount, self.total) if self.total > 0 else None


def measure(plan: Plan, holdings: Iterable[Held], total: Decimal) -> Drift:
    """Return where an account of a total value stands; what is no position in it is cash, less what is owed.

    >>> plan = Plan(Basis.ASSET_CLASS, {"EQUITY": Decimal("0.6"), "BOND": Decimal("0.3")})
    >>> drift = measure(plan, [Held("1", "A:X", Decimal(7), Decimal(70), "EQUITY", "USD")], Decimal(100))
    >>> [(row.key, str(row.value), str(row.target)) for row in drift.everything]
    [('EQUITY', '70', '60.0'), ('BOND', '0', '30.0'), ('unclassified', '0', '0'), ('cash', '30', '10.0')]
    >>> drift.off
    Decimal('30.00')
    """
    values: dict[str, Decimal] = dict.fromkeys(plan.weights, ZERO)
    members: dict[str, list[str]] = {key: [] for key in (*plan.weights, UNCLASSIFIED)}
    invested = rest = ZERO
    for held in holdings:
        if not held.quantity:
            continue
        invested += held.value
        left = held.value
        for key, share in plan.places(held).items():
            part = EXACT.multiply(held.value, share)
            values[key] = values.get(key, ZERO) + part
            members.setdefault(key, []).append(held.name)
            left -= part
        if left:
            members[UNCLASSIFIED].append(held.name)
        rest += left
    rows = [
        Standing(key, key in plan.weights, value, _target(plan.weights.get(key), total), tuple(sorted(members[key])))
        for key, value in values.items()
    ]
    rows.sort(key=lambda row: not row.planned)  # those that are planned first, in their own order
    return Drift(
        total,
        rows,
        Standing(UNCLASSIFIED, False, rest, ZERO, tuple(sorted(members[UNCLASSIFIED]))),
        Standing(CASH, True, total - invested, _target(plan.cash, total), ()),
    )


def _target(weight: Decimal | None, total: Decimal) -> Decimal:
    """Return what a weight comes to."""
    return EXACT.multiply(weight, total) if weight else ZERO
