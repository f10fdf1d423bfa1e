"""Who gets how far by the routes of trading; the columns are those of `doors.PEOPLE`."""

from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.access.world import World
from tests.trading.factories import make_png
from trading.models import Attachment, BacktestRun
from trading.selectors.backtests import folder_of
from trading.selectors.pictures import path_of

DOORS: list[tuple[Any, ...]] = [
    # route, method                own  trd  view oper str  none read trad mng  lim
    ("strategy-list", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),
    ("strategy-list", "post", 201, 201, 201, 201, 201, 401, 403, 201, 201, 403),
    ("strategy-kinds", "get", 200, 200, 200, 200, 200, 401, 200, 200, 200, 200),  # the same for everybody
    ("strategy-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 200),  # Alice's, and it runs in the account
    ("strategy-detail", "patch", 200, 403, 403, 404, 404, 401, 403, 200, 200, 403),
    ("strategy-detail", "delete", 409, 403, 403, 404, 404, 401, 403, 409, 409, 403),
    ("session-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("session-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("session-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("session-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("session-end", "post", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("session-standing", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("evaluation-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("evaluation-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("signal-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("signal-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("signal-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("signal-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("decision-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("decision-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("decision-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("decision-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("decision-detail", "delete", 409, 409, 403, 404, 404, 401, 403, 409, 409, 404),  # an order came of it
    ("decision-judge", "post", 400, 400, 403, 404, 404, 401, 403, 400, 400, 404),  # nobody said what it cost
    ("decision-changes", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("decision-chain", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("decision-clean-up", "post", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("order-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("order-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("order-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("order-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("order-detail", "delete", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("order-events", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("fill-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("fill-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("risk-limits", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("risk-limits", "put", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("risk-limits", "patch", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("risk-event-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("risk-event-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trading-pause", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trading-pause", "post", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("trading-resume", "post", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("position-size", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("broker-connection-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("broker-connection-list", "post", 201, 403, 403, 404, 404, 401, 403, 403, 201, 404),
    ("broker-connection-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("broker-connection-detail", "delete", 204, 403, 403, 404, 404, 401, 403, 403, 204, 404),
    ("break-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("break-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("break-resolve", "post", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("webhook-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("webhook-list", "post", 201, 403, 403, 404, 404, 401, 403, 403, 201, 404),
    ("webhook-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("webhook-detail", "patch", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("webhook-detail", "delete", 204, 403, 403, 404, 404, 401, 403, 403, 204, 404),
    ("webhook-secret", "post", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("delivery-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("delivery-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("delivery-redeliver", "post", 200, 403, 403, 404, 404, 401, 403, 403, 200, 404),
    ("backtest-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("backtest-list", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("backtest-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("backtest-detail", "delete", 409, 409, 403, 404, 404, 401, 403, 409, 409, 404),  # it waits for a worker
    ("backtest-cancel", "post", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("backtest-compare", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("backtest-files", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("backtest-file", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trade-record-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trade-record-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("journal-list", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("journal-detail", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("journal-detail", "patch", 200, 200, 403, 404, 404, 401, 403, 200, 200, 404),
    ("journal-statistics", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("journal-attachments", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
    ("journal-attachment", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("journal-attachment", "delete", 204, 204, 403, 404, 404, 401, 403, 204, 204, 404),
    ("trading-files", "get", 200, 200, 200, 404, 404, 401, 200, 200, 200, 404),
    ("trading-files", "post", 201, 201, 403, 404, 404, 401, 403, 201, 201, 404),
]

BREACH = b'{"timestamp": "2020-01-06T15:00:00Z", "event_type": "x", "severity": "WARNING", "action_taken": "none"}'

# what is sent, where a route wants something
BODIES: dict[tuple[str, str], Callable[[World], dict[str, Any]]] = {
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
    ("decision-judge", "post"): lambda world: {"price": "11"},
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
}

FORMS = {("journal-attachments", "post"), ("trading-files", "post")}  # a file, not JSON

# what is asked, where a route wants to know
QUERIES: dict[str, Callable[[World], dict[str, str]]] = {
    "backtest-compare": lambda world: {"ids": str(world.desk.run.pk)},
    "position-size": lambda world: {"instrument": world.instrument.key, "stop": "9"},
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


# which one of its kind is meant
KEYS: dict[str, Callable[[World], dict[str, Any]]] = {
    "strategy-detail": lambda world: {"pk": world.desk.strategy.pk},
    "session-detail": lambda world: {"pk": world.desk.session.pk},
    "session-end": lambda world: {"pk": world.desk.session.pk},
    "session-standing": lambda world: {"pk": world.desk.session.pk},
    "evaluation-detail": lambda world: {"pk": world.desk.evaluation.pk},
    "signal-detail": lambda world: {"pk": world.desk.signal.pk},
    "decision-detail": lambda world: {"pk": world.desk.decision.pk},
    "decision-judge": lambda world: {"pk": world.desk.decision.pk},
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
    "trade-record-detail": lambda world: {"pk": world.desk.order.pk},
    "journal-detail": lambda world: {"pk": world.desk.order.pk},
    "journal-attachments": lambda world: {"pk": world.desk.order.pk},
    "journal-attachment": lambda world: {"pk": world.desk.order.pk, "attachment_id": with_content(world.desk.picture).pk},
    "backtest-files": lambda world: {"pk": world.desk.run.pk},
    "backtest-file": lambda world: {"pk": with_file(world.desk.run).pk, "name": "summary.json"},
}
