"""The routes of market data and of the stream, relative to /alpaca/."""

from django.urls import URLPattern

from trading.api.alpaca.crypto_data import (
    CryptoBarsView,
    CryptoQuotesView,
    CryptoSnapshotsView,
    CryptoTradesView,
    LatestCryptoBarsView,
    LatestCryptoQuotesView,
    LatestCryptoTradesView,
    LatestOrderbooksView,
)
from trading.api.alpaca.market_data import (
    BarsView,
    LatestBarsView,
    LatestQuotesView,
    LatestTradesView,
    QuotesView,
    SnapshotsView,
    TradesView,
)
from trading.api.alpaca.routes import route
from trading.api.alpaca.stream import StreamView

SERIES = {"bars": BarsView, "quotes": QuotesView, "trades": TradesView}
LATEST = {"bars": LatestBarsView, "quotes": LatestQuotesView, "trades": LatestTradesView}
CRYPTO = {"bars": CryptoBarsView, "quotes": CryptoQuotesView, "trades": CryptoTradesView}
LATEST_CRYPTO = {
    "bars": LatestCryptoBarsView,
    "quotes": LatestCryptoQuotesView,
    "trades": LatestCryptoTradesView,
    "orderbooks": LatestOrderbooksView,
}
PAIRS = "v1beta3/crypto/<str:location>"

urlpatterns: list[URLPattern] = [
    route("stream", StreamView, "alpaca-stream"),
    route("v2/stocks/snapshots", SnapshotsView, "alpaca-snapshots"),
    route("v2/stocks/<str:symbol>/snapshot", SnapshotsView, "alpaca-snapshot"),
    *(route(f"v2/stocks/{kind}", view, f"alpaca-{kind}") for kind, view in SERIES.items()),
    *(route(f"v2/stocks/{kind}/latest", view, f"alpaca-latest-{kind}") for kind, view in LATEST.items()),
    *(route(f"v2/stocks/<str:symbol>/{kind}", view, f"alpaca-{kind}-of") for kind, view in SERIES.items()),
    *(route(f"v2/stocks/<str:symbol>/{kind}/latest", view, f"alpaca-latest-{kind}-of") for kind, view in LATEST.items()),
    route(f"{PAIRS}/snapshots", CryptoSnapshotsView, "alpaca-crypto-snapshots"),
    *(route(f"{PAIRS}/{kind}", view, f"alpaca-crypto-{kind}") for kind, view in CRYPTO.items()),
    *(route(f"{PAIRS}/latest/{kind}", view, f"alpaca-latest-crypto-{kind}") for kind, view in LATEST_CRYPTO.items()),
]
