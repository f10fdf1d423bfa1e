"""What people send who mean no good, or know no better: refused with the field's name, and never a fault of ours."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from marketdata.models import Instrument
from tests.access.doors import BODIES, DOORS, FORMS
from tests.access.test_doors import address
from tests.access.world import World
from tests.clients import bearer, make_token
from tests.factories import unique_symbol

WRITES = [(route, method) for route, method, *_ in DOORS if method in {"post", "patch"} and route not in {"import-list", "login"}]
SPOKEN = [one for one in WRITES if one in BODIES]

BAD_NUMBERS = [
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "sNaN",
        "1e17",
        "1E2",
        "1_000",
        "1,000",
        "1.000,5",
        " 7 ",
        "7 ",
        "+7",
        "0x10",
        "1.",
        ".5",
        "--1",
        "-",
    ),
    *(
        "١٢",
        "７",
        "1\u00a0000",
        "1\u200b",
        "1\n",
        "",
        "12345678901234567",
        "9" * 400,
        "1." + "0" * 20,
        "½",
        "Ⅷ",
        "1/2",
        "$5",
        "5%",
    ),
    *(7, 7.5, -1, 10**18, True, None, [], {}, ["1"], {"1": "1"}),
]
BAD_TIMES = [
    *(
        "2024-01-02T15:00:00",
        "2024-01-02 15:00:00",
        "2024-11-03T01:30:00",
        "2024-01-02",
        "15:00Z",
        "20240102T150000Z",
        "2024-W01-1T00:00Z",
    ),
    *("2024-01-02T15:00:00+24:00", "2024-01-02T15:00:00+15:60", "2024-01-02T15:00:00-99:99", "2024-01-02T15:00:00+16:00"),
    *("2024-02-30T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01T25:00:00Z", "2024-01-01T23:59:60Z", "0000-01-01T00:00:00Z"),
    *(
        "0001-01-01T00:00:00+15:59",
        "9999-12-31T23:59:59-15:59",
        "1969-12-31T23:59:59Z",
        "2999-01-01T00:00:00Z",
        "٢٠٢٤-01-02T15:00:00Z",
    ),
    *(
        "now",
        "",
        " ",
        "1704207600",
        1704207600,
        1704207600.5,
        True,
        None,
        [],
        {},
        "2024-01-02T15:00:00.1234567Z",
        "2024-01-02T15:00:00Zjunk",
    ),
]
BAD_SYMBOLS = [
    *(
        "ＡＡＰＬ",
        "А\u0410PL",
        "AAPL\u200b",
        "\u202eLPAA",
        "AAPL\u0000",
        "aapl",
        "Aapl",
        "=cmd|' /C calc'!A0",
        "+AAPL",
        "@SUM(A1)",
        "-AAPL",
    ),
    *(
        "AAPL;DROP TABLE",
        "AAPL'--",
        "../AAPL",
        "<b>AAPL</b>",
        "AAPL ",
        " AAPL",
        "AA PL",
        "AAPL\n",
        "\tAAPL",
        "Ⅷ",
        "ﬁ",
        "🍏",
        "",
        "A" * 25,
        "A" * 10_000,
    ),
    *(1, 1.5, True, [], {}, ["AAPL"]),
]
ANYTHING = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        0.1,
        1e308,
        "",
        " ",
        "x" * 20_000,
        "é\u0301",
        "\u202e",
        "\ufffd",
        "\U0010ffff",
        "'; DROP TABLE x; --",
    ),
    *(
        "{{7*7}}",
        "%s%s%n",
        "../../../etc/passwd",
        "<script>alert(1)</script>",
        "NaN",
        "2024-01-01",
        "00000000-0000-0000-0000-000000000000",
    ),
    *([], {}, [[]], [None], [{}], {"": ""}, {"$ref": "#"}, {"a": {"b": {"c": []}}}, ["x"] * 2000),
]


@pytest.fixture(scope="module")
def world() -> World:
    """Return a world whose Alice may write market data as well."""
    world = World()
    world.alice.is_staff = True
    world.alice.save()
    return world


@pytest.fixture
def alice(world):
    """Return a client of Alice's, with a rate of its own."""
    return bearer(make_token(world.alice).secret)


def refused(answer: Any, field: str) -> None:
    assert answer.status_code == 400, (answer.status_code, answer.content[:300])
    assert field in [error["field"] for error in answer.json()["errors"]], answer.json()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name the places in a body, inner ones too."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*path, key))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    body = copy.deepcopy(body)
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return body


