"""The returns and risks of an account since its beginning."""

from django.db import models

from accounts.models import Account
from accounts.models.tenancy import AccountScoped
from portfolio.models.fields import AmountField, RatioField


class Performance(models.Model):
    """What an account achieved from its first day to the last valued one; `reasons` says why a figure is null."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="performance")
    since = models.DateField()
    as_of = models.DateField()
    end_value = AmountField()
    net_flows = AmountField()
    gain = AmountField()
    twr = RatioField()
    twr_annualized = RatioField()
    xirr = RatioField()
    simple_return = RatioField()
    volatility = RatioField()
    max_drawdown = RatioField()
    drawdown_peak = models.DateField(null=True)
    drawdown_trough = models.DateField(null=True)
    drawdown_recovered = models.DateField(null=True)
    reasons = models.JSONField(default=dict)

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "performance"

    def __str__(self) -> str:
        return f"{self.account} as of {self.as_of}"
