"""Row-level security: members read an account's figures, the system role alone writes them."""

from django.db import migrations

from accounts.models.tenancy import members_of, protect

TABLES = ("projection", "position", "lot", "closure", "snapshot", "performance")
ALL = "SELECT, INSERT, UPDATE, DELETE"


class Migration(migrations.Migration):
    """Put every table behind the gate."""

    dependencies = [("portfolio", "0001_initial"), ("accounts", "0002_tenancy_and_ledger")]

    operations = [migrations.RunSQL(protect(f"portfolio_{table}", read=members_of("account_id"), system=ALL)) for table in TABLES]
