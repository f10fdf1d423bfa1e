"""What each position contributed to the gain of a period."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField
from marketdata.models import Instrument
from portfolio.api.base import CURRENCY, PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, few_explained
from portfolio.api.performance import PERIOD, RATIO
from portfolio.domain.benchmark import NO_DAY
from portfolio.selectors.contributions import contributions_of
from portfolio.selectors.explained import Explained
from portfolio.selectors.figures import names_of

NO_CAPITAL = "Nothing was there at the start and nothing was put in."


class SpanQuery(serializers.Serializer):
    """Which period is asked for."""

    start = DayField(required=False, default=None)
    end = DayField(required=False, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it starts."""
        if attrs["start"] and attrs["end"] and attrs["end"] <= attrs["start"]:
            raise serializers.ValidationError({"end": [ErrorDetail("The end must come after the start.", code="invalid")]})
        return attrs


class ContributionSerializer(serializers.Serializer):
    """What one instrument made: gain = end_value - start_value - paid_in + paid_out + income + interest - fees - taxes.

    That is price_gain + currency_gain + income + interest - fees - taxes, too. `paid_in` and `paid_out` are what was put into it
    and taken out, net of each day, before fees and taxes. `contribution` is the gain over the account's start value and inflows.
    The row without an instrument is the account itself: cash, interest on it, fees and taxes of its own, exchanges of units.
    """

    instrument = serializers.CharField(allow_null=True)
    start_value = FigureField()
    end_value = FigureField()
    paid_in = FigureField()
    paid_out = FigureField()
    price_gain = FigureField()
    currency_gain = FigureField()
    income = FigureField()
    interest = FigureField()
    fees = FigureField()
    taxes = FigureField()
    gain = FigureField()
    contribution = FigureField(places=RATIO, allow_null=True)
    explanation = ExplanationField()


class ContributionsSerializer(serializers.Serializer):
    """The contributions over [start, end), the largest gain first; the gains add up to `gain`, that of the account."""

    currency = serializers.CharField()
    start = DayField(allow_null=True)
    end = DayField(allow_null=True, help_text="The day after the last one.")
    gain = FigureField(allow_null=True)
    results = ContributionSerializer(many=True)
    missing = serializers.ListField(child=serializers.CharField(), help_text="What lacked a price or rate on some day.")
    reasons = serializers.DictField(child=serializers.CharField())


class ContributionViewSet(FiguresViewSet):
    """What each position contributed to an account's gain."""

    serializer_class = ContributionsSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[*PERIOD[:2], CURRENCY, *PAST, EXPLAIN], responses=ContributionsSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the contributions from `start` up to, and without, `end`."""
        query = SpanQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        row = self.remembered("contributions", lambda: self.found(**query.validated_data), **query.validated_data)
        row |= {"missing": names_of(row["missing"])}
        return Response(row | self.why(row, **query.validated_data) if few_explained(request, len(row["results"])) else row)

    def why(self, row: dict[str, Any], *, start: date | None, end: date | None) -> dict[str, Any]:
        """Return the rows with why they are what they are; the account's own is what its bridge says beyond the others."""
        found = Explained(self.figures).contributions(start=start, end=end)
        return {
            "results": [
                {**one, "explanation": as_told(found[one["instrument"]], self.account, self.past)} for one in row["results"]
            ]
        }

    def found(self, *, start: date | None, end: date | None) -> dict[str, Any]:
        """Return the contributions as clients are told them, instruments in `missing` by their ids."""
        rows = contributions_of(self.figures, start=start, end=end)
        keys = Instrument.objects.in_bulk([row.instrument for row in rows if row.instrument])
        called = {str(pk): one.key for pk, one in keys.items()}
        order = sorted(rows, key=lambda row: (row.instrument is None, -row.gain))
        told = [{**row._asdict(), "gain": row.gain, "instrument": called.get(row.instrument or "")} for row in order]
        days = self.figures.days(start=start, end=end) if rows else []
        why = self.figures.gap(start=start, end=end) or NO_DAY
        answer = {
            "currency": self.currency,
            "start": start or (days[0].date if days else None),
            "end": days[-1].date + timedelta(days=1) if days else end,
            "gain": sum(row.gain for row in rows) if rows else None,
            "results": told,
            "missing": self.figures.lacking(start=start, end=end),
            "reasons": {} if rows else {"gain": why},
        }
        if rows and rows[0].contribution is None:
            answer["reasons"] = {"contribution": NO_CAPITAL}
        return ContributionsSerializer(answer).data
