"""What every page of the admin shares: lists that stay quick, forms that ask a service, figures and links that read well."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from html import escape
from operator import attrgetter
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Field, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin
from unfold.forms import BaseDialogForm

from marketdata.admin import addresses
from marketdata.admin.lists import QuickList
from marketdata.domain.display import NOTHING, money_text, percent_text, price_text, quantity_text

Cell = Callable[[Any], str]
Number = Decimal | float | int | None
BY_INDEX = "; ".join(f"SET LOCAL enable_{way} = {{0}}" for way in ("seqscan", "bitmapscan", "sort"))
page_of, list_of = addresses.page_of, addresses.list_of  # for the pages of other apps, to which this module alone is open


class CappedPaginator(Paginator):
    """Counts no further than it pages: counting millions of rows would cost more than the page itself."""

    CAP = 10_000
    template_name = "bedrock/pagination.html"

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or the cap if there are more.

        Filtered ones are counted in the order of the list, which an index gives: left to itself, the database may look for them
        from one end of the table, through any number of others, or sort all there are.
        """
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        if not rows.query.where:
            return rows.order_by()[: self.CAP].count()
        columns = [name.lstrip("-") for name in rows.query.order_by if isinstance(name, str)]
        with connections[rows.db].cursor() as cursor:  # for the one question; a transaction that breaks takes them along
            cursor.execute(BY_INDEX.format("off"))
            found = rows.values(*columns or ["pk"])[: self.CAP].count()
            cursor.execute(BY_INDEX.format("default"))
        return found

    @property
    def capped(self) -> bool:
        """Say whether there may be more rows than were counted."""
        return self.count >= self.CAP


