"""A stop of all trading says whether open orders are to be canceled: that is done though a message is lost, or a worker dies."""

from django.db import migrations, models

TRIGGER = """
DROP TRIGGER halt_ends_once ON trading_tradinghalt;
CREATE TRIGGER halt_ends_once BEFORE UPDATE ON trading_tradinghalt
FOR EACH ROW EXECUTE FUNCTION trading_stop_ends_once({})
"""


class Migration(migrations.Migration):
    """Two columns, which may still change while trading is stopped."""

    dependencies = [("trading", "0021_signals_to_end")]

    operations = [
        migrations.AddField(
            model_name="tradinghalt",
            name="cancels",
            field=models.BooleanField(default=False, help_text="Whether open orders are to be canceled."),
        ),
        migrations.AddField(
            model_name="tradinghalt",
            name="canceled_at",
            field=models.DateTimeField(blank=True, help_text="When that had been done.", null=True),
        ),
        migrations.RunSQL(
            TRIGGER.format("'ended_at', 'ended_by', 'cancels', 'canceled_at'"), TRIGGER.format("'ended_at', 'ended_by'")
        ),
    ]
