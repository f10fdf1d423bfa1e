"""HIFO remembers its order from sale to sale; it is that of all lots sorted anew at each of them, whatever comes between."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from portfolio.domain.dearest import Dearest
from portfolio.domain.exact import EXACT
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Lot, Method, _split
from tests.portfolio.domain.values import SHARE

DAY = datetime(2024, 1, 2, tzinfo=UTC)
DUST = Decimal("1e-9")


def sorted_anew(lots):
    """Return the places of lots, the plainest way: all of them sorted, and those together that are as dear as the one before."""
    sizes = [abs(lot.quantity) for lot in lots]
    each = [EXACT.divide(lot.cost, size) for lot, size in zip(lots, sizes, strict=True)]
    groups = []
    for index in sorted(range(len(lots)), key=each.__getitem__, reverse=True):
        before = groups[-1][-1] if groups else None
        if before is not None and each[before] - each[index] <= EXACT.divide(DUST, min(sizes[before], sizes[index])):
            groups[-1].append(index)
        else:
            groups.append([index])
    return [index for group in groups for index in sorted(group)]


def taken_plainly(lots, quantity):
    """Return what goes and what stays, by that order."""
    gone, left = [], dict(enumerate(lots))
    for index in sorted_anew(lots):
        if not quantity:
            break
        lot = left.pop(index)
        part = min(quantity, abs(lot.quantity))
        quantity -= part
        if part == abs(lot.quantity):
            gone.append((lot, lot.quantity, lot.cost))
        else:
            piece, left[index] = _split(lot, part)
            gone.append(tuple(piece))
    return gone, [left[index] for index in sorted(left)]


class Desk:
    """A holding to which this and that happens at random."""

    def __init__(self, chance, sign):
        """Begin with nothing."""
        self.chance, self.sign, self.number = chance, sign, 0
        self.holding = Holding(SHARE, None)

    def buy(self):
        """Open a lot, now and then an older one; at one of few prices, which thirds make differ in the last digit."""
        chance = self.chance
        self.number += 1
        quantity = Decimal(chance.choice([1, 3, 7, "0.001", 30])) * self.sign
        price = chance.choice([Decimal(10), Decimal(10) / 3, Decimal(chance.randint(1, 9)), Decimal("10.0000000001")])
        back = chance.randint(0, 50) if chance.random() < 0.1 else 0
        cost = round(quantity * price, 10)
        self.holding.open(Lot(DAY + timedelta(days=self.number - back), self.number, quantity, cost, quantity))

    def split(self):
        """Turn all units into more, or fewer."""
        self.holding.scale(self.holding.quantity * self.chance.choice([2, 3, Decimal("0.5")]))

    def lower(self):
        """Take cost out of a lot, or put some in."""
        lots = self.holding.lots
        place = self.chance.randrange(len(lots))
        moved = self.chance.choice([Decimal("1e-10"), Decimal(1), Decimal("-0.5")])
        lots[place] = lots[place]._replace(cost=lots[place].cost - moved)
        self.holding.cost -= moved

    def start_over(self):
        """Forget the order, as whoever reads a holding from its rows does."""
        self.holding.dearest = None

    def sell(self):
        """Close some of it, and hold what goes and what stays against the plainest way."""
        held = abs(self.holding.quantity)
        quantity = min(held, Decimal(self.chance.choice([1, 2, 10, 40, "0.002"]))) if self.chance.random() < 0.97 else held
        gone, left = taken_plainly(list(self.holding.lots), quantity)
        parts = self.holding.take(quantity, Method.HIFO)
        assert repr([tuple(part) for part in parts]) == repr(gone)
        assert repr(self.holding.lots) == repr(left)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("seed", range(12))
def test_takes_what_sorting_anew_takes(seed, sign):
    desk = Desk(random.Random(seed), sign)
    deeds = [desk.buy] * 6 + [desk.sell] * 5 + [desk.split, desk.lower, desk.start_over]
    sales = 0
    for _ in range(400):
        deed = desk.chance.choice(deeds) if desk.holding.lots else desk.buy
        deed()
        sales += deed == desk.sell
    assert sales > 50


def test_of_many_lots_looks_at_few(monkeypatch):
    """A sale out of five thousand lots compares the costs of a few."""
    lots = [Lot(DAY + timedelta(hours=n), n, Decimal(1), Decimal(n % 977), Decimal(1)) for n in range(5_000)]
    memory = Dearest()
    memory.look_at(lots)
    asked = []
    place = Dearest._place
    monkeypatch.setattr(Dearest, "_place", lambda self, index: asked.append(index) or place(self, index))
    lots = memory.change({next(memory.places()): None})
    memory.look_at(lots)
    assert next(memory.places()) == 976 + 977 - 1  # of those that cost as much, the next one; one is gone before it
    assert len(asked) < 20
