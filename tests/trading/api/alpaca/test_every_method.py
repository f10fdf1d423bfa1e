"""Every public method of Alpaca's own clients answers, or is named in docs/alpaca.md: a new version shows what is missing."""

import inspect
from datetime import UTC, date, datetime
from pathlib import Path

import alpaca.data.historical.corporate_actions
import pytest
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.data import historical, live
from alpaca.data import requests as data_requests
from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.timeframe import TimeFrame
from alpaca.trading import requests as trading_requests
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetCorporateAnnouncementsRequest,
    GetOptionContractsRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    ReplaceOrderRequest,
    UpdateWatchlistRequest,
)
from alpaca.trading.stream import TradingStream

from marketdata.models import Bar, CorporateAction
from tests.clients import make_token
from tests.factories import make_bars, make_instrument, make_quotes, make_ticks, post

DOCS = Path(__file__).parents[4] / "docs" / "alpaca.md"
AT = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)
SINCE = {"start": datetime(2024, 5, 6), "end": datetime(2024, 5, 7)}
OTHERWISE = {"CryptoQuotes": "CryptoQuote"}  # a request that is not called like its method
SERVED = {"StockHistoricalDataClient", "CryptoHistoricalDataClient"}


def methods(client):
    """Return the names of what a client offers beside what all of them have."""
    found = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
    return found - {name for name, _ in inspect.getmembers(RESTClient, inspect.isfunction)}


class Desk:
    """What the methods are tried on."""

    def __init__(self, client, account, share, option):
        self.client, self.account, self.share, self.option = client, account, share, option
        self.watchlist = client.create_watchlist(CreateWatchlistRequest(name="Mine", symbols=[share.symbol]))
        fields = {"instrument": share, "recorded_at": AT}
        self.split = CorporateAction.objects.create(kind="SPLIT", ex_date=date(2024, 3, 4), ratio=2, **fields)

    def order(self, **fields):
        """Place an order that waits."""
        asked = {"symbol": self.share.symbol, "qty": 2, "side": "buy", "time_in_force": "day", "limit_price": 9} | fields
        return self.client.submit_order(LimitOrderRequest(**asked))


