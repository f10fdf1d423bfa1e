"""What a currency was worth on a day is answered with where that comes from, and null where nobody knew."""

import pytest

from marketdata.models import FxRate
from tests.factories import LONG_AGO

URL = "/api/v1/fx-rates/convert/"


@pytest.fixture(scope="module", autouse=True)
def _rates():
    """Store rates of currencies, and years, that no other test speaks of."""
    for base, quote, day, rate in (
        ("EUR", "FJD", "1991-03-01", "2.5"),
        ("EUR", "GYD", "1991-03-01", "250"),
        ("EUR", "GIP", "1991-03-01", "0.8"),
    ):
        FxRate.objects.get_or_create(base=base, quote=quote, date=day, defaults={"rate": rate, "recorded_at": LONG_AGO})


def asked(client, **query):
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_answers_a_rate_with_its_origin(reader):
    assert asked(reader, base="EUR", quote="FJD", on="1991-03-04", amount="10") == {
        "base": "EUR",
        "quote": "FJD",
        "on": "1991-03-04",
        "rate": "2.5",
        "date": "1991-03-01",
        "path": "direct",
        "legs": [{"base": "EUR", "quote": "FJD", "date": "1991-03-01", "rate": "2.5"}],
        "age_days": 3,
        "stale": False,
        "amount": "10",
        "converted": "25",
        "explanation": "As stored: EUR/FJD 2.5. Carried forward 3 days from 1991-03-01.",
    }


def test_crosses_and_turns_round(reader):
    told = asked(reader, base="FJD", quote="GYD", on="1991-03-01")
    assert (told["rate"], told["path"], len(told["legs"])) == ("100", "via EUR", 2)
    assert "Across EUR, from EUR/FJD 2.5 and EUR/GYD 250." in told["explanation"]
    assert asked(reader, base="FJD", quote="EUR", on="1991-03-01")["rate"] == "0.4"


def test_says_that_it_is_stale(reader):
    told = asked(reader, base="EUR", quote="FJD", on="1991-03-09")
    assert (told["stale"], told["age_days"]) == (True, 8)
    assert "Stale: that is more than 7 days." in told["explanation"]
    assert asked(reader, base="EUR", quote="FJD")["stale"] is True


def test_is_null_before_the_first_rate_and_says_why(reader):
    told = asked(reader, base="EUR", quote="FJD", on="1991-02-28", amount="1")
    assert [told[name] for name in ("rate", "date", "path", "stale", "age_days", "converted")] == [None] * 6
    assert "No rate of EUR/FJD is known on 1991-02-28 or before" in told["explanation"]


def test_knows_pence(reader):
    assert asked(reader, base="GBX", quote="GBP", on="1991-03-01", amount="12.5")["converted"] == "0.125"
    assert asked(reader, base="USX", quote="USD", on="1991-03-01")["explanation"].endswith("One USX is 0.01 USD.")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"base": "EUR"},
        {"base": "EUR", "quote": "XXX"},
        {"base": "eur", "quote": "USD"},
        {"base": "EUR", "quote": "USD", "on": "yesterday"},
        {"base": "EUR", "quote": "USD", "amount": "1e5"},
        {"base": "EUR", "quote": "USD", "date": "2020-01-01"},
        {"base": "GBX", "quote": "GBX"},
    ],
)
def test_refuses_what_makes_no_sense(reader, wrong):
    assert reader.get(URL, wrong).status_code == 400


def test_is_not_for_nobody(nobody):
    assert nobody.get(URL, {"base": "EUR", "quote": "USD"}).status_code == 401
