"""What an account holds, its tax lots, and what was closed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, InstrumentField, UtcDateTimeField
from portfolio.api.base import PAST, FigureField, FiguresViewSet, currency_asked
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told
from portfolio.models import Closure, Lot, Position
from portfolio.selectors.explained import Explained
from portfolio.selectors.explained_lots import explained_lots
from portfolio.selectors.valued import Rates, Valued, gains_of, positions_in

RATIO, UNITS = 12, 12
STATES = ("open", "closed", "all")
STATE = OpenApiParameter("state", str, enum=STATES, default="open", description="Positions held now, no longer held, or both.")

SHOWN = OpenApiParameter(
    "currency",
    str,
    description="`instrument` (the default: each in its own), `account`, `user` or a code: costs at the rates of their days.",
)


class GainsSerializer(serializers.Serializer):
    """What an instrument made since the beginning: price + income + currency + interest - fees - taxes = total."""

    price = FigureField(source="price_gain")
    income = FigureField()
    currency = FigureField(source="currency_gain")
    interest = FigureField()
    fees = FigureField()
    taxes = FigureField()
    total = FigureField(source="gain")


class PositionSerializer(serializers.Serializer):
    """A position, in `currency`: the instrument's, unless another is asked for. `weight` is its share of the account's value.

    Cost includes the fees and taxes of purchases; gains are after those of sales. `income` is before fees and taxes, and
    `fees` and `taxes` count those inside trades, too. Figures are null where a price or rate they need is not known. `gains`
    tells what prices, income and currencies made since the beginning, in `gains_currency`: the account's, or the one asked for.
    """

    instrument = InstrumentField(read_only=True)
    quantity = FigureField(places=UNITS)
    average_price = FigureField(allow_null=True)
    cost_basis = FigureField(allow_null=True)
    market_price = FigureField(allow_null=True)
    priced_at = DayField(source="priced_on", allow_null=True)
    market_value = FigureField(allow_null=True)
    weight = serializers.SerializerMethodField()
    unrealized_gain = FigureField(allow_null=True)
    unrealized_gain_pct = FigureField(places=RATIO, allow_null=True)
    day_gain = FigureField(allow_null=True)
    realized_gain = FigureField(allow_null=True)
    income = FigureField(allow_null=True)
    fees = FigureField(allow_null=True)
    taxes = FigureField(allow_null=True)
    currency = serializers.SerializerMethodField()
    gains = serializers.SerializerMethodField()
    gains_currency = serializers.SerializerMethodField()
    explanation = ExplanationField()

    def get_currency(self, position: Position | Valued) -> str:
        """Return the currency of the amounts."""
        return str(self.context.get("currency") or position.instrument.money)

    @extend_schema_field(GainsSerializer(allow_null=True))
    def get_gains(self, position: Position | Valued) -> dict[str, Any] | None:
        """Return what made the position's gain; none where a rate is missing."""
        found: dict[str, Any] = self.context.get("gains", {})
        return found.get(str(position.instrument_id))

    def get_gains_currency(self, position: Position | Valued) -> str:
        """Return the currency of the gains."""
        return str(self.context.get("gains_currency", ""))

    def get_weight(self, position: Position | Valued) -> str | None:
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

    @cached_property
    def shown(self) -> str:
        """The currency that was asked for; empty: each instrument's own."""
        own = self.account.base_currency
        return currency_asked(self.request, "", account=own, instrument="")

    @cached_property
    def currency(self) -> str:
        """The currency that the figures are read in; they are converted one by one."""
        return self.account.base_currency

    def get_serializer_context(self) -> dict[str, Any]:
        """Add the value that weights are shares of, and what each position made."""
        context: dict[str, Any] = {**super().get_serializer_context()}
        if getattr(self, "swagger_fake_view", False):
            return context
        last, told = self.figures.last_snapshot(), self.shown or self.currency
        gains = self.remembered("gains", self.gains) if told == self.currency else self.gains()
        shown = {"currency": self.shown, "gains": gains, "gains_currency": told}
        return {**context, **shown, "total_value": last.total_value if last else Decimal(0)}

    def gains(self) -> dict[str, Any]:
        """Return what each position made, by the id of its instrument."""
        found = gains_of(self.figures, self.shown or self.currency)
        return {key: dict(GainsSerializer(row).data) for key, row in found.items()}

    def explained(self, page: Sequence[Position | Valued]) -> list[dict[str, Any] | None]:
        """Return why positions are what they are, in the currencies of their instruments, then in the one asked for."""
        asked, explained = {one.instrument_id for one in page}, Explained(self.figures)
        found = explained.positions([one for one in self.figures.positions() if one.instrument_id in asked])
        explained.gains(found, self.shown or self.currency, last_day=bool(self.shown))
        if self.shown:
            explained.positions_in(found, [one for one in page if isinstance(one, Valued)], self.shown)
        return [
            as_told(why, self.account, self.past, instrument=one.instrument.key) if why else None
            for one in page
            for why in [found.get(str(one.instrument_id))]
        ]

    @extend_schema(parameters=[*PAST, STATE, SHOWN, EXPLAIN])
    def list(self, request: Request, account_id: str) -> Response:
        """Return the positions held, or those no longer held."""
        query = StateQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        state = query.validated_data["state"]
        found: list[Any] = positions_in(self.figures, self.shown) if self.shown else [*self.figures.positions()]
        return self.page_of([one for one in found if state == "all" or bool(one.quantity) is (state == "open")])


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
    cost = FigureField(allow_null=True)
    currency = serializers.CharField(source="instrument.money")
    missing = serializers.BooleanField()
    tacked_days = serializers.IntegerField(allow_null=True)
    explanation = ExplanationField()

    def to_representation(self, lot: Lot) -> dict[str, Any]:
        """Return the lot, its cost in the currency asked for."""
        row: dict[str, Any] = super().to_representation(lot)
        rates: Rates | None = self.context.get("rates")
        if rates is None:
            return row
        cost = rates.of(lot.cost, lot.instrument.money, lot.opened_at, lot.sequence)
        return row | {"cost": shown(cost), "currency": rates.currency}