class BaseAdmin(ModelAdmin):
    """A page that every active user reads and nobody writes; the admins below it say who may."""

    paginator = CappedPaginator
    change_list_template = "bedrock/change_list.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    list_filter_submit = True
    sortable_by: ClassVar[Any] = ()
    blank: ClassVar[str] = ""  # what an empty list says: where its records come from
    from_ledger: ClassVar[bool] = False  # whether they follow from what is posted there
    actions = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the app to whoever may see a page of it."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let every active user look."""
        return request.user.is_active

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody delete."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that writes its rows quickly."""
        return QuickList

    def prepare(self, rows: Iterable[Any]) -> None:
        """Give the rows of a page of the list what its columns show beside them; there is nothing to give."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the record of an address, or None: a key with a NUL in it is nobody's, and PostgreSQL takes none."""
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields that are shown only: the columns among them are computed."""
        shown = flatten_fieldsets(self.get_fieldsets(request, obj)) if self.fieldsets else []
        return [*super().get_readonly_fields(request, obj), *(field for field in shown if callable(field))]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[forms.ModelForm]:
        """Return the form, which knows who asks; a page that is only read has none of its own."""
        if obj is not None and not self.has_change_permission(request, obj):
            kwargs.setdefault("form", forms.ModelForm)
        form = super().get_form(request, obj, change, **kwargs)
        form.request = request
        return form

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        """Return the field, without the buttons that lead away from the form."""
        field: forms.Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)
        for button in ("can_add_related", "can_change_related", "can_view_related", "can_delete_related"):
            if field is not None and hasattr(field.widget, button):
                setattr(field.widget, button, False)
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Take over what the form's service has stored."""
        obj.__dict__.update(form.done.__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Leave related rows to the service."""


class OperatorAdmin(BaseAdmin):
    """A page that every active user reads and operators write."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let operators add."""
        return is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let operators change."""
        return is_operator(request)


def is_operator(request: HttpRequest) -> bool:
    """Say whether the request comes from somebody who keeps the market data."""
    user = request.user
    return user.is_active and (user.is_staff or user.is_superuser)


class Asking:
    """A form whose last check is the service itself: what it refuses is shown at its field, and nothing is done twice."""

    request: HttpRequest
    done: Any = None

    def perform(self) -> Any:
        """Ask the service and return what it made.

        :raises ValidationError: by field or as a whole
        """
        raise NotImplementedError

    def _post_clean(self) -> None:
        if self.errors:  # type: ignore[attr-defined]
            return
        try:
            self.done = self.perform()
        except ValidationError as refusal:
            show_refusal(self, refusal)  # type: ignore[arg-type]


class ServiceForm(Asking, forms.ModelForm):
    """The form of a page that adds or changes a record."""

    def save(self, commit: bool = True) -> Any:
        """Return what the service has stored."""
        self.save_m2m = lambda: None  # type: ignore[method-assign]  # the admin calls it; services have done it
        return self.done


class Dialog(Asking, BaseDialogForm):
    """The question in front of an action, posted from a window above the page; `object_id` is the record's."""

    form_before_template = "bedrock/dialog_errors.html"

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        """Return the refusals that belong to no field."""
        return {"errors": self.non_field_errors() if self.is_bound else []}


def find(rows: QuerySet, pk: Any) -> Any:
    """Return the row with a key among those that may be seen.

    :raises Http404: if there is none, or the key is none
    """
    try:
        return rows.get(pk=pk)
    except (rows.model.DoesNotExist, ValidationError, ValueError) as error:
        raise Http404 from error


def leave(request: HttpRequest, message: str, to: str) -> HttpResponse:
    """Close a dialog: tell what was done, and show another page."""
    messages.success(request, message)
    return HttpResponse(headers={"HX-Redirect": to}) if "HX-Request" in request.headers else redirect(to)


def show_refusal(form: forms.BaseForm, refusal: ValidationError) -> None:
    """Write a refusal at the fields it names; what the form does not show goes above it, with its name."""
    named: Mapping[str, Any] = getattr(refusal, "error_dict", None) or {"": refusal.error_list}
    for name, errors in named.items():
        head, _, tail = name.partition(".")
        shown = next((field for field in (name, tail, head) if field in form.fields), None)
        for text in (text for error in errors for text in error.messages):
            form.add_error(shown, text if shown or not name else f"{name}: {text}")


def figure(
    path: str,
    label: str,
    *,
    style: str = "money",
    signed: bool = False,
    colored: bool = False,
    zero: bool = True,
    currency: str = "",
    unit: bool = False,
) -> Cell:
    """Return a column that shows a number; style is money, price, quantity or percent, and colored ones tell gains from losses.

    `currency` is the path to the code whose smallest unit an amount of money is rounded to; with `unit` it is shown beside
    the amount. Without `zero`, nothing is shown for nothing.
    """

    def cell(row: Any) -> str:
        code = str(follow_path(row, currency) or "") if currency else ""
        number = follow_path(row, path)
        shown = number_html(number if number or zero else None, style=style, signed=signed, colored=colored, currency=code)
        return format_html('{} <span class="faint">{}</span>', shown, code) if unit and (number or zero) else shown

    return _column(cell, f"num_{path.replace('__', '_')}", label)


def number_html(value: Number, *, style: str, signed: bool = False, colored: bool = False, currency: str = "") -> str:
    """Return a number as a piece of a page."""
    number = value if value is None or isinstance(value, Decimal) else Decimal(str(value))
    if style == "money":
        text = money_text(number, currency, signed=signed)
    elif style == "price":
        text = price_text(number)
    else:
        text = (percent_text if style == "percent" else quantity_text)(number, signed=signed)
    # digits, signs and points alone: nothing to escape, and a list has hundreds of them
    return SafeString(f'<span class="num {tone(value) if colored else ""}">{text}</span>')


def tone(value: Number) -> str:
    """Return the CSS class of a gain, a loss or neither."""
    return ("up" if value > 0 else "down") if value else ""


def badge(path: str, label: str, colors: Mapping[str, str]) -> Cell:
    """Return a column that shows a choice as a colored label."""

    def cell(row: Any) -> Any:
        value = follow_path(row, path)
        return (value, follow_path(row, f"get_{path}_display") or value) if value else None

    column = _column(cell, f"badge_{path.replace('__', '_')}", label)
    column.label = dict(colors) | {None: ""}  # type: ignore[attr-defined]
    return column


def flag(path: str, label: str, *, yes: str = "yes") -> Cell:
    """Return a column that says something where a thing is so, and nothing where it is not: neither is good or bad."""
    shown = format_html('<span class="tag">{}</span>', yes)
    return _column(lambda row: shown if follow_path(row, path) else NOTHING, f"flag_{path.replace('__', '_')}", label)


def on_day(path: str, label: str) -> Cell:
    """Return a column that shows the day of an instant in UTC, by which figures count; the exact time is shown on hovering."""

    def cell(row: Any) -> str:
        value: datetime | None = follow_path(row, path)
        if value is None:
            return NOTHING
        exact = value.astimezone(UTC).isoformat(" ", "milliseconds")[:-6]
        return SafeString(f'<time class="nowrap" datetime="{value.isoformat()}" title="{exact} UTC">{exact[:10]}</time>')

    return _column(cell, f"day_{path.replace('__', '_')}", label)


def link(path: str, label: str, *, text: str = "") -> Cell:
    """Return a column that leads to the page of a related object; `text` is the path of what it says."""

    def cell(row: Any) -> str:
        target = follow_path(row, path)
        if target is None:
            return NOTHING
        return link_to(target, str(follow_path(row, text) if text else target))

    return _column(cell, f"to_{path.replace('__', '_')}", label)


def link_to(target: Model, text: str) -> str:
    """Return a link to the admin page of an object."""
    return SafeString(f'<a class="go" href="{escape(page_of(target))}">{conditional_escape(text)}</a>')


def link_to_list(model: type[Model], label: str, **paths: str) -> Cell:
    """Return a column that leads to the list of a model, filtered by values that paths lead to."""

    def cell(row: Any) -> str:
        address = list_of(model, **{name: follow_path(row, path) for name, path in paths.items()})
        return format_html('<a class="go" href="{}">{}</a>', address, label)

    return _column(cell, f"list_{model._meta.model_name}", label)


def when(path: str, label: str, *, utc: bool = False) -> Cell:
    """Return a column that shows an instant in the time zone of who looks, or in UTC: a day of the market is one for all."""
    return _column(lambda row: time_html(follow_path(row, path), utc=utc), f"at_{path.replace('__', '_')}", label)


def time_html(value: datetime | None, *, utc: bool = False) -> str:
    """Return an instant to the minute in the current time zone, or in UTC; the exact time in UTC is shown on hovering."""
    if value is None:
        return NOTHING
    local = value.astimezone(UTC) if utc else localtime(value)
    exact = value.astimezone(UTC).isoformat(" ", "milliseconds")[:-6]
    return SafeString(
        f'<time class="nowrap" datetime="{value.isoformat()}" title="{exact} UTC">'
        f'{local.isoformat(" ", "minutes")[:16]} <span class="faint">{escape(local.tzname() or "")}</span></time>'
    )


def follow_path(row: Any, path: str) -> Any:
    """Return what a path of names leads to, a method called; None where it breaks off."""
    try:
        found = attrgetter(path.replace("__", "."))(row)
    except AttributeError:
        return None
    return found() if callable(found) else found


def _column(cell: Cell, name: str, label: str) -> Cell:
    cell.__name__ = name
    cell.short_description = label  # type: ignore[attr-defined]
    return cell
