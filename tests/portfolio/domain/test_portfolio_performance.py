"""Published cases of Portfolio Performance.

Its gains are of prices alone and leave fees and taxes out; ours of lots have those of trades inside. Deliveries of units it
values at the amounts they state, we at the price of the market.
"""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from portfolio.domain import ratios
from portfolio.domain.bridge import Daily, bridge_of
from portfolio.domain.entries import Listing
from portfolio.domain.performance import Point, measure
from portfolio.domain.trades import Trade, statistics_of
from portfolio.domain.xirr import money_weighted
from tests.portfolio.domain.values import SHARE, derived, entry, folded
from tests.portfolio.fixtures import published

D = Decimal
CENT = D("0.01")
OUT = {"SELL", "WITHDRAWAL", "DELIVERY_OUTBOUND"}


def case_of(name):
    return published(f"portfolio-performance/{name}.json")


def fills(case):
    """Return the entries of fills."""
    kinds = {"BUY": 1, "SELL": -1}
    return [
        entry(one["side"], one["date"], SHARE, quantity=kinds[one["side"]] * D(one["quantity"]), price=one["price"])
        for one in case["input"]["fills"]
    ]


def charges(row):
    """Return the fees and taxes inside a transaction of a file."""
    sums = {"FEE": D(0), "TAX": D(0)}
    for unit in row.get("units", ()):
        if unit["type"] in sums:
            sums[unit["type"]] += D(unit["amount"])
    return {"fee": sums["FEE"], "tax": sums["TAX"]}


def unit_trade(row):
    """Return the trade of a transaction of units; a delivery is one at the amount it states."""
    sign = -1 if row["type"] in OUT else 1
    fields = {"quantity": sign * D(row["shares"]), "price": 1, "cash": -sign * D(row["amount"]), "currency": row["currency"]}
    return entry("BUY" if sign == 1 else "SELL", row["date"][:10], SHARE, **fields, **charges(row))


def measured(figures, start, end):
    """Return the performance after one day, up to another."""
    points = [Point(day.day, day.total_value, day.net_flow, day.twr_index, day.priced, day.complete) for day in figures]
    opening = [point for point in points if point.date.isoformat() <= start]
    return measure(
        [point for point in points if start < point.date.isoformat() <= end],
        periods=252,
        opening=opening[-1] if opening else None,
    )


