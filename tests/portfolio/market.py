"""Prices and rates for tests of derived figures, through the same door as any others."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import connections

from marketdata.models import FxHistory, FxRate, Instrument
from marketdata.services.ingest import IngestReport, store_bars, store_fx_rates

RECORDED = datetime(2026, 1, 2, tzinfo=UTC)
# Currencies no other test trades in; a test that takes some finds their rates empty.
RARE = ["BIF", "BND", "BTN", "CVE", "DJF", "ERN", "FJD", "FKP", "GMD", "GYD", "KMF", "KPW", "LRD", "LSL", "MOP", "MRU", "MVR"]
RARE += ["MWK", "NIO", "PGK", "SBD", "SCR", "SHP", "SLE", "SRD", "STN", "SZL", "TMT", "TOP", "VUV", "WST"]
_next = count()


def bars(instrument: Instrument, closes: Mapping[str, Any], *, correct: bool = False) -> IngestReport:
    """Store daily bars by day; `correct` replaces those that are there."""
    rows = [
        {"timestamp": f"{day}T00:00:00Z", **dict.fromkeys(("open", "high", "low", "close"), Decimal(str(close)))}
        for day, close in closes.items()
    ]
    common = {"instrument": instrument, "timeframe": "1d"}
    return store_bars(source="tests", rows=rows, recorded_at=RECORDED, common=common, correct=correct)


def rates(base: str, quote: str, values: Mapping[str, Any], *, correct: bool = False) -> IngestReport:
    """Store rates by day."""
    rows = [{"base": base, "quote": quote, "date": day, "rate": Decimal(str(rate))} for day, rate in values.items()]
    return store_fx_rates(source="tests", rows=rows, recorded_at=RECORDED, correct=correct)


def fresh_currencies(number: int) -> list[str]:
    """Return currencies of which no rate is known."""
    found = [RARE[next(_next) % len(RARE)] for _ in range(number)]
    for model in (FxRate, FxHistory):
        for name in ("base", "quote"):
            model.objects.using("owner").filter(**{f"{name}__in": found}).delete()
    return found


def sql(query: str, *values: Any, using: str = "system") -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connections[using].cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()
