"""Messages that may be lost, and signs of life that may be missing."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.signals import heartbeat_sent
from django.core.cache import cache
from django.db import connection, transaction

from config import beat, pulse
from config.celery import VISIBILITY, WakeUp, app

SOON = timedelta(seconds=pulse.LIFETIME)


@pytest.fixture
def nowhere() -> Celery:
    """An application whose broker does not answer."""
    lost = Celery("nowhere", task_cls=WakeUp, broker="redis://127.0.0.1:1/0", set_as_current=False)
    lost.conf.update(app.conf.table(with_defaults=False) | {"broker_url": "redis://127.0.0.1:1/0"})
    return lost


@pytest.fixture
def quiet(tmp_path: Path, settings: Any) -> Celery:
    """An application without schedules, and a folder of its own for beat's file."""
    settings.VAR = tmp_path
    mute = Celery("quiet", broker="memory://", set_as_current=False)
    mute.conf.update(beat_schedule={}, beat_max_loop_interval=5, timezone="UTC")
    return mute


def nothing() -> None:
    """Do it."""


class TestMessages:
    @pytest.mark.parametrize("send", ["delay_on_commit", "apply_async_on_commit"])
    def test_that_cannot_be_sent_do_not_undo_what_was_done(
        self, nowhere: Celery, send: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = nowhere.task(nothing)
        with transaction.atomic():
            getattr(task, send)()
        assert connection.get_autocommit()
        assert "No message for tests.config.test_celery.nothing could be sent" in caplog.text

    def test_come_back_only_after_every_task_is_ended(self) -> None:
        assert app.conf.task_soft_time_limit < app.conf.task_time_limit < VISIBILITY
        assert app.conf.broker_transport_options["visibility_timeout"] == VISIBILITY
        assert app.conf.task_acks_late
        assert app.conf.task_reject_on_worker_lost

    def test_are_json_and_nothing_else(self) -> None:
        assert list(app.conf.accept_content) == ["json"]
        assert app.conf.task_serializer == "json"


class TestDoors:
    @pytest.mark.parametrize("module", ["config.wsgi", "config.asgi"])
    def test_are_callable(self, module: str) -> None:
        assert callable(import_module(module).application)


class TestSignsOfLife:
    def test_of_the_worker_come_with_its_heartbeat(self) -> None:
        cache.delete("health:worker")
        heartbeat_sent.send(sender=None)
        seen = pulse.heartbeats()["worker"]
        assert seen is not None
        assert datetime.now(UTC) - seen < SOON
        assert pulse.main("worker") == 0

    def test_of_beat_come_with_every_tick(self, quiet: Celery, tmp_path: Path) -> None:
        cache.delete("health:beat")
        scheduler = beat.Scheduler(app=quiet)
        assert 0 <= scheduler.tick() <= pulse.LIFETIME
        scheduler.close()
        assert pulse.heartbeats()["beat"] is not None
        assert any((tmp_path / "beat").iterdir())

    def test_that_cannot_be_left_stop_nobody(self, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/1"}
        }
        pulse.note("beat")
        assert "No heartbeat of beat could be left in Redis" in caplog.text
