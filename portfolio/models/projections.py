"""How far each account's figures have been derived, and what is needed to go on from there."""

from django.db import models

from accounts.models import Account
from accounts.models.tenancy import AccountScoped


class Projection(models.Model):
    """What has been read of an account's ledger and of the prices, and the state in which the reading stopped."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="projection")
    read_up_to = models.BigIntegerField(default=0, help_text="The sequence of the last entry read.")
    read_until = models.DateTimeField(null=True, help_text="When the last entry, in the order of happening, happened.")
    read_rank = models.SmallIntegerField(default=0, help_text="Where it stands among entries of that instant.")
    first_date = models.DateField(null=True)
    last_moved_on = models.DateField(null=True, help_text="The day of the last entry that counted.")
    valued_until = models.DateField(null=True)
    basis = models.CharField(max_length=60, blank=True, help_text="What everything rests on; another basis starts over.")
    series = models.JSONField(default=dict, help_text="How far each instrument's prices reached, and their revision.")
    rates = models.JSONField(default=dict, help_text="How far each pair's rates reached, and their revision.")
    awaited = models.JSONField(default=list, help_text="Series that were asked for a day they did not reach yet.")
    memory = models.JSONField(default=dict, help_text="Balances, liabilities, hand-given prices and splits.")
    missing = models.JSONField(default=dict, help_text="What lacked a price or rate: since when, and when one was known.")
    stale = models.JSONField(default=dict, help_text="What is valued at a price or rate from before the last day.")
    plain = models.BooleanField(
        db_default=False, help_text="One currency, nothing missing or awaited, no price by hand, no split: prices alone move it."
    )
    caught_up_at = models.DateTimeField(null=True)

    # told by `selectors.projections.projection_of`
    read = False  # all entries, under the basis that still holds
    unmoved = False  # no price or rate is new
    measured = False  # the performance is that of the last valued day
    reached = ""  # how far the prices of its instruments reach now, as JSON, if that is not how far they did
    version = ""  # of the row
    kept_after = 0  # about how many entries came before the last checkpoint

    objects = AccountScoped.as_manager()

    def __str__(self) -> str:
        return f"{self.account} read up to {self.read_up_to}"

    @property
    def current(self) -> bool:
        """Whether nothing has changed since."""
        return self.read and self.unmoved
