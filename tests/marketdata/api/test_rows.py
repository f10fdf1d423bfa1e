"""Bars, quotes and rates are everybody's to read; staff send them in rows, each of which is accounted for."""

from datetime import UTC, datetime, timedelta

import pytest

from marketdata.models import Bar, FxRate, Quote
from tests.factories import make_bars, make_instrument, make_user, unique_symbol
from tests.marketdata.api.conftest import with_token

BARS, QUOTES, RATES = "/api/v1/bars/", "/api/v1/quotes/", "/api/v1/fx-rates/"
NOT_NUMBERS = [
    1,
    1.5,
    "1_000",
    "\u0661\u0662",
    " 7 ",
    "1e17",
    "NaN",
    "Infinity",
    "-Infinity",
    "",
    None,
    True,
    [],
    {},
    "1.00000000001",
]
BAD_TIMES = [
    "2024-01-02T00:00:00",
    "2024-01-02T00:00:00+16:00",
    "2024-01-02T00:00:00+99:00",
    "2024-13-01",
    "yesterday",
]


def row(day="2024-01-02", close="10", **changes):
    return {"timestamp": day, "open": close, "high": close, "low": close, "close": close} | changes


def sent(instrument, *rows, **more):
    return {"instrument": instrument.key, "timeframe": "1d", "rows": list(rows)} | more


class TestWho:
    @pytest.mark.parametrize(("who", "look", "write"), [("nobody", 401, 401), ("reader", 200, 403), ("staff", 200, 200)])
    def test_may_do_what(self, who, look, write, request):
        client, instrument = request.getfixturevalue(who), make_instrument()
        assert client.get(BARS, {"instrument": instrument.key}).status_code == look
        assert client.get(QUOTES, {"instrument": instrument.key}).status_code == look
        assert client.get(f"{QUOTES}latest/", {"instruments": instrument.key}).status_code == look
        assert client.get(RATES).status_code == look
        assert client.post(BARS, sent(instrument, row())).status_code == write
        quote = {"timestamp": "2024-01-02T15:00:00Z", "bid": "1", "ask": "1"}
        assert client.post(QUOTES, {"instrument": instrument.key, "rows": [quote]}).status_code == write
        rate = {"base": "EUR", "quote": "PGK", "date": "2001-01-01", "rate": "4"}
        assert client.post(RATES, {"rows": [rate]}).status_code == write

    def test_a_token_that_may_manage_sends_no_prices_unless_it_is_of_staff(self):
        instrument = make_instrument()
        for user, status in ((make_user("program"), 403), (make_user("feed", is_staff=True), 200)):
            assert with_token(user, "manage").post(BARS, sent(instrument, row())).status_code == status
        assert with_token(make_user("feed", is_staff=True), "read").post(BARS, sent(instrument, row())).status_code == 403


