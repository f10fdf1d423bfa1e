"""Files that were read into a ledger, with what became of each line."""

from django.db import models

from accounts.models.accounts import Account
from accounts.models.tenancy import AccountScoped
from accounts.models.users import User
from marketdata.models.fields import UUIDv7Field


class ImportStatus(models.TextChoices):
    """How far an import came."""

    PREVIEWED = "PREVIEWED", "Previewed"
    POSTED = "POSTED", "Posted"
    PARTIAL = "PARTIAL", "Posted in part"
    REFUSED = "REFUSED", "Refused"


class ImportBatch(models.Model):
    """One file: what it is, and how many of its lines were posted, known already or refused and why."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="imports")
    file_name = models.CharField(max_length=255)
    format = models.CharField(max_length=30)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=ImportStatus)
    lines = models.PositiveIntegerField(default=0)
    posted = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    refused = models.JSONField(default=list, help_text="[{line, code, detail}] of every line that was not taken.")
    remarks = models.JSONField(default=list, help_text="[{code, detail}] of what was assumed where the file says nothing.")
    actor = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "import batches"
        indexes = [
            models.Index(fields=["account", "created_at"], name="import_by_time"),
            models.Index(fields=["account", "sha256"], name="import_by_file"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.status})"
