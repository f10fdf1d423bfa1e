"""What companies did, applied by REST: fractions for cash, short positions, late entries, and once."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketdata.models import CorporateAction, Instrument
from tests.factories import make_instrument, unique_symbol
from tests.portfolio.desk import Desk

D = Decimal
NOW = datetime(2025, 1, 1, tzinfo=UTC)
ONE, TWO, DAY = "2024-01-02", "2024-02-05", "2024-06-03"


def act(instrument, kind, **fields):
    told = {"ex_date": DAY, "recorded_at": NOW}
    return CorporateAction.objects.create(instrument=instrument, kind=kind, **told | fields)


def held(user, kind="BUY", **account):
    """Return an account that bought, or sold short, 10 at 30 and 5 at 60."""
    stock, desk = make_instrument(), Desk(user, **account)
    desk.post(kind, ONE, stock, quantity=10, price=30)
    desk.post(kind, TWO, stock, quantity=5, price=60)
    return desk, stock


def apply(desk, action, code=201, **said):
    desk.get("positions/")
    return desk.send(f"corporate-actions/{action.pk}/apply/", said, code)


class TestCashInLieu:
    def test_of_a_split(self, alice):
        desk, stock = held(alice)
        apply(desk, act(stock, "SPLIT", ratio="0.1"), cash_in_lieu="140")
        assert desk.closures(stock) == [(D("0.5"), 150, 140)]
        assert desk.position(stock) == (1, 450, -10)
        desk.check()

    def test_of_a_split_of_a_short_position_is_paid(self, alice):
        desk, stock = held(alice, "SHORT")
        (entry,) = apply(desk, act(stock, "SPLIT", ratio="0.1"), cash_in_lieu="140")["entries"]
        assert (entry["quantity"], entry["cash"]) == ("14", "-140")
        assert desk.closures(stock) == [(D("-0.5"), 140, 150)]
        assert desk.position(stock) == (-1, -450, 10)

    def test_of_a_spin_off_sells_the_fraction(self, alice):
        """4.5 units at 90 of the cost: the oldest lot has 3 at 45, of which half a unit, at 7.50, goes for 20."""
        desk, stock = held(alice)
        child = make_instrument()
        action = act(stock, "SPIN_OFF", ratio="0.3", other=child, cost_fraction="0.15")
        entries = apply(desk, action, cash_in_lieu="20")["entries"]
        assert [(row["kind"], row["quantity"], row["cash"]) for row in entries] == [
            ("SPIN_OFF", "4.5", "0"),
            ("SELL", "-0.5", "20"),
        ]
        assert desk.closures(child) == [(D("0.5"), D("7.5"), 20)]
        assert desk.lots(child) == [(ONE, D("2.5"), D("37.5")), (TWO, D("1.5"), 45)]
        apply(desk, action, 200, cash_in_lieu="20")
        desk.check()

    def test_of_a_merger_sells_the_fraction(self, alice):
        """15 become 7.5: the oldest lot has 5 at 300; half a unit, at 30, goes for 33."""
        desk, stock = held(alice)
        new = make_instrument()
        apply(desk, act(stock, "MERGER", ratio="0.5", other=new), cash_in_lieu="33")
        assert desk.closures(new) == [(D("0.5"), 30, 33)]
        assert desk.lots(new) == [(ONE, D("4.5"), 270), (TWO, D("2.5"), 300)]
        assert desk.lots(stock) == []
        desk.check()

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("SPLIT", {"ratio": 2}),
            ("SPIN_OFF", {"ratio": "0.2", "cost_fraction": "0.1"}),
            ("MERGER", {"cash": "5", "currency": "USD"}),
            ("CASH_DIVIDEND", {"cash": "1", "currency": "USD"}),
        ],
    )
    def test_is_refused_where_there_is_no_fraction(self, alice, kind, fields):
        desk, stock = held(alice)
        other = {"other": make_instrument()} if kind == "SPIN_OFF" else {}
        action = act(stock, kind, **fields, **other)
        (error,) = apply(desk, action, 400, cash_in_lieu="3")["errors"]
        assert (error["field"], error["code"], "leave cash_in_lieu out" in error["detail"]) == (
            "cash_in_lieu",
            "not_proposed",
            True,
        )
        assert desk.get("entries/", source="corporate-actions")["results"] == []
        apply(desk, action)


class TestShorts:
    def test_a_spin_off_is_owed(self, alice):
        desk, stock = held(alice, "SHORT")
        child = make_instrument()
        action = act(stock, "SPIN_OFF", ratio="0.2", other=child, cost_fraction="0.15")
        assert desk.get("corporate-actions/")["results"][0]["problem"] == ""
        apply(desk, action)
        assert desk.lots(child) == [(ONE, -2, -45), (TWO, -1, -45)]
        assert (desk.position(stock)[1], desk.missing()) == (-510, [])
        desk.check()

    def test_a_merger_moves_what_was_sold_and_pays_the_cash(self, alice):
        desk, stock = held(alice, "SHORT")
        new = make_instrument()
        apply(desk, act(stock, "MERGER", ratio="0.4", other=new, cash="6", currency="USD"))
        assert desk.lots(new) == [(ONE, -4, -240), (TWO, -2, -270)]
        assert (desk.lots(stock), desk.missing()) == ([], [])
        desk.check()

    def test_a_merger_for_cash_covers(self, alice):
        desk, stock = held(alice, "SHORT")
        apply(desk, act(stock, "MERGER", cash="50", currency="USD"))
        assert desk.position(stock) == (0, 0, -150)
        assert desk.missing() == []


class TestLate:
    @pytest.mark.parametrize(("said", "left"), [({}, (D("2.5"), 720)), ({"cash_in_lieu": "55"}, (2, 660))])
    def test_a_purchase_that_comes_late_is_split_as_well(self, alice, said, left):
        desk, stock = held(alice)
        apply(desk, act(stock, "SPLIT", ratio="0.1"), **said)
        desk.post("BUY", "2024-01-01", stock, quantity=10, price=12)
        assert desk.position(stock)[:2] == left
        desk.check()

    def test_the_second_of_two_finds_the_units_of_the_first(self, alice):
        desk, stock = held(alice)
        first = act(stock, "SPLIT", ratio=3, ex_date="2024-03-01")
        second = act(stock, "CASH_DIVIDEND", cash="0.5", currency="USD", ex_date="2024-04-01")
        apply(desk, first)
        (entry,) = apply(desk, second)["entries"]
        assert entry["cash"] == "22.5"
        assert [row["status"] for row in desk.get("corporate-actions/")["results"]] == ["posted", "posted"]


def test_a_new_symbol_changes_nothing_held(alice):
    desk, stock = held(alice)
    before = desk.facts(stock)
    (note,) = apply(desk, act(stock, "SYMBOL_CHANGE", old_symbol=stock.symbol, new_symbol="NEWER"))["entries"]
    assert (note["kind"], desk.facts(stock)) == ("NOTE", before)


def test_a_parent_that_was_renamed_since_is_found_by_the_name_it_had(alice):
    """The cost that a spin-off took along stays where it is, though somebody else is called so by now."""
    desk, stock = held(alice)
    child, name = make_instrument(), stock.symbol
    desk.post("SPIN_OFF", DAY, child, quantity=3, data={"from": stock.key, "cost_fraction": "0.15"})
    told = {"old_symbol": name, "new_symbol": unique_symbol("N")}
    act(stock, "SYMBOL_CHANGE", ex_date="2024-07-01", applied_at=NOW, **told)
    Instrument.objects.filter(pk=stock.pk).update(symbol=told["new_symbol"])
    stock.refresh_from_db()
    desk.check()
    make_instrument(symbol=name)
    desk.check()
    assert (desk.position(stock)[1], desk.lots(child)) == (510, [(ONE, 2, 45), (TWO, 1, 45)])
