"""Bring a file, such as a broker's statement or an event log, into an account's ledger."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.adapters import AUTO, FORMATS
from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.guesses import guess
from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, ImportBatch, ImportStatus, ImportTemplate, User
from accounts.services.imports import import_file, refused_file

PATIENCE = 2.0  # seconds without a sign of life


class Command(MemberCommand):
    """Posts what is good and names each line that is not. Exit code 1: some lines were not posted; 2: nothing was done."""

    help = (
        "Bring a file (a broker's statement, an event log, any table) into an account's ledger; read again, it changes nothing."
    )
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
        parser.add_argument(
            "--statement-account", default="", metavar="NAME", help="of a file with several accounts: the one meant"
        )
        columns = parser.add_mutually_exclusive_group()
        columns.add_argument("--mapping", type=Path, metavar="JSON", help="read any table by the columns that this file explains")
        columns.add_argument("--template", metavar="NAME", help="read any table by a mapping that the member has saved")
        columns.add_argument(
            "--guess", action="store_true", help="print the mapping that can be guessed of a table; do nothing else"
        )
        parser.add_argument(
            "--refused", type=Path, metavar="FILE", help="write the refused lines there, to be mended and sent again"
        )

    def work(self, account: Account, user: User, options: dict[str, Any]) -> ImportBatch | None:
        """Import the file."""
        content = read_bytes(options["file"])
        if options["guess"]:
            self.stdout.write(guessed(content))
            return None
        self.told = time.monotonic()
        done = import_file(
            account=account,
            actor=user,
            file_name=options["file"].name,
            content=content,
            at=timezone.now(),
            form=options["format"],
            time_zone=options["time_zone"],
            dry_run=options["dry_run"],
            create_on=options["create_instruments"],
            statement_account=options["statement_account"],
            mapping=mapping_of(user, options),
            progress=self.tell,
        )
        if options["refused"] and done.refused:
            options["refused"].write_bytes(refused_file(done))
        return done

    def tell(self, lines: int) -> None:
        """Give a sign of life now and then."""
        if time.monotonic() - self.told > PATIENCE:
            self.told = time.monotonic()
            self.stderr.write(f"{lines:,} lines ...")

    def finish(self, done: ImportBatch | None) -> None:
        """Report line by line."""
        if done is None:
            return
        self.tell_what_is_left(done)
        for line in [remark["detail"] for remark in done.remarks] + changes(done.figures):
            self.stdout.write(line)
        preview = done.status == ImportStatus.PREVIEWED
        dry = "Dry run, nothing was written: " if preview else ""
        self.stdout.write(
            f"{dry}{done.lines:,} lines of {done.format}, {done.posted:,} posted, {done.known:,} known before, "
            f"{len(done.refused):,} refused."
        )
        if done.posted and not preview:
            self.stdout.write(f"It is taken back by undo_import {done.pk}.")
        if done.refused:
            raise CommandError(f"{len(done.refused):,} of {done.lines:,} lines were refused.")
        if asked := done.asked:  # type: ignore[attr-defined]
            raise CommandError(f"{len(asked):,} questions are open; their lines wait.")

    def tell_what_is_left(self, done: ImportBatch) -> None:
        """Name the lines that were refused, and those that wait for an answer."""
        for refused in done.refused:
            self.stderr.write(f"line {refused['line']}: {refused['code']}: {refused['detail']}")
        for question in done.asked:  # type: ignore[attr-defined]
            self.stderr.write(f"line {question['first_line']}: question: {question['why']} Answer it in the admin or by the API.")


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    :raises CommandError: if it can't be read
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise refusal(f"{path} can't be read: {error.strerror}.") from error


def guessed(content: bytes) -> str:
    """Return the mapping that can be guessed of a table, as JSON.

    :raises CommandError: if it is none
    """
    try:
        return json.dumps(guess(StatementFile(content)).mapping, ensure_ascii=False, indent=2)
    except NotReadable as error:
        raise refusal(str(error)) from error


def mapping_of(user: User, options: dict[str, Any]) -> Any:
    """Return the mapping that was asked for, if one was.

    :raises CommandError: if it is not there, or is none
    """
    if options["template"]:
        template = ImportTemplate.objects.visible_to(user).filter(name=options["template"]).first()
        if template is None:
            names = ", ".join(ImportTemplate.objects.visible_to(user).order_by("name").values_list("name", flat=True)) or "none"
            raise refusal(f"{user.email} has no template {options['template']!r}; there are {names}.")
        return template.mapping
    if options["mapping"] is None:
        return None
    try:
        return json.loads(read_bytes(options["mapping"]))
    except ValueError as error:
        raise refusal(f"{options['mapping']} is no JSON: {error}.") from error


def changes(figures: dict[str, Any]) -> list[str]:
    """Return what a preview says of cash and holdings: before and after, and beside what the statement says was left."""
    stated = figures.get("statement", {})
    moved = [*figures.get("cash", ()), *figures.get("holdings", ())]
    lines = [f"{row.get('currency') or row['instrument']}: {row['before']} before, {row['after']} after." for row in moved]
    for row in (*stated.get("cash", ()), *stated.get("holdings", ())):
        name, verdict = row.get("currency") or row["instrument"], "they agree" if row["agrees"] else f"{row['difference']} off"
        day = f" on {row['day']}" if row["day"] else ""
        lines.append(f"{name}{day}: {row['statement']} by the statement, {row['ledger']} by the ledger: {verdict}.")
    return lines
