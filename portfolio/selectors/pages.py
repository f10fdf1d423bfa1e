"""What moved on days, and the market those moves are valued by; the ledger is not read again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import connections

from portfolio.domain.daybook import Day
from portfolio.domain.exact import EXACT
from portfolio.domain.pricing import NOTHING, Hand, Points, Split, in_currencies
from portfolio.domain.valuation import Quoted
from portfolio.models import Projection
from portfolio.selectors.days import day_before
from portfolio.selectors.market import listings_of, load_market

PAGES = """
    SELECT date, moves, CASE WHEN date = %(origin)s THEN held END FROM portfolio_snapshot
    WHERE account_id = %(account)s AND date >= %(origin)s AND date < %(end)s
      AND (moves IS NOT NULL OR (date = %(origin)s AND held IS NOT NULL))
"""
TRANSFERS = """
    SELECT date, moves FROM portfolio_snapshot
    WHERE account_id = %s AND moves IS NOT NULL
      AND (jsonb_path_exists(moves, '$.flows[*][3]') OR jsonb_path_exists(moves, '$.transfers[*][5]'))
"""


def pages_in(*, account_id: UUID, start: date | None, end: date | None) -> dict[int, Day]:
    """Return what moved in [start, end), and what was held before it."""
    origin = date.min if start is None else day_before(start).replace(day=1)
    pages = {}
    with connections["default"].cursor() as cursor:
        cursor.execute(PAGES, {"account": account_id, "origin": origin, "end": date.max if end is None else end})
        for when, moves, held in cursor.fetchall():
            page = Day.of_json(json.loads(held)) if held else Day()
            if moves:
                page.merge(Day.of_json(json.loads(moves)))
            pages[when.toordinal()] = page
    return pages


def transfers_in(*, account_id: UUID) -> dict[int, Day]:
    """Return the days on which something came from another account of one's own, or went to one."""
    with connections["default"].cursor() as cursor:
        cursor.execute(TRANSFERS, [account_id])
        return {when.toordinal(): Day.of_json(json.loads(moves)) for when, moves in cursor.fetchall()}


def quoted_for(
    projection: Projection, pages: Iterable[Day], *, currency: str, start: date, until: date | None, via: str
) -> Quoted:
    """Return the market by which moves are valued in a currency, as the derivation saw it; `via` is the account's."""
    found = list(pages)
    listings = listings_of(projection.series)
    wanted = {key for page in found for key in _instruments(page)} & set(listings)
    currencies = {listings[key].currency for key in wanted} | {one for page in found for one in currencies_on(page)}
    pairs = {(one, currency) for one in currencies if one != currency}
    market = load_market(instruments=wanted, pairs=pairs, start=start, until=until, via=via)
    market = in_currencies(market, listings)
    memory = projection.memory
    prices = {
        key: market.closes.get(key, NOTHING).with_moves(
            [Hand(day, Decimal(price)) for day, price in memory.get("hands", {}).get(key, ())],
            [Split(day, Decimal(new), Decimal(old)) for day, new, old in memory.get("splits", {}).get(key, ())],
        )
        for key in wanted
    }
    return Quoted(currency, listings, prices, {one: points for (one, _), points in market.rates.items()})


def restated(pages: Mapping[int, Day], rates: Points) -> dict[int, Day]:
    """Return days whose recorded rates are into another currency than the account's, by the rates of the day into that."""
    found = {}
    for day, page in pages.items():
        rate = rates.value_at(day)
        items = {
            item._replace(rate=None if rate is None or item.rate is None else EXACT.multiply(item.rate, rate)): amount
            for item, amount in page.items.items()
        }
        found[day] = Day(page.units, page.paid, page.cash, page.owed, page.flows, page.transfers, items, page.turned)
    return found


def _instruments(page: Day) -> Collection[str]:
    """Return the instruments a page speaks of."""
    named = {item.instrument for item in page.items if item.instrument}
    return {*page.units, *page.paid, *(move.instrument for move in page.transfers), *named}


def currencies_on(page: Day) -> Collection[str]:
    """Return the currencies a page speaks of."""
    moved = {*(flow.currency for flow in page.flows), *(move.currency for move in page.transfers)}
    return {*page.cash, *page.owed, *page.turned, *moved, *(item.currency for item in page.items)}
