"""Throw away the old decisions of an account that no order came of, kept in its archive before they go."""

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, User
from trading.management.file_commands import write_file
from trading.selectors.decision_archives import folder_of
from trading.services.decisions import clean_up_decisions

DAYS = 30


class Command(MemberCommand):
    """Throws decisions away by age; they and their history are put into an archive first."""

    help = "Archive an account's decisions of more than so many days ago; those that orders came of stay, with their history."
    needs = Role.TRADER

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument("--days", type=int, default=DAYS, help="how many days are kept (%(default)s)")
        parser.add_argument("--archive", type=Path, metavar="ZIP", help="write what goes here, too")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> tuple[int, Path]:
        """Throw away what is in the archive."""
        copy: Path | None = options["archive"]
        if options["days"] < 0:
            raise refusal("Keep zero days or more.")
        if copy is not None and copy.exists():
            raise refusal(f"{copy} is there already; an archive is not written over.")
        now = timezone.now()
        before = set(folder_of(account).glob("*.zip"))
        done = clean_up_decisions(account=account, before=now - timedelta(days=options["days"]), at=now)
        if copy is not None:
            for made in set(folder_of(account).glob("*.zip")) - before:
                write_file(copy, [made.read_bytes()])
        return done, folder_of(account)

    def finish(self, done: tuple[int, Path]) -> None:
        """Say how many went, and where they are."""
        count, folder = done
        self.stdout.write(f"{count:,} decisions are put away in {folder}; export_decisions --archived writes them out.")
