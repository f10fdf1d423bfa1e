"""Fills are stored at less cost.

Who may add a fill is shown the entry that it names (the policy of 0011), and no entry is ever removed: the database need not look
once more. An order that is filled bit by bit finds room for its next row beside the last one.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """One look less at entries, and room beside orders."""

    dependencies = [("trading", "0012_held"), ("accounts", "0002_tenancy_and_ledger")]

    operations = [
        migrations.AlterField(
            model_name="fill",
            name="entry",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.ledgerentry",
            ),
        ),
        migrations.RunSQL("ALTER TABLE trading_order SET (fillfactor = 80)", "ALTER TABLE trading_order RESET (fillfactor)"),
    ]
