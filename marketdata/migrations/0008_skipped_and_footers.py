"""Count what of a source is passed over, and keep the hash of the end of each file of the archive."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0007_bars_by_timeframe"),
    ]

    operations = [
        migrations.AddField(
            model_name="archivesegment",
            name="footer_sha256",
            field=models.CharField(
                blank=True,
                help_text="Of the end of the file, which says where its rows are: compared whenever it is read.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="last_skipped",
            field=models.CharField(blank=True, help_text="Why something was passed over the last time.", max_length=300),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="skipped",
            field=models.BigIntegerField(
                default=0, help_text="What was passed over: it has no place here, or is not to be had there."
            ),
        ),
    ]
