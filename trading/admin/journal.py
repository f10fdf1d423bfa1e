"""The pages of the trade journal: each round trip with its record, and what people add to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from marketdata.admin.base import ServiceForm, badge, figure, link, time_html, when
from marketdata.domain.display import NOTHING, price_text, quantity_text
from trading.domain.orders import PositionEffect
from trading.domain.trade_records import NAMES
from trading.models import Trade, TradeTag
from trading.selectors.journal_details import told
from trading.selectors.journal_pages import trade_of, trades_of
from trading.services.journal import LONGEST_NOTE, note_trade, tag_trade

OUTCOMES = {"win": "success", "loss": "danger", "breakeven": "info", "open": "info"}
OUTCOME = badge("found__trip__outcome__value", "Outcome", OUTCOMES)
CURRENCY = "instrument__currency"
NET = figure("found__trip__net", "Net", signed=True, colored=True, currency=CURRENCY)
UNREALIZED = figure("told__unrealized", "Unrealized", signed=True, colored=True, currency=CURRENCY)
R = figure("told__r_multiple", "R", signed=True, colored=True)  # in hundredths, as money is
EXCURSION = (
    figure("told__excursion__adverse", "Against it", signed=True, currency=CURRENCY),
    figure("told__excursion__favorable", "For it", signed=True, currency=CURRENCY),
)


class TradeForm(ServiceForm):
    """What somebody adds to a trade."""

    tags = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="With commas between; statistics can be asked for by tag."
    )
    note = forms.CharField(required=False, max_length=LONGEST_NOTE, widget=UnfoldAdminTextareaWidget, label="Another note")

    class Meta:
        model = Trade
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tags"].initial = ", ".join(detail_of(self.instance).tags)

    def perform(self) -> Trade:
        """Let the trade have the tags, and the note besides those it has."""
        now = timezone.now()
        tags = [tag for tag in (one.strip() for one in self.cleaned_data["tags"].split(",")) if tag]
        tag_trade(order=self.instance, tags=tags, at=now)
        if text := self.cleaned_data["note"]:
            kept = [{"id": note.pk, "text": note.text} for note in detail_of(self.instance).notes]
            note_trade(order=self.instance, notes=[*kept, {"text": text}], actor=user_of(self.request), at=now)
        del self.instance.told
        return self.instance


@admin.register(Trade)
class TradeAdmin(MemberAdmin):
    """The trades of the user's accounts, derived from orders, fills, decisions and sessions."""

    form = TradeForm
    change_role = Role.TRADER
    list_display = (
        when("found__trip__opened_at", "Opened"),
        link("account", "Account"),
        "side",
        link("instrument", "Instrument"),
        figure("found__sized__quantity", "Quantity", style="quantity"),
        figure("found__sized__entry_price", "Price", style="price"),
        figure("found__sized__exit_price", "Exit", style="price"),
        OUTCOME,
        NET,
        "tagged",
    )
    list_filter = (BY_ACCOUNT, ("instrument", AutocompleteSelectFilter))
    blank = "A trade begins with the first fill of an order that opens a position."
    ordering = ("-id",)
    list_select_related = ("account", "instrument")
    fieldsets = (
        (None, {"fields": (("account", "opening"), ("result", NET, UNREALIZED, R), EXCURSION)}),
        ("Added", {"fields": ("tags", "notes", "note", "pictures")}),
        ("Record", {"fields": ("record",)}),
        ("Behind it", {"fields": ((link("session", "Session"), link("decision", "Decision")), "exits")}),
    )
    readonly_fields = ("account", "opening", "result", "notes", "pictures", "record", "exits")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the orders that opened something, with their tags."""
        rows = super().get_queryset(request).filter(effect=PositionEffect.OPEN.value, filled_quantity__gt=0)
        tags = TradeTag.objects.filter(account=OuterRef("account"), order=OuterRef("pk"))
        return rows.annotate(words=ArraySubquery(tags.values("tag")))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a trade with what there is to tell of it."""
        trade = super().get_object(request, object_id, from_field)
        if trade is not None:
            detail_of(trade)
        return trade

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the fields of the form where there is none to fill in."""
        if obj is not None and self.has_change_permission(request, obj):
            return self.fieldsets
        return tuple(
            (title, {"fields": tuple("labels" if name == "tags" else name for name in part["fields"] if name != "note")})
            for title, part in self.fieldsets
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields that are shown only."""
        return [*super().get_readonly_fields(request, obj), "labels"]

    def prepare(self, rows: Iterable[Any]) -> None:
        """Derive the trades of a page, all of them together."""
        page = list(rows)
        found = trades_of(page)
        for row in page:
            row.found = found.get(row.pk)  # for the columns

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let traders add to trades while the account is open."""
        return super().has_change_permission(request, obj) and (obj is None or obj.account.closed_on is None)

    @display(description="Opening order")
    def opening(self, trade: Trade) -> SafeString:
        """Return the way to the order."""
        address = reverse("admin:trading_order_change", args=[trade.pk])
        return format_html('<a class="go" href="{}">{} {}</a>', address, trade.side, trade.client_order_id)

    @display(description="Outcome")
    def result(self, trade: Trade) -> str:
        """Return how it came out."""
        outcome: str = detail_of(trade).record.outcome
        return outcome.capitalize()

    @display(description="Tags")
    def tagged(self, trade: Trade) -> str:
        """Return its tags, as the list has read them."""
        return ", ".join(sorted(trade.words)) or NOTHING  # type: ignore[attr-defined]  # of the queryset

    @display(description="Tags")
    def labels(self, trade: Trade) -> str:
        """Return its tags."""
        return ", ".join(detail_of(trade).tags) or NOTHING

    @display(description="Notes")
    def notes(self, trade: Trade) -> SafeString | str:
        """Return what was noted, by whom and when."""
        lines = ((time_html(note.created_at), note.author, note.text) for note in detail_of(trade).notes)
        return format_html_join("", "<p>{} {}: {}</p>", lines) or NOTHING

    @display(description="Pictures")
    def pictures(self, trade: Trade) -> SafeString | str:
        """Return the way to its pictures."""
        lines = (
            (reverse("journal-attachment", args=[trade.account_id, trade.pk, one.pk]), one.name)
            for one in detail_of(trade).attachments
        )
        return format_html_join("", '<p><a class="go" href="{}">{}</a></p>', lines) or NOTHING

    @display(description="27 fields")
    def record(self, trade: Trade) -> SafeString:
        """Return the trade record."""
        record = detail_of(trade).record
        lines = ((name, _text(getattr(record, name))) for name in NAMES)
        rows = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', lines)
        return format_html('<table class="record"><tbody>{}</tbody></table>', rows)

    @display(description="Closed by")
    def exits(self, trade: Trade) -> SafeString | str:
        """Return what closed it."""
        page = "admin:trading_order_change"
        lines = (
            (reverse(page, args=[one.order]), quantity_text(one.quantity), price_text(one.price), time_html(one.at))
            for one in detail_of(trade).exits
        )
        return format_html_join("", '<p><a class="go" href="{}">{} at {}</a> {}</p>', lines) or NOTHING


def detail_of(trade: Trade) -> Any:
    """Return what there is to tell of a trade, derived once for a page."""
    if getattr(trade, "told", None) is None:
        found = trade_of(trade)
        assert found is not None  # noqa: S101  # something of it was filled
        trade.found = found  # type: ignore[attr-defined]
        trade.told = told(trade.account, [found], at=timezone.now())[0]  # type: ignore[attr-defined]
    return trade.told  # type: ignore[attr-defined]


def _text(value: Any) -> Any:
    """Return a field of a record as the page shows it."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, tuple):
        return ", ".join(value) or NOTHING
    return value if isinstance(value, str | int) else str(value)
