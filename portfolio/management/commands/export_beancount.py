"""Write an account's ledger as a file of beancount."""

import os
from argparse import ArgumentParser
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, User
from portfolio.selectors.beancount import beancount_file


class Command(MemberCommand):
    """Writes every entry that counts, in the order of happening. Exit code 2: nothing was written."""

    help = "Write an account's ledger in the language of beancount, with its lots and gains."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument("--output", type=Path, help="a file, replaced once all is written; else it is printed")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> None:
        """Write the file."""
        path: Path | None = options["output"]
        if path is None:
            for piece in beancount_file(account):
                self.stdout.write(piece, ending="")
            return
        try:
            handle, draft = mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.writelines(beancount_file(account))
                Path(draft).replace(path)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise refusal(f"{path} can't be written: {error.strerror}.") from error
