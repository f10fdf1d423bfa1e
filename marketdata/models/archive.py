"""Days that have left the database for files that never change."""

from django.db import models
from django.db.models import Q

from marketdata.domain.quality import Dataset
from marketdata.models.fields import UUIDv7Field

ARCHIVED = [(dataset.value, dataset.value) for dataset in (Dataset.QUOTES, Dataset.TICKS)]


class ArchiveSegment(models.Model):
    """One file with the rows of a day, or with those that came after the day had been archived: its next part.

    The file is written, read back and compared before the row is, and never changed after.
    """

    id = UUIDv7Field()
    dataset = models.CharField(max_length=20, choices=ARCHIVED)
    day = models.DateField()
    part = models.PositiveSmallIntegerField(default=0)
    file = models.CharField(max_length=300, unique=True, help_text="Where it is, below the root of the archive.")
    rows = models.BigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    footer_sha256 = models.CharField(
        max_length=64,
        blank=True,
        help_text="Of the end of the file, which says where its rows are: compared whenever it is read.",
    )
    content = models.CharField(max_length=200, help_text="Count and sums of the rows, by which file and table were compared.")
    schema_version = models.PositiveSmallIntegerField()
    recorded_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True, blank=True, help_text="When the file was last found to be as it was written.")
    fault = models.CharField(max_length=300, blank=True, help_text="What was wrong with the file when it was last looked at.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "day", "part"], name="segment_once_per_part"),
            models.CheckConstraint(condition=Q(dataset__in=[name for name, _ in ARCHIVED]), name="segment_dataset_is_known"),
            models.CheckConstraint(condition=Q(rows__gt=0), name="segment_has_rows"),
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="segment_sha256_is_one"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} of {self.day}, part {self.part}"
