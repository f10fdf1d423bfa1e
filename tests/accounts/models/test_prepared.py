"""Questions that are prepared, and that are not where the site says so."""

import pytest
from django.db import connection, transaction

from accounts.models.prepared import prepared


@pytest.fixture
def prepares(request):
    """Let the connection prepare, or not, as a site's setting does."""
    connection.ensure_connection()
    before, connection.connection.prepare_threshold = connection.connection.prepare_threshold, request.param
    yield
    connection.connection.prepare_threshold = before


@pytest.mark.parametrize(("prepares", "kept"), [(0, 1), (None, 0)], indirect=["prepares"])
def test_a_question_is_read_once_by_each_connection_if_it_may_be(prepares, kept):
    question = f"SELECT %s::integer + {kept + 40_000}"
    with transaction.atomic():
        for number in (1, 2):
            with prepared() as cursor:
                cursor.execute(question, [number])
                assert cursor.fetchone() == (number + kept + 40_000,)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", [f"%{kept + 40_000}"])
            assert cursor.fetchone() == (kept,)
