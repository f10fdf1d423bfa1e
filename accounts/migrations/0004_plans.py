from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models

import marketdata.models.fields


class Migration(migrations.Migration):
    """What the members of an account have decided about it, and its rules for taxes."""

    dependencies = [
        ("accounts", "0003_importbatch_remarks"),
        ("marketdata", "0007_bars_by_timeframe"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="long_term_days",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Held for more days than this is long-term; empty: for more than a year by the calendar.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="account",
            name="wash_sales",
            field=models.BooleanField(default=False, help_text="Apply the wash sale rule of the US to losses."),
        ),
        migrations.CreateModel(
            name="Taxonomy",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[^\\x00-\\x1f\\x7f\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069]*\\Z",
                                "Leave out control characters.",
                            )
                        ],
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="taxonomies", to="accounts.account"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "taxonomies",
            },
        ),
        migrations.CreateModel(
            name="TargetAllocation",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[^\\x00-\\x1f\\x7f\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069]*\\Z",
                                "Leave out control characters.",
                            )
                        ],
                    ),
                ),
                (
                    "basis",
                    models.CharField(
                        choices=[
                            ("INSTRUMENT", "Instruments"),
                            ("ASSET_CLASS", "Asset classes"),
                            ("CURRENCY", "Currencies"),
                            ("TAXONOMY", "Categories of a taxonomy"),
                        ],
                        default="INSTRUMENT",
                        max_length=11,
                    ),
                ),
                ("in_force", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="target_allocations", to="accounts.account"
                    ),
                ),
                (
                    "taxonomy",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.taxonomy",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Classification",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "category",
                    models.CharField(
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[^\\x00-\\x1f\\x7f\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069]*\\Z",
                                "Leave out control characters.",
                            )
                        ],
                    ),
                ),
                ("weight", marketdata.models.fields.WeightField(decimal_places=6, default=Decimal("1"), max_digits=7)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                    ),
                ),
                (
                    "instrument",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="marketdata.instrument"
                    ),
                ),
                (
                    "taxonomy",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="classifications",
                        to="accounts.taxonomy",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TradeThresholds",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="trade_thresholds",
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                ("window", models.PositiveSmallIntegerField(default=20, help_text="How many closed trades are looked at.")),
                (
                    "min_win_rate",
                    marketdata.models.fields.ShareField(
                        blank=True, decimal_places=6, help_text="0 to 1", max_digits=12, null=True
                    ),
                ),
                (
                    "min_profit_factor",
                    marketdata.models.fields.ShareField(blank=True, decimal_places=6, max_digits=12, null=True),
                ),
                (
                    "min_expectancy",
                    marketdata.models.fields.MoneyField(
                        blank=True, decimal_places=10, help_text="A trade, in the account's currency.", max_digits=25, null=True
                    ),
                ),
                (
                    "max_drawdown_pct",
                    marketdata.models.fields.ShareField(
                        blank=True, decimal_places=6, help_text="The size of the fall, 0 to 1.", max_digits=12, null=True
                    ),
                ),
                ("max_consecutive_losses", models.PositiveSmallIntegerField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "trade thresholds",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("window__gte", 1), ("window__lte", 1000)), name="trade_window_is_sensible"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("POSITION", "Largest share of one position"),
                            ("ASSET_CLASS", "Largest share of one asset class"),
                            ("CURRENCY", "Largest share of one foreign currency"),
                            ("FEES", "Fees of a year as a share of the average value"),
                            ("CASH", "Share of uninvested cash"),
                        ],
                        max_length=11,
                    ),
                ),
                ("threshold", marketdata.models.fields.ShareField(decimal_places=6, max_digits=12)),
                ("enabled", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="policies", to="accounts.account"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "policies",
                "constraints": [
                    models.UniqueConstraint(fields=("account", "kind"), name="policy_once_per_account"),
                    models.CheckConstraint(condition=models.Q(("threshold__gte", 0)), name="policy_threshold_is_not_negative"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Target",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "category",
                    models.CharField(
                        blank=True, help_text="The class, currency or category, where it is no instrument.", max_length=100
                    ),
                ),
                ("weight", marketdata.models.fields.WeightField(decimal_places=6, max_digits=7)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                    ),
                ),
                (
                    "instrument",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketdata.instrument",
                    ),
                ),
                (
                    "allocation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="targets",
                        to="accounts.targetallocation",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["account"], name="target_of_account")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("allocation", "instrument", "category"), name="target_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("weight__gte", 0), ("weight__lte", 1)), name="target_weight_is_a_share"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("category", ""), ("instrument__isnull", False)),
                            models.Q(("instrument__isnull", True), models.Q(("category", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="target_is_for_one_thing",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="taxonomy",
            constraint=models.UniqueConstraint(fields=("account", "name"), name="taxonomy_once_per_account"),
        ),
        migrations.AddConstraint(
            model_name="targetallocation",
            constraint=models.UniqueConstraint(fields=("account", "name"), name="allocation_once_per_account"),
        ),
        migrations.AddConstraint(
            model_name="targetallocation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("in_force", True)), fields=("account",), name="one_allocation_in_force"
            ),
        ),
        migrations.AddConstraint(
            model_name="targetallocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("basis", "TAXONOMY"), ("taxonomy__isnull", False)),
                    models.Q(models.Q(("basis", "TAXONOMY"), _negated=True), ("taxonomy__isnull", True)),
                    _connector="OR",
                ),
                name="allocation_taxonomy_where_needed",
            ),
        ),
        migrations.AddIndex(
            model_name="classification",
            index=models.Index(fields=["account"], name="classification_of_account"),
        ),
        migrations.AddConstraint(
            model_name="classification",
            constraint=models.UniqueConstraint(fields=("taxonomy", "instrument", "category"), name="classified_once"),
        ),
        migrations.AddConstraint(
            model_name="classification",
            constraint=models.CheckConstraint(
                condition=models.Q(("weight__gt", 0), ("weight__lte", 1)), name="classification_weight_is_a_share"
            ),
        ),
    ]
