"""What the commands that bring files in, or write them, share."""

from __future__ import annotations

import gzip
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from tempfile import mkstemp
from typing import Any, ClassVar

from django.core.management.base import CommandError

from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, ImportBatch, ImportStatus, User
from trading.services.trading_files import Kind, import_trading_file

MOST_TOLD = 100  # lines of a file


class ImportCommand(MemberCommand):
    """Brings files in. Exit code 1: some lines were refused; 2: nothing was done."""

    needs = Role.TRADER
    suffixes: ClassVar[tuple[str, ...]] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what every such command takes."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|FOLDER")
        super().add_arguments(parser)
        parser.add_argument(
            "--create-instruments", metavar="MIC", help="write instruments down that are not known, on this exchange"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> list[ImportBatch]:
        """Bring in the files, one after the other; all or, where one as a whole can't be read, none."""
        done = []
        for path in self.files(options["paths"]):
            try:
                file = path.open("rb")
            except OSError as error:
                raise refusal(f"{path} can't be read: {error.strerror}.") from error
            with file:
                batch = import_trading_file(
                    account=account,
                    actor=user,
                    file_name=path.name,
                    content=file,
                    at=self.now(),
                    kind=self.kind(options),
                    create_on=options["create_instruments"],
                    update=options.get("update", False),
                    dry_run=options["dry_run"],
                )
            done.append(batch)
        return done

    def now(self) -> datetime:
        """Return what time it is."""
        raise NotImplementedError

    def kind(self, options: dict[str, Any]) -> Kind | None:
        """Return what the files hold, where that is said."""
        return Kind(options["kind"]) if options.get("kind") else None

    def files(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Yield the files that are named, and those in folders that are."""
        found = False
        for path in paths:
            inside = sorted(one for one in path.iterdir() if one.name.endswith(self.suffixes)) if path.is_dir() else [path]
            for one in inside:
                found = True
                yield one
        if not found:
            raise refusal(f"There is no file that ends in {' or '.join(self.suffixes)}.")

    def finish(self, done: list[ImportBatch]) -> None:
        """Report file by file and line by line."""
        refused = 0
        for batch in done:
            refused += len(batch.refused)
            for one in batch.refused[:MOST_TOLD]:
                self.stderr.write(f"{batch.file_name} line {one['line']}: {one['code']}: {one['detail']}")
            dry = "Dry run, nothing was written: " if batch.status == ImportStatus.PREVIEWED else ""
            self.stdout.write(
                f"{dry}{batch.file_name}: {batch.lines:,} lines of {batch.format}, {batch.posted:,} new, {batch.known:,} known "
                f"before, {len(batch.refused):,} refused."
            )
        if refused:
            raise CommandError(f"{refused:,} of {sum(batch.lines for batch in done):,} lines were refused.")


def write_file(path: Path, chunks: Iterable[bytes], *, packed: bool = False) -> None:
    """Write a file that is there as a whole or, if something goes wrong, as it was.

    :raises CommandError: if it can't be written
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise refusal(f"{path} can't be written: {error.strerror}.") from error
    draft = Path(name)
    try:
        with open(handle, "wb") as file:
            if packed:
                with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packing:
                    packing.writelines(chunks)
            else:
                file.writelines(chunks)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
