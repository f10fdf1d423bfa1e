"""The pages of corporate actions: a form that shows what its kind takes, a list, and a file to be loaded."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldBooleanSwitchWidget

from marketdata.admin.addresses import page_of
from marketdata.admin.base import OperatorAdmin, ServiceForm, badge, is_operator, link, when
from marketdata.domain.actions import FIGURES, TERMS, ActionKind
from marketdata.domain.display import NOTHING
from marketdata.domain.money import plain
from marketdata.models import CorporateAction
from marketdata.models.actions import APPLIED_KINDS
from marketdata.services import actions
from marketdata.services.action_files import UnreadableFile, import_actions

SOURCE = "admin"
MAX_BYTES = 10 * 2**20
MOST_SHOWN = 200
WRITTEN = ("kind", "instrument", "ex_date", "label", *FIGURES, "notes")
KINDS = {
    "SPLIT": "info",
    "CASH_DIVIDEND": "success",
    "STOCK_DIVIDEND": "success",
    "SPIN_OFF": "primary",
    "MERGER": "primary",
    "SYMBOL_CHANGE": "warning",
    "DELISTING": "danger",
}


def shown_when(name: str) -> str:
    """Return the condition, as the page's script reads it, under which a field is shown."""
    return " || ".join(f"kind == '{kind.value}'" for kind, terms in TERMS.items() if name in terms.fields)


class ActionForm(ServiceForm):
    """What happened; the service has the last word."""

    class Meta:
        model = CorporateAction
        fields = WRITTEN

    def perform(self) -> CorporateAction:
        """Write the action down, or what was changed of it; what its kind does not take was not to be seen."""
        terms = TERMS[ActionKind(self.cleaned_data["kind"])].fields
        fields = {name: value for name, value in self.cleaned_data.items() if name not in FIGURES or name in terms}
        now = timezone.now()
        if self.instance._state.adding:
            return actions.create_action(fields=fields, source=SOURCE, recorded_at=now)
        emptied = {name: None for name in FIGURES if name not in terms}
        changed = {**fields, **emptied} if self.changed_data else {}
        known = CorporateAction.objects.get(pk=self.instance.pk)
        return actions.update_action(action=known, changes=changed, recorded_at=now)


class UploadForm(forms.Form):
    """A file of corporate actions."""

    file = forms.FileField(
        max_length=255,
        widget=UnfoldAdminFileFieldWidget,
        help_text="CSV; its first line names the columns after the fields: instrument, kind, ex_date, ratio, cash, currency, ...",
    )
    correct = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, help_text="Let other figures replace those already stored."
    )

    def clean_file(self) -> Any:
        """Refuse a file that is too large."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise ValidationError(f"The file is larger than {MAX_BYTES // 2**20} MiB; split it, or load it by command.")
        return file


@admin.register(CorporateAction)
class CorporateActionAdmin(OperatorAdmin):
    """What companies did to their shares, the latest first; everybody looks, operators write."""

    form = ActionForm
    list_display = (
        "ex_date",
        badge("kind", "Kind", KINDS),
        link("instrument", "Instrument"),
        "terms",
        link("other", "Other"),
        "pay_date",
        "label",
        "source",
        "standing",
    )
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("instrument", AutocompleteSelectFilter),
        ("ex_date", RangeDateFilter),
    )
    search_fields = ("instrument__symbol__iexact", "old_symbol__iexact")
    search_help_text = "A whole symbol, such as AAPL, or what it was called before"
    ordering = ("-ex_date", "-id")
    list_select_related = ("instrument", "other")
    autocomplete_fields = ("instrument", "other")
    conditional_fields: ClassVar = {name: shown_when(name) for name in FIGURES}
    actions_list = ("upload",)
    fieldsets = (
        (None, {"fields": (("kind", "instrument"), ("ex_date", "label"))}),
        ("Terms", {"fields": (*FIGURES,)}),
        ("Record", {"fields": ("notes", ("source", when("recorded_at", "Recorded"), when("applied_at", "Applied")))}),
    )
    readonly_fields = ("source",)

    @display(description="Terms")
    def terms(self, action_: CorporateAction) -> str:
        """Return what it does, in short."""
        ratio = plain(action_.ratio) if action_.ratio else ""
        cash = f"{plain(action_.cash)} {action_.currency}" if action_.cash else ""
        said = {
            ActionKind.SPLIT: f"{ratio} for 1",
            ActionKind.STOCK_DIVIDEND: f"{ratio} more for 1",
            ActionKind.SYMBOL_CHANGE: f"{action_.old_symbol or action_.instrument.symbol} to {action_.new_symbol}",
        }.get(ActionKind(action_.kind))
        return said or " and ".join(part for part in (f"{ratio} for 1" if ratio else "", cash) if part) or NOTHING

    @display(description="Standing")
    def standing(self, action_: CorporateAction) -> str:
        """Say whether what it does to the instrument itself has been done."""
        if action_.kind not in APPLIED_KINDS:
            return NOTHING
        instrument = action_.instrument
        done = not instrument.active if action_.kind == ActionKind.DELISTING else instrument.symbol == action_.new_symbol
        return "Applied" if action_.applied_at else "As it is" if done else "Waiting"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let operators forget what never was."""
        return is_operator(request)

    def delete_model(self, request: HttpRequest, obj: CorporateAction) -> None:
        """Forget the action, and take back what it did."""
        actions.delete_action(action=obj)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Say why, where an action can't be deleted."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
            return redirect(page_of(CorporateAction(pk=object_id)))

    def has_upload_permission(self, request: HttpRequest) -> bool:
        """Let operators load files."""
        return is_operator(request)

    @action(description="Load a file", url_path="upload", permissions=["upload"], icon="upload_file")
    def upload(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, load it, and tell what became of its lines."""
        form = UploadForm(request.POST or None, request.FILES or None)
        context: dict[str, Any] = {"title": "Load corporate actions", "form": form, "opts": self.opts}
        if request.method == "POST" and form.is_valid():
            context |= _loaded(form)
        return TemplateResponse(request, "bedrock/upload.html", self.admin_site.each_context(request) | context)


def _loaded(form: UploadForm) -> dict[str, Any]:
    """Load the file of a form, and return what the page shows of that."""
    file, correct = form.cleaned_data["file"], form.cleaned_data["correct"]
    try:
        report = import_actions(file=file.file, source=file.name[:100], recorded_at=timezone.now(), correct=correct)
    except UnreadableFile as refusal:
        form.add_error("file", str(refusal))
        return {}
    return {
        "report": report,
        "told": [*report.refused, *report.warned][:MOST_SHOWN],
        "left": max(report.refusals + report.warnings - MOST_SHOWN, 0),
    }
