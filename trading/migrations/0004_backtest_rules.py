"""What else a backtest is asked for: how large its positions are, where it gets out, and by what the best of a sweep is found."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column of rules."""

    dependencies = [("trading", "0003_orders_to_cancel")]

    operations = [
        migrations.AddField(
            model_name="backtestrun",
            name="rules",
            field=models.JSONField(blank=True, default=dict, help_text="How large, how to get out, what the best of a sweep is."),
        ),
    ]
