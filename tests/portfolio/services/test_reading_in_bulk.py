"""A ledger read as columns leaves every table as entries posted one by one do, to the last digit.

A note among the entries changes no figure, and makes them be posted one by one.
"""

import json
import random
from datetime import UTC, datetime, timedelta

from django.db import connections

from portfolio.selectors.columns import columns_of
from portfolio.selectors.market import SYSTEM
from portfolio.services.projections import catch_up, forget
from tests.factories import make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = datetime(2024, 1, 2, 9, tzinfo=UTC)
TABLES = ("position", "lot", "closure", "snapshot", "performance", "projection")
OTHERWISE = {"id", "read_up_to"}


def tables(account):
    found = {}
    with connections[SYSTEM].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT to_jsonb(t)::text FROM portfolio_{table} AS t WHERE account_id = %s", [account.pk])
            rows = [json.loads(row, parse_float=str) for (row,) in cursor.fetchall()]
            found[table] = sorted(
                json.dumps({key: value for key, value in row.items() if key not in OTHERWISE}, sort_keys=True) for row in rows
            )
    return found


def trade(account, shares, chance, number):
    """Post deposits, purchases, sales of at most what is held, dividends, charges and interest, in time."""
    held = dict.fromkeys(shares, 0)
    for turn in range(number):
        share, when = chance.choice(shares), FIRST + timedelta(hours=7 * turn)
        money = {"currency": share.currency, "occurred_at": when}
        price, kind = f"{chance.uniform(5, 90):.4f}", chance.random()
        if kind < 0.1:
            post(account, "DEPOSIT", cash=f"{chance.uniform(1, 9000):.2f}", **money)
        elif kind < 0.2:
            post(account, "DIVIDEND", instrument=share, cash=f"{chance.uniform(1, 50):.2f}", tax="0.35", **money)
        elif kind < 0.25:
            post(account, "FEE", cash="-1.5", **money)
        elif kind < 0.6 and held[share]:
            size = chance.randint(1, held[share])
            held[share] -= size
            post(account, "SELL", instrument=share, quantity=f"-{size}", price=price, fee="0.99", **money)
        else:
            size = chance.randint(1, 30)
            held[share] += size
            post(account, "BUY", instrument=share, quantity=str(size), price=price, fee="1", tax="0.01", **money)


def market():
    """Return three instruments with closes on working days, one of them in another currency and without its first closes."""
    chance = random.Random(3)
    (foreign,) = fresh_currencies(1)
    shares = [make_instrument(), make_instrument(), make_instrument(currency=foreign)]
    days = [FIRST.date() + timedelta(days=n) for n in range(3, 50, 2)]
    rates(foreign, "USD", {day.isoformat(): f"{chance.uniform(0.3, 2):.5f}" for day in days})
    for share, start in zip(shares, (0, 0, 9), strict=True):
        days = [FIRST.date() + timedelta(days=n) for n in range(start, 60) if n % 7 < 5]
        bars(share, {day.isoformat(): f"{chance.uniform(10, 80):.3f}" for day in days})
    return shares


class TestReadingInBulk:
    def test_leaves_what_posting_one_by_one_leaves(self, account):
        trade(account, market(), random.Random(5), 150)
        assert columns_of(account_id=account.pk, using=SYSTEM) is not None
        catch_up(account_id=account.pk, at=NOW)
        in_bulk = tables(account)
        assert len(in_bulk["closure"]) > 20
        post(account, "NOTE", occurred_at=FIRST, notes="Nothing happened.")
        assert columns_of(account_id=account.pk, using=SYSTEM) is None
        forget(account_id=account.pk)
        catch_up(account_id=account.pk, at=NOW)
        assert tables(account) == in_bulk

    def test_reads_entries_with_remarks_and_leaves_those_with_rates_of_their_own(self, account):
        shares = market()
        trade(account, shares, random.Random(9), 40)
        when = FIRST + timedelta(days=20)
        post(account, "BUY", instrument=shares[0], quantity="3", price="20", data={"row": 7, "import": "a"}, occurred_at=when)
        assert columns_of(account_id=account.pk, using=SYSTEM) is not None
        catch_up(account_id=account.pk, at=NOW)
        in_bulk = tables(account)
        post(account, "NOTE", occurred_at=FIRST, notes="Nothing happened.")
        forget(account_id=account.pk)
        catch_up(account_id=account.pk, at=NOW)
        assert tables(account) == in_bulk

    def test_leaves_an_entry_with_a_rate_of_its_own_to_be_posted_by_itself(self, account):
        foreign = market()[2].currency
        data = {"fx_rate": "1.5"}
        post(account, "DEPOSIT", cash="5", currency=foreign, data=data, occurred_at=FIRST)
        assert columns_of(account_id=account.pk, using=SYSTEM) is None

    def test_posts_a_late_entry_in_its_place(self, account):
        shares = market()
        trade(account, shares, random.Random(7), 80)
        catch_up(account_id=account.pk, at=NOW)
        late = FIRST + timedelta(days=11, minutes=1)
        post(account, "BUY", instrument=shares[0], quantity="3", price="20", fee="1", occurred_at=late)
        catch_up(account_id=account.pk, at=NOW)
        in_place = tables(account)
        forget(account_id=account.pk)
        catch_up(account_id=account.pk, at=NOW)
        assert tables(account) == in_place
