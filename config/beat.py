"""Beat's scheduler: Celery's own, with a sign of life and a file that lives under var/."""

from typing import Any

from celery.beat import PersistentScheduler
from django.conf import settings

from config import pulse


class Scheduler(PersistentScheduler):
    """Keeps the few global schedules; what single accounts want is rows, claimed by one of its tasks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        folder = settings.VAR / "beat"
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(*args, **kwargs | {"schedule_filename": str(folder / "schedule")})

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due and return the seconds until the next look."""
        pulse.note("beat")
        seconds: float = super().tick(*args, **kwargs)
        return seconds
