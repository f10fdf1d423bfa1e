"""`?explain=1`: each figure with the entries, prices and rates it came from, and the formulas between."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import Account
from marketdata.api.fields import DayField
from portfolio.domain.explain import Explanation
from portfolio.domain.explain_days import OF_DAY

MOST_EXPLAINED = 100  # rows of a page
EXPLAIN = OpenApiParameter(
    "explain",
    OpenApiTypes.BOOL,
    description=f"Adds `explanation`: formulas, entries, prices and rates; of at most {MOST_EXPLAINED} rows a page.",
)


class StepSerializer(serializers.Serializer):
    """A figure by its formula over `numbers` and sums of columns of tables, rounded half to even; null where none gives it."""

    figure = serializers.CharField()
    formula = serializers.CharField(allow_null=True)
    numbers = serializers.DictField(child=serializers.CharField())
    places = serializers.IntegerField()
    value = serializers.CharField(allow_null=True)
    exact = serializers.BooleanField(help_text="False of what floats gave: its last place may differ.")


class RuleSerializer(serializers.Serializer):
    """How a column follows from others of its row."""

    formula = serializers.CharField()
    places = serializers.IntegerField()


class TableSerializer(serializers.Serializer):
    """Rows that figures are summed up from; of many the first and the last, and in `rest` the sums over those left out."""

    formulas = serializers.DictField(child=RuleSerializer())
    count = serializers.IntegerField()
    left_out = serializers.IntegerField()
    rest = serializers.DictField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.DictField(child=serializers.JSONField(allow_null=True)))
    link = serializers.CharField(required=False, help_text="All entries, page by page; or why what was held was.")


class CitedSerializer(serializers.Serializer):
    """A price or rate that counts on a day: when it was seen, and whether it is from an earlier day."""

    day = DayField()
    seen = DayField()
    value = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]  # no attribute: fields leave their class
        help_text=f"Such as `close` or `by hand`, `{OF_DAY}` or the entry that states it."
    )
    stale = serializers.BooleanField()


class CitedPriceSerializer(CitedSerializer):
    """A price."""

    instrument = serializers.CharField()


class CitedRateSerializer(CitedSerializer):
    """A rate."""

    pair = serializers.CharField()


class ExplanationSerializer(serializers.Serializer):
    """Why figures are what they are: whoever takes the steps again comes to the last digit of each."""

    steps = StepSerializer(many=True)
    tables = serializers.DictField(child=TableSerializer())
    prices = CitedPriceSerializer(many=True)
    rates = CitedRateSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())


@extend_schema_field(ExplanationSerializer)
class ExplanationField(serializers.Field):
    """An explanation, where one was asked for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, help_text="With `explain` alone.", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return it as it is: nobody sends one."""
        return data

    def to_representation(self, value: Any) -> Any:
        """Return it as it is."""
        return value


class ExplainQuery(serializers.Serializer):
    """Whether an explanation is asked for."""

    explain = serializers.BooleanField(required=False, default=False)
    limit = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse to explain pages that are too long."""
        limit = attrs.get("limit", "")
        if attrs["explain"] and limit.isascii() and limit.isdigit() and int(limit) > MOST_EXPLAINED:
            raise serializers.ValidationError({"limit": f"With `explain` a page has at most {MOST_EXPLAINED} rows."})
        return attrs


def explains(request: Request) -> bool:
    """Say whether an explanation is asked for."""
    query = ExplainQuery(data=request.query_params)
    query.is_valid(raise_exception=True)
    return bool(query.validated_data["explain"])


def few_explained(request: Request, rows: int, less: str = "fewer days") -> bool:
    """Say whether rows are to be explained; too many are refused, and `less` says what to ask for instead."""
    asked = explains(request)
    if asked and rows > MOST_EXPLAINED:
        told = f"With `explain` there are at most {MOST_EXPLAINED} rows, and here are {rows}: ask for {less}."
        raise serializers.ValidationError({"explain": told})
    return asked


def as_told(
    explanation: Explanation, account: Account, past: Mapping[str, Any], day: date | None = None, **filters: Any
) -> dict[str, Any]:
    """Return an explanation as clients are told it; its entries lead to the list of all of them.

    What was held on a `day` leads to its positions, which say why they are what they are.
    """
    row = explanation.as_json()
    known = {"known_at": past["known_at"].isoformat()} if past.get("known_at") else {}
    if "holdings" in row["tables"] and day is not None:
        address = reverse("position-list", kwargs={"account_id": account.pk})
        row["tables"]["holdings"]["link"] = f"{address}?{urlencode({'explain': 1, 'as_of': day, **known})}"
    if "entries" in row["tables"]:
        address = reverse("entry-list", kwargs={"account_id": account.pk})
        row["tables"]["entries"]["link"] = f"{address}?{urlencode({**filters, **known})}"
    return row


def end_of(day: date) -> str:
    """Return the instant at which a day ends, as a filter takes it."""
    return f"{day + timedelta(days=1)}T00:00:00Z" if day < date.max else f"{day}T23:59:59.999999Z"
