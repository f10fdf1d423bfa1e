"""Lists that write their rows quickly: what is the same in every row is put together once a page, not once a cell.

What comes out is what Unfold's own list shows, cell by cell; a test holds the two against each other.
"""

from collections.abc import Callable, Hashable
from datetime import date, time
from functools import cached_property
from html import escape
from operator import attrgetter
from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import DateField, Field, ForeignKey, Model, TimeField
from django.db.models.options import Options
from django.http import HttpRequest
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from unfold.templatetags.unfold_list import LINK_CLASSES, ROW_CLASSES, result_headers
from unfold.utils import (
    display_for_dropdown,
    display_for_field,
    display_for_header,
    display_for_label,
    display_for_value,
)
from unfold.views import ChangeList

from marketdata.admin.addresses import page_of

Read = Callable[[Any], Any]
ROW = (
    '<tbody class="block relative lg:table-row-group {}">'
    '<tr class="data-row block border border-base-200 mb-3 relative rounded-default'
    ' lg:table-row lg:border-none lg:mb-0 lg:rounded-none dark:border-base-800">{}</tr></tbody>'
)
STRIPES = ("", "bg-base-50 dark:bg-white/[.02]")


class QuickList(ChangeList):
    """A list whose rows are written column by column."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the rows of the page, with what their columns need beside them."""
        super().get_results(request)
        self.model_admin.prepare(self.result_list)

    @cached_property
    def headers(self) -> list[dict[str, Any]]:
        """Return the heads of the columns."""
        return list(result_headers(self))

    @property
    def plain(self) -> bool:
        """Say whether the rows are only read: others have parts that Unfold's own template writes."""
        admin = self.model_admin
        extras = ("list_sections", "ordering_field", "list_editable", "actions_row")
        return not (self.is_popup or self.to_field or any(getattr(admin, name, None) for name in extras))

    @property
    def rows(self) -> SafeString:
        """Return the rows as a piece of the page."""
        columns = [Column(self, place, name) for place, name in enumerate(self.list_display)]
        return SafeString(
            "".join(
                ROW.format(STRIPES[place % 2], "".join([column.cell(row) for column in columns]))
                for place, row in enumerate(self.result_list)
            )
        )


class Column:
    """One column of a list, which knows how its cells begin and end."""

    def __init__(self, shown: QuickList, place: int, name: Any) -> None:
        self.name = name
        self.admin = shown.model_admin
        self.field = field_of(shown.opts, name)
        self.read, maker = reader_of(shown, self.field, name)
        self.empty = getattr(maker, "empty_value_display", self.admin.get_empty_value_display())
        self.kinds = {kind: getattr(maker, kind, False) for kind in ("label", "dropdown", "header", "boolean")}
        self.labels: dict[Hashable, str] = {}
        self.links = linked(shown, place, name)
        self.tail = tail_of(shown) if self.links else ""
        tag = "th" if self.links and place == first_link(shown) else "td"
        classes = [f"field-{getattr(name, '__name__', place) if callable(name) else name}", *ROW_CLASSES]
        said = conditional_escape(shown.headers[place]["text"])
        self.heads = [f'<{tag} class="{" ".join(each)}" data-label="{said}">' for each in (classes, [*classes, "nowrap"])]
        self.foot = f"</{tag}>"
        self.wraps = not isinstance(self.field, DateField | TimeField | ForeignKey)

    def cell(self, row: Model) -> str:
        """Return the cell of a row."""
        wraps, text = self.wraps, ""
        try:
            value = self.read(row)
        except ObjectDoesNotExist:
            text, wraps = conditional_escape(self.empty), True
        else:
            if type(value) is SafeString and not self.kinds["label"]:
                text = value
            else:
                text = conditional_escape(self.shown(row, value))
                wraps = wraps and (self.field is not None or not isinstance(value, date | time))
        if self.links:
            text = f'<a href="{escape(page_of(row))}{self.tail}" class="{" ".join(LINK_CLASSES)}" >{text}</a>'
        return f"{self.heads[not wraps]}{text}{self.foot}"

    def shown(self, row: Model, value: Any) -> Any:
        """Return what is shown for a value, escaped or not."""
        if self.field is not None:
            if isinstance(self.field, ForeignKey):
                return self.empty if value is None else value
            return display_for_field(value, self.field, self.empty)
        if label := self.kinds["label"]:
            return self.labelled(value, label)
        if self.kinds["dropdown"]:
            return display_for_dropdown(row, self.name, value, self.empty)
        if self.kinds["header"]:
            return display_for_header(value, self.empty)
        return display_for_value(value, self.empty, self.kinds["boolean"])

    def labelled(self, value: Any, label: Any) -> str:
        """Return a label, made once for all rows that have it."""
        key = type(value), tuple(value) if isinstance(value, list) else value  # 1 is True, but does not read like it
        if key not in self.labels:
            self.labels[key] = display_for_label(value, self.empty, label)
        return self.labels[key]


def field_of(options: Options, name: Any) -> Field | None:
    """Return the field that a column shows; None for what is computed, and for keys that nobody chose."""
    try:
        field = options.get_field(name) if isinstance(name, str) else None
    except FieldDoesNotExist:
        return None
    if not isinstance(field, Field) or field.auto_created or (field.is_relation and field.attname == name):
        return None
    return field


def reader_of(shown: ChangeList, field: Field | None, name: Any) -> tuple[Read, Any]:
    """Return what reads the value of a column from a row, and what says how it is shown."""
    if field is not None:
        return attrgetter(field.name), None
    if callable(name):
        return name, name
    if name != "__str__" and hasattr(shown.model_admin, name):
        method = getattr(shown.model_admin, name)
        return method, method
    return lambda row: lookup_field(name, row, shown.model_admin)[2], getattr(shown.model, name, None)


def first_link(shown: ChangeList) -> int | None:
    """Return the place of the first column that leads to the record."""
    return next((place for place, name in enumerate(shown.list_display) if linked(shown, place, name)), None)


def linked(shown: ChangeList, place: int, name: Any) -> bool:
    """Say whether a column leads to the record: the first, if none is named."""
    if shown.list_display_links is None:
        return False
    return name in shown.list_display_links or (place == 0 and not shown.list_display_links)


def tail_of(shown: ChangeList) -> str:
    """Return what the address of every record of the list ends with: the way back to it, filtered as it is."""
    if not shown.result_list:
        return ""
    address = page_of(shown.result_list[0])
    whole = add_preserved_filters({"preserved_filters": shown.preserved_filters, "opts": shown.opts}, address)
    return escape(whole.removeprefix(address))
