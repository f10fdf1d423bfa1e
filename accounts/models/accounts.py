"""Accounts and the people who may see them."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.domain.roles import Role
from accounts.models.tenancy import AccountScoped
from accounts.models.users import CURRENCY, NO_CONTROL_CHARACTERS, User
from marketdata.models.fields import UUIDv7Field


class AccountKind(models.TextChoices):
    """What an account is held as."""

    CASH = "CASH", "Cash"
    MARGIN = "MARGIN", "Margin"
    RETIREMENT = "RETIREMENT", "Retirement"
    CRYPTO = "CRYPTO", "Crypto"


class ExecutionMode(models.TextChoices):
    """Whether orders reach a market."""

    PAPER = "PAPER", "Paper"
    LIVE = "LIVE", "Live"


class CostBasisMethod(models.TextChoices):
    """Which lots a sale closes."""

    FIFO = "FIFO", "First in, first out"
    LIFO = "LIFO", "Last in, first out"
    HIFO = "HIFO", "Highest cost first"
    AVERAGE = "AVERAGE", "Average cost"
    SPECIFIC = "SPECIFIC", "Specific lots"


class AccountQuerySet(AccountScoped):
    """Accounts; the rows that all others hang off."""

    account_path = "pk"

    def open(self) -> Self:
        """Keep the accounts that are not closed."""
        return self.filter(closed_on__isnull=True)


class Account(models.Model):
    """One account of a person at a broker, a bank or an exchange."""

    id = UUIDv7Field()
    owner = models.ForeignKey(User, models.PROTECT, related_name="owned_accounts")
    name = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    kind = models.CharField(max_length=10, choices=AccountKind, default=AccountKind.CASH)
    base_currency = models.CharField(max_length=3, validators=[CURRENCY])
    execution_mode = models.CharField(max_length=5, choices=ExecutionMode, default=ExecutionMode.PAPER)
    cost_basis_method = models.CharField(max_length=8, choices=CostBasisMethod, default=CostBasisMethod.FIFO)
    long_term_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Held for more days than this is long-term; empty: for more than a year by the calendar."
    )
    wash_sales = models.BooleanField(default=False, help_text="Apply the wash sale rule of the US to losses.")
    opened_on = models.DateField()
    closed_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_on__isnull=True) | Q(closed_on__gte=models.F("opened_on")), name="closed_after_opened"
            ),
            models.CheckConstraint(condition=Q(base_currency__regex=r"^[A-Z]{3}$"), name="account_currency_is_iso"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in an account; an invitation until it is accepted."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="memberships")
    email = models.EmailField()
    role = models.PositiveSmallIntegerField(choices=[(role.value, role.name.title()) for role in Role])
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    invited_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("account", Lower("email"), name="member_once_per_account"),
            models.UniqueConstraint(fields=["account", "user"], name="user_once_per_account"),
            models.CheckConstraint(condition=Q(accepted_at__isnull=True) | Q(user__isnull=False), name="accepted_by_a_user"),
        ]
        indexes = [models.Index(fields=["user", "role"], name="membership_of_user")]

    def __str__(self) -> str:
        return f"{self.email} in {self.account_id}"

    @property
    def role_name(self) -> str:
        """Return the role by its name."""
        return Role(self.role).name
