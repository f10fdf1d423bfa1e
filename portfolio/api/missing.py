"""Acquisitions that are not in the ledger: more was sold, or covered, than was held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import InstrumentField, UtcDateTimeField
from marketdata.models import Instrument
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told
from portfolio.api.positions import UNITS
from portfolio.domain.explain_lots import explain_missing
from portfolio.models import Closure, Lot


class MissingSerializer(serializers.Serializer):
    """What an instrument lacks: units sold, or covered, that were not held, as a size.

    `open` units still wait for their acquisition; `made_up` were acquired later. `proceeds` is what the open ones brought (or
    took). `entries` are the sequences of the entries that closed more than was held.
    """

    instrument = InstrumentField(read_only=True)
    open = FigureField(places=UNITS)
    made_up = FigureField(places=UNITS)
    proceeds = FigureField()
    currency = serializers.CharField(source="instrument.money")
    since = UtcDateTimeField()
    entries = serializers.ListField(child=serializers.IntegerField())
    explanation = ExplanationField()


class MissingAcquisitionViewSet(FiguresViewSet):
    """What an account sold without having it, by instrument; the oldest first. Post what is missing, and it is gone."""

    queryset = Lot.objects.all()
    serializer_class = MissingSerializer
    filter_backends = ()

    def explained(self, page: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """Return why so much is missing of each instrument."""
        lots, closures = list(missing(self.figures.lots())), list(missing(self.figures.closures()))
        found: list[dict[str, Any] | None] = []
        for row in page:
            own = [[one for one in rows if one.instrument_id == row["instrument"].pk] for rows in (lots, closures)]
            found.append(as_told(explain_missing(row, *own), self.account, self.past))
        return found

    @extend_schema(parameters=[*PAST, EXPLAIN])
    def list(self, request: Request, account_id: str) -> Response:
        """Return the instruments of which acquisitions are missing."""
        return self.page_of(missing_of(missing(self.figures.lots()), missing(self.figures.closures())))


def missing(rows: QuerySet[Any] | Sequence[Any]) -> Iterable[Any]:
    """Return those of lots or closures that lack an acquisition."""
    return rows.filter(missing=True) if isinstance(rows, QuerySet) else [row for row in rows if row.missing]


def missing_of(lots: Iterable[Lot], closures: Iterable[Closure]) -> list[dict[str, Any]]:
    """Return what is missing of each instrument, the oldest first."""
    found: dict[Instrument, list[tuple[datetime, int, Decimal, Decimal, Decimal]]] = defaultdict(list)
    for lot in lots:
        found[lot.instrument].append((lot.opened_at, lot.sequence, abs(lot.remaining), Decimal(0), -lot.cost))
    for closure in closures:
        found[closure.instrument].append((closure.opened_at, closure.opening, Decimal(0), abs(closure.quantity), Decimal(0)))
    rows = [
        {
            "instrument": instrument,
            "open": sum(row[2] for row in parts),
            "made_up": sum(row[3] for row in parts),
            "proceeds": sum(row[4] for row in parts),
            "since": min(row[0] for row in parts),
            "entries": sorted({row[1] for row in parts}),
        }
        for instrument, parts in found.items()
    ]
    return sorted(rows, key=lambda row: (row["since"], row["instrument"].key))
