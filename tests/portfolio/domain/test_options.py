"""Options, as they are taxed in the United States: the premium goes where the option leads, or is gained or lost with it."""

from decimal import Decimal
from uuid import uuid4

import pytest

from portfolio.domain.legs import ROLLED, counterparts
from tests.portfolio.domain.values import CALL, SHARE, entry, folded

D = Decimal
# an option on 100 shares with a strike of 50: what it cost, how it ended, the trade that came of it, and what follows
CASES = {
    "a call exercised raises the cost": ("BUY", 1, "OPTION_EXERCISE", "BUY", 100, (100, 5000 + 300, 0)),
    "a put exercised lowers the proceeds": ("BUY", 1, "OPTION_EXERCISE", "SELL", -100, (0, 0, 5000 - 300 - 4000)),
    "a call assigned raises the proceeds": ("SHORT", -1, "OPTION_ASSIGNMENT", "SELL", -100, (0, 0, 5000 + 300 - 4000)),
    "a put assigned lowers the cost": ("SHORT", -1, "OPTION_ASSIGNMENT", "BUY", 100, (100, 5000 - 300, 0)),
}


def opened(kind, contracts, price=3):
    return entry(kind, "2024-01-02", CALL, quantity=contracts, price=price, multiplier=D(100))


def ended(kind, contracts, when="2024-02-02", **fields):
    return entry(kind, when, CALL, quantity=-contracts, **fields)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("wait", ["T12:00", "T12:05"])
def test_the_premium_goes_into_the_trade_of_the_group(name, wait):
    kind, contracts, end, trade, units, expected = CASES[name]
    group = str(uuid4())
    held = [entry("BUY", "2023-01-02", SHARE, quantity=100, price=40)] if units < 0 else []
    book = folded(
        *held,
        opened(kind, contracts),
        ended(end, contracts, when=f"2024-02-02{wait}", group=group),
        entry(trade, "2024-02-02", SHARE, quantity=units, price=50, group=group),
    )
    share, option = book.holdings[SHARE], book.holdings[CALL]
    assert (share.quantity, share.cost, share.realized) == expected
    assert (option.quantity, option.cost, option.realized, option.lots) == (0, 0, 0, [])
    assert [one.instrument for one in book.closures] == ([SHARE] if units < 0 else [])
    assert book.parked == {}


def test_part_of_the_contracts_takes_its_part_of_the_premium():
    group = str(uuid4())
    book = folded(
        opened("BUY", 3),
        ended("OPTION_EXERCISE", 2, group=group),
        entry("BUY", "2024-02-02", SHARE, quantity=150, price=50, group=group),
        entry("BUY", "2024-02-02T13:00", SHARE, quantity=50, price=50, group=group),
    )
    assert [lot.cost for lot in book.holdings[SHARE].lots] == [7500 + 450, 2500 + 150]
    assert (book.holdings[CALL].quantity, book.holdings[CALL].cost) == (1, 300)


def test_without_a_trade_of_its_group_an_option_is_closed_for_its_cash():
    book = folded(opened("BUY", 1), ended("OPTION_EXERCISE", 1, cash=450, group=str(uuid4())))
    assert book.holdings[CALL].realized == 150
    book = folded(opened("BUY", 1), ended("OPTION_EXERCISE", 1, group=str(uuid4())))
    assert book.holdings[CALL].realized == -300


@pytest.mark.parametrize(("kind", "contracts", "gain"), [("BUY", 2, -600), ("SHORT", -2, 600)])
def test_what_expires_gains_or_loses_its_premium(kind, contracts, gain):
    book = folded(opened(kind, contracts), ended("OPTION_EXPIRATION", contracts))
    (closure,) = book.closures
    assert (closure.gain, book.holdings[CALL].quantity) == (gain, 0)


def test_more_than_is_held_leaves_a_lot_that_says_so():
    group = str(uuid4())
    book = folded(
        opened("BUY", 1),
        ended("OPTION_EXERCISE", 3, group=group),
        entry("BUY", "2024-02-02", SHARE, quantity=100, price=50, group=group),
    )
    (lot,) = book.holdings[CALL].lots
    assert (lot.quantity, lot.missing, book.holdings[SHARE].cost) == (-2, True, 5300)


@pytest.mark.parametrize("units", [20, 100, 300])
def test_fewer_or_more_units_than_contracts_stand_for_share_all_of_the_premium(units):
    """Two contracts of an adjusted series in two trades: all that was paid arrives."""
    group = str(uuid4())
    book = folded(
        opened("BUY", 2),
        ended("OPTION_EXERCISE", 2, group=group),
        entry("BUY", "2024-02-02", SHARE, quantity=units / 4, price=50, group=group),
        entry("BUY", "2024-02-02T13:00", SHARE, quantity=units * 3 / 4, price=50, group=group),
    )
    assert sum(lot.cost for lot in book.holdings[SHARE].lots) == units * 50 + 600
    assert book.parked == {}
    if units < 200:
        assert [lot.cost for lot in book.holdings[SHARE].lots] == [units * 50 / 4 + 150, units * 150 / 4 + 450]


@pytest.mark.parametrize("turn", [1, -1])
def test_all_of_it_may_happen_at_one_instant(turn):
    """Days without times: bought, exercised, delivered and sold, in whatever order it was written."""
    group, day = str(uuid4()), "2024-02-02T00:00"
    rows = [
        entry("BUY", day, CALL, quantity=1, price=3, multiplier=D(100)),
        ended("OPTION_EXERCISE", 1, when=day, group=group),
        entry("BUY", day, SHARE, quantity=100, price=50, group=group, data={"due": "today"}),
        entry("SELL", day, SHARE, quantity=-100, price=55),
    ][::turn]
    book = folded(*(row._replace(sequence=number) for number, row in enumerate(rows, 1)))
    assert [(one.instrument, one.gain, one.missing) for one in book.closures] == [(SHARE, 200, False)]
    assert [holding.lots for holding in book.holdings.values()] == [[], []]


def test_what_an_exercise_costs_is_cost_of_what_it_brings():
    group = str(uuid4())
    book = folded(
        opened("BUY", 1),
        ended("OPTION_EXERCISE", 1, group=group, cash=-20, fee=15, tax=5),
        entry("BUY", "2024-02-02", SHARE, quantity=100, price=50, group=group),
    )
    assert (book.holdings[SHARE].cost, book.holdings[CALL].realized, book.closures) == (5320, 0, [])
    assert (book.holdings[CALL].fees, book.holdings[CALL].taxes) == (15, 5)


def test_no_cash_is_lost_on_the_way():
    group = str(uuid4())
    rows = [
        opened("BUY", 1),
        ended("OPTION_EXERCISE", 1, group=group),
        entry("BUY", "2024-02-02", SHARE, quantity=100, price=50, group=group),
    ]
    book = folded(*rows)
    costs = sum(holding.cost - holding.realized for holding in book.holdings.values())
    assert costs == -sum(row.cash for row in rows)


def test_a_leg_that_comes_later_changes_those_before():
    group = str(uuid4())
    option, trade = (
        ended("OPTION_EXERCISE", 1, group=group),
        entry("SELL", "2024-02-02", SHARE, quantity=-1, price=1, group=group),
    )
    assert counterparts([option])[1] >= {"SELL", "BUY"}
    assert counterparts([trade]) == ({group}, {"OPTION_EXERCISE", "OPTION_ASSIGNMENT"})
    assert counterparts([opened("BUY", 1)]) == (set(), set())
    assert ROLLED not in counterparts([option, trade])[1]
