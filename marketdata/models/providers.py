"""Which sources are asked for what, where the refresh of each series stopped, and how the sources are doing."""

import enum

from django.db import models
from django.db.models import Q

from marketdata.models.instruments import Instrument
from marketdata.models.prices import TIMEFRAMES


class Outcome(enum.StrEnum):
    """How the last run over a series ended."""

    STORED = "STORED"
    NOTHING_NEW = "NOTHING_NEW"
    FAILED = "FAILED"
    STALLED = "STALLED"


class ProviderState(models.Model):
    """Where the refresh of one series from one provider stopped, and how it went the last time."""

    provider = models.CharField(max_length=40)
    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="provider_states")
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    resume_from = models.DateTimeField(null=True, blank=True, help_text="The first bar not stored yet starts here.")
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_outcome = models.CharField(max_length=11, blank=True, choices=[(outcome.value, outcome.value) for outcome in Outcome])
    last_detail = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Runs that failed since the last good one.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="After failures: asked again from here on.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "instrument", "timeframe"], name="provider_state_once_per_series"),
            models.CheckConstraint(
                condition=Q(last_outcome__in=["", *(outcome.value for outcome in Outcome)]),
                name="provider_outcome_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.instrument} {self.timeframe}"


class InstrumentSource(models.Model):
    """One of the sources an instrument's prices come from, in the order they are asked; without any, all are, as settings say."""

    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="sources")
    provider = models.CharField(max_length=40)
    rank = models.PositiveSmallIntegerField(default=1, help_text="The source with the lowest rank is asked first.")
    symbol = models.CharField(max_length=40, blank=True, help_text="What the source calls it; empty: its own symbol.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "provider"], name="source_once_per_instrument"),
        ]

    def __str__(self) -> str:
        return f"{self.rank}. {self.provider} for {self.instrument}"


class Circuit(enum.StrEnum):
    """Whether a source is asked: always, not at all for a while, or once to see whether it is back."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class ProviderHealth(models.Model):
    """How a source is doing as a whole: its breaker, what it last complained of, and what it is busy with."""

    provider = models.CharField(max_length=40, primary_key=True)
    circuit = models.CharField(
        max_length=9, default=Circuit.CLOSED.value, choices=[(state.value, state.value) for state in Circuit]
    )
    failures = models.PositiveIntegerField(default=0, help_text="Requests that failed since the last good one.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="Not asked before this time.")
    requests = models.BigIntegerField(default=0)
    retries = models.BigIntegerField(default=0)
    throttled = models.BigIntegerField(default=0, help_text="How often it said that we ask too often.")
    skipped = models.BigIntegerField(
        default=0, help_text="What was passed over: it has no place here, or is not to be had there."
    )
    last_skipped = models.CharField(max_length=300, blank=True, help_text="Why something was passed over the last time.")
    last_error = models.CharField(max_length=300, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    progress = models.CharField(max_length=200, blank=True, help_text="What it is being asked for, and how far that is.")

    class Meta:
        verbose_name_plural = "provider health"
        constraints = [
            models.CheckConstraint(condition=Q(circuit__in=[state.value for state in Circuit]), name="circuit_is_known"),
        ]

    def __str__(self) -> str:
        return self.provider


class StreamState(models.Model):
    """How a live feed is doing: what came, what was stored, what waits and what had to be fetched afterwards."""

    provider = models.CharField(max_length=40, primary_key=True)
    connected_at = models.DateTimeField(null=True, blank=True, help_text="Empty: not connected.")
    last_message_at = models.DateTimeField(null=True, blank=True)
    stored_through = models.DateTimeField(null=True, blank=True, help_text="Everything up to here is stored; gaps start here.")
    received = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0, help_text="Messages that are received and not stored yet.")
    most_waiting = models.PositiveIntegerField(default=0)
    reconnects = models.PositiveIntegerField(default=0)
    gaps_filled = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True, help_text="When the process last said that it is alive.")

    def __str__(self) -> str:
        return self.provider
