"""Who gets how far by the door for Alpaca's clients: everybody shows a token, and Alice's account as the key id."""

from collections.abc import Callable
from typing import Any

from tests.access.world import World

# route, method, then as in `doors.PEOPLE`: a session counts for nothing here, so all but the last four come with a token for all
OPEN = (200, 200, 200, 200, 200, 401, 200, 200, 200, 200)  # what the market says
# what is not there, whoever asks
NOWHERE = (404, 404, 404, 404, 404, 401, 404, 404, 404, 404)
SEEN = (200, 200, 200, 401, 401, 401, 200, 200, 200, 401)  # what members see
DOORS: list[tuple[Any, ...]] = [
    ("alpaca-account", "get", *SEEN),
    ("alpaca-configurations", "get", *SEEN),
    ("alpaca-configurations", "patch", 200, 200, 403, 401, 401, 401, 403, 200, 200, 401),
    ("alpaca-activities", "get", *SEEN),
    ("alpaca-activities-of", "get", *SEEN),
    ("alpaca-history", "get", *SEEN),
    ("alpaca-assets", "get", *OPEN),
    ("alpaca-asset", "get", *OPEN),
    ("alpaca-clock", "get", *OPEN),
    ("alpaca-calendar", "get", *OPEN),
    ("alpaca-announcements", "get", *OPEN),
    ("alpaca-announcement", "get", *OPEN),
    ("alpaca-option-contracts", "get", *OPEN),
    ("alpaca-option-contract", "get", *NOWHERE),  # it is none
    ("alpaca-trade-events", "get", *SEEN),
    ("alpaca-orders", "get", *SEEN),
    ("alpaca-orders", "post", 200, 200, 403, 401, 401, 401, 403, 200, 200, 401),
    ("alpaca-orders", "delete", 207, 207, 403, 401, 401, 401, 403, 207, 207, 401),
    ("alpaca-order-by-client-id", "get", *SEEN),
    ("alpaca-order", "get", *SEEN),
    ("alpaca-order", "patch", 200, 200, 403, 401, 401, 401, 403, 200, 200, 401),
    ("alpaca-order", "delete", 204, 204, 403, 401, 401, 401, 403, 204, 204, 401),
    ("alpaca-positions", "get", *SEEN),
    ("alpaca-positions", "delete", 207, 207, 403, 401, 401, 401, 403, 207, 207, 401),
    ("alpaca-position", "get", *SEEN),
    ("alpaca-position", "delete", 200, 200, 403, 401, 401, 401, 403, 200, 200, 401),
    *(
        (f"alpaca-{way}", "post", 422, 422, 403, 401, 401, 401, 403, 422, 422, 401)  # it is no option
        for way in ("exercise", "do-not-exercise")
    ),
    ("alpaca-watchlists", "get", *SEEN),
    ("alpaca-watchlists", "post", 200, 200, 200, 401, 401, 401, 403, 200, 200, 401),
    # the lists are Alice's own: other members find none of hers
    ("alpaca-watchlist", "get", 200, 404, 404, 401, 401, 401, 200, 200, 200, 401),
    ("alpaca-watchlist", "put", 200, 404, 404, 401, 401, 401, 403, 200, 200, 401),
    ("alpaca-watchlist", "post", 200, 404, 404, 401, 401, 401, 403, 200, 200, 401),
    ("alpaca-watchlist", "delete", 204, 404, 404, 401, 401, 401, 403, 204, 204, 401),
    ("alpaca-watchlist-by-name", "get", 200, 404, 404, 401, 401, 401, 200, 200, 200, 401),
    ("alpaca-watchlist-by-name", "put", 200, 404, 404, 401, 401, 401, 403, 200, 200, 401),
    ("alpaca-watchlist-by-name", "post", 200, 404, 404, 401, 401, 401, 403, 200, 200, 401),
    ("alpaca-watchlist-by-name", "delete", 204, 404, 404, 401, 401, 401, 403, 204, 204, 401),
    ("alpaca-watchlist-asset", "delete", 200, 404, 404, 401, 401, 401, 403, 200, 200, 401),
    *(
        (f"alpaca-{kind}", "get", *OPEN)
        for each in ("bars", "quotes", "trades")
        for kind in (each, f"{each}-of", f"latest-{each}")
    ),
    *((f"alpaca-latest-{each}-of", "get", *NOWHERE) for each in ("bars", "quotes", "trades")),  # there are bars of days alone
    ("alpaca-stream", "get", *[426] * 10),  # that takes a WebSocket
    ("alpaca-snapshots", "get", *OPEN),
    ("alpaca-snapshot", "get", *OPEN),
    *((f"alpaca-crypto-{each}", "get", *OPEN) for each in ("bars", "quotes", "trades", "snapshots")),
    *((f"alpaca-latest-crypto-{each}", "get", *OPEN) for each in ("bars", "quotes", "trades", "orderbooks")),
]

BODIES: dict[tuple[str, str], Callable[[World], dict[str, Any]]] = {
    ("alpaca-configurations", "patch"): lambda world: {"suspend_trade": True},
    ("alpaca-orders", "post"): lambda world: {
        "symbol": world.instrument.key,
        "qty": "1",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
    },
    ("alpaca-order", "patch"): lambda world: {"limit_price": "8"},
    ("alpaca-watchlists", "post"): lambda world: {"name": world.new_symbol()},
    ("alpaca-watchlist", "put"): lambda world: {"symbols": []},
    ("alpaca-watchlist", "post"): lambda world: {"symbol": world.instrument.key},
    ("alpaca-watchlist-by-name", "put"): lambda world: {"symbols": []},
    ("alpaca-watchlist-by-name", "post"): lambda world: {"symbol": world.instrument.key},
}

# what is asked, in whichever method
QUERIES: dict[str, Callable[[World], dict[str, str]]] = {
    "alpaca-order-by-client-id": lambda world: {"client_order_id": world.order.client_order_id},
    "alpaca-announcements": lambda world: {"ca_types": "split", "since": "2020-01-01", "until": "2020-02-01"},
    "alpaca-watchlist-by-name": lambda world: {"name": world.watchlist.name},
}

# what stands in the path
PLACES: dict[str, Callable[[World], str]] = {
    "symbol": lambda world: world.instrument.key,
    "order_id": lambda world: str(world.order.pk),
    "watchlist_id": lambda world: str(world.watchlist.pk),
    "announcement_id": lambda world: str(world.corporate_action.pk),
    "types": lambda world: "FILL",
    "location": lambda world: "us",
}


def market_query(world: World) -> dict[str, str]:
    """Return what every route of market data understands."""
    return {"symbols": world.instrument.key, "timeframe": "1Day", "start": "2020-01-01", "end": "2020-02-01"}
