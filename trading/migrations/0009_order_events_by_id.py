"""What happened to orders since somebody heard of them last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One index."""

    dependencies = [("trading", "0008_webhooks_told")]

    operations = [
        migrations.AddIndex(model_name="orderevent", index=models.Index(fields=["account", "id"], name="order_event_by_id")),
    ]
