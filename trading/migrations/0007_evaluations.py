"""What automatic sessions made of bars, each bar once."""

from decimal import Decimal
from typing import Any

import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models

import marketdata.models.fields
from accounts.domain.roles import Role
from accounts.models.tenancy import members_of, protect

OUTCOMES = ["NOTHING", "WAITING", "ORDERED", "STOPPED", "REFUSED", "MISSED"]
KEYS = [
    ("session", "session", ""),
    ("signal", "signal", "ON DELETE SET NULL (signal_id)"),
    ("decision", "decision", "ON DELETE SET NULL (decision_id)"),
]


def tied(column: str, to: str, then: str) -> str:
    """Return the SQL that lets a column name a row of the same account alone."""
    return (
        f"ALTER TABLE trading_evaluation ADD CONSTRAINT evaluation_{column}_of_the_account "
        f"FOREIGN KEY (account_id, {column}_id) REFERENCES trading_{to} (account_id, id) {then} DEFERRABLE INITIALLY DEFERRED"
    )


def of(to: str, then: Any = django.db.models.deletion.DO_NOTHING, name: str = "+", **more: Any) -> Any:
    """Return a key to a row of trading."""
    return models.ForeignKey(
        blank=more.get("null", False), db_constraint=False, db_index=False, on_delete=then, related_name=name, to=to, **more
    )


class Migration(migrations.Migration):
    """The table and its gate."""

    dependencies = [("trading", "0006_journal_files"), ("accounts", "0006_corporate_action_jobs")]

    operations = [
        migrations.CreateModel(
            name="Evaluation",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("bar", models.DateTimeField(help_text="When the bar began.")),
                (
                    "close",
                    marketdata.models.fields.PriceField(
                        decimal_places=10, help_text="What it closed at, as it was then.", max_digits=25
                    ),
                ),
                (
                    "before",
                    marketdata.models.fields.WeightField(
                        decimal_places=6, default=Decimal(0), help_text="What was wanted before it.", max_digits=7
                    ),
                ),
                (
                    "target",
                    marketdata.models.fields.WeightField(
                        decimal_places=6,
                        help_text="What is wanted after it: 1 a full long position, -1 a short one, 0 nothing.",
                        max_digits=7,
                    ),
                ),
                ("stop", marketdata.models.fields.PriceField(blank=True, decimal_places=10, max_digits=25, null=True)),
                (
                    "passed_over",
                    models.PositiveIntegerField(default=0, help_text="How many bars came with it that it was too late for."),
                ),
                (
                    "outcome",
                    models.CharField(choices=[(word, word.capitalize()) for word in OUTCOMES], max_length=7),
                ),
                ("detail", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                ("decision", of("trading.decision", null=True)),
                (
                    "instrument",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketdata.instrument",
                    ),
                ),
                ("session", of("trading.session", django.db.models.deletion.PROTECT, "evaluations")),
                ("signal", of("trading.signal", null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "at"], name="evaluation_by_time"),
                    models.Index(condition=models.Q(("outcome", "WAITING")), fields=["account"], name="evaluation_waiting"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("account", "id"), name="evaluation_of_account"),
                    models.UniqueConstraint(fields=("account", "session", "instrument", "bar"), name="bar_evaluated_once"),
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", sorted(OUTCOMES))), name="evaluation_outcome_is_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("before__gte", -1), ("before__lte", 1), ("target__gte", -1), ("target__lte", 1)),
                        name="evaluation_target_is_a_share",
                    ),
                    models.CheckConstraint(condition=models.Q(("close__gt", 0)), name="evaluation_close_is_positive"),
                ],
            },
        ),
        migrations.RunSQL(
            protect(
                "trading_evaluation",
                read=members_of("account_id"),
                write=members_of("account_id", Role.TRADER),
                app="SELECT, INSERT, UPDATE",
            )
        ),
        *(migrations.RunSQL(tied(*key)) for key in KEYS),
    ]
