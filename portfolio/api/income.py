"""Dividends, interest and staking rewards of an account: received, beside what was paid for it, and to be expected."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, InstrumentField
from portfolio.api.base import CURRENCY, PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, few_explained
from portfolio.api.performance import PERIOD, RATIO, PeriodQuery
from portfolio.domain.exact import ZERO
from portfolio.domain.income import Basis
from portfolio.selectors.explained_income import ExplainedIncome, explained_income
from portfolio.selectors.income import NO_RATE, Income, income_of

UNITS = 12


class TallySerializer(serializers.Serializer):
    """What payments add up to: `gross` before taxes and fees held back, `net` what arrived."""

    gross = FigureField()
    tax = FigureField()
    fee = FigureField()
    net = FigureField()
    dividends = FigureField(help_text="Gross.")
    interest = FigureField(help_text="Gross; below zero where it was paid.")
    staking = FigureField(help_text="What units earned were worth when they came.")
    payments = serializers.IntegerField()


class IncomeMonthSerializer(TallySerializer):
    """The payments of a month."""

    month = serializers.CharField(help_text="YYYY-MM")
    explanation = ExplanationField()


class IncomeInstrumentSerializer(TallySerializer):
    """The payments of an instrument, and the gross ones of the last twelve months as a share of the cost of what is held."""

    instrument = InstrumentField(read_only=True)
    last_year = FigureField()
    yield_on_cost = FigureField(places=RATIO, allow_null=True)
    explanation = ExplanationField()


class ExpectedSerializer(serializers.Serializer):
    """A payment to be expected, before taxes, on what is held now.

    `basis`: `declared` by the company; `last_year`, a dividend that it declared for the last year, once more; or `received`, one
    of the account's own where nothing is known of what was declared.
    """

    date = DayField(source="day")
    instrument = serializers.CharField()
    per_unit = FigureField()
    quantity = FigureField(places=UNITS)
    currency = serializers.CharField()
    gross = FigureField()
    gross_in_currency = FigureField(allow_null=True, help_text="In the currency of the answer, at the last rate.")
    basis = serializers.ChoiceField([one.value for one in Basis])


class ForecastSerializer(serializers.Serializer):
    """What the twelve months after `as_of` can bring in dividends; interest and rewards are not foretold."""

    gross = FigureField()
    declared = FigureField(help_text="The part of it that has been declared.")
    months = serializers.DictField(child=FigureField())
    payments = ExpectedSerializer(many=True)


class IncomeSerializer(serializers.Serializer):
    """Dividends, interest and staking rewards over [start, end), each at the rate on its entry or of its day.

    `yield_on_cost` is the gross income of the last twelve months from what is held now over what that cost.
    """

    currency = serializers.CharField()
    as_of = DayField()
    start = DayField(allow_null=True)
    end = DayField(allow_null=True)
    total = TallySerializer()
    months = IncomeMonthSerializer(many=True)
    instruments = IncomeInstrumentSerializer(many=True)
    last_year = FigureField()
    cost = FigureField()
    yield_on_cost = FigureField(places=RATIO, allow_null=True)
    forecast = ForecastSerializer()
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Pairs without which payments are left out, and units earned that had no price."
    )
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()


class IncomeViewSet(FiguresViewSet):
    """The income of an account."""

    serializer_class = IncomeSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[*PERIOD[:2], CURRENCY, *PAST, EXPLAIN], responses=IncomeSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return what was received in [start, end), and what can be expected."""
        query = PeriodQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        start, end = query.validated_data["start"], query.validated_data["end"]
        as_of = self.past.get("as_of")
        found = income_of(
            self.figures,
            start=start,
            end=end,
            today=as_of or timezone.now().date(),
            known_at=self.past.get("known_at"),
            past=as_of is not None,
        )
        answer = IncomeSerializer(_row(found) | {"start": start, "end": end}).data
        if few_explained(request, max(len(found.months), len(found.instruments))):
            self.explain(answer, explained_income(found))
        return Response(answer)

    def explain(self, answer: dict[str, Any], why: ExplainedIncome) -> None:
        """Add why income is what it is: to the answer, to its months, and to its instruments."""
        told = [(answer, why.whole)]
        told += [*zip(answer["months"], why.months, strict=True), *zip(answer["instruments"], why.instruments, strict=True)]
        for row, explanation in told:
            row["explanation"] = as_told(explanation, self.account, self.past)


def _row(found: Income) -> dict[str, Any]:
    """Return the income as clients are told it."""
    months: dict[str, Any] = {}
    for one, _, worth in found.forecast:
        month = f"{one.day.year:04}-{one.day.month:02}"
        months[month] = months.get(month, ZERO) + (worth.value or ZERO)
    reasons = dict(found.reasons)
    for each in found.instruments:
        if each.yield_on_cost is None:
            reasons[f"yield_on_cost {each.instrument.key}"] = each.reason
    if any(worth.value is None for *_, worth in found.forecast):
        reasons["gross_in_currency"] = NO_RATE
    return {
        "currency": found.currency,
        "as_of": found.as_of,
        "total": found.whole,
        "months": [{"month": month, **_tally(tally)} for month, tally in found.months.items()],
        "instruments": [
            {
                "instrument": each.instrument,
                "last_year": each.trailing,
                "yield_on_cost": each.yield_on_cost,
                **_tally(each.tally),
            }
            for each in found.instruments
        ],
        "last_year": found.trailing,
        "cost": found.cost,
        "yield_on_cost": found.yield_on_cost,
        "forecast": {
            "gross": sum(months.values(), ZERO),
            "declared": sum((worth.value or ZERO for one, _, worth in found.forecast if one.basis is Basis.DECLARED), ZERO),
            "months": months,
            "payments": [
                one._asdict() | {"instrument": called, "gross_in_currency": worth.value} for one, called, worth in found.forecast
            ],
        },
        "missing": found.missing,
        "reasons": reasons,
    }


def _tally(tally: Any) -> dict[str, Any]:
    """Return what payments add up to by name."""
    names: list[str] = list(TallySerializer().fields)
    return {name: getattr(tally, name) for name in names}