class TestReadBars:
    def test_in_the_period_oldest_first(self, reader):
        instrument = make_instrument()
        make_bars(instrument, [(f"2024-01-{day:02}", str(day)) for day in range(1, 10)])
        answer = reader.get(BARS, {"instrument": instrument.symbol, "start": "2024-01-03", "end": "2024-01-05T00:00:00Z"})
        assert [(bar["timestamp"], bar["close"]) for bar in answer.json()["results"]] == [
            ("2024-01-03T00:00:00Z", "3"),
            ("2024-01-04T00:00:00Z", "4"),
        ]
        assert answer.json()["results"][0] == {
            "instrument": instrument.key,
            "timestamp": "2024-01-03T00:00:00Z",
            "open": "3",
            "high": "3",
            "low": "3",
            "close": "3",
            "volume": "1000",
            "vwap": None,
            "trade_count": None,
        }

    def test_in_pages_that_lose_and_repeat_nothing(self, reader):
        instrument = make_instrument()
        make_bars(instrument, [(f"2024-01-{day:02}", str(day)) for day in range(1, 24)])
        url, closes = f"{BARS}?instrument={instrument.key}&limit=10", []
        while url:
            page = reader.get(url).json()
            closes += [int(bar["close"]) for bar in page["results"]]
            url = page["next"]
        assert closes == list(range(1, 24))
        newest = reader.get(BARS, {"instrument": instrument.key, "ordering": "-timestamp", "limit": 1}).json()
        assert newest["results"][0]["close"] == "23"

    def test_an_instrument_has_to_be_meant(self, reader):
        here = make_instrument()
        make_instrument(symbol=here.symbol, exchange="XETR")
        for name, code in (
            (here.symbol, "ambiguous_instrument"),
            (unique_symbol(), "unknown_instrument"),
            ("\uff21", "bad_symbol"),
        ):
            answer = reader.get(BARS, {"instrument": name})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "instrument")
            assert answer.json()["code"] == code
        assert reader.get(BARS).json()["errors"][0]["field"] == "instrument"

    @pytest.mark.parametrize("time", BAD_TIMES)
    def test_a_time_says_its_offset(self, reader, time):
        answer = reader.get(BARS, {"instrument": make_instrument().key, "start": time})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "start")

    @pytest.mark.parametrize(("name", "value"), [("timeframe", "1y"), ("adjusted", "1"), ("limit", "0"), ("ordering", "close")])
    def test_what_is_not_known_is_refused(self, reader, name, value):
        assert reader.get(BARS, {"instrument": make_instrument().key, name: value}).status_code == 400

    @pytest.mark.parametrize("start", [None, "1928-01-03", "1928-01-03T00:00:00Z"])
    def test_reach_back_before_1970(self, reader, start):
        instrument = make_instrument()
        make_bars(instrument, [("1928-01-03", "17.66"), ("2024-01-02", "4742.83")])
        asked = {"instrument": instrument.key} | ({"start": start} if start else {})
        assert [row["close"] for row in reader.get(BARS, asked).json()["results"]] == ["17.66", "4742.83"]
        assert b"1928-01-03T00:00:00Z,17.66," in b"".join(reader.get(BARS, asked, headers={"accept": "text/csv"}))


class TestSendBars:
    def test_every_row_is_accounted_for(self, staff):
        instrument = make_instrument()
        rows = [
            row("2024-01-02"),
            row("2024-01-02"),
            row("2024-01-03", low="11"),
            row("2024-01-04", close="99"),
            row("2024-01-05", close="x"),
        ]
        answer = staff.post(BARS, sent(instrument, *rows))
        assert answer.status_code == 200
        told = answer.json()
        assert (told["stored"], told["known"], told["corrected"]) == (2, 1, 0)
        assert told["refused"][0] == {
            "index": 2,
            "rule": "low_is_lowest",
            "field": "low",
            "value": "11",
            "detail": "The low lies above the open or the close.",
        }
        assert [found["rule"] for found in told["warned"]] == ["no_jump"]
        assert staff.post(BARS, sent(instrument, *rows[:1])).json()["known"] == 1

    def test_figures_are_replaced_only_where_that_is_asked_for(self, staff):
        instrument = make_instrument()
        staff.post(BARS, sent(instrument, row()))
        assert staff.post(BARS, sent(instrument, row(close="11"))).json()["refused"][0]["rule"] == "conflicting_bar"
        assert staff.post(BARS, sent(instrument, row(close="11"), correct=True)).json()["corrected"] == 1
        assert Bar.objects.get(instrument=instrument).close == 11

    @pytest.mark.parametrize("value", NOT_NUMBERS, ids=ascii)
    def test_what_is_no_plain_number_is_refused_by_field(self, staff, value):
        instrument = make_instrument()
        told = staff.post(BARS, sent(instrument, row(close="10"), row("2024-01-03", open=value))).json()
        assert told["stored"] == 1
        assert [(found["index"], found["field"]) for found in told["refused"]] == [(1, "open")]

    @pytest.mark.parametrize(
        "time", [time for time in BAD_TIMES if time[:4] != "1969" and "+16" not in time] + [5, None, {}], ids=ascii
    )
    def test_what_is_no_time_is_refused_by_field(self, staff, time):
        told = staff.post(BARS, sent(make_instrument(), row(time))).json()
        assert [(found["index"], found["field"]) for found in told["refused"]] == [(0, "timestamp")]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"rows": []}, "rows"),
            ({"rows": {}}, "rows"),
            ({"rows": "x"}, "rows"),
            ({"rows": [row()] * 1001}, "rows"),
            ({"rows": [row(), 7]}, "rows.1"),
            ({"rows": [row(adjusted=True)]}, "rows.0.adjusted"),
            ({"rows": [row(instrument="AAPL")]}, "rows.0.instrument"),
            ({"timeframe": "1y"}, "timeframe"),
            ({"instrument": 7}, "instrument"),
            ({"source": "me"}, "source"),
        ],
    )
    def test_a_body_of_another_shape_is_refused_whole(self, staff, changes, field):
        answer = staff.post(BARS, sent(make_instrument(), row()) | changes)
        assert answer.status_code == 400
        assert field in {error["field"] for error in answer.json()["errors"]}

    def test_the_future_is_refused(self, staff):
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
        assert staff.post(BARS, sent(make_instrument(), row(tomorrow))).json()["refused"][0]["rule"] == "not_in_the_future"


