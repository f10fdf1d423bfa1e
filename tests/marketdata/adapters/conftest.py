"""What the tests of sources share."""

import pytest

from tests.marketdata.adapters.vendors import Clock


@pytest.fixture
def clock() -> Clock:
    """Return a clock that only waiting moves on."""
    return Clock()


@pytest.fixture
def loopback(settings):
    """Let this machine be asked."""
    settings.PROVIDER_HOSTS = ["127.0.0.1"]
