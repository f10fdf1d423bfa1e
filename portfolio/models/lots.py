"""Open tax lots, and what was closed against them."""

from decimal import Decimal

from django.db import models

from accounts.models import Account
from accounts.models.tenancy import AccountScoped
from marketdata.models import Instrument
from portfolio.models.fields import AmountField, UnitsField


class Lot(models.Model):
    """Units opened together that are still held; short lots have quantities and costs below zero."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="lots", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    number = models.PositiveIntegerField(help_text="The place among the lots of the instrument, oldest first.")
    opened_at = models.DateTimeField()
    sequence = models.BigIntegerField(help_text="The ledger entry that opened it.")
    quantity = UnitsField(help_text="What was opened, in today's units.")
    remaining = UnitsField()
    cost = AmountField(help_text="Of what remains.")
    missing = models.BooleanField(default=False, help_text="More was closed than held: how it was come by is not known.")
    tacked_days = models.IntegerField(
        null=True, help_text="Days that count as held before: those of units sold at a loss that these replaced."
    )

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "instrument", "number"], name="lot_once")]

    def __str__(self) -> str:
        return f"{self.remaining.normalize():f} {self.instrument} since {self.opened_at:%Y-%m-%d}"


class Closure(models.Model):
    """Units closed against one lot: quantities of short lots are below zero, cost and proceeds are what was paid and received."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="closures", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    number = models.BigIntegerField(help_text="The place among the closures of the account, oldest first.")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField()
    opening = models.BigIntegerField(help_text="The ledger entry that opened the lot.")
    closing = models.BigIntegerField(help_text="The ledger entry that closed it.")
    quantity = UnitsField()
    cost = AmountField()
    proceeds = AmountField()
    gain = AmountField()
    holding_days = models.IntegerField()
    long_term = models.BooleanField(help_text="Held for longer than the account's threshold, a year unless it says otherwise.")
    wash_sale = models.BooleanField(
        db_default=False, help_text="The loss is disallowed, wholly or in part: bought again within 30 days."
    )
    disallowed_loss = AmountField(db_default=0, help_text="Zero or above; it was added to the cost of what was bought again.")
    missing = models.BooleanField(default=False, help_text="The lot had no acquisition.")

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "number"], name="closure_once")]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.instrument}, closed {self.closed_at:%Y-%m-%d}"

    @property
    def taxable_gain(self) -> Decimal:
        """The gain that counts: a loss less the part that does not."""
        return self.gain + self.disallowed_loss

    @property
    def term(self) -> str:
        """Whether it counts as held for long or for short."""
        return "LONG" if self.long_term else "SHORT"
