"""Roles and database on a server of one's own, under names of one's own."""

from pathlib import Path

import psycopg
import pytest

from config import roles
from config.servers import Postgres
from tests.config.conftest import Holder

pytestmark = pytest.mark.slow
LOGINS = {"DATABASE_URL": "site", "DATABASE_SYSTEM_URL": "tasks", "DATABASE_OWNER_URL": "chief"}


def addresses(port: int, password: str) -> dict[str, str]:
    """Return the address of a database for each of the three logins."""
    return {variable: f"postgres://{login}:{password}@127.0.0.1:{port}/records" for variable, login in LOGINS.items()}


def test_are_made_and_get_new_passwords_when_run_again(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Holder(var):
        server = Postgres(var)
        admin = f"postgres://postgres:{server.memory.password('postgres')}@127.0.0.1:{server.port}/postgres"
        monkeypatch.setenv("DATABASE_ADMIN_URL", admin)
        for password in ("first", "sec%2Fond"):
            for variable, address in addresses(server.port, password).items():
                monkeypatch.setenv(variable, address)
            assert roles.main() == 0
            for variable, login in LOGINS.items():
                with psycopg.connect(addresses(server.port, password)[variable]) as connection:
                    question = "select current_user, current_database(), pg_has_role('bedrock_app', 'usage')"
                    assert connection.execute(question).fetchone() == (login, "records", variable == "DATABASE_URL")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(addresses(server.port, "first")["DATABASE_URL"])


@pytest.mark.parametrize("address", ["", "postgres://127.0.0.1/records", "postgres://site@127.0.0.1/records"])
def test_are_not_made_without_a_name_and_a_password(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    assert roles.main() == 1
    assert "DATABASE_URL must be an address with a user and a password" in capsys.readouterr().err
