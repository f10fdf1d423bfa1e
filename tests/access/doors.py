"""Every route of the API, every method, every person: who gets in, and who hears what instead.

owner     Alice, by her session            operator  a superuser, no member of the account
trader    Tom, who trades in her account   stranger  Charlie
viewer    Bob, who may look at it          nobody    no name
read, trade, manage: tokens of Alice with that scope; limited: one with `manage` for another of her accounts.

What is somebody's own (watchlists, tokens, ...) is Alice's here: to all the others it is not there.
"""

from collections.abc import Callable
from itertools import cycle
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.access import trading_doors
from tests.access.world import World
from tests.factories import PASSWORD, make_instrument, make_segment
from tests.trading.factories import make_png
from trading.models import Attachment, BacktestRun
from trading.selectors.backtests import folder_of
from trading.services.journal import path_of

PEOPLE = ("owner", "trader", "viewer", "operator", "stranger", "nobody", "read", "trade", "manage", "limited")

DOORS: list[tuple[Any, ...]] = [
    # route, method                own  trd  view oper str  none read trad mng  lim
    ("login", "post", 201, 201, 201, 201, 201, 201, 201, 201, 201, 201),
    ("me", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("me", "patch", 200, 200, 200, 200, 200, 401, 403, 403, 200, 200),
    ("token-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("token-list", "post", 201, 201, 201, 201, 201, 401, 403, 403, 201, 201),
    ("token-detail", "get", 200, 404, 404, 404, 404, 401, 200, 200, 200, 200),
    ("token-detail", "delete", 204, 404, 404, 404, 404, 401, 403, 403, 204, 204),
    ("invitation-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("invitation-accept", "post", 200, 404, 404, 404, 404, 401, 403, 403, 200, 403),
    ("invitation-decline", "post", 204, 404, 404, 404, 404, 401, 403, 403, 204, 403),
    ("watchlist-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("watchlist-list", "post", 201, 201, 201, 201, 201, 401, 403, 201, 201, 201),
    ("watchlist-detail", "get", 200, 404, 404, 404, 404, 401, 200, 200, 200, 200),
    ("watchlist-detail", "patch", 200, 404, 404, 404, 404, 401, 403, 200, 200, 200),
    ("watchlist-detail", "delete", 204, 404, 404, 404, 404, 401, 403, 204, 204, 204),
    ("notification-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("notification-detail", "get", 200, 404, 404, 404, 404, 401, 200, 200, 200, 200),
    ("notification-detail", "patch", 200, 404, 404, 404, 404, 401, 403, 200, 200, 200),
    ("notification-detail", "delete", 204, 404, 404, 404, 404, 401, 403, 204, 204, 204),
    ("account-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("account-list", "post", 201, 201, 201, 201, 201, 401, 403, 403, 201, 403),
    ("account-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("account-detail", "patch", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("account-detail", "delete", 204, 403, 403, 404, 404, 401, 403, 403, 204, 404),
    ("member-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("member-list", "post", 201, 403, 403, 404, 404, 401, 403, 403, 201, 404),
    ("member-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("member-detail", "patch", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("member-detail", "delete", 204, 204, 403, 404, 404, 401, 403, 403, 204, 404),  # it is Tom who may leave
    ("job-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("job-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("job-detail", "patch", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("job-run", "post", 202, 403, 403, 404, 404, 401, 403, 403, 202, 404),
    ("job-run-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("entry-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("entry-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("entry-batch", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("entry-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("entry-reverse", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("entry-correct", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("import-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("import-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("import-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("export", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("taxonomy-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("taxonomy-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("taxonomy-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("taxonomy-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("taxonomy-detail", "delete", 204, 204, 403, 404, 404, 401, 403, 204, 204, 404),
    ("classification-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("classification-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("classification-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("classification-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("classification-detail", "delete", 204, 204, 403, 404, 404, 401, 403, 204, 204, 404),
    ("target-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("target-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("target-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("target-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("target-detail", "delete", 204, 204, 403, 404, 404, 401, 403, 204, 204, 404),
    ("policy-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("policy-list", "post", 201, 403, 403, 404, 404, 401, 403, 403, 201, 404),
    ("policy-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("policy-detail", "patch", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("policy-detail", "delete", 204, 403, 403, 404, 404, 401, 403, 403, 204, 404),
    ("drift", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("rebalance", "post", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("policy-checks", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("summary", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("performance", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trades-performance", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trade-thresholds", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trade-thresholds", "put", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("trade-thresholds", "patch", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("income", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("rolling", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("drawdowns", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("monthly-returns", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("contributions", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("report-realized", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("report-income", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("report-fees", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("report-holdings", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("report-activity", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("report-performance", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("household-summary", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("household-positions", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("household-performance", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("household-snapshots", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("position-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("lot-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("closure-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("snapshot-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("entry-lots", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("entry-lots", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("cost-basis", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("cost-basis", "post", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("transfer", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("transfer-reverse", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("action-proposal-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("action-proposal-apply", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("action-proposal-dismiss", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("missing-acquisition-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    *trading_doors.DOORS,
    ("instrument-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("instrument-list", "post", 403, 403, 403, 201, 403, 401, 403, 403, 201, 201),
    ("instrument-detail", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("instrument-detail", "patch", 403, 403, 403, 200, 403, 401, 403, 403, 200, 200),
    ("bar-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("bar-list", "post", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("quote-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("quote-list", "post", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("quote-latest", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("tick-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("tick-list", "post", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("tick-latest", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("fx-rate-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("fx-rate-list", "post", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("fx-rate-convert", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("corporate-action-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("corporate-action-list", "post", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("corporate-action-detail", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("corporate-action-detail", "patch", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("corporate-action-detail", "delete", 403, 403, 403, 204, 403, 401, 403, 403, 403, 403),
    ("series-file", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("series-file", "post", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("quality-issue-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("quality-issue-summary", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("quality-issue-detail", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("quality-issue-detail", "patch", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("archive-segment-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("archive-segment-detail", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("provider-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("stream-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("stream-quotes", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("stream-orders", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("cache", "get", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("cache", "post", 403, 403, 403, 200, 403, 401, 403, 403, 403, 403),
    ("schema", "get", 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("docs", "get", 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
]

kinds = cycle(["POSITION", "CURRENCY", "FEES"])  # there is one policy of a kind
LOG = b'event_id,timestamp,event_type,data_json\n1,2020-01-02 12:00Z,DEPOSIT,"{""amount"": 5}"\n'
BREACH = b'{"timestamp": "2020-01-06T15:00:00Z", "event_type": "x", "severity": "WARNING", "action_taken": "none"}'
DEPOSIT = {"kind": "DEPOSIT", "occurred_at": "2020-01-02T12:00:00Z", "cash": "5"}

# what is sent, where a route wants something
BODIES: dict[tuple[str, str], Callable[[World], dict[str, Any]]] = {
    ("login", "post"): lambda world: {"email": world.alice.email, "password": PASSWORD, "name": "x", "scopes": ["read"]},
    ("me", "patch"): lambda world: {"display_name": "Somebody"},
    ("token-list", "post"): lambda world: {"name": "x", "scopes": ["read"]},
    ("watchlist-list", "post"): lambda world: {"name": world.new_symbol(), "instruments": [world.instrument.key]},
    ("watchlist-detail", "patch"): lambda world: {"name": "Other"},
    ("notification-detail", "patch"): lambda world: {"read_at": "2024-01-02T00:00:00Z"},
    ("account-list", "post"): lambda world: {"name": "New", "base_currency": "EUR"},
    ("account-detail", "patch"): lambda world: {"name": "Other"},
    ("member-list", "post"): lambda world: {"email": f"{world.new_symbol()}@example.com", "role": "VIEWER"},
    ("member-detail", "patch"): lambda world: {"role": "VIEWER"},
    ("job-detail", "patch"): lambda world: {"enabled": False},
    ("entry-list", "post"): lambda world: DEPOSIT,
    ("entry-batch", "post"): lambda world: {"entries": [DEPOSIT, DEPOSIT]},
    ("entry-reverse", "post"): lambda world: {"reason": {"primary": "mistake"}},
    ("entry-correct", "post"): lambda world: {"entry": DEPOSIT},
    ("entry-lots", "post"): lambda world: {"lots": [{"sequence": world.buy.sequence, "quantity": "4"}]},
    ("trade-thresholds", "put"): lambda world: {"min_win_rate": "0.4"},
    ("trade-thresholds", "patch"): lambda world: {"max_consecutive_losses": 5},
    ("cost-basis", "post"): lambda world: {"method": "LIFO"},
    ("transfer", "post"): lambda world: {
        "to": str(world.account_for_both.pk),
        "occurred_at": "2020-01-05T12:00:00Z",
        "instrument": world.instrument.key,
        "quantity": "0.5",
    },
    ("taxonomy-list", "post"): lambda world: {"name": world.new_symbol()},
    ("taxonomy-detail", "patch"): lambda world: {"name": world.new_symbol()},
    ("classification-list", "post"): lambda world: {
        "taxonomy": str(world.taxonomy.pk),
        "instrument": make_instrument().key,
        "category": "Asia",
    },
    ("classification-detail", "patch"): lambda world: {"weight": "0.5"},
    ("target-list", "post"): lambda world: {
        "name": world.new_symbol(),
        "targets": [{"instrument": world.instrument.key, "weight": "0.25"}],
    },
    ("target-detail", "patch"): lambda world: {"in_force": True},
    ("policy-list", "post"): lambda world: {"kind": next(kinds), "threshold": "0.25"},
    ("policy-detail", "patch"): lambda world: {"threshold": "0.8"},
    ("rebalance", "post"): lambda world: {},
    ("strategy-list", "post"): lambda world: {"name": world.new_symbol()},
    ("strategy-detail", "patch"): lambda world: {"entry_type": "breakout"},
    ("session-list", "post"): lambda world: {"configuration": {"fast": 10}},
    ("session-detail", "patch"): lambda world: {"name": "Other"},
    ("signal-list", "post"): lambda world: {
        "instrument": world.instrument.key,
        "source": world.new_symbol(),
        "kind": "ENTER_LONG",
        "at": "2020-01-07T15:00:00Z",
    },
    ("signal-detail", "patch"): lambda world: {"status": "DISMISSED"},
    ("decision-list", "post"): lambda world: {
        "instrument": world.instrument.key,
        "at": "2020-01-07T15:00:00Z",
        "choice": "BUY",
        "confidence": "0.8",
    },
    ("decision-detail", "patch"): lambda world: {"confidence": "0.9", "reason": "It fell."},
    ("decision-clean-up", "post"): lambda world: {"before": "2020-01-07T15:00:00Z"},
    ("order-list", "post"): lambda world: {"instrument": world.instrument.key, "side": "BUY", "quantity": "1"},
    ("order-detail", "patch"): lambda world: {"limit_price": "8"},
    ("risk-limits", "put"): lambda world: {"max_order_quantity": "1000"},
    ("risk-limits", "patch"): lambda world: {"max_order_quantity": "2000"},
    ("trading-pause", "post"): lambda world: {"reason": "Looking into it."},
    ("trading-resume", "post"): lambda world: {"note": f"All is well: {world.pause_trading()}"},
    ("broker-connection-list", "post"): lambda world: {"broker": "paper"},
    ("break-resolve", "post"): lambda world: {"resolution": "The dividend was posted by hand."},
    ("webhook-list", "post"): lambda world: {"url": f"https://example.com/{world.new_symbol()}", "topics": ["FILL"]},
    ("webhook-detail", "patch"): lambda world: {"topics": ["FILL", "RISK"]},
    ("import-list", "post"): lambda world: {"file": SimpleUploadedFile("log.csv", LOG)},
    ("instrument-list", "post"): lambda world: {
        "symbol": world.new_symbol(),
        "exchange": "XTST",
        "asset_class": "EQUITY",
        "currency": "USD",
    },
    ("instrument-detail", "patch"): lambda world: {"name": "Other"},
    ("bar-list", "post"): lambda world: {
        "instrument": world.instrument.key,
        "rows": [{"timestamp": "2020-01-07", "open": "1", "high": "1", "low": "1", "close": "1"}],
    },
    ("quote-list", "post"): lambda world: {
        "instrument": world.instrument.key,
        "rows": [{"timestamp": "2020-01-07T10:00:00Z", "bid": "1", "ask": "1.01"}],
    },
    ("tick-list", "post"): lambda world: {
        "instrument": world.instrument.key,
        "rows": [{"timestamp": "2020-01-07T10:00:00Z", "price": "1", "size": "1"}],
    },
    ("fx-rate-list", "post"): lambda world: {"rows": [{"base": "EUR", "quote": "USD", "date": "2020-01-07", "rate": "1.1"}]},
    ("series-file", "post"): lambda world: {
        "file": SimpleUploadedFile(
            f"{world.instrument.symbol}_timeseries.jsonl", b'{"timestamp": "2020-01-07T10:00:00", "price": 12}'
        )
    },
    ("backtest-list", "post"): lambda world: {
        "strategy_kind": "sma_cross",
        "instruments": [world.instrument.key],
        "start": "2020-01-01",
        "end": "2020-02-01",
        "cash": "1000",
    },
    ("journal-detail", "patch"): lambda world: {"tags": ["a+"], "notes": [{"text": "Well done."}]},
    ("journal-attachments", "post"): lambda world: {"file": SimpleUploadedFile("chart.png", make_png(world.new_symbol()))},
    ("trading-files", "post"): lambda world: {"file": SimpleUploadedFile("risk-management.jsonl", BREACH)},
    ("corporate-action-list", "post"): lambda world: {
        "rows": [{"instrument": world.instrument.key, "kind": "SPLIT", "ex_date": "2020-01-07", "ratio": "2"}]
    },
    ("corporate-action-detail", "patch"): lambda world: {"ratio": "3"},
    ("cache", "post"): lambda world: {"namespace": "quote", "keys": world.instrument.key},
    ("quality-issue-detail", "patch"): lambda world: {"resolution": "Looked at."},
}


def with_content(picture: Attachment) -> Attachment:
    """Return a picture whose file is there."""
    path_of(picture).parent.mkdir(parents=True, exist_ok=True)
    path_of(picture).write_bytes(make_png())
    return picture


def with_file(run: BacktestRun) -> BacktestRun:
    """Return a run that has left a file."""
    folder_of(run.pk).mkdir(parents=True, exist_ok=True)
    (folder_of(run.pk) / "summary.json").write_text("{}")
    return run


# what is asked, where a route wants to know
QUERIES: dict[str, Callable[[World], dict[str, str]]] = {
    "backtest-compare": lambda world: {"ids": str(world.desk.run.pk)},
    "position-size": lambda world: {"instrument": world.instrument.key, "stop": "9"},
    "cost-basis": lambda world: {"method": "HIFO"},
    "bar-list": lambda world: {"instrument": world.instrument.key},
    "quote-list": lambda world: {"instrument": world.instrument.key},
    "series-file": lambda world: {"instrument": world.instrument.key},
    "fx-rate-convert": lambda world: {"base": "EUR", "quote": "USD"},
    "quote-latest": lambda world: {"instruments": world.instrument.key},
    "tick-list": lambda world: {"instrument": world.instrument.key},
    "tick-latest": lambda world: {"instruments": world.instrument.key},
}

# which row a route names
OBJECTS: dict[str, Callable[[World], dict[str, Any]]] = {
    "token-detail": lambda world: {"pk": world.token.pk},
    "invitation-accept": lambda world: {"pk": world.invitation.pk},
    "invitation-decline": lambda world: {"pk": world.invitation.pk},
    "watchlist-detail": lambda world: {"pk": world.watchlist.pk},
    "notification-detail": lambda world: {"pk": world.notification.pk},
    "member-detail": lambda world: {"pk": world.membership(world.tom).pk},
    "job-detail": lambda world: {"pk": world.job.pk},
    "job-run": lambda world: {"pk": world.job.pk},
    "job-run-list": lambda world: {"job_id": world.job.pk},
    "entry-detail": lambda world: {"pk": world.buy.pk},
    "entry-reverse": lambda world: {"pk": world.deposit.pk},
    "entry-correct": lambda world: {"pk": world.deposit.pk},
    "entry-lots": lambda world: {"entry_id": world.sell_by_lots.pk},
    "transfer-reverse": lambda world: {"group": world.transfer},
    "action-proposal-apply": lambda world: {"pk": world.corporate_action.pk},
    "action-proposal-dismiss": lambda world: {"pk": world.corporate_action.pk},
    "import-detail": lambda world: {"pk": world.batch.pk},
    "taxonomy-detail": lambda world: {"pk": world.taxonomy.pk},
    "classification-detail": lambda world: {"pk": world.classification.pk},
    "target-detail": lambda world: {"pk": world.allocation.pk},
    "policy-detail": lambda world: {"pk": world.policy.pk},
    "strategy-detail": lambda world: {"pk": world.desk.strategy.pk},
    "session-detail": lambda world: {"pk": world.desk.session.pk},
    "session-end": lambda world: {"pk": world.desk.session.pk},
    "session-standing": lambda world: {"pk": world.desk.session.pk},
    "evaluation-detail": lambda world: {"pk": world.desk.evaluation.pk},
    "signal-detail": lambda world: {"pk": world.desk.signal.pk},
    "decision-detail": lambda world: {"pk": world.desk.decision.pk},
    "decision-changes": lambda world: {"pk": world.desk.decision.pk},
    "decision-chain": lambda world: {"pk": world.desk.decision.pk},
    "order-detail": lambda world: {"pk": world.order.pk},
    "order-events": lambda world: {"pk": world.order.pk},
    "fill-detail": lambda world: {"pk": world.desk.fill.pk},
    "risk-event-detail": lambda world: {"pk": world.desk.risk_event.pk},
    "broker-connection-detail": lambda world: {"pk": world.connection.pk},
    "break-detail": lambda world: {"pk": world.difference.pk},
    "break-resolve": lambda world: {"pk": world.difference.pk},
    "webhook-detail": lambda world: {"pk": world.webhook.pk},
    "webhook-secret": lambda world: {"pk": world.webhook.pk},
    "delivery-detail": lambda world: {"pk": world.heard.pk},
    "delivery-redeliver": lambda world: {"pk": world.heard.pk},
    "backtest-detail": lambda world: {"pk": world.desk.run.pk},
    "backtest-cancel": lambda world: {"pk": world.desk.run.pk},
    "journal-detail": lambda world: {"pk": world.desk.order.pk},
    "journal-attachments": lambda world: {"pk": world.desk.order.pk},
    "journal-attachment": lambda world: {"pk": world.desk.order.pk, "attachment_id": with_content(world.desk.picture).pk},
    "backtest-files": lambda world: {"pk": world.desk.run.pk},
    "backtest-file": lambda world: {"pk": with_file(world.desk.run).pk, "name": "summary.json"},
    "instrument-detail": lambda world: {"key": world.instrument.key},
    "corporate-action-detail": lambda world: {"pk": world.corporate_action.pk},
    "quality-issue-detail": lambda world: {"pk": world.issue.pk},
    "archive-segment-detail": lambda world: {"pk": make_segment().pk},
}
