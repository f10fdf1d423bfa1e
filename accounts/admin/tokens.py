"""The pages of API tokens: made, shown once, revoked."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
)

from accounts.admin.base import GatedAdmin, user_of
from accounts.models import Account, ApiToken, Scope
from accounts.services.tokens import Issued, issue_token, revoke_token
from marketdata.admin.base import Dialog, ServiceForm, find, leave, page_of, when

SCOPES = [
    (Scope.READ.value, "Read: look at everything"),
    (Scope.TRADE.value, "Trade: post entries and imports, too"),
    (Scope.MANAGE.value, "Manage: people, jobs and accounts, too"),
]


class TokenForm(ServiceForm):
    """What a new token is for, and how far it reaches."""

    scope = forms.ChoiceField(choices=SCOPES, widget=UnfoldAdminSelectWidget, help_text="A higher one includes those above it.")
    limited_to = forms.ModelMultipleChoiceField(
        Account.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: all your accounts, those to come included.",
    )
    expires_at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="Empty: until it is revoked."
    )

    class Meta:
        model = ApiToken
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.fields["limited_to"]
        limit.queryset = Account.objects.visible_to(user_of(self.request)).order_by("name")  # type: ignore[attr-defined]

    def perform(self) -> ApiToken:
        """Make the token; its secret stays here until it has been shown."""
        limit = [account.pk for account in self.cleaned_data["limited_to"]]
        self.issued: Issued = issue_token(
            user=user_of(self.request),
            name=self.cleaned_data["name"],
            scopes=[self.cleaned_data["scope"]],
            accounts=limit or None,
            expires_at=self.cleaned_data["expires_at"],
            at=timezone.now(),
        )
        self.issued.token.secret = self.issued.secret  # type: ignore[attr-defined]
        return self.issued.token


class Revocation(Dialog):
    """Whether a token is to be ended."""

    def perform(self) -> ApiToken:
        """Revoke the token."""
        token = find(ApiToken.objects.visible_to(user_of(self.request)), self.object_id)
        return revoke_token(token=token, at=timezone.now())


@admin.register(ApiToken)
class ApiTokenAdmin(GatedAdmin):
    """The user's own tokens; nobody sees those of others, and nobody sees a secret twice."""

    form = TokenForm
    list_display = ("name", "starts_with", "reach", "state", when("created_at", "Made"), when("expires_at", "Expires"),
                    when("last_used_at", "Last used"))  # fmt: skip
    search_fields = ("name__icontains", "prefix__istartswith")
    ordering = ("-id",)
    actions_detail = ("revoke",)
    add_fieldsets = ((None, {"fields": ("name", "scope", "limited_to", "expires_at")}),)
    fieldsets = (
        (None, {"fields": (("name", "starts_with"), ("reach", "limits"), "state")}),
        ("Time", {"fields": ((when("created_at", "Made"), when("last_used_at", "Last used")),
                             (when("expires_at", "Expires"), when("revoked_at", "Revoked")))}),
    )  # fmt: skip
    SEEN: ClassVar = ("starts_with", "reach", "limits", "state")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show what cannot be changed: everything of a token that exists."""
        return [*super().get_readonly_fields(request, obj), *(self.SEEN if obj else ())]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody make tokens of their own."""
        return self.has_view_permission(request)

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let a token be revoked once."""
        token = self.get_object(request, object_id) if object_id else None
        return token is not None and token.revoked_at is None

    @display(description="Starts with")
    def starts_with(self, token: ApiToken) -> str:
        """Return the readable beginning of the secret."""
        return f"{token.prefix}…"

    @display(description="Scopes", label=True)
    def reach(self, token: ApiToken) -> list[str]:
        """Return what the token may do."""
        return token.scopes

    @display(description="Limited to")
    def limits(self, token: ApiToken) -> str:
        """Return the accounts the token is limited to, by the names of those that can still be seen."""
        if token.accounts is None:
            return "All accounts"
        return ", ".join(Account.objects.visible_to(token.user).filter(pk__in=token.accounts).values_list("name", flat=True))

    @display(description="State", label={"Active": "success", "Expired": "warning", "Revoked": "danger"})
    def state(self, token: ApiToken) -> str:
        """Return whether the token opens anything."""
        if token.revoked_at:
            return "Revoked"
        return "Expired" if token.expires_at and token.expires_at <= timezone.now() else "Active"

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret in this one answer; it is kept nowhere, not even in a message."""
        context = {
            **self.admin_site.each_context(request),
            "title": obj.name,
            "opts": self.opts,
            "token": obj,
            "page": page_of(obj),
        }
        response = TemplateResponse(request, "bedrock/token_made.html", context)
        add_never_cache_headers(response)
        return response

    @action(
        description="Revoke",
        permissions=["revoke"],
        icon="key_off",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Revoke the token?",
            "description": "Programs that use it are refused from this moment on, for good.",
            "form_class": Revocation,
            "form_submit_text": "Revoke",
        },
    )
    def revoke(self, request: HttpRequest, form: Revocation, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The token is revoked.", page_of(form.done))
