"""New prices alone take many accounts on at once, to the figures that catching up derives."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from django.db import transaction

from accounts.models.tenancy import acting_as
from portfolio.models import Performance, Position, Projection, Snapshot
from portfolio.selectors.figures import KeptFigures
from portfolio.selectors.market import SYSTEM
from portfolio.services.end_of_day import advance
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from portfolio.tasks import catch_up_accounts
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


class TestAdvance:
    @pytest.mark.parametrize("seed", range(5))
    def test_gives_what_catching_up_derives(self, alice, seed):
        chance = Random(seed)
        shares = [make_instrument() for _ in range(4)]
        priced(shares, range(-DAYS, 1), chance)
        accounts = [traded(alice, shares, chance, kind=chance.choice(["STOCK", "MARGIN"])) for _ in range(5)]
        for offsets in ([3], [4, 5, 8]):
            priced(shares if chance.random() < 0.5 else shares[:3], offsets, chance)
            done = advance(account_ids=[account.pk for account in accounts], at=NOW, chunk=2)
            assert done or seed
            for account in accounts:
                if account.pk in done:
                    assert catch_up(account_id=account.pk, at=NOW).caught_up_at == NOW
                    assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_says_nothing_twice(self, alice):
        chance = Random(1)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        priced([share], [3], chance)
        assert advance(account_ids=[account.pk], at=NOW) == {account.pk}
        assert advance(account_ids=[account.pk], at=NOW) == set()
        assert Snapshot.objects.using(SYSTEM).filter(account=account, date=day(3)).count() == 1
        assert Projection.objects.using(SYSTEM).get(pk=account.pk).valued_until.isoformat() == day(3)

    def test_leaves_accounts_alone_in_which_something_else_is_new(self, alice):
        chance = Random(2)
        share, abroad = make_instrument(), make_instrument(currency="EUR")
        priced([share, abroad], range(-DAYS, 1), chance)
        behind, foreign, corrected = (traded(alice, [one], chance) for one in (share, abroad, share))
        post(behind, "DEPOSIT", cash="5", occurred_at=at(2))
        priced([share, abroad], [3], chance)
        assert advance(account_ids=[behind.pk, foreign.pk], at=NOW) == set()
        bars(share, {day(-1): 7}, correct=True)
        assert advance(account_ids=[corrected.pk], at=NOW) == set()

    def test_what_is_broken_off_leaves_nothing_behind(self, alice):
        chance = Random(3)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        priced([share], [3, 4], chance)
        with transaction.atomic(using=SYSTEM):
            advance(account_ids=[account.pk], at=NOW)
            transaction.set_rollback(True, using=SYSTEM)
        assert not Snapshot.objects.using(SYSTEM).filter(account=account, date=day(3)).exists()
        assert advance(account_ids=[account.pk], at=NOW) == {account.pk}
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_the_performance_is_that_of_the_last_day(self, alice):
        chance = Random(4)
        share = make_instrument()
        priced([share], range(-DAYS, 1), chance)
        account = traded(alice, [share], chance)
        priced([share], [3], chance)
        advance(account_ids=[account.pk], at=NOW)
        kept = Performance.objects.using(SYSTEM).get(account=account)
        assert kept.as_of.isoformat() == day(0)
        with acting_as(alice.pk):
            told = KeptFigures(account).since_inception()
        assert told is not None
        assert told.end_value == Snapshot.objects.using(SYSTEM).get(account=account, date=day(3)).total_value


class TestBeat:
    def test_takes_on_who_can_and_catches_up_the_others(self, alice):
        chance = Random(5)
        share, abroad = make_instrument(), make_instrument(currency="EUR")
        priced([share, abroad], range(-DAYS, 1), chance)
        plain, foreign = traded(alice, [share], chance), traded(alice, [abroad], chance)
        priced([share, abroad], [3], chance)
        catch_up_accounts(account_ids=[str(plain.pk), str(foreign.pk)])
        for account in (plain, foreign):
            assert Projection.objects.using(SYSTEM).get(pk=account.pk).valued_until.isoformat() == day(3)
        assert Position.objects.using(SYSTEM).filter(account=plain, priced_on=day(3)).count() == 1
        assert Snapshot.objects.using(SYSTEM).filter(account=plain, date=day(3)).count() == 1
