import django.db.models.deletion
from django.db import migrations, models

import portfolio.models.fields


class Migration(migrations.Migration):
    """The causes of each day's gain, both sides of its flows, wash sales, and alerts."""

    dependencies = [
        ("accounts", "0004_plans"),
        ("portfolio", "0002_tenancy"),
    ]

    operations = [
        migrations.AddField(
            model_name="closure",
            name="disallowed_loss",
            field=portfolio.models.fields.AmountField(
                db_default=0,
                decimal_places=10,
                help_text="Zero or above; it was added to the cost of what was bought again.",
                max_digits=60,
            ),
        ),
        migrations.AddField(
            model_name="closure",
            name="wash_sale",
            field=models.BooleanField(
                db_default=False, help_text="The loss is disallowed, wholly or in part: bought again within 30 days."
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="currency_gain",
            field=portfolio.models.fields.AmountField(
                db_default=0, decimal_places=10, help_text="Of the day's gain, what rates made.", max_digits=60
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="fees",
            field=portfolio.models.fields.AmountField(db_default=0, decimal_places=10, max_digits=60),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="income",
            field=portfolio.models.fields.AmountField(
                db_default=0, decimal_places=10, help_text="Dividends and rewards, before fees and taxes.", max_digits=60
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="inflow",
            field=portfolio.models.fields.AmountField(
                db_default=0, decimal_places=10, help_text="What came in, as the daily return counts it.", max_digits=60
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="interest",
            field=portfolio.models.fields.AmountField(
                db_default=0, decimal_places=10, help_text="Before fees and taxes; below zero where it was paid.", max_digits=60
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="outflow",
            field=portfolio.models.fields.AmountField(
                db_default=0, decimal_places=10, help_text="What went out, zero or above.", max_digits=60
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="price_gain",
            field=portfolio.models.fields.AmountField(
                db_default=0, decimal_places=10, help_text="Of the day's gain, what prices made.", max_digits=60
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="taxes",
            field=portfolio.models.fields.AmountField(db_default=0, decimal_places=10, max_digits=60),
        ),
        migrations.AlterField(
            model_name="closure",
            name="long_term",
            field=models.BooleanField(help_text="Held for longer than the account's threshold, a year unless it says otherwise."),
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(help_text="What is watched: trades, or policy: and its kind.", max_length=40)),
                ("since", models.DateTimeField()),
                ("message", models.TextField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="alerts", to="accounts.account"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("account", "subject"), name="alert_once")],
            },
        ),
    ]
