"""Order what is filtered of the quality issues by the time it was found, which no index of all issues gives.

Ordered by the key, rows of one kind were looked for from the end of the table, through any number of others.
"""

from django.db import migrations, models

CHOSEN = ("severity", "dataset", "instrument")


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0010_room_for_updates"),
    ]

    operations = [
        operation
        for field in CHOSEN
        for operation in (
            migrations.RemoveIndex(model_name="qualityissue", name=f"issues_by_{field}"),
            migrations.AddIndex(
                model_name="qualityissue",
                index=models.Index(fields=[field, "-found_at", "-id"], name=f"issues_by_{field}"),
            ),
        )
    ]
