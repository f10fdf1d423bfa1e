"""Published cases of Ghostfolio.

Its gross performance is before fees, ours after; its percentages are of the average investment over time, which is no figure
of ours and is computed here. Nothing was deposited there: the purchases go into debt.
"""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from portfolio.domain.entries import Listing
from tests.portfolio.domain.values import SHARE, derived, entry, folded
from tests.portfolio.fixtures import published

D = Decimal
TINY = D("1e-12")


def trades(case, *, fees=True):
    """Return the purchases and sales of a case, with or without their fees."""
    return [
        entry(
            one["type"],
            one["date"],
            SHARE,
            quantity=D(one["quantity"]) * (1 if one["type"] == "BUY" else -1),
            price=one["unit_price"],
            fee=one["fee"] if fees else 0,
            currency=one["currency"],
        )
        for one in case["input"]["transactions"]
    ]


def account(case, *, fees=True):
    """Return what follows from a case up to the day it looks from."""
    currency, last = case["input"]["base_currency"], case["input"]["as_of"]
    ((_, closes),) = case["input"]["prices"].items()
    known = {day: close for day, close in closes.items() if day <= last}
    market = {"base": currency, "listings": {SHARE: Listing(currency)}, "closes": {SHARE: known}}
    return derived(*trades(case, fees=fees), **market)


def invested(case, day):
    """Return the average cost, without fees, of what was held at the end of a day."""
    rows = [row for row in trades(case, fees=False) if row.occurred_at.date() <= day]
    listings = {SHARE: Listing(rows[0].currency)}
    return folded(*rows, method="AVERAGE", base=rows[0].currency, listings=listings).holdings[SHARE].cost


def average_investment(case):
    """Return the investment of the days on which there was one, on average."""
    day, last = min(date.fromisoformat(one["date"]) for one in case["input"]["transactions"]), case["input"]["as_of"]
    amounts = []
    while day < date.fromisoformat(last):
        amounts.append(invested(case, day))
        day += timedelta(days=1)
    held = [amount for amount in amounts if amount]
    return sum(held) / len(held)


@pytest.mark.parametrize(
    "name", ["baln_buy", "baln_buy_and_buy", "baln_buy_and_sell_in_two_activities", "novn_buy_and_sell_partially"]
)
def test_positions_and_performance(name):
    case = published(f"ghostfolio/{name}.json")
    expected = {key: D(value) for key, value in case["expected"].items() if isinstance(value, str)}
    found, gross = account(case), account(case, fees=False)
    (position,), holding = found.positions, found.book.holdings[SHARE]
    assert holding.quantity == expected["quantity"]
    assert holding.fees == expected["fees"]
    assert position.market_value == expected["current_value"]
    assert holding.realized + position.unrealized_gain == expected["net_performance"]
    assert gross.book.holdings[SHARE].realized + gross.positions[0].unrealized_gain == expected["gross_performance"]
    investment = invested(case, date.fromisoformat(case["input"]["as_of"]))
    assert investment == expected["investment"]
    if holding.quantity:
        assert investment / holding.quantity == expected["average_price"]
    average = average_investment(case)
    assert abs(average - expected["time_weighted_investment"]) < TINY
    assert abs(expected["gross_performance"] / average - expected["gross_performance_pct"]) < TINY
    assert abs(expected["net_performance"] / average - expected["net_performance_pct"]) < TINY
    for one in case["expected"].get("investments", ()):
        assert invested(case, date.fromisoformat(one["date"])) == D(one["investment"])


def test_gains_of_ranges_are_sums_of_days():
    case = published("ghostfolio/baln_buy.json")
    figures = account(case).figures
    last = date.fromisoformat(case["input"]["as_of"])
    opened = {"1d": last - timedelta(1), "wtd": date(2021, 12, 12), "mtd": date(2021, 11, 30), "ytd": date(2020, 12, 31)}
    opened |= {"1y": date(2020, 12, 18), "5y": date(2016, 12, 18), "max": date(1, 1, 1)}
    for name, gain in case["expected"]["net_performance_by_range"].items():
        days = [day for day in figures if day.day > opened[name].toordinal()]
        assert sum(day.day_gain for day in days) == D(gain), name
        assert days[-1].total_gain - (days[0].total_gain - days[0].day_gain) == D(gain), name


