"""Bring a file, such as an event log, into an account's ledger."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.adapters import AUTO, FORMATS
from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, ImportBatch, ImportStatus, User
from accounts.services.imports import import_file

PATIENCE = 2.0  # seconds without a sign of life


class Command(MemberCommand):
    """Posts what is good and names each line that is not. Exit code 1: some lines were refused; 2: nothing was done."""

    help = "Bring a file (an event log as CSV) into an account's ledger; read again, it changes nothing."
    needs = Role.TRADER

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("file", type=Path)
        super().add_arguments(parser)
        parser.add_argument("--format", choices=FORMATS, default=AUTO)
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")
        parser.add_argument("--time-zone", default="UTC", help="of times that do not name theirs (IANA, such as Europe/Paris)")
        parser.add_argument(
            "--create-instruments",
            nargs="?",
            const="",
            metavar="MIC",
            help="write instruments down that are not known, those without an exchange on this one (such as XNAS)",
        )

    def work(self, account: Account, user: User, options: dict[str, Any]) -> ImportBatch:
        """Import the file."""
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise refusal(f"{options['file']} can't be read: {error.strerror}.") from error
        self.told = time.monotonic()
        return import_file(
            account=account,
            actor=user,
            file_name=options["file"].name,
            content=content,
            at=timezone.now(),
            form=options["format"],
            time_zone=options["time_zone"],
            dry_run=options["dry_run"],
            create_on=options["create_instruments"],
            progress=self.tell,
        )

    def tell(self, lines: int) -> None:
        """Give a sign of life now and then."""
        if time.monotonic() - self.told > PATIENCE:
            self.told = time.monotonic()
            self.stderr.write(f"{lines:,} lines ...")

    def finish(self, done: ImportBatch) -> None:
        """Report line by line."""
        for refused in done.refused:
            self.stderr.write(f"line {refused['line']}: {refused['code']}: {refused['detail']}")
        for remark in done.remarks:
            self.stdout.write(remark["detail"])
        dry = "Dry run, nothing was written: " if done.status == ImportStatus.PREVIEWED else ""
        self.stdout.write(
            f"{dry}{done.lines:,} lines of {done.format}, {done.posted:,} posted, {done.known:,} known before, "
            f"{len(done.refused):,} refused."
        )
        if done.refused:
            raise CommandError(f"{len(done.refused):,} of {done.lines:,} lines were refused.")
