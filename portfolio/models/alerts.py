"""What the members of an account were warned of."""

from django.db import models

from accounts.models import Account
from accounts.models.tenancy import AccountScoped


class Alert(models.Model):
    """A bound of an account that is broken now: its members were told once, and will be told once when it is kept again."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="alerts", db_index=False)
    subject = models.CharField(max_length=40, help_text="What is watched: trades, or policy: and its kind.")
    since = models.DateTimeField()
    message = models.TextField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "subject"], name="alert_once")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.account} since {self.since:%Y-%m-%d}"
