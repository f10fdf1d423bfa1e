"""Bodies larger than any may be are refused before they are read: a form is taken apart before anybody asks who sends it."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

MOST = 64 * 1024**2  # the largest file that is taken, 50 MB, and a form around it
STATUS = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
DETAIL = f"The body has more than {MOST // 1024**2} MB: send less at a time."

Environ = dict[str, Any]
Start = Callable[..., Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Site = Callable[[Environ, Start], Iterable[bytes]]
AsyncSite = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


def bounded(site: Site, most: int = MOST) -> Site:
    """Return a WSGI application that takes no body of more than some bytes; one that is not announced is none to it."""

    def answer(environ: Environ, start: Start) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdigit() or int(length) <= most:
            return site(environ, start)
        kind, body = refusal(environ.get("PATH_INFO", ""))
        start(f"{STATUS.value} {STATUS.phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def bounded_async(site: AsyncSite, most: int = MOST) -> AsyncSite:
    """Return an ASGI application that takes no body of more than some bytes, announced or not."""

    async def answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            await refuse(scope, send)
            return
        came, begun = 0, False

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            return {"type": "http.disconnect"} if came > most else message

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        await site(scope, counted, sent)
        if came > most and not begun:  # the site left off where the line seemed to be cut
            await refuse(scope, send)

    return answer


async def refuse(scope: dict[str, Any], send: Send) -> None:
    """Answer that the body is too large."""
    kind, body = refusal(scope["path"])
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": STATUS.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal(path: str) -> tuple[str, bytes]:
    """Return what is answered, and of which type: to programs it is a problem."""
    if not path.startswith("/api/"):
        return "text/plain; charset=utf-8", DETAIL.encode()
    problem = {"type": "about:blank", "title": STATUS.phrase, "status": STATUS.value, "code": "too_large", "detail": DETAIL}
    return "application/problem+json", json.dumps(problem | {"errors": []}).encode()
