"""What all routes of figures share: they are brought up to date first, and may be asked for as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from marketdata.api.fields import DayField, DecimalStringField, UtcDateTimeField
from marketdata.domain.money import UnknownCurrency, check_currency, round_to
from portfolio.api.explain import explains
from portfolio.domain.exact import MONEY_PLACES
from portfolio.models import Projection
from portfolio.selectors.conversion import in_currency
from portfolio.selectors.figures import Figures
from portfolio.selectors.past import figures_of
from portfolio.services import answers, projections

FIRST_YEAR, LAST_YEAR = 1900, 2200
AS_OF = OpenApiParameter(
    "as_of",
    OpenApiTypes.DATE,
    description="A day (YYYY-MM-DD): the figures at its end; of a day that was not valued yet, those of the last one that was.",
)
KNOWN_AT = OpenApiParameter("known_at", OpenApiTypes.DATETIME, description="A time: only entries recorded until then.")
PAST = [AS_OF, KNOWN_AT]
CURRENCY = OpenApiParameter(
    "currency",
    str,
    description="`account` (the default), `user` (the caller's base currency) or a code such as EUR: each day at its own rate.",
)


class FigureField(DecimalStringField):
    """A derived number, rounded to the places that are kept of its kind: ten of money, twelve of a ratio."""

    def __init__(self, *, places: int = MONEY_PLACES, **kwargs: Any) -> None:
        super().__init__(places=places, read_only=True, **kwargs)

    def to_representation(self, value: Any) -> str:
        """Return the digits of the number."""
        return super().to_representation(round_to(value, self.places))


class PastQuery(serializers.Serializer):
    """Which past is asked for."""

    as_of = DayField(required=False)
    known_at = UtcDateTimeField(required=False)

    def validate_as_of(self, day: date) -> date:
        """Refuse days that no figures can be of: years before and after them are reckoned with, too."""
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            told = f"Ask for a day from {FIRST_YEAR}-01-01 to {LAST_YEAR}-12-31."
            raise serializers.ValidationError(told, code="out_of_range")
        return day


class CurrencyField(serializers.CharField):
    """A currency by its code."""

    def to_internal_value(self, data: Any) -> str:
        """Return the code, if it is one."""
        code = super().to_internal_value(data)
        try:
            check_currency(code)
        except UnknownCurrency as refusal:
            raise serializers.ValidationError(str(refusal), code="unknown_currency") from refusal
        return code


def currency_asked(request: Request, default: str, **words: str) -> str:
    """Return the currency that a query asks for: a code, or one of the words that stand for one."""
    asked = request.query_params.get("currency")
    known = {"user": caller(request).base_currency, **words}
    if asked is None or asked in known:
        return default if asked is None else known[asked]
    try:
        return CurrencyField().run_validation(asked)
    except serializers.ValidationError as refusal:
        raise serializers.ValidationError({"currency": refusal.detail}) from refusal


class FiguresViewSet(AccountScopedViewSet):
    """The base of every view on figures: caught up with the ledger and the prices before anything is read."""

    projection: Projection

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, then bring the account's figures up to date."""
        super().initial(request, *args, **kwargs)
        self.projection = projections.catch_up(account_id=self.account.pk, at=timezone.now())

    @cached_property
    def past(self) -> dict[str, Any]:
        """Which past is asked for, if any."""
        query = PastQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)

    @cached_property
    def currency(self) -> str:
        """The currency that figures are asked for in; that of the account, unless the view takes another."""
        own = self.account.base_currency
        return currency_asked(self.request, own, account=own)

    @cached_property
    def figures(self) -> Figures:
        """The figures asked for."""
        return in_currency(figures_of(self.account, **self.past), self.currency)

    def remembered(self, what: str, compute: Callable[[], Mapping[str, Any]], **question: Any) -> dict[str, Any]:
        """Return what follows from the account's figures, from the cache if it was asked for since they changed.

        In another currency it follows from rates, too, that the account knows nothing of: then nothing is kept.
        """
        if self.currency != self.account.base_currency:
            return dict(compute())
        asked = {"what": what, **self.past, **question}
        return dict(answers.answer(projection=self.projection, question=asked, compute=compute))

    def page_of(self, found: QuerySet[Any] | Sequence[Any]) -> Response:
        """Return a page of rows, after the filters that the view names."""
        kept = self.filter_queryset(found) if isinstance(found, QuerySet) else self._filtered(found)
        page = self.paginate_queryset(kept)
        rows = self.get_serializer(page, many=True).data
        if explains(self.request) and page:
            for row, why in zip(rows, self.explained(page), strict=True):
                row["explanation"] = why
        return self.get_paginated_response(rows)

    def explained(self, page: Sequence[Any]) -> Iterable[dict[str, Any] | None]:
        """Return why the figures of each row of a page are what they are."""
        return [None] * len(page)

    def _filtered(self, found: Iterable[Any]) -> list[Any]:
        """Return those of derived rows that the filters keep, as the database would have."""
        rows = list(found)
        if not self.filter_backends:
            return rows
        backend: Any = self.filter_backends[0]()
        made = backend.get_filterset(self.request, self.get_queryset().none(), self)
        if made is None:
            return rows
        if not made.is_valid():
            raise serializers.ValidationError(made.errors)
        for name, value in made.form.cleaned_data.items():
            if value is not None:
                field, _, lookup = name.partition("__")
                rows = [row for row in rows if LOOKUPS[lookup](attrgetter(field)(row), value)]
        return rows


LOOKUPS = {
    "": lambda own, value: own == value,
    "gte": lambda own, value: own >= value,
    "lt": lambda own, value: own < value,
}
