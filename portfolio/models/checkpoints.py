"""The book of an account as it stood before a day: what late entries are posted to."""

from django.db import models

from accounts.models import Account
from accounts.models.tenancy import AccountScoped


class Checkpoint(models.Model):
    """Holdings with their lots, balances and what else the derivation remembers, before the first entry of a day."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="checkpoints", db_index=False)
    day = models.DateField()
    entries = models.BigIntegerField(help_text="About how many entries came before.")
    state = models.TextField(help_text="JSON, amounts as whole numbers in units of their last places.")

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "day"], name="checkpoint_once_a_day")]

    def __str__(self) -> str:
        return f"{self.account_id} before {self.day}"
