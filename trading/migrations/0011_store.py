"""Orders, events and fills are stored in one trip, with fewer looks at other tables.

A fill's entry was looked for among all entries of its account, and events and fills looked up the account that their order holds.
"""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"
BACK = "DROP FUNCTION trading_store(jsonb, jsonb, jsonb, jsonb)"
TRADES = "account_id = ANY ((SELECT app_accounts(20))::uuid[])"
AMONG = "entry_id IN (SELECT e.id FROM accounts_ledgerentry e WHERE e.account_id = trading_fill.account_id)"
BY_ITS_ID = (
    "EXISTS (SELECT FROM accounts_ledgerentry e WHERE e.id = trading_fill.entry_id AND e.account_id = trading_fill.account_id)"
)
POLICY = "ALTER POLICY app_insert ON trading_fill WITH CHECK ({})"


class Migration(migrations.Migration):
    """What storing takes."""

    dependencies = [("trading", "0010_resumed_from"), ("accounts", "0002_tenancy_and_ledger")]

    operations = [
        migrations.RunSQL((SQL / "storing.sql").read_text(), BACK),
        migrations.RunSQL(POLICY.format(f"{TRADES} AND {BY_ITS_ID}"), POLICY.format(f"{TRADES} AND {AMONG}")),
        *(
            migrations.AlterField(
                model_name=name,
                name="account",
                field=models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name=related,
                    to="accounts.account",
                ),
            )
            for name, related in (("orderevent", "+"), ("fill", "fills"))
        ),
    ]
