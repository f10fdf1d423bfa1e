"""Where the refresh of each series stopped."""

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
