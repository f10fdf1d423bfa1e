"""A late entry reads what came after a book that was kept before it, and leaves what a derivation from nothing would."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio.domain.checkpoints import NEAREST, STEP
from portfolio.models import Checkpoint, Lot
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from tests.factories import draft, make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = date(2023, 1, 1)
DAYS = 200
MANY = NEAREST * STEP + 60


def at(offset: int, minute: int = 0) -> datetime:
    return datetime.combine(FIRST + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=9, minutes=minute)


def day(offset: int) -> str:
    return (FIRST + timedelta(days=offset)).isoformat()


def plain(chance: Random, shares, when: datetime):
    """Return the kind and the fields of an entry that columns can tell."""
    share, size = chance.choice(shares), chance.randint(1, 9)
    price = f"{chance.uniform(50, 150):.2f}"
    kind = chance.choice(["BUY", "BUY", "BUY", "BUY", "SELL", "DIVIDEND", "DEPOSIT", "FEE", "INTEREST"])
    fields = {
        "BUY": {"instrument": share, "quantity": str(size * 2), "price": price, "fee": "1"},
        "SELL": {"instrument": share, "quantity": str(-size), "price": price, "fee": "0.5", "tax": "0.25"},
        "DIVIDEND": {"instrument": share, "cash": str(size), "tax": "0.1"},
        "DEPOSIT": {"cash": str(size * 100)},
        "FEE": {"cash": str(-size)},
        "INTEREST": {"cash": str(size)},
    }[kind]
    currency = fields["instrument"].currency if "instrument" in fields else shares[0].currency
    return kind, {**fields, "currency": currency, "occurred_at": when}


def special(chance: Random, shares, when: datetime):
    """Return the kind and the fields of an entry that is posted by itself."""
    share, size = chance.choice(shares), chance.randint(1, 9)
    kind, fields = chance.choice(
        [
            ("SPLIT", {"instrument": share, "data": {"ratio": "3:2"}}),
            ("TRANSFER_IN", {"instrument": share, "quantity": str(size), "data": {"cost": "90"}}),
            ("TRANSFER_OUT", {"instrument": share, "quantity": str(-size)}),
            ("RETURN_OF_CAPITAL", {"instrument": share, "cash": str(size)}),
            ("SHORT", {"instrument": share, "quantity": str(-size), "price": "100"}),
            ("LIABILITY", {"price": str(size * 10), "data": {"name": "loan"}}),
            ("VALUATION", {"instrument": share, "price": "77"}),
        ]
    )
    currency = fields["instrument"].currency if "instrument" in fields else shares[0].currency
    return kind, {**fields, "currency": currency, "occurred_at": when}


def fill(account, shares, chance: Random, share_of_special: float) -> None:
    """Write many entries in time, all at once."""
    drafts = []
    for turn in range(MANY):
        when = at(turn * DAYS // MANY, turn % 40)
        make = special if chance.random() < share_of_special else plain
        kind, fields = make(chance, shares, when)
        drafts.append(draft(kind, **fields))
    with acting_as(account.owner.pk):
        LedgerEntry.objects.append(account_id=account.pk, actor_id=account.owner.pk, drafts=drafts)


def market(chance: Random):
    """Return the account's currency and three shares with prices, one of them in another currency."""
    base, foreign = fresh_currencies(2)
    shares = [make_instrument(currency=currency) for currency in (base, base, foreign)]
    for share in shares:
        bars(share, {day(n): chance.randint(50, 150) for n in range(-1, DAYS) if n < 0 or chance.random() < 0.7})
    rates(foreign, base, {day(n): f"1.{n:03}" for n in range(-1, DAYS, 3) if n} | {day(-1): "1.1"})
    return base, shares


def kept(account):
    return list(Checkpoint.objects.using("system").filter(account=account).order_by("day"))


