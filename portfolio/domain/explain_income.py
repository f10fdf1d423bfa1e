"""Why income is what it is: from the payments that came in, at the rates they count at, and what is held and was declared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.exact import ZERO
from portfolio.domain.explain import RATIO_PLACES, Cited, Explanation, Row, Rule, rounded
from portfolio.domain.income import Basis, Expected, Received, Tally

PAYMENT = {
    "gross": Rule("own_gross * rate"),
    "tax": Rule("own_tax * rate"),
    "net": Rule("own_net * rate"),
    "fee": Rule("gross - tax - net"),
}
KINDS = ("dividends", "interest", "staking")
AMOUNTS = ("gross", "tax", "fee", "net", *KINDS)
COST = {"cost": Rule("own_cost * rate")}
UNIT_PLACES = 12
EXPECTED = {
    "quantity": Rule("held * splits", UNIT_PLACES),
    "per_unit": Rule("paid / units / grown"),
    "gross": Rule("paid / units / grown * held * splits"),
}
IN_CURRENCY = {"gross_in_currency": Rule("gross * rate")}
FORECAST = (
    "The forecast rests on `paid`, a dividend declared on one unit, or what was received on so many `units`: splits since then \
divide it (`grown`), and those until then will multiply (`splits`) what is held."
)


class Paid(NamedTuple):
    """A payment as it came in, the rate it counts at, and what it counts as."""

    own: Received
    rate: Cited
    told: Received


class Worth(NamedTuple):
    """An amount of something, and what it is worth at a rate; none where none is known."""

    of: str
    amount: Decimal
    rate: Cited | None
    value: Decimal | None


class Foretold(NamedTuple):
    """An expected payment, what its instrument is called, and what it is worth."""

    one: Expected
    called: str
    worth: Worth


def explain_tally(
    found: Explanation, tally: Tally, payments: Iterable[Paid], called: Mapping[str, str], prefix: str = ""
) -> None:
    """Add why payments add up to what they do."""
    note_payments(found, "payments", payments, called)
    for name in AMOUNTS:
        found.tell(f"{prefix}{name}", f"sum(payments.{name})", getattr(tally, name))
    found.tell(f"{prefix}payments", "sum(payments.payments)", Decimal(tally.payments), 0)


def note_payments(found: Explanation, name: str, payments: Iterable[Paid], called: Mapping[str, str]) -> None:
    """Fill in a table of payments; `called` are the keys of instruments by their ids."""
    table = found.table(name, summed=(*AMOUNTS, "payments"), rules=PAYMENT)
    for own, rate, told in payments:
        found.cite(rates=_turned(rate))
        alone = Tally()
        alone.add(told)
        row: Row = {"sequence": own.sequence, "kind": own.kind, "day": own.day.isoformat()}
        row |= {"instrument": called.get(own.instrument or ""), "currency": own.currency}
        row |= {"own_gross": own.gross, "own_tax": own.tax, "own_net": own.net, "rate": rate.value}
        table.add(row | {each: getattr(alone, each) for each in AMOUNTS} | {"payments": Decimal(own.payments)})


def explain_yield(
    found: Explanation,
    payments: Iterable[Paid],
    costs: Iterable[Worth],
    called: Mapping[str, str],
    *,
    last_year: Decimal,
    cost: Decimal | None,
    share: Decimal | None,
) -> None:
    """Add why the payments of the last year come to what they do beside the cost of what is held."""
    note_payments(found, "last_year", payments, called)
    found.tell("last_year", "sum(last_year.gross)", last_year)
    table = found.table("costs", summed=("cost",), rules=COST)
    for one in costs:
        if one.rate is None or one.value is None:
            continue
        found.cite(rates=_turned(one.rate))
        table.add({"instrument": called.get(one.of), "own_cost": one.amount, "rate": one.rate.value, "cost": one.value})
    if cost is not None:
        found.tell("cost", "sum(costs.cost)", cost)
        if share is not None:
            found.tell("yield_on_cost", "last_year / cost", share, RATIO_PLACES, last_year=last_year, cost=cost)


def explain_forecast(found: Explanation, foretold: Sequence[Foretold]) -> None:
    """Add why payments can be expected, and what they add up to: in all, of those declared, and month by month."""
    worth = [one.worth.value for one in foretold]
    rules = EXPECTED | (IN_CURRENCY if None not in worth else {})
    table = found.table("forecast", summed=("gross_in_currency", "declared"), rules=rules)
    months: dict[str, list[Decimal]] = defaultdict(list)
    for (one, called, told), value in zip(foretold, worth, strict=True):
        found.cite(rates=_turned(told.rate))
        source = one.source
        row: Row = {
            "day": one.day.isoformat(),
            "instrument": called,
            "basis": one.basis.value,
            "ex_day": source.ex_day.isoformat(),
        }
        row |= {"paid": source.paid, "units": source.units, "grown": source.grown, "held": source.held, "splits": source.splits}
        row |= {"quantity": rounded(one.quantity, UNIT_PLACES), "per_unit": one.per_unit, "gross": one.gross}
        row |= {"currency": one.currency, "rate": told.rate.value if told.rate else None, "gross_in_currency": value}
        table.add(row | {"declared": (value or ZERO) if one.basis is Basis.DECLARED else ZERO})
        months[f"{one.day.year:04}-{one.day.month:02}"].append(value or ZERO)
    found.notes += [FORECAST] if foretold else []
    found.tell("forecast.gross", "sum(forecast.gross_in_currency)", sum((value or ZERO for value in worth), ZERO))
    found.tell("forecast.declared", "sum(forecast.declared)", table.total("declared"))
    for month, values in months.items():
        numbers = {f"payment_{place}": value for place, value in enumerate(values, 1)}
        found.tell(f"forecast.months.{month}", " + ".join(numbers), sum(values, ZERO), **numbers)


def _turned(rate: Cited | None) -> list[Cited]:
    """Return a rate, unless it is that of a currency into itself."""
    if rate is None:
        return []
    first, _, second = rate.name.partition("/")
    return [rate] if first != second else []
