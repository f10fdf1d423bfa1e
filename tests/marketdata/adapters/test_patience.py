"""A source is given its time and no more, and what it raises comes out by one name."""

import threading
import time

import pytest

from marketdata.adapters.base import ProviderFailed, ProviderStalled
from marketdata.adapters.patience import in_time


def test_what_is_in_time_comes_in_order():
    assert list(in_time(lambda: range(50), 5)) == list(range(50))


def test_what_a_source_raises_comes_out_as_a_failure():
    def produce():
        yield 1
        raise KeyError("price")

    items = in_time(produce, 5)
    assert next(items) == 1
    with pytest.raises(ProviderFailed, match="KeyError: 'price'"):
        next(items)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_not_even_an_exit_ends_the_run(error):
    def produce():
        raise error

    with pytest.raises(ProviderFailed, match=type(error).__name__):
        list(in_time(produce, 5))


def test_a_source_that_hangs_is_given_up():
    let_go = threading.Event()
    started = time.monotonic()
    with pytest.raises(ProviderStalled, match="seconds"):
        list(in_time(lambda: iter(let_go.wait, None), 0.2))
    assert time.monotonic() - started < 5
    let_go.set()


def test_a_source_that_is_not_waited_for_any_more_ends():
    ended = threading.Event()

    def produce():
        try:
            yield from range(1000)
        finally:
            ended.set()

    items = in_time(produce, 5)
    assert next(items) == 0
    items.close()
    assert ended.wait(10)