class TestQuotes:
    def test_are_sent_read_and_the_latest_found(self, staff, reader):
        instrument, bare = make_instrument(), make_instrument()
        rows = [
            {"timestamp": f"2024-01-02T15:00:0{second}Z", "bid": f"10.{second}", "ask": "11", "bid_size": "5"}
            for second in range(3)
        ]
        assert staff.post(QUOTES, {"instrument": instrument.key, "rows": rows}).json()["stored"] == 3
        listed = reader.get(QUOTES, {"instrument": instrument.key, "start": "2024-01-02T15:00:01Z"}).json()["results"]
        assert [quote["bid"] for quote in listed] == ["10.1", "10.2"]
        latest = reader.get(f"{QUOTES}latest/", {"instruments": f"{instrument.key},{bare.symbol}"}).json()["results"]
        assert latest == [
            {
                "instrument": instrument.key,
                "timestamp": "2024-01-02T15:00:02Z",
                "bid": "10.2",
                "ask": "11",
                "bid_size": "5",
                "ask_size": None,
            }
        ]
        assert Quote.objects.filter(instrument=instrument).count() == 3

    @pytest.mark.parametrize("names", ["", "aapl", ",", "NOSUCH:XTST", ",".join(["A"] * 501)])
    def test_the_latest_are_asked_for_by_name(self, reader, names):
        answer = reader.get(f"{QUOTES}latest/", {"instruments": names})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"].startswith("instruments")


class TestRates:
    def test_are_sent_and_read(self, staff, reader):
        FxRate.objects.filter(base="EUR", quote="MOP").delete()
        rows = [{"base": "EUR", "quote": "MOP", "date": f"2001-01-0{day}", "rate": f"8.{day}"} for day in range(1, 4)]
        assert staff.post(RATES, {"rows": rows}).json()["stored"] == 3
        asked = {"base": "EUR", "quote": "MOP", "date__gte": "2001-01-02", "date__lt": "2001-01-04"}
        assert reader.get(RATES, asked).json()["results"] == rows[1:]

    def test_one_bad_rate_costs_no_other(self, staff):
        FxRate.objects.filter(base="EUR", quote="MVR").delete()
        rate = {"base": "EUR", "quote": "MVR", "date": "2001-01-01", "rate": "8"}
        told = staff.post(RATES, {"rows": [rate | {"rate": "-1"}, rate | {"base": "eur"}, rate | {"rate": 8}, rate]}).json()
        assert told["stored"] == 1
        assert [found["field"] for found in told["refused"]] == ["rate", "base", "rate"]
