"""Take a whole account out as a file."""

import os
from argparse import ArgumentParser
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from django.utils import timezone

from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, User
from accounts.selectors.bundles import write_bundle


class Command(MemberCommand):
    """Writes a ZIP that is there as a whole or not at all; import_account reads it. Exit code 2: nothing was written."""

    help = "Write everything of an account into one ZIP: entries, instruments, prices, rates, plans and settings."
    needs = Role.OWNER

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument("--output", type=Path, required=True, help="the ZIP, replaced once all is written")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> str:
        """Write the ZIP."""
        path: Path = options["output"]
        try:
            handle, draft = mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "wb") as file:
                    manifest = write_bundle(account=account, user=user, file=file, at=timezone.now())
                Path(draft).replace(path)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise refusal(f"{path} can't be written: {error.strerror}.") from error
        return f"{path}: {account.name}, {manifest.entries:,} entries, {path.stat().st_size:,} bytes."

    def finish(self, done: str) -> None:
        """Say what was written."""
        self.stdout.write(done)
