"""A job for each account that posts what companies did to its shares; it is off until its owner turns it on."""

from django.db import migrations, models

ADD = """
    INSERT INTO accounts_job (id, account_id, kind, schedule, enabled, last_outcome)
    SELECT gen_random_uuid(), id, 'ACTIONS', '0 23 * * 1-5', false, '' FROM accounts_account
    ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_plans_tenancy")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("SNAPSHOT", "Bring positions, snapshots and returns up to date"),
                    ("REFRESH", "Fetch the prices of held and watched instruments"),
                    ("ACTIONS", "Post what companies did to the shares held"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunSQL(ADD, "DELETE FROM accounts_job WHERE kind = 'ACTIONS'"),
    ]