def shown(amount: Decimal | None) -> str | None:
    """Return an amount as clients are told it, none where a rate is missing."""
    return None if amount is None else FigureField().to_representation(amount)


class ConvertedViewSet(FiguresViewSet):
    """Rows in the currencies of their instruments, unless another is asked for: then each amount at the rate of its day."""

    @cached_property
    def currency(self) -> str:
        """The currency that the figures are read in; they are converted one by one."""
        return self.account.base_currency

    @cached_property
    def asked(self) -> str:
        """The currency that was asked for; empty: each instrument's own."""
        return currency_asked(self.request, "", account=self.account.base_currency, instrument="")

    def get_serializer_context(self) -> dict[str, Any]:
        """Add the rates into the currency that was asked for."""
        context: dict[str, Any] = {**super().get_serializer_context()}
        if getattr(self, "swagger_fake_view", False):
            return context
        return {**context, "rates": Rates(self.figures, self.asked) if self.asked else None}


class LotViewSet(ConvertedViewSet):
    """The open tax lots of an account, oldest first."""

    queryset = Lot.objects.all()
    serializer_class = LotSerializer
    ordering = "opened_at"
    filterset_fields = {"instrument": ["exact"], "missing": ["exact"], "opened_at": ["gte", "lt"]}

    def explained(self, page: Sequence[Lot]) -> list[dict[str, Any] | None]:
        """Return why lots are what they are, in the currencies of their instruments, then in the one asked for."""
        found = explained_lots(self.figures, page, self.asked)
        return [
            as_told(why, self.account, self.past, instrument=lot.instrument.key) for lot, why in zip(page, found, strict=True)
        ]

    @extend_schema(parameters=[*PAST, SHOWN, EXPLAIN])
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
    cost = FigureField(allow_null=True)
    proceeds = FigureField(allow_null=True)
    gain = FigureField(allow_null=True)
    wash_sale = serializers.BooleanField()
    disallowed_loss = FigureField(allow_null=True)
    taxable_gain = FigureField(allow_null=True)
    currency = serializers.CharField(source="instrument.money")
    holding_days = serializers.IntegerField()
    term = serializers.ChoiceField(["SHORT", "LONG"])
    missing = serializers.BooleanField()
    explanation = ExplanationField()

    def to_representation(self, closure: Closure) -> dict[str, Any]:
        """Return the closure, what was paid and received in the currency asked for at the rates of those days."""
        row: dict[str, Any] = super().to_representation(closure)
        rates: Rates | None = self.context.get("rates")
        if rates is None:
            return row
        cost, proceeds = rates.of_closure(closure)
        disallowed = rates.of(closure.disallowed_loss, closure.instrument.money, closure.closed_at, closure.closing)
        gain = None if cost is None or proceeds is None else proceeds - cost
        taxable = None if gain is None or disallowed is None else gain + disallowed
        amounts = {"cost": cost, "proceeds": proceeds, "gain": gain, "disallowed_loss": disallowed, "taxable_gain": taxable}
        return row | {name: shown(amount) for name, amount in amounts.items()} | {"currency": rates.currency}


class ClosureViewSet(ConvertedViewSet):
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

    def explained(self, page: Sequence[Closure]) -> list[dict[str, Any] | None]:
        """Return why closures are what they are, in the currencies of their instruments, then in the one asked for."""
        explained = Explained(self.figures)
        found = explained.closures(page)
        if self.asked:
            explained.closures_in(found, page, self.asked)
        return [
            as_told(found[one.number], self.account, self.past, sequence__gte=one.opening, sequence__lte=one.closing)
            for one in page
        ]

    @extend_schema(parameters=[*PAST, SHOWN, EXPLAIN])
    def list(self, request: Request, account_id: str) -> Response:
        """Return a page of closures."""
        return self.page_of(self.figures.closures())
