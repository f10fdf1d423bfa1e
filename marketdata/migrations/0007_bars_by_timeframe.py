"""An index for lists of one timeframe."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0006_issues_by_filter"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="bar",
            index=models.Index(fields=["timeframe"], name="bars_by_timeframe"),
        ),
    ]
