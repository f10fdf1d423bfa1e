"""A process that archives a day and dies of SIGKILL right after a step: `python -m ... DATABASE ARCHIVE_URL DATASET DAY STEP`."""

import os
import signal
import sys
from datetime import date

from config import embedded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from marketdata.domain.quality import Dataset  # noqa: E402
from tests.marketdata.archives import archive  # noqa: E402


def main(database: str, archive_url: str, dataset: str, day: str, fatal: str) -> None:
    """Archive the day, and die."""
    for connection in connections.all():
        connection.settings_dict["NAME"] = database
    settings.ARCHIVE_URL = archive_url

    def die(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    archive(date.fromisoformat(day), Dataset(dataset), on_step=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
