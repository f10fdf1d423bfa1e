"""What companies did to their shares."""

from django.db import models
from django.db.models import F, Q

from marketdata.domain.actions import ActionKind
from marketdata.models.fields import PriceField, RateField, UUIDv7Field
from marketdata.models.instruments import Instrument, check_currency_code

KINDS = [(kind.value, kind.value) for kind in ActionKind]
RATIO_KINDS = [ActionKind.SPLIT.value, ActionKind.STOCK_DIVIDEND.value, ActionKind.SPIN_OFF.value]
APPLIED_KINDS = [ActionKind.SYMBOL_CHANGE.value, ActionKind.DELISTING.value]
CASH = Q(cash__isnull=False, cash__gt=0) & ~Q(currency="")


class CorporateAction(models.Model):
    """What happens to the holders of an instrument on its ex-date.

    `ratio` is units of the new for one unit of the old: 2 for a split of two for one, 0.1 for a reverse one of one for ten, 0.05
    for a stock dividend of 5 % (which is added), the shares of `other` received for each share in a spin-off or merger.
    `cash` is paid for each unit held on the ex-date. `cost_fraction` is the part of the old cost that a spin-off takes along.
    A change of symbol and a delisting are applied to the instrument on their ex-date; the rest is read by who needs it. The
    old symbol stays here, and the instrument is still found by it.
    """

    id = UUIDv7Field()
    kind = models.CharField(max_length=14, choices=KINDS)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="corporate_actions", db_index=False)
    ex_date = models.DateField()
    record_date = models.DateField(null=True, blank=True)
    pay_date = models.DateField(null=True, blank=True)
    ratio = RateField(null=True, blank=True, help_text="Units of the new for one unit of the old.")
    cash = PriceField(null=True, blank=True, help_text="Paid for each unit.")
    currency = models.CharField(max_length=3, blank=True, validators=[check_currency_code])
    other = models.ForeignKey(
        Instrument, models.PROTECT, null=True, blank=True, related_name="+", help_text="What is received or what it becomes."
    )
    new_symbol = models.CharField(max_length=24, blank=True)
    old_symbol = models.CharField(
        max_length=24, blank=True, db_default="", help_text="What it was called until then; filled in when it is renamed."
    )
    cost_fraction = RateField(null=True, blank=True, help_text="The part of the cost that goes to what is spun off.")
    label = models.CharField(max_length=40, blank=True, help_text="Tells two of a kind on one day apart, such as special.")
    source = models.CharField(max_length=100, blank=True)
    notes = models.TextField(blank=True)
    recorded_at = models.DateTimeField()
    applied_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the instrument was renamed or retired; empty: it was not, so far."
    )

    class Meta:
        indexes = [
            models.Index(fields=["ex_date", "id"], name="action_by_day"),
            models.Index(fields=["old_symbol"], condition=~Q(old_symbol=""), name="action_by_old_symbol"),
            models.Index(fields=["ex_date"], condition=Q(kind__in=APPLIED_KINDS, applied_at=None), name="action_not_applied"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["instrument", "ex_date", "kind", "label"], name="action_once"),
            models.CheckConstraint(condition=Q(kind__in=[name for name, _ in KINDS]), name="action_kind_is_known"),
            models.CheckConstraint(condition=Q(ratio__isnull=True) | Q(ratio__gt=0), name="action_ratio_is_positive"),
            models.CheckConstraint(
                condition=~Q(kind__in=RATIO_KINDS) | Q(ratio__isnull=False), name="split_and_share_payments_have_a_ratio"
            ),
            models.CheckConstraint(condition=~Q(kind="CASH_DIVIDEND") | CASH, name="cash_dividend_has_cash_and_currency"),
            models.CheckConstraint(
                condition=~Q(kind="MERGER") | CASH | Q(ratio__isnull=False, other__isnull=False), name="merger_pays_something"
            ),
            models.CheckConstraint(condition=~Q(kind="SPIN_OFF") | Q(other__isnull=False), name="spin_off_has_a_child"),
            models.CheckConstraint(condition=~Q(kind="SYMBOL_CHANGE") | ~Q(new_symbol=""), name="symbol_change_has_a_symbol"),
            models.CheckConstraint(
                condition=Q(cost_fraction__isnull=True) | Q(cost_fraction__gte=0, cost_fraction__lte=1),
                name="cost_fraction_is_a_part",
            ),
            models.CheckConstraint(
                condition=Q(pay_date__isnull=True) | Q(pay_date__gte=F("ex_date")) | ~Q(kind="CASH_DIVIDEND"),
                name="paid_not_before_the_ex_date",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.instrument} on {self.ex_date}"
