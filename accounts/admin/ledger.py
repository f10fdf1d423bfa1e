"""The pages of the ledger: entries are posted, reversed and corrected through the service, and changed never."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import BY_ACCOUNT, DayFilter, MemberAdmin, user_of
from accounts.admin.entry_forms import TAKEN_BY, EntryForm, shown_when
from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from accounts.services.transfers import take_back
from marketdata.admin.base import Dialog, badge, figure, find, leave, link, link_to, page_of, when
from marketdata.domain.display import NOTHING

KINDS: Mapping[str, str] = {
    "BUY": "info",
    "SELL": "info",
    "SHORT": "info",
    "COVER": "info",
    "DEPOSIT": "success",
    "WITHDRAWAL": "warning",
    "DIVIDEND": "success",
    "INTEREST": "success",
    "FEE": "danger",
    "TAX": "danger",
}
QUANTITY = figure("quantity", "Quantity", style="quantity", signed=True, zero=False)
PRICE = figure("price", "Price", style="price")
SHOWN = 60
CASH = figure("cash", "Cash", signed=True, zero=False, currency="currency", unit=True)
FEE = figure("fee", "Fee", zero=False, currency="currency", unit=True)
TAX = figure("tax", "Tax", zero=False, currency="currency", unit=True)


class Reversal(Dialog):
    """Why an entry is taken back."""

    reason = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget, help_text="In a word or two.")
    explanation = forms.CharField(required=False, max_length=10_000, widget=UnfoldAdminTextareaWidget({"rows": 3}))

    def perform(self) -> LedgerEntry:
        """Post the mirror image of the entry, and of the other end of a transfer."""
        user = user_of(self.request)
        entry = find(LedgerEntry.objects.visible_to(user, role=Role.TRADER), self.object_id)
        why = {"reason": self.cleaned_data["reason"], "explanation": self.cleaned_data["explanation"]}
        return take_back(entry=entry, actor=user, **why)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(MemberAdmin):
    """The entries of the user's ledgers, the last recorded of an account first."""

    form = EntryForm
    add_role = Role.TRADER
    list_display = (
        "number",
        when("occurred_at", "Happened"),
        badge("kind", "Kind", KINDS),
        link("instrument", "Instrument", text="instrument__symbol"),
        QUANTITY,
        PRICE,
        CASH,
        link("account", "Account"),
        "standing",
        "said",
    )
    list_filter = (
        BY_ACCOUNT,
        ("kind", ChoicesDropdownFilter),
        ("instrument", AutocompleteSelectFilter),
        ("occurred_at", DayFilter),
    )
    search_fields = ("instrument__symbol__iexact", "notes__icontains", "reason_primary__icontains", "external_id__iexact")
    search_help_text = "Symbol, notes, reason or external id"
    ordering = ("-account_id", "-sequence")  # the unique index, backward
    list_select_related = ("account", "instrument")
    autocomplete_fields = ("instrument",)
    actions_detail = ("reverse", "correct")
    add_form_template = "bedrock/ask_form.html"
    conditional_fields: ClassVar = {name: shown_when(name) for name in TAKEN_BY}
    add_fieldsets = (
        (None, {"fields": ("account", "kind", "occurred_at")}),
        (
            "Figures",
            {"fields": ("instrument", ("quantity", "price"), ("fee", "tax"), "ratio", "gross", "name", ("cash", "currency"))},
        ),
        ("Why", {"fields": ("reason_primary", "reason_explanation", "notes", "tags")}),
        ("More", {"fields": (("external_id", "group"), "data"), "classes": ["collapse"]}),
    )
    fieldsets = (
        (None, {"fields": (("number", "standing"), ("account", "kind"), (when("occurred_at", "Happened"), "instrument"))}),
        ("Figures", {"fields": ((QUANTITY, PRICE), (CASH, FEE), (TAX, "data"))}),
        ("Why", {"fields": (("reason_primary", "reason_explanation"), ("notes", "tags"))}),
        (
            "Linked entries",
            {"fields": (
                (link("reverses", "Takes back"), "taken_back_by"),
                (link("corrects", "Takes the place of"), "replaced_by"),
            )},
        ),
        (
            "Record",
            {"fields": ((when("recorded_at", "Recorded"), "actor"), ("source", "external_id"), ("group", "id"), "chain")},
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        """Return the entries, each with what took it back."""
        mirrors = LedgerEntry.objects.filter(account=OuterRef("account"), reverses=OuterRef("pk"))
        return super().get_queryset(request).annotate(reversed_by=Subquery(mirrors.values("pk")[:1]))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show everything of an entry; nothing of it can be changed."""
        shown = ["number", "standing", "taken_back_by", "replaced_by", "chain", "id"] if obj else []
        return [*super().get_readonly_fields(request, obj), *shown]

    def has_write_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let traders take back what stands, in accounts that are open."""
        entry = self.get_object(request, object_id) if object_id else None
        if entry is None or entry.reverses_id or entry.reversed_by or entry.account.closed_on:
            return False
        return self.reaches(request, entry, Role.TRADER)

    @display(description="#")
    def number(self, entry: LedgerEntry) -> str:
        """Return the place of the entry in its ledger."""
        return f"#{entry.sequence}"

    @display(description="Standing", label={"Reversed": "danger", "Reversal": "warning", "Correction": "info"})
    def standing(self, entry: LedgerEntry) -> str:
        """Return whether the entry counts, or what it does to another."""
        if getattr(entry, "reversed_by", None):
            return "Reversed"
        return "Reversal" if entry.reverses_id else "Correction" if entry.corrects_id else ""

    @display(description="Notes")
    def said(self, entry: LedgerEntry) -> str:
        """Return what was noted, or else the reason, as far as it fits."""
        text = entry.notes or entry.reason_primary
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

    @display(description="Taken back by")
    def taken_back_by(self, entry: LedgerEntry) -> str:
        """Return the way to the reversal."""
        return way_to(LedgerEntry.objects.filter(account=entry.account_id, reverses=entry.pk).first())

    @display(description="Replaced by")
    def replaced_by(self, entry: LedgerEntry) -> str:
        """Return the way to the correction."""
        return way_to(LedgerEntry.objects.filter(account=entry.account_id, corrects=entry.pk).first())

    @display(description="Hash")
    def chain(self, entry: LedgerEntry) -> str:
        """Return the entry's hash, which covers it and the hash before."""
        return format_html('<code class="secret">{}</code>', bytes(entry.hash).hex())

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say whether an entry is posted or corrected."""
        title = "Correct an entry" if request.GET.get("corrects") else "Post an entry"
        return super().add_view(
            request,
            form_url,
            {"title": title, "save_label": "Post", "again_label": "Post and add another"} | (extra_context or {}),
        )

    def response_add(self, request: HttpRequest, obj: LedgerEntry, post_url_continue: str | None = None) -> HttpResponse:
        """Say what was posted and go on: to the entry, or to the next one of the same account."""
        said = format_html("{} was posted to {}.", link_to(obj, f"{obj.get_kind_display()} #{obj.sequence}"), obj.account)
        messages.success(request, said)
        if "_addanother" in request.POST:
            return redirect(f"{reverse('admin:accounts_ledgerentry_add')}?account={obj.account_id}&kind={obj.kind}")
        return redirect(page_of(obj))

    @action(
        description="Reverse",
        permissions=["write"],
        icon="undo",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Take the entry back?",
            "description": "Its mirror image is posted, at the time it is said to have happened. Both stay in the ledger. "
            "With one end of a transfer between your accounts, the other is taken back, too.",
            "form_class": Reversal,
            "form_submit_text": "Reverse",
        },
    )
    def reverse(self, request: HttpRequest, form: Reversal, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, f"The entry was taken back by #{form.done.sequence}.", page_of(form.done))

    @action(description="Correct", permissions=["write"], icon="edit", variant=ActionVariant.DEFAULT)
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form that takes the entry back and posts another in its place."""
        return redirect(f"{reverse('admin:accounts_ledgerentry_add')}?corrects={unquote(object_id)}")


def way_to(entry: LedgerEntry | None) -> str:
    """Return the link to an entry, if there is one."""
    return link_to(entry, str(entry)) if entry else NOTHING
