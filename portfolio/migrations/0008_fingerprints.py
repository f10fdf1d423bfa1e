"""What the end of a day asks: which accounts are plain, what a day rests on, and which instruments anybody holds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portfolio", "0007_checkpoints")]

    operations = [
        migrations.AddField(
            model_name="projection",
            name="plain",
            field=models.BooleanField(
                db_default=False,
                help_text="One currency, nothing missing or awaited, no price by hand, no split: prices alone move it.",
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="fingerprint",
            field=models.BigIntegerField(
                null=True, help_text="Of the prices that the day rests on; null unless it was the last one when it was written."
            ),
        ),
        migrations.AddIndex(
            model_name="position",
            index=models.Index(fields=["instrument"], name="position_by_instrument"),
        ),
        # the end of a day does not rewrite them any more
        *(
            migrations.RunSQL(f"ALTER TABLE portfolio_{table} RESET (fillfactor)", migrations.RunSQL.noop)
            for table in ("position", "projection")
        ),
    ]
