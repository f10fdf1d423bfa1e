"""The past by REST: today is what is kept, and a past day is what follows from the entries up to it, on every route."""

from datetime import UTC, date, datetime

import pytest

from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import bars, fresh_currencies, rates

LAST, DAY = "2024-01-12", date(2024, 1, 9)
ACCOUNT = {
    "summary": {},
    "positions": {"state": "all"},
    "lots": {},
    "closures": {},
    "snapshots": {},
    "performance": {},
    "contributions": {},
    "drawdowns": {},
    "monthly-returns": {},
    "rolling": {"window": "2", "figures": "twr"},
    "income": {},
    "trades-performance": {},
    "missing-acquisitions": {},
    "policy-checks": {},
}
HOUSEHOLD = ("summary", "positions", "performance", "snapshots")
LATER = {"summary", "positions", "snapshots", "performance", "contributions", "monthly-returns"}  # which later entries change


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


ENTRIES = (
    ("DEPOSIT", "2024-01-02", {"cash": "9000"}, "mine"),
    ("BUY", "2024-01-02", {"quantity": "20", "price": "100", "fee": "1"}, "share"),
    ("DEPOSIT", "2024-01-03", {"cash": "800", "data": {"fx_rate": "1.3"}}, "theirs"),
    ("BUY", "2024-01-03", {"quantity": "7", "price": "48"}, "other"),
    ("SELL", "2024-01-04", {"quantity": "-7", "price": "104", "fee": "2"}, "share"),
    ("DIVIDEND", "2024-01-08", {"cash": "3", "tax": "1"}, "other"),
    ("WITHDRAWAL", "2024-01-09", {"cash": "-500"}, "mine"),
    ("SELL", "2024-01-10", {"quantity": "-3", "price": "44"}, "other"),
    ("SELL", "2024-01-11", {"quantity": "-15", "price": "110"}, "share"),
)


@pytest.fixture
def market():
    base, foreign = fresh_currencies(2)
    share, other = make_instrument(currency=base), make_instrument(currency=foreign)
    bars(share, {f"2024-01-{n:02}": f"{100 + n}.37" for n in (2, 3, 4, 5, 8, 9, 10, 11, 12)})
    bars(other, {f"2024-01-{n:02}": f"{50 - n}.013" for n in (3, 4, 8, 9, 10)})
    rates(foreign, base, {f"2024-01-{n:02}": f"1.{n:02}37" for n in (2, 4, 5, 9)})
    return {
        "base": base,
        "mine": {"currency": base},
        "theirs": {"currency": foreign},
        "share": {"currency": base, "instrument": share},
        "other": {"currency": foreign, "instrument": other},
    }


@pytest.fixture
def filled(alice, market):
    """Return a way to make an account with the entries up to a day."""

    def make(until: date = date.max):
        account = make_account(owner=alice, base_currency=market["base"], kind="MARGIN")
        for kind, day, amounts, on in ENTRIES:
            if date.fromisoformat(day) <= until:
                post(account, kind, occurred_at=at(day), **amounts, **market[on])
        return account

    return make


@pytest.fixture
def get(alice):
    client = browser(alice)

    def ask(account, route: str, **query: str):
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", ACCOUNT[route] | query)
        assert response.status_code == 200, response.content
        return response.json()

    return ask


@pytest.fixture
def household(alice):
    client = browser(alice)

    def ask(account, route: str, **query: str):
        asked = {"accounts": str(account.pk), "currency": account.base_currency}
        response = client.get(f"/api/v1/household/{route}/", asked | query)
        assert response.status_code == 200, response.content
        return response.json()

    return ask


def comparable(answer: dict) -> dict:
    """Return an answer without what names one account, and without addresses."""
    left = {name: value for name, value in answer.items() if name not in {"next", "previous", "accounts"}}
    if isinstance(left.get("results"), list):
        left["results"] = [{k: v for k, v in row.items() if k not in {"accounts", "entries"}} for row in left["results"]]
    return left


