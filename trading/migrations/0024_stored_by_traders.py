"""Storing orders and their events looks once at who asks, and by its key at each client order id."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
GONE = "DROP FUNCTION trading_store(jsonb, jsonb, jsonb)"
BEFORE = (SQL / "storing.sql").read_text()
NAME, END = "FUNCTION trading_post(", "END $$;"
POSTS = f"CREATE OR REPLACE {NAME}{(SQL / 'posting_many.sql').read_text().partition(f'CREATE {NAME}')[2].partition(END)[0]}{END}"
WITH_FILLS, WITHOUT = "trading_store(NULL, _moved, _events, NULL)", "trading_store(NULL, _moved, _events)"


class Migration(migrations.Migration):
    """What is stored with every order, at less cost."""

    dependencies = [("trading", "0023_locked")]

    operations = [
        migrations.RunSQL((SQL / "storing_checked.sql").read_text(), [GONE, BEFORE]),
        migrations.RunSQL(POSTS.replace(WITH_FILLS, WITHOUT), POSTS),
    ]
