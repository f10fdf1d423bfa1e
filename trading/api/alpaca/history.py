"""What the account was worth over time: by the day, or in shorter steps within days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from portfolio.domain.exact import EXACT, ZERO
from portfolio.models import Snapshot
from portfolio.services.projections import catch_up
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import BadField
from trading.api.alpaca.words import choice, day, flag, instant, listed
from trading.domain.alpaca_history import DAILY, FIRST, MONTH, STEPS, BadPeriod, Reporting, begin, steps, usual_step
from trading.domain.worth import Worth, day_of
from trading.selectors.within_days import worths_at

FLOWS = {"CSD": "inflow", "CSW": "outflow"}
DAY, YEAR_OF_DAYS = timedelta(days=1), timedelta(days=366)
TIMEFRAMES = {name.lower(): name for name in (*STEPS, DAILY)}
REPORTING = {each.value: each for each in Reporting}
RESETS = {"per_day": True, "no_reset": False}
CENT, BASIS_POINT = 2, 4  # places


@dataclass(frozen=True, slots=True)
class Bases:
    """What gains within days count from: the day before each, or the one before the first of them."""

    before: Snapshot | None
    days: Mapping[date, Snapshot]
    resets: bool

    def gain(self, one: Worth) -> tuple[Decimal, Decimal]:
        """Return what was gained by a moment, and what it was gained on; what came from outside is no gain."""
        day = date.fromordinal(day_of(one.at))
        last = max((each for each in self.days if each < day), default=None)
        eve = self.days[last] if last else self.before
        base = eve if self.resets else self.before
        gained = EXACT.subtract(EXACT.subtract(one.value, _value(eve)), one.flowed)
        gained = EXACT.add(gained, EXACT.subtract(_gain(eve), _gain(base)))
        return gained, _value(base) or EXACT.subtract(one.value, gained)


class HistoryView(AccountView):
    """The account's worth over time."""

    def get(self, request: Request) -> Response:
        """Return how the account went in a period."""
        query = request.query_params
        if all(query.get(name) for name in ("period", "end")) and self.said("start", "date_start"):
            raise BadField("only two of start, end and period can be given")
        at = timezone.now()
        start, end, period = instant(self.said("start", "date_start"), "start"), self.end(at), query.get("period") or MONTH
        if start is not None:
            start = max(start, datetime.combine(FIRST, time(), UTC))
        try:
            said = query.get("timeframe")
            frame = choice(said, "timeframe", TIMEFRAMES) if said else usual_step(period, start, end)
            catch_up(account_id=self.account.pk, at=at)
            if frame in STEPS:
                return Response(self.within_days(frame, period, start, end, at))
            return Response(self.by_day(start.date() if start else begin(end.date(), period), end.date()))
        except BadPeriod as refusal:
            raise BadField(str(refusal)) from None

    def said(self, *names: str) -> str:
        """Return the first of some parameters that is given."""
        return next((said for name in names if (said := self.request.query_params.get(name))), "")

    def end(self, at: datetime) -> datetime:
        """Return up to when the history is told: now at last."""
        query = self.request.query_params
        end = instant(query.get("end"), "end")
        if end is None and (last := day(query.get("date_end"), "date_end")):
            end = datetime.combine(last + DAY, time(), UTC) - timedelta(microseconds=1)
        return max(min(end or at, at), datetime.combine(FIRST + YEAR_OF_DAYS, time(), UTC))

    def by_day(self, first: date, last: date) -> dict[str, Any]:
        """Return the days of a time."""
        rows = Snapshot.objects.filter(account=self.account).defer("moves", "held").order_by("date")
        before = rows.filter(date__lt=first).last()
        return history(list(rows.filter(date__gte=first, date__lte=last)), before, self.flows())

    def within_days(self, frame: str, period: str, start: datetime | None, end: datetime, at: datetime) -> dict[str, Any]:
        """Return the steps of a time: each is told as it stood at its end, the last one as it stands."""
        query, step = self.request.query_params, STEPS[frame]
        usual = Reporting.EXTENDED if flag(query.get("extended_hours"), "extended_hours") else Reporting.MARKET
        reporting = choice(query.get("intraday_reporting"), "intraday_reporting", REPORTING, usual)
        resets = choice(query.get("pnl_reset"), "pnl_reset", RESETS, "per_day")
        found = steps(step, reporting, period=period, start=start, end=end)
        told = worths_at(self.account, [min(each + step, at) for each in found], step=step)
        days = Snapshot.objects.filter(account=self.account).defer("moves", "held").order_by("date")
        first = date.fromordinal(day_of(told[0].at)) if told else end.date()
        last = date.fromordinal(day_of(told[-1].at)) if told else first
        known = {row.date: row for row in days.filter(date__gte=first, date__lt=last)}
        before = days.filter(date__lt=first).last()
        body = in_steps(told, Bases(before, known, resets=resets), self.flows())
        return {"timestamp": [int(each.timestamp()) for each in found], **body, "timeframe": frame}

    def flows(self) -> Mapping[str, str]:
        """Return which flows of money are to be told, with the figure of a day that has each."""
        wanted = listed(self.request.query_params.get("cashflow_types"))
        return FLOWS if "ALL" in wanted else {kind: FLOWS[kind] for kind in wanted if kind in FLOWS}


