"""The pages of imports: a file is looked at as often as one likes, and read in when it looks right."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Func, IntegerField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from accounts.adapters import AUTO, READERS
from accounts.adapters.base import MAX_BYTES
from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from accounts.models import ImportBatch, ImportStatus, LedgerEntry
from accounts.services.imports import import_file
from marketdata.admin.base import ServiceForm, badge, figure, link, link_to_list, page_of, when

STATUSES = {"POSTED": "success", "PARTIAL": "warning", "REFUSED": "danger", "PREVIEWED": "info"}
COUNTS = [figure(name, name.capitalize(), style="quantity") for name in ("lines", "posted", "known")]
MOST_SHOWN = 200
FORMAT_NAMES = [(AUTO, "Recognize it"), *((reader.name, reader.title) for reader in READERS)]


class ImportForm(ServiceForm):
    """A file to be read into an account's ledger."""

    file = forms.FileField(max_length=255, widget=UnfoldAdminFileFieldWidget, help_text="A broker's statement, or an event log.")
    format = forms.ChoiceField(choices=FORMAT_NAMES, initial=AUTO, widget=UnfoldAdminSelectWidget)
    dry_run = False

    class Meta:
        model = ImportBatch
        fields = ("account",)

    def clean_file(self) -> Any:
        """Refuse a file that is too large."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise ValidationError(f"The file is larger than {MAX_BYTES // 2**20} MiB; split it.", code="too_large")
        return file

    def perform(self) -> ImportBatch:
        """Read the file."""
        file, user = self.cleaned_data["file"], user_of(self.request)
        return import_file(
            account=self.cleaned_data["account"],
            actor=user,
            file_name=file.name,
            content=file.read(),
            form=self.cleaned_data["format"],
            time_zone=user.time_zone,
            dry_run=self.dry_run,
            at=timezone.now(),
        )


class PreviewForm(ImportForm):
    """The same, leaving nothing behind."""

    dry_run = True


@admin.register(ImportBatch)
class ImportBatchAdmin(MemberAdmin):
    """The files that were read into the user's ledgers, the last first."""

    form = ImportForm
    add_role = Role.TRADER
    list_display = (
        "file_name",
        badge("status", "Status", STATUSES),
        link("account", "Account"),
        "format",
        *COUNTS,
        figure("refusals", "Refused", style="quantity"),
        when("created_at", "Read"),
        "actor",
    )
    list_filter = (BY_ACCOUNT, ("status", ChoicesDropdownFilter))
    search_fields = ("file_name__icontains", "sha256__startswith")
    ordering = ("-id",)
    list_select_related = ("account", "actor")
    add_form_template = "bedrock/ask_form.html"
    change_form_after_template = "bedrock/import_preview.html"
    add_fieldsets = (
        (
            None,
            {
                "fields": ("account", "file", "format"),
                "description": "Good lines are posted, of every other line it is said why not. A file may be read again: "
                "what is known already is not posted twice.",
            },
        ),
    )
    fieldsets = (
        (None, {"fields": (("account", "file_name"), ("status", "format"), tuple(COUNTS), "report")}),
        ("File", {"fields": (("size", "sha256"), (when("created_at", "Read"), "actor"),
                             link_to_list(LedgerEntry, "The account's entries", account__id="account_id"))}),
    )  # fmt: skip
    SEEN: ClassVar = ("report", "status")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the report of what was read."""
        return [*super().get_readonly_fields(request, obj), *(self.SEEN if obj else ())]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportBatch]:
        """Return the imports with the number of their refusals; what was refused is read on the page of one alone."""
        count = Func("refused", function="jsonb_array_length", output_field=IntegerField())
        return super().get_queryset(request).annotate(refusals=count).defer("refused", "remarks")

    @display(description="Report")
    def report(self, batch: ImportBatch) -> SafeString:
        """Return what became of the lines."""
        return render_to_string("bedrock/import_report.html", report_of(batch))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Name the page after what it does."""
        return super().add_view(
            request,
            form_url,
            {"title": "Import a file", "save_label": "Read it in"} | (extra_context or {}),
        )

    def response_add(self, request: HttpRequest, obj: ImportBatch, post_url_continue: str | None = None) -> HttpResponse:
        """Show what became of the lines."""
        told = f"{obj.posted:,} of {obj.lines:,} lines were posted, {obj.known:,} were known, {len(obj.refused):,} refused."
        level = messages.SUCCESS if obj.status == ImportStatus.POSTED else messages.WARNING
        messages.add_message(request, level, told)
        return redirect(page_of(obj))

    def get_urls(self) -> list[URLPattern]:
        """Add the look at a file."""
        view = self.admin_site.admin_view(require_POST(self.preview))
        return [path("preview/", view, name="accounts_importbatch_preview"), *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer with what would become of the lines of a file."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request, form=PreviewForm)(request.POST, request.FILES)
        assert isinstance(form, PreviewForm)  # noqa: S101
        context = report_of(form.done) if form.is_valid() else {"errors": form.errors}
        return TemplateResponse(request, "bedrock/import_report.html", context)


def report_of(batch: ImportBatch) -> dict[str, Any]:
    """Return what a report shows; of very many refusals, the first."""
    left = len(batch.refused) - MOST_SHOWN
    preview = batch.status == ImportStatus.PREVIEWED
    return {"batch": batch, "preview": preview, "refused": batch.refused[:MOST_SHOWN], "left": max(left, 0)}
