"""Entries may be written in any order: figures are those of a derivation from nothing, and only days they reach are valued."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio.models import Lot, Position, Snapshot
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = date(2024, 1, 1)
DAYS = 75


def at(offset: int, hour: int = 15) -> datetime:
    return datetime.combine(FIRST + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=hour)


def day(offset: int) -> str:
    return (FIRST + timedelta(days=offset)).isoformat()


def posting(chance: Random, shares, foreign):
    """Return the fields of some entry of some day."""
    share, offset = chance.choice(shares), chance.randrange(DAYS)
    size, price = chance.randint(1, 9), str(chance.randint(50, 150))
    kind = chance.choice(["BUY", "BUY", "BUY", "SELL", "SELL", "DEPOSIT", "DIVIDEND", "SPLIT", "TRANSFER_IN", "INTEREST"])
    fields = {
        "BUY": {"instrument": share, "quantity": str(size), "price": price, "fee": "1"},
        "SELL": {"instrument": share, "quantity": str(-size), "price": price, "fee": "1"},
        "DEPOSIT": {"cash": str(size * 100), "currency": chance.choice([None, foreign])},
        "DIVIDEND": {"instrument": share, "cash": str(size)},
        "SPLIT": {"instrument": share, "data": {"ratio": "2:1"}},
        "TRANSFER_IN": {"instrument": share, "quantity": str(size)},
        "INTEREST": {"cash": str(size)},
    }[kind]
    return kind, {name: value for name, value in fields.items() if value is not None} | {"occurred_at": at(offset)}


class TestAnyOrder:
    @pytest.mark.parametrize("seed", range(8))
    def test_gives_the_tables_of_a_derivation_from_nothing(self, alice, seed):
        chance = Random(seed)
        base, foreign = fresh_currencies(2)
        account = make_account(
            owner=alice,
            base_currency=base,
            cost_basis_method=chance.choice(["FIFO", "LIFO", "HIFO", "AVERAGE"]),
            wash_sales=chance.random() < 0.4,
        )
        shares = [make_instrument(currency=currency) for currency in (base, base, foreign)]
        for share in shares:
            bars(share, {day(n): chance.randint(50, 150) for n in range(DAYS) if chance.random() < 0.7})
        rates(foreign, base, {day(n): f"1.{n:02}" for n in range(0, DAYS, 3)})
        post(account, "DEPOSIT", cash="1000", currency=base, occurred_at=at(0, 1))
        for number in range(24):
            kind, fields = posting(chance, shares, foreign)
            currency = fields["instrument"].currency if "instrument" in fields else fields.get("currency", base)
            entry = post(account, kind, **fields | {"currency": currency})
            if chance.random() < 0.15:
                with acting_as(alice.pk):
                    reverse_entry(entry=LedgerEntry.objects.get(pk=entry.pk), actor=alice)
            if number % 2:
                catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []


@pytest.fixture
def traded(account):
    """Return an account with two purchases on the first day and a sale on the last, and the share."""
    share = make_instrument()
    bars(share, {day(n): 100 + n for n in range(DAYS)})
    post(account, "DEPOSIT", cash="10000", occurred_at=at(0, 8))
    post(account, "BUY", instrument=share, quantity="10", price="100", occurred_at=at(0))
    post(account, "SELL", instrument=share, quantity="-4", price="150", occurred_at=at(DAYS - 1))
    catch_up(account_id=account.pk, at=NOW)
    return account, share


def ids(account):
    found = Snapshot.objects.using("system").filter(account=account).order_by("date")
    return {one.date.isoformat(): one.pk for one in found}


class TestBackdated:
    def test_values_again_from_its_day_on(self, traded):
        account, share = traded
        before = ids(account)
        post(account, "BUY", instrument=share, quantity="1", price="150", occurred_at=at(60))
        catch_up(account_id=account.pk, at=NOW)
        after = ids(account)
        assert {when for when, pk in after.items() if before[when] != pk} == {day(n) for n in range(60, DAYS)}
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_reads_no_older_prices(self, traded):
        account, share = traded
        post(account, "BUY", instrument=share, quantity="1", price="150", occurred_at=at(60))
        with CaptureQueriesContext(connections["system"]) as queries:
            catch_up(account_id=account.pk, at=NOW)
        (prices,) = [one["sql"] for one in queries.captured_queries if "AS closes" in one["sql"]]
        assert day(60) in prices
        assert day(0) not in prices

    def test_drops_what_was_taken_back(self, traded, alice):
        account, _share = traded
        other = make_instrument()
        wrong = post(account, "BUY", instrument=other, quantity="1", price="5", occurred_at=at(70))
        catch_up(account_id=account.pk, at=NOW)
        assert Lot.objects.using("system").filter(account=account, instrument=other).exists()
        with acting_as(alice.pk):
            reverse_entry(entry=LedgerEntry.objects.get(pk=wrong.pk), actor=alice)
        before = ids(account)
        catch_up(account_id=account.pk, at=NOW)
        assert ids(account)[day(69)] == before[day(69)]
        assert not Position.objects.using("system").filter(account=account, instrument=other).exists()
        assert not Lot.objects.using("system").filter(account=account, instrument=other).exists()
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_a_sale_before_another_takes_its_lots(self, traded):
        account, share = traded
        post(account, "SELL", instrument=share, quantity="-8", price="120", occurred_at=at(30))
        catch_up(account_id=account.pk, at=NOW)
        position = Position.objects.using("system").get(account=account, instrument=share)
        assert (position.quantity, position.realized_gain) == (Decimal(-2), Decimal(8 * 20 + 2 * 50))
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []
