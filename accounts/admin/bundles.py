"""The pages of whole accounts that come as a ZIP: brought, taken by a worker, and looked at."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_safe
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.adapters.base import MAX_BYTES
from accounts.admin.base import GatedAdmin, user_of
from accounts.admin.import_pages import TONES
from accounts.admin.imports import STATUSES
from accounts.models import AccountImport
from accounts.models.imports import BEING_DONE
from accounts.services.bundle_queue import queue_bundle
from accounts.tasks import take_account
from marketdata.admin.base import ServiceForm, badge, figure, find, link, page_of, when


class ZipForm(ServiceForm):
    """The ZIP of an account, and what it is to be called here."""

    file = forms.FileField(max_length=255)

    class Meta:
        model = AccountImport
        fields = ("name",)

    def clean_file(self) -> Any:
        """Refuse a file that is too large."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            told = f"The ZIP is larger than {MAX_BYTES // 2**20} MiB: whoever runs this site brings it in by import_account."
            raise ValidationError(told, code="too_large")
        return file

    def perform(self) -> AccountImport:
        """Keep the ZIP, and wake a worker for it."""
        file = self.cleaned_data["file"]
        made = queue_bundle(
            user=user_of(self.request),
            file_name=file.name,
            content=file.read(),
            at=timezone.now(),
            name=self.cleaned_data["name"],
        )
        take_account.delay_on_commit(import_id=str(made.pk))
        return made


@admin.register(AccountImport)
class AccountImportAdmin(GatedAdmin):
    """The accounts that the user brought as ZIPs, the last first."""

    form = ZipForm
    list_display = (
        "file_name",
        badge("status", "Status", STATUSES),
        link("account", "Became"),
        figure("entries", "Entries", style="quantity"),
        figure("posted", "Posted", style="quantity"),
        when("created_at", "Brought"),
    )
    list_filter = (("status", ChoicesDropdownFilter),)
    search_fields = ("file_name__icontains",)
    ordering = ("-id",)
    list_select_related = ("account",)
    blank: ClassVar = (
        "The ZIP that an account's page gives by “Take it along”, here or elsewhere, is brought in whole or not at all."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the user's own, without their ZIPs."""
        return super().get_queryset(request).defer("content")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody bring accounts."""
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        """Add how far a worker is."""
        view = self.admin_site.admin_view(require_safe(self.progress))
        return [path("<uuid:pk>/progress/", view, name="accounts_accountimport_progress"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask for a ZIP, and lead to the page that says how far it is."""
        data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
        form = self.get_form(request)(data, files)
        assert isinstance(form, ZipForm)  # noqa: S101
        if request.method == "POST" and form.is_valid():
            return redirect(page_of(form.done))
        return self.shown(request, "upload", {"title": "Bring an account in", "form": form, "most": MAX_BYTES})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what became of a ZIP."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        made = self.get_object(request, unquote(object_id))
        if made is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        page = {"title": made.file_name, "made": made, "busy": made.status in BEING_DONE, "tone": TONES.get(made.status, "")}
        return self.shown(request, "page", page)

    def progress(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Tell the page how far a worker is, and when to look at the whole again."""
        made = find(self.get_queryset(request), pk)
        if "HX-Request" not in request.headers:
            return redirect(page_of(made))
        if made.status not in BEING_DONE:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return TemplateResponse(request, "bedrock/account_progress.html", {"made": made})

    def shown(self, request: HttpRequest, name: str, page: dict[str, Any]) -> HttpResponse:
        """Return a page of ours."""
        context = self.admin_site.each_context(request) | {"opts": self.opts} | page
        return TemplateResponse(request, f"bedrock/account_{name}.html", context)
