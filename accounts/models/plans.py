"""What the members of an account have decided about it: target weights, limits to keep to, and ways of grouping instruments."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from accounts.models.accounts import Account
from accounts.models.tenancy import AccountScoped
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models import Instrument
from marketdata.models.fields import MoneyField, ShareField, UUIDv7Field, WeightField


class Taxonomy(models.Model):
    """A way of grouping instruments that an account's members made up, such as regions or sectors."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="taxonomies")
    name = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "taxonomies"
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="taxonomy_once_per_account")]

    def __str__(self) -> str:
        return self.name


class Classification(models.Model):
    """The share of an instrument that belongs to a category of a taxonomy; what is left over is unclassified."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    taxonomy = models.ForeignKey(Taxonomy, models.CASCADE, related_name="classifications", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    category = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    weight = WeightField(default=Decimal(1))

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["taxonomy", "instrument", "category"], name="classified_once"),
            models.CheckConstraint(condition=Q(weight__gt=0, weight__lte=1), name="classification_weight_is_a_share"),
        ]
        indexes = [models.Index(fields=["account"], name="classification_of_account")]

    def __str__(self) -> str:
        return f"{self.weight.normalize():f} of {self.instrument_id} in {self.category}"


class TargetBasis(models.TextChoices):
    """What the weights of an allocation are given for."""

    INSTRUMENT = "INSTRUMENT", "Instruments"
    ASSET_CLASS = "ASSET_CLASS", "Asset classes"
    CURRENCY = "CURRENCY", "Currencies"
    TAXONOMY = "TAXONOMY", "Categories of a taxonomy"


class TargetAllocation(models.Model):
    """The weights that an account is meant to have; one allocation of an account is in force."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="target_allocations")
    name = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    basis = models.CharField(max_length=11, choices=TargetBasis, default=TargetBasis.INSTRUMENT)
    taxonomy = models.ForeignKey(Taxonomy, models.PROTECT, null=True, blank=True, related_name="+")
    in_force = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="allocation_once_per_account"),
            models.UniqueConstraint(fields=["account"], condition=Q(in_force=True), name="one_allocation_in_force"),
            models.CheckConstraint(
                condition=Q(basis="TAXONOMY", taxonomy__isnull=False) | (~Q(basis="TAXONOMY") & Q(taxonomy__isnull=True)),
                name="allocation_taxonomy_where_needed",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Target(models.Model):
    """The weight of one instrument, class, currency or category; what all targets leave over is meant to be cash."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    allocation = models.ForeignKey(TargetAllocation, models.CASCADE, related_name="targets", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, null=True, blank=True, related_name="+")
    category = models.CharField(
        max_length=100, blank=True, help_text="The class, currency or category, where it is no instrument."
    )
    weight = WeightField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["allocation", "instrument", "category"], nulls_distinct=False, name="target_once"),
            models.CheckConstraint(condition=Q(weight__gte=0, weight__lte=1), name="target_weight_is_a_share"),
            models.CheckConstraint(
                condition=Q(instrument__isnull=False, category="") | (Q(instrument__isnull=True) & ~Q(category="")),
                name="target_is_for_one_thing",
            ),
        ]
        indexes = [models.Index(fields=["account"], name="target_of_account")]

    def __str__(self) -> str:
        return f"{self.weight.normalize():f} in {self.category or self.instrument_id}"


class PolicyKind(models.TextChoices):
    """What a policy watches, each as a share from 0 to 1."""

    POSITION = "POSITION", "Largest share of one position"
    ASSET_CLASS = "ASSET_CLASS", "Largest share of one asset class"
    CURRENCY = "CURRENCY", "Largest share of one foreign currency"
    FEES = "FEES", "Fees of a year as a share of the average value"
    CASH = "CASH", "Share of uninvested cash"


class Policy(models.Model):
    """A bound that an account is meant to keep."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="policies")
    kind = models.CharField(max_length=11, choices=PolicyKind)
    threshold = ShareField()
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="policy_once_per_account"),
            models.CheckConstraint(condition=Q(threshold__gte=0), name="policy_threshold_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at most {self.threshold.normalize():f}"


class TradeThresholds(models.Model):
    """When the last closed trades of an account are reason to worry; null means that nobody is told about it."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="trade_thresholds")
    window = models.PositiveSmallIntegerField(default=20, help_text="How many closed trades are looked at.")
    min_win_rate = ShareField(null=True, blank=True, help_text="0 to 1")
    min_profit_factor = ShareField(null=True, blank=True)
    min_expectancy = MoneyField(null=True, blank=True, help_text="A trade, in the account's currency.")
    max_drawdown_pct = ShareField(null=True, blank=True, help_text="The size of the fall, 0 to 1.")
    max_consecutive_losses = models.PositiveSmallIntegerField(null=True, blank=True)

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "trade thresholds"
        constraints = [models.CheckConstraint(condition=Q(window__gte=1, window__lte=1000), name="trade_window_is_sensible")]

    def __str__(self) -> str:
        return f"thresholds of {self.account}"
