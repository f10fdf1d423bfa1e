"""Automatic sessions by REST: begun with what they are to trade, asked how they stand, and ended."""

import pytest

from tests.clients import browser
from tests.trading.services.automation_desk import Market

FLAT = ["10", "10", "10", "10"]


@pytest.fixture
def market():
    return Market(FLAT)


@pytest.fixture
def call(market):
    """Return a way for the owner to call a route of the account."""
    client = browser(market.account.owner)

    def ask(method: str, route: str, body=None, *, status: int = 200, **query):
        path = f"/api/v1/accounts/{market.account.pk}/{route}/"
        answer = getattr(client, method)(path, query if method == "get" else body, format=None if method == "get" else "json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    return ask


def test_begins_with_its_configuration_complete_and_ends(market, call):
    body = {"strategy": str(market.strategy.pk), "automatic": True, "configuration": {"instruments": [market.stock.symbol]}}
    made = call("post", "sessions", body, status=201)
    assert made["configuration"] == {
        "instruments": [str(market.stock.pk)],
        "timeframe": "1d",
        "parameters": {"fast": 2, "slow": 3, "average": "SMA", "short": False},
        "rules": {"sizing": "RISK", "amount": "0.01", "shorts": False},
    }
    assert call("post", f"sessions/{made['id']}/end")["ended_at"]
    assert "ended" in " ".join(call("get", f"sessions/{made['id']}/standing")["idle"])


def test_is_refused_by_name(market, call):
    body = {"strategy": str(market.strategy.pk), "automatic": True}
    told = call("post", "sessions", body, status=400)
    assert "configuration.instruments" in str(told)


def test_tells_what_it_did_last_and_why_it_does_nothing(market, call):
    market.day("11")
    found = call("get", f"sessions/{market.session.pk}/standing")
    assert found["working"] is False
    (place,) = found["places"]
    assert (place["instrument"], place["held"], place["last"]["outcome"]) == (market.stock.key, "0", "ORDERED")
    (row,) = call("get", "evaluations", session=str(market.session.pk))["results"]
    assert (row["target"], row["before"], row["close"], row["decision"]) == ("1", "0", "11", place["last"]["decision"])
    assert call("get", "evaluations", outcome="MISSED")["results"] == []
