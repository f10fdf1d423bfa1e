"""Let the list of quality issues be filtered without reading all of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0005_add_day_once"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="qualityissue",
            index=models.Index(fields=["severity", "-id"], name="issues_by_severity"),
        ),
        migrations.AddIndex(
            model_name="qualityissue",
            index=models.Index(fields=["dataset", "-id"], name="issues_by_dataset"),
        ),
        migrations.AddIndex(
            model_name="qualityissue",
            index=models.Index(fields=["instrument", "-id"], name="issues_by_instrument"),
        ),
    ]
