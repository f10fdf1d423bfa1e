"""New prices alone take many accounts on at once, to the figures that catching up derives."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.db import connections, transaction

from accounts.models import Policy, PolicyKind
from accounts.models.tenancy import acting_as
from config.celery import app
from portfolio.models import Performance, Position, Projection, Snapshot
from portfolio.selectors.figures import KeptFigures
from portfolio.selectors.market import SYSTEM
from portfolio.services.end_of_day import advance
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from portfolio.tasks import take_on_accounts
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRIDAY = date(2024, 2, 23)
DAYS = 10


def at(offset: int) -> datetime:
    return datetime.combine(FRIDAY + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=15)


def day(offset: int) -> str:
    return (FRIDAY + timedelta(days=offset)).isoformat()


def traded(owner, shares, chance: Random, **fields):
    """Return an account that traded some shares until a Friday, and is up to date."""
    account = make_account(owner=owner, **fields)
    post(account, "DEPOSIT", cash=str(chance.randint(1, 9999)), occurred_at=at(-DAYS))
    for _ in range(chance.randint(1, 6)):
        quantity, price = f"{chance.randint(1, 90000)}e-3", str(chance.randint(1, 200))
        kind = chance.choice(["BUY", "BUY", "SHORT", "SELL"])
        signed = quantity if kind == "BUY" else f"-{quantity}"
        when = at(-chance.randrange(DAYS))
        post(account, kind, instrument=chance.choice(shares), quantity=signed, price=price, fee="0.5", occurred_at=when)
    catch_up(account_id=account.pk, at=NOW)
    return account


def priced(shares, offsets, chance: Random):
    """Store a close of each share for some days."""
    for share in shares:
        bars(share, {day(n): f"{chance.randint(1, 99999999)}e-4" for n in offsets})


def written(account) -> dict[str, tuple]:
    """Return all figures of each day, as they are written, and the version of the row."""
    left_out = {"id", "fingerprint"}
    columns = [field.column for field in Snapshot._meta.fields if field.name not in left_out]
    with connections[SYSTEM].cursor() as cursor:
        told = ", ".join(f"{column}::text" for column in columns)
        cursor.execute(f"SELECT date::text, {told} FROM portfolio_snapshot WHERE account_id = %s", [account.pk])
        return {row[0]: row[1:] for row in cursor.fetchall()}


def versions(account) -> set[str]:
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute("SELECT xmin::text || ctid::text FROM portfolio_snapshot WHERE account_id = %s", [account.pk])
        return {version for (version,) in cursor.fetchall()}


def advanced(*accounts, chunk: int = 500) -> set:
    """Take accounts on, and return those that were; what was written is what catching up would have."""
    left = advance(account_ids=[account.pk for account in accounts], chunk=chunk)
    done = {account.pk for account in accounts} - set(left)
    for account in accounts:
        if account.pk in done:
            before = written(account)
            assert catch_up(account_id=account.pk, at=NOW).valued_until.isoformat() == max(before)
            assert written(account) == before
            assert list(rebuild(account_ids=[account.pk], at=NOW)) == []
    return done


class TestAdvance:
    @pytest.mark.parametrize("seed", range(8))
    def test_writes_what_catching_up_derives(self, alice, seed):
        chance = Random(seed)
        shares = [make_instrument(multiplier=Decimal(chance.choice(["1", "1", "0.1", "100"]))) for _ in range(4)]
        priced(shares, range(-DAYS, 1), chance)
        accounts = [traded(alice, shares, chance, kind=chance.choice(["STOCK", "MARGIN"])) for _ in range(5)]
        for offsets in ([3], [4, 5, 8]):
            priced(shares if chance.random() < 0.5 else shares[:3], offsets, chance)
            assert advanced(*accounts, chunk=2)

    def test_rounds_halves_to_the_even_neighbor(self, alice):
        chance = Random(11)
        shares = [make_instrument() for _ in range(2)]
        priced(shares, range(-DAYS, 1), chance)
        account = make_account(owner=alice)
        post(account, "DEPOSIT", cash="100", occurred_at=at(-3))
        for share, quantity in zip(shares, ("0.000000000005", "0.000000000015"), strict=True):
            post(account, "BUY", instrument=share, quantity=quantity, price="1", occurred_at=at(-3))
        catch_up(account_id=account.pk, at=NOW)
        for share in shares:
            bars(share, {day(1): "1000.1"})
            bars(share, {day(2): "10"})
        assert advanced(account) == {account.pk}

    def test_goes_on_day_after_day_without_a_reader(self, alice):
        chance = Random(6)
        shares = [make_instrument() for _ in range(3)]
        priced(shares, range(-DAYS, 1), chance)
        account = traded(alice, shares, chance)
        for offset in (3, 4, 5, 6, 8):
            priced(shares[: chance.randint(1, 3)], [offset], chance)
            assert advance(account_ids=[account.pk]) == []
            assert max(written(account)) == day(offset)
        assert Projection.objects.using(SYSTEM).get(pk=account.pk).valued_until.isoformat() == day(0)
        assert advanced(account) == {account.pk}

    def test_writes_a_day_again_for_a_price_that_came_later(self, alice):
        chance = Random(7)
        shares = [make_instrument() for _ in range(2)]
        priced(shares, range(-DAYS, 1), chance)
        account = make_account(owner=alice)
        for share in shares:
            post(account, "BUY", instrument=share, quantity="3", price="1", occurred_at=at(-3))
        catch_up(account_id=account.pk, at=NOW)
        priced(shares[:1], [1], chance)
        assert advance(account_ids=[account.pk]) == []
        before = written(account)
        priced(shares[1:], [1], chance)
        assert advance(account_ids=[account.pk]) == []
        assert written(account) != before
        assert advanced(account) == {account.pk}

    def test_leaves_a_day_before_the_last_that_a_late_price_changed(self, alice):
        chance = Random(8)
        shares = [make_instrument() for _ in range(2)]
        priced(shares, range(-DAYS, 1), chance)
        account = make_account(owner=alice)
        for share in shares:
            post(account, "BUY", instrument=share, quantity="3", price="1", occurred_at=at(-3))
        catch_up(account_id=account.pk, at=NOW)
        for offset in (1, 2):
            priced(shares[:1], [offset], chance)
            assert advance(account_ids=[account.pk]) == []
        priced(shares[1:], [1], chance)
        assert advance(account_ids=[account.pk]) == [account.pk]
        catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_an_entry_that_arrives_afterwards_counts(self, alice):
        chance = Random(9)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        priced([share], [1, 2, 3], chance)
        assert advance(account_ids=[account.pk]) == []
        post(account, "BUY", instrument=share, quantity="5", price="1", occurred_at=at(2))
        assert advance(account_ids=[account.pk]) == [account.pk]
        catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []
        priced([share], [4], chance)
        assert advanced(account) == {account.pk}

    def test_says_nothing_twice(self, alice):
        chance = Random(1)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        priced([share], [3], chance)
        assert advance(account_ids=[account.pk]) == []
        before = versions(account)
        assert advance(account_ids=[account.pk]) == []
        assert versions(account) == before
        assert max(written(account)) == day(3)

    def test_leaves_accounts_alone_in_which_something_else_is_new(self, alice):
        chance = Random(2)
        share, abroad, in_pence = make_instrument(), make_instrument(currency="EUR"), make_instrument(currency="GBX")
        priced([share, abroad, in_pence], range(-DAYS, 1), chance)
        behind, foreign, corrected = (traded(alice, [one], chance) for one in (share, abroad, share))
        post(behind, "DEPOSIT", cash="5", occurred_at=at(2))
        priced([share, abroad], [3], chance)
        assert advance(account_ids=[behind.pk, foreign.pk]) == [behind.pk, foreign.pk]
        bars(share, {day(-1): 7}, correct=True)
        assert advance(account_ids=[corrected.pk]) == [corrected.pk]

    def test_leaves_an_account_alone_that_somebody_works_on(self, alice):
        chance = Random(12)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        busy, free = traded(alice, [share], chance), traded(alice, [share], chance)
        priced([share], [1], chance)
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            cursor.execute("SELECT 1 FROM portfolio_projection WHERE account_id = %s FOR UPDATE", [busy.pk])
            assert advance(account_ids=[busy.pk, free.pk]) == [busy.pk]
        assert advance(account_ids=[busy.pk, free.pk]) == []

    def test_prices_in_pence_count_as_pounds(self, alice):
        chance = Random(13)
        share = make_instrument(currency="GBX")
        priced([share], range(-DAYS, 1), chance)
        account = make_account(owner=alice, base_currency="GBP")
        post(account, "BUY", instrument=share, quantity="3", price="1", currency="GBP", occurred_at=at(-3))
        catch_up(account_id=account.pk, at=NOW)
        priced([share], [1], chance)
        assert advanced(account) == {account.pk}

    def test_what_is_broken_off_leaves_nothing_behind(self, alice):
        chance = Random(3)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        priced([share], [3, 4], chance)
        with transaction.atomic(using=SYSTEM):
            advance(account_ids=[account.pk])
            transaction.set_rollback(True, using=SYSTEM)
        assert day(3) not in written(account)
        assert advanced(account) == {account.pk}

    def test_the_performance_is_that_of_the_last_day(self, alice):
        chance = Random(4)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        priced([share], [3], chance)
        advance(account_ids=[account.pk])
        kept = Performance.objects.using(SYSTEM).get(account=account)
        assert kept.as_of.isoformat() == day(0)
        with acting_as(alice.pk):
            told = KeptFigures(account).since_inception()
        assert told is not None
        assert told.end_value == Snapshot.objects.using(SYSTEM).get(account=account, date=day(3)).total_value


class TestBeat:
    @pytest.fixture(autouse=True)
    def _at_once(self):
        """Do what a task sends on in its place."""
        app.conf.task_always_eager = True
        yield
        app.conf.task_always_eager = False

    def test_takes_on_who_can_and_catches_up_the_others(self, alice):
        chance = Random(5)
        share, abroad = make_instrument(), make_instrument(currency="EUR")
        priced([share, abroad], range(-DAYS, 1), chance)
        plain, foreign = traded(alice, [share], chance), traded(alice, [abroad], chance)
        priced([share, abroad], [3], chance)
        take_on_accounts(account_ids=[str(plain.pk), str(foreign.pk)])
        for account in (plain, foreign):
            assert max(written(account)) == day(3)
        assert Projection.objects.using(SYSTEM).get(pk=foreign.pk).valued_until.isoformat() == day(3)
        catch_up(account_id=plain.pk, at=NOW)
        assert Position.objects.using(SYSTEM).filter(account=plain, priced_on=day(3)).count() == 1

    def test_catches_up_those_that_have_bounds(self, alice):
        chance = Random(10)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        with acting_as(alice.pk):
            Policy.objects.create(account=account, kind=PolicyKind.POSITION, threshold=Decimal("0.9"), created_at=NOW)
        priced([share], [3], chance)
        take_on_accounts(account_ids=[str(account.pk)])
        assert Projection.objects.using(SYSTEM).get(pk=account.pk).valued_until.isoformat() == day(3)
