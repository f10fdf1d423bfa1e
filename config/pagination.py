"""Pages by key: a page far in costs what the first one does, and rows that arrive meanwhile shift nothing."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlencode

from django.core import signing
from django.db.models import F, Field, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.encoding import escape_uri_path
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

if TYPE_CHECKING:  # the views' own module reads this one through the settings
    from rest_framework.views import APIView

DEFAULT_LIMIT, MAX_LIMIT, LONGEST_LIMIT = 100, 1000, 6
FORWARD, BACKWARD = "n", "p"


@runtime_checkable
class KeyedRows(Protocol):
    """Rows in the order of a key of their own."""

    def after(self, key: Sequence[Any] | None, *, descending: bool, limit: int) -> list[Any]:
        """Return up to so many rows beyond a key, or from the start."""

    def key_of(self, row: Any) -> list[Any]:
        """Return where a row stands, as JSON can hold it."""


class KeysetPagination(BasePagination):
    """Pages of `limit` rows from an opaque cursor on, in an order the view allows.

    A view names the orders that may be asked for in `ordering_fields` (columns that are never null) and its usual one in
    `ordering` or its queryset, such as `"-created_at"` or `("exchange", "symbol")`; all columns run in one direction and
    the primary key breaks ties. Rows that are no model's may be given as what reads them `after` a key (`KeyedRows`), and
    objects that are no rows as a sequence: those are paged by position.
    """

    query_parameters = ("limit", "cursor", "ordering")

    def paginate_queryset(self, queryset: Any, request: Request, view: "APIView | None" = None) -> list[Any]:
        """Return the rows of the page asked for."""
        self.request, self.salt = request, f"cursor:{request.path}"
        self.limit, self.ordering = _limit(request), _ordering(request, view, queryset)
        direction, position = self._read_cursor()
        if isinstance(queryset, QuerySet):
            return self._rows(queryset, direction == BACKWARD, position)
        if isinstance(queryset, KeyedRows):
            return self._keyed(queryset, direction == BACKWARD, position)
        return self._slice(queryset, position[0] if position else 0)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the addresses of its neighbors."""
        return Response(
            {"results": data, "next": self._link(FORWARD, self.next), "previous": self._link(BACKWARD, self.previous)}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what the OpenAPI document says of a page."""
        address = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": address, "previous": address},
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        """Return what the OpenAPI document says of the parameters."""
        orders = [sign + name for name in getattr(view, "ordering_fields", ()) for sign in ("", "-")]
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        said: dict[str, dict[str, Any]] = {
            "limit": {"description": "How many rows a page has at most.", "schema": limit},
            "cursor": {"description": "Where the page starts, taken from `next` or `previous`.", "schema": {"type": "string"}},
            "ordering": {"description": "The order of the rows.", "schema": {"type": "string", "enum": orders}},
        }
        names = [name for name in self.query_parameters if name != "ordering" or orders]
        return [{"name": name, "in": "query", "required": False} | said[name] for name in names]

    def _rows(self, queryset: QuerySet, backward: bool, position: list[Any] | None) -> list[Any]:
        """Return the rows after (or before) a key, reading one more than the page has to learn whether there are more."""
        names = [name.lstrip("-") for name in self.ordering]
        names += [] if names[-1:] == ["pk"] else ["pk"]
        descending = self.ordering[0].startswith("-") != backward
        if position is not None:
            beyond = TupleLessThan if descending else TupleGreaterThan
            key = [_column(queryset, name).to_python(value) for name, value in zip(names, position, strict=True)]
            queryset = queryset.filter(beyond(Tuple(*map(F, names)), key))
        found = list(queryset.order_by(*(f"-{name}" if descending else name for name in names))[: self.limit + 1])
        return self._page(found, backward, position, lambda row: _key(row, names))

    def _keyed(self, rows: "KeyedRows", backward: bool, position: list[Any] | None) -> list[Any]:
        """Return the rows after (or before) a key, from what reads them."""
        descending = self.ordering[0].startswith("-") != backward
        return self._page(rows.after(position, descending=descending, limit=self.limit + 1), backward, position, rows.key_of)

    def _page(
        self, found: list[Any], backward: bool, position: list[Any] | None, key_of: Callable[[Any], list[Any]]
    ) -> list[Any]:
        """Return the rows of the page among those found, which are one more where there are more; note its neighbors."""
        rows, more = found[: self.limit], len(found) > self.limit
        rows = rows[::-1] if backward else rows
        self.next = key_of(rows[-1]) if rows and (more or backward) else None
        self.previous = key_of(rows[0]) if rows and (more if backward else position is not None) else None
        return rows

    def _slice(self, objects: Sequence[Any], start: int) -> list[Any]:
        """Return the objects from a position on."""
        self.next = [start + self.limit] if start + self.limit < len(objects) else None
        self.previous = [max(0, start - self.limit)] if start else None
        return list(objects[start : start + self.limit])

    def _read_cursor(self) -> tuple[str, list[Any] | None]:
        """Return the direction and the key of the cursor; it is signed, so it holds what we wrote."""
        cursor = self.request.query_params.get("cursor")
        if cursor is None:
            return FORWARD, None
        try:
            ordering, direction, position = signing.loads(cursor, salt=self.salt)
        except (signing.BadSignature, ValueError) as error:
            raise _wrong("cursor", "The cursor is none of ours, or belongs to another list.") from error
        if ordering != list(self.ordering):
            raise _wrong("cursor", "The cursor belongs to another ordering.")
        return direction, position

    def _link(self, direction: str, position: list[Any] | None) -> str | None:
        """Return the address of a neighboring page."""
        if position is None:
            return None
        cursor = signing.dumps([list(self.ordering), direction, position], salt=self.salt)
        asked = [(name, value) for name, values in self.request.query_params.lists() for value in values if name != "cursor"]
        query = urlencode(sorted([*asked, ("cursor", cursor)]))
        return f"{self.request.build_absolute_uri(escape_uri_path(self.request.path))}?{query}"


def _limit(request: Request) -> int:
    """Return how many rows the page may have."""
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < LONGEST_LIMIT else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise _wrong("limit", f"Write a whole number from 1 to {MAX_LIMIT}.")
    return limit


def _ordering(request: Request, view: "APIView | None", queryset: Any) -> tuple[str, ...]:
    """Return the order asked for, or the usual one."""
    asked = request.query_params.get("ordering")
    if asked is None:
        usual: Any = getattr(view, "ordering", None) or (isinstance(queryset, QuerySet) and queryset.query.order_by) or ("pk",)
        return (usual,) if isinstance(usual, str) else tuple(usual)
    allowed = getattr(view, "ordering_fields", ())
    if asked.removeprefix("-") not in allowed:
        raise _wrong(
            "ordering", f"Rows can be ordered by {', '.join(allowed) or 'nothing else here'}; a minus in front turns it round."
        )
    return (asked,)


def _column(queryset: QuerySet, name: str) -> Field:
    """Return the field behind a column of an order, through relations too."""
    if name in queryset.query.annotations:
        return queryset.query.annotations[name].output_field
    *relations, last = name.split("__")
    model = queryset.model
    for relation in relations:
        model = model._meta.get_field(relation).related_model
    return model._meta.pk if last == "pk" else model._meta.get_field(last)


def _key(row: Any, names: Sequence[str]) -> list[Any]:
    """Return where a row stands in the order, as JSON can hold it."""
    key = []
    for name in names:
        value = row
        for part in name.split("__"):
            value = getattr(value, part)
        key.append(value.isoformat() if isinstance(value, date) else value if isinstance(value, int | str) else str(value))
    return key


def _wrong(name: str, detail: str) -> ValidationError:
    """Return the refusal of a parameter."""
    return ValidationError({name: [ErrorDetail(detail, code="invalid")]})
