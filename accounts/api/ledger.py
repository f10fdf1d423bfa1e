"""The entries of a ledger: listed, posted one by one or many at once, taken back, corrected; never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.encoding import force_str
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.problems import flatten
from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.domain.ledger import EntryDraft, EntryKind, EntryRefused, from_magnitudes
from accounts.models import Account, LedgerEntry
from accounts.selectors.instruments import currency_meant
from accounts.selectors.written import written
from accounts.services import ledger
from accounts.services.transfers import take_back
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.models.instruments import check_currency_code

MOST_ENTRIES = 1_000
QUANTITY: dict[str, Any] = {"digits": 12, "places": 12}


class ReasonSerializer(StrictSerializer):
    """Why it was done: a word for statistics, and the story."""

    primary = TextField(max_length=100, allow_blank=True, default="")
    explanation = TextField(max_length=10_000, allow_blank=True, default="")


class DraftSerializer(StrictSerializer):
    """An entry to be posted: quantity, fee and tax are sizes, and the kind gives the sign.

    Cash is signed, or left out where it follows.
    """

    kind = serializers.ChoiceField([kind.value for kind in EntryKind])
    occurred_at = UtcDateTimeField(past=True)
    instrument = InstrumentField(required=False, allow_null=True, default=None)
    quantity = DecimalStringField(**QUANTITY, default=Decimal(0))
    price = DecimalStringField(required=False, allow_null=True, default=None, min_value=0)
    cash = DecimalStringField(required=False, allow_null=True, default=None)
    currency = TextField(required=False, max_length=3, validators=[check_currency_code])
    fee = DecimalStringField(default=Decimal(0), min_value=0)
    tax = DecimalStringField(default=Decimal(0), min_value=0)
    data = serializers.DictField(default=dict)  # type: ignore[assignment]  # no attribute: fields leave their class
    reason = ReasonSerializer(default=dict)
    notes = TextField(max_length=10_000, allow_blank=True, default="")
    tags = serializers.ListField(child=TextField(max_length=50), max_length=50, default=list)
    source = TextField(max_length=50, default="manual")  # type: ignore[assignment]
    external_id = TextField(max_length=200, allow_blank=True, default="")
    group = serializers.UUIDField(required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check the entry by the rules of its kind; it is kept as the draft."""
        try:
            attrs["draft"] = draft_of(attrs, self.context["account"])
            attrs["draft"].check()
        except EntryRefused as refusal:
            raise serializers.ValidationError({name: [detail] for name, detail in refusal.problems.items()}) from refusal
        return attrs


class BatchSerializer(StrictSerializer):
    """Entries to be posted together."""

    entries = serializers.ListField(child=serializers.JSONField(), min_length=1, max_length=MOST_ENTRIES)


class ReverseSerializer(StrictSerializer):
    """Why an entry is taken back."""

    reason = ReasonSerializer(default=dict)


class CorrectSerializer(ReverseSerializer):
    """Why an entry is taken back, and what takes its place."""

    entry = DraftSerializer()


class EntrySerializer(serializers.Serializer):
    """An entry as it stands in the ledger: quantity and cash are signed."""

    id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    kind = serializers.ChoiceField([kind.value for kind in EntryKind])
    occurred_at = UtcDateTimeField()
    recorded_at = UtcDateTimeField()
    group = serializers.UUIDField(allow_null=True)
    instrument = InstrumentField(allow_null=True)
    quantity = DecimalStringField(**QUANTITY)
    price = DecimalStringField(allow_null=True)
    cash = DecimalStringField()
    currency = serializers.CharField()
    fee = DecimalStringField()
    tax = DecimalStringField()
    data = serializers.DictField()  # type: ignore[assignment]
    reason = serializers.SerializerMethodField()
    notes = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    source = serializers.CharField()  # type: ignore[assignment]
    external_id = serializers.CharField()
    reverses = serializers.UUIDField(source="reverses_id", allow_null=True)
    reversed_by = serializers.UUIDField(allow_null=True)
    corrects = serializers.UUIDField(source="corrects_id", allow_null=True)
    actor = serializers.UUIDField(source="actor_id")
    hash = serializers.SerializerMethodField()

    @extend_schema_field(ReasonSerializer)
    def get_reason(self, entry: LedgerEntry) -> dict[str, str]:
        """Return why it was done."""
        return {"primary": entry.reason_primary, "explanation": entry.reason_explanation}

    def get_hash(self, entry: LedgerEntry) -> str:
        """Return the hash in hexadecimal."""
        return bytes(entry.hash).hex()


