"""The pages of users: operators keep them all, everybody else finds their own profile."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget, UnfoldAdminSelect2Widget

from accounts.admin.base import user_of
from accounts.models import Topic, User
from accounts.services import standing, users
from marketdata.admin.base import BaseAdmin, Dialog, ServiceForm, find, leave, page_of, when

admin.site.unregister(Group)  # rights follow from roles in accounts and from two flags, from nothing else

PROFILE = ("display_name", "time_zone", "base_currency", "mail_topics")
STANDING = ("is_active", "is_staff")


class UserForm(ServiceForm):
    """A person's profile and, for operators, their standing."""

    password = forms.CharField(
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        strip=False,
        help_text="They change it once logged in.",
    )
    time_zone = forms.ChoiceField(
        choices=[(name, name) for name in sorted(available_timezones())],
        initial="UTC",
        widget=UnfoldAdminSelect2Widget,
        help_text="Times are shown in it.",
    )
    mail_topics = forms.MultipleChoiceField(
        choices=Topic.choices,
        required=False,
        label="E-mail about",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Besides standing among the notifications.",
    )

    class Meta:
        model = User
        fields = ("email", *PROFILE, *STANDING)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            del self.fields["password"]  # it has a dialog of its own

    def perform(self) -> User:
        """Register the person, or change them."""
        given, asks = self.cleaned_data, user_of(self.request)
        profile = {name: given[name] for name in PROFILE if name in given}
        if self.instance._state.adding:
            return users.register_user(email=given["email"], password=given["password"], **profile)
        user = users.change_profile(user=self.instance, changes=profile)
        if "is_active" in given:
            user = standing.change_standing(user=user, active=given["is_active"], operator=given["is_staff"], actor=asks)
        return user


class NewPassword(Dialog):
    """Another password for a person who cannot log in."""

    password = forms.CharField(widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}), strip=False)

    def perform(self) -> User:
        """Set the password."""
        return standing.set_password(user=find(User.objects.all(), self.object_id), password=self.cleaned_data["password"])


@admin.register(User)
class UserAdmin(BaseAdmin):
    """The people; whoever is no operator sees themselves alone."""

    form = UserForm
    list_display = (
        "email",
        "display_name",
        "time_zone",
        "base_currency",
        *STANDING,
        "is_superuser",
        when("last_login", "Last login"),
    )
    list_filter = (*STANDING,)
    search_fields = ("email__istartswith", "display_name__icontains")
    ordering = ("-id",)
    actions_detail = ("set_password",)
    add_fieldsets = ((None, {"fields": ("email", "password", "display_name", ("time_zone", "base_currency"), "mail_topics")}),)
    fieldsets = (
        (None, {"fields": ("email", "display_name", ("time_zone", "base_currency"), "mail_topics")}),
        ("Standing", {"fields": (STANDING, "is_superuser")}),
        ("Time", {"fields": ((when("date_joined", "Joined"), when("last_login", "Last login")),)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return everybody to a superuser, and to others themselves."""
        people = super().get_queryset(request)
        return people if user_of(request).is_superuser else people.filter(pk=user_of(request).pk)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep the login, and what makes a superuser, out of the form; leave the standing to superusers."""
        fixed = ["email", "is_superuser"] if obj else []
        return [*super().get_readonly_fields(request, obj), *fixed, *(() if user_of(request).is_superuser else STANDING)]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers register people."""
        return request.user.is_active and user_of(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers change everybody, and everybody themselves."""
        return request.user.is_active and (user_of(request).is_superuser or obj is None or obj.pk == request.user.pk)

    def has_password_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let superusers set the passwords of others; their own they change where the old one is asked for."""
        return self.has_add_permission(request) and object_id != str(request.user.pk)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let nobody guess a password's hash, letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the operator's own time zone and currency."""
        proposed = {"time_zone": timezone.get_current_timezone_name(), "base_currency": user_of(request).base_currency}
        return proposed | super().get_changeform_initial_data(request)

    @action(
        description="Set password",
        permissions=["password"],
        icon="password",
        dialog={
            "title": "Set another password",
            "description": "It ends the person's sessions. Their tokens stay; revoke is theirs.",
            "form_class": NewPassword,
            "form_submit_text": "Set",
        },
    )
    def set_password(self, request: HttpRequest, form: NewPassword, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, f"{form.done} has another password.", page_of(form.done))
