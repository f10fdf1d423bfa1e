"""The trade journal: every round trip of an account as a trade record, what people add to it, and what it says as a whole."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.models.users import check_time_zone
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from portfolio.api.base import FigureField
from trading.api.fields import MOST_NAME
from trading.domain.journal_statistics import By
from trading.domain.orders import PositionEffect, Side
from trading.domain.outcomes import TradeOutcome
from trading.domain.pictures import LARGEST
from trading.models import Attachment, Order
from trading.selectors.journal import Asked
from trading.selectors.journal_details import Trade, told
from trading.selectors.journal_pages import JournalPages, journal_of, trade_of
from trading.selectors.journal_statistics import statistics_of_journal
from trading.selectors.pictures import path_of
from trading.services.journal import (
    LONGEST_NOTE,
    LONGEST_TAG,
    MOST_NOTES,
    MOST_TAGS,
    attach_picture,
    note_trade,
    remove_picture,
    tag_trade,
)

AROUND_THE_FILE = 64 * 1024  # what a form may have beside it
RATIO = 12
KEPT = {"read_only": True, "allow_null": True}
PICTURE = OpenApiParameter("attachment_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
# a picture is shown as what it is and as nothing else, and asks for nothing
SEALED = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, no-store"}


class JournalQuery(StrictSerializer):
    """Which trades are asked for."""

    instrument = InstrumentField(required=False)
    session = serializers.UUIDField(required=False)
    strategy = serializers.UUIDField(required=False)
    decision = serializers.UUIDField(required=False)
    entry_type = TextField(max_length=MOST_NAME, required=False)
    tag = TextField(max_length=LONGEST_TAG, required=False)
    outcome = serializers.ChoiceField([one.value for one in TradeOutcome], required=False)
    action = serializers.ChoiceField([one.value for one in Side], required=False)
    opened_at__gte = UtcDateTimeField(required=False)
    opened_at__lt = UtcDateTimeField(required=False)
    closed_at__gte = UtcDateTimeField(required=False)
    closed_at__lt = UtcDateTimeField(required=False)


class StatisticsQuery(JournalQuery):
    """Which trades are put together, and by what; hours and weekdays are those of the opening in a time zone."""

    by = serializers.ChoiceField([one.value for one in By], default=By.STRATEGY.value)
    time_zone = TextField(max_length=64, required=False, validators=[check_time_zone], help_text="The caller's own, if left out.")


class TradeNoteSerializer(StrictSerializer):
    """A note on a trade; one with the id that it has stays, one without is new."""

    id = serializers.UUIDField(required=False)
    text = TextField(max_length=LONGEST_NOTE)
    author = serializers.CharField(source="author.email", read_only=True)
    created_at = UtcDateTimeField(read_only=True)
    updated_at = UtcDateTimeField(read_only=True)


class AttachmentSerializer(serializers.Serializer):
    """A picture on a trade."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    author = serializers.CharField(source="author.email")
    created_at = UtcDateTimeField()


class RecordSerializer(serializers.Serializer):
    """The 27 fields of a trade record, under the names that its files have; amounts are in the instrument's currency."""

    timestamp = UtcDateTimeField()
    symbol = serializers.CharField()
    action = serializers.CharField()
    quantity = DecimalStringField(digits=12, places=12)
    price = DecimalStringField()
    total_value = DecimalStringField()
    order_id = serializers.CharField(help_text="The client order id of the order that opened it.")
    execution_mode = serializers.CharField()
    account_id = serializers.CharField()
    strategy_name = serializers.CharField()
    entry_type = serializers.CharField()
    stop_loss = DecimalStringField(**KEPT)
    target = DecimalStringField(**KEPT)
    decision_reasoning = serializers.CharField()
    indicators_used = serializers.ListField(child=serializers.CharField())
    risk_reward_ratio = DecimalStringField(**KEPT)
    outcome = serializers.ChoiceField([one.value for one in TradeOutcome])
    profit_loss = DecimalStringField(**KEPT)
    hold_duration_seconds = serializers.IntegerField(allow_null=True)
    exit_timestamp = UtcDateTimeField(allow_null=True)
    exit_reasoning = serializers.CharField(allow_null=True)
    slippage = DecimalStringField(**KEPT, help_text="For each unit; above zero it cost something.")
    commission = DecimalStringField()
    net_profit_loss = DecimalStringField(**KEPT)
    session_id = serializers.CharField()
    bot_version = serializers.CharField()
    config_hash = serializers.CharField()


class TradeRecordSerializer(RecordSerializer):
    """A trade record under the id of its trade: the order that opened it."""

    id = serializers.UUIDField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """Return the fields; all but the id are those of the trade's record."""
        fields = super().get_fields()
        for name in RecordSerializer._declared_fields:
            fields[name].source = f"record.{name}"
        return fields


