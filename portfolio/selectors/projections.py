"""How far an account's figures have been derived, and everything a run of the derivation starts from."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.utils import CursorWrapper

from accounts.models import Account
from marketdata.domain.actions import ActionKind
from marketdata.domain.instruments import BadSymbol, split_key
from marketdata.models import CorporateAction, Instrument
from portfolio.domain import reach
from portfolio.domain.book import Book, Holding
from portfolio.domain.daybook import Day
from portfolio.domain.derivation import VERSION, Gap, Others
from portfolio.domain.entries import Entry
from portfolio.domain.legs import counterparts
from portfolio.domain.lots import Lot, Rules
from portfolio.domain.returns import Opening
from portfolio.models import Projection
from portfolio.selectors.market import RATES, SERIES, SYSTEM, listings_of

# Ids as texts, and no JSON where there is none: of ten thousand entries nearly all state nothing there.
ENTRIES = """
    SELECT id::text, sequence, kind, occurred_at, instrument_id::text, quantity, price, cash, currency, fee, tax,
           CASE WHEN data <> '{}' THEN data::text END, group_id::text, reverses_id::text
    FROM accounts_ledgerentry
    WHERE account_id = %(account)s AND sequence > %(sequence)s
      AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s OR kind = 'NOTE')
      AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
    ORDER BY sequence
"""
NOTHING_STATED: dict[str, Any] = {}

# What `basis_of` returns, of the account `a`.
BASIS = f"""
    concat_ws(':', {VERSION}, a.cost_basis_method, a.kind, a.base_currency, coalesce(a.long_term_days::text, '-'),
              CASE WHEN a.wash_sales THEN 'W' ELSE '-' END)
"""
# Of the days before one: the value of the last complete day and what came in since, and what went out since.
SINCE_COMPLETE = """
    WITH complete AS (SELECT date, total_value FROM portfolio_snapshot
                      WHERE account_id = %(account)s AND date < %(day)s AND complete ORDER BY date DESC LIMIT 1)
    SELECT coalesce((SELECT total_value FROM complete), 0) + coalesce(sum(inflow), 0), coalesce(sum(outflow), 0)
    FROM portfolio_snapshot
    WHERE account_id = %(account)s AND date < %(day)s AND date > coalesce((SELECT date FROM complete), '-infinity')
"""
# An account is up to date if its ledger, what its figures rest on, its prices and its rates are those that were read.
_READ = """
    portfolio_projection.read_up_to = coalesce(
        (SELECT sequence FROM accounts_ledgerhead AS head WHERE head.account_id = portfolio_projection.account_id), 0)
    AND portfolio_projection.basis = (SELECT {basis} FROM accounts_account AS a WHERE a.id = portfolio_projection.account_id)
"""
MEASURED = """
    (portfolio_projection.valued_until IS NULL OR EXISTS (
        SELECT FROM portfolio_performance AS kept
        WHERE kept.account_id = portfolio_projection.account_id AND kept.as_of = portfolio_projection.valued_until))
"""
READ = _READ.format(basis=BASIS)
_SERIES = SERIES.format(ids="ARRAY(SELECT jsonb_object_keys(portfolio_projection.series)::uuid)")
_RATES = RATES.format(legs="ARRAY(SELECT jsonb_object_keys(portfolio_projection.rates))")
RATES_UNMOVED = f"(portfolio_projection.rates = '{{}}' OR portfolio_projection.rates = ({_RATES}))"
UNMOVED = f"portfolio_projection.series = ({_SERIES}) AND {RATES_UNMOVED}"
TOLD = f"""
    SELECT portfolio_projection.*, ({READ}) AS read, now.series = portfolio_projection.series AND {RATES_UNMOVED} AS unmoved,
           ({MEASURED}) AS measured, nullif(now.series, portfolio_projection.series)::text AS reached,
           (SELECT coalesce(max(entries), 0) FROM portfolio_checkpoint WHERE account_id = %(account)s) AS kept_after,
           portfolio_projection.xmin::text AS version
    FROM portfolio_projection
    CROSS JOIN LATERAL (SELECT ({_SERIES}) AS series OFFSET 0) AS now
    WHERE account_id = %(account)s
"""  # noqa: S608
ACCOUNT = [field.attname for field in Account._meta.concrete_fields]
LOCK = f"""
    SELECT 1 FROM portfolio_projection WHERE account_id = %(account)s FOR UPDATE;
    SELECT {", ".join(ACCOUNT)},
           (SELECT xmin::text FROM portfolio_projection WHERE account_id = accounts_account.id)
    FROM accounts_account WHERE id = %(account)s
