"""What was wrong with the rows that came in."""

from django.db import models
from django.db.models import Q

from marketdata.domain.quality import Dataset, Severity
from marketdata.models.instruments import Instrument


class QualityIssue(models.Model):
    """One row that broke a rule; the same row seen again is counted, not written again."""

    rule = models.CharField(max_length=40)
    severity = models.CharField(max_length=7, choices=[(severity.value, severity.value) for severity in Severity])
    dataset = models.CharField(max_length=20, choices=[(dataset.value, dataset.value) for dataset in Dataset])
    source = models.CharField(max_length=100)
    instrument = models.ForeignKey(Instrument, models.PROTECT, null=True, blank=True, related_name="quality_issues")
    record = models.JSONField(help_text="The row as it came, every value as text.")
    field = models.CharField(max_length=40, blank=True)
    value = models.CharField(max_length=200, blank=True, help_text="The value that was seen in the field.")
    detail = models.CharField(max_length=300, blank=True)
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    times = models.PositiveIntegerField(default=1, help_text="How often the same row came with the same fault.")
    found_at = models.DateTimeField()
    last_found_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=254, blank=True)
    resolution = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(severity__in=[severity.value for severity in Severity]), name="issue_severity_is_known"
            ),
            models.CheckConstraint(
                condition=Q(dataset__in=[dataset.value for dataset in Dataset]), name="issue_dataset_is_known"
            ),
        ]
        # The list of what is still open, newest first; and what people choose from the list of all.
        indexes = [
            models.Index(fields=["-found_at", "-id"], condition=Q(resolved_at=None), name="issues_open"),
            models.Index(fields=["severity", "-found_at", "-id"], name="issues_by_severity"),
            models.Index(fields=["dataset", "-found_at", "-id"], name="issues_by_dataset"),
            models.Index(fields=["instrument", "-found_at", "-id"], name="issues_by_instrument"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} in {self.dataset} of {self.source} ({self.pk})"
