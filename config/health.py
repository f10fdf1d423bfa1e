"""`/health/`: whether each part of the system does its work, cheaply and within a few seconds."""

import json
import logging
from collections.abc import Callable
from functools import cache as once

from django.core.cache import cache
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config import pulse

PATIENCE_MS = 2000
log = logging.getLogger(__name__)


class NotWell(Exception):
    """A part does not do its work, in words that everybody may read."""


@never_cache
@require_safe
@transaction.non_atomic_requests
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 if every part is well, else 503, and say of each part how it is."""
    report = {name: _ask(check) for name, check in CHECKS.items()}
    well = all(part["ok"] for part in report.values())
    return HttpResponse(json.dumps({"ok": well, **report}), "application/json", 200 if well else 503)


def database() -> str:
    """Return the server's version, if it answers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0]}"


def redis() -> str:
    """Return that Redis answers, if it does, and what is to be mended in the way it makes room."""
    cache.ping()  # type: ignore[attr-defined]  # of ForgivingRedisCache
    note = cache.remark()  # type: ignore[attr-defined]
    return f"answers; {note}" if note else "answers"


def worker() -> str:
    """Return when a worker was last alive, if that is not too long ago."""
    return _alive("worker")


def beat() -> str:
    """Return when beat was last alive, if that is not too long ago."""
    return _alive("beat")


def migrations() -> str:
    """Return that the database has the tables that the code knows, if it has."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
        cursor.execute("SELECT app, name FROM django_migrations")
        missing = _known_migrations() - set(cursor.fetchall())
    if missing:
        raise NotWell(f"not applied: {', '.join(sorted('.'.join(one) for one in missing))}")
    return "applied"


CHECKS: dict[str, Callable[[], str]] = {
    "database": database,
    "redis": redis,
    "worker": worker,
    "beat": beat,
    "migrations": migrations,
}


def _ask(check: Callable[[], str]) -> dict[str, object]:
    """Return what a check says; whatever it raises means that its part is not well."""
    try:
        return {"ok": True, "detail": check()}
    except NotWell as error:
        return {"ok": False, "detail": str(error)}
    except Exception as error:  # a probe reports, it never fails; addresses and the like are for the log
        log.warning("The health page finds %s: %s", type(error).__name__, error)
        return {"ok": False, "detail": type(error).__name__}


def _alive(process: str) -> str:
    """Return the time of a process's last sign of life."""
    seen = pulse.heartbeats()[process]
    if seen is None:
        raise NotWell("no sign of life")
    return f"alive at {seen:%Y-%m-%dT%H:%M:%SZ}"


@once
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Return the last migration of each app, as the code has them; they change with the process only."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
