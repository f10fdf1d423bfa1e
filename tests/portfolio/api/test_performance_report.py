"""The printed report on an account's performance: one page that is whole in itself."""

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from marketdata.domain.display import money_text
from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post, share
from tests.portfolio.market import bars, fresh_currencies, rates

D = Decimal
NAME = "<script>alert(1)</script> & Söhne"


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


def page(user, account, code: int = 200, accept: str = "text/html", **query) -> str:
    answer = browser(user).get(f"/api/v1/accounts/{account.pk}/reports/performance/", query, HTTP_ACCEPT=accept)
    assert answer.status_code == code, answer.content
    return answer.content.decode()


@pytest.fixture
def account(alice):
    """Three years of one thing that rises, falls and rises, and another that pays."""
    account = make_account(owner=alice, name=NAME)
    wave, bond = make_instrument(name="Wave <b>Holdings</b>"), make_instrument(name="A Bond")
    days = [date(2021, 1, 4) + timedelta(days=number) for number in range(3 * 365)]
    weekdays = [(number, day) for number, day in enumerate(days) if day.weekday() < 5]
    bars(wave, {str(day): round(100 + number / 15 + 20 * math.sin(number / 90), 2) for number, day in weekdays})
    bars(bond, {str(day): 50 for _, day in weekdays})
    post(account, "DEPOSIT", cash="10000", occurred_at=at("2021-01-04"))
    post(account, "BUY", instrument=wave, quantity="60", price="100", fee="5", occurred_at=at("2021-01-04"))
    post(account, "BUY", instrument=bond, quantity="40", price="50", occurred_at=at("2021-01-05"))
    post(account, "DIVIDEND", instrument=bond, cash="85", tax="15", occurred_at=at("2022-03-01"))
    post(account, "DEPOSIT", cash="5000", occurred_at=at("2022-06-01"))
    post(account, "SELL", instrument=wave, quantity="-10", price="130", occurred_at=at("2023-02-01"))
    return account


