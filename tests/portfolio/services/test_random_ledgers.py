"""Random ledgers, written in any order with figures asked for in between, are kept as a plain second implementation has them."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from portfolio.models import Closure, Position, Snapshot
from portfolio.services.projections import catch_up
from tests.factories import make_account, make_instrument, post
from tests.portfolio.domain.test_oracle import DUST, RATIOS, SPAN, Plain, day
from tests.portfolio.domain.values import OTHER, SHARE
from tests.portfolio.market import bars

D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = "{}T10:{:02}"


def cents(chance, most):
    """Return an amount."""
    return D(chance.randint(1, most * 100)) / 100


def row_of(chance):
    """Return a row of the plain implementation."""
    kind = chance.choice(["BUY", "BUY", "SELL", "DIVIDEND", "DEPOSIT", "WITHDRAWAL", "INTEREST", "FEE", "TAX"])
    offset = chance.randrange(SPAN)
    if kind in {"BUY", "SELL"}:
        own = chance.choice([SHARE, OTHER])
        return (kind, offset, own, cents(chance, 90), cents(chance, 900), cents(chance, 5), cents(chance, 5))
    if kind == "DIVIDEND":
        return (kind, offset, chance.choice([SHARE, OTHER]), cents(chance, 900), cents(chance, 5), cents(chance, 5))
    return (kind, offset, cents(chance, 5000))


def fields_of(kind, rest, instruments):
    """Return the fields of an entry."""
    if kind in {"BUY", "SELL"}:
        own, units, price, fee, tax = rest
        return {
            "instrument": instruments[own],
            "quantity": units if kind == "BUY" else -units,
            "price": price,
            "fee": fee,
            "tax": tax,
        }
    if kind == "DIVIDEND":
        own, net, fee, tax = rest
        return {"instrument": instruments[own], "cash": net, "fee": fee, "tax": tax}
    return {"cash": rest[0] if kind in {"DEPOSIT", "INTEREST"} else -rest[0]}


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def write(chance, account, instruments, rows, split):
    """Write the rows and the split in any order, and have figures derived now and then, and at the end."""
    work = [(MINUTE.format(day(row[1]), number), row) for number, row in enumerate(rows)]
    work += [(f"{day(when)}T20:00", (own, ratio)) for own, (when, ratio) in split.items()]
    chance.shuffle(work)
    for when, row in work:
        if row[0] in split:
            post(account, "SPLIT", instrument=instruments[row[0]], data={"ratio": row[1]}, occurred_at=at(when))
        else:
            post(account, row[0], occurred_at=at(when), **fields_of(row[0], row[2:], instruments))
        if chance.random() < 0.3:
            catch_up(account_id=account.pk, at=NOW)
    catch_up(account_id=account.pk, at=NOW)


def check_days(found, plain):
    """Hold the daily values to the plain implementation."""
    first, last = (one.date.toordinal() - at(day(0)).toordinal() for one in (found[0], found[-1]))
    for one, (offset, total, cash, worth, into, out, growth) in zip(found, plain.run(first, last), strict=True):
        assert one.date.isoformat() == day(offset)
        amounts = (one.total_value, one.cash, one.positions_value, one.inflow, one.outflow)
        assert tuple(map(Fraction, amounts)) == (total, cash, worth, into, out)
        assert float(one.twr_index) == pytest.approx(growth, rel=1e-9, abs=1e-9)
    for name in ("income", "interest", "fees", "taxes"):
        assert Fraction(sum(getattr(one, name) for one in found)) == plain.sums[name]


def check_lots(account, instruments, plain):
    """Hold positions and what was closed to the plain implementation, which has run."""
    for own, instrument in instruments.items():
        of = {"account": account, "instrument": instrument}
        gains = sum(one.gain for one in Closure.objects.using("system").filter(**of))
        assert abs(Fraction(gains) - plain.gains[own]) < DUST
        for position in Position.objects.using("system").filter(**of):
            assert Fraction(position.quantity) == sum(held for held, _ in plain.lots[own])
            assert abs(Fraction(position.cost_basis) - sum(cost for _, cost in plain.lots[own])) < DUST


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_is_what_the_plain_implementation_says(alice, seed):
    chance = random.Random(seed)
    account = make_account(owner=alice)
    instruments = {SHARE: make_instrument(), OTHER: make_instrument()}
    prices = {own: {n: cents(chance, 900) for n in chance.sample(range(SPAN), 9)} for own in instruments}
    for own, instrument in instruments.items():
        bars(instrument, {day(offset): price for offset, price in prices[own].items()})
    split = {SHARE: (chance.randrange(1, SPAN), chance.choice(sorted(RATIOS)))}
    rows = sorted((row_of(chance) for _ in range(24)), key=lambda row: row[1])
    write(chance, account, instruments, rows, split)
    plain = Plain(rows, split, prices)
    check_days(list(Snapshot.objects.using("system").filter(account=account).order_by("date")), plain)
    check_lots(account, instruments, plain)
