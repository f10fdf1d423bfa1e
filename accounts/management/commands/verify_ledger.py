"""Walk the hash chains of the ledgers and name the first bad entry of each."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from accounts.selectors.ledger import verified_ledgers


class Command(BaseCommand):
    """Verifies the ledgers; leaves with 1 if one is bad."""

    help = "Recompute the hash of every entry, look up its neighbors and compare with the head; name the first bad entry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--account", type=UUID, help="only the ledger of this account (its id)")
        parser.add_argument("--quiet", action="store_true", help="tell the bad ledgers alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found in each ledger.

        :raises CommandError: if one is bad, or there is none of that account
        """
        ledgers = verified_ledgers(account_id=options["account"])
        if options["account"] and not ledgers:
            raise CommandError(f"The account {options['account']} has no ledger.")
        bad = [ledger for ledger in ledgers if ledger.fault]
        for ledger in bad if options["quiet"] else ledgers:
            said = (
                f"BAD, entry #{ledger.fault.sequence}: {ledger.fault.detail}"
                if ledger.fault
                else f"OK, {counted(ledger.entries, 'entry', 'entries')}"
            )
            self.stdout.write(f"{ledger.account_id} {ledger.account_name}: {said}")
        if bad:
            raise CommandError(f"Bad: {len(bad):,} of {counted(len(ledgers), 'ledger', 'ledgers')}.")
        entries = sum(ledger.entries for ledger in ledgers)
        self.stdout.write(
            f"{counted(len(ledgers), 'ledger', 'ledgers')}, {counted(entries, 'entry', 'entries')}: every chain holds."
        )


def counted(number: int, one: str, many: str) -> str:
    """Return a number with the word it counts.

    >>> counted(1, "entry", "entries"), counted(1200, "entry", "entries")
    ('1 entry', '1,200 entries')
    """
    return f"{number:,} {one if number == 1 else many}"
