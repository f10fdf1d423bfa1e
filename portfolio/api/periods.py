"""Successive days as rows of a list: which are asked for, and pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from marketdata.api.fields import DayField
from portfolio.api.performance import PERIOD, PeriodQuery

DATES = [
    *PERIOD[:2],
    OpenApiParameter("date", OpenApiTypes.DATE, description="One day."),
    OpenApiParameter("date__gte", OpenApiTypes.DATE, description="The first day, as `start`."),
    OpenApiParameter("date__lt", OpenApiTypes.DATE, description="The day after the last, as `end`."),
]
PAGES = [
    OpenApiParameter("limit", OpenApiTypes.INT, description="How many rows a page has at most: 1 to 1000, 100 if not said."),
    OpenApiParameter("cursor", str, description="Where the page starts, taken from `next` or `previous`."),
    OpenApiParameter("ordering", str, enum=["date", "-date"], description="The order of the rows."),
]


class DatesQuery(serializers.Serializer):
    """Which days are asked for."""

    date = DayField(required=False)
    date__gte = DayField(required=False)
    date__lt = DayField(required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the first day and the one after the last, each none where it is not said."""
        period = PeriodQuery(data={name: data[name] for name in ("start", "end") if name in data})
        period.is_valid(raise_exception=True)
        fields = super().to_internal_value(data)
        day = fields.get("date")
        firsts = [period.validated_data["start"], day, fields.get("date__gte")]
        ends = [period.validated_data["end"], day and min(day, LAST) + timedelta(days=1), fields.get("date__lt")]
        return {
            "start": max((one for one in firsts if one), default=None),
            "end": min((one for one in ends if one), default=None),
        }


LAST = date.max - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Dates:
    """Days as keyed rows, the newest first or last."""

    first: date
    last: date

    @classmethod
    def within(cls, reach: tuple[date, date] | None, *, start: date | None, end: date | None) -> Dates:
        """Return the days of a stretch that lie in [start, end)."""
        if reach is None:
            return cls(date.max, date.min)
        last = reach[1] if end is None else min(reach[1], max(end, date.min + timedelta(days=1)) - timedelta(days=1))
        return cls(max(reach[0], start or reach[0]), last)

    def after(self, key: Sequence[Any] | None, *, descending: bool, limit: int) -> list[date]:
        """Return up to so many days beyond a key, or from the start."""
        first, last = self.first.toordinal(), self.last.toordinal()
        if key is not None:
            first, last = (first, min(last, key[0] - 1)) if descending else (max(first, key[0] + 1), last)
        days = range(last, first - 1, -1) if descending else range(first, last + 1)
        return [date.fromordinal(day) for day in days[:limit]]

    def key_of(self, row: date) -> list[Any]:
        """Return where a day stands."""
        return [row.toordinal()]
