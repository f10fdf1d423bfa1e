"""Accounts brought in whole, each its own person's to see."""

import django.core.validators
import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import marketdata.models.fields
from accounts.models.tenancy import protect

OWN = "user_id = (SELECT app_user())"


class Migration(migrations.Migration):
    """A worker claims what waits, whoever it belongs to, and says what became of it."""

    dependencies = [
        ("accounts", "0009_imports_tenancy"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountImport",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("file_name", models.CharField(max_length=255)),
                ("size", models.PositiveBigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        help_text="What it is to be called; empty: as it was.",
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
                    "status",
                    models.CharField(
                        choices=[
                            ("PREVIEWED", "Previewed"),
                            ("WAITING", "Waiting"),
                            ("POSTING", "Being posted"),
                            ("POSTED", "Posted"),
                            ("PARTIAL", "Posted in part"),
                            ("REFUSED", "Refused"),
                            ("FAILED", "Failed"),
                            ("UNDONE", "Undone"),
                        ],
                        max_length=10,
                    ),
                ),
                ("origin", models.UUIDField(blank=True, null=True)),
                ("entries", models.PositiveBigIntegerField(default=0)),
                ("head", models.CharField(blank=True, help_text="The hash of its last entry there.", max_length=64)),
                ("progress", models.PositiveBigIntegerField(default=0, help_text="Entries done so far.")),
                ("posted", models.PositiveBigIntegerField(default=0)),
                ("known", models.PositiveBigIntegerField(default=0)),
                ("refused", models.JSONField(default=list, help_text="[{code, detail}] of why nothing was taken.")),
                ("remarks", models.JSONField(default=list, help_text="[{code, detail}] of what its reader should know.")),
                ("content", models.BinaryField(default=b"")),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("leased_until", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="account_imports", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["user", "created_at"], name="account_import_by_time"),
                    models.Index(fields=["user", "origin"], name="account_import_by_origin"),
                    models.Index(
                        condition=models.Q(("status__in", ("WAITING", "POSTING"))),
                        fields=["created_at"],
                        name="account_import_to_be_done",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            protect("accounts_accountimport", read=OWN, write=OWN, app="SELECT, INSERT, UPDATE, DELETE", system="SELECT, UPDATE")
        ),
    ]
