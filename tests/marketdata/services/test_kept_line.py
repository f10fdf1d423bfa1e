"""A line to Redis stays open, belongs to one thread of one process, and opens anew where it was lost."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.exceptions import RedisError, ResponseError

from marketdata.services.kept_line import KeptLine
from tests.caches import NOWHERE, stub, valkey

PATIENCE = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def line(server):
    return KeptLine(server.url, **PATIENCE)


def test_is_one_for_all_that_a_thread_asks(line):
    assert line.ask("CLIENT", "ID") == line.ask("CLIENT", "ID")


def test_is_another_for_each_thread(line):
    with ThreadPoolExecutor(1) as other:
        assert other.submit(line.ask, "CLIENT", "ID").result() != line.ask("CLIENT", "ID")


def test_is_there_however_many_threads_have_come_and_gone(line):
    for _ in range(120):
        with ThreadPoolExecutor(1) as other:
            assert other.submit(line.ask, "PING").result() == b"PONG"


def test_is_another_in_a_process_that_was_forked(line):
    own = line.ask("CLIENT", "ID")
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writing, str(line.ask("CLIENT", "ID")).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert int(os.read(reading, 20)) != own
    assert line.ask("CLIENT", "ID") == own


def test_opens_anew_where_it_was_closed_from_the_other_end(server, line):
    own = line.ask("CLIENT", "ID")
    with redis.Redis.from_url(server.url) as other:
        other.client_kill_filter(_id=own)
    assert line.ask("CLIENT", "ID") != own


def test_is_as_before_after_a_refusal(line):
    own = line.ask("CLIENT", "ID")
    with pytest.raises(ResponseError):
        line.ask("EVAL", "nonsense", 0)
    assert line.ask("CLIENT", "ID") == own


def test_says_so_if_nobody_is_there():
    with pytest.raises(RedisError):
        KeptLine(NOWHERE, **PATIENCE).ask("PING")


def test_waits_no_longer_than_it_has_patience_and_asks_once():
    with stub() as silent:
        with pytest.raises(RedisError):
            KeptLine(silent, **PATIENCE).ask("PING")
        assert silent.asked == 1


def test_answers_nothing_that_was_asked_before_by_somebody_who_was_interrupted(line, monkeypatch):
    class TimeOver(BaseException):
        """A worker's time is over."""

    def interrupted(*_):
        raise TimeOver

    line.ask("PING")
    with monkeypatch.context() as moment:
        moment.setattr(redis.Connection, "read_response", interrupted)
        with pytest.raises(TimeOver):
            line.ask("ECHO", "late")
    assert line.ask("ECHO", "next") == b"next"


def test_never_takes_a_late_answer_for_that_of_the_next_question(server, line):
    with pytest.raises(RedisError):
        line.ask("BLPOP", f"nothing-{os.getpid()}", 1)
    assert line.ask("PING") == b"PONG"
