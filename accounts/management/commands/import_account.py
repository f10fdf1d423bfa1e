"""Bring an account in as the ZIP that `export_account` made of it, here or elsewhere."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.management.members import refusal
from accounts.models import User
from accounts.models.tenancy import acting_as
from accounts.services.bundle_queue import take_bundle

PATIENCE = 2.0  # seconds without a sign of life


class Command(BaseCommand):
    """Takes all of a ZIP or nothing; read again, it changes nothing. Exit code 2: nothing was done."""

    help = "Bring a whole account in from its ZIP: entries, instruments, prices, rates, plans and settings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--as", required=True, dest="email", metavar="EMAIL", help="who will own the account")
        parser.add_argument("--name", default="", help="what it is to be called; else as it was")

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring the account in, and say what came of it."""
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise refusal(f"Nobody who may log in has the e-mail {options['email']}.")
        path: Path = options["file"]
        self.told = time.monotonic()
        try:
            with path.open("rb") as file, acting_as(user.pk):
                done = take_bundle(
                    user=user, file_name=path.name, file=file, at=timezone.now(), name=options["name"], progress=self.tell
                )
        except OSError as error:
            raise refusal(f"{path} can't be read: {error.strerror}.") from error
        except ValidationError as error:
            raise refusal(" ".join(error.messages)) from error
        for remark in done.remarks:
            self.stdout.write(remark["detail"])
        self.stdout.write(
            f"{done.account} ({done.account_id}): {done.entries:,} entries, {done.posted:,} posted, {done.known:,} known before."
        )

    def tell(self, entries: int) -> None:
        """Give a sign of life now and then."""
        if time.monotonic() - self.told > PATIENCE:
            self.told = time.monotonic()
            self.stderr.write(f"{entries:,} entries ...")
