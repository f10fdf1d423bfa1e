import django.contrib.postgres.fields
from django.db import migrations, models

TOPICS = [
    ("FILL", "Fills of orders"),
    ("RISK", "Broken limits and pauses"),
    ("ALERT", "Alerts and differences"),
]


class Migration(migrations.Migration):
    """What people wish to be told of by e-mail, and which of their notifications are still to be sent so."""

    dependencies = [("accounts", "0010_account_imports")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="mail_topics",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(choices=TOPICS, max_length=5),
                blank=True,
                default=list,
                help_text="What is sent by e-mail, besides standing in the mailbox.",
                size=None,
                verbose_name="e-mail about",
            ),
        ),
        migrations.AddField(
            model_name="notification",
            name="mail_at",
            field=models.DateTimeField(blank=True, editable=False, help_text="When to try to send it by e-mail.", null=True),
        ),
        migrations.AddField(
            model_name="notification",
            name="mail_tries",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="notification",
            name="mailed_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(condition=models.Q(("mail_at__isnull", False)), fields=["mail_at"], name="notification_to_mail"),
        ),
        migrations.RunSQL(
            "GRANT UPDATE (mail_at, mail_tries, mailed_at) ON accounts_notification TO bedrock_system",
            "REVOKE UPDATE (mail_at, mail_tries, mailed_at) ON accounts_notification FROM bedrock_system",
        ),
    ]
