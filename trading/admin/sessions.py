"""The pages of runs of trading, of what automatic ones made of bars, and of why they do nothing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from marketdata.admin.base import Dialog, ServiceForm, badge, figure, find, leave, link, link_to, link_to_list, page_of, when
from marketdata.domain.bars import Timeframe
from portfolio.domain.exact import plain
from trading.domain.automation import MOST_INSTRUMENTS
from trading.domain.following import said
from trading.models import Decision, Evaluation, Session, Strategy
from trading.selectors.sessions import standing_of_session
from trading.services.sessions import end_session, start_session

TEXT = UnfoldAdminTextInputWidget
SHARE: dict[str, Any] = {"required": False, "max_digits": 9, "decimal_places": 6, "min_value": 0, "max_value": 1, "widget": TEXT}
MODE = badge("execution_mode", "Mode", {"PAPER": "info", "LIVE": "warning"})
OUTCOMES = {
    "NOTHING": "info",
    "WAITING": "warning",
    "ORDERED": "success",
    "STOPPED": "warning",
    "REFUSED": "danger",
    "MISSED": "danger",
}
OUTCOME = badge("outcome", "Outcome", OUTCOMES)
DECISIONS = link_to_list(Decision, "Decisions", session__id="pk")
EVALUATIONS = link_to_list(Evaluation, "Bars", session__id="pk")


class SessionForm(ServiceForm):
    """A session to begin: by hand or by a program, or one that trades by itself."""

    automatic = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="It trades by itself on new bars, while the account's job STRATEGIES is on.",
    )
    instruments = forms.CharField(
        required=False, max_length=2_000, widget=TEXT, help_text=f"Up to {MOST_INSTRUMENTS} symbols, such as AAPL MSFT."
    )
    timeframe = forms.ChoiceField(
        required=False, choices=[(one.value, one.value) for one in Timeframe], initial="1d", widget=UnfoldAdminSelectWidget
    )
    risk = forms.DecimalField(**SHARE, help_text="Of the account, that a position may cost at its stop. Empty: 0.01.")
    stop_loss = forms.DecimalField(**SHARE, help_text="Of the price, at which a position ends. Empty: as the strategy says.")

    class Meta:
        model = Session
        fields = ("account", "strategy", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "strategy" in self.fields:
            mine = Strategy.objects.visible_to(user_of(self.request)).filter(archived_at__isnull=True)
            self.fields["strategy"].queryset = mine.order_by("name")  # type: ignore[attr-defined]

    def perform(self) -> Session:
        """Begin it."""
        given = self.cleaned_data
        made = {name: given[name] for name in ("account", "strategy", "name", "automatic")}
        configuration = None
        if given["automatic"]:
            rules = {"amount": given["risk"], "stop_loss": given["stop_loss"]}
            configuration = {
                "instruments": given["instruments"].replace(",", " ").split(),
                "timeframe": given["timeframe"] or "1d",
                "rules": {name: plain(value) for name, value in rules.items() if value is not None},
            }
        return start_session(actor=user_of(self.request), at=timezone.now(), configuration=configuration, **made)


class Ending(Dialog):
    """Whether a session is to end."""

    def perform(self) -> Session:
        """End it."""
        rows = Session.objects.visible_to(user_of(self.request), role=Role.TRADER)
        return end_session(session=find(rows, self.object_id), at=timezone.now())


@admin.register(Session)
class SessionAdmin(MemberAdmin):
    """The runs of trading in the user's accounts."""

    form = SessionForm
    add_role = Role.TRADER
    list_display = (
        when("started_at", "Began"),
        link("account", "Account"),
        "name",
        link("strategy", "Strategy"),
        MODE,
        "automatic",
        when("ended_at", "Ended"),
        DECISIONS,
    )
    list_filter = (BY_ACCOUNT, ("execution_mode", ChoicesDropdownFilter), "automatic")
    ordering = ("-id",)
    list_select_related = ("account", "strategy")
    actions_detail = ("end",)
    add_fieldsets = (
        (None, {"fields": ("account", "name", "strategy")}),
        ("Trading by itself", {"fields": ("automatic", "instruments", "timeframe", ("risk", "stop_loss"))}),
    )
    fieldsets = (
        (None, {"fields": (("account", "name"), (link("strategy", "Strategy"), MODE), "automatic")}),
        ("What it does", {"fields": ("standing", (DECISIONS, EVALUATIONS))}),
        ("Configuration", {"fields": ("code_version", "config_hash", "configuration")}),
        ("Time", {"fields": ((when("started_at", "Began"), when("ended_at", "Ended")),)}),
    )
    readonly_fields = ("standing",)

    @display(description="Standing")
    def standing(self, session: Session) -> SafeString | str:
        """Return whether it trades on the next bar, why not if it does not, and what it did last in each instrument."""
        if not session.automatic:
            return "It places no orders by itself."
        found = standing_of_session(session, at=timezone.now())
        why = format_html_join("", "<p>{}</p>", ((reason,) for reason in found.idle or ("It trades on the next bar.",)))
        lines = [
            (link_to(place.instrument, place.instrument.key), plain(place.held), _last(place.last)) for place in found.places
        ]
        return format_html("{}{}", why, format_html_join("", "<p>{}: holds {}. {}</p>", lines))

    @action(
        description="End",
        permissions=["end"],
        icon="stop_circle",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "End the session?",
            "description": "From now on nothing is done in it. Its orders and positions stay as they are.",
            "form_class": Ending,
            "form_submit_text": "End it",
        },
    )
    def end(self, request: HttpRequest, form: Ending, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The session has ended; its orders and positions stay as they are.", page_of(form.done))

    def has_end_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let traders end what goes on."""
        session = self.get_object(request, str(object_id)) if object_id else None
        return session is not None and session.ended_at is None and self.reaches(request, session, Role.TRADER)


@admin.register(Evaluation)
class EvaluationAdmin(MemberAdmin):
    """What automatic sessions made of bars, each bar once: what came of it, and if nothing did, why."""

    blank = "No automatic session has looked at a bar yet."
    list_display = (
        when("bar", "Bar"),
        link("account", "Account"),
        link("session", "Session"),
        link("instrument", "Instrument"),
        figure("close", "Close", style="price"),
        figure("before", "Before", style="percent"),
        figure("target", "Wanted", style="percent"),
        OUTCOME,
        "detail",
    )
    list_filter = (BY_ACCOUNT, ("instrument", AutocompleteSelectFilter), ("outcome", ChoicesDropdownFilter))
    ordering = ("-id",)
    list_select_related = ("account", "session", "instrument")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", link("instrument", "Instrument")),
                    (figure("before", "Before", style="percent"), figure("target", "Wanted", style="percent")),
                    (figure("close", "Close", style="price"), figure("stop", "Stop", style="price"), "passed_over"),
                    (OUTCOME, "detail"),
                )
            },
        ),
        (
            "Behind it",
            {"fields": ((link("session", "Session"), link("signal", "Signal"), link("decision", "Decision")),)},
        ),
        ("Time", {"fields": ((when("bar", "Bar"), when("at", "Seen"), when("updated_at", "Last change")),)}),
    )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let the page of a session lead here."""
        return lookup == "session__id__exact" or super().lookup_allowed(lookup, value, request)


def _last(row: Evaluation | None) -> str:
    """Return what came of the last bar."""
    if row is None:
        return "It has seen no bar yet."
    wants = f"After the bar of {row.bar:%Y-%m-%d %H:%M} UTC it wants to be {said(row.target)}"
    return f"{wants}: {row.get_outcome_display()}. {row.detail}"
