"""A worker that posts a kept file and dies of SIGKILL when it asks for the time: `python -m ... DATABASE BATCH CHUNK CALLS`."""

import os
import signal
import sys
from datetime import datetime
from itertools import count
from uuid import UUID

from config import embedded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

django.setup()

from django.db import connections  # noqa: E402

from accounts.services import import_run  # noqa: E402
from accounts.services.import_posting import work_on  # noqa: E402
from tests.accounts.kept_files import NOW  # noqa: E402


def main(database: str, batch_id: str, chunk: str, calls: str) -> None:
    """Post the file, and die."""
    for connection in connections.all():
        connection.settings_dict["NAME"] = database
    import_run.CHUNK = int(chunk)
    asked = count()

    def clock() -> datetime:
        if next(asked) == int(calls):
            os.kill(os.getpid(), signal.SIGKILL)
        return NOW

    work_on(batch_id=UUID(batch_id), clock=clock)


if __name__ == "__main__":
    main(*sys.argv[1:])
