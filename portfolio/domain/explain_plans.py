"""Why an account is as far from its targets as it is, and what its bounds come to: from what each thing held is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from portfolio.domain.allocation import Drift, Held, Plan, Standing
from portfolio.domain.bridge import Daily
from portfolio.domain.exact import ONE, ZERO
from portfolio.domain.explain import RATIO_PLACES, Explanation, Rule
from portfolio.domain.policies import Check, Facts, Kind, State

EXACT_PLACES = 30  # a value times a share of it
PART = {"part": Rule("value * share", EXACT_PLACES)}
SIZE = {"size": Rule("abs(difference_value)", EXACT_PLACES)}
BROKEN = {"broken": Rule("0 if value <= threshold else 1", 0)}
SHARED = "`value` is what is held of it in the account's currency (table `holdings`), `share` the part of it that counts here."
WORST = "`{0}` is what the worst adds up from, `{0}_all` are all that were compared."


def explain_drift(found: Explanation, drift: Drift, plan: Plan, holdings: Sequence[Held], labels: Mapping[str, str]) -> None:
    """Add why each target stands where it does to why the account is worth what it is."""
    found.notes.append(SHARED)
    standings = found.table("standings", summed=("size",), rules=SIZE)
    shares = {held.key: plan.places(held) for held in holdings}
    for place, one in enumerate(drift.rows):
        parts = [(held, shares[held.key].get(one.key)) for held in holdings]
        _parts(found, f"target_{place}", [(held, share) for held, share in parts if share])
        found.tell(f"targets.{place}.value", f"sum(target_{place}.part)", one.value)
        _stand(found, f"targets.{place}", one, drift, plan.weights.get(one.key, ZERO))
    rest = [(held, ONE - sum(shares[held.key].values(), ZERO)) for held in holdings]
    _parts(found, "unclassified", [(held, share) for held, share in rest if share])
    found.tell("unclassified.value", "sum(unclassified.part)", drift.unclassified.value)
    _stand(found, "unclassified", drift.unclassified, drift, ZERO)
    found.tell("cash.value", "total_value - sum(holdings.value_in_base)", drift.cash.value, total_value=drift.total)
    _stand(found, "cash", drift.cash, drift, plan.cash)
    for one in drift.everything:
        standings.add({"target": labels.get(one.key, one.key), "difference_value": one.difference, "size": abs(one.difference)})
    kept = drift.weight(drift.off)
    if kept is not None:
        found.tell("drift", "sum(standings.size) / 2 / total_value", kept, RATIO_PLACES, total_value=drift.total)


def _parts(found: Explanation, name: str, parts: Iterable[tuple[Held, Decimal]]) -> None:
    """Fill in the table of what counts for a target."""
    table = found.table(name, summed=("part",), rules=PART)
    for held, share in parts:
        row = {"instrument": held.name, "value": held.value, "share": share}
        table.add(row | {"part": found.compute(PART["part"].formula, row, EXACT_PLACES)})


def _stand(found: Explanation, name: str, one: Standing, drift: Drift, weight: Decimal) -> None:
    """Add the steps from the value of one thing to its differences and weights."""
    whole = {"total_value": drift.total}
    found.tell(f"{name}.target_value", "weight * total_value", one.target, weight=weight, **whole)
    ends = {"value": one.value, "target_value": one.target}
    found.tell(f"{name}.difference_value", "value - target_value", one.difference, **ends)
    for figure, column, amount in (
        ("actual_weight", "value", one.value),
        ("target_weight", "target_value", one.target),
        ("difference", "difference_value", one.difference),
    ):
        kept = drift.weight(amount)
        if kept is not None:
            found.tell(f"{name}.{figure}", f"{column} / total_value", kept, RATIO_PLACES, **{column: amount}, **whole)


def explain_checks(found: Explanation, checks: Sequence[Check], facts: Facts, year: Sequence[Daily]) -> None:
    """Add what bounds come to to why the account is worth what it is; `year` are the days of which the fees count."""
    table = found.table("checks", summed=("broken",), rules=BROKEN)
    for place, one in enumerate(checks):
        name = f"checks.{place}"
        found.tell(f"{name}.threshold", "threshold", one.threshold, RATIO_PLACES, threshold=one.threshold)
        if one.value is None:
            found.notes.append(f"{one.kind}: {one.reason}")
            continue
        broken = ONE if one.state is State.BROKEN else ZERO
        table.add({"kind": one.kind.value, "value": one.value, "threshold": one.threshold, "broken": broken})
        if one.kind is Kind.FEES:
            _explain_fees(found, name, one, year)
        elif one.offender is None:
            found.tell(f"{name}.value", "0", one.value, RATIO_PLACES)
        else:
            _explain_share(found, name, one, facts)
    found.tell("broken", "sum(checks.broken)", table.total("broken"), 0)


def _explain_share(found: Explanation, name: str, one: Check, facts: Facts) -> None:
    """Add why the worst of some things is so large a share of the whole."""
    if one.offender is None:
        return
    own, every = name.replace(".", "_"), _amounts(one.kind, facts)
    found.notes.append(WORST.format(own))
    for table_name, parts in ((own, [part for part in every if part[0] == one.offender.name]), (f"{own}_all", every)):
        table = found.table(table_name, summed=("amount",))
        for group, what, amount in parts:
            table.add({"of": group, "what": what, "amount": amount})
    amount = one.offender.amount
    found.tell(f"{name}.offender.amount", f"sum({own}.amount)", amount)
    formula = "max(amount, 0) / total_value" if one.kind is Kind.CASH else "abs(amount) / total_value"
    found.tell(f"{name}.value", formula, one.value, RATIO_PLACES, amount=amount, total_value=facts.total)


def _amounts(kind: Kind, facts: Facts) -> list[tuple[str, str, Decimal]]:
    """Return what a bound compares: what each amount belongs to, what it is, and the amount in the account's currency."""
    match kind:
        case Kind.POSITION:
            return [(held.name, held.name, held.value) for held in facts.holdings]
        case Kind.ASSET_CLASS:
            return [(held.asset_class, held.name, abs(held.value)) for held in facts.holdings]
        case Kind.CURRENCY:
            held_in = [(held.currency, held.name, held.value) for held in facts.holdings]
            cash = [(code, "cash", amount) for code, amount in facts.cash.items()]
            return [part for part in [*held_in, *cash] if part[0] != facts.base]
    return [("cash", code, amount) for code, amount in facts.cash.items()]


def _explain_fees(found: Explanation, name: str, one: Check, year: Sequence[Daily]) -> None:
    """Add what the fees of a year come to beside the average value of its days."""
    table = found.table("year", summed=("fees", "total_value"))
    for day in year:
        table.add({"day": day.date.isoformat(), "fees": day.fees, "total_value": day.total_value})
    amount = found.tell(f"{name}.offender.amount", "sum(year.fees)", one.offender.amount if one.offender else None)
    formula = "amount / (sum(year.total_value) / days)"
    found.tell(f"{name}.value", formula, one.value, RATIO_PLACES, amount=amount, days=Decimal(len(year)))
