"""Where decisions are kept that were thrown away: zips of their files in the account's folder, beside the pictures of trades."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from accounts.models import Account

FOLDER = "decisions"


def folder_of(account: Account) -> Path:
    """Return where the archives of an account are."""
    return Path(settings.ATTACHMENTS) / str(account.pk) / FOLDER


def archives_of(account: Account) -> list[Path]:
    """Return the archives of an account, the first that was made first."""
    return sorted(folder_of(account).glob("*.zip"))


def files_in(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of decisions in an archive."""
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            yield name, opened.read(name)


def archived(account: Account) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the decisions of an account that were thrown away, those that went first before the others."""
    for path in archives_of(account):
        yield from files_in(path)
