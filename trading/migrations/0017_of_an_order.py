"""Events and fills look for their order once a statement instead of once a row."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
BACK = "DROP TRIGGER {0}_of_an_order ON trading_{0}; ALTER TABLE trading_{0} ADD CONSTRAINT {0}_order_of_the_account " + (
    "FOREIGN KEY (account_id, order_id) REFERENCES trading_order (account_id, id) DEFERRABLE INITIALLY DEFERRED"
)


class Migration(migrations.Migration):
    """One look for many rows."""

    dependencies = [("trading", "0016_standing_at")]

    operations = [
        migrations.RunSQL(
            (SQL / "of_an_order.sql").read_text(),
            "; ".join([*(BACK.format(name) for name in ("orderevent", "fill")), "DROP FUNCTION trading_of_an_order()"]),
        )
    ]
