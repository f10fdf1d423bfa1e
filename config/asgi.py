"""The door of the site and the API for an ASGI server, and of what is streamed over WebSockets."""

import os
from typing import Any

from django.core.asgi import get_asgi_application
from django.utils.module_loading import import_string

from config import embedded
from config.bodies import bounded_async

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
site = bounded_async(get_asgi_application())
sockets = import_string("trading.api.alpaca.stream.socket")  # after the site has been set up


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer a request, or serve a WebSocket."""
    await (sockets if scope["type"] == "websocket" else site)(scope, receive, send)
