"""Files that wait to be posted, what they leave open, and how they are to be read."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import marketdata.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_refunds"),
        ("marketdata", "0012_instruments_quoted_in_small_coins"),
    ]

    operations = [
        migrations.CreateModel(
            name="ImportFile",
            fields=[
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="file",
                        serialize=False,
                        to="accounts.importbatch",
                    ),
                ),
                ("content", models.BinaryField(default=b"")),
                (
                    "refused",
                    models.BinaryField(
                        default=b"", help_text="The refused lines with their headings, to be mended and sent again."
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ImportQuestion",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("identity", models.CharField(max_length=300)),
                ("hints", models.JSONField(default=dict, help_text="What the file says about it.")),
                ("candidates", models.JSONField(default=list, help_text="Instruments that may be meant.")),
                ("why", models.CharField(blank=True, max_length=300)),
                ("lines", models.PositiveIntegerField(default=0)),
                ("first_line", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="ImportTemplate",
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
                ("mapping", models.JSONField(default=dict)),
                (
                    "headings",
                    models.JSONField(
                        default=list, help_text="The headings of the file it was made for, by which a like one is seen."
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="InstrumentAnswer",
            fields=[
                (
                    "id",
                    marketdata.models.fields.UUIDv7Field(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("source", models.CharField(max_length=50)),
                ("identity", models.CharField(max_length=300)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AddField(
            model_name="importbatch",
            name="attempts",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="fates",
            field=models.JSONField(default=list, help_text="[[first line, last line, fate]] of all lines of the file."),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="figures",
            field=models.JSONField(default=dict, help_text="Cash and holdings before and after, and beside the statement's own."),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="finished_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="leased_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="options",
            field=models.JSONField(default=dict, help_text="How the file is to be read."),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="progress",
            field=models.PositiveIntegerField(default=0, help_text="Lines done so far."),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="spans",
            field=models.JSONField(default=list, help_text="[[first, last]] sequences of its entries."),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="undone",
            field=models.JSONField(default=list, help_text="[[first, last]] sequences of the reversals that took them back."),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="undone_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="importbatch",
            name="status",
            field=models.CharField(
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
        migrations.AddIndex(
            model_name="importbatch",
            index=models.Index(
                condition=models.Q(("status__in", ("WAITING", "POSTING"))), fields=["created_at"], name="import_to_be_done"
            ),
        ),
        migrations.AddField(
            model_name="importfile",
            name="account",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="importquestion",
            name="account",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="importquestion",
            name="batch",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="questions", to="accounts.importbatch"
            ),
        ),
        migrations.AddField(
            model_name="importquestion",
            name="instrument",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="marketdata.instrument"
            ),
        ),
        migrations.AddField(
            model_name="importtemplate",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="import_templates", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="instrumentanswer",
            name="instrument",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="marketdata.instrument"),
        ),
        migrations.AddField(
            model_name="instrumentanswer",
            name="user",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name="importquestion",
            constraint=models.UniqueConstraint(fields=("batch", "identity"), name="question_once_per_import"),
        ),
        migrations.AddConstraint(
            model_name="importtemplate",
            constraint=models.UniqueConstraint(fields=("user", "name"), name="import_template_name_once"),
        ),
        migrations.AddConstraint(
            model_name="instrumentanswer",
            constraint=models.UniqueConstraint(fields=("user", "source", "identity"), name="answer_once_per_name"),
        ),
    ]
