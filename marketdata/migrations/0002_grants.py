"""Let the runtime roles read and write market data, and not truncate it; it has no tenants, so no policies either."""

from django.db import migrations

TABLES = (
    "instrument",
    "followedinstrument",
    "bar",
    "quote",
    "fxrate",
    "pricehistory",
    "fxhistory",
    "qualityissue",
    "providerstate",
)
ALL = ", ".join(f"marketdata_{table}" for table in TABLES)


class Migration(migrations.Migration):
    """Grant the rows, not the tables."""

    dependencies = [("marketdata", "0001_first")]
    operations = [
        migrations.RunSQL(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {ALL} TO bedrock_app, bedrock_system",
            f"REVOKE ALL ON {ALL} FROM bedrock_app, bedrock_system",
        ),
    ]
