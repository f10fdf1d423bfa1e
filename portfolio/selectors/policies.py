"""What the bounds of an account come to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Count, QuerySet, Sum

from accounts.models import Policy
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.policies import Check, Facts, Kind, check
from portfolio.selectors.figures import Figures
from portfolio.selectors.plans import stock_of

YEAR = timedelta(days=365)


def checks_of(figures: Figures) -> list[Check]:
    """Return what each enabled bound of an account comes to by its figures."""
    policies = list(Policy.objects.filter(account=figures.account, enabled=True).order_by("kind"))
    if not policies:
        return []
    facts = facts_of(figures, fees=any(policy.kind == Kind.FEES for policy in policies))
    return [check(Kind(policy.kind), policy.threshold, facts) for policy in policies]


def facts_of(figures: Figures, *, fees: bool) -> Facts:
    """Return what the bounds are checked against."""
    stock = stock_of(figures)
    paid, average, lacking = ZERO, None, []
    if fees and stock.as_of is not None:
        start, end = year_of(stock.as_of)
        paid, average = _year(figures, start)
        lacking = figures.missing(start=start, end=end)
    return Facts(
        base=figures.account.base_currency,
        total=stock.total,
        holdings=stock.holdings,
        cash=stock.cash_by_currency(),
        fees=paid,
        average=average,
        missing=stock.missing,
        fees_missing=lacking,
    )


def year_of(last: date) -> tuple[date, date]:
    """Return the first of the days whose fees count up to a day, and the day after that."""
    return last - YEAR + timedelta(days=1), last + timedelta(days=1)


def _year(figures: Figures, first: date) -> tuple[Decimal, Decimal | None]:
    """Return the fees since a day, and the average value of the days; none where no day was valued."""
    days: QuerySet | Collection = figures.snapshots()
    if isinstance(days, QuerySet):
        sums = days.order_by().filter(date__gte=first).aggregate(fees=Sum("fees"), value=Sum("total_value"), days=Count("pk"))
        fees, value, number = sums["fees"] or ZERO, sums["value"] or ZERO, sums["days"]
    else:
        rows = [row for row in days if row.date >= first]
        fees, value = sum((row.fees for row in rows), ZERO), sum((row.total_value for row in rows), ZERO)
        number = len(rows)
    return fees, EXACT.divide(value, Decimal(number)) if number else None
