"""What weights of an allocation have to keep to, whoever writes them down."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from marketdata.domain.instruments import AssetClass
from marketdata.domain.money import CURRENCIES, plain

PLACES = 6
WHOLE = Decimal(1)
CLASSES = ", ".join(one.value for one in AssetClass)


class Basis(enum.StrEnum):
    """What the weights of an allocation are given for."""

    INSTRUMENT = "INSTRUMENT"
    ASSET_CLASS = "ASSET_CLASS"
    CURRENCY = "CURRENCY"
    TAXONOMY = "TAXONOMY"


@dataclass(frozen=True, slots=True)
class TargetDraft:
    """The weight somebody wants one thing to have: an instrument, or a category by its name."""

    weight: Decimal
    instrument_id: UUID | None = None
    category: str = ""
    label: str = ""  # what people call it

    @property
    def name(self) -> str:
        """What it is called in a refusal."""
        return self.label or self.category or str(self.instrument_id)


class PlanRefused(ValueError):
    """Targets that cannot stand; `problems` says of each field what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = dict(problems)


def check_targets(basis: Basis, targets: Sequence[TargetDraft]) -> None:
    """Refuse targets of which one is not of the basis, is given twice or weighs wrong, or that add up to more than the whole.

    :raises PlanRefused: by field

    >>> check_targets(Basis.ASSET_CLASS, [TargetDraft(Decimal("0.6"), category="EQUITY")])
    """
    problems = {f"targets.{index}.{field}": text for index, one in enumerate(targets) for field, text in _wrong(basis, one)}
    seen: set[tuple[UUID | None, str]] = set()
    for index, one in enumerate(targets):
        key = (one.instrument_id, one.category)
        if key in seen:
            problems.setdefault(f"targets.{index}", f"{one.name} has a target already; leave one of the two out.")
        seen.add(key)
    total = sum((one.weight for one in targets if one.weight.is_finite()), Decimal(0))
    if total > WHOLE:
        over = plain(total - WHOLE)
        problems["targets"] = f"The weights add up to {plain(total)}, {over} more than 1; what they leave over is cash."
    if problems:
        raise PlanRefused(problems)


def _wrong(basis: Basis, target: TargetDraft) -> list[tuple[str, str]]:
    """Return what is wrong with one target, by field."""
    found = [("weight", told) for told in _wrong_weight(target.weight)]
    given = (target.instrument_id, target.category)
    wanted, spared = given if basis is Basis.INSTRUMENT else given[::-1]
    if spared:
        found.append(SPARED[basis is Basis.INSTRUMENT])
    if not wanted:
        found.append(("instrument" if basis is Basis.INSTRUMENT else "category", f"Name the {SAID[basis]}."))
    elif target.category not in KNOWN.get(basis, {target.category}):
        found.append(("category", REMEDY[basis]))
    return found


def _wrong_weight(weight: Decimal) -> list[str]:
    """Return what is wrong with a weight."""
    if not (weight.is_finite() and 0 <= weight <= WHOLE):
        return ["A weight is a share from 0 to 1, such as 0.25."]
    return [] if weight == round(weight, PLACES) else [f"A weight has at most {PLACES} decimal places."]


SAID = {
    Basis.INSTRUMENT: "instrument, such as AAPL:XNAS",
    Basis.ASSET_CLASS: "asset class",
    Basis.CURRENCY: "currency",
    Basis.TAXONOMY: "category of the taxonomy",
}
KNOWN = {Basis.ASSET_CLASS: set(AssetClass.__members__), Basis.CURRENCY: set(CURRENCIES)}
REMEDY = {
    Basis.ASSET_CLASS: f"There is no such class; there are {CLASSES}.",
    Basis.CURRENCY: "Write the currency as its three capital letters (ISO 4217), such as USD.",
}
SPARED = {
    True: ("category", "The allocation is by instrument: leave the category out."),
    False: ("instrument", "The allocation is by category: leave the instrument out."),
}


def check_shares(shares: Sequence[Decimal]) -> None:
    """Refuse shares of an instrument in the categories of a taxonomy that add up to more than all of it.

    :raises PlanRefused: if they do

    >>> check_shares([Decimal("0.6"), Decimal("0.4")])
    """
    total = sum(shares, Decimal(0))
    if total > WHOLE:
        told = f"The instrument's shares in the taxonomy would add up to {plain(total)}; they leave nothing over at 1."
        raise PlanRefused({"weight": told})
