"""What an account was worth at the end of each day."""

from datetime import UTC, datetime, time, timedelta

from django.db import models

from accounts.models import Account
from accounts.models.tenancy import AccountScoped
from portfolio.models.fields import AmountField, IndexField


class Snapshot(models.Model):
    """The figures of an account at the end of a day (UTC), in its own currency, with what moved on that day.

    `moves` holds the quantities and balances that changed and the day's flows; `held`, on the first of each month, all
    that was held. Together they give the positions of any day without the ledger.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="snapshots", db_index=False)
    date = models.DateField()
    total_value = AmountField()
    cash = AmountField()
    positions_value = AmountField()
    buying_power = AmountField()
    net_flow = AmountField()
    inflow = AmountField(db_default=0, help_text="What came in, as the daily return counts it.")
    outflow = AmountField(db_default=0, help_text="What went out, zero or above.")
    day_gain = AmountField()
    price_gain = AmountField(db_default=0, help_text="Of the day's gain, what prices made.")
    currency_gain = AmountField(db_default=0, help_text="Of the day's gain, what rates made.")
    income = AmountField(db_default=0, help_text="Dividends and rewards, before fees and taxes.")
    interest = AmountField(db_default=0, help_text="Before fees and taxes; below zero where it was paid.")
    fees = AmountField(db_default=0)
    taxes = AmountField(db_default=0)
    total_gain = AmountField()
    twr_index = IndexField()
    priced = models.BooleanField(help_text="A price of the day came in for something held, now or before.")
    complete = models.BooleanField(
        db_default=True, help_text="Nothing held lacked a price or rate; else the day has no return of its own."
    )
    moves = models.JSONField(null=True)
    held = models.JSONField(null=True)
    fingerprint = models.BigIntegerField(
        null=True, help_text="Of the prices that the day rests on; null unless it was the last one when it was written."
    )

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "date"], name="snapshot_once_a_day")]

    def __str__(self) -> str:
        return f"{self.account} on {self.date}"

    @property
    def at(self) -> datetime:
        """The instant at which the day ends."""
        return datetime.combine(self.date, time(), UTC) + timedelta(days=1)