class ExitSerializer(serializers.Serializer):
    """What closed a trade, or a part of it: the order, and, in the units of that day, how much at which price."""

    order = serializers.UUIDField()
    decision = serializers.UUIDField(allow_null=True)
    at = UtcDateTimeField()
    quantity = DecimalStringField(digits=12, places=12)
    price = DecimalStringField()
    fee = DecimalStringField()


class TradeSerializer(serializers.Serializer):
    """A trade: its record, what follows from it, and what people added. It is known by the order that opened it.

    `record` is derived from orders, fills, decision and session; correct it there. `r_multiple` is the net result in units of
    what the stop would have cost, `mae` and `mfe` how far the price went against it and for it, in money for all that was opened.
    """

    id = serializers.UUIDField()
    instrument = InstrumentField(source="order.instrument")
    currency = serializers.CharField(source="order.instrument.currency")
    direction = serializers.CharField()
    record = RecordSerializer()
    closed_quantity = DecimalStringField(source="quantity_closed", digits=12, places=12)
    exit_price = DecimalStringField(allow_null=True, help_text="On average, in units of the opening.")
    realized = DecimalStringField(source="found.trip.net", help_text="What the closed part made, after fees.")
    market_price = DecimalStringField(allow_null=True, help_text="The last that is known, of one that is open.")
    unrealized = FigureField(allow_null=True, help_text="What the part that is open has made at that price, before fees.")
    r_multiple = FigureField(allow_null=True)
    mae = DecimalStringField(source="excursion.adverse", help_text="Zero or below.")
    mfe = DecimalStringField(source="excursion.favorable", help_text="Zero or above.")
    session = serializers.UUIDField(source="found.facts.session", allow_null=True)
    strategy = serializers.UUIDField(source="found.facts.strategy", allow_null=True)
    decision = serializers.UUIDField(source="found.facts.decision", allow_null=True)
    exits = ExitSerializer(many=True)
    tags = serializers.ListField(child=serializers.CharField())
    notes = TradeNoteSerializer(many=True)
    attachments = AttachmentSerializer(many=True)


class TradeUpdateSerializer(StrictSerializer):
    """The tags and notes that a trade is to have, and no others; what is left out stays as it is."""

    tags = serializers.ListField(child=TextField(max_length=LONGEST_TAG), max_length=MOST_TAGS, required=False)
    notes = TradeNoteSerializer(many=True, max_length=MOST_NOTES, required=False)  # type: ignore[call-arg]  # of the list


class PictureSerializer(StrictSerializer):
    """A picture: PNG, JPEG, WebP or GIF by its own bytes, of 5 MB at most."""

    file = serializers.FileField(max_length=255)


class GroupSerializer(serializers.Serializer):
    """The figures of closed trades in the account's currency, after fees; one that is not defined is null."""

    name = serializers.CharField()
    trades = serializers.IntegerField(source="statistics.total_trades")
    wins = serializers.IntegerField(source="statistics.wins")
    losses = serializers.IntegerField(source="statistics.losses")
    win_rate = FigureField(places=RATIO, source="statistics.win_rate", allow_null=True)
    profit_factor = FigureField(places=RATIO, source="statistics.profit_factor", allow_null=True)
    expectancy = FigureField(source="statistics.expectancy", allow_null=True)
    average_win = FigureField(source="statistics.average_win", allow_null=True)
    average_loss = FigureField(source="statistics.average_loss", allow_null=True)
    consecutive_losses = serializers.IntegerField(source="statistics.consecutive_losses")
    gross = FigureField()
    fees = FigureField()
    net = FigureField()
    best = FigureField(allow_null=True)
    worst = FigureField(allow_null=True)
    average_r = FigureField(allow_null=True)
    average_hold_seconds = serializers.IntegerField(allow_null=True)


class StatisticsSerializer(serializers.Serializer):
    """All closed trades that were asked for, and each group of them; `missing` names rates without which some are left out."""

    by = serializers.CharField()
    currency = serializers.CharField()
    total = GroupSerializer()
    groups = GroupSerializer(many=True)
    missing = serializers.ListField(child=serializers.CharField())


