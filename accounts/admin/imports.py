"""The pages of imports: a file is looked at as often as one likes, posted when it looks right, and taken back as one act."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Func, IntegerField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.adapters.base import MAX_BYTES
from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.admin.import_columns import columns_page
from accounts.admin.import_forms import FORMATS, TITLES, ReadForm, UploadForm, answers_in
from accounts.admin.import_pages import page_of_import
from accounts.domain.roles import Role
from accounts.models import ImportBatch, ImportQuestion, ImportStatus
from accounts.models.imports import BEING_DONE
from accounts.models.users import NO_CONTROL_CHARACTERS
from accounts.services.import_posting import start_posting
from accounts.services.import_questions import answer_questions
from accounts.services.import_undo import undo_import
from accounts.services.import_uploads import read_otherwise
from accounts.services.imports import discard_preview, refused_file
from accounts.tasks import post_import
from marketdata.admin.base import badge, figure, find, link, list_of, page_of, when
from marketdata.domain.display import NOTHING

STATUSES = {
    "POSTED": "success",
    "PARTIAL": "warning",
    "REFUSED": "danger",
    "FAILED": "danger",
    "PREVIEWED": "info",
    "WAITING": "info",
    "POSTING": "info",
    "UNDONE": "",
}
COUNTS = [figure(name, name.capitalize(), style="quantity") for name in ("lines", "posted", "known")]


class UndoForm(forms.Form):
    """Why an import is taken back."""

    explanation = forms.CharField(required=False, max_length=1_000, validators=[NO_CONTROL_CHARACTERS])


@admin.register(ImportBatch)
class ImportBatchAdmin(MemberAdmin):
    """The files that were brought into the user's ledgers, the last first."""

    form = UploadForm
    add_role = Role.TRADER
    list_display = (
        "file_name",
        badge("status", "Status", STATUSES),
        link("account", "Account"),
        "format_title",
        *COUNTS,
        figure("refusals", "Refused", style="quantity"),
        when("created_at", "Read"),
        "actor",
    )
    list_filter = (BY_ACCOUNT, ("status", ChoicesDropdownFilter))
    search_fields = ("file_name__icontains", "sha256__startswith")
    ordering = ("-id",)
    list_select_related = ("account", "actor")
    blank: ClassVar = "A statement of your broker's, or any table, is looked at first and posted when you say so."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportBatch]:
        """Return the imports with the number of their refusals; what is long is read on the page of one alone."""
        count = Func("refused", function="jsonb_array_length", output_field=IntegerField())
        long = ("refused", "remarks", "fates", "figures", "spans", "undone", "options")
        return super().get_queryset(request).annotate(refusals=count).defer(*long)

    @display(description="Format")
    def format_title(self, batch: ImportBatch) -> str:
        """Return the format by its title; a file that waits for an answer has none."""
        return TITLES.get(batch.format, batch.format) or NOTHING

    def get_urls(self) -> list[URLPattern]:
        """Add what is done with one import."""
        posts = {name: require_POST(getattr(self, name)) for name in ("read", "answers", "post", "undo", "discard")}
        views = posts | {"columns": self.columns, "progress": require_safe(self.progress), "refused": require_safe(self.refused)}
        added = [
            path(f"<uuid:pk>/{name}/", self.admin_site.admin_view(view), name=f"accounts_importbatch_{name}")
            for name, view in views.items()
        ]
        return [*added, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask for a file, and lead to the page that says what would become of it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"time_zone": user_of(request).time_zone} | self.get_changeform_initial_data(request)
        data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
        form = self.get_form(request)(data, files, initial=initial)
        assert isinstance(form, UploadForm)  # noqa: S101
        if request.method == "POST" and form.is_valid():
            return redirect(page_of(form.done))
        context = {"title": "Import a file", "form": form, "most": MAX_BYTES}
        return self.shown(request, "upload", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what became, or would become, of a file."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        if self.get_object(request, unquote(object_id)) is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        batch = self.seen(request, UUID(unquote(object_id)))
        page = page_of_import(batch, request.GET, may_write=self.reaches(request, batch, Role.TRADER))
        return self.shown(request, "page", page | {"formats_all": FORMATS})

    def shown(self, request: HttpRequest, name: str, page: dict[str, Any]) -> HttpResponse:
        """Return a page of ours."""
        context = self.admin_site.each_context(request) | {"opts": self.opts} | page
        return TemplateResponse(request, f"bedrock/import_{name}.html", context)

    def seen(self, request: HttpRequest, pk: UUID) -> ImportBatch:
        """Return an import that the user may see, whole."""
        rows = ImportBatch.objects.visible_to(user_of(request)).select_related("account", "actor")
        batch: ImportBatch = find(rows, pk)
        return batch

    def writable(self, request: HttpRequest, pk: UUID) -> ImportBatch:
        """Return an import that the user may go on with.

        :raises PermissionDenied: if the user only looks
        """
        batch = self.seen(request, pk)
        if not self.reaches(request, batch, Role.TRADER):
            raise PermissionDenied
        return batch

    def act(self, request: HttpRequest, pk: UUID, do: Callable[[ImportBatch], str]) -> HttpResponse:
        """Do something with an import, tell what came of it, and show its page."""
        batch = self.writable(request, pk)
        try:
            if told := do(batch):
                messages.success(request, told)
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
        return redirect(page_of(batch))

    def read(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Read a kept file as another format."""

        def do(batch: ImportBatch) -> str:
            form = ReadForm(request.POST)
            if not form.is_valid():
                raise ValidationError([f"{name}: {text}" for name, texts in form.errors.items() for text in texts])
            read_otherwise(batch=batch, changes=form.changes(), actor=user_of(request), at=timezone.now())
            return ""

        return self.act(request, pk, do)

    def answers(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Say which instruments are meant."""

        def do(batch: ImportBatch) -> str:
            asked = ImportQuestion.objects.filter(batch=batch, instrument__isnull=True).values_list("pk", flat=True)
            given = answers_in(request.POST, asked)
            if not given:
                raise ValidationError("Choose an instrument for at least one of the questions.")
            done = answer_questions(batch=batch, answers=given, actor=user_of(request), at=timezone.now())
            self.wake(done)
            return "1 answer was kept." if len(given) == 1 else f"{len(given):,} answers were kept."

        return self.act(request, pk, do)

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Have a kept file posted."""

        def do(batch: ImportBatch) -> str:
            self.wake(start_posting(batch=batch, actor=user_of(request)))
            return ""

        return self.act(request, pk, do)

    def wake(self, batch: ImportBatch) -> None:
        """Wake a worker for a file that waits."""
        if batch.status == ImportStatus.WAITING:
            post_import.delay_on_commit(batch_id=str(batch.pk))

    def undo(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Take an import back, all of it."""

        def do(batch: ImportBatch) -> str:
            form = UndoForm(request.POST)
            if not form.is_valid():
                raise ValidationError([text for texts in form.errors.values() for text in texts])
            done = undo_import(batch=batch, actor=user_of(request), at=timezone.now(), **form.cleaned_data)
            return f"The import of {done.file_name} was undone."

        return self.act(request, pk, do)

    def discard(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Throw a kept file away."""
        batch = self.writable(request, pk)
        try:
            discard_preview(batch=batch)
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
            return redirect(page_of(batch))
        messages.success(request, f"{batch.file_name} was thrown away; nothing was posted.")
        return redirect(list_of(ImportBatch))

    def columns(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask what the columns of a table say."""
        batch = self.writable(request, pk)
        if batch.status != ImportStatus.PREVIEWED or batch.account.closed_on is not None:
            messages.error(request, "The import is no preview any more.")
            return redirect(page_of(batch))
        page = columns_page(request, batch)
        if page is None:
            return redirect(page_of(batch))
        return self.shown(
            request, "columns", {"title": f"Columns of {batch.file_name}", "batch": batch, "home": page_of(batch)} | page
        )

    def progress(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Tell the page how far a worker is, and when to look at the whole again."""
        batch = self.seen(request, pk)
        if "HX-Request" not in request.headers:
            return redirect(page_of(batch))
        if batch.status not in BEING_DONE:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return TemplateResponse(request, "bedrock/import_progress.html", {"batch": batch})

    def refused(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Return the refused lines as a file, to be mended and sent again."""
        batch = self.seen(request, pk)
        answer = HttpResponse(refused_file(batch), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = content_disposition_header(True, f"refused-{batch.file_name}")
        return answer
