"""Published cases of lots, entered and read by REST as users would; the tests of the domain say which conventions differ."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.factories import make_instrument
from tests.portfolio.desk import Desk, draft
from tests.portfolio.fixtures import published
from tests.portfolio.market import bars

D = Decimal


def moment(spend):
    return datetime.fromtimestamp(spend["timestamp"], UTC).isoformat()[:19]


@pytest.mark.parametrize("method", ["FIFO", "LIFO"])
def test_beancount_books_these_lots(alice, method):
    case = published("beancount/lot_booking_fifo_lifo.json")
    for one in (one for one in case["cases"] if one["method"] == method and one["reduce"] != "0"):
        stock, desk = make_instrument(), Desk(alice, cost_basis_method=method)
        desk.post_all(
            draft("BUY", lot["date"], stock, quantity=lot["quantity"], price=lot["price"]) for lot in case["lots_before"]
        )
        units = -D(one["reduce"])
        desk.post("SELL", "2015-10-05", stock, quantity=units, price=1)
        if units > 15:  # beancount refuses what we keep and name
            assert desk.missing() == [(stock.key, units - 15, 0)]
            continue
        assert [row[:2] for row in desk.closures(stock, "opened_at", "quantity")] == [
            (lot["date"], -D(lot["quantity"])) for lot in one["booked"]
        ]
        after = {(day, units, cost / units) for day, units, cost in desk.lots(stock)}
        assert after == {(lot["date"], D(lot["quantity"]), D(lot["price"])) for lot in one["lots_after"]}
        if "cost_of_reduction" in one:
            assert sum(row[1] for row in desk.closures(stock)) == D(one["cost_of_reduction"])


def test_rotki_parts_costs_by_the_holding_period(alice):
    for case in published("rotki/cost_basis_fifo_holding_period.json")["cases"]:
        coin, desk = make_instrument(asset_class="CRYPTO"), Desk(alice, long_term_days=365)
        desk.post_all(draft("BUY", moment(one), coin, quantity=one["amount"], price=one["rate"]) for one in case["acquisitions"])
        for spend in case.get("spends") or [case["spend"]]:
            entry = desk.post("SELL", moment(spend), coin, quantity=spend["amount"], price=1)
            expected = spend.get("expected") or case["expected"]
            closed = desk.closures(coin, "term", "cost", closing=entry["sequence"])
            costs = {term: sum(cost for own, cost in closed if own == term) for term in ("LONG", "SHORT")}
            assert costs == {"LONG": D(expected["taxfree_bought_cost"]), "SHORT": D(expected["taxable_bought_cost"])}, case[
                "name"
            ]
            left = [row[1] for row in desk.lots(coin, missing="false")]
            assert left == [D(lot) for lot in expected.get("remaining_lots", left)]
        missing = D(case.get("expected", {}).get("missing_amount", 0))
        assert [row[1:] for row in desk.missing()] == ([(missing, 0)] if missing else [])


def test_rotki_averages_these_costs(alice):
    coin, desk = make_instrument(asset_class="CRYPTO"), Desk(alice, cost_basis_method="AVERAGE")
    for number, step in enumerate(published("rotki/cost_basis_average_11_steps.json")["steps"], 1):
        kind = step["side"].upper()
        entry = desk.post(kind, f"2024-01-{number:02}", coin, quantity=step["amount"], price=step["price"])
        gain = sum(brought - cost for _, cost, brought in desk.closures(coin, closing=entry["sequence"]))
        assert gain + D(step.get("missing", 0)) * D(step["price"]) == D(step["pnl"])
        assert sum(row[2] for row in desk.lots(coin, missing="false")) == D(step["total_cost_after"])


GHOSTFOLIO = [
    "baln_buy", "baln_buy_and_buy", "baln_buy_and_sell_in_two_activities", "novn_buy_and_sell_partially",
    "novn_buy_and_sell_unordered_input", "no_split", "split_then_partial_sell",
]  # fmt: skip


@pytest.mark.parametrize("name", GHOSTFOLIO)
def test_ghostfolio_makes_these_gains(alice, name):
    """Its average price and gross performance leave fees out."""
    case = published(f"ghostfolio/{name}.json")
    given, expected = case["input"], case["expected"]
    stock = make_instrument(currency=given["base_currency"])
    for closes in given.get("prices", {}).values():
        bars(stock, closes)
    desk = Desk(alice, base_currency=given["base_currency"], cost_basis_method="AVERAGE")
    rows = [
        draft(one["type"], one["date"], stock, quantity=one["quantity"], price=one["unit_price"], fee=one["fee"])
        for one in given["transactions"]
    ]
    rows += [
        draft("SPLIT", one["date"], stock, data={"ratio": f"{one['numerator']}:{one['denominator']}"})
        for one in given.get("splits", ())
    ]
    desk.post_all(rows)
    told = {"as_of": given["as_of"]} if "as_of" in given else {}
    row = desk.get("positions/", state="all", **told)["results"][0]
    found = {name: D(row[name] or 0) for name in ("quantity", "cost_basis", "realized_gain", "fees", "unrealized_gain")}
    bought = sum(D(one["fee"]) for one in given["transactions"] if one["type"] == "BUY")
    units = sum(D(one["quantity"]) for one in given["transactions"] if one["type"] == "BUY") * (2 if "then" in name else 1)
    assert found["quantity"] == D(expected["quantity"])
    assert found["cost_basis"] - bought * found["quantity"] / units == D(expected["investment"])
    if "net_performance" in expected:
        net = found["realized_gain"] + found["unrealized_gain"]
        assert (net, net + found["fees"]) == (D(expected["net_performance"]), D(expected["gross_performance"]))


@pytest.mark.parametrize("name", ["trade_long_closed", "trade_long_multiple_buys_fifo", "trade_category_short_average_return"])
def test_portfolio_performance_makes_these_profits(alice, name):
    case = published(f"portfolio-performance/{name}.json")
    stock, desk = make_instrument(), Desk(alice)
    kinds = {"BUY": "BUY", "SELL": "SELL"} if case["input"]["fills"][0]["side"] == "BUY" else {"BUY": "COVER", "SELL": "SHORT"}
    desk.post_all(
        draft(kinds[one["side"]], one["date"], stock, quantity=one["quantity"], price=one["price"])
        for one in case["input"]["fills"]
    )
    expected = case["expected"]
    profit = expected.get("profit") or expected["trades"][0]["profit"]
    assert desk.position(stock, "realized_gain") == (D(profit),)


def test_portfolio_performance_keeps_dates_through_transfers(alice):
    """Issue 4446: ten units that went through two depots into a third are the two oldest fives, for 1,000."""
    case = published("portfolio-performance/issue_4446_fifo_multiple_transfers.json")
    stock = make_instrument(currency="EUR")
    depots = {one["key"]: one["transactions"] for one in case["input"]["portfolio_file"]["portfolios"]}
    desks = {key: Desk(alice, base_currency="EUR") for key in depots}
    rows = sorted((row | {"depot": key} for key, own in depots.items() for row in own), key=lambda row: row["date"])
    for row in rows:
        desk, day = desks[row["depot"]], row["date"][:10]
        if row["type"] in {"BUY", "SELL"}:
            desk.post(row["type"], day, stock, quantity=row["shares"], price=D(row["amount"]) / D(row["shares"]))
        elif row["type"] == "TRANSFER_OUT":
            target = desks[row["cross_entry"]["portfolioTo"]].account.pk
            body = {"to": str(target), "occurred_at": f"{day}T16:00:00Z", "instrument": stock.key, "quantity": row["shares"]}
            desk.send("transfers/", body)
    closed = desks["P4"].closures(stock)
    assert sum(cost for _, cost, _ in closed) == D(case["expected"]["first_trade_entry_value"])
    assert sum(len(desk.closures(stock)) for desk in desks.values()) == len(closed)


def test_wealthfolio_keeps_the_rest_of_a_sale(alice):
    case = next(one for one in published("wealthfolio/holdings_and_performance.json")["cases"] if one["name"] == "partial sale")
    stock, desk = make_instrument(), Desk(alice)
    held, (sale,) = case["input"]["position"], case["input"]["activities"]
    price = D(held["cost_basis"]) / D(held["quantity"])
    desk.post("BUY", "2023-01-01", stock, quantity=held["quantity"], price=price, fee=5)
    desk.post("SELL", sale["date"], stock, quantity=sale["quantity"], price=sale["price"], fee=sale["fee"])
    units, cost, gain = desk.position(stock)
    assert (units, cost - D("2.5")) == (D(case["expected"]["quantity"]), D(case["expected"]["cost_basis"]))
    assert gain == 798 - 750 - D("2.5")