class PostedSerializer(serializers.Serializer):
    """What became of one entry of a batch: `created`, `known`, `refused` with its problem, or `skipped` for another's sake."""

    outcome = serializers.ChoiceField(["created", "known", "refused", "skipped"])
    id = serializers.UUIDField(allow_null=True)
    sequence = serializers.IntegerField(allow_null=True)
    problem = serializers.DictField(allow_null=True)


class BatchResultSerializer(serializers.Serializer):
    """What became of a batch, entry by entry in its order."""

    results = PostedSerializer(many=True)


class CorrectedSerializer(serializers.Serializer):
    """A correction: what took the entry back, and what took its place."""

    reversal = EntrySerializer()
    replacement = EntrySerializer()


class LedgerViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The ledger of an account, in the order of recording."""

    queryset = LedgerEntry.objects.select_related("instrument")
    serializer_class = EntrySerializer
    ordering = "sequence"
    ordering_fields = ("sequence", "occurred_at", "recorded_at")
    filterset_fields = {
        "kind": ["exact", "in"],
        "instrument": ["exact"],
        "occurred_at": ["exact", "gte", "lt"],
        "recorded_at": ["gte", "lt", "lte"],
        "sequence": ["exact", "gte", "gt", "lt", "lte"],
        "currency": ["exact"],
        "source": ["exact"],
        "external_id": ["exact"],
        "group": ["exact"],
    }

    def get_queryset(self) -> QuerySet[LedgerEntry]:
        """Return the entries, each with what took it back; those known at a time where that is asked for."""
        taken_back = LedgerEntry.objects.filter(account=OuterRef("account"), reverses=OuterRef("pk")).values("pk")[:1]
        rows = super().get_queryset().annotate(reversed_by=Subquery(taken_back))
        known_at = self.request.query_params.get("known_at") if getattr(self, "request", None) else None
        return rows.filter(recorded_at__lte=known_by(known_at)) if known_at else rows

    @extend_schema(
        parameters=[
            OpenApiParameter("known_at", datetime, description="Only what was recorded by this time: what was known then.")
        ]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the entries."""
        found = self.filter_queryset(self.get_queryset())
        rows: list[Any] = self.paginate_queryset(written(found, *self.ordering_fields)) or []
        return self.get_paginated_response(orjson.Fragment(f"[{','.join(map(self.as_written, rows))}]"))

    def as_written(self, row: Any) -> str:
        """Return an entry as its serializer writes it."""
        data = force_str(self.request.accepted_renderer.render(row.data)) if row.data else "{}"
        return f'{{{row.before},"data":{data},{row.after}}}'

    @extend_schema(request=DraftSerializer, responses={201: EntrySerializer, 200: EntrySerializer})
    def create(self, request: Request, account_id: str) -> Response:
        """Post an entry; 200 where the same source and external id were posted before with the same figures."""
        draft = self.read(DraftSerializer, request.data)["draft"]
        done = ledger.record_entry(account=self.account, draft=draft, actor=caller(request))
        code = status.HTTP_201_CREATED if done.outcome == "created" else status.HTTP_200_OK
        return Response(self.show(done.entry_id), code)

    @extend_schema(
        request=BatchSerializer,
        responses={201: BatchResultSerializer},
        parameters=[
            OpenApiParameter("partial", str, enum=["1"], description="Post the good ones, whatever becomes of the others.")
        ],
    )
    @action(detail=False, methods=["post"])
    def batch(self, request: Request, account_id: str) -> Response:
        """Post up to 1,000 entries, all or none; with `partial=1` the good ones."""
        partial = request.query_params.get("partial", "") == "1"
        checked = [self.check(entry) for entry in self.read(BatchSerializer, request.data)["entries"]]
        if not partial:
            refuse_any(checked)
        drafts = [one for one in checked if isinstance(one, EntryDraft)]
        posted = iter(ledger.post_entries(account=self.account, drafts=drafts, actor=caller(request), partial=partial))
        results = [outcome_of(next(posted)) if isinstance(one, EntryDraft) else refused(one) for one in checked]
        if not partial:
            refuse_conflicts(results)
        return Response({"results": results}, status.HTTP_201_CREATED)

    @extend_schema(request=ReverseSerializer, responses={201: EntrySerializer})
    @action(detail=True, methods=["post"])
    def reverse(self, request: Request, account_id: str, pk: str) -> Response:
        """Take an entry back by its mirror image; with one end of a transfer the other, too."""
        why = self.read(ReverseSerializer, request.data)["reason"]
        done = take_back(entry=self.get_object(), actor=caller(request), **reason_of(why))
        return Response(self.show(done.pk), status.HTTP_201_CREATED)

    @extend_schema(request=CorrectSerializer, responses={201: CorrectedSerializer})
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, account_id: str, pk: str) -> Response:
        """Take an entry back and post another in its place."""
        asked = self.read(CorrectSerializer, request.data)
        reversal, replacement = ledger.correct_entry(
            entry=self.get_object(), draft=asked["entry"]["draft"], actor=caller(request), **reason_of(asked["reason"])
        )
        answer = {"reversal": self.show(reversal.pk), "replacement": self.show(replacement.pk)}
        return Response(answer, status.HTTP_201_CREATED)

    def read(self, reader: type[serializers.Serializer], data: Any) -> dict[str, Any]:
        """Return what the client sent, validated."""
        serializer = reader(data=data, context={"account": self.account} | self.seen)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def check(self, entry: Any) -> EntryDraft | Mapping[str, Any]:
        """Return the draft of one entry of a batch, or what is wrong with it by field."""
        serializer = DraftSerializer(data=entry, context={"account": self.account} | self.seen)
        return serializer.validated_data["draft"] if serializer.is_valid() else serializer.errors

    @property
    def seen(self) -> dict[str, Any]:
        """The instruments looked up for this request, so that a batch asks for each once."""
        known: dict[str, Any] = self.__dict__.setdefault("_seen", {"instruments_by_name": {}})
        return known

    def show(self, entry_id: UUID | None) -> dict[str, Any]:
        """Return one entry as the client reads it."""
        return dict(self.get_serializer(self.get_queryset().get(pk=entry_id)).data)  # type: ignore[misc]  # what was posted has one


