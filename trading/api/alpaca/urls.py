"""The routes of Alpaca's API, relative to /alpaca/."""

from django.urls import URLPattern, URLResolver

from trading.api.alpaca import market_data_urls
from trading.api.alpaca.account import AccountInfoView, ConfigurationsView
from trading.api.alpaca.activities import ActivitiesView
from trading.api.alpaca.announcements import AnnouncementsView, AnnouncementView
from trading.api.alpaca.assets import AssetsView, AssetView
from trading.api.alpaca.history import HistoryView
from trading.api.alpaca.market_hours import CalendarView, ClockView
from trading.api.alpaca.option_contracts import OptionContractsView, OptionContractView
from trading.api.alpaca.orders import OrderByClientIdView, OrdersView, OrderView
from trading.api.alpaca.positions import ExerciseView, PositionsView, PositionView
from trading.api.alpaca.routes import route
from trading.api.alpaca.trade_events import TradeEventsView
from trading.api.alpaca.watchlists import WatchlistAssetView, WatchlistByNameView, WatchlistsView, WatchlistView

# symbols may hold a slash: BTC/USD
urlpatterns: list[URLPattern | URLResolver] = [
    route("v2/account", AccountInfoView, "alpaca-account"),
    route("v2/account/configurations", ConfigurationsView, "alpaca-configurations"),
    route("v2/account/activities", ActivitiesView, "alpaca-activities"),
    route("v2/account/activities/<str:types>", ActivitiesView, "alpaca-activities-of"),
    route("v2/account/portfolio/history", HistoryView, "alpaca-history"),
    route("v2/assets", AssetsView, "alpaca-assets"),
    route("v2/assets/<path:symbol>", AssetView, "alpaca-asset"),
    route("v2/clock", ClockView, "alpaca-clock"),
    route("v2/calendar", CalendarView, "alpaca-calendar"),
    route("v2/corporate_actions/announcements", AnnouncementsView, "alpaca-announcements"),
    route("v2/corporate_actions/announcements/<str:announcement_id>", AnnouncementView, "alpaca-announcement"),
    route("v2/options/contracts", OptionContractsView, "alpaca-option-contracts"),
    route("v2/options/contracts/<path:symbol>", OptionContractView, "alpaca-option-contract"),
    route("v2/events/trades", TradeEventsView, "alpaca-trade-events"),
    route("v2/orders", OrdersView, "alpaca-orders"),
    route("v2/orders:by_client_order_id", OrderByClientIdView, "alpaca-order-by-client-id"),
    route("v2/orders/<str:order_id>", OrderView, "alpaca-order"),
    route("v2/positions", PositionsView, "alpaca-positions"),
    route("v2/positions/<path:symbol>/exercise", ExerciseView, "alpaca-exercise"),
    route("v2/positions/<path:symbol>/do-not-exercise", ExerciseView, "alpaca-do-not-exercise"),
    route("v2/positions/<path:symbol>", PositionView, "alpaca-position"),
    route("v2/watchlists", WatchlistsView, "alpaca-watchlists"),
    route("v2/watchlists:by_name", WatchlistByNameView, "alpaca-watchlist-by-name"),
    route("v2/watchlists/<str:watchlist_id>", WatchlistView, "alpaca-watchlist"),
    route("v2/watchlists/<str:watchlist_id>/<path:symbol>", WatchlistAssetView, "alpaca-watchlist-asset"),
    *market_data_urls.urlpatterns,
]