class TradesViewSet(AccountScopedViewSet):
    """The trades of an account, derived from its fills whenever they are asked for."""

    queryset = Order.objects.filter(effect=PositionEffect.OPEN.value, filled_quantity__gt=0).select_related(
        "instrument", "account"
    )
    filter_backends = ()
    ordering = "-opened_at"
    ordering_fields = ("opened_at",)

    @extend_schema(parameters=[JournalQuery])
    def list(self, request: Request, account_id: str) -> Response:
        """Return trades, the last opened first."""
        asked, _ = self.asked(JournalQuery)
        rows: Any = JournalPages(self.account, asked)  # with a key of their own
        page: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(told(self.account, page or [], at=timezone.now()), many=True).data)

    def retrieve(self, request: Request, account_id: str, pk: str) -> Response:
        """Return one trade."""
        return Response(self.get_serializer(self.trade(self.get_object())).data)

    def asked(self, query: type[JournalQuery]) -> tuple[Asked, dict[str, Any]]:
        """Return which trades are asked for, and what else is."""
        names = query().fields.keys()
        read = query(data={name: value for name, value in self.request.query_params.items() if name in names})
        read.is_valid(raise_exception=True)
        said = dict(read.validated_data)
        instrument = said.pop("instrument", None)
        asked = Asked(
            instrument=instrument.pk if instrument else None,
            side=said.pop("action", None),
            opened_from=said.pop("opened_at__gte", None),
            opened_before=said.pop("opened_at__lt", None),
            closed_from=said.pop("closed_at__gte", None),
            closed_before=said.pop("closed_at__lt", None),
            **{name: said.pop(name, None) for name in ("session", "strategy", "decision", "entry_type", "tag", "outcome")},
        )
        return asked, said

    def trade(self, order: Order) -> Trade:
        """Return what there is to tell of the trade that an order opened."""
        found = trade_of(order)
        if found is None:
            raise Http404
        return told(self.account, [found], at=timezone.now())[0]


class TradeRecordViewSet(TradesViewSet):
    """The records of an account's trades alone, as `trades.jsonl` has them; they are corrected in what they are derived from."""

    serializer_class = TradeRecordSerializer


class JournalViewSet(TradesViewSet):
    """The trades of an account: their records, what follows from them, and what people added."""

    serializer_class = TradeSerializer

    @extend_schema(
        request=TradeUpdateSerializer,
        responses=TradeSerializer,
        examples=[
            OpenApiExample(
                "Tag and note", value={"tags": ["a+ setup"], "notes": [{"text": "Sold too early."}]}, request_only=True
            )
        ],
    )
    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Let a trade have these tags and notes; all else of it is corrected in its orders, decision and session."""
        form = TradeUpdateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        said, order, now = form.validated_data, self.get_object(), timezone.now()
        with transaction.atomic():
            if "tags" in said:
                tag_trade(order=order, tags=said["tags"], at=now)
            if "notes" in said:
                note_trade(order=order, notes=said["notes"], actor=caller(request), at=now)
        return Response(self.get_serializer(self.trade(order)).data)

    @extend_schema(request={"multipart/form-data": PictureSerializer}, responses={201: AttachmentSerializer})
    @action(detail=True, methods=["post"], pagination_class=None, parser_classes=[MultiPartParser])
    def attachments(self, request: Request, account_id: str, pk: str) -> Response:
        """Hang a picture on a trade."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST + AROUND_THE_FILE:
            raise RequestDataTooBig
        order = self.get_object()
        form = PictureSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        file = form.validated_data["file"]
        if file.size > LARGEST:
            raise RequestDataTooBig
        made = attach_picture(order=order, name=file.name, content=file.read(), actor=caller(request), at=timezone.now())
        return Response(AttachmentSerializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(parameters=[PICTURE], responses={(200, "image/*"): OpenApiTypes.BINARY})
    @action(detail=True, url_path="attachments/<uuid:attachment_id>", url_name="attachment", pagination_class=None)
    def attachment(self, request: Request, account_id: str, pk: str, attachment_id: str) -> FileResponse:
        """Return a picture."""
        picture = self.picture(attachment_id)
        try:
            file = path_of(picture).open("rb")
        except FileNotFoundError as error:
            raise Http404 from error
        return FileResponse(file, as_attachment=True, filename=picture.name, content_type=picture.content_type, headers=SEALED)

    @extend_schema(parameters=[PICTURE], responses={204: None})
    @attachment.mapping.delete
    def detach(self, request: Request, account_id: str, pk: str, attachment_id: str) -> Response:
        """Take a picture off a trade."""
        remove_picture(attachment=self.picture(attachment_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(parameters=[StatisticsQuery], responses=StatisticsSerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def statistics(self, request: Request, account_id: str) -> Response:
        """Return what the closed trades say, put together by strategy, symbol, entry type, hour, weekday or tag."""
        asked, said = self.asked(StatisticsQuery)
        by = By(said["by"])
        zone = ZoneInfo(said.get("time_zone") or caller(request).time_zone or "UTC")
        found = statistics_of_journal(self.account, journal_of(self.account, asked), by=by, zone=zone)
        row = {"by": by.value, "currency": self.account.base_currency, "total": found.total, "groups": found.groups}
        return Response(StatisticsSerializer(row | {"missing": found.missing}).data)

    def picture(self, attachment_id: str) -> Attachment:
        """Return a picture of the trade at hand."""
        rows: QuerySet[Attachment] = Attachment.objects.visible_to(caller(self.request)).select_related("account")
        found = rows.filter(account=self.account, order=self.get_object(), pk=attachment_id).first()
        if found is None:
            raise Http404
        return found
