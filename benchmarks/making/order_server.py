"""The site with three doors more: the two rows of an order inserted as they are, beside the door that places orders.

`granian ... benchmarks.making.order_server:application` serves it. The raw doors stand behind the same middleware, so that the
caller is found and acts the same way; they know no risk and no lock. `api` is a view of the API that takes a body and inserts its
rows, and no more; `tables` does so without the API's framework (who may ask, how often, which format); `copies` is the same
again, into bare copies of the tables, which no other table, guard or policy belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from trading.api.urls import urlpatterns
from trading.models import Order, OrderEvent

__all__ = ["application"]

DOORS = {"api": "trading", "tables": "trading", "copies": "bench"}
COLUMNS = {
    name: [field.column for field in model._meta.local_fields] for name, model in (("order", Order), ("orderevent", OrderEvent))
}
INSERTS = {
    (door, name): f"INSERT INTO {prefix}_{name} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
    for door, prefix in DOORS.items()
    for name, columns in COLUMNS.items()
}
BLANK: dict[str, Any] = {
    "effect": "OPEN", "order_class": "SIMPLE", "extended_hours": False, "role": "", "door": "API", "status": "NEW",
    "filled_quantity": 0, "filled_value": 0, "filled_fee": 0, "pending_cancel": False, "pending_replace": False,
    "triggered": False, "events": 1, "broker": "paper", "broker_order_id": "", "sending": "PENDING", "attempts": 0,
    "sequence": 1, "kind": "CREATED", "detail": "", "data": "{}", "external_id": "", "reference_price": "50",
}  # fmt: skip
ASKED = ("side", "type", "time_in_force", "quantity", "limit_price")


def insert(said: Mapping[str, Any], actor: UUID, account_id: UUID, door: str) -> dict[str, Any]:
    """Insert the rows of an order, and return it."""
    now, key = datetime.now(UTC), uuid7()
    row = BLANK | {name: said.get(name) for name in ASKED} | {
        "id": key, "account_id": account_id, "client_order_id": str(key), "instrument_id": UUID(said["instrument"]),
        "actor_id": actor, "created_at": now, "updated_at": now, "at": now, "recorded_at": now, "order_id": key,
    }  # fmt: skip
    with connection.cursor() as cursor:
        for table, columns in COLUMNS.items():
            cursor.execute(INSERTS[door, table], [row.get(column) for column in columns])
            row["id"] = uuid7()
    return {name: row.get(name) for name in COLUMNS["order"]} | {"id": key}


class RawInsert(APIView):
    """The door of the API."""

    write_scope = Scope.TRADE

    def post(self, request: Request, account_id: UUID) -> Response:
        """Insert the rows of an order, and answer with it."""
        return Response(insert(request.data, request.user.pk, account_id, "api"), status=201)


@csrf_exempt
@transaction.non_atomic_requests  # no savepoint within the caller's transaction
def plain(request: HttpRequest, account_id: UUID, door: str) -> HttpResponse:
    """Insert the rows of an order, and answer with it."""
    told = insert(json.loads(request.body), request.user.pk, account_id, door)
    return HttpResponse(json.dumps(told, cls=DjangoJSONEncoder), content_type="application/json", status=201)


# found after as long a search as ours
urlpatterns.insert(0, path("api/accounts/<uuid:account_id>/orders/", RawInsert.as_view()))
for each in ("tables", "copies"):
    urlpatterns.insert(0, path(f"{each}/accounts/<uuid:account_id>/orders/", plain, {"door": each}))
