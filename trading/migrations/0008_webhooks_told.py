"""What happens in an account is put down for its webhooks, by the database, together with what happened."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"
BACK = """
    DROP FUNCTION trading_tell_of_orders() CASCADE;
    DROP FUNCTION trading_tell_of_fills() CASCADE;
    DROP FUNCTION trading_tell_of_breaches() CASCADE;
    DROP FUNCTION trading_tell_of_pauses() CASCADE;
    DROP FUNCTION trading_tell_of_alerts() CASCADE;
    DROP FUNCTION trading_tell_of_breaks() CASCADE;
    DROP FUNCTION trading_new_id();
    DROP FUNCTION trading_number(numeric);
    DROP FUNCTION trading_instant(timestamptz);
"""


class Migration(migrations.Migration):
    """The triggers that do, and addresses of the machine itself for those who develop."""

    dependencies = [("trading", "0007_evaluations"), ("portfolio", "0003_gains_by_cause")]

    operations = [
        migrations.RemoveConstraint(model_name="webhook", name="webhook_is_encrypted"),
        migrations.AddConstraint(
            model_name="webhook",
            constraint=models.CheckConstraint(
                condition=models.Q(("url__regex", r"^https:/{2}|^http:/{2}(localhost|127\.0\.0\.1)(:[0-9]+)?(/|$)")),
                name="webhook_is_encrypted",
            ),
        ),
        migrations.RunSQL((SQL / "webhooks.sql").read_text(), BACK),
    ]
