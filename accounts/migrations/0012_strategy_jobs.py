"""A job for each account that lets its automatic sessions trade; it is off until its owner turns it on."""

from django.db import migrations, models

ADD = """
    INSERT INTO accounts_job (id, account_id, kind, schedule, enabled, last_outcome)
    SELECT gen_random_uuid(), id, 'STRATEGIES', '15 23 * * 1-5', false, '' FROM accounts_account
    ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_mail")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("SNAPSHOT", "Bring positions, snapshots and returns up to date"),
                    ("REFRESH", "Fetch the prices of held and watched instruments"),
                    ("ACTIONS", "Post what companies did to the shares held"),
                    ("STRATEGIES", "Let automatic sessions look at new bars and place orders"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunSQL(ADD, "DELETE FROM accounts_job WHERE kind = 'STRATEGIES'"),
    ]
