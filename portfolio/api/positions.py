"""What an account holds, its tax lots, and what was closed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, InstrumentField, UtcDateTimeField
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.models import Closure, Lot, Position

RATIO, UNITS = 12, 12
STATES = ("open", "closed", "all")
STATE = OpenApiParameter("state", str, enum=STATES, default="open", description="Positions held now, no longer held, or both.")


class PositionSerializer(serializers.Serializer):
    """A position, in the instrument's currency; `weight` is its share of the account's total value.

    Cost includes the fees and taxes of purchases; gains are after those of sales. `income` is before fees and taxes, and
    `fees` and `taxes` count those inside trades, too. Market figures are null where no price or rate is known.
    """

    instrument = InstrumentField(read_only=True)
    quantity = FigureField(places=UNITS)
    average_price = FigureField(allow_null=True)
    cost_basis = FigureField()
    market_price = FigureField(allow_null=True)
    priced_at = DayField(source="priced_on", allow_null=True)
    market_value = FigureField(allow_null=True)
    weight = serializers.SerializerMethodField()
    unrealized_gain = FigureField(allow_null=True)
    unrealized_gain_pct = FigureField(places=RATIO, allow_null=True)
    day_gain = FigureField(allow_null=True)
    realized_gain = FigureField()
    income = FigureField()
    fees = FigureField()
    taxes = FigureField()
    currency = serializers.CharField(source="instrument.currency")

    def get_weight(self, position: Position) -> str | None:
        """Return the share of the account's total value, if there is one."""
        whole: Decimal = self.context.get("total_value", Decimal(0))
        if position.value_in_base is None or not whole:
            return None
        return FigureField(places=RATIO).to_representation(position.value_in_base / whole)


class StateQuery(serializers.Serializer):
    """Which positions are asked for."""

    state = serializers.ChoiceField(STATES, default="open")


class PositionViewSet(FiguresViewSet):
    """The positions of an account, by symbol."""

    queryset = Position.objects.all()
    serializer_class = PositionSerializer
    filterset_fields = {"instrument": ["exact"]}

    def get_serializer_context(self) -> dict[str, Any]:
        """Add the value that weights are shares of."""
        last = None if getattr(self, "swagger_fake_view", False) else self.figures.last_snapshot()
        return {**super().get_serializer_context(), "total_value": last.total_value if last else Decimal(0)}

    @extend_schema(parameters=[*PAST, STATE])
    def list(self, request: Request, account_id: str) -> Response:
        """Return the positions held, or those no longer held."""
        query = StateQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        state = query.validated_data["state"]
        return self.page_of(
            [one for one in self.figures.positions() if state == "all" or bool(one.quantity) is (state == "open")]
        )


class LotSerializer(serializers.Serializer):
    """Units opened together, in the instrument's currency; short lots are below zero, `cost` is of what remains.

    `missing`: a trade closed more than was held, so how these units were come by is not known. `tacked_days` count as held
    before `opened_at`: those of units sold at a loss that these replaced.
    """

    instrument = InstrumentField(read_only=True)
    opened_at = UtcDateTimeField()
    sequence = serializers.IntegerField()
    quantity = FigureField(places=UNITS)
    remaining = FigureField(places=UNITS)
    cost = FigureField()
    currency = serializers.CharField(source="instrument.currency")
    missing = serializers.BooleanField()
    tacked_days = serializers.IntegerField(allow_null=True)


class LotViewSet(FiguresViewSet):
    """The open tax lots of an account, oldest first."""

    queryset = Lot.objects.all()
    serializer_class = LotSerializer
    ordering = "opened_at"
    filterset_fields = {"instrument": ["exact"], "missing": ["exact"], "opened_at": ["gte", "lt"]}

    @extend_schema(parameters=PAST)
    def list(self, request: Request, account_id: str) -> Response:
        """Return a page of lots."""
        return self.page_of(self.figures.lots())


class ClosureSerializer(serializers.Serializer):
    """Units closed against one lot, in the instrument's currency; `gain` is proceeds less cost, for short lots too.

    `taxable_gain` is the gain and `disallowed_loss`: the part of a loss that does not count, because the same was bought within
    30 days (a wash sale). A quantity of zero: cash beyond the cost of a lot, or in a merger. Days of what a lot replaced count.
    """

    instrument = InstrumentField(read_only=True)
    opened_at = UtcDateTimeField()
    closed_at = UtcDateTimeField()
    opening = serializers.IntegerField(help_text="The sequence of the entry that opened the lot.")
    closing = serializers.IntegerField(help_text="The sequence of the entry that closed it.")
    quantity = FigureField(places=UNITS)
    cost = FigureField()
    proceeds = FigureField()
    gain = FigureField()
    wash_sale = serializers.BooleanField()
    disallowed_loss = FigureField()
    taxable_gain = FigureField()
    currency = serializers.CharField(source="instrument.currency")
    holding_days = serializers.IntegerField()
    term = serializers.ChoiceField(["SHORT", "LONG"])
    missing = serializers.BooleanField()


class ClosureViewSet(FiguresViewSet):
    """What an account closed, oldest first."""

    queryset = Closure.objects.all()
    serializer_class = ClosureSerializer
    ordering = "number"
    filterset_fields = {
        "instrument": ["exact"],
        "closed_at": ["gte", "lt"],
        "closing": ["exact"],
        "missing": ["exact"],
        "wash_sale": ["exact"],
        "long_term": ["exact"],
    }

    @extend_schema(parameters=PAST)
    def list(self, request: Request, account_id: str) -> Response:
        """Return a page of closures."""
        return self.page_of(self.figures.closures())
