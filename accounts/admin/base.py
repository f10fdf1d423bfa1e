"""The gate of the admin: members find the records of their own accounts, and write as far as their role reaches."""

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.admin.utils import unquote
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import RangeDateFilter, RelatedDropdownFilter
from unfold.utils import parse_date_str

from accounts.domain.roles import Role
from accounts.models import Account, User
from accounts.models.tenancy import AccountScoped, OwnedByUser
from accounts.selectors.accounts import accounts_of
from marketdata.admin.base import BaseAdmin


def user_of(request: HttpRequest) -> User:
    """Return who asks; the site lets nobody else in."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101
    return user


def roles_of(request: HttpRequest) -> dict[UUID, Role]:
    """Return the role that the user holds in each of their accounts, asked once a request."""
    found: dict[UUID, Role] | None = getattr(request, "account_roles", None)
    if found is None:
        found = {account.pk: Role(account.role) for account in accounts_of(user_of(request))}  # type: ignore[attr-defined]
        request.account_roles = found  # type: ignore[attr-defined]
    return found


class GatedAdmin(BaseAdmin):
    """A page on records that not everybody may see: whatever it reads went through the gate."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows that the user may see."""
        rows = super().get_queryset(request)
        assert isinstance(rows, AccountScoped | OwnedByUser)  # noqa: S101
        return rows.visible_to(user_of(request))

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> ModelChoiceField | None:
        """Offer only what the user may see."""
        rows = db_field.remote_field.model._default_manager.all()
        if "queryset" not in kwargs and isinstance(rows, AccountScoped | OwnedByUser):
            kwargs["queryset"] = rows.visible_to(user_of(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Write nothing: the admin's log has no gate, and names of accounts would stand in it."""

    log_change = log_addition

    def log_deletions(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Write nothing, either."""


class MemberAdmin(GatedAdmin):
    """A page on records that hang off an account; `add_role` and `change_role` say from which role on they are written."""

    add_role: ClassVar[Role | None] = None
    change_role: ClassVar[Role | None] = None
    account_path: ClassVar[str] = "account_id"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those add who hold the role in some account; the form offers those accounts alone."""
        return self.add_role is not None and any(role >= self.add_role for role in roles_of(request).values())

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those change who hold the role in the record's account."""
        return self.change_role is not None and self.reaches(request, obj, self.change_role)

    def reaches(self, request: HttpRequest, obj: Any, role: Role) -> bool:
        """Say whether the user's role in the account of a record (or of the record with an id) is at least as high."""
        roles = roles_of(request)
        if isinstance(obj, str):
            obj = self.get_object(request, unquote(obj))
            if obj is None:
                return False
        if obj is None:
            return any(mine >= role for mine in roles.values())
        mine = roles.get(getattr(obj, self.account_path))
        return mine is not None and mine >= role

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> ModelChoiceField | None:
        """Offer the open accounts in which the user may add such a record."""
        if db_field.remote_field.model is Account and self.add_role is not None:
            kwargs["queryset"] = Account.objects.visible_to(user_of(request), role=self.add_role).open().order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Choose the account beforehand: the one the user looked at last, or the only one."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        mine = {
            str(account) for account, role in roles_of(request).items() if self.add_role is not None and role >= self.add_role
        }
        last = request.session.get("account")
        chosen = last if last in mine else next(iter(mine)) if len(mine) == 1 else None
        return {"account": chosen} | initial


class AccountFilter(RelatedDropdownFilter):
    """One of the user's own accounts."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[UUID, str]]:
        """Return the accounts to choose from, by name."""
        return [(account.pk, account.name) for account in Account.objects.visible_to(user_of(request)).order_by("name", "pk")]

    def has_output(self) -> bool:
        """Offer the choice even where there is only one account."""
        return True


class DayFilter(RangeDateFilter):
    """From one day to another, both included, in the time zone of who looks."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows between the days; what is no day is passed over."""
        for end, lookup, later in (("from", "gte", 0), ("to", "lt", 1)):
            day = parse_date_str(str(self.used_parameters.get(f"{self.field_path}_{end}", "")))
            if day is not None and day < date.max:
                midnight = timezone.make_aware(datetime.combine(day + timedelta(days=later), time()))
                queryset = queryset.filter(**{f"{self.field_path}__{lookup}": midnight})
        return queryset


BY_ACCOUNT = ("account", AccountFilter)
