"""How far an account is from its targets, and the trades that would bring it nearer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.domain.roles import Role
from marketdata.api.fields import DayField, DecimalStringField, InstrumentField, StrictSerializer, UtcDateTimeField
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, few_explained
from portfolio.api.positions import RATIO, UNITS
from portfolio.domain.allocation import Drift, Standing
from portfolio.domain.rebalancing import Wishes, bought, sold
from portfolio.selectors.explained_plans import explained_drift
from portfolio.selectors.plans import Planned, allocation_of, drift_of, labels_of, planned_of, stock_of
from portfolio.selectors.rebalancing import Rebalancing, chooses_lots, rebalancing_of

ALLOCATION = OpenApiParameter("allocation", str, description="The id of an allocation; the one in force, if left out.")
NO_VALUE = "The total value is not above zero, so nothing is a share of it."
NEWER = "The targets are those written down on {}; how they were before is not kept."
CLASSIFIED = "Instruments are classified as they are today; how they were before is not kept."
NO_FEES = "Fees and taxes are not guessed: values are quantity x price x multiplier at the last known prices and rates."
NONE_HELD = "Nothing that is traded is held of {}; buy the first of it yourself."
GONE = "{} is not traded any more; give its weight to something else."
NO_CHOICE = "The account closes lots by {}; change its method to SPECIFIC to choose them."


class StandingSerializer(serializers.Serializer):
    """What one thing is worth and is meant to be; differences are actual less target.

    `planned` is false where no target names it, so that it is meant to be nothing.
    """

    target = serializers.CharField(help_text="An instrument, or the name of a category.")
    planned = serializers.BooleanField()
    value = FigureField()
    target_value = FigureField()
    difference_value = FigureField()
    actual_weight = FigureField(places=RATIO, allow_null=True)
    target_weight = FigureField(places=RATIO, allow_null=True)
    difference = FigureField(places=RATIO, allow_null=True)
    instruments = serializers.ListField(child=serializers.CharField())


class NamedAllocationSerializer(serializers.Serializer):
    """Which allocation is meant."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    basis = serializers.CharField()


class DriftSerializer(serializers.Serializer):
    """How far an account is from its targets at the end of a day, in its own currency.

    Shares are of the total value. `drift` is half the sum of the sizes of all differences: the share of the account that would
    have to change places. What has no price or rate is named in `missing` and left out of value and weights.
    """

    as_of = DayField(allow_null=True)
    currency = serializers.CharField()
    allocation = NamedAllocationSerializer()
    total_value = FigureField()
    drift = FigureField(places=RATIO, allow_null=True)
    targets = StandingSerializer(many=True)
    unclassified = StandingSerializer()
    cash = StandingSerializer()
    missing = serializers.ListField(child=serializers.CharField())
    stale = serializers.ListField(child=serializers.CharField())
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()


class DriftQuery(serializers.Serializer):
    """Which allocation is asked about."""

    allocation = serializers.UUIDField(required=False)


