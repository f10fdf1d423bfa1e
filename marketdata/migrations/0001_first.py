"""The tables of market data."""

import django.db.models.deletion
import django.db.models.functions.math
import django.db.models.lookups
import uuid_utils.compat
from django.db import migrations, models

import marketdata.models.fields
import marketdata.models.instruments


class Migration(migrations.Migration):
    """Create them."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Instrument",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("symbol", models.CharField(max_length=24)),
                ("exchange", models.CharField(help_text="The market's MIC (ISO 10383), or CRYPTO.", max_length=8)),
                ("name", models.CharField(blank=True, max_length=200)),
                (
                    "asset_class",
                    models.CharField(
                        choices=[
                            ("EQUITY", "EQUITY"),
                            ("ETF", "ETF"),
                            ("FUND", "FUND"),
                            ("BOND", "BOND"),
                            ("OPTION", "OPTION"),
                            ("FUTURE", "FUTURE"),
                            ("FX", "FX"),
                            ("CRYPTO", "CRYPTO"),
                            ("INDEX", "INDEX"),
                            ("COMMODITY", "COMMODITY"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "currency",
                    models.CharField(max_length=3, validators=[marketdata.models.instruments.check_currency_code]),
                ),
                ("isin", models.CharField(blank=True, max_length=12, verbose_name="ISIN")),
                ("figi", models.CharField(blank=True, max_length=12, verbose_name="FIGI")),
                (
                    "multiplier",
                    marketdata.models.fields.QuantityField(
                        decimal_places=12,
                        default=1,
                        help_text="Units of the underlying that one unit stands for.",
                        max_digits=24,
                    ),
                ),
                (
                    "tick_size",
                    marketdata.models.fields.PriceField(blank=True, decimal_places=10, max_digits=25, null=True),
                ),
                (
                    "price_floor",
                    marketdata.models.fields.PriceField(
                        blank=True,
                        decimal_places=10,
                        help_text="The lowest price believed; empty: the class's own.",
                        max_digits=25,
                        null=True,
                    ),
                ),
                (
                    "price_ceiling",
                    marketdata.models.fields.PriceField(
                        blank=True,
                        decimal_places=10,
                        help_text="The price no longer believed; empty: the class's own.",
                        max_digits=25,
                        null=True,
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                ("expiry", models.DateField(blank=True, null=True)),
                (
                    "strike",
                    marketdata.models.fields.PriceField(blank=True, decimal_places=10, max_digits=25, null=True),
                ),
                ("right", models.CharField(blank=True, choices=[("CALL", "CALL"), ("PUT", "PUT")], max_length=4)),
                (
                    "underlying",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="derivatives",
                        to="marketdata.instrument",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FollowedInstrument",
            fields=[
                (
                    "instrument",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="followed_since",
                        serialize=False,
                        to="marketdata.instrument",
                    ),
                ),
                ("since", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Bar",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "timeframe",
                    models.CharField(
                        choices=[("1m", "1m"), ("5m", "5m"), ("15m", "15m"), ("1h", "1h"), ("1d", "1d")], max_length=3
                    ),
                ),
                ("timestamp", models.DateTimeField()),
                ("open", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                ("high", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                ("low", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                ("close", marketdata.models.fields.PriceField(decimal_places=10, max_digits=25)),
                (
                    "volume",
                    marketdata.models.fields.QuantityField(blank=True, decimal_places=12, max_digits=24, null=True),
                ),
                (
                    "vwap",
                    marketdata.models.fields.PriceField(
                        blank=True, decimal_places=10, max_digits=25, null=True, verbose_name="VWAP"
                    ),
                ),
                ("trade_count", models.BigIntegerField(blank=True, null=True)),
                ("recorded_at", models.DateTimeField()),
                (
                    "instrument",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bars",
                        to="marketdata.instrument",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FxHistory",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("base", models.CharField(max_length=3)),
                ("quote", models.CharField(max_length=3)),
                ("first_date", models.DateField(blank=True, null=True)),
                ("last_date", models.DateField(blank=True, null=True)),
                ("rows", models.BigIntegerField(default=0)),
                ("revision", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "FX history",
                "verbose_name_plural": "FX histories",
                "constraints": [models.UniqueConstraint(fields=("base", "quote"), name="fx_history_once_per_pair")],
            },
        ),
        migrations.CreateModel(
            name="FxRate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "base",
                    models.CharField(max_length=3, validators=[marketdata.models.instruments.check_currency_code]),
                ),
                (
                    "quote",
                    models.CharField(max_length=3, validators=[marketdata.models.instruments.check_currency_code]),
                ),
                ("date", models.DateField()),
                ("rate", marketdata.models.fields.RateField(decimal_places=12, max_digits=24)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "FX rate",
                "constraints": [
                    models.UniqueConstraint(fields=("base", "quote", "date"), name="fx_rate_once"),
                    models.CheckConstraint(condition=models.Q(("base__regex", "^[A-Z]{3}$")), name="fx_base_is_iso_4217"),
                    models.CheckConstraint(condition=models.Q(("quote__regex", "^[A-Z]{3}$")), name="fx_quote_is_iso_4217"),
                    models.CheckConstraint(
                        condition=models.Q(("base", models.F("quote")), _negated=True), name="fx_currencies_differ"
                    ),
                    models.CheckConstraint(condition=models.Q(("rate__gt", 0)), name="fx_rate_is_positive"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceHistory",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "timeframe",
                    models.CharField(
                        choices=[("1m", "1m"), ("5m", "5m"), ("15m", "15m"), ("1h", "1h"), ("1d", "1d")], max_length=3
                    ),
                ),
                ("first_at", models.DateTimeField(blank=True, null=True)),
                ("last_at", models.DateTimeField(blank=True, null=True)),
                ("rows", models.BigIntegerField(default=0)),
                ("revision", models.BigIntegerField(default=0)),
                (
                    "instrument",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="histories",
                        to="marketdata.instrument",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "price histories",
            },
        ),
        migrations.CreateModel(
            name="ProviderState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=40)),
                (
                    "timeframe",
                    models.CharField(
                        choices=[("1m", "1m"), ("5m", "5m"), ("15m", "15m"), ("1h", "1h"), ("1d", "1d")], max_length=3
                    ),
                ),
                (
                    "resume_from",
                    models.DateTimeField(blank=True, help_text="The first bar not stored yet starts here.", null=True),
                ),
                ("last_run_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("STORED", "STORED"),
                            ("NOTHING_NEW", "NOTHING_NEW"),
                            ("FAILED", "FAILED"),
                            ("STALLED", "STALLED"),
                        ],
                        max_length=11,
                    ),
                ),
                ("last_detail", models.CharField(blank=True, max_length=300)),
                (
                    "failures",
                    models.PositiveIntegerField(default=0, help_text="Runs that failed since the last good one."),
                ),
                (
                    "not_before",
                    models.DateTimeField(blank=True, help_text="After failures: asked again from here on.", null=True),
                ),
                (
                    "instrument",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provider_states",
                        to="marketdata.instrument",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="QualityIssue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(max_length=40)),
                (
                    "severity",
                    models.CharField(choices=[("ERROR", "ERROR"), ("WARNING", "WARNING"), ("INFO", "INFO")], max_length=7),
                ),
                (
                    "dataset",
                    models.CharField(choices=[("bars", "bars"), ("quotes", "quotes"), ("fx_rates", "fx_rates")], max_length=8),
                ),
                ("source", models.CharField(max_length=100)),
                ("record", models.JSONField(help_text="The row as it came, every value as text.")),
                ("field", models.CharField(blank=True, max_length=40)),
                (
                    "value",
                    models.CharField(blank=True, help_text="The value that was seen in the field.", max_length=200),
                ),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("fingerprint", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "times",
                    models.PositiveIntegerField(default=1, help_text="How often the same row came with the same fault."),
                ),
                ("found_at", models.DateTimeField()),
                ("last_found_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_by", models.CharField(blank=True, max_length=254)),
                ("resolution", models.TextField(blank=True)),
                (
                    "instrument",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quality_issues",
                        to="marketdata.instrument",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Quote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("timestamp", models.DateTimeField()),
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
                ("recorded_at", models.DateTimeField()),
                (
                    "instrument",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quotes",
                        to="marketdata.instrument",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.UniqueConstraint(fields=("symbol", "exchange"), name="instrument_once_per_exchange"),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(("symbol__regex", "^[A-Z0-9][A-Z0-9.\\-/^]{0,23}$")), name="symbol_is_plain_ascii"
            ),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(("exchange__regex", "^[A-Z0-9]{4,8}$")), name="exchange_is_a_mic"
            ),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="instrument_currency_is_iso_4217"
            ),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(("isin", ""), ("isin__regex", "^[A-Z]{2}[A-Z0-9]{9}[0-9]$"), _connector="OR"),
                name="isin_is_well_formed",
            ),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(("figi", ""), ("figi__regex", "^BBG[A-Z0-9]{9}$"), _connector="OR"),
                name="figi_is_well_formed",
            ),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "asset_class__in",
                        ["EQUITY", "ETF", "FUND", "BOND", "OPTION", "FUTURE", "FX", "CRYPTO", "INDEX", "COMMODITY"],
                    )
                ),
                name="asset_class_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(condition=models.Q(("multiplier__gt", 0)), name="multiplier_is_positive"),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(("tick_size__isnull", True), ("tick_size__gt", 0), _connector="OR"),
                name="tick_is_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("asset_class", "OPTION"),
                        ("expiry__isnull", False),
                        ("right__in", ["CALL", "PUT"]),
                        ("strike__gt", 0),
                        ("strike__isnull", False),
                    ),
                    models.Q(models.Q(("asset_class", "OPTION"), _negated=True), ("right", ""), ("strike__isnull", True)),
                    _connector="OR",
                ),
                name="option_has_expiry_strike_and_right",
            ),
        ),
        migrations.AddConstraint(
            model_name="bar",
            constraint=models.UniqueConstraint(fields=("instrument", "timeframe", "timestamp"), name="bar_once"),
        ),
        migrations.AddConstraint(
            model_name="bar",
            constraint=models.CheckConstraint(
                condition=models.Q(("timeframe__in", ["1m", "5m", "15m", "1h", "1d"])), name="bar_timeframe_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="bar",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    django.db.models.functions.math.Mod(
                        models.Func(
                            models.F("timestamp"),
                            output_field=models.DecimalField(),
                            template="extract(epoch from %(expressions)s)",
                        ),
                        models.Case(
                            models.When(then=models.Value(60), timeframe="1m"),
                            models.When(then=models.Value(300), timeframe="5m"),
                            models.When(then=models.Value(900), timeframe="15m"),
                            models.When(then=models.Value(3600), timeframe="1h"),
                            models.When(then=models.Value(86400), timeframe="1d"),
                            output_field=models.DecimalField(),
                        ),
                    ),
                    models.Value(0),
                ),
                name="bar_starts_on_its_grid",
            ),
        ),
        migrations.AddConstraint(
            model_name="bar",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("low__lte", models.F("open")),
                    ("open__lte", models.F("high")),
                    ("close__lte", models.F("high")),
                    ("low__lte", models.F("close")),
                ),
                name="bar_lies_between_low_and_high",
            ),
        ),
        migrations.AddConstraint(
            model_name="bar",
            constraint=models.CheckConstraint(
                condition=models.Q(("volume__isnull", True), ("volume__gte", 0), _connector="OR"),
                name="bar_volume_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="bar",
            constraint=models.CheckConstraint(
                condition=models.Q(("trade_count__isnull", True), ("trade_count__gte", 0), _connector="OR"),
                name="bar_trade_count_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricehistory",
            constraint=models.UniqueConstraint(fields=("instrument", "timeframe"), name="price_history_once_per_series"),
        ),
        migrations.AddConstraint(
            model_name="pricehistory",
            constraint=models.CheckConstraint(
                condition=models.Q(("timeframe__in", ["1m", "5m", "15m", "1h", "1d"])),
                name="history_timeframe_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="providerstate",
            constraint=models.UniqueConstraint(
                fields=("provider", "instrument", "timeframe"), name="provider_state_once_per_series"
            ),
        ),
        migrations.AddConstraint(
            model_name="providerstate",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_outcome__in", ["", "STORED", "NOTHING_NEW", "FAILED", "STALLED"])),
                name="provider_outcome_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="qualityissue",
            index=models.Index(condition=models.Q(("resolved_at", None)), fields=["-found_at", "-id"], name="issues_open"),
        ),
        migrations.AddConstraint(
            model_name="qualityissue",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["ERROR", "WARNING", "INFO"])), name="issue_severity_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="qualityissue",
            constraint=models.CheckConstraint(
                condition=models.Q(("dataset__in", ["bars", "quotes", "fx_rates"])), name="issue_dataset_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.UniqueConstraint(fields=("instrument", "timestamp"), name="quote_once"),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.CheckConstraint(
                condition=models.Q(("bid__gt", 0), ("bid__lte", models.F("ask"))), name="bid_positive_and_not_above_ask"
            ),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.CheckConstraint(
                condition=models.Q(("bid_size__isnull", True), ("bid_size__gte", 0), _connector="OR"),
                name="bid_size_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.CheckConstraint(
                condition=models.Q(("ask_size__isnull", True), ("ask_size__gte", 0), _connector="OR"),
                name="ask_size_not_negative",
            ),
        ),
    ]
