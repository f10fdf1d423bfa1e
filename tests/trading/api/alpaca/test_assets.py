"""Assets, the clock, the calendar and watchlists, by Alpaca's own client."""

from datetime import UTC, date, datetime

import pytest
from alpaca.trading.requests import (
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetCorporateAnnouncementsRequest,
    GetOptionContractsRequest,
    UpdateWatchlistRequest,
)

from marketdata.models import CorporateAction
from tests.factories import make_instrument, unique_symbol
from trading.api.alpaca.market_hours import clock_row


class TestAssets:
    def test_are_listed_by_class_and_status(self, client, apple):
        gone = make_instrument(exchange="XNYS", active=False)
        found = {one.symbol: one for one in client.get_all_assets(GetAssetsRequest(asset_class="us_equity", status="active"))}
        told = found[apple.symbol]
        assert gone.symbol not in found
        assert (told.id, told.asset_class, told.exchange, told.status) == (apple.pk, "us_equity", "NASDAQ", "active")
        assert (told.tradable, told.fractionable) == (True, True)
        assert gone.symbol in {one.symbol for one in client.get_all_assets(GetAssetsRequest(status="inactive"))}
        assert {one.exchange for one in client.get_all_assets(GetAssetsRequest(exchange="NYSE"))} <= {"NYSE"}

    def test_are_found_by_symbol_key_or_id(self, client, apple, refused):
        for name in (apple.symbol, apple.key, apple.pk):
            assert client.get_asset(name).id == apple.pk
        assert refused(client.get_asset, "NOSUCHTHING") == (404, 40410000, "asset not found for NOSUCHTHING")

    def test_with_one_symbol_mean_the_one_in_the_us(self, client, apple):
        abroad = make_instrument(symbol=apple.symbol, exchange="XETR")
        assert client.get_asset(apple.symbol).id == apple.pk
        told = client.get_asset(abroad.key)
        assert (told.id, told.symbol, told.exchange) == (abroad.pk, abroad.key, "")

    def test_abroad_need_their_exchange_where_there_are_several(self, client, refused):
        one = make_instrument(exchange="XETR")
        assert client.get_asset(one.symbol).id == one.pk
        make_instrument(symbol=one.symbol, exchange="XLON")
        assert refused(client.get_asset, one.symbol)[0] == 404
        assert client.get_asset(one.key).id == one.pk


class TestOptions:
    def test_are_contracts_of_their_underlying(self, client, apple, refused):
        some = [
            make_instrument(
                exchange="XCBO",
                asset_class="OPTION",
                underlying=apple,
                expiry=date(2030, 1, 18),
                strike=strike,
                right=right,
                multiplier=100,
            )
            for strike, right in (("10", "CALL"), ("20", "CALL"), ("10", "PUT"))
        ]
        asked = {"underlying_symbols": [apple.symbol]}
        calls = client.get_option_contracts(GetOptionContractsRequest(**asked, type="call", strike_price_gte="15"))
        [told] = calls.option_contracts
        assert (told.id, told.strike_price, told.size, told.underlying_symbol) == (str(some[1].pk), 20, "100", apple.symbol)
        first = client.get_option_contracts(GetOptionContractsRequest(**asked, limit=2))
        rest = client.get_option_contracts(GetOptionContractsRequest(**asked, limit=2, page_token=first.next_page_token))
        assert [one.id for one in [*first.option_contracts, *rest.option_contracts]] == [str(one.pk) for one in some]
        assert rest.next_page_token is None
        assert client.get_option_contract(some[2].key).type == "put"
        assert refused(client.get_option_contract, apple.symbol)[:2] == (404, 40410000)

    def test_are_called_and_found_by_their_symbol_alone(self, client, apple, refused):
        symbol = f"{apple.symbol}300118C10"
        terms = {"expiry": date(2030, 1, 18), "strike": "10", "right": "CALL", "multiplier": 100}
        option = make_instrument(symbol=symbol, exchange="OPRA", asset_class="OPTION", underlying=apple, **terms)
        assert client.get_asset(symbol).id == option.pk
        assert client.get_asset(option.pk).symbol == client.get_option_contract(symbol).symbol == symbol
        assert symbol in {one.symbol for one in client.get_all_assets(GetAssetsRequest(asset_class="us_option"))}
        of = {"underlying_symbols": [apple.symbol]}
        for more, count in (({"root_symbol": apple.symbol}, 1), ({"root_symbol": "NONE"}, 0), ({"style": "european"}, 0)):
            assert len(client.get_option_contracts(GetOptionContractsRequest(**of, **more)).option_contracts) == count


class TestAnnouncements:
    @pytest.mark.filterwarnings("ignore:.*deprecated")
    def test_are_corporate_actions(self, client, apple, refused):
        fields = {"instrument": apple, "recorded_at": datetime(2024, 1, 1, tzinfo=UTC)}
        split = CorporateAction.objects.create(kind="SPLIT", ex_date=date(2024, 3, 4), ratio="0.1", **fields)
        CorporateAction.objects.create(kind="CASH_DIVIDEND", ex_date=date(2024, 3, 5), cash="0.5", currency="USD", **fields)
        asked = {"since": date(2024, 3, 1), "until": date(2024, 3, 31), "symbol": apple.symbol}
        found = client.get_corporate_announcements(GetCorporateAnnouncementsRequest(ca_types=["split", "dividend"], **asked))
        assert [(one.ca_type, one.ca_sub_type, one.cash) for one in found] == [
            ("split", "reverse_split", 0),
            ("dividend", "cash", 0.5),
        ]
        told = client.get_corporate_announcement_by_id(split.pk)
        assert (told.new_rate, told.old_rate, told.ex_date) == (0.1, 1, date(2024, 3, 4))


