"""What every line of the log says beside its message. Imports nothing of ours: logging is set up before the apps are."""

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIdFilter(logging.Filter):
    """Writes the id of the request at hand into each record, so that one request's lines can be found together."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id and keep the record."""
        record.request_id = request_id.get()
        return True
