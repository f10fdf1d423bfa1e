"""The page of the archive: which days have left the database, and how their files were when last looked at."""

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import display

from marketdata.admin.base import BaseAdmin, figure, when
from marketdata.models import ArchiveSegment

ROWS = figure("rows", "Rows", style="quantity")


@admin.register(ArchiveSegment)
class ArchiveSegmentAdmin(BaseAdmin):
    """One file a row, the last one archived first."""

    list_display = (
        "day",
        "dataset",
        "part",
        "state",
        ROWS,
        "size",
        when("first_at", "First", utc=True),
        when("last_at", "Last", utc=True),
        when("verified_at", "Verified"),
    )
    list_filter = (("dataset", ChoicesDropdownFilter), ("day", RangeDateFilter))
    search_fields = ("file__startswith", "sha256__startswith")
    search_help_text = "The name of a file, or the beginning of its sha256"
    ordering = ("-id",)  # in the order in which they were made
    readonly_fields = ("state", "size")
    fieldsets = (
        (None, {"fields": (("dataset", "day", "part"), ("state", "fault"))}),
        (
            "Rows",
            {"fields": (ROWS, (when("first_at", "First", utc=True), when("last_at", "Last", utc=True)), "content")},
        ),
        ("File", {"fields": ("file", "size", "sha256", "schema_version")}),
        ("History", {"fields": ((when("recorded_at", "Archived"), when("verified_at", "Verified")),)}),
    )

    @display(description="State", label={"Sound": "success", "Faulty": "danger"})
    def state(self, segment: ArchiveSegment) -> str:
        """Say how the file was when it was last looked at."""
        return "Faulty" if segment.fault else "Sound"

    @admin.display(description="Size")
    def size(self, segment: ArchiveSegment) -> str:
        """Return the size of the file, and how much of it a row takes."""
        return f"{filesizeformat(segment.bytes)}, {segment.bytes / segment.rows:.1f} bytes a row"
