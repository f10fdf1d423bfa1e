"""Whole accounts that were brought in as a ZIP: how far each came, what it became, and why one was refused."""

from django.db import models

from accounts.models.accounts import Account
from accounts.models.imports import BEING_DONE, ImportStatus
from accounts.models.tenancy import OwnedByUser
from accounts.models.users import NO_CONTROL_CHARACTERS, User
from marketdata.models.fields import UUIDv7Field


class AccountImport(models.Model):
    """One ZIP that a person brought: all of it is taken, or nothing is.

    `origin` is the account it was, wherever that is; by it the account that it became here is known when it comes again. The row
    is the queue: a ZIP that is being taken is held by one worker, until its lease ends.
    """

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.CASCADE, related_name="account_imports")
    file_name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    name = models.CharField(
        max_length=100, blank=True, validators=[NO_CONTROL_CHARACTERS], help_text="What it is to be called; empty: as it was."
    )
    status = models.CharField(max_length=10, choices=ImportStatus)
    origin = models.UUIDField(null=True, blank=True)
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="+")
    entries = models.PositiveBigIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True, help_text="The hash of its last entry there.")
    progress = models.PositiveBigIntegerField(default=0, help_text="Entries done so far.")
    posted = models.PositiveBigIntegerField(default=0)
    known = models.PositiveBigIntegerField(default=0)
    refused = models.JSONField(default=list, help_text="[{code, detail}] of why nothing was taken.")
    remarks = models.JSONField(default=list, help_text="[{code, detail}] of what its reader should know.")
    content = models.BinaryField(default=b"")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)

    objects = OwnedByUser.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "created_at"], name="account_import_by_time"),
            models.Index(fields=["user", "origin"], name="account_import_by_origin"),
            models.Index(fields=["created_at"], condition=models.Q(status__in=BEING_DONE), name="account_import_to_be_done"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.status})"
