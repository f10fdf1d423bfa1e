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


def die_at_times(step: str) -> None:
    """Die, as often as was asked for, and note the step before."""
    if _chance.random() < float(os.environ["CHAOS_CRASH"]) and not Path(os.environ["CHAOS_OVER"]).exists():
        with Path(os.environ["CHAOS_LOG"]).open("a") as log:
            log.write(f"{step}\n")
        os.kill(os.getpid(), signal.SIGKILL)


_chance = random.Random()


@worker_process_init.connect
def arm(**_signal: Any) -> None:
    """Let the tasks of this process tell their steps."""
    from trading.services import sending, syncing  # noqa: PLC0415  # the apps are ready by now

    _chance.seed(f"{os.environ['CHAOS_SEED']}:{os.getpid()}:{time.time_ns()}")
    sending.send_orders = partial(sending.send_orders, on_step=die_at_times)
    syncing.look_at = partial(sending.look_at, on_step=die_at_times)  # type: ignore[attr-defined]
