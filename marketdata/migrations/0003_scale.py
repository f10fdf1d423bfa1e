"""Quotes and trades by day, the archive, corporate actions, and how sources and feeds are doing."""

from pathlib import Path

import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models

import marketdata.models.fields
import marketdata.models.instruments

SQL = Path(__file__).resolve().parent.parent / "sql"
TABLES = (
    "archivesegment",
    "corporateaction",
    "instrumentsource",
    "latestquote",
    "latesttick",
    "pendingrollup",
    "providerhealth",
    "streamstate",
)
ALL = ", ".join(f"marketdata_{table}" for table in TABLES)
STEP_ASIDE = """
    ALTER TABLE marketdata_quote RENAME TO marketdata_quote_before;
    ALTER TABLE marketdata_quote_before DROP CONSTRAINT quote_once
"""
MOVE_OVER = """
    SELECT marketdata_add_day('quotes', day)
    FROM (SELECT DISTINCT (timestamp AT TIME ZONE 'UTC')::date AS day FROM marketdata_quote_before) AS days;
    INSERT INTO marketdata_quote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
    SELECT instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at FROM marketdata_quote_before;
    INSERT INTO marketdata_latestquote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
    SELECT DISTINCT ON (instrument_id) instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at
    FROM marketdata_quote_before ORDER BY instrument_id, timestamp DESC;
    DROP TABLE marketdata_quote_before
"""


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0002_grants"),
    ]

    operations = [
        migrations.RunSQL(STEP_ASIDE),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel(name="Quote"),
                migrations.CreateModel(
                    name="Quote",
                    fields=[
                        ("id", models.CharField(editable=False, max_length=120, primary_key=True, serialize=False)),
                        ("timestamp", models.DateTimeField()),
                        ("recorded_at", models.DateTimeField()),
                        ("bid", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                        ("ask", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                        (
                            "bid_size",
                            marketdata.models.fields.QuantityField(blank=True, decimal_places=12, max_digits=24, null=True),
                        ),
                        (
                            "ask_size",
                            marketdata.models.fields.QuantityField(blank=True, decimal_places=12, max_digits=24, null=True),
                        ),
                    ],
                    options={"db_table": "marketdata_quote_keyed", "managed": False},
                ),
            ],
        ),
        migrations.RunSQL((SQL / "partitions.sql").read_text()),
        migrations.CreateModel(
            name="Tick",
            fields=[
                ("id", models.CharField(editable=False, max_length=120, primary_key=True, serialize=False)),
                ("timestamp", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("price", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                ("size", marketdata.models.fields.QuantityField(decimal_places=12, max_digits=24)),
                ("conditions", models.CharField(blank=True, max_length=100)),
            ],
            options={
                "db_table": "marketdata_tick_keyed",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="ArchiveSegment",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("dataset", models.CharField(choices=[("quotes", "quotes"), ("ticks", "ticks")], max_length=20)),
                ("day", models.DateField()),
                ("part", models.PositiveSmallIntegerField(default=0)),
                ("file", models.CharField(help_text="Where it is, below the root of the archive.", max_length=300, unique=True)),
                ("rows", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "content",
                    models.CharField(
                        help_text="Count and sums of the rows, by which file and table were compared.", max_length=200
                    ),
                ),
                ("schema_version", models.PositiveSmallIntegerField()),
                ("recorded_at", models.DateTimeField()),
                (
                    "verified_at",
                    models.DateTimeField(
                        blank=True, help_text="When the file was last found to be as it was written.", null=True
                    ),
                ),
                (
                    "fault",
                    models.CharField(
                        blank=True, help_text="What was wrong with the file when it was last looked at.", max_length=300
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CorporateAction",
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
                            ("SPLIT", "SPLIT"),
                            ("CASH_DIVIDEND", "CASH_DIVIDEND"),
                            ("STOCK_DIVIDEND", "STOCK_DIVIDEND"),
                            ("SPIN_OFF", "SPIN_OFF"),
                            ("MERGER", "MERGER"),
                            ("SYMBOL_CHANGE", "SYMBOL_CHANGE"),
                            ("DELISTING", "DELISTING"),
                        ],
                        max_length=14,
                    ),
                ),
                ("ex_date", models.DateField()),
                ("record_date", models.DateField(blank=True, null=True)),
                ("pay_date", models.DateField(blank=True, null=True)),
                (
                    "ratio",
                    marketdata.models.fields.RateField(
                        blank=True,
                        decimal_places=12,
                        help_text="Units of the new for one unit of the old.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "cash",
                    marketdata.models.fields.PriceField(
                        blank=True, decimal_places=10, help_text="Paid for each unit.", max_digits=25, null=True
                    ),
                ),
                (
                    "currency",
                    models.CharField(blank=True, max_length=3, validators=[marketdata.models.instruments.check_currency_code]),
                ),
                ("new_symbol", models.CharField(blank=True, max_length=24)),
                (
                    "cost_fraction",
                    marketdata.models.fields.RateField(
                        blank=True,
                        decimal_places=12,
                        help_text="The part of the cost that goes to what is spun off.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        blank=True, help_text="Tells two of a kind on one day apart, such as special.", max_length=40
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=100)),
                ("notes", models.TextField(blank=True)),
                ("recorded_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="InstrumentSource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=40)),
                (
                    "rank",
                    models.PositiveSmallIntegerField(default=1, help_text="The source with the lowest rank is asked first."),
                ),
                (
                    "symbol",
                    models.CharField(blank=True, help_text="What the source calls it; empty: its own symbol.", max_length=40),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LatestQuote",
            fields=[
                (
                    "instrument",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="latest_quote",
                        serialize=False,
                        to="marketdata.instrument",
                    ),
                ),
                ("timestamp", models.DateTimeField()),
                ("bid", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                ("ask", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                ("bid_size", marketdata.models.fields.QuantityField(blank=True, decimal_places=12, max_digits=24, null=True)),
                ("ask_size", marketdata.models.fields.QuantityField(blank=True, decimal_places=12, max_digits=24, null=True)),
                ("recorded_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="LatestTick",
            fields=[
                (
                    "instrument",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="latest_tick",
                        serialize=False,
                        to="marketdata.instrument",
                    ),
                ),
                ("timestamp", models.DateTimeField()),
                ("price", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                ("size", marketdata.models.fields.QuantityField(decimal_places=12, max_digits=24)),
                ("conditions", models.CharField(blank=True, max_length=100)),
                ("recorded_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="PendingRollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("dataset", models.CharField(choices=[("ticks", "ticks"), ("quotes", "quotes")], max_length=20)),
                ("day", models.DateField()),
                ("marked_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ProviderHealth",
            fields=[
                ("provider", models.CharField(max_length=40, primary_key=True, serialize=False)),
                (
                    "circuit",
                    models.CharField(
                        choices=[("CLOSED", "CLOSED"), ("OPEN", "OPEN"), ("HALF_OPEN", "HALF_OPEN")],
                        default="CLOSED",
                        max_length=9,
                    ),
                ),
                ("failures", models.PositiveIntegerField(default=0, help_text="Requests that failed since the last good one.")),
                ("not_before", models.DateTimeField(blank=True, help_text="Not asked before this time.", null=True)),
                ("requests", models.BigIntegerField(default=0)),
                ("retries", models.BigIntegerField(default=0)),
                ("throttled", models.BigIntegerField(default=0, help_text="How often it said that we ask too often.")),
                ("last_error", models.CharField(blank=True, max_length=300)),
                ("last_error_at", models.DateTimeField(blank=True, null=True)),
                ("last_success_at", models.DateTimeField(blank=True, null=True)),
                (
                    "progress",
                    models.CharField(blank=True, help_text="What it is being asked for, and how far that is.", max_length=200),
                ),
            ],
            options={
                "verbose_name_plural": "provider health",
            },
        ),
        migrations.CreateModel(
            name="StreamState",
            fields=[
                ("provider", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("connected_at", models.DateTimeField(blank=True, help_text="Empty: not connected.", null=True)),
                ("last_message_at", models.DateTimeField(blank=True, null=True)),
                (
                    "stored_through",
                    models.DateTimeField(blank=True, help_text="Everything up to here is stored; gaps start here.", null=True),
                ),
                ("received", models.BigIntegerField(default=0)),
                ("stored", models.BigIntegerField(default=0)),
                ("refused", models.BigIntegerField(default=0)),
                ("waiting", models.PositiveIntegerField(default=0, help_text="Messages that are received and not stored yet.")),
                ("most_waiting", models.PositiveIntegerField(default=0)),
                ("reconnects", models.PositiveIntegerField(default=0)),
                ("gaps_filled", models.PositiveIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=300)),
                (
                    "beat_at",
                    models.DateTimeField(blank=True, help_text="When the process last said that it is alive.", null=True),
                ),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="qualityissue",
            name="issue_dataset_is_known",
        ),
        migrations.AddField(
            model_name="bar",
            name="adjusted_through",
            field=models.DateField(
                blank=True,
                help_text="The prices have been adjusted for splits up to this day; empty: as they were traded.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="bar",
            name="rolled_from",
            field=models.CharField(
                blank=True,
                choices=[("ticks", "ticks"), ("quotes", "quotes")],
                db_default="",
                help_text="What it was made of; empty: a source sent it.",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="fxrate",
            name="source",
            field=models.CharField(blank=True, db_default="", max_length=100),
        ),
        migrations.AlterField(
            model_name="qualityissue",
            name="dataset",
            field=models.CharField(
                choices=[
                    ("bars", "bars"),
                    ("quotes", "quotes"),
                    ("ticks", "ticks"),
                    ("fx_rates", "fx_rates"),
                    ("corporate_actions", "corporate_actions"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="bar",
            constraint=models.CheckConstraint(
                condition=models.Q(("rolled_from__in", ["", "ticks", "quotes"])), name="bar_origin_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="qualityissue",
            constraint=models.CheckConstraint(
                condition=models.Q(("dataset__in", ["bars", "quotes", "ticks", "fx_rates", "corporate_actions"])),
                name="issue_dataset_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="archivesegment",
            constraint=models.UniqueConstraint(fields=("dataset", "day", "part"), name="segment_once_per_part"),
        ),
        migrations.AddConstraint(
            model_name="archivesegment",
            constraint=models.CheckConstraint(
                condition=models.Q(("dataset__in", ["quotes", "ticks"])), name="segment_dataset_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="archivesegment",
            constraint=models.CheckConstraint(condition=models.Q(("rows__gt", 0)), name="segment_has_rows"),
        ),
        migrations.AddConstraint(
            model_name="archivesegment",
            constraint=models.CheckConstraint(
                condition=models.Q(("sha256__regex", "^[0-9a-f]{64}$")), name="segment_sha256_is_one"
            ),
        ),
        migrations.AddField(
            model_name="corporateaction",
            name="instrument",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corporate_actions",
                to="marketdata.instrument",
            ),
        ),
        migrations.AddField(
            model_name="corporateaction",
            name="other",
            field=models.ForeignKey(
                blank=True,
                help_text="What is received or what it becomes.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="marketdata.instrument",
            ),
        ),
        migrations.AddField(
            model_name="instrumentsource",
            name="instrument",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="sources", to="marketdata.instrument"
            ),
        ),
        migrations.AddField(
            model_name="pendingrollup",
            name="instrument",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="marketdata.instrument"),
        ),
        migrations.AddConstraint(
            model_name="providerhealth",
            constraint=models.CheckConstraint(
                condition=models.Q(("circuit__in", ["CLOSED", "OPEN", "HALF_OPEN"])), name="circuit_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.UniqueConstraint(fields=("instrument", "ex_date", "kind", "label"), name="action_once"),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["SPLIT", "CASH_DIVIDEND", "STOCK_DIVIDEND", "SPIN_OFF", "MERGER", "SYMBOL_CHANGE", "DELISTING"])
                ),
                name="action_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("ratio__isnull", True), ("ratio__gt", 0), _connector="OR"), name="action_ratio_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["SPLIT", "STOCK_DIVIDEND", "SPIN_OFF"]), _negated=True),
                    ("ratio__isnull", False),
                    _connector="OR",
                ),
                name="split_and_share_payments_have_a_ratio",
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "CASH_DIVIDEND"), _negated=True),
                    models.Q(("cash__gt", 0), ("cash__isnull", False), models.Q(("currency", ""), _negated=True)),
                    _connector="OR",
                ),
                name="cash_dividend_has_cash_and_currency",
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "MERGER"), _negated=True),
                    models.Q(("cash__gt", 0), ("cash__isnull", False), models.Q(("currency", ""), _negated=True)),
                    models.Q(("other__isnull", False), ("ratio__isnull", False)),
                    _connector="OR",
                ),
                name="merger_pays_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("kind", "SPIN_OFF"), _negated=True), ("other__isnull", False), _connector="OR"),
                name="spin_off_has_a_child",
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "SYMBOL_CHANGE"), _negated=True),
                    models.Q(("new_symbol", ""), _negated=True),
                    _connector="OR",
                ),
                name="symbol_change_has_a_symbol",
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cost_fraction__isnull", True),
                    models.Q(("cost_fraction__gte", 0), ("cost_fraction__lte", 1)),
                    _connector="OR",
                ),
                name="cost_fraction_is_a_part",
            ),
        ),
        migrations.AddConstraint(
            model_name="corporateaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("pay_date__isnull", True),
                    ("pay_date__gte", models.F("ex_date")),
                    models.Q(("kind", "CASH_DIVIDEND"), _negated=True),
                    _connector="OR",
                ),
                name="paid_not_before_the_ex_date",
            ),
        ),
        migrations.AddConstraint(
            model_name="instrumentsource",
            constraint=models.UniqueConstraint(fields=("instrument", "provider"), name="source_once_per_instrument"),
        ),
        migrations.AddConstraint(
            model_name="pendingrollup",
            constraint=models.UniqueConstraint(fields=("dataset", "day", "instrument"), name="pending_rollup_once"),
        ),
        migrations.AddConstraint(
            model_name="pendingrollup",
            constraint=models.CheckConstraint(
                condition=models.Q(("dataset__in", ["ticks", "quotes"])), name="pending_rollup_dataset_is_known"
            ),
        ),
        migrations.RunSQL(MOVE_OVER),
        migrations.RunSQL(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {ALL} TO bedrock_app, bedrock_system"),
    ]
