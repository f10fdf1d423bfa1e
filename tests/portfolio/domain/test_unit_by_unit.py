"""Lots beside the plainest thing that could be right: every unit by itself, with its own date and cost, in whole fractions."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.lots import Method, Rules
from tests.portfolio.domain.values import SHARE, entry, folded

F = Fraction
NONE, WHOLE = F(0), F(1)
FIRST = date(2023, 1, 1)
DUST = F(1, 10**7)
KINDS = ["BUY", "BUY", "SELL", "SELL", "SHORT", "COVER"]
trades = st.tuples(st.sampled_from(KINDS), st.integers(1, 9), st.integers(1, 40), st.sampled_from([0, 0, 0, 1, 3]))
others = st.one_of(
    st.tuples(st.just("SPLIT"), st.sampled_from([2, 3])),
    st.tuples(st.just("RETURN_OF_CAPITAL"), st.integers(1, 60)),
)
gaps = st.sampled_from([0, 1, 1, 5, 10, 29, 30, 31, 200, 366])
steps = st.lists(st.tuples(gaps, st.one_of(trades, trades, trades, trades, others)), min_size=2, max_size=14)
histories = steps.filter(lambda found: sum(step[0] == "SPLIT" for _, step in found) < 3)  # units are many soon


@dataclass
class Unit:
    """One unit: what it cost, or brought where it is short."""

    sign: int
    day: int
    sequence: int
    cost: F
    missing: bool
    tacked: int | None


@dataclass
class Sold:
    """One unit that was closed; a return of capital beyond the cost has no unit."""

    opened: int
    closed: int
    held: int
    gain: F
    sign: int
    opening: int
    missing: bool
    disallowed: F = NONE
    pending: bool = True
    weight: F = WHOLE


@dataclass
class Plain:
    """The second implementation."""

    method: str
    wash: bool
    units: list[Unit] = field(default_factory=list)
    sold: list[Sold] = field(default_factory=list)
    realized: F = NONE

    def order(self):
        """Return the units in the order in which the method closes them."""
        units = sorted(self.units, key=lambda one: (one.day, one.sequence))
        if self.method == "LIFO":
            return sorted(units, key=lambda one: (-one.day, -one.sequence))
        if self.method == "HIFO":
            return sorted(units, key=lambda one: -one.cost)
        return units

    def trade(self, day, sequence, kind, quantity, cash):
        """Close units of the other sign one by one, and open the rest."""
        sign, each = (1 if kind in {"BUY", "COVER"} else -1), F(cash) / quantity
        closing = [one for one in self.order() if one.sign != sign][:quantity]
        if closing:
            self.level()
        self.close(day, each, closing)
        bought = kind in {"BUY", "SHORT"}
        fresh = [Unit(sign, day, sequence, -each, not bought, None if bought else 0) for _ in range(quantity - len(closing))]
        self.units += fresh
        if self.wash and bought:
            for loss in self.sold:
                if loss.pending and day - loss.closed <= 30:
                    self.put_off(loss, fresh)

    def level(self):
        """Give all units the same cost, if that is the method."""
        if self.method == "AVERAGE":
            average = sum(one.cost for one in self.units) / len(self.units)
            for one in self.units:
                one.cost = average

    def close(self, day, each, closing):
        """Take units out, and look for those that replace the ones sold at a loss."""
        new = []
        for one in closing:
            self.units.remove(one)
            held = day - one.day + (one.tacked or 0)
            new.append(Sold(one.day, day, held, each - one.cost, one.sign, one.sequence, one.missing))
            self.realized += each - one.cost
        self.sold += new
        if self.wash:
            for loss in new:
                self.put_off(loss, [one for one in self.units if day - one.day <= 30 and one.sequence != loss.opening])

    def put_off(self, loss, candidates):
        """Put the loss of a unit off, into the first unit that replaces it."""
        if loss.gain >= 0 or loss.missing or not loss.pending:
            return
        for one in sorted(candidates, key=lambda one: (one.day, one.sequence)):
            if one.sign == loss.sign and one.tacked is None and not one.missing:
                one.cost, one.tacked = one.cost - loss.gain, loss.held
                loss.disallowed, loss.pending = -loss.gain, False
                self.realized -= loss.gain
                return

    def split(self, ratio):
        """Make several units of each."""
        self.units = [replace(one, cost=one.cost / ratio) for one in self.units for _ in range(ratio)]
        waiting = [one for one in self.sold if one.pending and one.gain < 0]
        self.sold = [one for one in self.sold if one not in waiting]
        self.sold += [replace(one, gain=one.gain / ratio, weight=one.weight / ratio) for one in waiting for _ in range(ratio)]

    def give_back(self, cash):
        """Lower the cost of each unit."""
        if not self.units or self.units[0].sign < 0:
            return
        self.level()
        each = F(cash) / len(self.units)
        for one in self.units:
            borne = min(each, max(one.cost, F(0)))
            one.cost -= borne
            self.realized += each - borne


def run(history, method, wash):
    """Return the book the product makes of a history, and the second implementation."""
    plain, entries, day = Plain(method, wash), [], FIRST
    for number, (gap, (kind, *rest)) in enumerate(history):
        day += timedelta(days=gap)
        when = f"{day}T10:{number:02}"
        if kind == "SPLIT":
            day += timedelta(days=1)  # a day of its own
            entries.append(entry("SPLIT", f"{day}T00:00", SHARE, data={"ratio": f"{rest[0]}:1"}))
            plain.split(rest[0])
            day += timedelta(days=1)
        elif kind == "RETURN_OF_CAPITAL":
            entries.append(entry(kind, when, SHARE, cash=rest[0]))
            plain.give_back(rest[0])
        else:
            quantity, price, fee = rest
            sign = 1 if kind in {"BUY", "COVER"} else -1
            entries.append(entry(kind, when, SHARE, quantity=sign * quantity, price=price, fee=fee))
            plain.trade(day.toordinal(), entries[-1].sequence, kind, quantity, -sign * quantity * price - fee)
    return folded(*entries, method=method, rules=Rules(wash_sales=wash)), plain


@given(histories, st.sampled_from([one.value for one in Method if one is not Method.SPECIFIC]), st.booleans())
def test_lots_are_what_single_units_come_to(history, method, wash):
    book, plain = run(history, method, wash)
    holding = book.holdings[SHARE]
    assert holding.quantity == sum(one.sign for one in plain.units)
    assert abs(F(holding.cost) - sum(one.cost for one in plain.units)) < DUST
    assert abs(F(holding.realized) - plain.realized) < DUST
    assert sum(lot.cost for lot in holding.lots) == holding.cost
    assert holding.realized == sum(one.gain + one.disallowed for one in book.closures)
    of_units = sum((one.disallowed for one in plain.sold), F(0))
    assert abs(F(sum(one.disallowed for one in book.closures)) - of_units) < DUST
    for long in (True, False):
        mine = sum(one.quantity for one in book.closures if (one.holding_days > 365) is long)
        assert mine == sum(one.sign * one.weight for one in plain.sold if (one.held > 365) is long)
