"""Performance before fees, taxes or income: what they moved counts as flows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import pyxirr

from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import bars, fresh_currencies, rates

FIRST = date(2024, 1, 1)


def at(day: int) -> datetime:
    return datetime.combine(FIRST + timedelta(day), datetime.min.time(), UTC) + timedelta(hours=15)


@pytest.fixture
def ask():
    """Return a way to ask of an account that bought for 1,000, 10 of it a fee, and got 50, 5 of it taxed, and 2 of interest."""
    owner = make_user("regarded")
    account, share = make_account(owner=owner), make_instrument()
    bars(share, {(FIRST + timedelta(n)).isoformat(): close for n, close in ((0, 99), (1, 99), (200, 108), (300, 108))})
    post(account, "DEPOSIT", cash="1000", occurred_at=at(0))
    post(account, "BUY", instrument=share, quantity="10", price="99", fee="10", occurred_at=at(0))
    post(account, "DIVIDEND", instrument=share, cash="45", tax="5", occurred_at=at(1))
    post(account, "INTEREST", cash="2", occurred_at=at(300))

    def get(status: int = 200, **query: str):
        response = browser(owner).get(f"/api/v1/accounts/{account.pk}/performance/", query)
        assert response.status_code == status, response.content
        return response.json()

    return get


def closes(found) -> bool:
    """Say whether the bridge leads from the value at the start to that at the end."""
    parts = {name: Decimal(value) for name, value in found["bridge"].items()}
    gain = sum(parts.values()) - 2 * (parts["fees"] + parts["taxes"])
    start, flows, end = (Decimal(found[name]) for name in ("start_value", "net_flows", "end_value"))
    return start + flows + gain == end and gain == Decimal(found["gain"])


class TestExclude:
    @pytest.mark.parametrize(
        ("exclude", "twr", "gain"),
        [
            ("", 1127 / 1000 * 1 - 1, "127"),
            ("fees", 1127 / 990 - 1, "137"),
            ("taxes", 990 / 1000 * (1040 / 990) * (1125 / 1035) * (1127 / 1125) - 1, "132"),
            ("income", 990 / 1000 * (1035 / 1040) * (1125 / 1035) * (1127 / 1127) - 1, "75"),
            ("fees,taxes,income", 1080 / 990 * (1125 / 1035) / (1080 / 990) - 1, "90"),
        ],
    )
    def test_figures_are_before_what_is_left_out(self, ask, exclude, twr, gain):
        found = ask(**({"exclude": exclude} if exclude else {}))
        assert float(found["twr"]) == pytest.approx(twr, abs=1e-11)
        assert (found["gain"], found["end_value"]) == (gain, "1127")
        assert closes(found)
        left = {"fees": "10", "taxes": "5", "income": "50", "interest": "2"}
        left |= dict.fromkeys((name for name in left if name in exclude or (name == "interest" and "income" in exclude)), "0")
        assert {name: found["bridge"][name] for name in left} == left

    def test_the_money_weighted_rate_counts_them_as_flows(self, ask):
        days = [FIRST, FIRST + timedelta(1), FIRST + timedelta(300)]
        expected = pyxirr.xirr(days, [-990, 5, 1127])
        found = ask(exclude="fees,taxes")["xirr"]
        assert expected is not None
        assert float(found) == pytest.approx(expected, rel=1e-6)

    def test_of_a_period_opens_with_the_day_before(self, ask):
        found = ask(exclude="taxes", start="2024-01-02", end="2024-01-03")
        assert float(found["twr"]) == pytest.approx(1040 / 990 - 1, abs=1e-11)
        assert (found["start_value"], found["gain"]) == ("990", "50")

    def test_in_another_currency_each_day_counts_at_its_rate(self, ask):
        (other,) = fresh_currencies(1)
        rates("USD", other, {"2024-01-01": "2", "2024-01-02": "3"})
        found = ask(exclude="taxes", currency=other, start="2024-01-02", end="2024-01-03")
        assert float(found["twr"]) == pytest.approx(1040 * 3 / (990 * 2) - 1, abs=1e-11)
        assert closes(found)

    def test_refuses_what_is_no_cause(self, ask):
        assert ask(400, exclude="luck")["errors"][0]["field"] == "exclude"
