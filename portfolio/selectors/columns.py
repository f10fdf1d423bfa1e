"""The ledger of an account and the closes it needs as columns: a few long texts instead of ten thousand rows."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
from django.db import connections

from accounts.models import Account
from portfolio.domain.columns import CODES, OF_ACCOUNT, Columns, Numbers
from portfolio.domain.daily import Grid
from portfolio.domain.exact import MONEY_PLACES, UNIT_PLACES, Fixed
from portfolio.domain.pricing import NOTHING
from portfolio.domain.swift import Holdings
from portfolio.selectors.market import listings_of, load_market, reach_of_prices

_INT64_DIGITS = 18
# Numbers have the places of their columns, so that without the points they are whole ones; numpy reads those at once.
HEARD = ["fx_rate", "gross", "lots", "from"]  # what else the data of a plain entry states changes no figure
PLAIN = """
    SELECT NOT EXISTS (SELECT FROM accounts_ledgerentry WHERE account_id = %(account)s AND NOT
        (group_id IS NULL AND reverses_id IS NULL AND NOT data ?| %(heard)s AND kind = ANY (%(kinds)s)))
"""
COLUMNS = """
    SELECT count(*), string_agg(sequence::text, ','), string_agg(kind, ','),
           string_agg((extract(epoch FROM occurred_at) * 1000000)::bigint::text, ','),
           string_agg(coalesce(instrument_id::text, ''), ','), string_agg(currency, ','),
           string_agg(quantity::text, ','), string_agg(cash::text, ','), string_agg(fee::text, ','), string_agg(tax::text, ',')
    FROM (SELECT * FROM accounts_ledgerentry WHERE account_id = %(account)s ORDER BY sequence) AS entry
"""


def columns_of(*, account_id: UUID, using: str = "default") -> Columns | None:
    """Return the entries of an account as columns; none where there are none, or one of them is not of a plain kind."""
    with connections[using].cursor() as cursor:
        cursor.execute(PLAIN, {"account": account_id, "kinds": list(CODES), "heard": HEARD})
        if not cursor.fetchone()[0]:
            return None
        cursor.execute(COLUMNS, {"account": account_id})
        count, *texts = cursor.fetchone()
    if not count:
        return None
    sequences, kinds, times, instruments, currencies, *amounts = texts
    named = instruments.split(",")
    names = sorted({*named} - {""})
    money = sorted({*currencies.split(",")})
    places = {name: place for place, name in enumerate(names)} | {"": OF_ACCOUNT}
    return Columns(
        names,
        money,
        np.array([places[name] for name in named], dtype=np.int64),
        np.array([CODES[kind] for kind in kinds.split(",")], dtype=np.int64),
        _whole(sequences),
        _whole(times),
        np.array([money.index(currency) for currency in currencies.split(",")], dtype=np.int64)
        if len(money) > 1
        else np.zeros(count, dtype=np.int64),
        *(numbers_in(text, places) for text, places in zip(amounts, (UNIT_PLACES, *[MONEY_PLACES] * 3), strict=True)),
    )


def numbers_in(text: str, places: int) -> Fixed:
    """Return the numbers of a text, all with so many decimal places and with commas between.

    >>> numbers_in("1.50,-20.25", 2).decimals()
    [Decimal('1.50'), Decimal('-20.25')]
    """
    whole = text.replace(".", "")
    if max(map(len, whole.split(","))) <= _INT64_DIGITS:
        digits = _whole(whole)
        return Fixed.trimmed(digits, places, int(np.abs(digits).max()))
    return Fixed.whole([int(number) for number in whole.split(",")], places)


def _whole(text: str) -> Numbers:
    """Return the whole numbers of a text."""
    return np.fromstring(text, dtype=np.int64, sep=",")


def holdings_and_closes(account: Account, *, using: str = "default") -> tuple[Holdings, Grid] | None:
    """Return what an account held and the closes of it, as columns: what `analyze` and `by_fifo` take.

    None where that is not all there is to say: entries of other kinds or in other currencies, contracts, or short positions.
    """
    columns = columns_of(account_id=account.pk, using=using)
    if columns is None or list(columns.currencies) != [account.base_currency]:
        return None
    listings = listings_of(reach_of_prices(columns.instruments, using=using))
    if any(one.currency != account.base_currency or one.multiplier != 1 for one in listings.values()):
        return None
    holdings = Holdings.of(columns.in_order())
    if len(holdings.went_short()):
        return None
    start = datetime.fromtimestamp(int(columns.at.min()) // 1_000_000, UTC).date()
    market = load_market(instruments=listings, pairs=(), start=start, using=using)
    return holdings, Grid.of([market.closes.get(name, NOTHING) for name in columns.instruments])


__all__ = ["COLUMNS", "PLAIN", "columns_of", "holdings_and_closes", "numbers_in"]