def draft_of(attrs: Mapping[str, Any], account: Account) -> EntryDraft:
    """Return the draft a client means; where none is given, the currency is the instrument's or the account's."""
    instrument = attrs["instrument"]
    draft = EntryDraft(
        kind=EntryKind(attrs["kind"]),
        currency=attrs.get("currency")
        or currency_meant(instrument, priced=attrs["price"] is not None, otherwise=account.base_currency),
        instrument_id=instrument.pk if instrument else None,
        multiplier=instrument.multiplier if instrument else Decimal(1),
        reason_primary=attrs["reason"].get("primary", ""),
        reason_explanation=attrs["reason"].get("explanation", ""),
        tags=tuple(attrs["tags"]),
        **{
            name: attrs[name]
            for name in ("occurred_at", "quantity", "price", "fee", "tax", "data", "notes", "source", "external_id", "group")
        },
    )
    return from_magnitudes(draft, cash=attrs["cash"])


def reason_of(why: Mapping[str, str]) -> dict[str, str]:
    """Return a reason as the services take it."""
    return {"reason": why.get("primary", ""), "explanation": why.get("explanation", "")}


def outcome_of(posted: ledger.Posted) -> dict[str, Any]:
    """Return what became of an entry as the client reads it."""
    if posted.outcome == "conflicting":
        detail = "The source's id is known with other figures."
        return refused({"external_id": [serializers.ErrorDetail(detail, code="conflicting_entry")]})
    return {"outcome": posted.outcome, "id": posted.entry_id, "sequence": posted.sequence, "problem": None}


def refused(errors: Any) -> dict[str, Any]:
    """Return the problem of an entry that was not taken."""
    return {"outcome": "refused", "id": None, "sequence": None, "problem": {"errors": list(flatten(errors))}}


def refuse_any(checked: Sequence[Any]) -> None:
    """Refuse a batch in which an entry is wrong, naming the fields by the place of the entry."""
    wrong = {str(index): errors for index, errors in enumerate(checked) if not isinstance(errors, EntryDraft)}
    if wrong:
        raise serializers.ValidationError({"entries": wrong})


def refuse_conflicts(results: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a batch in which an id is known with other figures; nothing of it is posted."""
    places = [str(index) for index, result in enumerate(results) if result["outcome"] == "refused"]
    if places:
        raise ledger.ConflictingEntry(
            f"Nothing was posted: the ids of entries {', '.join(places)} are known with other figures.", code="conflicting_entry"
        )


def known_by(text: str) -> datetime:
    """Return the time of the parameter `known_at`."""
    try:
        return UtcDateTimeField().run_validation(text)
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"known_at": error.detail}) from error
