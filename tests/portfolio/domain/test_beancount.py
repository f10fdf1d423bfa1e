"""The file for beancount tells what changed, and says the same as one that looks at every lot after every entry."""

from collections import Counter
from decimal import Decimal, localcontext
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio.domain import beancount
from portfolio.domain.beancount import HOLDINGS, THEIRS, Kept, Writer, journal
from portfolio.domain.entries import in_order
from portfolio.domain.exact import EXACT, ZERO, plain
from portfolio.domain.lots import Lot, Method, Rules, leveled
from tests.portfolio.domain.values import CALL, FOREIGN, OTHER, SHARE, at, book, entry

METHODS = [method.value for method in Method]
NAMES = {SHARE: "ONE", OTHER: "TWO", FOREIGN: "FAR", CALL: "CALL"}
whole, cents = st.integers(1, 12), st.decimals("0.01", "300", places=2)
fees, what = st.sampled_from(["0", "1.3", "400"]), st.sampled_from([SHARE, SHARE, SHARE, OTHER, CALL])
carried = st.lists(
    st.fixed_dictionaries(
        {
            "opened_at": st.integers(1, 9).map(lambda day: f"2024-02-0{day}T10:00:00Z"),
            "quantity": st.integers(1, 5).map(str),
            "cost": cents.map(str),
        }
    ),
    min_size=1,
    max_size=4,
)


def row(kind, own=what, **fields):
    """Return what makes a kind of entry: its kind, its instrument, its fields."""
    return st.tuples(st.just(kind), own, st.fixed_dictionaries(fields))


buys = row("BUY", quantity=whole, price=cents, fee=fees)
sells = row("SELL", quantity=whole.map(int.__neg__), price=cents, fee=fees)
others = st.one_of(
    row("SPLIT", data=st.fixed_dictionaries({"ratio": st.sampled_from(["2:1", "1:3", "3:2"])})),
    row(
        "SPIN_OFF",
        st.just(OTHER),
        quantity=whole,
        data=st.fixed_dictionaries({"from": st.just("share:X"), "cost_fraction": st.sampled_from(["0.1", "0.25", "1"])}),
    ),
    row("MERGER", st.just(SHARE), quantity=whole.map(int.__neg__)),
    row("RETURN_OF_CAPITAL", cash=cents),
    row("TRANSFER_IN", data=st.fixed_dictionaries({"lots": carried})),
    row("TRANSFER_OUT", quantity=whole.map(int.__neg__)),
    row("SELL", quantity=whole.map(int.__neg__), price=cents, chosen=st.integers(0, 40)),
    row("DIVIDEND", cash=cents),
    row("VALUATION", price=cents),
)
ledgers = st.lists(st.tuples(st.integers(0, 2), st.one_of(buys, buys, sells, others)), min_size=1, max_size=40)


def entries_of(rows):
    """Return the entries of rows, each so many days after the one before."""
    found, day = [], 0
    for number, (later, (kind, own, given_)) in enumerate(rows):
        day += later
        when, fields = f"2024-{3 + day // 28:02}-{1 + day % 28:02}T10:{number:02}", dict(given_)
        if "chosen" in fields:
            chosen = fields.pop("chosen")
            opening = found[chosen % len(found)].sequence if found else 0
            fields["data"] = {"lots": [{"sequence": opening, "quantity": "2"}]}
        elif kind == "TRANSFER_IN":
            fields["quantity"] = sum(int(lot["quantity"]) for lot in fields["data"]["lots"])
        elif kind == "MERGER":
            fields["group"] = str(UUID(int=number))
            found.append(entry(kind, when, OTHER, **fields | {"quantity": -fields["quantity"]}))
        found.append(entry(kind, when, own, **fields))
    return in_order(found)


