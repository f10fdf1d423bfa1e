"""The routes of market data and of the stream, relative to /alpaca/."""

from django.urls import URLPattern, path

from trading.api.alpaca.market_data import (
    BarsView,
    LatestBarsView,
    LatestQuotesView,
    LatestTradesView,
    QuotesView,
    SnapshotsView,
    TradesView,
)
from trading.api.alpaca.stream import StreamView

SERIES = {"bars": BarsView, "quotes": QuotesView, "trades": TradesView}
LATEST = {"bars": LatestBarsView, "quotes": LatestQuotesView, "trades": LatestTradesView}

urlpatterns: list[URLPattern] = [
    path("stream", StreamView.as_view(), name="alpaca-stream"),
    path("v2/stocks/snapshots", SnapshotsView.as_view(), name="alpaca-snapshots"),
    path("v2/stocks/<str:symbol>/snapshot", SnapshotsView.as_view(), name="alpaca-snapshot"),
    *(path(f"v2/stocks/{kind}", view.as_view(), name=f"alpaca-{kind}") for kind, view in SERIES.items()),
    *(path(f"v2/stocks/{kind}/latest", view.as_view(), name=f"alpaca-latest-{kind}") for kind, view in LATEST.items()),
    *(path(f"v2/stocks/<str:symbol>/{kind}", view.as_view(), name=f"alpaca-{kind}-of") for kind, view in SERIES.items()),
    *(
        path(f"v2/stocks/<str:symbol>/{kind}/latest", view.as_view(), name=f"alpaca-latest-{kind}-of")
        for kind, view in LATEST.items()
    ),
]
