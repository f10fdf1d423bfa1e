"""The worker of `config.celery`, except that its processes die of SIGKILL at chance steps of an order's way."""

import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init

from config.celery import app

__all__ = ["app"]

COMPARED = 5.0  # seconds between two comparisons with the broker, in the middle of all: none may find a difference
FIRST = 0.3  # how likely one dies at a step at which nobody has died yet: so that it comes to all of them

app.conf.beat_schedule["reconcile with brokers"] |= {"schedule": COMPARED}
_chance = random.Random()
_doing = {"task": ""}


def die_at_times(step: str) -> None:
    """Die, as often as was asked for, and note the step before, with what was to be done."""
    if step in {"claimed", "looked"}:
        _doing["task"] = ""
    step, log = f"{_doing['task']}{step}", Path(os.environ["CHAOS_LOG"])
    seen = log.read_text().split() if log.exists() else []
    likely = float(os.environ["CHAOS_CRASH"]) if step in seen else FIRST
    if _chance.random() < likely and not Path(os.environ["CHAOS_OVER"]).exists():
        with log.open("a") as deaths:
            deaths.write(f"{step}\n")
        os.kill(os.getpid(), signal.SIGKILL)


@worker_process_init.connect
def arm(**_signal: Any) -> None:
    """Let the tasks of this process tell their steps, and what each is about."""
    from trading.services import looking, reconciliation, sending, syncing  # noqa: PLC0415  # the apps are ready by now

    begin = sending._begin

    def noted(*asked: Any) -> Any:
        job = begin(*asked)
        _doing["task"] = f"{job.task.name.lower()}:" if job is not None else ""
        return job

    reconcile = reconciliation.reconcile_watched

    def counted(*asked: Any, **more: Any) -> Any:
        done = reconcile(*asked, **more)
        with Path(os.environ["CHAOS_COMPARED"]).open("a") as comparisons:
            comparisons.write("1\n")
        return done

    reconciliation.reconcile_watched = counted
    _chance.seed(f"{os.environ['CHAOS_SEED']}:{os.getpid()}:{time.time_ns()}")
    sending._begin = noted
    sending.send_orders = partial(sending.send_orders, on_step=die_at_times)
    syncing.look_at = partial(looking.look_at, on_step=die_at_times)  # type: ignore[attr-defined]
