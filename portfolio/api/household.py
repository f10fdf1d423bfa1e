"""Several accounts as one: all that the caller may see, or some of them, in one currency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.viewsets import GenericViewSet

from accounts.api.scoping import caller, token_of
from accounts.models import Account
from accounts.selectors.accounts import accounts_of
from marketdata.api.fields import DayField, InstrumentField
from portfolio.api.base import PAST, FigureField, PastQuery, currency_asked
from portfolio.api.explain import EXPLAIN, ExplanationField, explains, few_explained
from portfolio.api.performance import BENCHMARK, PERIOD, RATIO, PerformanceSerializer, PeriodQuery, beside, told
from portfolio.api.periods import DATES, PAGES, Dates, DatesQuery
from portfolio.api.positions import UNITS, GainsSerializer
from portfolio.api.snapshots import SnapshotSerializer
from portfolio.api.summary import SummarySerializer
from portfolio.domain.bridge import Daily
from portfolio.domain.explain import Explanation
from portfolio.models import Snapshot
from portfolio.selectors.benchmark import compared
from portfolio.selectors.explained_household import Address, ExplainedHousehold
from portfolio.selectors.figures import Figures, names_of
from portfolio.selectors.household import Household
from portfolio.selectors.past import figures_of
from portfolio.selectors.performance import periods_of
from portfolio.services import projections

MOST_ACCOUNTS = 100
OF = [
    OpenApiParameter("accounts", str, description="Ids with commas between; without them, all accounts the caller may see."),
    OpenApiParameter("currency", str, description="A code such as EUR; without it (or `user`), the caller's base currency."),
]


class AccountsQuery(serializers.Serializer):
    """Which accounts are asked for."""

    accounts = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_ACCOUNTS, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the ids of a list with commas."""
        asked = data.get("accounts")
        fields: dict[str, Any] = super().to_internal_value({} if asked is None else {"accounts": asked.split(",")})
        return fields


class JointSerializer(serializers.Serializer):
    """What the accounts hold of one instrument: its price in its own currency, all else in that of the household."""

    instrument = InstrumentField(read_only=True)
    quantity = FigureField(places=UNITS)
    market_price = FigureField(allow_null=True)
    priced_at = DayField(source="priced_on", allow_null=True)
    market_value = FigureField(allow_null=True)
    weight = FigureField(places=RATIO, allow_null=True)
    gains = GainsSerializer(allow_null=True)
    accounts = serializers.ListField(child=serializers.CharField())
    explanation = ExplanationField()


class HouseholdPositionsSerializer(serializers.Serializer):
    """The positions of the accounts together, by symbol."""

    currency = serializers.CharField()
    results = JointSerializer(many=True)
    missing = serializers.ListField(child=serializers.CharField(), help_text="What lacks a price or rate.")
    reasons = serializers.DictField(child=serializers.CharField())


class HouseholdSnapshotsSerializer(serializers.Serializer):
    """A page of the daily values of the accounts together; what went from one to another is no flow."""

    currency = serializers.CharField()
    results = SnapshotSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    missing = serializers.ListField(child=serializers.CharField())
    reasons = serializers.DictField(child=serializers.CharField())


