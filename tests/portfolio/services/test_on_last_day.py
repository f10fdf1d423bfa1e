"""Entries of the last valued day read and write what they touch, and leave what a derivation from nothing would."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from portfolio.models import Performance, Position, Snapshot
from portfolio.selectors.figures import KeptFigures
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = date(2024, 1, 20)


def at(offset: int, minute: int = 0) -> datetime:
    return datetime.combine(FIRST + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=9, minutes=minute)


def day(offset: int) -> str:
    return (FIRST + timedelta(days=offset)).isoformat()


def held(alice, last: int = 12, **fields):
    """Return an account that bought four shares, one of them without a price of the last day, and the shares."""
    account = make_account(owner=alice, **fields)
    shares = [make_instrument() for _ in range(4)]
    for number, share in enumerate(shares):
        bars(share, {day(n): 100 + n + number for n in range(last + (number < 3))})
    post(account, "DEPOSIT", cash="50000", occurred_at=at(0))
    for share in shares:
        post(account, "BUY", instrument=share, quantity="10", price="99.5", fee="1", occurred_at=at(1))
    catch_up(account_id=account.pk, at=NOW)
    return account, shares


def asked(account) -> list[str]:
    """Catch up and return the statements."""
    with CaptureQueriesContext(connections["system"]) as queries:
        catch_up(account_id=account.pk, at=NOW)
    return [query["sql"] for query in queries.captured_queries]


class TestOnLastDay:
    def test_money_reads_no_price_and_no_lot(self, alice):
        account, _shares = held(alice)
        post(account, "DEPOSIT", cash="7", occurred_at=at(12, 30))
        statements = asked(account)
        assert not any("marketdata_bar" in one or "FROM portfolio_lot" in one for one in statements)
        assert len(statements) <= 8
        last = Snapshot.objects.using("system").get(account=account, date=day(12))
        assert (last.net_flow, last.priced) == (7, True)
        assert not any("FROM portfolio_snapshot" in one and "string_agg" in one for one in statements)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_the_performance_is_measured_when_somebody_asks(self, alice):
        account, _shares = held(alice)
        post(account, "DEPOSIT", cash="7", occurred_at=at(12, 30))
        catch_up(account_id=account.pk, at=NOW)
        with acting_as(alice.pk):
            told = KeptFigures(account).since_inception()
        catch_up(account_id=account.pk, at=NOW)
        kept = Performance.objects.using("system").get(account=account)
        assert kept.net_flows == 50007
        for name in ("as_of", "gain", "twr", "xirr", "volatility", "max_drawdown"):
            assert getattr(kept, name) == getattr(told, "end" if name == "as_of" else name)
        assert len(asked(account)) == 1

    def test_a_trade_reads_and_writes_its_own_instrument(self, alice):
        account, shares = held(alice)
        rows = dict(Position.objects.using("system").filter(account=account).values_list("instrument_id", "quantity"))
        post(account, "SELL", instrument=shares[0], quantity="-4", price="120", occurred_at=at(12, 30))
        statements = asked(account)
        prices = [one for one in statements if "marketdata_bar" in one]
        assert len(prices) == 1
        assert str(shares[0].pk) in prices[0]
        assert str(shares[1].pk) not in prices[0]
        changed = dict(Position.objects.using("system").filter(account=account).values_list("instrument_id", "quantity"))
        assert {key for key in rows if rows[key] != changed[key]} == {shares[0].pk}
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_prices_from_before_the_day_stay_told(self, alice):
        account, shares = held(alice)
        for share in shares[2:]:
            post(account, "BUY", instrument=share, quantity="1", price="120", occurred_at=at(12, 30))
            assert list(catch_up(account_id=account.pk, at=NOW).stale) == [str(shares[3].pk)]
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []
        post(account, "SELL", instrument=shares[3], quantity="-11", price="120", occurred_at=at(12, 40))
        assert catch_up(account_id=account.pk, at=NOW).stale == {}
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_an_instrument_never_held_before_is_valued(self, alice):
        account, _shares = held(alice)
        other = make_instrument()
        bars(other, {day(n): 5 for n in range(13)})
        post(account, "BUY", instrument=other, quantity="3", price="5", occurred_at=at(12, 30))
        catch_up(account_id=account.pk, at=NOW)
        assert Position.objects.using("system").get(account=account, instrument=other).market_value == 15
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    @pytest.mark.parametrize("seed", range(6))
    def test_any_entries_leave_what_a_derivation_from_nothing_would(self, alice, seed):
        chance = Random(seed)
        method = chance.choice(["FIFO", "LIFO", "AVERAGE"])
        kind = chance.choice(["CASH", "MARGIN"])
        # the first of a month is among the last days
        account, shares = held(
            alice, chance.choice([11, 12, 20]), cost_basis_method=method, kind=kind, wash_sales=chance.random() < 0.5
        )
        last = (Snapshot.objects.using("system").filter(account=account).latest("date").date - FIRST).days
        for number in range(12):
            share, size = chance.choice(shares), chance.randint(1, 9)
            what, fields = chance.choice(
                [
                    ("BUY", {"instrument": share, "quantity": str(size), "price": "101"}),
                    ("SELL", {"instrument": share, "quantity": str(-size), "price": "98", "fee": "1"}),
                    ("DIVIDEND", {"instrument": share, "cash": str(size), "tax": "0.5"}),
                    ("DEPOSIT", {"cash": str(size)}),
                    ("WITHDRAWAL", {"cash": str(-size)}),
                    ("FEE", {"cash": str(-size)}),
                    ("SPLIT", {"instrument": share, "data": {"ratio": "2:1"}}),
                    ("INTEREST", {"cash": str(size)}),
                ]
            )
            post(account, what, occurred_at=at(last, 30 + number), **fields)
            if chance.random() < 0.7:
                catch_up(account_id=account.pk, at=NOW)
        catch_up(account_id=account.pk, at=NOW)
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_totals_are_those_of_all_positions(self, alice):
        account, _shares = held(alice)
        before = Snapshot.objects.using("system").get(account=account, date=day(12))
        post(account, "WITHDRAWAL", cash="-100", occurred_at=at(12, 30))
        catch_up(account_id=account.pk, at=NOW)
        after = Snapshot.objects.using("system").get(account=account, date=day(12))
        assert after.positions_value == before.positions_value
        assert after.total_value == before.total_value - Decimal(100)
