"""Compare the records of accounts with those of their brokers."""

import logging
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from trading.adapters.base import BrokerFailed
from trading.services.reconciliation import reconcile_watched
from trading.services.syncing import Watched, is_there, left_open, watched

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Reconciles; leaves with 1 if a broker could not be asked or, where asked to, if a difference is open."""

    help = "Bring in what brokers know, compare positions, cash, orders and activities, and keep each difference as a break."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--all", action="store_true", help="every account that has a broker")
        which.add_argument("--account", type=UUID, help="only this account (its id)")
        parser.add_argument("--fail-on-break", action="store_true", help="leave with 1 if a difference is open")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found in each account.

        :raises CommandError: if there is no such account, a broker could not be asked, or a difference is open and that was
            asked for
        """
        failed, breaks = 0, 0
        found = watched(account_id=options["account"])
        if options["account"] and not is_there(options["account"]):
            raise CommandError(f"There is no account {options['account']}; its id is in its address in the admin.")
        for one in found:
            open_now = self._one(one)
            failed, breaks = failed + (open_now is None), breaks + (open_now or 0)
        for (account_id, broker), number in left_open(found, account_id=options["account"]).items():
            self.stdout.write(f"{account_id} {broker}: {number:,} open breaks, and nothing there to compare any more")
            breaks += number
        self.stdout.write(f"{len(found):,} accounts, {breaks:,} open breaks, {failed:,} brokers that could not be asked.")
        if failed:
            raise CommandError(f"{failed:,} brokers could not be asked; their connections say why.")
        if breaks and options["fail_on_break"]:
            raise CommandError(f"{breaks:,} breaks are open; resolve them in the admin.")

    def _one(self, one: Watched) -> int | None:
        """Reconcile an account, and return how many of its differences are open; none if its broker could not be asked."""
        try:
            told = reconcile_watched(one, clock=timezone.now)
        except BrokerFailed as failure:
            self.stderr.write(f"{one.account_id} {one.broker}: {failure}")
            return None
        except Exception as error:  # one account does not hold the others up
            log.exception("Account %s could not be compared with its broker %s", one.account_id, one.broker)
            self.stderr.write(f"{one.account_id} {one.broker}: {type(error).__name__}; the log says more")
            return None
        self.stdout.write(f"{one.account_id} {one.broker}: {told.open_breaks or 'no'} open breaks")
        return told.open_breaks