"""  # noqa: S608


def basis_of(account: Account) -> str:
    """Return what all figures of an account rest on beside entries, prices and rates."""
    days = "-" if account.long_term_days is None else str(account.long_term_days)
    wash = "W" if account.wash_sales else "-"
    return ":".join([str(VERSION), account.cost_basis_method, account.kind, account.base_currency, days, wash])


def rules_of(account: Account) -> Rules:
    """Return what the taxes of an account's owner ask."""
    return Rules(account.long_term_days, account.wash_sales)


def joins_earlier(entries: Collection[Entry], *, account_id: UUID, sequence: int) -> bool:
    """Say whether entries are legs of what began in entries up to a sequence: those may act otherwise from now on."""
    groups, kinds = counterparts(entries)
    if not groups or not sequence:
        return False
    query = """
        SELECT EXISTS (SELECT FROM accounts_ledgerentry
                       WHERE account_id = %s AND sequence <= %s AND group_id = ANY (%s::uuid[]) AND kind = ANY (%s))
    """
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(query, [account_id, sequence, list(groups), list(kinds)])
        return bool(cursor.fetchone()[0])


def projection_of(account_id: UUID) -> Projection | None:
    """Return a projection that says of itself whether it is `current`, seen through the system role; none where there is none."""
    return next(iter(Projection.objects.using(SYSTEM).raw(TOLD, {"account": account_id})), None)


def lock(account_id: UUID) -> tuple[Account, str | None]:
    """Lock the row of a projection until the transaction ends, and return its account, and its version if there is such a row.

    Both are read by a statement of their own, once the lock is held, on the same way to the server.

    :raises Account.DoesNotExist: if there is no such account
    """
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(LOCK, {"account": account_id})
        cursor.nextset()
        row = cursor.fetchone()
    if row is None:
        raise Account.DoesNotExist
    return Account.from_db(SYSTEM, ACCOUNT, row[:-1]), row[-1]


def account_exists(account_id: UUID) -> bool:
    """Say whether there is such an account, whoever may see it."""
    return Account.objects.using(SYSTEM).filter(pk=account_id).exists()


def accounts_with_entries() -> list[UUID]:
    """Return the accounts that have a ledger to derive something from, and those that have something derived."""
    query = """
        SELECT account_id FROM accounts_ledgerhead WHERE sequence > 0 UNION SELECT account_id FROM portfolio_projection ORDER BY 1
    """
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(query)
        return [account_id for (account_id,) in cursor.fetchall()]


def entries_after(
    *,
    account_id: UUID,
    sequence: int = 0,
    since: date | None = None,
    as_of: date | None = None,
    known_at: datetime | None = None,
    using: str = "default",
) -> list[Entry]:
    """Return the entries of an account's ledger after a sequence, as values.

    `since` leaves out those that happened before a day, `as_of` those that happened after one, `known_at` those that were
    recorded after a time.
    """
    start = None if since is None else datetime.combine(since, time(), UTC)
    until = None if as_of is None else datetime.combine(as_of + timedelta(days=1), time(), UTC)
    asked: dict[str, Any] = {
        "account": account_id, "sequence": sequence, "since": start, "until": until, "known_at": known_at,
    }  # fmt: skip
    with connections[using].cursor() as cursor:
        cursor.execute(ENTRIES, asked)
        return [
            Entry._make((*row[:11], json.loads(row[11]) if row[11] else NOTHING_STATED, *row[12:])) for row in cursor.fetchall()
        ]


def instruments_named(entries: Iterable[Entry], *, using: str = "default") -> dict[str, str]:
    """Return the instruments that entries name in their data; a name that means none, or several, is left out."""
    days = {str(entry.data["from"]): entry.day for entry in entries if entry.data and "from" in entry.data}
    named: dict[str, list[UUID]] = {}
    for name, day in days.items():
        try:
            symbol, exchange = split_key(name)
        except BadSymbol:
            continue
        named[name] = _called(symbol, exchange, date.fromordinal(day), using)
    return {name: str(found[0]) for name, found in named.items() if len(found) == 1}


def _called(symbol: str, exchange: str, day: date, using: str) -> list[UUID]:
    """Return the instruments that had a symbol on a day: the one renamed since, as another may have it by now, else those now."""
    renamed = CorporateAction.objects.using(using).filter(kind=ActionKind.SYMBOL_CHANGE.value, old_symbol=symbol, ex_date__gt=day)
    found = Instrument.objects.using(using).filter(symbol=symbol)
    if exchange:
        renamed, found = renamed.filter(instrument__exchange=exchange), found.filter(exchange=exchange)
    return [*renamed.order_by("ex_date").values_list("instrument_id", flat=True)[:1]] or [*found.values_list("pk", flat=True)[:2]]


