"""Query parameters: the ones a route knows, each given once, each read strictly.

A route knows its filters (`filterset_fields` or `filterset_class`), its paging, and every query parameter that
`extend_schema(parameters=...)` declares on the handler: what is documented is taken, what is not is refused with 400, for a
misspelled filter answers the wrong rows and a misspelled `dry_run` is none.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import django_filters
from django import forms
from django.db import models
from django.db.models import QuerySet
from django.utils.module_loading import import_string
from django_filters.filterset import FILTER_FOR_DBFIELD_DEFAULTS
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # the views' own module reads this one through the settings
    from rest_framework.views import APIView

FIELDS = "marketdata.api.fields."
MAX_TEXT = 200
MAX_CHOICES = 100
DECLARED: dict[tuple[type, str], frozenset[str]] = {}
KNOWN: dict[tuple[Any, ...], frozenset[str]] = {}


class ParsedField(forms.Field):
    """A form field that reads its text as the API's serializer fields do."""

    def __init__(self, *, reader: Callable[[], serializers.Field] | str, **kwargs: Any) -> None:
        make = import_string(FIELDS + reader) if isinstance(reader, str) else reader
        self.reader: serializers.Field = make()
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        """Return what the text means."""
        if value is None:
            return None
        try:
            return self.reader.run_validation(value)
        except serializers.ValidationError as error:
            details: Any = error.detail
            first = details[0]
            raise forms.ValidationError(str(first), code=first.code) from error


class ParsedFilter(django_filters.Filter):
    """A filter whose value is read by a serializer field."""

    field_class = ParsedField


class ChoicesFilter(django_filters.BaseInFilter, ParsedFilter):
    """A filter by any of several choices, written with commas."""


class NumberText(serializers.Field):
    """A whole number in a query, where everything is text."""

    default_error_messages = {"invalid": "Write a whole number."}

    def to_internal_value(self, data: Any) -> int:
        """Return the number; ASCII digits only."""
        if not re.fullmatch(r"-?\d{1,18}", data, re.ASCII):
            self.fail("invalid")
        return int(data)


class FlagText(serializers.ChoiceField):
    """True or false in a query."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=["true", "false"], **kwargs)

    def to_internal_value(self, data: Any) -> bool:  # type: ignore[override]  # a choice of texts that means a flag
        """Return the flag."""
        return bool(super().to_internal_value(data) == "true")


def _reads(reader: Callable[[], serializers.Field] | str) -> dict[str, Any]:
    return {"filter_class": ParsedFilter, "extra": lambda _field: {"reader": reader}}


def _of_relation(field: models.Field) -> dict[str, Any]:
    """Return the reader of a foreign key: instruments go by their names, all else by id."""
    named = field.related_model is not None and field.related_model._meta.label == "marketdata.Instrument"
    return {"reader": "InstrumentField" if named else serializers.UUIDField}


class StrictFilterSet(FilterSet):
    """Filters by field; a lookup's values are validated as the field itself is."""

    FILTER_DEFAULTS = FILTER_FOR_DBFIELD_DEFAULTS | {
        models.CharField: _reads("TextField"),
        models.EmailField: _reads("TextField"),
        models.BooleanField: _reads(FlagText),
        models.DateField: _reads("DayField"),
        models.DateTimeField: _reads("UtcDateTimeField"),
        models.DecimalField: _reads("DecimalStringField"),
        models.IntegerField: _reads(NumberText),
        models.SmallIntegerField: _reads(NumberText),
        models.PositiveIntegerField: _reads(NumberText),
        models.PositiveSmallIntegerField: _reads(NumberText),
        models.BigIntegerField: _reads(NumberText),
        models.UUIDField: _reads(serializers.UUIDField),
        models.ForeignKey: {"filter_class": ParsedFilter, "extra": _of_relation},
        models.OneToOneField: {"filter_class": ParsedFilter, "extra": _of_relation},
    }

    @classmethod
    def filter_for_lookup(cls, field: models.Field, lookup_type: str) -> tuple[type, dict[str, Any]]:
        """Return the filter of a lookup; `isnull` is a flag, and of several choices each must be one."""
        if lookup_type == "isnull":
            return ParsedFilter, {"reader": FlagText}
        if lookup_type == "in" and field.choices:
            return ChoicesFilter, {"reader": partial(serializers.ChoiceField, choices=field.choices)}
        return super().filter_for_lookup(field, lookup_type)