@pytest.mark.parametrize("name", ["baln_buy_below_close", "baln_buy_below_close_on_buy_date"])
def test_a_purchase_below_the_close_gains_on_its_day(name):
    case = published(f"ghostfolio/{name}.json")
    gains = {date.fromordinal(day.day).isoformat(): day.day_gain for day in account(case).figures}
    assert {day: gains[day] for day in case["expected"]["net_performance_on"]} == {
        day: D(gain) for day, gain in case["expected"]["net_performance_on"].items()
    }


class TestCurrencies:
    """The dollars of the sale leave on its day, so that the move of the rate since is no gain, as Ghostfolio counts it."""

    def test_the_effect_of_the_currency(self):
        case = published("ghostfolio/btcusd_buy_and_sell_partially_chf.json")
        expected = {key: D(value) for key, value in case["expected"].items() if isinstance(value, str)}
        bought, sold = trades(case)
        last = case["input"]["as_of"]
        closes = {day: close for day, close in case["input"]["prices"]["BTCUSD"].items() if day <= last}
        rates = case["input"]["fx"]["USDCHF"]
        found = derived(
            entry("DEPOSIT", "2015-01-01", cash=-bought.cash),
            bought,
            sold,
            entry("WITHDRAWAL", "2017-12-31", cash=-sold.cash),
            base="CHF",
            closes={SHARE: closes},
            rates={("USD", "CHF"): rates},
        )
        (position,), holding, end = found.positions, found.book.holdings[SHARE], found.figures[-1]
        assert (holding.quantity, holding.cost / holding.quantity) == (expected["quantity"], expected["average_price"])
        assert holding.realized + position.unrealized_gain == expected["gross_performance_in_asset_currency"]
        at_last = (holding.realized + position.unrealized_gain) * D(rates[last])
        assert at_last == expected["gross_performance_at_current_fx"]
        assert end.total_value == position.value_in_base == expected["current_value"]
        # theirs rounds rates as floats do
        assert abs(end.total_gain - expected["gross_performance_with_currency_effect"]) < D("1e-9")
        assert abs(holding.cost * D(rates["2015-01-01"]) - expected["investment_with_currency_effect"]) < D("1e-9")
        for one in case["expected"]["investments_in_asset_currency"]:
            assert invested(case, date.fromisoformat(one["date"])) == D(one["investment"])
        assert sum(day.price_gain + day.currency_gain for day in found.figures) == end.total_gain


class TestSplits:
    def test_without_one_nothing_changes(self):
        case = published("ghostfolio/no_split.json")
        holding = folded(*trades(case)).holdings[SHARE]
        assert (holding.quantity, holding.cost) == (D(case["expected"]["quantity"]), D(case["expected"]["investment"]))
        assert holding.cost / holding.quantity == D(case["expected"]["average_price"])

    def test_what_a_provider_adjusted_is_as_traded_here(self):
        """Stored closes are as traded: those before the split are taken times its ratio, and count no second time."""
        case = published("ghostfolio/split_provider_prices_already_adjusted.json")
        (split,) = case["input"]["splits"]
        closes = case["input"]["prices"]["MSFT"]
        traded = {day: D(close) * (split["numerator"] if day < split["date"] else 1) for day, close in closes.items()}
        found = derived(
            *trades(case),
            entry("SPLIT", split["date"], SHARE, data={"ratio": f"{split['numerator']}:{split['denominator']}"}),
            closes={SHARE: traded},
        )
        (position,), holding, expected = found.positions, found.book.holdings[SHARE], case["expected"]
        assert (holding.quantity, holding.cost) == (D(expected["quantity"]), D(expected["investment"]))
        assert (position.market_price, position.market_value) == (D(expected["market_price"]), D(expected["current_value"]))
        assert found.figures[0].positions_value == D(expected["investment"])