class TestPage:
    def test_tells_figures_and_draws_charts(self, alice, account):
        told = page(alice, account)
        assert "Performance from 4 January 2021 to" in told
        for title in (
            "Money",
            "Returns",
            "Risk",
            "What made the value",
            "Returns by month",
            "The deepest falls",
            "Held at the end",
        ):
            assert f"<h2>{title}</h2>" in told
        charts = re.findall(r"<svg.*?</svg>", told, re.S)
        assert len(charts) == 4
        for drawn in charts:
            assert ElementTree.fromstring(drawn).tag == "svg"  # noqa: S314  our own

    def test_asks_nobody_and_runs_nothing(self, alice, account):
        answer = browser(alice).get(f"/api/v1/accounts/{account.pk}/reports/performance/")
        told = answer.content.decode()
        assert not re.search(r"<(script|link|img|iframe|object|embed)|https?://|url\(|@import|javascript:", told, re.I)
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in told
        assert "&lt;b&gt;Holdings" in told
        assert "default-src 'none'" in answer["Content-Security-Policy"]

    def test_bridge_leads_from_one_value_to_the_other(self, alice, account):
        told = page(alice, account, year=2022)
        section = told[told.index("What made the value") :].split("</section>")[0]
        amounts = [float(text.replace(",", "")) for text in re.findall(r'<td class="n[ a-z]*">([-+0-9.,]+)</td>', section)]
        assert len(amounts) == 9
        assert sum(amounts[:-1]) == pytest.approx(amounts[-1], abs=0.05)
        assert "+5,000.00" in section
        assert "+100.00" in section

    def test_is_of_the_period_asked_for(self, alice, account):
        told = page(alice, account, start="2022-02-01", end="2022-05-01")
        assert "from 1 February 2022 to 30 April 2022" in told
        assert "<td>2021</td>" not in told

    def test_says_why_there_is_nothing(self, alice):
        told = page(alice, make_account(owner=alice))
        assert "No day has been valued yet." in told
        assert "<svg" not in told

    def test_says_which_rate_is_missing(self, alice, account):
        assert "USD/XAF" in page(alice, account, currency="XAF")

    def test_of_one_day_has_figures_and_fewer_charts(self, alice, account):
        told = page(alice, account, start="2022-02-01", end="2022-02-02")
        assert "Performance on 1 February 2022, in USD" in told
        assert "<svg" not in told

    def test_of_days_without_a_value_says_which_have_one(self, alice, account):
        told = page(alice, account, start="2019-01-01", end="2020-01-01")
        assert "Performance from 1 January 2019 to 31 December 2019, in USD" in told
        assert "those from 2021-01-04 to" in told

    def test_adds_up_what_is_held_with_the_cash(self, alice):
        """Twenty-eight shares of 10 in the account's currency, one in pence, and cash in two currencies."""
        home, abroad = "USD", fresh_currencies(1)[0]
        rates(abroad, home, {"2024-01-02": "0.5"})
        rates("GBP", home, {"2024-01-01": "1.25"})
        account = make_account(owner=alice, name="Many")
        post(account, "DEPOSIT", cash="5000", occurred_at=at("2024-01-02"))
        post(account, "DEPOSIT", cash="100", currency=abroad, occurred_at=at("2024-01-02"))
        for _ in range(28):
            share = make_instrument()
            bars(share, {"2024-01-02": 10})
            post(account, "BUY", instrument=share, quantity="1", price="10", occurred_at=at("2024-01-02"))
        pence = make_instrument(currency="GBX", name="In pence")
        bars(pence, {"2024-01-02": 1600})
        post(account, "BUY", instrument=pence, quantity="10", price="1600", currency="GBX", occurred_at=at("2024-01-02"))
        told = page(alice, account, start="2024-01-02", end="2024-01-03")
        held = told[told.index("Held at the end") :].split("</section>")[0]
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", held)[1:]]
        assert len(rows) == 25 + 1 + 3 + 1
        assert rows[0][1:] == ["10", "200.00", "3.96%"]
        assert [row for row in rows if row[0] == "4 others"] == [["4 others", "", "40.00", "0.79%"]]
        cash = {row[0]: row[1:3] for row in rows if row[0].startswith("Cash")}
        assert cash == {f"Cash, {abroad}": [money_text(D(100), abroad), "50.00"], "Cash, GBP": ["-160.00", "-200.00"],
                        "Cash, USD": ["4,720.00", "4,720.00"]}  # fmt: skip
        assert rows[-1][2] == "5,050.00"
        assert sum(D(row[2].replace(",", "")) for row in rows[:-1]) == D(5050)

    def test_tells_many_contributions_as_the_most_the_least_and_the_others(self, alice):
        account = make_account(owner=alice, name="Very many")
        post(account, "DEPOSIT", cash="5000", occurred_at=at("2024-01-02"))
        for number in range(45):
            share = make_instrument()
            bars(share, {"2024-01-02": 10, "2024-01-03": 10 + number})
            post(account, "BUY", instrument=share, quantity="1", price="10", occurred_at=at("2024-01-02"))
        told = page(alice, account)
        made = told[told.index("What each position made") :].split("</section>")[0]
        gains = [
            row[5] for row in (re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", made)) if row
        ]
        assert len(gains) == 42
        assert "5 others<small>between these</small>" in made
        assert sum(D(gain.replace(",", "")) for gain in gains) == sum(range(45))

    def test_counts_the_pages_and_knows_the_dark(self, alice, account):
        told = page(alice, account)
        assert "counter(pages)" in told
        assert "prefers-color-scheme: dark" in told

    def test_is_for_members(self, alice, account, charlie):
        page(charlie, account, 404)
        page(share(account, make_user("bob")), account)
        page(alice, account, 406, accept="application/json")
        page(alice, account, 400, year="2022", start="2022-01-01")
