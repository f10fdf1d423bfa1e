"""A process whose automatic sessions look at bars and which dies of SIGKILL after a step: `... DATABASE ACCOUNT NOW STEP`."""

import os
import signal
import sys
from datetime import datetime
from uuid import UUID

from config import embedded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

django.setup()

from django.db import connections  # noqa: E402

from trading.services.automation import evaluate_account  # noqa: E402


def main(database: str, account: str, now: str, fatal: str) -> None:
    """Look at new bars, and die."""
    for connection in connections.all():
        connection.settings_dict["NAME"] = database
    moment = datetime.fromisoformat(now)

    def die(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    evaluate_account(account_id=UUID(account), clock=lambda: moment, on_step=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
