"""What the account was worth, day by day."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from portfolio.domain.exact import EXACT, ZERO
from portfolio.models import Snapshot
from portfolio.services.projections import catch_up
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import UNPROCESSABLE, BadField, Refusal
from trading.api.alpaca.words import day, instant, listed

PERIOD = re.compile(r"(?P<count>[0-9]{1,3})(?P<unit>[DWMAY])", re.ASCII)
EVERYTHING, MONTH = "all", "1M"
DAILY = "1D"
INTRADAY = ("1Min", "5Min", "15Min", "1H")
YEAR = 12
FLOWS = {"CSD": "inflow", "CSW": "outflow"}
FIRST, YEAR_OF_DAYS = date(1900, 1, 1), timedelta(days=366)


class HistoryView(AccountView):
    """The account's worth over time."""

    def get(self, request: Request) -> Response:
        """Return the days of a period; the account is valued by the day, so there is nothing finer."""
        query = request.query_params
        timeframe = query.get("timeframe") or DAILY
        if timeframe in INTRADAY:
            raise Refusal(UNPROCESSABLE, "accounts are valued by the day here: the timeframe is 1D")
        if timeframe != DAILY:
            raise BadField("timeframe must be 1D")
        at = timezone.now()
        catch_up(account_id=self.account.pk, at=at)
        last = max(_end(query.get("end"), query.get("date_end"), at), FIRST + YEAR_OF_DAYS)
        start = instant(query.get("start"), "start")
        first = start.date() if start else begin(last, query.get("period") or MONTH)
        rows = Snapshot.objects.filter(account=self.account).defer("moves", "held").order_by("date")
        before = rows.filter(date__lt=first).last()
        return Response(history(list(rows.filter(date__gte=first, date__lte=last)), before, listed(query.get("cashflow_types"))))


def history(days: Sequence[Snapshot], before: Snapshot | None, flows: Sequence[str] = ()) -> dict[str, Any]:
    """Return the days as Alpaca tells them: gains are those since the day before the first, what came in and went out apart."""
    base, gained = (before.total_value, before.total_gain) if before else (ZERO, ZERO)
    gains = [EXACT.subtract(one.total_gain, gained) for one in days]
    invested = [EXACT.subtract(one.total_value, gain) for one, gain in zip(days, gains, strict=True)]
    wanted = FLOWS if "ALL" in flows else {kind: FLOWS[kind] for kind in flows if kind in FLOWS}
    return {
        "timestamp": [int(datetime.combine(one.date, time(), UTC).timestamp()) for one in days],
        "equity": [float(one.total_value) for one in days],
        "profit_loss": [float(gain) for gain in gains],
        "profit_loss_pct": [_share(gain, base or put) for gain, put in zip(gains, invested, strict=True)],
        "base_value": float(base),
        "base_value_asof": before.date if before else None,
        "timeframe": DAILY,
        "cashflow": {kind: [_signed(kind, getattr(one, name)) for one in days] for kind, name in wanted.items()},
    }


def begin(last: date, period: str) -> date:
    """Return the first day of a period that ends on a day: a number of days, weeks, months or years (A), or `all`.

    :raises BadField: if it is no period

    >>> begin(date(2024, 3, 31), "1M")
    datetime.date(2024, 3, 1)
    """
    if period.lower() == EVERYTHING:
        return FIRST
    found = PERIOD.fullmatch(period)
    if found is None or not int(found["count"]):
        raise BadField("period must be a number and D, W, M or A, such as 1M, or all")
    count, unit = int(found["count"]), found["unit"]
    if unit in "DW":
        return max(FIRST, last - timedelta(days=count * (7 if unit == "W" else 1) - 1))
    months = last.year * YEAR + last.month - 1 - count * (YEAR if unit in "AY" else 1)
    year, month = divmod(months, YEAR)
    if year < FIRST.year:
        return FIRST
    return date(year, month + 1, min(last.day, calendar.monthrange(year, month + 1)[1])) + timedelta(days=1)


def _end(end: str | None, date_end: str | None, at: datetime) -> date:
    """Return the last day that is asked for; today, unless one is."""
    if until := instant(end, "end"):
        return until.date()
    return day(date_end, "date_end") or at.date()


def _share(gain: Decimal, base: Decimal) -> float | None:
    return float(EXACT.divide(gain, base)) if base else 0.0


def _signed(kind: str, amount: Decimal) -> float:
    return -float(amount) if kind == "CSW" else float(amount)
