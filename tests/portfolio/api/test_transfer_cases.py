"""Transfers between own accounts, worked by hand: lots, dates and cost go along, by every method, and come back together."""

from decimal import Decimal

import pytest

from tests.factories import make_instrument
from tests.portfolio.desk import Desk, draft
from tests.portfolio.market import rates

D = Decimal
ONE, TWO, THREE, FOUR = "2024-01-02", "2024-02-05", "2024-03-04", "2024-04-08"


def two(user, stock, *, method="FIFO", **target):
    """Return an account that holds 10 at 30, 10 at 50 and 10 at 40, and an empty one."""
    source = Desk(user, cost_basis_method=method)
    rows = zip((ONE, TWO, THREE), (30, 50, 40), strict=True)
    source.post_all([draft("BUY", day, stock, quantity=10, price=price) for day, price in rows])
    return source, Desk(user, **target)


def move(source, target, stock, units, *lots, day=FOUR, code=201, **more):
    body = {"to": str(target.account.pk), "occurred_at": f"{day}T10:00:00Z", "instrument": stock.key, "quantity": str(units)}
    return source.send("transfers/", body | ({"lots": list(lots)} if lots else {}) | more, code)


@pytest.mark.parametrize(
    ("method", "gone", "left"),
    [
        ("FIFO", [(ONE, 10, 300), (TWO, 5, 250)], [(TWO, 5, 250), (THREE, 10, 400)]),
        ("LIFO", [(TWO, 5, 250), (THREE, 10, 400)], [(ONE, 10, 300), (TWO, 5, 250)]),
        ("HIFO", [(TWO, 10, 500), (THREE, 5, 200)], [(ONE, 10, 300), (THREE, 5, 200)]),
        ("AVERAGE", [(ONE, 10, 400), (TWO, 5, 200)], [(TWO, 5, 200), (THREE, 10, 400)]),
    ],
)
@pytest.mark.parametrize("into", ["FIFO", "AVERAGE"])
def test_lots_go_by_the_method_of_the_account_they_leave(alice, method, gone, left, into):
    stock = make_instrument()
    source, target = two(alice, stock, method=method, cost_basis_method=into)
    move(source, target, stock, 15)
    assert source.lots(stock) == left
    total = sum(row[2] for row in gone)
    costs = [row[2] if into == "FIFO" else total * row[1] / 15 for row in gone]
    assert [row[:2] for row in target.lots(stock)] == [row[:2] for row in gone]
    assert [round(row[2], 9) for row in target.lots(stock)] == [round(D(cost), 9) for cost in costs]
    assert sum(row[2] for row in target.lots(stock)) == total
    assert (source.closures(stock), target.closures(stock), source.position(stock)[2]) == ([], [], 0)
    for desk in (source, target):
        desk.check()


def test_chosen_lots_go_and_their_days_count_there(alice):
    stock = make_instrument()
    source, target = two(alice, stock, method="SPECIFIC")
    move(source, target, stock, 6, {"sequence": 3, "quantity": "4"}, {"sequence": 1})
    assert source.lots(stock) == [(ONE, 8, 240), (TWO, 10, 500), (THREE, 6, 240)]
    assert target.lots(stock) == [(ONE, 2, 60), (THREE, 4, 160)]
    target.post("SELL", "2025-01-03", stock, quantity=6, price=50)
    assert target.closures(stock, "quantity", "cost", "holding_days", "term") == [(2, 60, 367, "LONG"), (4, 160, 305, "SHORT")]


def test_there_and_back_is_as_it_was(alice):
    stock = make_instrument()
    source, target = two(alice, stock)
    before = source.lots(stock)
    move(source, target, stock, 17)
    move(target, source, stock, 17, day="2024-04-09")
    assert sum(row[2] for row in source.lots(stock)) == 1200
    merged: dict[str, list[D]] = {}
    for day, units, cost in source.lots(stock):
        merged.setdefault(day, []).append((units, cost))
    assert [(day, sum(u for u, _ in rows), sum(c for _, c in rows)) for day, rows in merged.items()] == before
    assert target.lots(stock) == []


def test_thirds_lose_no_cost(alice):
    stock = make_instrument()
    source, target = Desk(alice, cost_basis_method="AVERAGE"), Desk(alice)
    source.post("BUY", ONE, stock, quantity=7, price="14.2857142857")
    for day in ("2024-04-01", "2024-04-02", "2024-04-03"):
        move(source, target, stock, "1", day=day)
    move(source, target, stock, "4", day="2024-04-04")
    assert source.position(stock) == (0, 0, 0)
    assert sum(row[2] for row in target.lots(stock)) == D("99.9999999999")


def test_a_cost_in_another_currency_goes_along_in_the_instruments(alice):
    stock = make_instrument(currency="NOK")
    rates("NOK", "USD", {ONE: "0.1"})
    source, target = Desk(alice), Desk(alice, base_currency="SEK")
    source.post("BUY", ONE, stock, quantity=10, price=30, currency="NOK")
    move(source, target, stock, 4)
    assert (source.lots(stock), target.lots(stock)) == ([(ONE, 6, 180)], [(ONE, 4, 120)])


