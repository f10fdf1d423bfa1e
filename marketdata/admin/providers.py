"""The pages of the sources of prices: how they are doing, and which of them an instrument's prices come from."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Field
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from marketdata.admin.addresses import page_of
from marketdata.admin.base import BaseAdmin, Dialog, OperatorAdmin, badge, figure, find, is_operator, leave, when
from marketdata.models import Instrument, InstrumentSource, ProviderHealth
from marketdata.models.providers import Circuit
from marketdata.selectors.providers import Choice
from marketdata.services.sources import check_sources, close_breaker, set_sources

CIRCUITS = {"CLOSED": "success", "OPEN": "danger", "HALF_OPEN": "warning"}
COUNTS = [
    figure(name, name.capitalize(), style="quantity") for name in ("failures", "requests", "retries", "throttled", "skipped")
]
ERROR, SUCCESS, REST = (
    when("last_error_at", "Last error"),
    when("last_success_at", "Last answer"),
    when("not_before", "Rests until"),
)


class Reset(Dialog):
    """The question before a source is asked again."""

    def perform(self) -> ProviderHealth:
        """Close the breaker."""
        health: ProviderHealth = find(ProviderHealth.objects.all(), self.object_id)
        return close_breaker(health=health)


@admin.register(ProviderHealth)
class ProviderHealthAdmin(BaseAdmin):
    """How each source is doing as a whole; for operators."""

    list_display = ("provider", badge("circuit", "Breaker", CIRCUITS), "progress", *COUNTS, SUCCESS, REST, ERROR, "last_error")
    list_filter = (("circuit", ChoicesDropdownFilter),)
    ordering = ("provider",)
    actions_detail = ("reset",)
    fieldsets = (
        (None, {"fields": ("provider", "circuit", "progress", (SUCCESS, REST))}),
        ("Counts", {"fields": (tuple(COUNTS),)}),
        ("Trouble", {"fields": (ERROR, "last_error", "last_skipped")}),
    )

    has_view_permission = OperatorAdmin.has_change_permission

    def has_reset_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let operators close the breaker."""
        if not is_operator(request):
            return False
        waiting = self.get_object(request, object_id) if object_id else None
        return waiting is None or waiting.circuit != Circuit.CLOSED or waiting.not_before is not None

    @action(
        description="Ask again",
        permissions=["reset"],
        icon="restart_alt",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Ask the source again",
            "description": "Closes its breaker: the next refresh asks it, whatever happened before.",
            "form_class": Reset,
            "form_submit_text": "Ask again",
        },
    )
    def reset(self, request: HttpRequest, form: Reset, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The source will be asked again.", page_of(form.done))


class SourceFormSet(BaseInlineFormSet):
    """The sources of an instrument; the service has the last word."""

    def choices(self) -> list[Choice]:
        """Return the sources in the order of their ranks."""
        filled = [form for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        filled.sort(key=lambda form: form.cleaned_data["rank"])
        return [Choice(form.cleaned_data["provider"], form.cleaned_data["symbol"]) for form in filled]

    def clean(self) -> None:
        """Refuse sources that are not set up or come twice.

        :raises ValidationError: saying which
        """
        if any(form.errors for form in self.forms):
            return
        kept = {source.provider for source in self.get_queryset()}
        try:
            check_sources(self.choices(), kept=kept)
        except ValidationError as refusal:
            raise ValidationError(refusal.messages) from refusal

    def validate_unique(self) -> None:
        """Leave that to the service."""


class SourceInline(TabularInline):
    """Which sources are asked for an instrument's prices, in which order."""

    model = InstrumentSource
    formset = SourceFormSet
    fields = ("rank", "provider", "symbol")
    ordering = ("rank", "provider")
    extra = 0
    max_num = 20
    verbose_name_plural = "sources, the first to be asked first; without any, all are asked in the order of the settings"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let every active user look."""
        return request.user.is_active

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let operators change."""
        return is_operator(request)

    has_add_permission = has_delete_permission = has_change_permission

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        """Return the field; of the sources those that are set up are offered."""
        if db_field.name != "provider":
            field: forms.Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)
            return field
        named = set(InstrumentSource.objects.order_by().values_list("provider", flat=True).distinct())
        names = [*settings.MARKETDATA_PROVIDERS, *sorted(named - set(settings.MARKETDATA_PROVIDERS))]
        return forms.ChoiceField(choices=[("", "---"), *((name, name) for name in names)], widget=UnfoldAdminSelectWidget)


class SourcesMixin:
    """Adds the sources to the page of an instrument."""

    inlines = (SourceInline,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Hand the sources to the service, if they were changed."""
        instrument: Instrument = form.done
        for formset in formsets:
            formset.new_objects = formset.changed_objects = formset.deleted_objects = []  # what the log of the admin asks for
            if isinstance(formset, SourceFormSet) and formset.has_changed():
                set_sources(instrument=instrument, sources=formset.choices())
