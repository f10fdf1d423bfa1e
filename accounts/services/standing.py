"""What operators decide about people: whether they may log in, who keeps the market data, and a new password."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User


class OwnStanding(ValidationError):
    """Nobody locks themselves out, or gives or takes rights of their own."""


@transaction.atomic
def change_standing(*, user: User, active: bool, operator: bool, actor: User) -> User:
    """Let a person log in or not, and keep market data or not; their records stay, whatever is decided.

    :raises OwnStanding: if it is the actor's own
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    if (user.is_active, user.is_staff) == (active, operator):
        return user
    if user.pk == actor.pk:
        raise OwnStanding("You can't change your own standing; ask another operator.", code="own_standing")
    user.is_active, user.is_staff = active, operator
    user.save(update_fields=["is_active", "is_staff"])
    return user


@transaction.atomic
def set_password(*, user: User, password: str) -> User:
    """Give a person another password, which ends their sessions.

    :raises ValidationError: if it is too weak
    """
    try:
        validate_password(password, user)
    except ValidationError as weak:
        raise ValidationError({"password": weak.error_list}) from weak
    user.set_password(password)
    user.save(update_fields=["password"])
    return user