class TestAnything:
    @pytest.mark.parametrize(("route", "method"), SPOKEN)
    def test_in_any_place_is_no_fault(self, world, alice, route, method):
        path, good = address(world, route), BODIES[route, method](world)
        for place in leaves(good):
            for value in ANYTHING:
                answer = getattr(alice, method)(path, replaced(good, place, value))
                assert answer.status_code < 500, (place, value, answer.content)
                if answer.status_code >= 400:
                    assert answer.headers["Content-Type"] == "application/problem+json", (place, value)

    @pytest.mark.parametrize(("route", "method"), SPOKEN)
    def test_a_field_nobody_knows_is_refused(self, world, alice, route, method):
        for name in ("surprise", "id", "user", "user_id", "account_id", "is_superuser", "__class__", "x" * 500):
            good = BODIES[route, method](world)
            form = "multipart" if (route, method) in FORMS else "json"
            answer = getattr(alice, method)(address(world, route), good | {name: "1"}, format=form)
            refused(answer, name[:100])
            assert answer.json()["code"] == "unknown_field"

    @pytest.mark.parametrize(("route", "method"), WRITES)
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ("[" * 100_000, 400),
            ('{"a":' * 100_000, 400),
            ('{"a": ' + "[" * 21 + "]" * 21 + "}", 400),
            ("[]", 400),
            ("null", 400),
            ("{", 400),
            ('{"name": "a", "name": "b"}', 400),
            ('{"name": NaN}', 400),
            ('{"name": "\\u0000"}', 400),
            ('{"name": "\\ud800"}', 400),
            (b"\xff", 400),
            (b'{"name": "' + b"x" * (5 * 1024 * 1024) + b'"}', 413),
        ],
        ids=["deep", "deeper", "levels", "list", "null", "broken", "twice", "nan", "nul", "surrogate", "latin", "large"],
    )
    def test_a_body_that_is_none_is_refused(self, world, alice, route, method, body, status):
        answer = getattr(alice, method)(address(world, route), body, content_type="application/json")
        takes_none = (route, method) not in BODIES
        status = 415 if (route, method) in FORMS else status
        assert answer.status_code == status or (takes_none and answer.status_code < 500)


class TestNumbers:
    GOOD = {
        "kind": "BUY",
        "occurred_at": "2020-01-02T12:00:00Z",
        "quantity": "1",
        "price": "1",
        "fee": "0",
        "tax": "0",
        "cash": "-1",
    }

    @pytest.mark.parametrize("field", ["quantity", "price", "cash", "fee", "tax"])
    def test_an_entry_takes_plain_decimals_alone(self, world, alice, field):
        good = self.GOOD | {"instrument": world.instrument.key}
        for value in BAD_NUMBERS:
            if value is None and field in {"price", "cash"}:
                continue  # left out
            refused(alice.post(address(world, "entry-list"), good | {field: value}), field)

    @pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume", "vwap"])
    def test_a_bar_takes_plain_decimals_alone(self, world, alice, field):
        for value in BAD_NUMBERS:
            if value is None or value == "" or value == "1." + "0" * 20:
                continue  # rows are read as files are: an empty cell is left out, and idle zeros change nothing
            row = {"timestamp": "2020-01-08", "open": "1", "high": "1", "low": "1", "close": "1"} | {field: value}
            answer = alice.post(address(world, "bar-list"), {"instrument": world.instrument.key, "rows": [row]})
            if answer.status_code == 200:
                report = answer.json()
                assert (report["stored"], report["corrected"]) == (0, 0), (value, report)
                assert [one["field"] for one in report["refused"]] == [field], (value, report)
            else:
                assert answer.status_code == 400, (value, answer.content)
                assert field in answer.json()["errors"][0]["field"]

    @pytest.mark.parametrize("limit", ["1_0", "１", "١", "1e1", "0x1", "+1", " 1", "1 ", "1.0", "-1", "NaN"])
    def test_a_limit_takes_plain_digits_alone(self, alice, limit):
        refused(alice.get("/api/v1/accounts/", {"limit": limit}), "limit")

    def test_figures_that_cannot_be_added_up_are_refused(self, world, alice):
        body = self.GOOD | {"instrument": world.instrument.key, "quantity": "999999999999", "price": "999999999999999"}
        del body["cash"]
        answer = alice.post(address(world, "entry-list"), body)
        assert answer.status_code == 400, answer.content

    def test_the_smallest_and_the_largest_that_fit_are_kept_exactly(self, world, alice):
        body = self.GOOD | {
            "instrument": world.instrument.key,
            "quantity": "0.000000000001",
            "price": "99999999999999.0000000001",
        }
        del body["cash"]
        answer = alice.post(address(world, "entry-list"), body)
        assert answer.status_code == 201, answer.content
        assert (answer.json()["quantity"], answer.json()["price"]) == ("0.000000000001", "99999999999999.0000000001")


