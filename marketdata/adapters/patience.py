"""Wait for a source, but not for ever."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from marketdata.adapters.base import ProviderAway, ProviderFailed, ProviderStalled

Item = TypeVar("Item")

LOOK_UP_SECONDS = 0.2
END = object()


def in_time(produce: Callable[[], Iterable[Item]], seconds: float) -> Iterator[Item]:
    """Yield what a source produces, giving it so many seconds for every item.

    It runs in a thread of its own, one item ahead. A thread can't be ended from outside: one that hangs is left behind and
    ends with the process; one that comes back finds that nobody waits and ends.

    :raises ProviderStalled: if an item is not there in time
    :raises ProviderFailed: if the source raises, whatever that was; ProviderAway, if it did not mean to
    """
    box: queue.Queue[Any] = queue.Queue(maxsize=1)
    given_up = threading.Event()

    def work() -> None:
        try:
            for item in produce():
                if not _hand_over(box, item, given_up):
                    return
            _hand_over(box, END, given_up)
        except ProviderFailed as failure:
            _hand_over(box, _Raised(failure), given_up)
        except BaseException as error:
            _hand_over(box, _Raised(ProviderAway(f"{type(error).__name__}: {error}")), given_up)

    threading.Thread(target=work, name="provider", daemon=True).start()
    try:
        while (item := _next(box, seconds)) is not END:
            yield item
    finally:
        given_up.set()


class _Raised:
    """An exception on its way to the thread that waits."""

    def __init__(self, failure: ProviderFailed) -> None:
        self.failure = failure


def _hand_over(box: queue.Queue[Any], item: object, given_up: threading.Event) -> bool:
    """Put an item where the waiting thread takes it, and say whether anybody still waits."""
    while not given_up.is_set():
        try:
            box.put(item, timeout=LOOK_UP_SECONDS)
        except queue.Full:
            continue
        return True
    return False


def _next(box: queue.Queue[Any], seconds: float) -> Any:
    """Return the next item."""
    try:
        item = box.get(timeout=seconds)
    except queue.Empty:
        raise ProviderStalled(f"No answer within {seconds:g} seconds.") from None
    if isinstance(item, _Raised):
        raise item.failure
    return item
