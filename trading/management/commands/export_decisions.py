"""Write an account's decisions, a file each."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.management.members import MemberCommand
from accounts.models import Account, User
from trading.management.file_commands import write_file
from trading.selectors.decision_archives import archived
from trading.selectors.trading_files import filed_decisions
from trading.services.decision_archives import written


class Command(MemberCommand):
    """Writes a file for each decision; import_decisions reads them back. Exit code 2: they could not be written."""

    help = "Write the decisions of an account into a folder, a file each (YYYY-MM-DD_ID.json), with the changes made of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
        parser.add_argument("--archived", action="store_true", help="write those that were thrown away")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> int:
        """Write the files."""
        count = 0
        kept = ((name, written(held)) for name, held in filed_decisions(account))
        for name, held in archived(account) if options["archived"] else kept:
            write_file(options["output"] / name, [held])
            count += 1
        return count

    def finish(self, done: int) -> None:
        """Say how many there are."""
        self.stdout.write(f"{done:,} decisions are written.")
