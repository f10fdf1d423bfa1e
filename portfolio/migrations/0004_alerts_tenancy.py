"""Row-level security on alerts: members read them, the system role alone writes them."""

from django.db import migrations

from accounts.models.tenancy import members_of, protect


class Migration(migrations.Migration):
    """Put the table behind the gate."""

    dependencies = [("portfolio", "0003_gains_by_cause"), ("accounts", "0005_plans_tenancy")]

    operations = [
        migrations.RunSQL(protect("portfolio_alert", read=members_of("account_id"), system="SELECT, INSERT, UPDATE, DELETE"))
    ]
