"""The pages of the ledger: entries are posted, reversed and corrected through the service, and changed never."""

from django.contrib import admin

from accounts.admin.base import MemberAdmin
from accounts.models import LedgerEntry


@admin.register(LedgerEntry)
class LedgerEntryAdmin(MemberAdmin):
    """The entries."""
