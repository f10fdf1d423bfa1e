"""What clients are told of days on which something held has no price."""

from datetime import UTC, datetime
from decimal import Decimal

from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

D = Decimal


def test_days_before_the_first_price_have_no_return(alice):
    account, share = make_account(owner=alice, base_currency="USD"), make_instrument(currency="USD")
    at = datetime(2024, 1, 30, 15, tzinfo=UTC)
    post(account, "TRANSFER_IN", instrument=share, quantity="100", data={"cost": "7748"}, occurred_at=at)
    bars(share, {"2024-02-02": "73.65", "2024-02-05": "72.88"})
    client = browser(alice)

    def get(route, **query):
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", query)
        assert response.status_code == 200, response.content
        return response.json()

    rows = get("snapshots")["results"]
    assert [(row["total_value"], row["complete"]) for row in rows[:4]] == [("0", False)] * 3 + [("7365", True)]
    assert [row["twr_index"] for row in rows[:3]] == [None] * 3
    assert "VALUATION" in rows[0]["reasons"]["twr_index"]
    assert rows[3]["reasons"] == {}
    whole, before = get("performance"), get("performance", end="2024-02-01")
    assert D(whole["twr"]) == round(D(7288) / 7748 - 1, 12) == D(get("summary")["twr"])
    assert (before["twr"], before["missing"]) == (None, [share.key])
    assert "VALUATION" in before["reasons"]["twr"]
    months = get("monthly-returns")
    assert [month for month in months["years"][0]["months"] if month] == [whole["twr"]]
    assert list(months["reasons"]) == ["2024-01"]
    joint = client.get("/api/v1/household/performance/", {"accounts": str(account.pk), "currency": "USD"}).json()
    assert joint["twr"] == whole["twr"]
