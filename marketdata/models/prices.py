"""What an instrument was worth: bars, quotes, and how far each series of bars reaches."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Mod
from django.db.models.lookups import Exact

from marketdata.domain.bars import Timeframe
from marketdata.models.fields import PriceField, QuantityField
from marketdata.models.instruments import Instrument

TIMEFRAMES = [(timeframe.value, timeframe.value) for timeframe in Timeframe]
ROLLED_FROM = [("ticks", "ticks"), ("quotes", "quotes")]


# A bar starts on the grid of its timeframe: two daily bars of one day would be two prices of one day.
STARTS_ON_ITS_GRID = Exact(
    Mod(
        Func(F("timestamp"), template="extract(epoch from %(expressions)s)", output_field=models.DecimalField()),
        Case(
            *[When(timeframe=timeframe.value, then=Value(timeframe.seconds)) for timeframe in Timeframe],
            output_field=models.DecimalField(),
        ),
    ),
    Value(0),
)


class Bar(models.Model):
    """The prices of an instrument over one period that starts at `timestamp`; a daily bar starts at 00:00 UTC."""

    # The unique key leads with the instrument: an index of its own would only slow the loading down.
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="bars", db_index=False)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    timestamp = models.DateTimeField()
    open = PriceField()
    high = PriceField()
    low = PriceField()
    close = PriceField()
    volume = QuantityField(null=True, blank=True)
    vwap = PriceField("VWAP", null=True, blank=True)
    trade_count = models.BigIntegerField(null=True, blank=True)
    adjusted_through = models.DateField(
        null=True, blank=True, help_text="The prices have been adjusted for splits up to this day; empty: as they were traded."
    )
    rolled_from = models.CharField(
        max_length=8, blank=True, db_default="", choices=ROLLED_FROM, help_text="What it was made of; empty: a source sent it."
    )
    recorded_at = models.DateTimeField()

    class Meta:
        # Lists of one timeframe alone, which may be a rare one.
        indexes = [models.Index(fields=["timeframe"], name="bars_by_timeframe")]
        constraints = [
            models.UniqueConstraint(fields=["instrument", "timeframe", "timestamp"], name="bar_once"),
            models.CheckConstraint(condition=Q(timeframe__in=[name for name, _ in TIMEFRAMES]), name="bar_timeframe_is_known"),
            models.CheckConstraint(condition=STARTS_ON_ITS_GRID, name="bar_starts_on_its_grid"),
            models.CheckConstraint(
                condition=Q(low__lte=F("open"), open__lte=F("high")) & Q(low__lte=F("close"), close__lte=F("high")),
                name="bar_lies_between_low_and_high",
            ),
            models.CheckConstraint(condition=Q(volume__isnull=True) | Q(volume__gte=0), name="bar_volume_not_negative"),
            models.CheckConstraint(
                condition=Q(trade_count__isnull=True) | Q(trade_count__gte=0), name="bar_trade_count_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(rolled_from__in=["", *(name for name, _ in ROLLED_FROM)]), name="bar_origin_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.timeframe} {self.timestamp:%Y-%m-%d %H:%M}"

    def clean(self) -> None:
        """Refuse a bar whose prices contradict each other, naming the field.

        :raises ValidationError: by field
        """
        for name in ("open", "close"):
            price = getattr(self, name)
            if None not in (price, self.low, self.high) and not self.low <= price <= self.high:
                raise ValidationError({name: ValidationError("Lies outside low and high.", code="high_low")})


class DayPartitioned(models.Model):
    """A row of a table that has a partition for every day.

    Their key is (instrument, timestamp, ...) and they have no other, for a second index would cost a fifth of the loading. Django
    asks for a key of one column, so it reads them through a view that makes one; they are written by `services.ingest` alone.
    The key to their instrument is kept by its latest row, which is written with them: checking it for every row would double
    what they cost, and lock the instruments whenever a day is dropped.
    """

    id = models.CharField(primary_key=True, max_length=120, editable=False)
    timestamp = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.instrument} {self.timestamp:%Y-%m-%d %H:%M:%S}"  # type: ignore[attr-defined]


class Quote(DayPartitioned):
    """What the market bid and asked for an instrument at an instant."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="quotes", db_constraint=False)
    bid = PriceField()
    ask = PriceField()
    bid_size = QuantityField(null=True, blank=True)
    ask_size = QuantityField(null=True, blank=True)

    class Meta:
        managed = False
        db_table = "marketdata_quote_keyed"

    def clean(self) -> None:
        """Refuse a quote whose sides contradict each other, naming the field.

        :raises ValidationError: by field
        """
        if self.bid is not None and self.bid <= 0:
            raise ValidationError({"bid": ValidationError("Must be above zero.", code="positive")})
        if None not in (self.bid, self.ask) and self.bid > self.ask:
            raise ValidationError({"ask": ValidationError("Must not be below the bid.", code="bid_ask")})


class Tick(DayPartitioned):
    """A trade that the market reported: a price, a size, and the conditions it was made under."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="ticks", db_constraint=False)
    price = PriceField()
    size = QuantityField()
    conditions = models.CharField(max_length=100, blank=True)

    class Meta:
        managed = False
        db_table = "marketdata_tick_keyed"


class LatestQuote(models.Model):
    """The last quote of an instrument, kept in the transaction that stores its quotes."""

    instrument = models.OneToOneField(Instrument, models.PROTECT, primary_key=True, related_name="latest_quote")
    timestamp = models.DateTimeField()
    bid = PriceField()
    ask = PriceField()
    bid_size = QuantityField(null=True, blank=True)
    ask_size = QuantityField(null=True, blank=True)
    recorded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instrument} {self.timestamp:%Y-%m-%d %H:%M:%S}"


class LatestTick(models.Model):
    """The last trade of an instrument, kept in the transaction that stores its trades."""

    instrument = models.OneToOneField(Instrument, models.PROTECT, primary_key=True, related_name="latest_tick")
    timestamp = models.DateTimeField()
    price = PriceField()
    size = QuantityField()
    conditions = models.CharField(max_length=100, blank=True)
    recorded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instrument} {self.timestamp:%Y-%m-%d %H:%M:%S}"


class PriceHistory(models.Model):
    """How far one series of bars reaches, and how often its past has changed.

    `revision` is 1 with the first bars and grows by one whenever a batch stores or changes a bar at or before the last
    one known; bars that follow the last one leave it alone. Who derives figures from a series remembers its revision
    and starts over when it differs.
    """

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="histories", db_index=False)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    first_at = models.DateTimeField(null=True, blank=True)
    last_at = models.DateTimeField(null=True, blank=True)
    rows = models.BigIntegerField(default=0)
    revision = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "price histories"
        constraints = [
            models.UniqueConstraint(fields=["instrument", "timeframe"], name="price_history_once_per_series"),
            models.CheckConstraint(
                condition=Q(timeframe__in=[name for name, _ in TIMEFRAMES]), name="history_timeframe_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.timeframe}, revision {self.revision}"


class PendingRollup(models.Model):
    """A day of an instrument whose ticks or quotes have changed since its bars were made of them."""

    dataset = models.CharField(max_length=20, choices=ROLLED_FROM)
    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="+")
    day = models.DateField()
    marked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "day", "instrument"], name="pending_rollup_once"),
            models.CheckConstraint(
                condition=Q(dataset__in=[name for name, _ in ROLLED_FROM]), name="pending_rollup_dataset_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} of {self.instrument} on {self.day}"