@pytest.mark.parametrize("method", ["FIFO", "AVERAGE"])
def test_what_is_learned_later_moves_no_cost_between_accounts(alice, method):
    """A purchase of 10 at 60 that comes late raises the source's cost by 600; what left stays what it was."""
    stock = make_instrument()
    source, target = two(alice, stock, method=method)
    move(source, target, stock, 15)
    gone, left = target.position(stock)[1], source.position(stock)[1]
    source.post("BUY", "2024-01-01", stock, quantity=10, price=60)
    assert target.position(stock)[1] == gone
    assert source.position(stock)[:2] == (25, left + 600)
    source.check()


def test_taken_back_both_ends_are_as_before(alice):
    stock = make_instrument()
    source, target = two(alice, stock)
    before = source.facts(stock)
    done = move(source, target, stock, 15, external_id="once")
    assert move(source, target, stock, 15, code=200, external_id="once")["group"] == done["group"]
    move(source, target, stock, 14, code=409, external_id="once")
    target.send(f"transfers/{done['group']}/reverse/", {})
    assert source.facts(stock) == before
    assert target.lots(stock) == []
    source.send(f"transfers/{done['group']}/reverse/", {}, 409)


def test_sold_there_before_it_came_is_made_up(alice):
    stock = make_instrument()
    source, target = two(alice, stock)
    target.post("SELL", "2024-04-01", stock, quantity=12, price=60)
    assert target.missing() == [(stock.key, 12, 0)]
    move(source, target, stock, 15)
    assert target.missing() == [(stock.key, 0, 12)]
    assert target.closures(stock) == [(-10, 300, 600), (-2, 100, 120)]
    assert target.lots(stock) == [(TWO, 3, 150)]
    target.check()


def test_days_are_those_of_the_lots_in_utc(alice):
    """Half past one in the night in Tokyo is the afternoon before."""
    stock, desk = make_instrument(), Desk(alice)
    lots = [{"opened_at": "2023-04-09T01:30:00+09:00", "quantity": "2", "cost": "20"}]
    desk.post("TRANSFER_IN", "2024-01-02", stock, quantity=2, data={"lots": lots})
    desk.post("SELL", "2024-04-09", stock, quantity=2, price=20)
    assert desk.closures(stock, "opened_at", "holding_days", "term") == [("2023-04-08", 367, "LONG")]
    desk.check()


def test_more_than_is_held_and_shorts_stay(alice):
    stock, other = make_instrument(), make_instrument()
    source, target = two(alice, stock)
    assert move(source, target, stock, 31, code=400)["errors"][0]["field"] == "quantity"
    assert move(source, target, stock, 21, day="2024-02-06", code=400)["errors"][0]["code"] == "more_than_held"
    source.post("SHORT", ONE, other, quantity=5, price=10)
    assert move(source, target, other, 1, code=400)["errors"][0]["code"] == "more_than_held"


def test_the_same_lots_go_and_come_where_one_entry_opened_several_on_a_day(alice):
    """By LIFO the later lot of the day goes, which cost more: 500, not 300."""
    stock = make_instrument()
    source, target = Desk(alice, cost_basis_method="LIFO"), Desk(alice)
    hours = (("09:00:00", "300"), ("17:00:00", "500"))
    lots = [{"opened_at": f"2023-05-05T{hour}Z", "quantity": "10", "cost": cost} for hour, cost in hours]
    source.post("TRANSFER_IN", ONE, stock, quantity=20, data={"lots": lots})
    move(source, target, stock, 10)
    assert (source.lots(stock), target.lots(stock)) == ([("2023-05-05", 10, 300)], [("2023-05-05", 10, 500)])


def test_the_part_of_a_lot_that_replaced_a_loss_goes_with_its_cost(alice):
    """Of 25 bought for 200 ten replaced a loss of 30: those cost 110, the others 120, of which ten go first by LIFO."""
    stock = make_instrument()
    source, target = Desk(alice, cost_basis_method="LIFO", wash_sales=True), Desk(alice)
    source.post("BUY", ONE, stock, quantity=10, price=10)
    source.post("SELL", TWO, stock, quantity=10, price=7)
    source.post("BUY", THREE, stock, quantity=25, price=8)
    move(source, target, stock, 10)
    assert source.lots(stock) == [(THREE, 10, 110), (THREE, 5, 40)]
    assert target.lots(stock) == [(THREE, 10, 80)]
    move(source, target, stock, 12, day="2024-04-09")
    assert source.lots(stock) == [(THREE, 3, 33)]
    assert sum(row[2] for row in target.lots(stock)) == 80 + 40 + 77
    source.check()


def test_what_lies_in_too_many_lots_for_one_entry_goes_in_two(alice):
    """The longest numbers there are fit, and the refusal says how much can go."""
    stock = make_instrument()
    source, target = Desk(alice), Desk(alice)
    times = [f"2024-01-{1 + n % 28:02}T10:{n // 28:02}:00.123456" for n in range(360)]
    source.post_all(draft("BUY", time, stock, quantity="111111.111111111111", price="1111.1111111111") for time in times)
    found = move(source, target, stock, "39999999", code=400)["errors"][0]
    assert (found["field"], found["code"]) == ("quantity", "too_many_lots")
    most = D(found["detail"].split(" move ")[1].split()[0])
    assert most == 350 * D("111111.111111111111")
    move(source, target, stock, most)
    move(source, target, stock, 10 * D("111111.111111111111"), day="2024-04-09")
    assert (source.position(stock)[1], len(target.get("lots/", limit="500")["results"])) == (0, 360)