class TestHours:
    def test_are_those_of_new_york(self, client):
        clock = client.get_clock()
        assert clock.next_close > clock.timestamp
        assert clock.next_open > clock.timestamp
        assert clock.is_open == (clock.next_close < clock.next_open)

    def test_know_when_the_market_is_closed(self):
        row = clock_row(datetime(2024, 7, 4, 15, tzinfo=UTC))
        assert (row["is_open"], row["next_open"]) == (False, "2024-07-05T09:30:00-04:00")

    def test_are_told_day_by_day(self, client, raw, refused):
        found = client.get_calendar(GetCalendarRequest(start=date(2024, 7, 1), end=date(2024, 7, 5)))
        assert [one.date.day for one in found] == [1, 2, 3, 5]
        assert [(one.open.hour, one.open.minute, one.close.hour) for one in found[1:3]] == [(9, 30, 16), (9, 30, 13)]
        assert raw.get("/calendar", {"start": "2024-07-03", "end": "2024-07-03"})[0]["settlement_date"] == "2024-07-05"
        settled = raw.get("/calendar", {"start": "2024-07-03", "end": "2024-07-05", "date_type": "SETTLEMENT"})
        assert [one["date"] for one in settled] == ["2024-07-02", "2024-07-03"]
        assert refused(raw.get, "/calendar", {"date_type": "HOLIDAYS"})[:2] == (422, 40010001)
        assert len(client.get_calendar()) > 10_000


class TestWatchlists:
    def test_are_made_changed_and_thrown_away(self, client, apple, refused):
        other, name = make_instrument(exchange="XNAS"), unique_symbol()
        made = client.create_watchlist(CreateWatchlistRequest(name=name, symbols=[apple.symbol]))
        assert [one.symbol for one in made.assets] == [apple.symbol]
        again = refused(client.create_watchlist, CreateWatchlistRequest(name=name, symbols=[]))
        assert again == (422, 42210000, "watchlist name must be unique")
        longer = client.add_asset_to_watchlist_by_id(made.id, other.symbol)
        assert [one.symbol for one in longer.assets] == [apple.symbol, other.symbol]
        shorter = client.remove_asset_from_watchlist_by_id(made.id, apple.symbol)
        assert [one.symbol for one in shorter.assets] == [other.symbol]
        assert refused(client.remove_asset_from_watchlist_by_id, made.id, apple.symbol)[0] == 404
        named = client.update_watchlist_by_id(made.id, UpdateWatchlistRequest(name=f"{name}2"))
        assert (named.name, len(named.assets)) == (f"{name}2", 1)
        assert [one.name for one in client.get_watchlists()] == [f"{name}2"]
        client.delete_watchlist_by_id(made.id)
        assert refused(client.get_watchlist_by_id, made.id) == (404, 40410000, "watchlist not found")

    def test_keep_the_order_of_what_was_put_on_them(self, client, refused):
        symbols = [make_instrument(exchange="XNAS").symbol for _ in range(6)]
        wanted = [symbols[each] for each in (3, 0, 5, 1, 4, 2)]
        made = client.create_watchlist(CreateWatchlistRequest(name=unique_symbol(), symbols=wanted))
        assert [one.symbol for one in made.assets] == wanted
        turned = client.update_watchlist_by_id(made.id, UpdateWatchlistRequest(symbols=wanted[::-1]))
        assert [one.symbol for one in turned.assets] == wanted[::-1]
        assert [one.symbol for one in client.get_watchlist_by_id(made.id).assets] == wanted[::-1]

    def test_are_found_by_name_too(self, client, raw, apple):
        client.create_watchlist(CreateWatchlistRequest(name="Tech", symbols=[]))
        raw.post("/watchlists:by_name?name=Tech", {"symbol": apple.symbol})
        assert [one["symbol"] for one in raw.get("/watchlists:by_name", {"name": "Tech"})["assets"]] == [apple.symbol]
        raw.put("/watchlists:by_name?name=Tech", {"symbols": []})
        assert raw.get("/watchlists:by_name", {"name": "Tech"})["assets"] == []
        raw.delete("/watchlists:by_name", {"name": "Tech"})
        assert raw.get("/watchlists") == []

    def test_know_what_is_no_symbol(self, client, raw, refused):
        made = client.create_watchlist(CreateWatchlistRequest(name="Even", symbols=[]))
        assert refused(raw.post, f"/watchlists/{made.id}", {}) == (422, 40010001, "symbol is required")
        asked = CreateWatchlistRequest(name="Odd", symbols=["NOSUCHTHING"])
        assert refused(client.create_watchlist, asked) == (422, 42210000, 'asset "NOSUCHTHING" not found')

    def test_are_ones_own(self, client, client_of, bob):
        client.create_watchlist(CreateWatchlistRequest(name="Mine", symbols=[]))
        assert client_of(bob).get_watchlists() == []
