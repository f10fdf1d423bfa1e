"""The routes of Alpaca's API, relative to /alpaca/; none ends with a slash."""

from django.urls import URLPattern, URLResolver, path

from trading.api.alpaca import market_data_urls
from trading.api.alpaca.account import AccountInfoView, ConfigurationsView
from trading.api.alpaca.activities import ActivitiesView
from trading.api.alpaca.announcements import AnnouncementsView, AnnouncementView
from trading.api.alpaca.assets import AssetsView, AssetView
from trading.api.alpaca.history import HistoryView
from trading.api.alpaca.market_hours import CalendarView, ClockView
from trading.api.alpaca.option_contracts import OptionContractsView, OptionContractView
from trading.api.alpaca.orders import OrderByClientIdView, OrdersView, OrderView
from trading.api.alpaca.positions import PositionsView, PositionView
from trading.api.alpaca.watchlists import WatchlistAssetView, WatchlistByNameView, WatchlistsView, WatchlistView

# symbols may hold a slash: BTC/USD
urlpatterns: list[URLPattern | URLResolver] = [
    path("v2/account", AccountInfoView.as_view(), name="alpaca-account"),
    path("v2/account/configurations", ConfigurationsView.as_view(), name="alpaca-configurations"),
    path("v2/account/activities", ActivitiesView.as_view(), name="alpaca-activities"),
    path("v2/account/activities/<str:types>", ActivitiesView.as_view(), name="alpaca-activities-of"),
    path("v2/account/portfolio/history", HistoryView.as_view(), name="alpaca-history"),
    path("v2/assets", AssetsView.as_view(), name="alpaca-assets"),
    path("v2/assets/<path:symbol>", AssetView.as_view(), name="alpaca-asset"),
    path("v2/clock", ClockView.as_view(), name="alpaca-clock"),
    path("v2/calendar", CalendarView.as_view(), name="alpaca-calendar"),
    path("v2/corporate_actions/announcements", AnnouncementsView.as_view(), name="alpaca-announcements"),
    path("v2/corporate_actions/announcements/<str:announcement_id>", AnnouncementView.as_view(), name="alpaca-announcement"),
    path("v2/options/contracts", OptionContractsView.as_view(), name="alpaca-option-contracts"),
    path("v2/options/contracts/<path:symbol>", OptionContractView.as_view(), name="alpaca-option-contract"),
    path("v2/orders", OrdersView.as_view(), name="alpaca-orders"),
    path("v2/orders:by_client_order_id", OrderByClientIdView.as_view(), name="alpaca-order-by-client-id"),
    path("v2/orders/<str:order_id>", OrderView.as_view(), name="alpaca-order"),
    path("v2/positions", PositionsView.as_view(), name="alpaca-positions"),
    path("v2/positions/<path:symbol>", PositionView.as_view(), name="alpaca-position"),
    path("v2/watchlists", WatchlistsView.as_view(), name="alpaca-watchlists"),
    path("v2/watchlists:by_name", WatchlistByNameView.as_view(), name="alpaca-watchlist-by-name"),
    path("v2/watchlists/<str:watchlist_id>", WatchlistView.as_view(), name="alpaca-watchlist"),
    path("v2/watchlists/<str:watchlist_id>/<path:symbol>", WatchlistAssetView.as_view(), name="alpaca-watchlist-asset"),
    *market_data_urls.urlpatterns,
]
