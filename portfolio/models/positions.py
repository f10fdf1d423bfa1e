"""What an account holds, and what it once held."""

from decimal import Decimal
from typing import Self

from django.db import models

from accounts.models import Account
from accounts.models.tenancy import AccountScoped
from marketdata.models import Instrument
from portfolio.models.fields import AmountField, UnitsField


class PositionQuerySet(AccountScoped):
    """Positions, open and closed."""

    def open(self) -> Self:
        """Keep the positions in which something is held, long or short."""
        return self.exclude(quantity=0)


class Position(models.Model):
    """An instrument in an account; amounts are in the instrument's currency but for `value_in_base`.

    Realized gain, income, fees and taxes count from the beginning; market figures are of the account's last valued day and
    null where no price or rate was known.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="positions", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    quantity = UnitsField()
    cost_basis = AmountField()
    realized_gain = AmountField()
    income = AmountField(help_text="Dividends, interest and rewards, before fees and taxes.")
    fees = AmountField(help_text="Those inside cost and proceeds of trades, too.")
    taxes = AmountField(help_text="Those inside cost and proceeds of trades, too.")
    since = models.DateField(null=True, help_text="The first day on which it was held.")
    market_price = AmountField(null=True)
    priced_on = models.DateField(null=True)
    market_value = AmountField(null=True)
    value_in_base = AmountField(null=True, help_text="The market value in the account's currency.")
    unrealized_gain = AmountField(null=True)
    day_gain = AmountField(null=True)

    objects = PositionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "instrument"], name="position_once")]
        indexes = [models.Index(fields=["instrument"], name="position_by_instrument")]  # who holds it

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.instrument}"

    @property
    def average_price(self) -> Decimal | None:
        """What a unit cost on average, comparable to its market price; none where nothing is held."""
        return self.cost_basis / (self.quantity * self.instrument.multiplier) if self.quantity else None

    @property
    def unrealized_gain_pct(self) -> Decimal | None:
        """The unrealized gain as a fraction of the size of the cost; none where there is no cost."""
        if self.unrealized_gain is None or not self.cost_basis:
            return None
        return self.unrealized_gain / abs(self.cost_basis)
