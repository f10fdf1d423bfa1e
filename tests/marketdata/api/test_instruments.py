"""Instruments are everybody's to read, by key, and those who look after them write them."""

import pytest

from marketdata.models import Instrument
from tests.factories import make_instrument, make_user, unique_symbol
from tests.marketdata.api.conftest import with_token

URL = "/api/v1/instruments/"
LOOK_ALIKES = ["\uff21APL", "AA\u200bPL", "\u0410APL", "\u202eAAPL", "aapl", "=CMD", "AAPL ", "A" * 25]


def named(**changes):
    return {"symbol": unique_symbol(), "exchange": "XTST", "asset_class": "EQUITY", "currency": "USD"} | changes


def errors_of(answer):
    """Return the fields that an answer names, with the code of each."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    return {(error["field"], error["code"]) for error in answer.json()["errors"]}


class TestWho:
    @pytest.mark.parametrize(("who", "look", "write"), [("nobody", 401, 401), ("reader", 200, 403), ("staff", 200, 201)])
    def test_may_do_what(self, who, look, write, request):
        client = request.getfixturevalue(who)
        instrument = make_instrument()
        assert client.get(URL).status_code == look
        assert client.get(f"{URL}{instrument.key}/").status_code == look
        assert client.post(URL, named()).status_code == write
        assert client.patch(f"{URL}{instrument.key}/", {"name": "New"}).status_code == (200 if write == 201 else write)

    @pytest.mark.parametrize(("scope", "status"), [("read", 403), ("trade", 403), ("manage", 201)])
    def test_a_token_needs_the_scope_manage_to_write(self, scope, status):
        client = with_token(make_user("program"), scope)
        assert client.get(URL).status_code == 200
        assert client.post(URL, named()).status_code == status

    @pytest.mark.parametrize("method", ["put", "delete"])
    def test_nothing_is_replaced_or_deleted(self, staff, method):
        assert getattr(staff, method)(f"{URL}{make_instrument().key}/", {}).status_code == 405


class TestRead:
    def test_by_key_symbol_and_id(self, reader):
        instrument = make_instrument(tick_size="0.01")
        for name in (instrument.key, instrument.symbol):
            answer = reader.get(f"{URL}{name}/")
            assert answer.json() == {
                "id": str(instrument.pk),
                "key": instrument.key,
                "symbol": instrument.symbol,
                "exchange": "XTST",
                "name": instrument.name,
                "asset_class": "EQUITY",
                "currency": "USD",
                "isin": "",
                "figi": "",
                "multiplier": "1",
                "tick_size": "0.01",
                "price_floor": None,
                "price_ceiling": None,
                "active": True,
                "option": None,
                "sources": [],
            }

    def test_who_has_it_already_hears_so(self, reader):
        instrument = make_instrument()
        tag = reader.get(f"{URL}{instrument.key}/").headers["ETag"]
        assert reader.get(f"{URL}{instrument.key}/", HTTP_IF_NONE_MATCH=tag).status_code == 304
        Instrument.objects.filter(pk=instrument.pk).update(name="Other")
        assert reader.get(f"{URL}{instrument.key}/", HTTP_IF_NONE_MATCH=tag).status_code == 200

    def test_a_key_may_hold_a_slash(self, reader):
        pair = make_instrument(symbol=f"{unique_symbol('C')[:11]}/USD", exchange="CRYPTO", asset_class="CRYPTO")
        assert reader.get(f"{URL}{pair.key}/").json()["key"] == pair.key
        assert reader.get(f"{URL}{pair.key.replace('/', '%2F')}/").json()["key"] == pair.key

    def test_a_symbol_that_means_several_is_refused_with_the_candidates(self, reader):
        here = make_instrument()
        there = make_instrument(symbol=here.symbol, exchange="XETR")
        answer = reader.get(f"{URL}{here.symbol}/")
        assert (answer.status_code, answer.json()["code"]) == (400, "ambiguous_instrument")
        assert here.key in answer.json()["detail"]
        assert there.key in answer.json()["detail"]

    @pytest.mark.parametrize("key", ["NOSUCH:XTST", "aapl", "%EF%BC%A1APL", "a%00b", "..", "%2e%2e%2f", "AAPL:"])
    def test_what_is_not_there_is_not_there(self, reader, key):
        assert reader.get(f"{URL}{key}/").status_code == 404

    def test_lists_are_filtered_and_paged(self, reader):
        symbol = unique_symbol()
        keys = [make_instrument(symbol=symbol, exchange=exchange).key for exchange in ("XAAA", "XBBB", "XCCC")]
        first = reader.get(URL, {"symbol": symbol, "limit": 2}).json()
        assert [row["key"] for row in first["results"]] == keys[:2]
        second = reader.get(first["next"]).json()
        assert [row["key"] for row in second["results"]] == keys[2:]
        assert second["next"] is None
        assert reader.get(URL, {"symbol": symbol, "exchange__in": "XAAA,XCCC"}).json()["next"] is None

    def test_an_unknown_parameter_is_refused(self, reader):
        assert reader.get(URL, {"symbl": "A"}).status_code == 400


class TestWrite:
    def test_keeps_what_was_sent(self, staff):
        sent = named(name="Test", isin="US0378331005", figi="BBG000B9XRY4", multiplier="100", tick_size="0.05")
        answer = staff.post(URL, sent)
        assert answer.status_code == 201
        assert sent.items() <= answer.json().items()

    def test_an_option_is_written_and_shown_whole(self, staff):
        underlying = make_instrument()
        option = {"underlying": underlying.key, "expiry": "2024-01-19", "strike": "150", "right": "CALL"}
        answer = staff.post(URL, named(asset_class="OPTION", multiplier="100", option=option))
        assert answer.json()["option"] == option
        assert staff.post(URL, named(asset_class="OPTION")).status_code == 400
        assert errors_of(staff.post(URL, named(option=option))) == {("strike", "invalid"), ("right", "invalid")}
        key = answer.json()["key"]
        assert staff.patch(f"{URL}{key}/", {"asset_class": "EQUITY", "option": None}).json()["option"] is None

    @pytest.mark.parametrize("symbol", LOOK_ALIKES, ids=ascii)
    def test_a_look_alike_is_refused_by_field(self, staff, symbol):
        answer = staff.post(URL, named(symbol=symbol))
        assert answer.status_code == 400
        assert {field for field, _ in errors_of(answer)} == {"symbol"}

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"exchange": "nas"}, "exchange"),
            ({"currency": "ZZZ"}, "currency"),
            ({"asset_class": "TULIP"}, "asset_class"),
            ({"isin": "US0378331006"}, "isin"),
            ({"multiplier": 1}, "multiplier"),
            ({"multiplier": "0"}, "multiplier"),
            ({"tick_size": "1e-2"}, "tick_size"),
            ({"tick_size": "NaN"}, "tick_size"),
            ({"key": "A:XTST"}, "key"),
            ({"colour": "red"}, "colour"),
            ({"symbol": 7}, "symbol"),
            ({"active": "perhaps"}, "active"),
        ],
    )
    def test_what_is_wrong_is_refused_by_field(self, staff, changes, field):
        answer = staff.post(URL, named(**changes))
        assert answer.status_code == 400
        assert field in {name for name, _ in errors_of(answer)}

    def test_a_taken_symbol_is_refused_by_name(self, staff):
        fields = named()
        staff.post(URL, fields)
        answer = staff.post(URL, fields)
        assert (answer.status_code, answer.json()["code"]) == (409, "instrument_exists")

    def test_a_change_is_partial(self, staff):
        instrument = make_instrument()
        assert staff.patch(f"{URL}{instrument.key}/", {"active": False}).json()["active"] is False
        assert Instrument.objects.get(pk=instrument.pk).name == instrument.name
        assert staff.patch(f"{URL}{instrument.key}/", {"symbol": "aapl"}).status_code == 400
