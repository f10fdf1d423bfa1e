"""Take a whole import back."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, ImportBatch, User
from accounts.services.import_undo import undo_import


class Command(MemberCommand):
    """Posts a reversal of every entry that an import posted, all of them or none. Exit code 2: nothing was done."""

    help = "Take an import back: every entry it posted gets its reversal, all of them or none."
    needs = Role.TRADER

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("batch", type=UUID, help="the import, by its id")
        super().add_arguments(parser)
        parser.add_argument("--because", default="", metavar="TEXT", help="why, as the reversals say")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> ImportBatch:
        """Undo the import."""
        batch = ImportBatch.objects.visible_to(user, role=Role.TRADER).filter(account=account, pk=options["batch"]).first()
        if batch is None:
            raise refusal(f"{account} has no import {options['batch']}.")
        return undo_import(batch=batch, actor=user, at=timezone.now(), explanation=options["because"])

    def finish(self, done: ImportBatch) -> None:
        """Say what was taken back."""
        number = sum(last - first + 1 for first, last in done.undone)
        self.stdout.write(f"The import of {done.file_name} was undone by {number:,} reversals.")