class DriftViewSet(FiguresViewSet):
    """How far an account is from its targets."""

    serializer_class = DriftSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[*PAST, ALLOCATION, EXPLAIN], responses=DriftSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return actual and target weights of the allocation in force, or of another.

        Of a past day, too; targets have no past: where they are newer than that, `reasons` says so.
        """
        asked = DriftQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        planned = planned_of(allocation_of(self.account, asked.validated_data.get("allocation")))
        stock = stock_of(self.figures)
        drift = drift_of(stock, planned)
        row = {
            "as_of": stock.as_of,
            "currency": self.account.base_currency,
            "allocation": planned.allocation,
            "total_value": stock.total,
            "drift": drift.weight(drift.off),
            **standings(drift, labels_of(stock, planned)),
            "missing": stock.missing,
            "stale": stock.stale,
            "reasons": self.newer(planned) | ({} if drift.total > 0 else {"drift": NO_VALUE}),
        }
        answer = self.get_serializer(row).data
        if few_explained(request, len(drift.rows), "an allocation with fewer targets"):
            found = explained_drift(self.figures, drift, stock, planned)
            answer |= {"explanation": as_told(found, self.account, self.past, stock.as_of)}
        return Response(answer)

    def newer(self, planned: Planned) -> dict[str, str]:
        """Say that targets are newer than the past that is asked for, or that nobody can tell."""
        as_of, known_at = self.past.get("as_of"), self.past.get("known_at")
        ends = [known_at] if known_at else []
        ends += [datetime.combine(as_of + timedelta(days=1), time(), UTC)] if as_of else []
        changed = planned.allocation.updated_at
        if any(changed >= end for end in ends):
            return {"targets": NEWER.format(changed.astimezone(UTC).date())}
        if ends and planned.allocation.taxonomy_id is not None:
            return {"targets": CLASSIFIED}
        return {}


def standings(drift: Drift, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the rows of a drift as they are answered."""

    def row(one: Standing) -> dict[str, Any]:
        return {
            "target": labels.get(one.key, one.key),
            "planned": one.planned,
            "value": one.value,
            "target_value": one.target,
            "difference_value": one.difference,
            "actual_weight": drift.weight(one.value),
            "target_weight": drift.weight(one.target),
            "difference": drift.weight(one.difference),
            "instruments": one.instruments,
        }

    return {"targets": [row(one) for one in drift.rows], "unclassified": row(drift.unclassified), "cash": row(drift.cash)}


class WishesSerializer(StrictSerializer):
    """How a proposal is to be made; amounts are in the account's currency, and `new_cash` below zero is to be taken out."""

    minimum_trade = DecimalStringField(min_value=0, default=Decimal(0))
    whole_shares = serializers.BooleanField(default=True)
    cash_only = serializers.BooleanField(default=False)
    tax_aware = serializers.BooleanField(default=False)
    new_cash = DecimalStringField(default=Decimal(0))
    allocation = serializers.UUIDField(required=False, allow_null=True, default=None)


class SoldLotSerializer(serializers.Serializer):
    """What a sale would close of a lot, in the instrument's currency."""

    sequence = serializers.IntegerField(source="opening", help_text="Of the entry that opened it.")
    opened_at = UtcDateTimeField()
    quantity = FigureField(places=UNITS)
    cost = FigureField()
    proceeds = FigureField()
    gain = FigureField()
    holding_days = serializers.IntegerField()
    term = serializers.SerializerMethodField()

    def get_term(self, closure: Any) -> str:
        """Return whether it would count as held for long or for short."""
        return "LONG" if closure.long_term else "SHORT"


class OrderSerializer(serializers.Serializer):
    """A proposed trade; price, value and gains are estimates in the instrument's currency, `value_in_base` in the account's."""

    instrument = InstrumentField()
    side = serializers.ChoiceField(["BUY", "SELL"])
    quantity = FigureField(places=UNITS)
    price = FigureField()
    priced_at = DayField()
    currency = serializers.CharField()
    rate = FigureField(places=RATIO)
    value = FigureField()
    value_in_base = FigureField()
    fee = FigureField(allow_null=True)
    realized_gain = FigureField(allow_null=True)
    short_term_gain = FigureField(allow_null=True)
    long_term_gain = FigureField(allow_null=True)
    lots = SoldLotSerializer(many=True)


class AfterSerializer(serializers.Serializer):
    """Where everything would stand."""

    targets = StandingSerializer(many=True)
    unclassified = StandingSerializer()
    cash = StandingSerializer()


class UnfilledSerializer(serializers.Serializer):
    """A target below which nothing can be bought, and what it lacks."""

    target = serializers.CharField()
    value = FigureField()
    reason = serializers.CharField()


class RealizedSerializer(serializers.Serializer):
    """What the sales would realize, in the account's currency at the rates of the day."""

    short_term = FigureField()
    long_term = FigureField()
    total = FigureField()


