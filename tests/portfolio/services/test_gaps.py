"""Days that lack a price or rate: the figures are the same whether derived at once or step by step as prices and entries come."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import uuid4

import pytest

from portfolio.models import Performance, Projection, Snapshot
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = date(2024, 1, 20)
DAYS = 40


def at(offset: int, hour: int = 15) -> datetime:
    return datetime.combine(FIRST + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=hour)


def day(offset: int) -> str:
    return (FIRST + timedelta(days=offset)).isoformat()


def posting(chance: Random, shares, foreign):
    """Return the kind and the fields of some entry of some day."""
    share, offset = chance.choice(shares), chance.randrange(DAYS)
    size, price = chance.randint(1, 9), str(chance.randint(50, 150))
    kind = chance.choice(["BUY", "BUY", "SELL", "DEPOSIT", "DEPOSIT", "WITHDRAWAL", "DIVIDEND", "TRANSFER_IN", "INTEREST", "FX"])
    stated = {"data": {"fx_rate": "1.05"}} if chance.random() < 0.3 else {}
    money = {"currency": foreign} | stated if chance.random() < 0.6 else {}
    fields = {
        "BUY": {"instrument": share, "quantity": str(size), "price": price, "fee": "1"},
        "SELL": {"instrument": share, "quantity": str(-size), "price": price, "fee": "1"},
        "DEPOSIT": {"cash": str(size * 100)} | money,
        "WITHDRAWAL": {"cash": str(-size * 10)} | money,
        "DIVIDEND": {"instrument": share, "cash": str(size)},
        "TRANSFER_IN": {"instrument": share, "quantity": str(size)} | chance.choice([{}, {"data": {"cost": "300"}}]),
        "INTEREST": {"cash": str(size)} | money,
        "FX": {"cash": str(-size), "currency": foreign, "group": uuid4()},
    }[kind]
    return kind, fields | {"occurred_at": at(offset)}


def series(chance: Random, shares, base, foreign):
    """Yield what stores prices and rates, each series from a day of its own on, a stretch at a time."""
    begins = {share: chance.randrange(DAYS) for share in shares}
    begins[foreign] = chance.randrange(DAYS)
    for start in range(0, DAYS, 8):
        for what, begin in begins.items():
            offsets = [n for n in range(max(start, begin), start + 8) if chance.random() < 0.8]
            if offsets and what == foreign:
                yield lambda offsets=offsets: rates(foreign, base, {day(n): f"1.{n:02}" for n in offsets})
            elif offsets:
                yield lambda what=what, offsets=offsets: bars(what, {day(n): chance.randint(50, 150) for n in offsets})


@pytest.mark.parametrize("seed", range(12))
def test_in_any_order_figures_are_those_of_a_derivation_from_nothing(alice, seed):
    chance = Random(seed)
    base, foreign = fresh_currencies(2)
    account = make_account(owner=alice, base_currency=base)
    shares = [make_instrument(currency=currency) for currency in (base, foreign)]
    stores = list(series(chance, shares, base, foreign))
    entries = [posting(chance, shares, foreign) for _ in range(14)]
    post(account, "DEPOSIT", cash="1000", currency=base, occurred_at=at(0, 1))
    while stores or entries:
        if stores and (not entries or chance.random() < 0.5):
            stores.pop(0)()
        else:
            kind, fields = entries.pop(0)
            own = fields["instrument"].currency if "instrument" in fields else base
            post(account, kind, **{"currency": own} | fields)
            if kind == "FX":
                post(account, kind, **fields | {"cash": "9", "currency": base})
        if chance.random() < 0.6:
            catch_up(account_id=account.pk, at=NOW)
    catch_up(account_id=account.pk, at=NOW)
    assert list(rebuild(account_ids=[account.pk], at=NOW)) == []


class TestStepByStep:
    def rows(self, account):
        catch_up(account_id=account.pk, at=NOW)
        found = Snapshot.objects.using("system").filter(account=account).order_by("date")
        return [(one.total_value, one.twr_index, one.complete, one.priced) for one in found]

    def test_the_index_links_over_days_without_a_price(self, account):
        old, new = make_instrument(), make_instrument()
        bars(old, {day(0): 100, day(1): 110, day(2): 110, day(3): 110})
        post(account, "DEPOSIT", cash="1000", occurred_at=at(0))
        post(account, "BUY", instrument=old, quantity="5", price="100", occurred_at=at(0))
        post(account, "BUY", instrument=new, quantity="10", price="50", occurred_at=at(2))
        assert self.rows(account)[2:] == [(550, D("1.05"), False, False), (550, D("1.05"), False, False)]
        post(account, "DEPOSIT", cash="100", occurred_at=at(3))
        assert self.rows(account)[3:] == [(650, D("1.05"), False, False)]
        post(account, "WITHDRAWAL", cash="-50", occurred_at=at(4))
        bars(new, {day(5): 60})
        index = (D("1.05") * (550 + 50 + 600 + 50) / (1050 + 100)).quantize(D("1e-18"))
        assert self.rows(account)[4:] == [(600, D("1.05"), False, False), (1200, index, True, True)]
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_what_is_sold_before_it_had_a_price_ends_the_gap(self, account):
        share = make_instrument()
        post(account, "DEPOSIT", cash="1000", occurred_at=at(0))
        post(account, "BUY", instrument=share, quantity="10", price="50", occurred_at=at(1))
        assert self.rows(account)[1] == (500, 1, False, False)
        post(account, "SELL", instrument=share, quantity="-10", price="60", occurred_at=at(3))
        assert self.rows(account)[2:] == [(500, 1, False, False), (1100, D("1.1"), True, False)]

    def test_a_deposit_counts_when_its_currency_has_a_rate(self, account):
        base, foreign = fresh_currencies(2)
        account = make_account(owner=account.owner, base_currency=base)
        post(account, "DEPOSIT", cash="1000", currency=base, occurred_at=at(0))
        post(account, "DEPOSIT", cash="100", currency=foreign, occurred_at=at(1))
        assert self.rows(account) == [(1000, 1, True, False), (1000, 1, False, False)]
        assert Projection.objects.using("system").get(pk=account.pk).memory["waiting"]
        rates(foreign, base, {day(3): "2", day(4): "3"})
        assert [row[:3] for row in self.rows(account)[1:]] == [
            (1000, 1, False),
            (1000, 1, False),
            (1200, 1, True),
            (1300, (D(1300) / 1200).quantize(D("1e-18")), True),
        ]
        last = Snapshot.objects.using("system").filter(account=account).order_by("date").last()
        assert (last.total_gain, last.currency_gain, last.price_gain) == (100, 100, 0)

    def test_without_any_complete_day_there_is_no_return(self, account):
        post(account, "TRANSFER_IN", instrument=make_instrument(), quantity="1", data={"cost": "5"}, occurred_at=at(0))
        self.rows(account)
        kept = Performance.objects.using("system").get(pk=account.pk)
        assert (kept.twr, kept.twr_annualized) == (None, None)
        assert "VALUATION" in kept.reasons["twr"]