class HouseholdViewSet(GenericViewSet):
    """Several accounts of the caller as one. Nothing here is stored, and nothing is written."""

    serializer_class = SummarySerializer
    filter_backends = ()
    pagination_class: Any = None
    accounts: list[Account]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, and bring the figures of the accounts up to date."""
        super().initial(request, *args, **kwargs)
        self.accounts = self.load_accounts()
        for account in self.accounts:
            projections.catch_up(account_id=account.pk, at=timezone.now())

    def load_accounts(self) -> list[Account]:
        """Return the accounts asked for, all of which the caller may see, through this token too.

        :raises Http404: if one of them is not there, or not for this caller
        """
        query = AccountsQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        asked, token = query.validated_data.get("accounts"), token_of(self.request)
        found = {account.pk: account for account in accounts_of(caller(self.request)).order_by("pk")}
        if token is not None and token.accounts is not None:
            found = {pk: account for pk, account in found.items() if pk in token.accounts}
        if asked is None:
            return list(found.values())
        if any(pk not in found for pk in asked):
            raise Http404
        return [found[pk] for pk in dict.fromkeys(asked)]

    @cached_property
    def past(self) -> dict[str, Any]:
        """Which past is asked for, if any."""
        query = PastQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)

    @cached_property
    def household(self) -> Household:
        """The figures asked for."""
        own = caller(self.request).base_currency
        members = [figures_of(account, **self.past) for account in self.accounts]
        return Household(members, currency_asked(self.request, own))

    def told(self, found: Explanation | None) -> dict[str, Any]:
        """Return an explanation as a part of an answer."""
        return {"explanation": found.as_json() if found else None}

    def way(self, route: str) -> Address:
        """Return a way to the addresses at which accounts say why of a day themselves."""
        known = {"known_at": self.past["known_at"].isoformat()} if "known_at" in self.past else {}

        def address(member: Figures, day: date) -> str:
            asked = {"date": day} if route == "snapshot-list" else {"as_of": day}
            query = urlencode({"explain": 1, "currency": self.household.currency, **asked, **known})
            return f"{reverse(route, kwargs={'account_id': member.account.pk})}?{query}"

        return address

    @extend_schema(parameters=[*OF, *PAST, EXPLAIN], responses=SummarySerializer)
    def summary(self, request: Request) -> Response:
        """Return the accounts at a glance."""
        row = dict(SummarySerializer(self.household.summary()).data)
        if explains(request):
            row |= self.told(ExplainedHousehold(self.household).summary(self.way("snapshot-list")))
        return Response(row)

    @extend_schema(parameters=[*OF, *PERIOD, *BENCHMARK, *PAST, EXPLAIN], responses=PerformanceSerializer)
    def performance(self, request: Request) -> Response:
        """Return how the accounts did together from `start` up to, and without, `end`."""
        query = PeriodQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = {name: query.validated_data[name] for name in ("start", "end", "risk_free")}
        row = told(self.household, **asked)
        benchmark = query.validated_data["benchmark"]
        if benchmark is not None:
            found = compared(
                self.household.points(start=asked["start"], end=asked["end"]),
                benchmark,
                periods=periods_of(self.household.kind),
                currency=self.household.currency,
                start=asked["start"],
                dividends=query.validated_data["benchmark_return"] == "total",
                risk_free=float(asked["risk_free"]),
            )
            row = beside(row, found, benchmark)
        row |= {"missing": names_of(row["missing"])}
        if explains(request):
            other = None if benchmark is None else (benchmark, query.validated_data["benchmark_return"] == "total")
            asked["risk_free"] = float(asked["risk_free"])
            why = ExplainedHousehold(self.household).period(**asked, benchmark=other)
            row |= self.told(why[0] if why else None)
        return Response(row)

    @extend_schema(parameters=[*OF, *PAST, EXPLAIN], responses=HouseholdPositionsSerializer)
    def positions(self, request: Request) -> Response:
        """Return what the accounts hold together."""
        joint, why = self.household.positions(), []
        if few_explained(request, len(joint), "fewer accounts"):
            why = ExplainedHousehold(self.household).positions(joint, self.way("position-list"))
        return self.answer(HouseholdPositionsSerializer, joint, why)

    def answer(
        self, serializer: type[serializers.Serializer], rows: list[Any], why: Sequence[Explanation], **more: Any
    ) -> Response:
        """Return rows with what is missing, and why; `why` are their explanations, if they are asked for."""
        gap = self.household.gap()
        told_ = {
            "currency": self.household.currency,
            "results": rows,
            "missing": names_of(self.household.lacking()),
            "reasons": {"total_value": gap} if gap else {},
            **more,
        }
        answer = serializer(told_).data
        for place, explanation in enumerate(why):
            answer["results"][place] |= self.told(explanation)
        return Response(answer)


class HouseholdSnapshotViewSet(HouseholdViewSet):
    """The daily values of several accounts together."""

    pagination_class = api_settings.DEFAULT_PAGINATION_CLASS
    ordering = "date"
    ordering_fields = ("date",)

    @extend_schema(parameters=[*OF, *DATES, *PAST, EXPLAIN, *PAGES], responses=HouseholdSnapshotsSerializer)
    def snapshots(self, request: Request) -> Response:
        """Return a page of daily values."""
        query = DatesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        within: Any = Dates.within(self.household.reach, **query.validated_data)
        page: list[date] = list(self.paginate_queryset(within) or [])
        first, end = (min(page), max(page) + timedelta(days=1)) if page else (None, None)
        days = {day.date: day for day in self.household.days(start=first, end=end)} if page else {}
        why: list[Explanation] = []
        if few_explained(request, len(page)):
            told_of = ExplainedHousehold(self.household).days(page, self.way("snapshot-list"))
            why = [told_of[day] for day in page]
        links = self.get_paginated_response([]).data
        around = {name: links[name] for name in ("next", "previous")}
        return self.answer(HouseholdSnapshotsSerializer, [snapshot_of(days[day]) for day in page], why, **around)


def snapshot_of(day: Daily) -> Snapshot:
    """Return a day as snapshots are shown."""
    fields = {name: getattr(day, name) for name in Daily._fields if name != "day"}
    return Snapshot(date=day.date, net_flow=day.inflow - day.outflow, **fields)
