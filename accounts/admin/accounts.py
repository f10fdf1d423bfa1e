"""The pages of accounts: opened, changed and closed by their owners."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import slugify
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts.admin.base import MemberAdmin, user_of
from accounts.domain.roles import Role
from accounts.models import Account, ImportBatch, Job, JobRun, LedgerEntry, Membership
from accounts.selectors.accounts import accounts_of
from accounts.selectors.bundles import bundle_file
from accounts.services import accounts
from marketdata.admin.base import Dialog, ServiceForm, badge, figure, find, leave, link_to_list, page_of, when

FILES = (
    ("export", "Event log"),
    ("export-ghostfolio", "Ghostfolio"),
    ("export-portfolio-performance", "Portfolio Performance"),
    ("export-beancount", "beancount"),
)
ROLES = {"OWNER": "success", "TRADER": "info", "VIEWER": ""}
HELD_AS = ("name", "kind", "base_currency", "execution_mode", "cost_basis_method", "long_term_days", "wash_sales", "opened_on")


class AccountForm(ServiceForm):
    """What an account is called and how it is kept."""

    class Meta:
        model = Account
        fields = HELD_AS

    def perform(self) -> Account:
        """Open the account, or change it."""
        if self.instance._state.adding:
            return accounts.open_account(owner=user_of(self.request), at=timezone.now(), **self.cleaned_data)
        changes = {name: self.cleaned_data[name] for name in self.changed_data}
        return accounts.change_account(account=self.instance, changes=changes, at=timezone.now())


class Closing(Dialog):
    """Whether an account is to be closed."""

    def perform(self) -> Account:
        """Close the account."""
        account = find(Account.objects.visible_to(user_of(self.request), role=Role.OWNER), self.object_id)
        return accounts.close_account(account=account, at=timezone.now())


@admin.register(Account)
class AccountAdmin(MemberAdmin):
    """The accounts of the user; each leads to its figures, its ledger and its people."""

    form = AccountForm
    account_path = "pk"
    list_display = (
        "name",
        "my_role",
        "kind",
        "base_currency",
        badge("execution_mode", "Mode", {"LIVE": "warning", "PAPER": "info"}),
        "cost_basis_method",
        figure("head.sequence", "Entries", style="quantity"),
        "opened_on",
        "closed_on",
        "overview",
    )
    list_filter = (("kind", ChoicesDropdownFilter), ("execution_mode", ChoicesDropdownFilter))
    search_fields = ("name__icontains",)
    ordering = ("id",)
    actions_list = ("bring_in",)
    actions_detail = ("take_along", "close")
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    ("kind", "base_currency"),
                    ("execution_mode", "cost_basis_method"),
                    ("long_term_days", "wash_sales"),
                    "opened_on",
                )
            },
        ),
    )
    fieldsets = (
        *add_fieldsets,
        ("State", {"fields": (("owner", "my_role"), (when("created_at", "Made"), "closed_on"))}),
        (
            "Records",
            {"fields": (
                ("overview", link_to_list(LedgerEntry, "Ledger entries", account__id="pk")),
                (link_to_list(Membership, "Members", account__id="pk"), link_to_list(ImportBatch, "Imports", account__id="pk")),
                (link_to_list(Job, "Jobs", account__id="pk"), link_to_list(JobRun, "Job runs", account__id="pk")),
                ("reports", "files"),
            )},
        ),
    )  # fmt: skip
    readonly_fields = ("owner", "my_role", "closed_on", "overview", "reports", "files")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody open accounts."""
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let owners change what is open."""
        return self.has_close_permission(request, obj)

    def has_close_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let owners close what is open."""
        if isinstance(obj, str):
            obj = self.get_object(request, obj)
            if obj is None:
                return False
        return self.reaches(request, obj, Role.OWNER) and (obj is None or obj.closed_on is None)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Return the user's accounts, with the role in each."""
        return accounts_of(user_of(request)).select_related("owner").order_by(*self.ordering)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose what most people want."""
        user = user_of(request)
        proposed = {"base_currency": user.base_currency, "opened_on": timezone.localdate()}
        return proposed | super().get_changeform_initial_data(request)

    @display(description="My role", label=ROLES)
    def my_role(self, account: Account) -> str:
        """Return what the user may do in the account."""
        return Role(account.role).name if getattr(account, "role", None) else ""  # type: ignore[attr-defined]

    @display(description="Figures")
    def overview(self, account: Account) -> str:
        """Return the way to the account's figures."""
        return format_html('<a class="go" href="{}?account={}">Overview</a>', reverse("admin:index"), account.pk)

    @display(description="Files and print")
    def reports(self, account: Account) -> str:
        """Return the way to the account's reports."""
        return format_html('<a class="go" href="{}?account={}">Reports</a>', reverse("admin:reports"), account.pk)

    @display(description="For other programs")
    def files(self, account: Account) -> str:
        """Return the ways to the account's ledger as files."""
        ways = [(reverse(name, kwargs={"account_id": account.pk}), title) for name, title in FILES]
        return format_html_join(" ", '<a class="go" href="{}" download>{}</a>', ways)

    @action(description="Bring one in", url_path="bring-in", permissions=["add"], icon="folder_zip")
    def bring_in(self, request: HttpRequest) -> HttpResponse:
        """Lead to where a whole account comes in as a ZIP."""
        return redirect("admin:accounts_accountimport_add")

    def has_take_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let owners take an account along, a closed one as well."""
        return self.reaches(request, obj, Role.OWNER)

    @action(description="Take it along", permissions=["take"], icon="download")
    def take_along(self, request: HttpRequest, object_id: str) -> FileResponse:
        """Answer with everything of the account as a ZIP."""
        user = user_of(request)
        account = find(Account.objects.visible_to(user, role=Role.OWNER), object_id)
        file = bundle_file(account=account, user=user, at=timezone.now())
        name = f"{slugify(account.name) or 'account'}-account.zip"
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")

    @action(
        description="Close",
        permissions=["close"],
        icon="lock",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Close the account?",
            "description": "From then on it is read and no longer written. Nothing is deleted, and nobody can open it again.",
            "form_class": Closing,
            "form_submit_text": "Close the account",
        },
    )
    def close(self, request: HttpRequest, form: Closing, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, f"{form.done} is closed.", page_of(form.done))
