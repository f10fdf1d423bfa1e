"""The site with one door more: the two rows of an order inserted as they are, beside the door that places orders.

`granian ... benchmarks.making.order_server:application` serves it. The raw door stands behind the same middleware, so that the
caller is found and acts the same way; it knows no framework, no risk, no lock and no constraint of another table.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from uuid_utils.compat import uuid7

from config.wsgi import application

# what follows needs the apps
# isort: split
from trading.api.urls import urlpatterns
from trading.models import Order, OrderEvent

__all__ = ["application"]

TABLES = {"bench_order": Order, "bench_orderevent": OrderEvent}
COLUMNS = {name: [field.column for field in model._meta.local_fields] for name, model in TABLES.items()}
INSERTS = {
    name: f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
    for name, columns in COLUMNS.items()
}
BLANK: dict[str, Any] = {
    "effect": "OPEN", "order_class": "SIMPLE", "extended_hours": False, "role": "", "door": "API", "status": "NEW",
    "filled_quantity": 0, "filled_value": 0, "filled_fee": 0, "pending_cancel": False, "pending_replace": False,
    "triggered": False, "events": 1, "broker": "paper", "broker_order_id": "", "sending": "PENDING", "attempts": 0,
    "sequence": 1, "kind": "CREATED", "detail": "", "data": "{}", "external_id": "", "reference_price": "50",
}  # fmt: skip
ASKED = ("side", "type", "time_in_force", "quantity", "limit_price")


@csrf_exempt
@transaction.non_atomic_requests  # no savepoint within the caller's transaction
def insert(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """Insert the rows of an order, and answer with it."""
    said, now, key = json.loads(request.body), datetime.now(UTC), uuid7()
    row = BLANK | {name: said.get(name) for name in ASKED} | {
        "id": key, "account_id": account_id, "client_order_id": str(key), "instrument_id": UUID(said["instrument"]),
        "actor_id": request.user.pk, "created_at": now, "updated_at": now, "at": now, "recorded_at": now, "order_id": key,
    }  # fmt: skip
    with connection.cursor() as cursor:
        for table, insertion in INSERTS.items():
            cursor.execute(insertion, [row.get(column) for column in COLUMNS[table]])
            row["id"] = uuid7()
    told = {name: row.get(name) for name in COLUMNS["bench_order"]} | {"id": key}
    return HttpResponse(json.dumps(told, cls=DjangoJSONEncoder), content_type="application/json", status=201)


urlpatterns.insert(0, path("bench/accounts/<uuid:account_id>/orders/", insert))  # found after as long a search as ours