def pairs_of(base: str, series: dict[str, Any], currencies: Iterable[str], entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """Return the currency pairs a derivation may ask for: into the account's currency, and into those of what was traded."""
    return reach.pairs_of(base, listings_of(series), entries) | {(one, base) for one in currencies if one != base}


def currencies_in(projection: Projection) -> set[str]:
    """Return the currencies a projection remembers: of balances, of liabilities, and of what lacked a rate."""
    lacking = {part for name in projection.missing if "/" in name for part in name.split("/")}
    return currencies_of(projection.memory) | lacking


def currencies_of(memory: dict[str, Any]) -> set[str]:
    """Return the currencies of balances and liabilities that a book remembers."""
    return {*memory.get("cash", {}), *(currency for currency, _ in memory.get("owed", {}).values())}


def worth_of_others(*, account_id: UUID, touched: Collection[str], day: date) -> Others:
    """Return what all other positions were worth on the last valued day, and whether a price of the day came in for one."""
    query = """
        SELECT coalesce(sum(value_in_base), 0), coalesce(sum(abs(value_in_base)), 0),
               (SELECT priced FROM portfolio_snapshot WHERE account_id = %(account)s AND date = %(day)s)
        FROM portfolio_position WHERE account_id = %(account)s AND NOT instrument_id = ANY (%(touched)s::uuid[])
    """
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(query, {"account": account_id, "touched": list(touched), "day": day})
        return Others(*cursor.fetchone())


def recall_holdings(book: Book, *, account_id: UUID, touched: Collection[str], only: bool = False) -> None:
    """Put the stored positions into a book, those that are about to be touched with their lots; `only` those, if asked to."""
    if only and not touched:
        return
    positions = f"""
        SELECT instrument_id::text, quantity, cost_basis, realized_gain, income, fees, taxes, since
        FROM portfolio_position WHERE account_id = %s AND ({not only} OR instrument_id = ANY (%s::uuid[])) ORDER BY instrument_id
    """  # noqa: S608
    lots = """
        SELECT instrument_id::text, opened_at, sequence, remaining, cost, quantity, missing, tacked_days
        FROM portfolio_lot WHERE account_id = %s AND instrument_id = ANY (%s::uuid[]) ORDER BY instrument_id, number
    """
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(positions, [account_id, list(touched)])
        for instrument, quantity, cost, realized, income, fees, taxes, since in cursor.fetchall():
            day = since.toordinal() if since else None
            sums = (quantity, cost, realized, income, fees, taxes)
            book.holdings[instrument] = Holding(instrument, book.listings[instrument], [], *sums, day)
        if not touched:
            return
        cursor.execute(lots, [account_id, list(touched)])
        for instrument, *fields in cursor.fetchall():
            book.holdings[instrument].lots.append(Lot(*fields))


def opening_before(*, account_id: UUID, day: date) -> Opening:
    """Return the figures of the day before, or those of an account that has not begun."""
    query = """
        SELECT total_value, total_gain, twr_index, complete FROM portfolio_snapshot WHERE account_id = %s AND date = %s
    """
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(query, [account_id, day - timedelta(days=1)])
        return _opening(cursor, account_id, day, cursor.fetchone())


def opening_and_pages(*, account_id: UUID, day: date) -> tuple[Opening, dict[int, Day]]:
    """Return the figures of the day before, and what moved since the first of its month, with what was held before that."""
    before = day - timedelta(days=1)
    query = """
        SELECT date, moves, CASE WHEN date = %(origin)s THEN held END, total_value, total_gain, twr_index, complete
        FROM portfolio_snapshot
        WHERE account_id = %(account)s AND date >= %(origin)s
          AND (moves IS NOT NULL OR (date = %(origin)s AND held IS NOT NULL) OR date = %(before)s)
    """
    pages: dict[int, Day] = {}
    opening = None
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(query, {"account": account_id, "origin": before.replace(day=1), "before": before})
        for when, moves, held, *figures in cursor.fetchall():
            if when == before:
                opening = figures
            if not moves and not held:
                continue
            page = Day.of_json(json.loads(held)) if held else Day()
            if moves:
                page.merge(Day.of_json(json.loads(moves)))
            pages[when.toordinal()] = page
        return _opening(cursor, account_id, day, opening), pages


def _opening(cursor: CursorWrapper, account_id: UUID, day: date, row: Sequence[Any] | None) -> Opening:
    """Return the figures of the day before one from its row; of an incomplete one with what came since the last complete day."""
    if row is None:
        return Opening()
    *figures, complete = row
    if complete:
        return Opening(*figures)
    cursor.execute(SINCE_COMPLETE, {"account": account_id, "day": day})
    return Opening(*figures, *cursor.fetchone())


def gaps_of(missing: dict[str, list[str | None]]) -> dict[str, Gap]:
    """Return the gaps a projection remembers."""
    return {
        name: Gap(date.fromisoformat(since or ""), date.fromisoformat(known) if known else None)
        for name, (since, known) in missing.items()
    }
