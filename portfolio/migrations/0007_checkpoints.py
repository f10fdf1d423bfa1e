"""Books of accounts as they stood before some days; members may read them, the system role alone writes them."""

import django.db.models.deletion
from django.db import migrations, models

from accounts.models.tenancy import members_of, protect


class Migration(migrations.Migration):
    """Add the table and put it behind the gate."""

    dependencies = [("portfolio", "0006_snapshot_complete")]

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("entries", models.BigIntegerField(help_text="About how many entries came before.")),
                ("state", models.TextField(help_text="JSON, amounts as whole numbers in units of their last places.")),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checkpoints",
                        to="accounts.account",
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=["account", "day"], name="checkpoint_once_a_day")]},
        ),
        migrations.RunSQL(
            protect("portfolio_checkpoint", read=members_of("account_id"), system="SELECT, INSERT, UPDATE, DELETE"),
            migrations.RunSQL.noop,
        ),
        # the end of a day rewrites all of them: with room on their pages, no index is written
        *(
            migrations.RunSQL(f"ALTER TABLE portfolio_{table} SET (fillfactor = 45)", migrations.RunSQL.noop)
            for table in ("position", "projection")
        ),
    ]
