"""What a currency was worth on a day: the last rate known by then, where it comes from, and whether it is stale.

The last known rate carries forward, marked stale once it is older than the setting FX_STALE_DAYS (7: weekends and the longest
holidays of the banks that publish are no reason to doubt). Before the first known rate there is none.
"""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from django.conf import settings
from django.db import connection

from marketdata.domain.fx import HUBS, KnownRate, Leg, Pair, known_rate

# For every pair and day the last leg of each path, each found by a step into the unique index (base, quote, date); of a cross
# the last day on which both sides are known.
_STORED = """
    (SELECT '{path}' AS path, date, rate, NULL::numeric AS other, {turned} AS turned, false AS other_turned
     FROM marketdata_fxrate WHERE base = {base} AND quote = {quote} AND date <= wanted.day ORDER BY date DESC LIMIT 1)
"""
_CROSSED = """
    (SELECT 'via {hub}', one.date, one.rate, two.rate, {first_turned}, {second_turned}
     FROM marketdata_fxrate AS one JOIN marketdata_fxrate AS two USING (date)
     WHERE '{hub}' NOT IN (wanted.base, wanted.quote) AND one.date <= wanted.day
       AND one.base = {first_base} AND one.quote = {first_quote} AND two.base = {second_base} AND two.quote = {second_quote}
     ORDER BY one.date DESC LIMIT 1)
"""


def _paths() -> Iterable[str]:
    """Yield the queries of all paths; they are put together from our own words."""
    base, quote = "wanted.base", "wanted.quote"
    yield _STORED.format(path="direct", turned="false", base=base, quote=quote)
    yield _STORED.format(path="inverse", turned="true", base=quote, quote=base)
    for hub in HUBS:
        middle = f"'{hub}'"
        for first in (False, True):
            for second in (False, True):
                yield _CROSSED.format(
                    hub=hub,
                    first_turned=str(first).lower(),
                    second_turned=str(second).lower(),
                    first_base=middle if first else base,
                    first_quote=base if first else middle,
                    second_base=quote if second else middle,
                    second_quote=middle if second else quote,
                )


RATES_ON = f"""
    SELECT wanted.base, wanted.quote, wanted.day, found.path, found.date, found.rate, found.other, found.turned,
           found.other_turned
    FROM unnest(%s::text[], %s::text[], %s::date[]) AS wanted (base, quote, day)
    CROSS JOIN LATERAL ({" UNION ALL ".join(_paths())}) AS found
"""  # noqa: S608  put together from our own words


def rate_on(pair: Pair, day: date) -> KnownRate | None:
    """Return the rate of a pair by what was known on a day; None where no stored rate speaks of it by then."""
    return rates_on([(pair, day)]).get((pair, day))


def rates_on(wanted: Collection[tuple[Pair, date]]) -> dict[tuple[Pair, date], KnownRate]:
    """Return the rates of pairs on days, asking the database once; what no stored rate speaks of is left out."""
    asked = list(dict.fromkeys(wanted))
    if not asked:
        return {}
    columns: list[Any] = [[pair[0] for pair, _ in asked], [pair[1] for pair, _ in asked], [day for _, day in asked]]
    legs: dict[tuple[Pair, date], dict[str, list[Leg]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(RATES_ON, columns)
        for row in cursor.fetchall():
            _keep(legs.setdefault(((row[0], row[1]), row[2]), {}), row)
    found = {(pair, day): known_rate(pair, day, legs.get((pair, day), {})) for pair, day in asked}
    return {key: rate for key, rate in found.items() if rate is not None}


def stale_after() -> int:
    """Return after how many days a rate that is carried forward is stale."""
    return int(settings.FX_STALE_DAYS)


def _keep(paths: dict[str, list[Leg]], row: tuple[Any, ...]) -> None:
    """Keep what a path has found, if it is of a later day than what the same path has found otherwise, or less turned."""
    base, quote, _, path, day, rate, other, turned, other_turned = row
    if other is None:
        legs = [Leg((quote, base) if turned else (base, quote), day, rate)]
    else:
        hub = path.removeprefix("via ")
        first = (hub, base) if turned else (base, hub)
        second = (quote, hub) if other_turned else (hub, quote)
        legs = [Leg(first, day, rate), Leg(second, day, other)]
    known = paths.get(path)
    if known is None or (day, _straight(legs, base, quote)) > (known[0].date, _straight(known, base, quote)):
        paths[path] = legs


def _straight(legs: list[Leg], base: str, quote: str) -> int:
    """Return how many legs are stored the way they are needed."""
    return (legs[0].pair[0] == base) + (legs[-1].pair[1] == quote)