class TestTimes:
    def test_an_entry_takes_a_time_with_its_offset_alone(self, world, alice):
        for value in BAD_TIMES:
            body = {"kind": "DEPOSIT", "cash": "1", "occurred_at": value}
            refused(alice.post(address(world, "entry-list"), body), "occurred_at")

    @pytest.mark.parametrize(
        "value", ["2024-01-02T15:00:00Z", "2024-01-02T15:00:00.000001+15:59", "1970-01-01T00:00:00Z", "2024-01-02 15:00Z"]
    )
    def test_an_entry_takes_a_time_that_is_one(self, world, alice, value):
        answer = alice.post(address(world, "entry-list"), {"kind": "DEPOSIT", "cash": "1", "occurred_at": value})
        assert answer.status_code == 201, answer.content
        assert answer.json()["occurred_at"].endswith("Z")

    @pytest.mark.parametrize("field", ["occurred_at__gte", "occurred_at__lt", "known_at"])
    def test_a_filter_takes_no_other(self, world, alice, field):
        for value in BAD_TIMES:
            if isinstance(value, str) and value not in {"2999-01-01T00:00:00Z"}:
                refused(alice.get(address(world, "entry-list"), {field: value}), field)

    @pytest.mark.parametrize(
        "value", ["2024-1-2", "20240102", "2024-02-30", "٢٠٢٤-01-02", "2024-01-02T00:00:00Z", "today", "", 20240102, True, [], {}]
    )
    def test_a_day_is_written_in_one_way(self, alice, value):
        refused(alice.post("/api/v1/accounts/", {"name": "A", "base_currency": "USD", "opened_on": value}), "opened_on")


class TestSymbols:
    def test_an_instrument_is_found_by_its_plain_name_alone(self, world, alice):
        for value in BAD_SYMBOLS:
            if value == "AAPL\u0000":
                continue  # refused with the body, as it can't be stored
            body = TestNumbers.GOOD | {"instrument": value}
            refused(alice.post(address(world, "entry-list"), body), "instrument")
            refused(alice.post("/api/v1/watchlists/", {"name": unique_symbol(), "instruments": [value]}), "instruments.0")

    def test_an_instrument_is_named_in_plain_capitals_alone(self, alice):
        before = Instrument.objects.count()
        for value in BAD_SYMBOLS:
            if value == "AAPL\u0000":
                continue
            body = {"symbol": value, "exchange": "XNAS", "asset_class": "EQUITY", "currency": "USD"}
            refused(alice.post("/api/v1/instruments/", body), "symbol")
        assert Instrument.objects.count() == before

    @pytest.mark.parametrize(
        "value",
        ["ＡＡＰＬ:XNAS", "AAPL:", ":XNAS", "AAPL:XNAS:XNAS", "AAPL:xnas", "AAPL:ΧNAS", "%00", "a/b/c/d", "..%2f..", "x" * 500],
    )
    def test_an_address_of_none_is_not_there(self, alice, value):
        assert alice.get(f"/api/v1/instruments/{value}/").status_code == 404

    def test_a_bare_symbol_that_means_several_names_them(self, alice):
        symbol = unique_symbol()
        for exchange in ("XTST", "XOTH"):
            Instrument.objects.create(symbol=symbol, exchange=exchange, asset_class="EQUITY", currency="USD")
        answer = alice.post("/api/v1/watchlists/", {"name": unique_symbol(), "instruments": [symbol]})
        refused(answer, "instruments.0")
        assert answer.json()["code"] == "ambiguous_instrument"
        assert f"{symbol}:XTST" in answer.json()["detail"]
        assert f"{symbol}:XOTH" in answer.json()["detail"]


class TestTexts:
    @pytest.mark.parametrize(
        "text", ["<script>alert(1)</script>", "=1+1", "'; DROP TABLE accounts_account; --", "{{ 7*7 }}", "é\u0301 😀 \u2028 x"]
    )
    def test_a_text_comes_back_as_it_was_written(self, world, alice, text):
        body = {"kind": "NOTE", "occurred_at": "2020-01-02T12:00:00Z", "notes": text, "tags": [text[:50]]}
        answer = alice.post(address(world, "entry-list"), body)
        assert answer.status_code == 201, answer.content
        shown = alice.get(f"{address(world, 'entry-list')}{answer.json()['id']}/")
        assert (shown.json()["notes"], shown.json()["tags"]) == (text, [text[:50]])
        assert shown.headers["Content-Type"] == "application/json"
        assert shown.headers["X-Content-Type-Options"] == "nosniff"

    def test_data_of_any_shape_come_back_as_they_were_written(self, world, alice):
        data = {"a": [1, 2.5, None, True, {"b": "x"}], "large": 2**63 - 1, "small": -(2**63), "zero": 0}
        body = {"kind": "DEPOSIT", "cash": "1", "occurred_at": "2020-01-02T12:00:00Z", "data": data}
        answer = alice.post(address(world, "entry-list"), body)
        assert answer.status_code == 201, answer.content
        assert json.loads(answer.content)["data"] == data


class TestLists:
    @pytest.mark.parametrize(
        "query",
        ["?instrument=%00", "?kind__in=" + "BUY," * 200, "?instrument=" + "A" * 5000, "?sequence__gte=9999999999999999999999"],
    )
    def test_a_filter_beyond_reason_is_refused(self, world, alice, query):
        assert alice.get(address(world, "entry-list") + query).status_code == 400

    def test_a_batch_has_a_thousand_entries_at_most(self, world, alice):
        entry = {"kind": "DEPOSIT", "cash": "1", "occurred_at": "2020-01-02T12:00:00Z"}
        refused(alice.post(address(world, "entry-batch"), {"entries": [entry] * 1001}), "entries")
        refused(alice.post(address(world, "entry-batch"), {"entries": []}), "entries")