TRADING = {
    "submit_order": lambda desk: desk.order().qty == "2",
    "get_orders": lambda desk: desk.order().id in {one.id for one in desk.client.get_orders(GetOrdersRequest(side="buy"))},
    "get_order_by_id": lambda desk: desk.client.get_order_by_id(desk.order().id).limit_price == "9",
    "get_order_by_client_id": lambda desk: desk.order(client_order_id="mine").id == desk.client.get_order_by_client_id("mine").id,
    "replace_order_by_id": lambda desk: desk.client.replace_order_by_id(desk.order().id, ReplaceOrderRequest(qty=3)).qty == "3",
    "cancel_orders": lambda desk: [one.status for one in (desk.order(), desk.client.cancel_orders())[1]] == [200],
    "cancel_order_by_id": lambda desk: desk.client.cancel_order_by_id(desk.order().id) is None,
    "get_all_positions": lambda desk: {one.qty for one in desk.client.get_all_positions()} == {"10", "2"},
    "get_open_position": lambda desk: desk.client.get_open_position(desk.share.symbol).qty == "10",
    "close_all_positions": lambda desk: {one.status for one in desk.client.close_all_positions(cancel_orders=True)} == {200},
    "close_position": lambda desk: desk.client.close_position(desk.share.symbol, ClosePositionRequest(qty="4")).qty == "4",
    "get_portfolio_history": lambda desk: (
        desk.client.get_portfolio_history(GetPortfolioHistoryRequest(period="1W", timeframe="1D")).timeframe == "1D"
    ),
    "get_all_assets": lambda desk: (
        desk.share.symbol in {one.symbol for one in desk.client.get_all_assets(GetAssetsRequest(exchange="NASDAQ"))}
    ),
    "get_asset": lambda desk: desk.client.get_asset(desk.share.symbol).id == desk.share.pk,
    "get_clock": lambda desk: desk.client.get_clock().timestamp is not None,
    "get_calendar": lambda desk: (
        len(desk.client.get_calendar(GetCalendarRequest(start=date(2024, 7, 1), end=date(2024, 7, 5)))) == 4
    ),
    "get_account": lambda desk: desk.client.get_account().id == desk.account.pk,
    "get_account_configurations": lambda desk: desk.client.get_account_configurations().suspend_trade is False,
    "set_account_configurations": lambda desk: (
        desk.client.set_account_configurations(desk.client.get_account_configurations()).no_shorting is True
    ),
    "get_watchlists": lambda desk: [one.name for one in desk.client.get_watchlists()] == ["Mine"],
    "get_watchlist_by_id": lambda desk: desk.client.get_watchlist_by_id(desk.watchlist.id).name == "Mine",
    "create_watchlist": lambda desk: desk.client.create_watchlist(CreateWatchlistRequest(name="Other", symbols=[])).assets == [],
    "update_watchlist_by_id": lambda desk: (
        desk.client.update_watchlist_by_id(desk.watchlist.id, UpdateWatchlistRequest(name="New")).name == "New"
    ),
    "add_asset_to_watchlist_by_id": lambda desk: (
        len(desk.client.add_asset_to_watchlist_by_id(desk.watchlist.id, desk.option.key).assets) == 2
    ),
    "delete_watchlist_by_id": lambda desk: desk.client.delete_watchlist_by_id(desk.watchlist.id) is None,
    "remove_asset_from_watchlist_by_id": lambda desk: (
        desk.client.remove_asset_from_watchlist_by_id(desk.watchlist.id, desk.share.symbol).assets == []
    ),
    "get_corporate_announcements": lambda desk: (
        len(
            desk.client.get_corporate_announcements(
                GetCorporateAnnouncementsRequest(
                    ca_types=["split"], since=date(2024, 3, 1), until=date(2024, 3, 31), symbol=desk.share.symbol
                )
            )
        )
        == 1
    ),
    "get_corporate_announcement_by_id": lambda desk: (
        desk.client.get_corporate_announcement_by_id(desk.split.pk).ca_type == "split"
    ),
    "get_option_contracts": lambda desk: (
        len(desk.client.get_option_contracts(GetOptionContractsRequest(underlying_symbols=[desk.share.symbol])).option_contracts)
        == 1
    ),
    "get_option_contract": lambda desk: desk.client.get_option_contract(desk.option.key).id == str(desk.option.pk),
}
# what is refused, by status
REFUSED = {"exercise_options_position": (lambda desk: desk.client.exercise_options_position(desk.option.pk), 403)}


@pytest.fixture
def desk(client, account, apple):
    """Return Alice's desk: ten shares, two options, ten thousand dollars."""
    option = make_instrument(
        exchange="XCBO",
        asset_class="OPTION",
        underlying=apple,
        expiry=date(2099, 1, 18),
        strike="10",
        right="CALL",
        multiplier=100,
    )
    make_bars(option, [("2020-01-06", "1")])
    post(account, "BUY", instrument=apple, quantity="10", price="10")
    post(account, "BUY", instrument=option, quantity="2", price="1")
    return Desk(client, account, apple, option)


@pytest.mark.filterwarnings("ignore:.*deprecated")
class TestTrading:
    def test_all_methods_are_tried(self):
        assert methods(TradingClient) == set(TRADING) | set(REFUSED)

    @pytest.mark.parametrize("name", TRADING)
    def test_answers(self, desk, name):
        assert TRADING[name](desk)

    @pytest.mark.parametrize("name", REFUSED)
    def test_refuses(self, desk, name):
        ask, status = REFUSED[name]
        with pytest.raises(APIError) as refused:
            ask(desk)
        assert (refused.value.status_code, refused.value.code) == (status, status * 100_000 + 10_000)

    def test_the_stream_is_the_one_that_is_heard(self):
        assert methods(TradingStream) == {"subscribe_trade_updates", "run", "stop", "stop_ws", "close"}


def bars_of(instrument):
    """Store what every method of market data has something to say of."""
    make_bars(instrument, [("2024-05-03", "10"), ("2024-05-06", "11")])
    Bar.objects.create(
        instrument=instrument, timeframe="1m", timestamp=AT, open=10, high=11, low=10, close=11, volume=5, recorded_at=AT
    )
    make_quotes(instrument, [(AT, "10", "10.5")])
    make_ticks(instrument, [(AT, "10.25", "7")])


