"""Why an instrument contributed what it did to the gain of a period; the account's own row is what the others leave of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from portfolio.domain.bridge import Bridge, Daily
from portfolio.domain.contributions import Contribution
from portfolio.domain.exact import ZERO
from portfolio.domain.explain import RATIO_PLACES, Explanation, Rule
from portfolio.domain.explain_gains import Span, explain_gains, put_in_by_day

CALLED = {
    "start_value": "start_value", "end_value": "end_value", "put_in": "put_in", "income": "income", "interest": "interest",
    "fees": "fees", "taxes": "taxes", "currency": "currency_gain", "price": "price_gain", "total": "gain",
}  # fmt: skip
CAUSES = ("price_gain", "currency_gain", "income", "interest", "fees", "taxes")
SIDES = {"paid_in": Rule("max(put_in, 0)"), "paid_out": Rule("max(-put_in, 0)")}
TOTAL = "price_gain + currency_gain + income + interest - fees - taxes"
REST = "The account's own row is what its bridge says (performance, with explain) beyond what the instruments made."


def explain_contribution(row: Contribution, span: Span, whole: tuple[Decimal, Decimal]) -> Explanation:
    """Return why an instrument contributed what it did; `whole` is the account's value at the start, and what flowed into it."""
    found = Explanation()
    explain_gains(found, row, span, name="made", called=CALLED)
    table = found.table("days", summed=("paid_in", "paid_out"), rules=SIDES)
    for name, put_in in put_in_by_day(row.instrument or "", span).items():
        table.add({"day": name, "put_in": put_in, "paid_in": max(put_in, ZERO), "paid_out": max(-put_in, ZERO)})
    for side in ("paid_in", "paid_out"):
        found.tell(side, f"sum(days.{side})", getattr(row, side))
    _share(found, row, whole)
    return found


def explain_rest(
    row: Contribution, others: Sequence[Contribution], bridge: Bridge, end: Decimal, whole: tuple[Decimal, Decimal]
) -> Explanation:
    """Return why the account itself contributed what it did; `end` is its value at the end."""
    found = Explanation(notes=[REST])
    table = found.table("instruments", summed=("start_value", "end_value", *CAUSES))
    for one in others:
        table.add({name: getattr(one, name) for name in ("start_value", "end_value", *CAUSES)})
    values = {"start_value": whole[0], "end_value": end}
    values |= dict(zip(CAUSES, (bridge.price, bridge.currency, *bridge_rest(bridge)), strict=True))
    for name, of_account in values.items():
        found.tell(name, f"of_account - sum(instruments.{name})", getattr(row, name), of_account=of_account)
    for side in ("paid_in", "paid_out"):
        found.tell(side, "0", getattr(row, side))
    found.tell("gain", TOTAL, row.gain, **{name: getattr(row, name) for name in CAUSES})
    _share(found, row, whole)
    return found


def bridge_rest(bridge: Bridge) -> tuple[Decimal, ...]:
    """Return the causes of a bridge beside prices and currencies."""
    return (bridge.income, bridge.interest, bridge.fees, bridge.taxes)


def _share(found: Explanation, row: Contribution, whole: tuple[Decimal, Decimal]) -> None:
    """Add the step to the gain as a share of what there was at the start and came in."""
    if row.contribution is not None:
        numbers = {"gain": row.gain, "start_of_account": whole[0], "inflow": whole[1]}
        found.tell("contribution", "gain / (start_of_account + inflow)", row.contribution, RATIO_PLACES, **numbers)


def whole_of(days: Sequence[Daily], opening: Daily | None) -> tuple[Decimal, Decimal]:
    """Return an account's value at the start of days, and what flowed into it on them."""
    return (ZERO if opening is None else opening.total_value), sum((day.inflow for day in days), ZERO)
