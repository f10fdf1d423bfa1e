"""The pages of who may see an account: invited, given another role, removed."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from accounts.models import Membership
from accounts.services import memberships
from marketdata.admin.base import Dialog, ServiceForm, find, leave, link, list_of, when

ROLES = {"OWNER": "success", "TRADER": "info", "VIEWER": ""}


class MembershipForm(ServiceForm):
    """An invitation, or another role for a member."""

    class Meta:
        model = Membership
        fields = ("account", "email", "role")

    def perform(self) -> Membership:
        """Invite the person, or give the member another role."""
        role = Role(self.cleaned_data["role"])
        if not self.instance._state.adding:
            return memberships.change_role(membership=self.instance, role=role)
        return memberships.invite_member(
            account=self.cleaned_data["account"],
            email=self.cleaned_data["email"],
            role=role,
            actor=user_of(self.request),
            at=timezone.now(),
        )


class Removal(Dialog):
    """Whether a member is to be removed."""

    def perform(self) -> str:
        """Remove the member and return who it was."""
        membership = find(Membership.objects.visible_to(user_of(self.request)), self.object_id)
        memberships.remove_member(membership=membership)
        return membership.email


@admin.register(Membership)
class MembershipAdmin(MemberAdmin):
    """The people of the user's accounts, those invited among them."""

    form = MembershipForm
    add_role = change_role = Role.OWNER
    list_display = (
        "email",
        link("account", "Account"),
        "has_role",
        "state",
        when("invited_at", "Invited"),
        "invited_by",
    )
    list_filter = (BY_ACCOUNT, ("role", ChoicesDropdownFilter))
    search_fields = ("email__icontains", "user__display_name__icontains")
    ordering = ("-id",)
    list_select_related = ("account", "invited_by")
    actions_detail = ("remove",)
    add_fieldsets = (
        (
            None,
            {
                "fields": ("account", "email", "role"),
                "description": "They see the account once they have accepted. A viewer looks, a trader posts entries, "
                "an owner also decides about people, jobs and the account itself.",
            },
        ),
    )
    fieldsets = (
        (None, {"fields": ("account", "email", "role")}),
        ("Invitation", {"fields": ("invited_by", (when("invited_at", "Invited"), when("accepted_at", "Accepted")))}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Let the role be changed, and who has it where stay."""
        fixed = ["account", "email", "invited_by"] if obj else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let owners remove others, and everybody leave."""
        membership = self.get_object(request, object_id) if object_id else None
        if membership is not None and membership.user_id == user_of(request).pk:
            return True
        return self.reaches(request, membership, Role.OWNER)

    @display(description="Role", label=ROLES)
    def has_role(self, membership: Membership) -> str:
        """Return the role by its name."""
        return membership.role_name

    @display(description="State", label={"Member": "success", "Invited": "warning"})
    def state(self, membership: Membership) -> str:
        """Return whether the person has accepted."""
        return "Member" if membership.accepted_at else "Invited"

    @action(
        description="Remove",
        permissions=["remove"],
        icon="person_remove",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Remove the member?",
            "description": "They no longer see the account from this moment on. What they posted stays.",
            "form_class": Removal,
            "form_submit_text": "Remove",
        },
    )
    def remove(self, request: HttpRequest, form: Removal, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, f"{form.done} was removed.", list_of(Membership))

    def get_urls(self) -> list[URLPattern]:
        """Add the answers to invitations, which their page can't show yet: the account is not visible before."""
        return [
            path(
                f"invitations/<uuid:invitation_id>/{view.__name__}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"invitation_{view.__name__}",
            )
            for view in (self.accept, self.decline)
        ] + super().get_urls()

    def accept(self, request: HttpRequest, invitation_id: UUID) -> HttpResponse:
        """Make the user a member of the account they were invited to."""
        try:
            member = memberships.accept_invitation(user=user_of(request), invitation_id=invitation_id, at=timezone.now())
            messages.success(request, f"You are a member of {member.account} now.")
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
        return redirect("admin:index")

    def decline(self, request: HttpRequest, invitation_id: UUID) -> HttpResponse:
        """Take the user's invitation away."""
        try:
            memberships.decline_invitation(user=user_of(request), invitation_id=invitation_id)
            messages.success(request, "The invitation is gone.")
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
        return redirect("admin:index")
