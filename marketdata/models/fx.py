"""What one currency was worth in another."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from marketdata.domain.money import CURRENCY
from marketdata.models.fields import RateField
from marketdata.models.instruments import check_currency_code


class FxRate(models.Model):
    """The rate of a day: one unit of the base currency is `rate` units of the quote currency."""

    base = models.CharField(max_length=3, validators=[check_currency_code])
    quote = models.CharField(max_length=3, validators=[check_currency_code])
    date = models.DateField()
    rate = RateField()
    source = models.CharField(max_length=100, blank=True, db_default="")
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "FX rate"
        constraints = [
            models.UniqueConstraint(fields=["base", "quote", "date"], name="fx_rate_once"),
            models.CheckConstraint(condition=Q(base__regex=CURRENCY), name="fx_base_is_iso_4217"),
            models.CheckConstraint(condition=Q(quote__regex=CURRENCY), name="fx_quote_is_iso_4217"),
            models.CheckConstraint(condition=~Q(base=F("quote")), name="fx_currencies_differ"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="fx_rate_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} {self.date}"

    def clean(self) -> None:
        """Refuse a rate that is none, naming the field.

        :raises ValidationError: by field
        """
        if self.base == self.quote:
            raise ValidationError({"quote": ValidationError("Must differ from the base.", code="fx_currencies")})
        if self.rate is not None and self.rate <= 0:
            raise ValidationError({"rate": ValidationError("Must be above zero.", code="positive")})


class FxHistory(models.Model):
    """How far the rates of one pair reach, and how often their past has changed; see PriceHistory."""

    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    first_date = models.DateField(null=True, blank=True)
    last_date = models.DateField(null=True, blank=True)
    rows = models.BigIntegerField(default=0)
    revision = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "FX history"
        verbose_name_plural = "FX histories"
        constraints = [models.UniqueConstraint(fields=["base", "quote"], name="fx_history_once_per_pair")]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}, revision {self.revision}"