class TestTrades:
    """A trade of theirs is what one sale closed, and what is still held."""

    @pytest.mark.parametrize("name", ["trade_long_closed", "trade_long_multiple_buys_fifo"])
    def test_closed_and_open(self, name):
        case = case_of(name)
        rows = fills(case)
        found = derived(*rows, closes={SHARE: case["input"].get("last_price", {})})
        closed, *still_open = case["expected"]["trades"]
        closures = found.book.closures
        cost, proceeds = sum(one.cost for one in closures), sum(one.proceeds for one in closures)
        assert sum(one.quantity for one in closures) == D(closed["quantity"])
        assert proceeds - cost == sum(one.gain for one in closures) == D(closed["profit"])
        assert (proceeds - cost) / cost == pytest.approx(D(closed["return"]), abs=D("1e-15"))
        if "entry_value" in closed:
            assert (cost, proceeds) == (D(closed["entry_value"]), D(closed["exit_value"]))
            assert closures[0].opened_at.date().isoformat() == closed["start"]
            assert closures[0].closed_at.date().isoformat() == closed["end"]
        flows = [(one.opened_at.date(), -one.cost) for one in closures] + [
            (one.closed_at.date(), one.proceeds) for one in closures
        ]
        assert money_weighted(flows).rate == pytest.approx(float(closed["irr"]), abs=1e-4)
        assert bool(still_open) is bool(found.book.holdings[SHARE].quantity)
        for one in still_open:
            assert found.book.holdings[SHARE].quantity == D(one["quantity"])
            assert found.positions[0].unrealized_gain == D(one["profit"])

    def test_a_trade_in_another_currency_at_the_rates_it_states(self):
        """The account is in dollars here, so that the rate on the entry counts; the instrument is quoted in them."""
        case = case_of("trade_forex_closed_with_fees_taxes")
        expected, rows = case["expected"], []
        for kind, sign in (("buy", 1), ("sell", -1)):
            one = case["input"][kind]
            fields = {"cash": -sign * D(one["eur"]), "fee": one["fee_eur"], "tax": one["tax_eur"], "currency": "EUR", "price": 1}
            fields["data"] = {"fx_rate": f"{1 / D(one['rate']):.18f}"}
            rows.append(entry(kind.upper(), one["date"], SHARE, quantity=sign * D(case["input"]["quantity"]), **fields))
        book = folded(*rows)
        (closure,), holding = book.closures, book.holdings[SHARE]
        assert (closure.cost, closure.proceeds) == (D(expected["entry"]), D(expected["exit"]))
        assert closure.gain == D(expected["profit_net"])
        assert closure.gain + holding.fees + holding.taxes == D(expected["profit_gross"])
        assert closure.gain / closure.cost == pytest.approx(D(expected["ret"]), abs=D("1e-15"))
        flows = [(closure.opened_at.date(), -closure.cost), (closure.closed_at.date(), closure.proceeds)]
        assert money_weighted(flows).rate == pytest.approx(float(expected["irr"]), abs=1e-5)

    def test_a_short_sale_that_won(self):
        case = case_of("trade_category_short_average_return")
        sold, bought = fills(case)
        (closure,) = folded(sold._replace(kind="SHORT"), bought._replace(kind="COVER")).closures
        found = statistics_of([Trade(closure.closed_at, closure.gain)])
        assert (closure.gain, found.wins) == (D(case["expected"]["profit"]), case["expected"]["winning"])
        assert closure.gain / closure.proceeds == D("0.1")

    def test_half_a_trade(self):
        """Trades aren't shared out among categories here: the weight is put on in the test."""
        case = case_of("trade_category_weighted")
        (closure,) = folded(*fills(case)).closures
        weight, expected = D(case["input"]["weight"]), case["expected"]
        assert (closure.cost * weight, closure.proceeds * weight) == (D(expected["entry"]), D(expected["exit"]))
        assert (closure.gain * weight, closure.gain / closure.cost) == (D(expected["profit"]), D(expected["average_return"]))

    def test_lots_of_one_day(self):
        case = case_of("trade_same_day_lots_bitcoin")
        rows = [unit_trade(row) for row in case["input"]["portfolio_file"]["portfolios"][0]["transactions"]]
        first = case["expected"]["first_trade"]
        for method, name in (("FIFO", "entry_value_fifo"), ("AVERAGE", "entry_value_moving_average")):
            book = folded(*rows, method=method, base="EUR", listings={SHARE: Listing("EUR")})
            costs = defaultdict(Decimal)
            for closure in book.closures:
                costs[closure.closing] += closure.cost
            assert next(iter(costs.values())).quantize(CENT) == D(first[name])
            assert len(costs) + bool(book.holdings[SHARE].quantity) == case["expected"]["trades"]
        assert book.closures[0].opened_at.date().isoformat() == first["start"]
        assert book.closures[0].closed_at.date().isoformat() == first["end"]

    def test_in_canadian_dollars(self):
        case = case_of("trade_cad")
        rows = [unit_trade(row) for row in case["input"]["portfolio_file"]["portfolios"][0]["transactions"]]
        for method in ("FIFO", "AVERAGE"):
            (closure,) = folded(*rows, method=method, base="CAD", listings={SHARE: Listing("CAD")}).closures
            assert closure.cost == D(case["expected"]["entry_value"])
            assert closure.opened_at.date().isoformat() == case["expected"]["start"]
            assert closure.closed_at.date().isoformat() == case["expected"]["end"]


class TestBridge:
    """The purchase amount of these is irrelevant, and so are the deposits that paid it."""

    @pytest.mark.parametrize(
        "name",
        ["snapshot_interest_on_last_day", "snapshot_capital_gains", "snapshot_partial_sale", "snapshot_partial_sale_with_fee"],
    )
    def test_of_a_period(self, name):
        case = case_of(name)
        rows = []
        for one in case["input"]["transactions"]:
            sign = -1 if one["type"] in OUT else 1
            if "shares" in one:
                fields = {"quantity": sign * D(one["shares"]), "price": 1, "cash": -sign * D(one["amount"])}
                rows.append(entry(one["type"], one["date"], SHARE, **fields, fee=one.get("fee", 0)))
            else:
                rows.append(entry(one["type"], one["date"], cash=sign * D(one["amount"])))
        if name == "snapshot_capital_gains":
            rows.append(entry("DEPOSIT", "2010-01-01", cash=1))
        days = derived(*rows, closes={SHARE: case["input"].get("prices", {})}).figures
        start, end = (date.fromisoformat(when).toordinal() for when in case["input"]["period"])
        opening = next(day for day in reversed(days) if day.day <= start)
        period = [Daily(*(getattr(day, field) for field in Daily._fields)) for day in days if start < day.day <= end]
        found, expected = bridge_of(period), {key: D(value) for key, value in case["expected"].items()}
        assert opening.total_value == expected.get("initial", 1000)
        assert found.price == expected.get("capital_gains", 0) + expected.get("realized_capital_gains", 0)
        assert found.income + found.interest == expected.get("earnings", 0)
        assert found.fees == expected.get("fees", 0)
        assert found.taxes == found.currency == 0
        if "final" in expected:
            assert days[-1].total_value == expected["final"]
        assert opening.total_value + sum(day.inflow - day.outflow for day in period) + found.gain == days[-1].total_value

    def test_fees_and_taxes_of_a_dividend(self):
        case = case_of("issue_1897_fees_on_dividend")
        file = case["input"]["portfolio_file"]
        (paid,) = [row for row in file["accounts"][0]["transactions"] if row["type"] == "DIVIDENDS"]
        dividend = entry("DIVIDEND", paid["date"][:10], SHARE, cash=paid["amount"], currency="EUR", **charges(paid))
        bought = unit_trade(file["portfolios"][0]["transactions"][0])
        expected = case["expected"]
        assert (dividend.fee, dividend.tax) == (D(expected["dividend_fee"]), D(expected["dividend_tax"]))
        listings = {SHARE: Listing("EUR")}
        found = derived(bought, dividend, base="EUR", listings=listings, closes={SHARE: dict(file["securities"][0]["prices"])})
        holding = found.book.holdings[SHARE]
        assert (holding.fees, holding.taxes) == (D(expected["fees"]), 6 + D(expected["dividend_tax"]))
        assert holding.income == D(paid["amount"]) + 10 + 11
        assert sum(day.fees for day in found.figures) == D(expected["fees"])


