"""Decisions that are thrown away are put into an archive first, a zip of their files, which is kept as pictures of trades are."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any
from uuid import UUID

import orjson

from accounts.domain.bundles import ARCHIVES, BundleRefused, Reads, Said
from accounts.domain.json_text import storable
from accounts.models import Account
from trading.selectors.decision_archives import folder_of
from trading.selectors.trading_files import filed_decisions

NAME = re.compile(r"\d{8}T\d{12}Z-[a-z0-9_]{8}", re.ASCII)  # when it was made, and what tells it from others
FILE = re.compile(r"\d{4}-\d\d-\d\d_[A-Za-z0-9_-]{1,200}\.json", re.ASCII)
LONGEST = 16 * 1024**2  # a decision with its history


def put_away(*, account: Account, among: Collection[UUID], at: datetime) -> Path:
    """Write decisions and the changes made of them into an archive that is there as a whole or not at all; return where."""
    files = ((name, written(held)) for name, held in filed_decisions(account, among=among))
    return _keep(account, files, f"{at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{{}}")


def take_archives(*, reader: Reads, account: Account) -> list[Path]:
    """Keep the archives that the ZIP of an account holds, in the account that was opened for it; return where.

    :raises BundleRefused: if something in it is none of its kind; then none is kept
    """
    kept: list[Path] = []
    try:
        if ARCHIVES in reader.manifest.parts:
            for name, lines in groupby(reader.objects(ARCHIVES, longest=LONGEST), key=_archive):
                if (folder_of(account) / f"{name}.zip").exists():
                    raise BundleRefused("bad_file", f"{ARCHIVES}: the archive {name} comes twice.")
                kept.append(_keep(account, _files(lines), name))
    except BaseException:
        throw_out(kept)
        raise
    return kept


def throw_out(archives: Iterable[Path]) -> None:
    """Delete archives that are not to be kept after all."""
    for path in archives:
        path.unlink(missing_ok=True)


def write_decisions(file: IO[bytes], files: Iterable[tuple[str, bytes]]) -> None:
    """Write the files of decisions as a zip."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in files:
            archive.writestr(name, held)


def written(held: dict) -> bytes:
    """Return the bytes of the file of a decision."""
    return orjson.dumps(held, option=orjson.OPT_INDENT_2)


def _keep(account: Account, files: Iterable[tuple[str, bytes]], name: str) -> Path:
    """Write an archive of a name, which may ask for something that tells it from others, and return where it is."""
    folder = folder_of(account)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        draft = Path(file.name)
        try:
            write_decisions(file, files)
            file.flush()
            os.fsync(file.fileno())
            return draft.replace(folder / f"{name.format(draft.name[-8:])}.zip")
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _archive(said: Said) -> str:
    """Return the name of the archive that a line is of."""
    name = said.text("archive")
    if not NAME.fullmatch(name):
        raise said.refusal("archive", "the name of an archive")
    return name


def _files(lines: Iterator[Said]) -> Iterator[tuple[str, bytes]]:
    """Yield the files that an archive is to hold."""
    seen: set[str] = set()
    for said in lines:
        name, held = said.text("file", most=300), _object(said.value.get("decision"))
        if not FILE.fullmatch(name) or name in seen:
            raise said.refusal("file", "the name of a decision's file, once")
        if held is None:
            raise said.refusal("decision", "an object")
        seen.add(name)
        yield name, held


def _object(value: Any) -> bytes | None:
    """Return an object as it is kept, none for anything else."""
    if not isinstance(value, dict):
        return None
    try:
        return written(storable(value))
    except TypeError:  # a number that no decision holds
        return None
