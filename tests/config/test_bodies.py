"""A body larger than any may be is refused before it has arrived."""

import asyncio
import json
from typing import Any

import pytest

from config.bodies import MOST, bounded, bounded_async

MOST_HERE = 10


def ask(path: str, pieces: list[bytes], *, announced: int | None = None) -> tuple[list[dict[str, Any]], int]:
    """Send a body in pieces, and return what was answered and how many of them were asked for."""
    waiting, answered = list(pieces), []
    headers = [] if announced is None else [(b"content-length", str(announced).encode())]

    async def site(scope, receive, send):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def receive():
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message):
        answered.append(message)

    asyncio.run(bounded_async(site, MOST_HERE)({"type": "http", "path": path, "headers": headers}, receive, send))
    return answered, len(pieces) - len(waiting)


def test_what_fits_passes():
    answered, asked = ask("/admin/", [b"12345", b"67890"], announced=10)
    assert (answered[0]["status"], asked) == (200, 2)


def test_one_that_says_so_is_not_asked_for():
    answered, asked = ask("/admin/", [b"x" * 20], announced=20)
    assert (answered[0]["status"], asked) == (413, 0)
    assert b"MB" in answered[1]["body"]


@pytest.mark.parametrize("announced", [None, 5], ids=["not announced", "less announced"])
def test_one_that_does_not_is_cut_where_it_is_too_long(announced):
    answered, asked = ask("/admin/", [b"123456"] * 9, announced=announced)
    assert ([one.get("status") for one in answered], asked) == ([413, None], 2)


def test_a_program_is_told_by_a_problem():
    answered, _ = ask("/api/v1/accounts/", [b""], announced=11)
    problem = json.loads(answered[1]["body"])
    assert (problem["status"], problem["code"], problem["errors"]) == (413, "too_large", [])
    assert dict(answered[0]["headers"])[b"content-type"] == b"application/problem+json"


def test_every_file_that_is_taken_fits():
    assert MOST > 50 * 1024**2


@pytest.mark.parametrize(("length", "status"), [("10", 200), ("11", 413), ("", 200), ("x", 200), (None, 200)])
def test_the_other_door_goes_by_what_is_announced(length, status):
    begun = []

    def site(environ, start):
        start("200 OK", [])
        return [b"ok"]

    body = bounded(site, MOST_HERE)({"CONTENT_LENGTH": length, "PATH_INFO": "/admin/"}, lambda said, _: begun.append(said))
    assert begun[0].startswith(str(status))
    assert (b"MB" in b"".join(body)) is (status == 413)