def lacking(requests, prefix):
    """Return what a kind of requests may say."""
    found = (cls for name, cls in vars(requests).items() if inspect.isclass(cls) and name.startswith(prefix))
    return {name for cls in found for name in getattr(cls, "model_fields", {})}


class TestMarketData:
    @pytest.fixture
    def credentials(self, site, alice, account):
        return {"api_key": str(account.pk), "secret_key": make_token(alice, ["read"]).secret, "url_override": f"{site}/alpaca"}

    def asked(self, module, name, symbol):
        """Return the request that a method takes."""
        word = "".join(part.title() for part in name.removeprefix("get_").split("_"))
        kind = getattr(module, f"{OTHERWISE.get(word, word)}Request")
        fields = {"symbol_or_symbols": [symbol]}
        if "start" in kind.model_fields:
            fields |= SINCE
        if "timeframe" in kind.model_fields:
            fields |= {"timeframe": TimeFrame.Day}
        return kind(**fields)

    @pytest.mark.parametrize("name", sorted(methods(StockHistoricalDataClient)))
    def test_of_stocks(self, credentials, name):
        stock = make_instrument(exchange="XNAS")
        bars_of(stock)
        told = getattr(StockHistoricalDataClient(**credentials), name)(self.asked(data_requests, name, stock.symbol))
        assert list(getattr(told, "data", told)) == [stock.symbol]

    @pytest.mark.parametrize("name", sorted(methods(CryptoHistoricalDataClient)))
    def test_of_crypto(self, credentials, name):
        pair = make_instrument(exchange="CRYPTO", asset_class="CRYPTO")
        bars_of(pair)
        told = getattr(CryptoHistoricalDataClient(**credentials), name)(self.asked(data_requests, name, pair.symbol))
        assert list(getattr(told, "data", told)) == [pair.symbol]

    def test_what_is_not_served_is_named(self):
        modules = (historical, live, alpaca.data.historical.corporate_actions)
        clients = {name for module in modules for name in dir(module) if name.endswith(("Client", "DataStream"))}
        named = DOCS.read_text()
        assert {name for name in clients - SERVED - {"RESTClient"} if f"`{name}`" not in named} == set()


class TestRequests:
    """What may be asked for is known here: a new field is one to look at."""

    def test_of_orders(self):
        assert set(GetOrdersRequest.model_fields) == {
            *("status", "limit", "after", "until", "direction", "nested", "side", "symbols"),
        }
        assert lacking(trading_requests, ("Market", "Limit", "Stop", "Trailing", "Order")) == {
            *("symbol", "qty", "notional", "side", "type", "time_in_force", "order_class", "extended_hours", "client_order_id"),
            *("legs", "take_profit", "stop_loss", "position_intent", "limit_price", "stop_price", "trail_price", "trail_percent"),
        }
        assert set(ReplaceOrderRequest.model_fields) == {
            *("qty", "time_in_force", "limit_price", "stop_price", "trail", "client_order_id"),
        }

    def test_of_the_rest(self):
        assert set(GetPortfolioHistoryRequest.model_fields) == {
            *("period", "timeframe", "intraday_reporting", "start", "pnl_reset", "end", "date_end", "extended_hours"),
            "cashflow_types",
        }
        assert set(GetAssetsRequest.model_fields) == {"status", "asset_class", "exchange", "attributes"}
        assert set(ClosePositionRequest.model_fields) == {"qty", "percentage"}
        assert set(GetOptionContractsRequest.model_fields) == {
            *("underlying_symbols", "status", "expiration_date", "expiration_date_gte", "expiration_date_lte", "root_symbol"),
            *("type", "style", "strike_price_gte", "strike_price_lte", "limit", "page_token"),
        }
        assert lacking(data_requests, ("StockBars", "StockQuotes", "StockTrades")) == {
            *("symbol_or_symbols", "start", "end", "limit", "currency", "sort", "timeframe", "adjustment", "feed", "asof"),
        }
