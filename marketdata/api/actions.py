"""Corporate actions: read by everybody; sent in rows, changed and deleted by staff."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.api.rows import SOURCE, FindingSerializer, RowsField, RowsViewSet
from marketdata.domain.actions import COLUMNS, ActionKind
from marketdata.domain.quality import Dataset
from marketdata.models.actions import CorporateAction
from marketdata.services import actions

KINDS = [kind.value for kind in ActionKind]


class CorporateActionSerializer(StrictSerializer):
    """What happens to the holders of an instrument on its ex-date; each kind has fields of its own.

    `ratio` is units of the new for one of the old, `cash` is paid for each unit, in `currency`; `other` is what is received.
    """

    id = serializers.UUIDField(read_only=True)
    instrument = InstrumentField()
    kind = serializers.ChoiceField(choices=KINDS)
    ex_date = DayField()
    label = TextField(max_length=40, allow_blank=True, required=False)  # type: ignore[assignment]  # fields have one of their own
    record_date = DayField(required=False, allow_null=True)
    pay_date = DayField(required=False, allow_null=True)
    ratio = DecimalStringField(digits=12, places=12, positive=True, required=False, allow_null=True)
    cash = DecimalStringField(positive=True, required=False, allow_null=True)
    currency = TextField(max_length=4, allow_blank=True, required=False, help_text="ISO 4217, or a part such as GBX (pence).")
    other = InstrumentField(required=False, allow_null=True)
    new_symbol = TextField(max_length=24, allow_blank=True, required=False, trim_whitespace=False)
    old_symbol = TextField(max_length=24, allow_blank=True, required=False, trim_whitespace=False)
    cost_fraction = DecimalStringField(digits=12, places=12, min_value=0, max_value=1, required=False, allow_null=True)
    notes = TextField(max_length=2000, allow_blank=True, required=False)
    source = serializers.CharField(read_only=True)  # type: ignore[assignment]  # fields have one of their own
    recorded_at = UtcDateTimeField(read_only=True)
    applied_at = UtcDateTimeField(read_only=True, allow_null=True)


class ActionRowsField(RowsField):
    """Corporate actions to be stored: all that their columns can hold."""

    def __init__(self, **kwargs: Any) -> None:
        self.taken = set(COLUMNS)
        super(RowsField, self).__init__(min_length=1, max_length=1000, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "ActionRowsField":
        return type(self)(child=type(self.child)())


class CorporateActionRowsSerializer(StrictSerializer):
    """Corporate actions of any instruments."""

    rows = ActionRowsField(child=CorporateActionSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class ActionReportSerializer(serializers.Serializer[Any]):
    """What became of the rows."""

    stored = serializers.IntegerField()
    known = serializers.IntegerField()
    corrected = serializers.IntegerField()
    refused = FindingSerializer(many=True)
    warned = FindingSerializer(many=True)


class CorporateActionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, RowsViewSet):
    """What companies did to their shares."""

    queryset = CorporateAction.objects.select_related("instrument", "other")
    serializer_class = CorporateActionSerializer
    rows_serializer = CorporateActionRowsSerializer
    dataset = Dataset.CORPORATE_ACTIONS
    ordering = "ex_date"
    ordering_fields = ("ex_date",)
    filterset_fields: ClassVar = {
        "instrument": ["exact"],
        "kind": ["exact", "in"],
        "ex_date": ["exact", "gte", "lt"],
    }

    @extend_schema(request=CorporateActionRowsSerializer, responses={200: ActionReportSerializer})
    def create(self, request: Request) -> Response:
        """Store corporate actions; what can't be stored is reported, the rest goes in."""
        serializer = self.rows_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        report = actions.store_actions(source=SOURCE, recorded_at=timezone.now(), **serializer.validated_data)
        return Response(ActionReportSerializer(report).data)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an action; what it did to its instrument is taken back and done again as it now says."""
        known = self.get_object()
        serializer = self.get_serializer(known, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changed = actions.update_action(action=known, changes=serializer.validated_data, recorded_at=timezone.now())
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Forget an action that never was, and take back what it did to its instrument."""
        actions.delete_action(action=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
