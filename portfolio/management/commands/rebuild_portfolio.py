"""Derive every figure anew from the ledger and the prices, and say what came out otherwise."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portfolio.selectors.projections import account_exists, accounts_with_entries
from portfolio.services.rebuilding import rebuild

SHOWN = 20


class Command(BaseCommand):
    """Empties portfolio's tables and derives them again, account by account."""

    help = "Empty the derived tables and derive them again; with --check, exit 1 if a figure comes out otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the account, and whether a difference is a failure."""
        parser.add_argument("--account", type=UUID, help="the id of one account; without it, all are rebuilt")
        parser.add_argument("--check", action="store_true", help="exit 1 if a figure comes out otherwise")

    def handle(self, *args: Any, account: UUID | None = None, check: bool = False, **options: Any) -> None:
        """Rebuild and report."""
        if account is not None and not account_exists(account):
            raise CommandError(f"There is no account {account}.")
        accounts = accounts_with_entries() if account is None else [account]
        differences = 0
        for difference in rebuild(account_ids=accounts, at=timezone.now()):
            differences += 1
            if differences <= SHOWN:
                where = f"{difference.account_id} {difference.table} {difference.key} {difference.field}"
                self.stdout.write(f"{where}: {difference.before} -> {difference.after}")
        if differences > SHOWN:
            self.stdout.write(f"... and {differences - SHOWN} more")
        self.stdout.write(f"{len(accounts)} accounts rebuilt, {differences} figures differ.")
        if check and differences:
            raise CommandError("Figures differ from those derived before.")