class TestSecurities:
    def test_each_portfolio_has_its_own_lots(self):
        """Each is an account here. Theirs averages across both (1,500), ours within each, as lots are."""
        case = case_of("issue_1909_fifo_per_portfolio")
        file, expected = case["input"]["portfolio_file"], case["expected"]
        market = {"base": "EUR", "listings": {SHARE: Listing("EUR")}, "closes": {SHARE: dict(file["securities"][0]["prices"])}}
        held, sold = (
            derived(*(unit_trade(row) for row in portfolio["transactions"]), **market) for portfolio in file["portfolios"]
        )
        holding, (position,) = held.book.holdings[SHARE], held.positions
        assert (holding.quantity, holding.cost) == (D(expected["shares"]), D(expected["cost_fifo"]))
        assert position.market_value == D(expected["market_value"])
        assert position.unrealized_gain == D(expected["capital_gains_on_holdings_fifo"])
        gain = position.unrealized_gain + sold.book.holdings[SHARE].realized
        assert gain == D(expected["gain"])
        assert gain / (2000 + 1000) == D(expected["gain_pct"])

    def test_a_tax_refund(self):
        """Returns of securities leave taxes out there: the account that is measured here pays none."""
        case = case_of("scenario_security_tax_refund_all_sold")
        file, expected = case["input"]["portfolio_file"], case["expected"]
        bought, sold = (unit_trade(row) for row in file["portfolios"][0]["transactions"])
        (refund,) = [row for row in file["accounts"][0]["transactions"] if row["type"] == "TAX_REFUND"]
        market = {"base": "EUR", "listings": {SHARE: Listing("EUR")}, "closes": {SHARE: dict(file["securities"][0]["prices"])}}
        back = entry("TAX", refund["date"], SHARE, cash=refund["amount"], currency="EUR")
        holding = folded(bought, back, sold, **market).holdings[SHARE]
        assert (holding.quantity, holding.fees, holding.taxes) == (0, D(expected["fees"]), D(expected["taxes"]))
        assert holding.realized + 20 + 20 == D(expected["realized_gain_fifo"])
        gain = holding.realized + D(refund["amount"])
        assert gain == D(expected["gain"])
        assert float(gain / -bought.cash) == pytest.approx(float(expected["gain_pct"]), abs=1e-12)
        bought, sold = (row._replace(cash=row.cash + row.tax, tax=D(0)) for row in (bought, sold))
        paid = entry("DEPOSIT", "2014-01-02", cash=-bought.cash, currency="EUR")
        figures = derived(paid, bought, sold, **market).figures
        found = measured(figures, *case["input"]["period"])
        assert float(found.twr) == pytest.approx(float(expected["ttwror_annualized"]), abs=1e-9)
        assert float(-found.max_drawdown) == pytest.approx(float(expected["max_drawdown"]), abs=1e-9)
        rate = money_weighted([(bought.occurred_at.date(), bought.cash), (sold.occurred_at.date(), sold.cash)]).rate
        assert rate == pytest.approx(float(expected["irr"]), abs=1e-8)

    def test_a_first_price_is_not_carried_backward(self):
        """Theirs takes the earliest quote for the days before it; ours knows no price then, and links the index over them.

        So the depth of the fall is that from what was put in; of theirs, which begins with the first quote, it is that since.
        """
        case = case_of("scenario_missing_historical_quotes")
        file, expected = case["input"]["portfolio_file"], case["expected"]
        (row,) = file["portfolios"][0]["transactions"]
        security = file["securities"][0]
        closes = dict([*security["prices"], security["latest_quote"]])
        cost = D(row["amount"])
        delivered = entry("TRANSFER_IN", row["date"], SHARE, quantity=row["shares"], data={"cost": row["amount"]}, currency="EUR")
        found = derived(delivered, base="EUR", listings={SHARE: Listing("EUR")}, closes={SHARE: closes})
        (position,), last = found.positions, found.figures[-1]
        assert position.market_value == D(expected["market_value"])
        assert found.book.holdings[SHARE].cost == D(expected["cost_fifo"])
        assert position.unrealized_gain == last.total_gain == D(expected["gain"])
        assert found.missing[SHARE] == (date(2014, 1, 2), date(2014, 12, 3))
        assert float(last.total_gain / cost) == pytest.approx(float(expected["gain_pct"]), abs=1e-12)
        whole = measured(found.figures, *case["input"]["period"])
        assert float(whole.twr) == pytest.approx(float(expected["gain_pct"]), abs=1e-12)
        assert float(whole.twr) == pytest.approx(float(expected["ttwror"]), abs=1e-4)
        assert float(whole.xirr) == pytest.approx(float(expected["irr"]), abs=1e-4)
        since = measured(found.figures, "2014-12-03", "2014-12-04")
        assert float(-since.max_drawdown) == pytest.approx(float(expected["max_drawdown"]), abs=1e-12)

    def test_lots_bought_with_two_currencies(self):
        case = case_of("scenario_currency_sample_fifo_forex")
        file = published("portfolio-performance/scenario_currency_sample_period.json")["input"]["portfolio_file"]
        expected, rates = case["expected"], case["input"]["fx"]["EURUSD"]
        rows = []
        for row in (row for portfolio in file["portfolios"] for row in portfolio["transactions"] if row["security"] == "S1"):
            fields = {"quantity": row["shares"], "price": 1, "cash": -D(row["amount"]), "currency": row["currency"]}
            rows.append(entry("BUY", row["date"], SHARE, **fields, **charges(row)))
        usd = {when: 1 / D(rate) for when, rate in rates.items()}
        (security,) = [one for one in file["securities"] if one["key"] == "S1"]
        closes = {when: price for when, price in security["prices"]} | dict([security["latest_quote"]])
        market = {"base": "EUR", "rates": {("USD", "EUR"): usd, ("EUR", "USD"): rates}, "closes": {SHARE: closes}}
        found = derived(*rows, **market)
        holding, (position,) = found.book.holdings[SHARE], found.positions
        known = found.book.market.rates["USD", "EUR"]
        costs = [(lot.cost * known.value_at(lot.opened_at.toordinal())).quantize(CENT) for lot in holding.lots]
        assert holding.quantity == D(expected["shares"])
        assert costs == [D(cost) for cost in expected["cost_lots"]]
        assert sum(costs) == D(expected["cost_fifo"])
        assert (position.market_price, found.figures[-1].day) == (D(expected["price_usd"]), date(2015, 8, 7).toordinal())
        assert position.value_in_base.quantize(CENT) == D(expected["market_value"])
        for name, charged in (("fees", holding.fees), ("taxes", holding.taxes)):
            assert (charged * known.value_at(holding.lots[0].opened_at.toordinal())).quantize(CENT) == D(expected[name])
        gain = position.value_in_base - sum(costs)
        assert gain.quantize(CENT) == D(expected["gain"])


class TestEmpty:
    def test_nothing_has_no_return(self):
        """Theirs is zero for every day of an empty portfolio; here there are no days, and so none has a return."""
        case = case_of("ttwror_no_valuation")
        assert (derived().figures, D(case["expected"]["accumulated_all"])) == ([], 0)
        still = [entry("DEPOSIT", "2012-01-01", cash=1), entry("FEE", "2012-01-09", cash=0)]
        assert [day.twr_index for day in derived(*still).figures] == [1] * 9

    def test_volatility_of_what_stands_still(self):
        """Of a single return or none theirs is zero, ours is not defined."""
        case = case_of("volatility_degenerate")
        for series, theirs in zip(case["input"]["series"], case["expected"]["volatility"], strict=True):
            growth = 1 + np.array([float(r) for r in series])
            for figure in (ratios.volatility(growth, 252), ratios.semi_deviation(growth, 252)):
                assert (figure is None) if len(series) < 2 else figure == pytest.approx(float(theirs), abs=1e-12)