class TestAnyOrder:
    @pytest.mark.parametrize("share_of_special", [0, 0.05])
    @pytest.mark.parametrize("method", ["FIFO", "LIFO", "HIFO", "AVERAGE", "SPECIFIC"])
    def test_gives_the_tables_of_a_derivation_from_nothing(self, alice, method, share_of_special):
        chance = Random(f"{method}{share_of_special}")
        base, shares = market(chance)
        account = make_account(owner=alice, base_currency=base, cost_basis_method=method, wash_sales=chance.random() < 0.5)
        fill(account, shares, chance, share_of_special)
        catch_up(account_id=account.pk, at=NOW)
        assert kept(account)
        for _ in range(8):
            when = at(DAYS - 1 - int(DAYS * chance.random() ** 3), chance.randrange(60))
            kind, fields = chance.choice([plain, plain, special])(chance, shares, when)
            entry = post(account, kind, **fields)
            if chance.random() < 0.4:
                catch_up(account_id=account.pk, at=NOW)
                with acting_as(alice.pk):
                    reverse_entry(entry=entry, actor=alice)
            catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_of_appended_entries_does_too(self, alice):
        chance = Random(7)
        base, shares = market(chance)
        account = make_account(owner=alice, base_currency=base)
        for start in range(0, DAYS, 20):
            drafts = []
            for turn in range(60):
                kind, fields = plain(chance, shares, at(start + turn // 3, turn % 3))
                drafts.append(draft(kind, **fields))
            with acting_as(alice.pk):
                LedgerEntry.objects.append(account_id=account.pk, actor_id=alice.pk, drafts=drafts)
            catch_up(account_id=account.pk, at=NOW)
        assert [one.entries for one in kept(account)] == [180, 360, 540]
        post(account, "DEPOSIT", cash="5", currency=base, occurred_at=at(DAYS - 15))
        catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []


@pytest.fixture
def traded(alice):
    """Return an account with many plain entries, and its shares."""
    chance = Random(3)
    base, shares = market(chance)
    account = make_account(owner=alice, base_currency=base)
    fill(account, shares, chance, 0)
    catch_up(account_id=account.pk, at=NOW)
    return account, shares


class TestKept:
    def test_stands_before_the_last_entries(self, traded):
        account, _shares = traded
        (one,) = kept(account)
        assert MANY - NEAREST - 10 < one.entries <= MANY - NEAREST

    def test_the_first_new_day_after_keeps_no_other(self, traded):
        account, _shares = traded
        before = [one.pk for one in kept(account)]
        for offset in range(1, 4):
            post(account, "DEPOSIT", cash="5", currency=account.base_currency, occurred_at=at(DAYS + offset))
            catch_up(account_id=account.pk, at=NOW)
        assert [one.pk for one in kept(account)] == before

    def test_a_late_entry_reads_what_came_after(self, traded):
        account, _shares = traded
        (one,) = kept(account)
        post(account, "DEPOSIT", cash="5", currency=account.base_currency, occurred_at=at(DAYS - 10))
        with CaptureQueriesContext(connections["system"]) as queries:
            catch_up(account_id=account.pk, at=NOW)
        reads = [query["sql"] for query in queries.captured_queries if "FROM accounts_ledgerentry" in query["sql"]]
        assert len(reads) == 2
        assert "sequence > 0" not in reads[0]  # what is new
        assert f"occurred_at >= '{one.day}" in reads[1]
        assert not any("string_agg(sequence" in read for read in reads)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_one_before_all_that_are_kept_starts_from_the_beginning(self, traded):
        account, _shares = traded
        post(account, "DEPOSIT", cash="5", currency=account.base_currency, occurred_at=at(3))
        catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []
        assert kept(account)

    def test_is_dropped_where_it_is_not_what_was(self, traded):
        account, _shares = traded
        (one,) = kept(account)
        earlier = at((one.day - FIRST).days - 1)
        post(account, "DEPOSIT", cash="5", currency=account.base_currency, occurred_at=earlier)
        catch_up(account_id=account.pk, at=NOW)
        assert kept(account)[0].pk != one.pk

    def test_a_note_dated_before_what_it_chooses_for_is_heard(self, alice):
        chance = Random(5)
        base, shares = market(chance)
        account = make_account(owner=alice, base_currency=base, cost_basis_method="SPECIFIC")
        fill(account, shares, chance, 0)
        catch_up(account_id=account.pk, at=NOW)
        share = shares[0]
        lots = list(Lot.objects.using("system").filter(account=account, instrument=share).order_by("number"))
        sale = post(account, "SELL", instrument=share, quantity="-1", price="9", currency=base, occurred_at=at(DAYS - 2))
        catch_up(account_id=account.pk, at=NOW)
        choice = {"closes": {"sequence": sale.sequence, "lots": [{"sequence": lots[-1].sequence, "quantity": "1"}]}}
        post(account, "NOTE", currency=base, data=choice, notes="that one", occurred_at=at(2))
        catch_up(account_id=account.pk, at=NOW)
        post(account, "DEPOSIT", cash="5", currency=base, occurred_at=at(DAYS - 4))
        catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_is_forgotten_with_all_that_is_derived(self, traded):
        account, _shares = traded
        account.cost_basis_method = "LIFO"
        with acting_as(account.owner.pk):
            account.save(update_fields=["cost_basis_method"])
        before = kept(account)
        catch_up(account_id=account.pk, at=NOW)
        assert {one.pk for one in before}.isdisjoint(one.pk for one in kept(account))
