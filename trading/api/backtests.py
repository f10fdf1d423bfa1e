"""Backtests of an account: asked for, watched, canceled, compared, and their files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import FileResponse, Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from marketdata.api.fields import DayField, DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from trading.api.fields import MOST_NAME, RecordField, StrategyField
from trading.models.backtests import BacktestKind, BacktestRun
from trading.selectors.backtests import FILES, files_of, folder_of, keys_of
from trading.services.backtests import MOST_INSTRUMENTS, cancel_backtest, delete_backtest, request_backtest
from trading.tasks import start_backtest

MOST_COMPARED = 20
SUMMARY, PARQUET = "application/json", "application/vnd.apache.parquet"
IDS = OpenApiParameter("ids", str, required=True, description=f"Up to {MOST_COMPARED} backtests, with commas between.")


class BacktestSerializer(StrictSerializer):
    """A run over the past, or a sweep of runs. A list in the `parameters` of a sweep stands for each of its values."""

    id = serializers.UUIDField(read_only=True)
    kind = serializers.ChoiceField(BacktestKind.choices, required=False)
    name = TextField(max_length=MOST_NAME, required=False, allow_blank=True)
    strategy = StrategyField(required=False, allow_null=True)
    strategy_kind = TextField(max_length=50, required=False)
    parameters = RecordField(required=False)
    instruments = serializers.ListField(child=InstrumentField(), min_length=1, max_length=MOST_INSTRUMENTS, write_only=True)
    timeframe = serializers.CharField(required=False)
    start = DayField()
    end = DayField()
    cash = DecimalStringField(positive=True)
    costs = RecordField(required=False)
    rules = RecordField(required=False)
    seed = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    code_version = TextField(max_length=100, required=False, allow_blank=True)
    parent = serializers.UUIDField(source="parent_id", read_only=True, allow_null=True)  # type: ignore[assignment]
    number = serializers.IntegerField(read_only=True)
    config_hash = serializers.CharField(read_only=True)
    status = serializers.CharField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    total = serializers.IntegerField(read_only=True)
    cancel_requested = serializers.BooleanField(read_only=True)
    metrics = serializers.JSONField(read_only=True)
    error = serializers.CharField(read_only=True)
    created_at = UtcDateTimeField(read_only=True)
    started_at = UtcDateTimeField(read_only=True, allow_null=True)
    finished_at = UtcDateTimeField(read_only=True, allow_null=True)

    def to_representation(self, instance: BacktestRun) -> dict[str, Any]:
        """Return the run, its instruments by the names that mean them alone."""
        keys = self.context["keys"]
        return super().to_representation(instance) | {"instruments": [keys.get(one, str(one)) for one in instance.instruments]}


class BacktestFileSerializer(serializers.Serializer):
    """A file that a run left."""

    name = serializers.CharField()
    size = serializers.IntegerField()


class ComparedBacktestsSerializer(serializers.Serializer):
    """Backtests side by side: each figure with its value in each of `backtests`, in their order."""

    backtests = BacktestSerializer(many=True)
    figures = serializers.DictField(child=serializers.ListField())


class BacktestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """An account's backtests, the runs of sweeps among them. Traders ask for them; no run can touch an order or the ledger."""

    queryset = BacktestRun.objects.select_related("account")
    serializer_class = BacktestSerializer
    ordering = "-created_at"
    ordering_fields = ("created_at", "number")
    filterset_fields = {
        "kind": ["exact"],
        "status": ["exact"],
        "strategy": ["exact"],
        "strategy_kind": ["exact"],
        "config_hash": ["exact"],
        "parent": ["exact", "isnull"],
        "created_at": ["gte", "lt"],
    }

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Return the serializer, which knows the names of all instruments of its rows."""
        rows = args[0] if args and kwargs.get("many") else args
        keys = keys_of(one for run in rows for one in run.instruments)
        context = {**self.get_serializer_context(), **kwargs.pop("context", {}), "keys": keys}
        return super().get_serializer(*args, **kwargs, context=context)

    def create(self, request: Request, account_id: str) -> Response:
        """Ask for a run, a sweep or a walk-forward; a worker does it, `done` of `total` says how far it is."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = request_backtest(account=self.account, actor=caller(request), at=timezone.now(), **serializer.validated_data)
        transaction.on_commit(lambda: start_backtest.delay(run_id=str(made.pk)))
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Throw one away that has ended, with its runs and files."""
        delete_backtest(run=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=BacktestSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, account_id: str, pk: str) -> Response:
        """Cancel it: what waits ends at once, what runs within a second or two."""
        return Response(self.get_serializer(cancel_backtest(run=self.get_object(), at=timezone.now())).data)

    @extend_schema(parameters=[IDS], responses=ComparedBacktestsSerializer)
    @action(detail=False, filter_backends=[], pagination_class=None)
    def compare(self, request: Request, account_id: str) -> Response:
        """Return backtests side by side, figure by figure."""
        wanted = asked_ids(request)
        found = {run.pk: run for run in self.get_queryset().filter(pk__in=wanted)}
        if missing := [str(one) for one in wanted if one not in found]:
            raise refused(f"The account has no backtest {missing[0]}.", "does_not_exist")
        runs = [found[one] for one in wanted]
        names = dict.fromkeys(name for run in runs for name, value in run.metrics.items() if not isinstance(value, dict | list))
        figures = {name: [run.metrics.get(name) for run in runs] for name in names}
        return Response({"backtests": self.get_serializer(runs, many=True).data, "figures": figures})

    @extend_schema(responses=BacktestFileSerializer(many=True))
    @action(detail=True, filter_backends=[], ordering="name", ordering_fields=())
    def files(self, request: Request, account_id: str, pk: str) -> Response:
        """Return which files it left: its summary, equity and trades. A sweep leaves none, its runs do."""
        found = [{"name": name, "size": size} for name, size in files_of(self.get_object().pk).items()]
        return self.get_paginated_response(self.paginate_queryset(found))

    @extend_schema(
        parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH, enum=FILES)],
        responses={(200, SUMMARY): OpenApiTypes.OBJECT, (200, PARQUET): OpenApiTypes.BINARY},
    )
    @action(detail=True, url_path="files/<str:name>", url_name="file", filter_backends=[], pagination_class=None)
    def file(self, request: Request, account_id: str, pk: str, name: str) -> FileResponse:
        """Return one of its files: JSON, or Parquet."""
        run = self.get_object()
        if name not in files_of(run.pk):
            raise Http404
        kind = SUMMARY if name.endswith(".json") else PARQUET
        return FileResponse((folder_of(run.pk) / name).open("rb"), as_attachment=True, filename=name, content_type=kind)


def asked_ids(request: Request) -> list[UUID]:
    """Return the ids that are asked for, in their order."""
    texts = [text for text in request.query_params.get("ids", "").split(",") if text]
    if not 0 < len(texts) <= MOST_COMPARED:
        raise refused(f"Name 1 to {MOST_COMPARED} backtests, with commas between.", "invalid")
    try:
        return list(dict.fromkeys(map(UUID, texts)))
    except ValueError as error:
        raise refused("Write ids as they are in the list.", "invalid") from error


def refused(detail: str, code: str) -> serializers.ValidationError:
    """Return the refusal of what is to be compared."""
    return serializers.ValidationError({"ids": [ErrorDetail(detail, code=code)]})
