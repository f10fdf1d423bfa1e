"""Decisions that are thrown away are put into an archive first, a zip of their files, which is kept as pictures of trades are."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from uuid import UUID

import orjson
from django.conf import settings

from accounts.models import Account
from trading.selectors.trading_files import filed_decisions

FOLDER = "decisions"


def put_away(*, account: Account, among: Collection[UUID], at: datetime) -> Path:
    """Write decisions and the changes made of them into an archive that is there as a whole or not at all; return where."""
    folder = folder_of(account)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        draft = Path(file.name)
        try:
            write_decisions(file, ((name, written(held)) for name, held in filed_decisions(account, among=among)))
            file.flush()
            os.fsync(file.fileno())
            name = f"{at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{draft.name[-8:]}.zip"
            return draft.replace(folder / name)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def archived(account: Account) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the decisions of an account that were thrown away, the first that went first."""
    for path in sorted(folder_of(account).glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)


def write_decisions(file: IO[bytes], files: Iterable[tuple[str, bytes]]) -> None:
    """Write the files of decisions as a zip."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in files:
            archive.writestr(name, held)


def written(held: dict) -> bytes:
    """Return the bytes of the file of a decision."""
    return orjson.dumps(held, option=orjson.OPT_INDENT_2)


def folder_of(account: Account) -> Path:
    """Return where the archives of an account are."""
    return Path(settings.ATTACHMENTS) / str(account.pk) / FOLDER
