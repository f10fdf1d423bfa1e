"""The system checks find a database that would not hold what the code relies on."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.checks import Tags, run_checks
from django.db import connections

from config import checks

ROOT = Path(__file__).resolve().parents[2]


def found(*aliases: str) -> list[str]:
    return [str(problem.id) for problem in run_checks(tags=[Tags.database], databases=aliases)]


@contextmanager
def changed(do: str, undo: str):
    """Change the test database as its owner, for a moment."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(do)
        try:
            yield
        finally:
            cursor.execute(undo)


def test_the_database_as_we_make_it_is_well():
    assert found("default", "system", "owner") == []


def test_a_server_that_is_too_old_is_refused(monkeypatch):
    monkeypatch.setattr(checks, "OLDEST", 9_990_000)
    assert found("default") == ["bedrock.E002"]


def test_a_server_that_is_away_is_said_to_be(monkeypatch):
    broken = connections["default"].copy("default")
    broken.settings_dict = {**broken.settings_dict, "PORT": "1", "HOST": "127.0.0.1"}
    monkeypatch.setattr(checks, "connections", {"default": broken})
    assert found("default") == ["bedrock.E001"]


def test_a_runtime_role_that_owns_the_tables_is_refused(monkeypatch):
    monkeypatch.setattr(checks, "connections", {"default": connections["owner"]})
    assert "bedrock.E003" in found("default")


@pytest.mark.parametrize(
    ("do", "undo"),
    [
        ("ALTER TABLE accounts_job DISABLE ROW LEVEL SECURITY", "ALTER TABLE accounts_job ENABLE ROW LEVEL SECURITY"),
        ("ALTER TABLE portfolio_lot NO FORCE ROW LEVEL SECURITY", "ALTER TABLE portfolio_lot FORCE ROW LEVEL SECURITY"),
    ],
)
def test_a_table_without_its_guard_is_refused(do, undo):
    with changed(do, undo):
        assert found("default") == ["bedrock.E004"]
    assert found("default") == []


def test_a_new_table_of_an_account_is_looked_at():
    assert {"accounts_account", "accounts_job", "accounts_watchlist_instruments", "portfolio_position"} <= checks.tenant_tables()
    assert "accounts_user_groups" not in checks.tenant_tables()
    assert "marketdata_bar" not in checks.tenant_tables()


def test_no_database_asked_for_means_no_question(monkeypatch):
    monkeypatch.setattr(checks, "connections", {})
    assert found() == []


def test_nothing_is_said_against_production():
    secret = "".join(map(chr, range(48, 123)))
    variables = {"BEDROCK_ENV": "production", "SECRET_KEY": secret, "ALLOWED_HOSTS": "bedrock.example", "DEBUG": "false"}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
