"""Rates between currencies: read by everybody, sent in rows by staff; and what one was on a day, with where that comes from."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, DecimalStringField, StrictSerializer, TextField
from marketdata.api.rows import IngestReportSerializer, RowsField, RowsViewSet
from marketdata.domain.fx import KnownRate, explain
from marketdata.domain.money import UnknownCurrency, major_unit
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import FX_RATES
from marketdata.models.fx import FxRate
from marketdata.selectors.fx import rate_on, stale_after


class FxRateSerializer(StrictSerializer):
    """The rate of a day: one unit of the base is so many units of the quote currency."""

    base = TextField(min_length=3, max_length=3)
    quote = TextField(min_length=3, max_length=3)
    date = DayField()
    rate = DecimalStringField(digits=12, places=12, positive=True)


class FxRateRowsSerializer(StrictSerializer):
    """Rates of days."""

    rows = RowsField(shape=FX_RATES, child=FxRateSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class CurrencyField(TextField):
    """A currency, or the part of one that prices are quoted in, such as GBX."""

    default_error_messages = {"unknown_currency": "Write the currency as its three capital letters (ISO 4217), such as USD."}

    def to_internal_value(self, data: object) -> str:
        """Return the code that the client wrote."""
        code = super().to_internal_value(data)
        try:
            major_unit(code)
        except UnknownCurrency:
            self.fail("unknown_currency")
        return code


class ConversionQuery(StrictSerializer):
    """Which rate is wanted, of which day, and what is to be converted by it."""

    base = CurrencyField(max_length=4)
    quote = CurrencyField(max_length=4)
    on = DayField(required=False, help_text="Today, if left out.")
    amount = DecimalStringField(required=False, help_text="An amount in the base.")


class LegSerializer(serializers.Serializer[Any]):
    """A stored rate that the answer follows from."""

    base = serializers.CharField()
    quote = serializers.CharField()
    date = DayField()
    rate = DecimalStringField()


class ConversionSerializer(serializers.Serializer[Any]):
    """What one unit of the base was worth on a day; `rate` is null, and `explanation` says why, where none was known by then."""

    base = serializers.CharField()
    quote = serializers.CharField()
    on = DayField()
    rate = DecimalStringField(allow_null=True)
    date = DayField(allow_null=True)
    path = serializers.CharField(allow_null=True)
    legs = LegSerializer(many=True)
    age_days = serializers.IntegerField(allow_null=True)
    stale = serializers.BooleanField(allow_null=True)
    amount = DecimalStringField(allow_null=True)
    converted = DecimalStringField(allow_null=True)
    explanation = serializers.CharField()


class FxRateViewSet(mixins.ListModelMixin, RowsViewSet):
    """Rates between currencies."""

    queryset = FxRate.objects.all()
    serializer_class = FxRateSerializer
    rows_serializer = FxRateRowsSerializer
    dataset = Dataset.FX_RATES
    ordering = "date"
    ordering_fields = ("date",)
    filterset_fields = {"base": ["exact", "in"], "quote": ["exact", "in"], "date": ["exact", "gte", "lt"]}

    @extend_schema(request=FxRateRowsSerializer, responses={200: IngestReportSerializer})
    def create(self, request: Request) -> Response:
        """Store rates; what can't be stored is reported, the rest goes in."""
        return self.store(request)

    @extend_schema(parameters=[ConversionQuery], responses=ConversionSerializer)
    @action(detail=False, pagination_class=None, filter_backends=())
    def convert(self, request: Request) -> Response:
        """Return what one unit of the base was worth on a day by what was known then, and where that comes from."""
        query = ConversionQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        if asked["base"] == asked["quote"] and asked["base"] != major_unit(asked["base"])[0]:
            raise serializers.ValidationError({"quote": [ErrorDetail("Give a currency to convert to.", code="fx_currencies")]})
        return Response(ConversionSerializer(_conversion(**{"on": timezone.now().date(), "amount": None} | asked)).data)


def _conversion(*, base: str, quote: str, on: Any, amount: Any) -> dict[str, Any]:
    """Return the rate of a day, and an amount converted by it."""
    (currency, units), (other, other_units) = major_unit(base), major_unit(quote)
    known = rate_on((currency, other), on)
    told = explain((currency, other), on, known, stale_after=stale_after())
    for code, name, part in ((base, currency, units), (quote, other, other_units)):
        if part != 1:
            told += f" One {code} is {part} {name}."
    rate = known.rate * units / other_units if known else None
    return {
        "base": base,
        "quote": quote,
        "on": on,
        "rate": rate,
        "date": known.date if known else None,
        "path": known.path if known else None,
        "legs": _legs(known),
        "age_days": known.age(on) if known else None,
        "stale": known.stale(on, after=stale_after()) if known else None,
        "amount": amount,
        "converted": amount * rate if known and amount is not None else None,
        "explanation": told,
    }


def _legs(known: KnownRate | None) -> list[dict[str, Any]]:
    """Return the stored rates behind a rate."""
    legs = known.legs if known else ()
    return [{"base": leg.pair[0], "quote": leg.pair[1], "date": leg.date, "rate": leg.rate} for leg in legs]
