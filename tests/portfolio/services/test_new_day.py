"""An entry of a new day with its prices: few statements, and a performance that is measured by whoever asks for it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from portfolio.models import Performance, Snapshot
from portfolio.selectors.figures import KeptFigures
from portfolio.services.projections import catch_up, catch_up_many
from portfolio.services.rebuilding import rebuild
from portfolio.tasks import _snapshot
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = date(2024, 1, 20)
LAST = 15
FIGURES = ("end_value", "net_flows", "gain", "twr", "twr_annualized", "xirr", "simple_return", "volatility", "max_drawdown")


def at(offset: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=9)


def day(offset: int) -> str:
    return (FIRST + timedelta(days=offset)).isoformat()


@pytest.fixture
def shares():
    """Return three instruments with sixteen closes."""
    found = [make_instrument() for _ in range(3)]
    for number, share in enumerate(found):
        bars(share, {day(n): 100 + (n * 7 + number) % 11 for n in range(LAST + 1)})
    return found


@pytest.fixture
def account(alice, shares):
    """Return an account that holds them, derived up to the last close."""
    account = make_account(owner=alice)
    post(account, "DEPOSIT", cash="50000", occurred_at=at(0))
    for share in shares:
        post(account, "BUY", instrument=share, quantity="10", price="99.5", fee="1", occurred_at=at(1))
    catch_up(account_id=account.pk, at=NOW)
    return account


def turn(account, shares, offset: int) -> None:
    """Let a new day come: a close of each instrument, and a deposit."""
    for share in shares:
        bars(share, {day(offset): 111})
    post(account, "DEPOSIT", cash="7", occurred_at=at(offset))


def kept(account) -> Performance | None:
    return Performance.objects.using("system").filter(account=account).first()


class TestNewDay:
    def test_takes_few_statements_and_none_for_the_performance(self, account, shares):
        turn(account, shares, LAST + 1)
        with CaptureQueriesContext(connections["system"]) as queries:
            catch_up(account_id=account.pk, at=NOW)
        statements = [query["sql"] for query in queries.captured_queries]
        assert len(statements) <= 9  # with BEGIN and COMMIT
        assert not any("FROM portfolio_lot" in one or "string_agg(twr_index" in one for one in statements)
        assert Snapshot.objects.using("system").get(account=account, date=day(LAST + 1)).net_flow == 7
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_its_performance_is_told_at_once_and_kept_with_the_next_question(self, account, shares):
        turn(account, shares, LAST + 1)
        catch_up(account_id=account.pk, at=NOW)
        assert kept(account).as_of.isoformat() == day(LAST)
        with acting_as(account.owner_id):
            told, whole = KeptFigures(account).since_inception(), KeptFigures(account).performance()
        catch_up(account_id=account.pk, at=NOW)
        found = kept(account)
        assert (found.as_of.isoformat(), found.net_flows) == (day(LAST + 1), 50007)
        assert {name: getattr(found, name) for name in FIGURES} == {name: getattr(told, name) for name in FIGURES}
        assert {name: getattr(found, name) for name in FIGURES} == {name: getattr(whole, name) for name in FIGURES}
        with CaptureQueriesContext(connections["system"]) as queries:
            catch_up(account_id=account.pk, at=NOW)
        assert len(queries) == 1

    def test_a_day_that_is_valued_again_leaves_no_performance_of_it(self, account, shares):
        post(account, "DEPOSIT", cash="7", occurred_at=at(LAST + 3))
        catch_up(account_id=account.pk, at=NOW)
        catch_up(account_id=account.pk, at=NOW)
        before = kept(account)
        for share in shares:
            bars(share, {day(LAST + 2): 55})
        catch_up(account_id=account.pk, at=NOW)
        assert kept(account) is None
        catch_up(account_id=account.pk, at=NOW)
        assert (kept(account).as_of, before.as_of.isoformat()) == (before.as_of, day(LAST + 3))
        assert kept(account).gain < before.gain
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    @pytest.mark.parametrize("job", [lambda pk: catch_up_many(account_ids=[pk], at=NOW), _snapshot], ids=["beat", "snapshot"])
    @pytest.mark.parametrize("offset", [LAST, LAST + 1])
    def test_where_nobody_waits_it_is_measured_at_once(self, account, shares, job, offset):
        turn(account, shares[: offset - LAST], offset)
        job(account.pk)
        assert (kept(account).as_of.isoformat(), kept(account).net_flows) == (day(offset), 50007)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_many_who_ask_at_once_find_the_same(self, account, shares):
        for offset in range(LAST + 1, LAST + 4):
            turn(account, shares, offset)

            def ask(_: int) -> str:
                try:
                    return catch_up(account_id=account.pk, at=NOW).valued_until.isoformat()
                finally:
                    connections.close_all()

            with ThreadPoolExecutor(6) as people:
                assert set(people.map(ask, range(12))) == {day(offset)}
            assert kept(account).as_of.isoformat() == day(offset)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []
