"""The pages of what was wrong with rows that came in."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from marketdata.admin.addresses import page_of
from marketdata.admin.base import BaseAdmin, Dialog, badge, figure, find, is_operator, leave, link, when
from marketdata.models import QualityIssue
from marketdata.selectors.quality import quality_summary
from marketdata.services.quality import resolve_issue

SEVERITIES = {"ERROR": "danger", "WARNING": "warning", "INFO": "info"}


class StateFilter(DropdownFilter):
    """Open issues or resolved ones."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """Return the states to choose from."""
        return [("open", "Open"), ("resolved", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[QualityIssue]) -> QuerySet[QualityIssue]:
        """Keep the issues of the state."""
        return queryset.filter(resolved_at__isnull=self.value() == "open") if self.value() else queryset


class Resolution(Dialog):
    """How an issue was dealt with."""

    resolution = forms.CharField(max_length=2000, widget=UnfoldAdminTextareaWidget({"rows": 3}))

    def perform(self) -> QualityIssue:
        """Note that the issue has been dealt with."""
        issue = find(QualityIssue.objects.all(), self.object_id)
        text = self.cleaned_data["resolution"]
        return resolve_issue(issue=issue, by=self.request.user.get_username(), resolution=text, at=timezone.now())


@admin.register(QualityIssue)
class QualityIssueAdmin(BaseAdmin):
    """Rows that broke a rule, the last one found first."""

    list_display = (
        "rule",
        badge("severity", "Severity", SEVERITIES),
        "dataset",
        link("instrument", "Instrument"),
        "source",
        "field",
        "value",
        figure("times", "Times", style="quantity"),
        when("found_at", "Found"),
        when("resolved_at", "Resolved"),
    )
    list_filter = (
        StateFilter,
        ("severity", ChoicesDropdownFilter),
        ("dataset", ChoicesDropdownFilter),
        ("instrument", AutocompleteSelectFilter),
    )
    list_select_related = ("instrument",)
    BY_TIME = frozenset({"severity__exact", "dataset__exact", "instrument__id__exact"})  # have an index of their own
    actions_list = ("summary",)
    actions_detail = ("resolve",)
    fieldsets = (
        (None, {"fields": (("rule", "severity"), "detail", ("field", "value"), "record")}),
        ("Origin", {"fields": (("dataset", "source"), "instrument", (when("found_at", "Found"), when("last_found_at", "Last")))}),
        ("Resolution", {"fields": ((when("resolved_at", "Resolved"), "resolved_by"), "resolution")}),
    )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return an order that an index gives, and gives for these alone: that of all would lead through any number of others."""
        chosen = self.BY_TIME & request.GET.keys() or request.GET.get(StateFilter.parameter_name) == "open"
        return ("-found_at", "-id") if chosen else ("-id",)

    def has_resolve_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let operators say that an issue has been dealt with."""
        return is_operator(request)

    @action(
        description="Resolve",
        permissions=["resolve"],
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Resolve the issue",
            "description": "Say what was done about it; the note stays with the issue.",
            "form_class": Resolution,
            "form_submit_text": "Resolve",
        },
    )
    def resolve(self, request: HttpRequest, form: Resolution, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The issue is resolved.", page_of(form.done))

    def has_summary_permission(self, request: HttpRequest) -> bool:
        """Let everybody who may look at issues see them counted."""
        return bool(self.has_view_permission(request))

    @action(description="By rule and source", permissions=["summary"], url_path="summary", icon="bar_chart")
    def summary(self, request: HttpRequest) -> HttpResponse:
        """Show how often each rule was broken by each source."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Quality issues by rule and source",
            "summary": quality_summary(),
        }
        return TemplateResponse(request, "bedrock/quality_summary.html", context)