class RebalancingSerializer(serializers.Serializer):
    """Trades that would bring an account nearer to its targets; nothing is posted, and the same question has the same answer.

    Amounts without another currency are in the account's. `cash` is what would be left of it, `currencies` what the trades need
    of each currency (below zero) or bring: exchanging is left to you. Before and after include the new cash.
    """

    as_of = DayField(allow_null=True)
    currency = serializers.CharField()
    allocation = NamedAllocationSerializer()
    total_value = FigureField()
    new_cash = FigureField()
    orders = OrderSerializer(many=True)
    bought = FigureField()
    sold = FigureField()
    cash = FigureField()
    currencies = serializers.DictField(child=FigureField())
    realized_gain = RealizedSerializer()
    drift_before = FigureField(places=RATIO, allow_null=True)
    drift_after = FigureField(places=RATIO, allow_null=True)
    after = AfterSerializer()
    unfilled = UnfilledSerializer(many=True)
    stale = serializers.ListField(child=serializers.CharField())
    reasons = serializers.DictField(child=serializers.CharField())


class RebalanceViewSet(FiguresViewSet):
    """The trades that would bring an account nearer to its targets."""

    serializer_class = RebalancingSerializer
    filter_backends = ()
    pagination_class = None
    roles = {"create": Role.TRADER}

    @extend_schema(
        request=WishesSerializer,
        responses={200: RebalancingSerializer},
        examples=[
            OpenApiExample("Invest what came in", value={"cash_only": True, "new_cash": "1000"}, request_only=True),
            OpenApiExample("Mind the taxes", value={"tax_aware": True, "minimum_trade": "50"}, request_only=True),
        ],
    )
    def create(self, request: Request, account_id: str) -> Response:
        """Propose orders; nothing is posted. Something held or to be bought that has no price is refused by its name."""
        asked = WishesSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        planned = planned_of(allocation_of(self.account, wanted["allocation"]))
        wishes = Wishes(wanted["minimum_trade"], wanted["whole_shares"], wanted["cash_only"], wanted["new_cash"])
        found = rebalancing_of(self.figures, planned, wishes, tax_aware=wanted["tax_aware"], at=timezone.now())
        reasons = {"fees": NO_FEES}
        method = self.account.cost_basis_method
        if wanted["tax_aware"] and not chooses_lots(method):
            reasons["tax_aware"] = NO_CHOICE.format(method)
        return Response(self.get_serializer(answer(found, wishes) | {"reasons": reasons}).data)


def answer(found: Rebalancing, wishes: Wishes) -> dict[str, Any]:
    """Return a proposal as it is answered."""
    proposal, labels = found.proposal, labels_of(found.stock, found.planned)
    short, long = found.realized(long_term=False), found.realized(long_term=True)
    return {
        "as_of": found.stock.as_of,
        "currency": found.stock.account.base_currency,
        "allocation": found.planned.allocation,
        "total_value": found.stock.total,
        "new_cash": wishes.new_cash,
        "orders": [_order(order) for order in found.orders],
        "bought": bought(proposal.trades),
        "sold": sold(proposal.trades),
        "cash": proposal.cash,
        "currencies": found.currencies(),
        "realized_gain": {"short_term": short, "long_term": long, "total": short + long},
        "drift_before": proposal.before.weight(proposal.before.off),
        "drift_after": proposal.after.weight(proposal.after.off),
        "after": standings(proposal.after, labels),
        "unfilled": [
            {"target": name, "value": lack, "reason": (GONE if key in labels else NONE_HELD).format(name)}
            for key, lack in proposal.unfilled.items()
            for name in [labels.get(key, key)]
        ],
        "stale": found.stock.stale,
    }


def _order(order: Any) -> dict[str, Any]:
    """Return an order as it is answered."""
    trade, sells = order.trade, order.trade.quantity < 0
    return {
        "instrument": order.instrument,
        "side": order.side,
        "quantity": abs(trade.quantity),
        "price": trade.asset.price,
        "priced_at": order.priced_on,
        "currency": order.instrument.money,
        "rate": trade.asset.rate,
        "value": abs(trade.own),
        "value_in_base": abs(trade.value),
        "fee": None,
        "realized_gain": order.gain() if sells else None,
        "short_term_gain": order.gain(long_term=False) if sells else None,
        "long_term_gain": order.gain(long_term=True) if sells else None,
        "lots": order.closures,
    }
