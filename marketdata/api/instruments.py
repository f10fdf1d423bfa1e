"""Instruments: found by key, written by those who look after them."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, DecimalStringField, InstrumentField, StrictSerializer, TextField
from marketdata.api.permissions import StaffOrManagersWrite, StaffWritesMixin
from marketdata.domain.instruments import AssetClass, OptionRight
from marketdata.domain.money import MINOR_UNITS, quoting_code
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import BadInstrument, UnknownInstrument, find_instrument
from marketdata.selectors.providers import Choice
from marketdata.services import instruments

NO_OPTION = {"underlying": None, "expiry": None, "strike": None, "right": ""}
KEY = OpenApiParameter("key", str, OpenApiParameter.PATH, description="SYMBOL:MIC, or a symbol where only one is meant.")


class OptionSerializer(StrictSerializer):
    """What an option has that other instruments have not."""

    underlying = InstrumentField(required=False, allow_null=True)
    expiry = DayField(allow_null=True)
    strike = DecimalStringField(positive=True, allow_null=True)
    right = serializers.ChoiceField(choices=[right.value for right in OptionRight])


class SourceSerializer(StrictSerializer):
    """A source that an instrument's prices come from; `symbol` is what the instrument is called there, if that differs."""

    provider = TextField(max_length=40)
    symbol = TextField(max_length=40, allow_blank=True, required=False, default="")


class InstrumentSerializer(StrictSerializer):
    """An instrument as the API shows and takes it."""

    id = serializers.UUIDField(read_only=True)
    key = serializers.CharField(read_only=True)
    symbol = TextField(max_length=24, trim_whitespace=False)
    exchange = TextField(max_length=8, trim_whitespace=False)
    name = TextField(max_length=200, allow_blank=True, required=False)
    asset_class = serializers.ChoiceField(choices=[kind.value for kind in AssetClass])
    currency = TextField(min_length=3, max_length=3, trim_whitespace=False)
    isin = TextField(max_length=12, allow_blank=True, required=False, trim_whitespace=False)
    figi = TextField(max_length=12, allow_blank=True, required=False, trim_whitespace=False)
    multiplier = DecimalStringField(digits=12, places=12, positive=True, required=False)
    tick_size = DecimalStringField(positive=True, required=False, allow_null=True)
    price_floor = DecimalStringField(required=False, allow_null=True)
    price_ceiling = DecimalStringField(required=False, allow_null=True)
    active = serializers.BooleanField(required=False)
    option = OptionSerializer(required=False, allow_null=True)
    sources = SourceSerializer(source="ranked_sources", many=True, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the fields as the model names them; `"option": null` empties those of an option."""
        fields: dict[str, Any] = super().to_internal_value(data)
        if fields.get("currency") in MINOR_UNITS:
            fields["currency"] = quoting_code(fields["currency"])
        return fields | (fields.pop("option") or NO_OPTION) if "option" in fields else fields


@extend_schema_view(
    retrieve=extend_schema(parameters=[KEY]),
    partial_update=extend_schema(parameters=[KEY]),
)
class InstrumentViewSet(StaffWritesMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Instrument]):
    """What can be held and priced."""

    queryset = Instrument.objects.select_related("underlying").prefetch_related("sources")
    serializer_class = InstrumentSerializer
    write_permission = StaffOrManagersWrite
    lookup_field = "key"
    lookup_value_regex = "[^?#]+"
    ordering = ("symbol", "exchange")
    ordering_fields = ("symbol", "name")
    filterset_fields = {
        "symbol": ["exact", "in"],
        "exchange": ["exact", "in"],
        "asset_class": ["exact", "in"],
        "currency": ["exact", "in"],
        "isin": ["exact"],
        "figi": ["exact"],
        "active": ["exact"],
    }

    def get_object(self) -> Instrument:
        """Return the instrument the address names.

        :raises NotFound: if there is none of that name
        :raises AmbiguousInstrument: if there are several
        """
        try:
            return find_instrument(self.kwargs["key"])
        except (BadInstrument, UnknownInstrument) as refusal:
            raise NotFound from refusal

    def create(self, request: Request) -> Response:
        """Write a new instrument down."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields, sources = _apart(serializer.validated_data)
        instrument = instruments.create_instrument(fields=fields, sources=sources)
        return Response(self.get_serializer(instrument).data, status=201)

    def partial_update(self, request: Request, key: str) -> Response:
        """Change fields of an instrument."""
        known = self.get_object()
        serializer = self.get_serializer(known, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changes, sources = _apart(serializer.validated_data)
        instrument = instruments.update_instrument(instrument=known, changes=changes, sources=sources)
        return Response(self.get_serializer(instrument).data)


def _apart(validated: dict[str, Any]) -> tuple[dict[str, Any], list[Choice] | None]:
    """Return the instrument's own fields, and its sources where they are given."""
    named = validated.get("ranked_sources")
    fields = {name: value for name, value in validated.items() if name != "ranked_sources"}
    return fields, None if named is None else [Choice(each.get("provider", ""), each.get("symbol", "")) for each in named]
