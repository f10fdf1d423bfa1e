"""The Celery application: a message only wakes a worker up, the row it finds is the truth."""

import logging
import os
import time
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask
from celery.schedules import crontab
from celery.signals import heartbeat_sent
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config import embedded, pulse

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

log = logging.getLogger(__name__)
SILENCE = 5  # seconds in which no message is sent after one could not be
VISIBILITY = 300  # seconds until Redis hands a message that was not acknowledged to another worker


class WakeUp(DjangoTask):
    """A task whose message may be lost: what it would do is found in the database anyway."""

    abstract = True

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send the message; if the broker is away, log that and carry on, and don't wait for it again at once."""
        if time.monotonic() < getattr(self.app, "silent_until", 0.0):
            return None
        try:
            return super().apply_async(*args, **kwargs)
        except (OperationalError, RedisError) as error:
            self.app.silent_until = time.monotonic() + SILENCE
            log.warning("No message for %s could be sent: %s", self.name, error)
            return None


app = Celery("bedrock", task_cls=WakeUp)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    timezone="UTC",
    # a worker that dies hands its message to the next one; a task that hangs is ended before Redis would run it twice
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    task_soft_time_limit=VISIBILITY - 60,
    task_time_limit=VISIBILITY - 30,
    broker_transport_options={
        "visibility_timeout": VISIBILITY,
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "retry_on_timeout": False,
    },
    # the worker waits for the broker for as long as it takes, a request does not
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
    worker_hijack_root_logger=False,
    beat_scheduler="config.beat:Scheduler",
    beat_max_loop_interval=5,
    beat_schedule={
        "claim due jobs": {"task": "accounts.tasks.claim_due_jobs", "schedule": 10.0, "options": {"expires": 10}},
        "post files that wait": {"task": "accounts.tasks.post_due_imports", "schedule": 15.0, "options": {"expires": 15}},
        "refresh watched prices": {"task": "marketdata.tasks.refresh_watched", "schedule": 3600.0},
        "refresh prices of instruments with sources": {
            "task": "marketdata.tasks.refresh_sourced",
            "schedule": crontab(hour=4, minute=0),
        },
        "fetch corporate actions": {"task": "marketdata.tasks.load_new_actions", "schedule": crontab(hour=4, minute=10)},
        "fill missing bars": {"task": "marketdata.tasks.fill_missing_bars", "schedule": crontab(hour=4, minute=40)},
        "refresh currency rates": {"task": "marketdata.tasks.refresh_rates", "schedule": 14_400.0},
        "rename and retire instruments": {"task": "marketdata.tasks.apply_due_actions", "schedule": 3600.0},
        "roll up bars": {"task": "marketdata.tasks.roll_up_pending", "schedule": 60.0, "options": {"expires": 60}},
        "warm quotes": {"task": "marketdata.tasks.warm_quotes", "schedule": 240.0, "options": {"expires": 240}},
        "roll finished days over": {"task": "marketdata.tasks.roll_over_finished", "schedule": 3600.0},
        "look at the archive": {"task": "marketdata.tasks.verify_oldest_segments", "schedule": 3600.0},
        "catch up accounts that lag": {"task": "portfolio.tasks.catch_up_lagging", "schedule": 60.0, "options": {"expires": 60}},
        "watch closed trades": {"task": "portfolio.tasks.watch_trades", "schedule": 900.0, "options": {"expires": 900}},
        "send orders": {"task": "trading.tasks.send_orders", "schedule": 2.0, "options": {"expires": 10}},
        "cancel as wished": {"task": "trading.tasks.cancel_as_wished", "schedule": 15.0, "options": {"expires": 15}},
        "look at brokers": {"task": "trading.tasks.look_at_brokers", "schedule": 5.0, "options": {"expires": 5}},
        "look for backtests": {"task": "trading.tasks.look_for_backtests", "schedule": 60.0, "options": {"expires": 60}},
        "look at sessions": {"task": "trading.tasks.look_at_sessions", "schedule": 30.0, "options": {"expires": 30}},
        "watch risk": {"task": "trading.tasks.watch_risk", "schedule": 60.0, "options": {"expires": 60}},
        "expire signals": {"task": "trading.tasks.expire_signals", "schedule": 60.0, "options": {"expires": 60}},
        "check data": {"task": "marketdata.tasks.check_data", "schedule": crontab(hour=3, minute=40)},
        "send mails": {"task": "accounts.tasks.send_mails", "schedule": 30.0, "options": {"expires": 30}},
        "deliver webhooks": {"task": "trading.tasks.deliver_webhooks", "schedule": 5.0, "options": {"expires": 5}},
        "forget deliveries": {"task": "trading.tasks.forget_deliveries", "schedule": 86400.0},
        "reconcile with brokers": {"task": "trading.tasks.reconcile_with_brokers", "schedule": crontab(minute=5)},
        "forget old answers": {"task": "accounts.tasks.forget_old_answers", "schedule": 86400.0},
    },
)
app.autodiscover_tasks()


@heartbeat_sent.connect
def show_life(**_signal: Any) -> None:
    """Leave the worker's sign of life, as often as Celery sends its own."""
    pulse.note("worker")