def history(days: Sequence[Snapshot], before: Snapshot | None, flows: Mapping[str, str]) -> dict[str, Any]:
    """Return the days as Alpaca tells them: gains are those since the day before the first, what came in and went out apart."""
    base, gained = _value(before), _gain(before)
    gains = [EXACT.subtract(one.total_gain, gained) for one in days]
    invested = [EXACT.subtract(one.total_value, gain) for one, gain in zip(days, gains, strict=True)]
    return {
        "timestamp": [int(datetime.combine(one.date, time(), UTC).timestamp()) for one in days],
        "equity": [_cents(one.total_value) for one in days],
        "profit_loss": [_cents(gain) for gain in gains],
        "profit_loss_pct": [_share(gain, base or put) for gain, put in zip(gains, invested, strict=True)],
        **_base(before),
        "timeframe": DAILY,
        "cashflow": {kind: [_signed(kind, getattr(one, name)) for one in days] for kind, name in flows.items()},
    }


def in_steps(told: Sequence[Worth], bases: Bases, flows: Mapping[str, str]) -> dict[str, Any]:
    """Return moments within days as Alpaca tells them."""
    gains = [bases.gain(one) for one in told]
    moved = [
        one.flowed if day_of(one.at) != day_of(last.at) else EXACT.subtract(one.flowed, last.flowed)
        for last, one in pairwise([*told[:1], *told])
    ]
    moved[:1] = [one.flowed for one in told[:1]]
    return {
        "equity": [_cents(one.value) for one in told],
        "profit_loss": [_cents(gain) for gain, _ in gains],
        "profit_loss_pct": [_share(gain, base) for gain, base in gains],
        **_base(bases.before),
        "cashflow": {kind: [_cents(amount) if (amount > 0) == (kind == "CSD") else 0.0 for amount in moved] for kind in flows},
    }


def _base(before: Snapshot | None) -> dict[str, Any]:
    return {"base_value": _cents(_value(before)), "base_value_asof": before.date if before else None}


def _value(day: Snapshot | None) -> Decimal:
    return day.total_value if day else ZERO


def _gain(day: Snapshot | None) -> Decimal:
    return day.total_gain if day else ZERO


def _cents(amount: Decimal) -> float:
    return round(float(amount), CENT)


def _share(gain: Decimal, base: Decimal) -> float:
    return round(float(EXACT.divide(gain, base)), BASIS_POINT) if base else 0.0


def _signed(kind: str, amount: Decimal) -> float:
    return -_cents(amount) if kind == "CSW" else _cents(amount)
