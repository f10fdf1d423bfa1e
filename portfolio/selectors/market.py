"""Prices and rates as the derivation reads them, and how far each series reaches."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import connections

from marketdata.domain.fx import legs_of
from marketdata.selectors.prices import fx_rates, written_closes
from portfolio.domain.entries import Listing
from portfolio.domain.exact import MONEY_PLACES, Fixed
from portfolio.domain.minor import unit_of
from portfolio.domain.pricing import NOTHING, Market, Points, crossed, since

SYSTEM = "system"
UNIX_DAY = date(1970, 1, 1).toordinal()
LATEST = date(9999, 1, 1)
_INT64_DIGITS = 18
_FEW = 200  # characters: Python reads those sooner than numpy

# What the figures of an instrument rest on beside the entries, as one value that can be compared.
SERIES = """
    SELECT coalesce(jsonb_object_agg(i.id, jsonb_build_array(
               coalesce(h.revision, 0), (h.first_at AT TIME ZONE 'UTC')::date, (h.last_at AT TIME ZONE 'UTC')::date,
               trim_scale(i.multiplier)::text, i.currency)), '{{}}')
    FROM marketdata_instrument AS i
    LEFT JOIN marketdata_pricehistory AS h ON h.instrument_id = i.id AND h.timeframe = '1d'
    WHERE i.id = ANY ({ids})
"""
RATES = """
    SELECT coalesce(jsonb_object_agg(leg, jsonb_build_array(coalesce(h.revision, 0), h.first_date, h.last_date)), '{{}}')
    FROM unnest({legs}) AS leg
    LEFT JOIN marketdata_fxhistory AS h ON h.base = split_part(leg, '/', 1) AND h.quote = split_part(leg, '/', 2)
"""


def reach_of_prices(instruments: Collection[str], *, using: str = "default") -> dict[str, Any]:
    """Return how far the prices of instruments reach, with the revision of their past and what a unit is."""
    return _reach(SERIES.format(ids="%s::uuid[]"), list(instruments), using) if instruments else {}


def reach_of_rates(pairs: Iterable[tuple[str, str]], *, legs: Iterable[str] = (), using: str = "default") -> dict[str, Any]:
    """Return how far the rates behind pairs reach (and those of other legs, such as "EUR/USD"), with their revisions."""
    wanted = {*legs, *("/".join(leg) for leg in legs_of(pairs))}
    return _reach(RATES.format(legs="%s::text[]"), list(wanted), using) if wanted else {}


def _reach(query: str, names: list[Any], using: str) -> dict[str, Any]:
    """Return the answer of a query for the reach of series."""
    with connections[using].cursor() as cursor:
        cursor.execute(query, ["{" + ",".join(map(str, names)) + "}"])  # sooner than adapting them one by one
        found: dict[str, Any] = json.loads(cursor.fetchone()[0])
    return found


def listings_of(series: dict[str, Any]) -> dict[str, Listing]:
    """Return what is known of the instruments whose series are given."""
    found = {}
    for key, (_, _, _, multiplier, quoted_in) in series.items():
        currency, unit = unit_of(quoted_in)
        found[key] = Listing(currency, Decimal(multiplier), unit)
    return found


def load_market(
    *,
    instruments: Iterable[str],
    pairs: Iterable[tuple[str, str]],
    start: date,
    until: date | None = None,
    using: str = "default",
    via: str = "",
) -> Market:
    """Return the closes and rates from a day on (to another, included), each preceded by the last one before.

    One query for all closes, and one for all rates where there are any. `via` is the currency of an account, in which all its
    figures are kept: what has no rate into it has none into another currency either, and a pair that is not known is crossed.
    """
    end = LATEST if until is None else until + timedelta(days=1)
    wanted = set(pairs)
    rates = _rates(wanted, start, end)
    beyond = {pair for pair in wanted if via and via not in pair}
    legs = _rates({leg for base, quote in beyond for leg in ((base, via), (via, quote))}, start, end)
    for base, quote in beyond:
        first, second = legs.get((base, via), NOTHING), legs.get((via, quote), NOTHING)
        direct = rates.pop((base, quote), None)
        if len(first.days):
            rates[base, quote] = crossed(first, second) if direct is None else since(direct, int(first.days[0]))
    return Market(_closes(list(instruments), start, end, using), rates)


def _rates(pairs: Collection[tuple[str, str]], start: date, end: date) -> dict[tuple[str, str], Points]:
    """Return the rates of those pairs that any are known of."""
    found = fx_rates(pairs=sorted(pairs), start=start, end=end) if pairs else {}
    return {
        pair: Points.of({day.toordinal(): value for day, value in zip(series.days, series.values, strict=True)})
        for pair, series in found.items()
    }


def _closes(instruments: list[str], start: date, end: date, using: str) -> dict[str, Points]:
    """Return the daily closes of instruments as vectors."""
    if not instruments:
        return {}
    rows = written_closes(instrument_ids=instruments, start=start, end=end, using=using)
    return {str(instrument): _points(days, closes) for instrument, days, closes in rows}


def _points(days: str, closes: str) -> Points:
    """Return the points of two lists of numbers, the closes with ten places each."""
    if len(closes) < _FEW:
        few = [int(number) for number in closes.replace(".", "").split(",")]
        own = np.array([int(day) + UNIX_DAY for day in days.split(",")], dtype=np.int64)
        return Points(own, Fixed.whole(few, MONEY_PLACES), own, own)
    numbers = np.fromstring(days, dtype=np.int64, sep=",") + UNIX_DAY
    whole = closes.replace(".", "")
    if max(map(len, whole.split(","))) <= _INT64_DIGITS:
        digits = np.fromstring(whole, dtype=np.int64, sep=",")
        values = Fixed.trimmed(digits, MONEY_PLACES, int(np.abs(digits).max()))
    else:
        values = Fixed.whole([int(number) for number in whole.split(",")], MONEY_PLACES)
    return Points(numbers, values, numbers, numbers)
