"""Signs of life of the worker and of beat: a key in Redis that expires when nobody renews it.

`python -m config.pulse worker` (or `beat`) exits 0 if there is one.
"""

import logging
import os
import sys
from datetime import UTC, datetime

from django.core.cache import cache

PROCESSES = ("worker", "beat")
LIFETIME = 30  # seconds; both renew it every few
log = logging.getLogger(__name__)


def note(process: str) -> None:
    """Say that a process is alive; a Redis that is away must not stop the process that says so."""
    try:
        cache.set(f"health:{process}", datetime.now(UTC).isoformat(), LIFETIME)
    except Exception as error:  # whatever the client raises, a heartbeat is never worth a crash
        log.warning("No heartbeat of %s could be left in Redis: %s", process, error)


def heartbeats() -> dict[str, datetime | None]:
    """Return when each process was last alive, or None if that is too long ago or Redis does not answer."""
    found = cache.get_many([f"health:{process}" for process in PROCESSES])
    times = {process: found.get(f"health:{process}") for process in PROCESSES}
    return {process: datetime.fromisoformat(time) if time else None for process, time in times.items()}


def main(process: str) -> int:
    """Fail unless a process has shown life lately; what a container's health check asks."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    return int(heartbeats()[process] is None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
