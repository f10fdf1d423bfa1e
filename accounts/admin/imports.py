"""The pages of imports: a file is read twice, first for a look."""

from django.contrib import admin

from accounts.admin.base import MemberAdmin
from accounts.models import ImportBatch


@admin.register(ImportBatch)
class ImportBatchAdmin(MemberAdmin):
    """The imports."""
