"""The health page: each part of the system, cheaply."""

import time

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django.db import connection

from config import health, pulse
from tests.clients import nobody

PARTS = {"database", "redis", "worker", "beat", "migrations"}


@pytest.fixture
def alive():
    """Leave signs of life, and take them away again."""
    for process in pulse.PROCESSES:
        pulse.note(process)
    yield
    cache.delete_many([f"health:{process}" for process in pulse.PROCESSES])


def ask():
    response = nobody().get("/health/")
    assert response.headers["Content-Type"] == "application/json"
    assert "no-store" in response.headers["Cache-Control"]
    body = response.json()
    assert set(body) == PARTS | {"ok"}
    return response.status_code, body


class TestHealth:
    def test_all_is_well(self, alive):
        status, body = ask()
        assert status == 200, body
        assert body["ok"]
        assert all(body[part]["ok"] and body[part]["detail"] for part in PARTS)

    @pytest.mark.parametrize("process", pulse.PROCESSES)
    def test_a_process_without_a_sign_of_life_is_missed(self, alive, process):
        cache.delete(f"health:{process}")
        status, body = ask()
        assert status == 503
        assert [part for part in PARTS if not body[part]["ok"]] == [process]

    def test_without_redis_it_says_so_soon(self, settings):
        settings.CACHES = {"default": configured.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}
        start = time.monotonic()
        status, body = ask()
        assert status == 503
        assert {part for part in PARTS if not body[part]["ok"]} == {"redis", "worker", "beat"}
        assert time.monotonic() - start < 10

    def test_without_a_database_it_says_so(self, alive, monkeypatch):
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "PORT", "1")
        status, body = ask()
        assert status == 503
        assert {part for part in PARTS if not body[part]["ok"]} == {"database", "migrations"}
        assert "127.0.0.1" not in str(body)

    def test_a_migration_that_is_not_applied_is_named(self, alive, monkeypatch):
        monkeypatch.setattr(health, "_known_migrations", lambda: frozenset({("accounts", "9999_later")}))
        status, body = ask()
        assert status == 503
        assert "accounts.9999_later" in body["migrations"]["detail"]

    def test_it_is_read_and_not_written(self):
        assert nobody().post("/health/").status_code == 405