class StrictFilterBackend(DjangoFilterBackend):
    """Makes the filters a view names in `filterset_fields`, once per view."""

    filterset_base = StrictFilterSet

    def get_filterset_class(self, view: "APIView", queryset: QuerySet | None = None) -> type[FilterSet] | None:
        """Return the filters of a view."""
        made = view.__class__.__dict__.get("_made_filterset")
        if made is None:
            made = super().get_filterset_class(view, queryset)
            if made is not None and not getattr(view, "filterset_class", None):
                view.__class__._made_filterset = made  # type: ignore[attr-defined]
        return made

    def filter_queryset(self, request: Request, queryset: QuerySet, view: "APIView") -> QuerySet:
        """Return the rows that the query keeps; where it names no filter, nothing has to be read and checked."""
        made = self.get_filterset_class(view, queryset)
        if (
            made is not None
            and not getattr(view, "filterset_class", None)
            and made.base_filters.keys().isdisjoint(request.query_params)
        ):
            return queryset
        return super().filter_queryset(request, queryset, view)


class KnownParameters(BasePermission):
    """Refuses a request whose query holds what the route does not know, a value twice, none, or one no text can be."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Say yes, or raise what is wrong with the query."""
        known = None
        for name, values in request.query_params.lists():
            known = known if known is not None else _known_here(request, view)
            if problem := _problem(name, values, known):
                raise ValidationError({name[:MAX_TEXT].replace("\0", ""): [problem]})
        return True


def _problem(name: str, values: list[str], known: frozenset[str]) -> ErrorDetail | None:
    """Return what is wrong with one parameter."""
    if name not in known:
        return ErrorDetail("There is no such parameter here.", code="unknown_parameter")
    if len(values) > 1:
        return ErrorDetail(
            "Give the parameter once; a list is written with commas where __in is its end.", code="repeated_parameter"
        )
    if not values[0]:
        return ErrorDetail("The parameter has no value; leave it out.", code="blank")
    if "\0" in values[0]:
        return ErrorDetail("NUL is no character of a text.", code="invalid")
    if name.endswith("__in") and values[0].count(",") >= MAX_CHOICES:
        return ErrorDetail(f"At most {MAX_CHOICES} values can be asked for at once.", code="too_many")
    return None


def _known_here(request: Request, view: Any) -> frozenset[str]:
    """Return the parameters of the route at hand; they are the same at every call, so they are read once."""
    if (request.method or "").lower() not in view.http_method_names:  # of such a client could make up any number
        return frozenset(_known(request, view))
    key = (type(view), request.method, getattr(view, "action", None), getattr(view, "detail", None))
    if key not in KNOWN:
        KNOWN[key] = frozenset(_known(request, view))
    return KNOWN[key]


def _known(request: Request, view: Any) -> Iterator[str]:
    """Name the parameters of the route at hand."""
    handler = getattr(view, (request.method or "").lower(), None)
    declared = getattr(handler, "kwargs", {}).get("schema") or getattr(view, "schema", None)
    yield from _declared(declared if isinstance(declared, type) else type(declared), view)
    if request.method not in {"GET", "HEAD"} or not hasattr(view, "filter_queryset"):
        return
    of_one = getattr(view, "detail", False) is True
    for backend in () if of_one else view.filter_backends:
        filters = backend().get_filterset_class(view, getattr(view, "queryset", None))
        yield from filters.base_filters if filters else ()
    if view.paginator and (not of_one or "ordering" in getattr(handler, "kwargs", {})):  # a list that belongs to one row
        yield from view.paginator.query_parameters


def _declared(schema: type, view: Any) -> frozenset[str]:
    """Name the query parameters that `extend_schema` declares; they are the same at every call, so they are read once."""
    key = (schema, view.request.method)
    if key not in DECLARED:
        inspector = schema()
        inspector.view, inspector.method = view, view.request.method
        DECLARED[key] = frozenset(_names(inspector))
    return DECLARED[key]


def _names(inspector: Any) -> Iterator[str]:
    """Name the query parameters that a schema adds to those of the view."""
    for parameter in inspector.get_override_parameters() if hasattr(inspector, "get_override_parameters") else []:
        if isinstance(parameter, OpenApiParameter):
            if parameter.location == OpenApiParameter.QUERY:
                yield parameter.name
        else:
            yield from (parameter() if isinstance(parameter, type) else parameter).fields