@pytest.mark.parametrize("route", ACCOUNT)
class TestAccount:
    def test_today_and_now_are_what_is_kept(self, get, filled, route):
        account = filled()
        kept = get(account, route, **({"end": "2024-01-13"} if route == "income" else {}))
        period = {"end": "2024-01-13"} if route == "income" else {}
        for past in ({"as_of": LAST}, {"known_at": "2100-01-01T00:00:00Z"}, {"as_of": LAST, "known_at": "2100-01-01T00:00:00Z"}):
            answer = get(account, route, **period, **past)
            if route == "income":  # it speaks of the year up to a day, which is another one today
                names = ("total", "by_month", "currency")
                kept = {name: kept.get(name) for name in names}
                answer = {name: answer.get(name) for name in names}
            if route == "policy-checks":  # bounds have no past, and the answer says so
                assert answer.pop("reasons")
                answer["reasons"] = {}
            assert answer == kept, past

    def test_a_past_day_follows_from_the_entries_up_to_it(self, get, filled, route):
        whole, short = filled(), filled(DAY)
        past = {"as_of": str(DAY)}
        assert comparable(get(whole, route, **past)) == comparable(get(short, route, **past))

    def test_known_before_later_entries_they_are_left_out(self, get, filled, market, route):
        account = filled()
        now = datetime.now(UTC).isoformat()
        kept = get(account, route, known_at=now)
        post(account, "WITHDRAWAL", cash="-100", occurred_at=at("2024-01-05"), **market["mine"])
        post(account, "SELL", quantity="-1", price="40", occurred_at=at("2024-01-09"), **market["other"])
        assert get(account, route, known_at=now) == kept
        assert route not in LATER or get(account, route) != kept


ODD = [
    ({"as_of": "9999-12-31"}, "as_of", "out_of_range"),
    ({"as_of": "0001-01-01"}, "as_of", "out_of_range"),
    ({"as_of": "9999-12-31", "known_at": "2024-01-01T00:00:00Z"}, "as_of", "out_of_range"),
    ({"as_of": "2024-01-03T00:00:00Z"}, "as_of", "bad_day"),
    ({"as_of": ""}, "as_of", "blank"),
    ({"known_at": "2024-01-03T00:00:00"}, "known_at", "naive_time"),
    ({"known_at": "yesterday"}, "known_at", "bad_time"),
]
CLEAR = [
    ({"as_of": "2023-12-31"}, None),
    ({"as_of": "2024-01-09", "known_at": "2020-01-01T00:00:00Z"}, None),
    ({"known_at": "2020-01-01T00:00:00Z"}, None),
    ({"as_of": "2200-12-31"}, LAST),
    ({"as_of": "1900-01-01", "known_at": "2100-01-01T00:00:00Z"}, None),
]


class TestOddDays:
    @pytest.fixture(scope="class")
    @classmethod
    def client_and_account(cls):
        owner = make_user("alice")
        account, share = make_account(owner=owner), make_instrument()
        bars(share, {"2024-01-02": 30, LAST: 31})
        post(account, "DEPOSIT", cash="100", occurred_at=at("2024-01-02"))
        post(account, "BUY", instrument=share, quantity="2", price="30", occurred_at=at("2024-01-03"))
        return browser(owner), account

    @pytest.mark.parametrize("route", [*ACCOUNT, *(f"household/{name}" for name in HOUSEHOLD)])
    def test_are_refused_by_field_or_have_a_clear_answer(self, client_and_account, route):
        client, account = client_and_account
        joint = route.startswith("household")
        address = f"/api/v1/{route}/" if joint else f"/api/v1/accounts/{account.pk}/{route}/"
        asked = {"accounts": str(account.pk)} if joint else ACCOUNT[route]
        for past, field, code in ODD:
            answer = client.get(address, asked | past)
            assert answer.status_code == 400, (past, answer.content)
            assert (answer.json()["errors"][0]["field"], answer.json()["errors"][0]["code"]) == (field, code)
        for past, day in CLEAR:
            answer = client.get(address, asked | past)
            assert answer.status_code == 200, (past, answer.content)
            if "summary" in route or route == "policy-checks":
                assert answer.json()["as_of"] == day, past
            if "results" in answer.json() and day is None:
                assert answer.json()["results"] == []


@pytest.mark.parametrize("route", HOUSEHOLD)
class TestHousehold:
    def test_today_and_now_are_what_is_kept(self, household, filled, route):
        account = filled()
        kept = household(account, route)
        for past in ({"as_of": LAST}, {"known_at": "2100-01-01T00:00:00Z"}):
            assert household(account, route, **past) == kept, past

    def test_a_past_day_follows_from_the_entries_up_to_it(self, household, filled, route):
        whole, short = filled(), filled(DAY)
        past = {"as_of": str(DAY)}
        assert comparable(household(whole, route, **past)) == comparable(household(short, route, **past))

    def test_known_before_later_entries_they_are_left_out(self, household, filled, market, route):
        account = filled()
        now = datetime.now(UTC).isoformat()
        kept = household(account, route, known_at=now)
        post(account, "WITHDRAWAL", cash="-100", occurred_at=at("2024-01-05"), **market["mine"])
        assert household(account, route, known_at=now) == kept
