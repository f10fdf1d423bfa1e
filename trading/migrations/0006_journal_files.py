"""Pictures of trades are files now; what files said of the last trades is kept, behind the gate, and never changed."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import marketdata.models.fields
import trading.models.fields
from accounts.domain.roles import Role
from accounts.models.tenancy import members_of, protect

FIXED = """
CREATE TRIGGER performancealert_fixed BEFORE UPDATE OR DELETE ON trading_performancealert
FOR EACH ROW EXECUTE FUNCTION trading_no_change();
ALTER TABLE trading_performancealert ENABLE ALWAYS TRIGGER performancealert_fixed;
CREATE TRIGGER performancealert_kept BEFORE TRUNCATE ON trading_performancealert
FOR EACH STATEMENT EXECUTE FUNCTION trading_no_change();
ALTER TABLE trading_performancealert ENABLE ALWAYS TRIGGER performancealert_kept;
"""


class Migration(migrations.Migration):
    """One table more, one column less, and orders under another name."""

    dependencies = [
        ("accounts", "0006_corporate_action_jobs"),
        ("trading", "0005_standing"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveField(
            model_name="attachment",
            name="content",
        ),
        migrations.CreateModel(
            name="PerformanceAlert",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("window", models.PositiveIntegerField()),
                ("win_rate", trading.models.fields.ExactField(blank=True, decimal_places=22, max_digits=60, null=True)),
                ("profit_factor", trading.models.fields.ExactField(blank=True, decimal_places=22, max_digits=60, null=True)),
                (
                    "max_drawdown_pct",
                    trading.models.fields.ExactField(
                        blank=True, decimal_places=22, help_text="In percent, zero or below.", max_digits=60, null=True
                    ),
                ),
                ("consecutive_losses", models.PositiveIntegerField(default=0)),
                ("total_trades", models.PositiveIntegerField(default=0)),
                ("alert_triggered", models.BooleanField(default=False)),
                ("message", models.TextField(blank=True)),
                ("external_id", models.CharField(help_text="The hash of its line.", max_length=64)),
                ("recorded_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.account"
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["account", "at"], name="performance_alert_by_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("account", "external_id"), name="performance_alert_brought_in_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("win_rate__isnull", True), models.Q(("win_rate__gte", 0), ("win_rate__lte", 1)), _connector="OR"
                        ),
                        name="performance_win_rate_is_a_share",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("profit_factor__isnull", True), ("profit_factor__gte", 0), _connector="OR"),
                        name="performance_profit_factor_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_drawdown_pct__isnull", True), ("max_drawdown_pct__lte", 0), _connector="OR"),
                        name="performance_drawdown_not_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Trade",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("trading.order",),
        ),
        migrations.RunSQL(
            protect(
                "trading_performancealert",
                read=members_of("account_id"),
                write=members_of("account_id", Role.TRADER),
                app="SELECT, INSERT",
            )
        ),
        migrations.RunSQL(FIXED),
    ]
