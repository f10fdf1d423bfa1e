"""Rows of orders, their events and fills, stored together in one trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import orjson
from django.db import connection, models

from trading.models.orders import Fill, Order

EventRow = Mapping[str, Any]  # the columns of an order event by name: hundreds are written at once, and none is looked at again


def store(
    *,
    new: Sequence[Order] = (),
    moved: Sequence[Order] = (),
    events: Sequence[EventRow] = (),
    fills: Sequence[Fill] = (),
) -> bool:
    """Store new orders, orders that are locked and have moved, and what is added to them; all or none.

    It returns False, and nothing is stored, where the account of a new order has used its client order id before.
    """
    rows = (new, moved, events, fills)
    with connection.cursor() as cursor:
        cursor.execute("SELECT trading_store(%s, %s, %s, %s)", [_written(some) for some in rows])
        done: bool = cursor.fetchone()[0]
    if done:
        for row in (*new, *fills):
            row._state.adding, row._state.db = False, connection.alias
    return done


def _written(rows: Sequence[models.Model] | Sequence[EventRow]) -> str | None:
    """Return rows as `trading_store` reads them: the columns by name, numbers as texts."""
    if not rows:
        return None
    if isinstance(rows[0], models.Model):
        names, values = _COLUMNS[type(rows[0])]  # type: ignore[index]  # it is of one of the two
        rows = [dict(zip(names, values(row), strict=True)) for row in rows]  # type: ignore[arg-type]
    return orjson.dumps(rows, default=str).decode()


def _columns(model: type[models.Model]) -> tuple[list[str], Callable[[models.Model], tuple[Any, ...]]]:
    """Return the columns of a model, and what reads them off a row."""
    fields = model._meta.concrete_fields
    return [str(each.column) for each in fields], attrgetter(*(each.attname for each in fields))


_COLUMNS = {model: _columns(model) for model in (Order, Fill)}
