"""Rates between currencies: read by everybody, sent in rows by staff."""

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, DecimalStringField, StrictSerializer, TextField
from marketdata.api.rows import IngestReportSerializer, RowsField, RowsViewSet
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import FX_RATES
from marketdata.models.fx import FxRate


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
