from django.db import migrations, models


class Migration(migrations.Migration):
    """Orders that a broker is to cancel are found at once."""

    dependencies = [("trading", "0002_tenancy")]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(condition=models.Q(("pending_cancel", True)), fields=["claimed_at", "id"], name="order_to_cancel"),
        ),
    ]
