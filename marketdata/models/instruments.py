"""What can be held and priced, and which of it somebody follows."""

from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from marketdata.domain.instruments import EXCHANGE, FIGI, ISIN, SYMBOL, AssetClass, Listing, OptionRight, problems_of
from marketdata.domain.money import CURRENCY, UnknownCurrency, check_currency, major_unit, quoting_code
from marketdata.models.fields import PriceField, QuantityField, UUIDv7Field

ASSET_CLASSES = [(asset_class.value, asset_class.value) for asset_class in AssetClass]
RIGHTS = [(right.value, right.value) for right in OptionRight]


def check_currency_code(code: str) -> None:
    """Refuse a text that is not an ISO 4217 code, in the words forms and serializers understand.

    :raises ValidationError: if it is none
    """
    try:
        check_currency(code)
    except UnknownCurrency as refusal:
        raise ValidationError(str(refusal), code="unknown_currency") from refusal


def check_quoting_code(code: str) -> None:
    """Refuse a text in which no price is quoted: neither an ISO 4217 code nor that of a small coin, such as GBX.

    :raises ValidationError: if it is none
    """
    try:
        known = quoting_code(code) == code
    except UnknownCurrency as refusal:
        raise ValidationError(str(refusal), code="unknown_currency") from refusal
    if not known:
        raise ValidationError(f"Write {quoting_code(code)} for {code}.", code="unknown_currency")


class InstrumentQuerySet(models.QuerySet["Instrument"]):
    """Questions to the table of instruments."""

    def followed(self) -> Self:
        """Keep the active instruments that somebody holds or watches."""
        return self.filter(active=True, followed_since__isnull=False)

    def kept_up(self) -> Self:
        """Keep the active instruments that somebody holds or watches, and those that name their sources."""
        return self.filter(Q(followed_since__isnull=False) | Q(sources__isnull=False), active=True).distinct()


class Instrument(models.Model):
    """Something that can be held and priced, known by its symbol on an exchange."""

    FIELDS_WITH_RULES: ClassVar = ("symbol", "exchange", "asset_class", "isin", "figi", "strike", "right", "expiry")

    id = UUIDv7Field()
    symbol = models.CharField(max_length=24)
    exchange = models.CharField(max_length=8, help_text="The market's MIC (ISO 10383), or CRYPTO.")
    name = models.CharField(max_length=200, blank=True)
    asset_class = models.CharField(max_length=9, choices=ASSET_CLASSES)
    currency = models.CharField(
        max_length=3, validators=[check_quoting_code], help_text="What its prices are quoted in: ISO 4217, or GBX, ZAC, ILA."
    )
    isin = models.CharField("ISIN", max_length=12, blank=True)
    figi = models.CharField("FIGI", max_length=12, blank=True)
    multiplier = QuantityField(default=1, help_text="Units of the underlying that one unit stands for.")
    tick_size = PriceField(null=True, blank=True)
    price_floor = PriceField(null=True, blank=True, help_text="The lowest price believed; empty: the class's own.")
    price_ceiling = PriceField(null=True, blank=True, help_text="The price no longer believed; empty: the class's own.")
    active = models.BooleanField(default=True)
    underlying = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="derivatives")
    expiry = models.DateField(null=True, blank=True)
    strike = PriceField(null=True, blank=True)
    right = models.CharField(max_length=4, blank=True, choices=RIGHTS)

    objects = InstrumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["symbol", "exchange"], name="instrument_once_per_exchange"),
            models.CheckConstraint(condition=Q(symbol__regex=SYMBOL), name="symbol_is_plain_ascii"),
            models.CheckConstraint(condition=Q(exchange__regex=EXCHANGE), name="exchange_is_a_mic"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY), name="instrument_currency_is_iso_4217"),
            models.CheckConstraint(condition=Q(isin="") | Q(isin__regex=ISIN), name="isin_is_well_formed"),
            models.CheckConstraint(condition=Q(figi="") | Q(figi__regex=FIGI), name="figi_is_well_formed"),
            models.CheckConstraint(condition=Q(asset_class__in=[name for name, _ in ASSET_CLASSES]), name="asset_class_is_known"),
            models.CheckConstraint(condition=Q(multiplier__gt=0), name="multiplier_is_positive"),
            models.CheckConstraint(condition=Q(tick_size__isnull=True) | Q(tick_size__gt=0), name="tick_is_positive"),
            models.CheckConstraint(
                condition=Q(
                    asset_class=AssetClass.OPTION.value,
                    expiry__isnull=False,
                    strike__gt=0,
                    strike__isnull=False,
                    right__in=[name for name, _ in RIGHTS],
                )
                | (~Q(asset_class=AssetClass.OPTION.value) & Q(strike__isnull=True, right="")),
                name="option_has_expiry_strike_and_right",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """The name that means this instrument alone: SYMBOL:MIC."""
        return f"{self.symbol}:{self.exchange}"

    @property
    def money(self) -> str:
        """The currency that amounts of it are in: pounds, where prices are quoted in pence."""
        return major_unit(self.currency)[0]

    @property
    def option(self) -> "Instrument | None":
        """The instrument itself where it is an option, for those who show what only an option has."""
        return self if self.asset_class == AssetClass.OPTION else None

    @property
    def ranked_sources(self) -> list[Any]:
        """Its own sources of prices, the first to be asked first."""
        return sorted(self.sources.all(), key=lambda source: (source.rank, source.provider))

    @property
    def listing(self) -> Listing:
        """What a source of prices is told about it."""
        return Listing(self.symbol, self.exchange, self.name, AssetClass(self.asset_class), self.currency)

    def clean(self) -> None:
        """Refuse an instrument whose fields break their rules, naming each field.

        :raises ValidationError: by field
        """
        problems = problems_of({name: getattr(self, name) for name in self.FIELDS_WITH_RULES})
        if problems:
            raise ValidationError({name: ValidationError(text, code="invalid") for name, text in problems.items()})


class FollowedInstrument(models.Model):
    """The mark of an instrument that somebody holds or watches; a floor above sets it, the refresh reads it."""

    instrument = models.OneToOneField(Instrument, models.CASCADE, primary_key=True, related_name="followed_since")
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instrument} since {self.since:%Y-%m-%d}"
