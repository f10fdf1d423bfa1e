"""Write an account's ledger as an event log."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from django.utils import timezone

from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, User
from accounts.selectors.exports import event_log
from accounts.selectors.portable import ghostfolio_json, performance_csv

WRITERS: dict[str, Callable[[Account], Iterator[str]]] = {
    "event_log": event_log,
    "ghostfolio": lambda account: ghostfolio_json(account, at=timezone.now()),
    "portfolio_performance": performance_csv,
}


class Command(MemberCommand):
    """Writes every entry in the order of recording; import_ledger reads it back. Exit code 2: nothing was written."""

    help = "Write an account's ledger as an event log (CSV), to be imported anywhere, or as another program reads it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument(
            "--format", choices=WRITERS, default="event_log", help="the event log keeps all, the others what fits"
        )
        parser.add_argument("--output", type=Path, help="a file, replaced once all is written; else the log is printed")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> None:
        """Write the rows."""
        rows = WRITERS[options["format"]](account)
        if options["output"] is None:
            for row in rows:
                self.stdout.write(row, ending="")
            return
        try:
            write(rows, options["output"])
        except OSError as error:
            raise refusal(f"{options['output']} can't be written: {error.strerror}.") from error


def write(rows: Iterator[str], path: Path) -> None:
    """Write rows to a file that is there as a whole or, if something goes wrong, as it was."""
    handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with open(handle, "wb") as file:
            file.writelines(row.encode() for row in rows)
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise
