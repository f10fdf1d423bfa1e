"""Throw away the old decisions of an account that no order came of, kept in an archive before they go."""

import zipfile
from argparse import ArgumentParser
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, User
from trading.management.file_commands import write_file
from trading.selectors.trading_files import filed_decisions
from trading.services.decisions import clean_up_decisions

DAYS = 30


class Command(MemberCommand):
    """Throws decisions away by age; with --archive they and their history are written to a zip first."""

    help = "Throw away an account's decisions of more than so many days ago; those that orders came of stay, with their history."
    needs = Role.TRADER

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument("--days", type=int, default=DAYS, help="how many days are kept (%(default)s)")
        parser.add_argument("--archive", type=Path, metavar="ZIP", help="write what goes here first")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> int:
        """Write the archive, then throw away what is in it."""
        if options["days"] < 0:
            raise refusal("Keep zero days or more.")
        if options["archive"] is not None and options["archive"].exists():
            raise refusal(f"{options['archive']} is there already; an archive is not written over.")
        before = timezone.now() - timedelta(days=options["days"])
        if options["archive"] is not None:
            file = BytesIO()
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, held in filed_decisions(account, before=before, unordered=True):
                    archive.writestr(name, orjson.dumps(held, option=orjson.OPT_INDENT_2))
            write_file(options["archive"], [file.getvalue()])
        return clean_up_decisions(account=account, before=before)

    def finish(self, done: int) -> None:
        """Say how many went."""
        self.stdout.write(f"{done:,} decisions are thrown away.")
