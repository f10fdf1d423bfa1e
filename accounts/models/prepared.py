"""Questions that are asked all day: each connection has the database read and plan them once."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.utils import CursorWrapper


@contextmanager
def prepared() -> Iterator[CursorWrapper]:
    """Lend a cursor whose questions are prepared, unless `DATABASE_PREPARES` is off; values go beside the question.

    It is for questions whose texts are few and never change.
    """
    own = connections[DEFAULT_DB_ALIAS]  # looked for once: `connection` looks for it with every word
    with own.cursor() as cursor:
        line = own.connection
        if line.prepare_threshold is not None:
            cursor.cursor = psycopg.Cursor(line)
        yield cursor