class Forgetful(Writer):
    """A second writer: it compares all lots with all that beancount was told, whatever came."""

    def __init__(self, own, names):
        super().__init__(own, names)
        self.known = {}

    def _lots(self, legs, sums, holding):
        ours = leveled(holding.lots, holding.cost) if self.book.method is Method.AVERAGE else holding.lots
        known = self.known.setdefault(holding.key, {})
        order = [(lot, lot.units) for lot in known.values()]
        closed, opened = self.compared(known, ours)
        name, currency = self.names[holding.key], holding.currency
        if self.book.method is Method.FIFO and closed and they_choose(order, closed):
            legs.append(f"  {HOLDINGS}  {plain(-sum((units for _, units in closed), ZERO))} {name} {{{currency}}}\n")
        else:
            legs += [f'  {HOLDINGS}  {plain(-units)} {name} {{{currency}, "{lot.label}"}}\n' for lot, units in closed]
        for lot, units in closed:
            sums[currency] -= lot.cost(units)
        for lot, cost in opened:
            sums[currency] += lot.cost(lot.units)
            legs.append(f'  {HOLDINGS}  {plain(lot.units)} {name} {{{{{plain(cost)} {currency}, {lot.day}, "{lot.label}"}}}}\n')

    def compared(self, known, ours):
        seen, there, closed, opened = Counter(), {}, [], []
        for lot in ours:
            key = (lot.sequence, lot.opened_at.isoformat())
            there[(*key, seen[key])] = lot
            seen[key] += 1
        for key in [key for key in known if key not in there]:
            gone = known.pop(key)
            closed.append((gone, gone.units))
        for key, lot in there.items():
            if key in known and known[key].has_left(lot):
                if less := known[key].units - lot.quantity:
                    closed.append((known[key], less))
                    known[key].units = lot.quantity
                continue
            if key in known:
                gone = known.pop(key)
                closed.append((gone, gone.units))
            cost = max(lot.cost.copy_sign(lot.cost * lot.quantity), ZERO)
            each = THEIRS.divide(cost, abs(lot.quantity))
            known[key] = Kept(0, self._label(lot), lot.opened_at.date(), lot.quantity, each)
            opened.append((known[key], cost))
        return closed, opened


def they_choose(order, closed):
    """Say whether beancount would choose these lots, looking at all of them."""
    going = {lot.label: units for lot, units in closed}
    left = sum(going.values(), ZERO)
    for lot, units in sorted(order, key=lambda one: one[0].day):
        taken = units if abs(units) <= abs(left) else left
        if taken != going.get(lot.label, ZERO):
            return False
        left -= taken
    return not left


def told(writer, entries, method, washes):
    own = writer(book(method=method, named={"share:X": SHARE}, rules=Rules(wash_sales=washes)), NAMES)
    with localcontext(EXACT):
        return "".join(text for one in entries for text in own.written(one))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("washes", [False, True])
@given(rows=ledgers, stride=st.sampled_from([1, 2, 4, 1024]))
@settings(max_examples=100)
def test_what_is_told_of_changes_is_what_is_told_of_everything(method, washes, rows, stride):
    entries = entries_of(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beancount, "STRIDE", stride)
        assert told(Writer, entries, method, washes) == told(Forgetful, entries, method, washes)


@pytest.mark.parametrize("method", ["FIFO", "LIFO", "HIFO", "SPECIFIC"])
def test_a_lot_is_looked_at_when_it_changes(monkeypatch, method):
    """Of 600 open lots, a purchase and a sale have beancount told of one or two, and look at no more."""
    looked = Counter()

    def has_left(self, lot: Lot, known=Kept.has_left):
        looked["lots"] += 1
        return known(self, lot)

    monkeypatch.setattr(Kept, "has_left", has_left)
    rows = [entry("BUY", f"2024-01-02T10:{n // 60:02}:{n % 60:02}", SHARE, quantity=2, price=5 + n % 7) for n in range(600)]
    rows += [entry("SELL", f"2024-01-03T10:00:{n:02}", SHARE, quantity=-3, price=9) for n in range(50)]
    "".join(journal(book(method=method), in_order(rows), title="", names=NAMES, about={}))
    assert looked["lots"] <= 2 * len(rows)


def test_a_lot_that_cost_less_than_nothing_is_told_anew_and_others_with_it_are_not():
    short = entry("SHORT", "2024-01-02", CALL, quantity=-1, price="0.01", cash=-3)
    rows = [short, *(entry("SHORT", f"2024-01-0{n}", CALL, quantity=-1, price=9) for n in range(3, 6))]
    text = told(Writer, rows, "FIFO", washes=False)
    assert text == told(Forgetful, rows, "FIFO", washes=False)
    assert f'"{short.sequence}.4"' in text
    assert f'"{rows[1].sequence}.2"' not in text


def test_lots_opened_together_stay_apart_by_their_places():
    lots = [{"opened_at": at("2024-01-01").isoformat(), "quantity": "2", "cost": cost} for cost in ("8", "6", "8", "8")]
    rows = [entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=8, data={"lots": lots})]
    rows += [entry("SELL", f"2024-01-0{n}", SHARE, quantity=Decimal(-1), price=5) for n in range(3, 9)]
    for method in METHODS:
        assert told(Writer, rows, method, washes=False) == told(Forgetful, rows, method, washes=False)
