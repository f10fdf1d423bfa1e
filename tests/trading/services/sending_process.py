"""A process that sends an account's orders and dies of SIGKILL after a step: `python -m ... DATABASE URL ACCOUNT NOW STEP`."""

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

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from accounts.models import Account  # noqa: E402
from accounts.models.tenancy import acting_as  # noqa: E402
from trading.services.looking import look_at  # noqa: E402
from trading.services.sending import send_orders  # noqa: E402


def main(database: str, url: str, account: str, now: str, fatal: str) -> None:
    """Send and look, and die."""
    for connection in connections.all():
        connection.settings_dict["NAME"] = database
    settings.PROVIDER_HOSTS = ["127.0.0.1"]
    settings.BROKERS = {"alpaca": {"paper_url": url, "live_url": url}}
    moment = datetime.fromisoformat(now)

    def die(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    send_orders(clock=lambda: moment, account_id=UUID(account), on_step=die)
    owner = Account.objects.using("system").get(pk=account).owner_id
    with acting_as(owner):
        known = Account.objects.select_related("owner").get(pk=account)
    look_at(account=known, broker="alpaca", clock=lambda: moment, since=moment, on_step=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
