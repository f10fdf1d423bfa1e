"""People: registered, known by their password, changed by themselves."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User

PROFILE = frozenset({"display_name", "time_zone", "base_currency", "mail_topics"})


class EmailTaken(ValidationError):
    """Somebody is registered with that e-mail."""


@transaction.atomic
def register_user(*, email: str, password: str, **profile: Any) -> User:
    """Register a person; invitations to their e-mail wait for them already.

    :raises EmailTaken: if the e-mail, in whatever case, is registered
    :raises ValidationError: if the password is too weak or a field is wrong
    """
    if User.objects.filter(email__iexact=email.strip()).exists():
        raise EmailTaken("Somebody is registered with that e-mail.", code="email_taken")
    try:
        validate_password(password, User(email=email, **profile))
    except ValidationError as weak:
        raise ValidationError({"password": weak.error_list}) from weak
    return User.objects.create_user(email, password, **profile)


def authenticate_user(*, request: HttpRequest, email: str, password: str) -> User | None:
    """Return the active user of an e-mail and password; a wrong password and an unknown e-mail cost the same time."""
    user = authenticate(request, username=email, password=password)
    return user if isinstance(user, User) else None


@transaction.atomic
def change_profile(*, user: User, changes: Mapping[str, Any]) -> User:
    """Change how a person is called, what they see times and sums in and get mail about; the e-mail, by which they log in, stays.

    :raises ValidationError: by field
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    for name in PROFILE & changes.keys():
        setattr(user, name, changes[name])
    user.clean_fields(exclude={"password"})
    user.save(update_fields=[*PROFILE])
    return user
