"""Find the signals whose time is over without looking at all of them: the clock asks each minute."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """An index of the signals that are still active, by when they end."""

    dependencies = [("trading", "0020_posting_many")]

    operations = [
        migrations.AddIndex(
            model_name="signal",
            index=models.Index(condition=models.Q(("status", "ACTIVE")), fields=["expires_at"], name="signal_to_end"),
        ),
    ]
