"""An order that waits because nobody could be reached says so."""

from django.db import migrations, models

KINDS = (
    *("CREATED", "RELEASED", "SENT", "PUT_OFF", "UNANSWERED", "ACCEPTED", "TRIGGERED", "TRAILED", "RESIZED", "FILLED"),
    *(
        "CANCEL_REQUESTED",
        "CANCEL_REFUSED",
        "CANCELED",
        "REPLACE_REQUESTED",
        "REPLACE_REFUSED",
        "REPLACED",
        "REJECTED",
        "EXPIRED",
    ),
)


class Migration(migrations.Migration):
    """One more kind of event."""

    dependencies = [("trading", "0014_posting")]

    operations = [
        migrations.RemoveConstraint(model_name="orderevent", name="order_event_kind_is_known"),
        migrations.AlterField(
            model_name="orderevent",
            name="kind",
            field=models.CharField(choices=[(kind, kind.replace("_", " ").capitalize()) for kind in KINDS], max_length=17),
        ),
        migrations.AddConstraint(
            model_name="orderevent",
            constraint=models.CheckConstraint(condition=models.Q(("kind__in", sorted(KINDS))), name="order_event_kind_is_known"),
        ),
    ]
