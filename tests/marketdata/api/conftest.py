"""Who calls: nobody, a user, staff, and a program with a token."""

from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient

from accounts.models.tenancy import acting_as
from accounts.services.tokens import issue_token
from tests.factories import make_user


def logged_in(user):
    """Return a browser in which somebody is logged in."""
    client = APIClient()
    client.force_login(user)
    return client


def with_token(user, *scopes):
    """Return a program that calls with a token."""
    with acting_as(user.pk):
        issued = issue_token(user=user, name="test", scopes=scopes, at=datetime.now(UTC))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.secret}")
    return client


@pytest.fixture
def nobody():
    return APIClient()


@pytest.fixture
def reader():
    return logged_in(make_user("reader"))


@pytest.fixture
def staff():
    return logged_in(make_user("staff", is_staff=True))
