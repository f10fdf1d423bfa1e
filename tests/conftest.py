"""The suite runs on real PostgreSQL and Redis, as the runtime roles; tests commit, and each makes its own people.

Nothing is rolled back or emptied between tests: three connections must see each other's rows, and the ledger refuses to be
truncated. Tenancy keeps tests apart as it keeps people apart.
"""

# The servers must be there before the settings are read, and the settings before any model is imported.
# ruff: noqa: E402
import os

from config import embedded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from urllib.parse import unquote, urlsplit

import pytest
from django.conf import settings
from django.core.cache import caches
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import Account, User
from marketdata.models import ArchiveSegment
from tests import factories

collect_ignore = ["marketdata/live_settings.py"]  # settings of processes that tests start, which change those they build on

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # people are made by the thousand here

settings.CHECK_POSITIONS_SECONDS = 1  # there are thousands of accounts, and the check is run many times

hypothesis_settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
hypothesis_settings.load_profile("suite")


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the test database as the owner and point all three connections at it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    run = os.environ.get("TEST_DATABASE", f"test_bedrock_{os.getppid() if worker else os.getpid()}")
    name = f"{run}_{worker}" if worker else run
    keep = request.config.getvalue("reuse_db") and not request.config.getvalue("create_db")
    archive = Path(settings.VAR) / "test-archives" / name  # as long-lived as the database that names its files
    if not keep:
        rmtree(archive, ignore_errors=True)
    settings.ARCHIVE_URL = os.environ["ARCHIVE_URL"] = archive.absolute().as_uri()  # for the processes that tests start, too
    owner = connections["owner"]
    owner.settings_dict["TEST"]["NAME"] = name
    with django_db_blocker.unblock():
        owner.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False, keepdb=keep)
        for connection in connections.all():
            connection.close()
            connection.settings_dict["NAME"] = name
            settings.DATABASES[connection.alias]["NAME"] = name
    settings.CACHES["default"]["KEY_PREFIX"] = name  # runs on other databases share the Redis
    caches["default"].key_prefix = name
    yield
    if not keep:
        with django_db_blocker.unblock():
            for connection in connections.all():
                _end_sessions(connection)
            owner.creation.destroy_test_db(name, verbosity=0)
        rmtree(archive, ignore_errors=True)


def _end_sessions(connection: BaseDatabaseWrapper) -> None:
    """Close a connection, and those that threads and drivers of the same login have left behind: a database in use stays."""
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = session_user AND pid <> pg_backend_pid()"
        )
    connection.close()


@pytest.fixture(scope="session", autouse=True)
def _database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module", autouse=True)
def _archive(_database: None) -> Iterator[None]:
    """Forget days that a module has archived where nobody else looks, or damaged: who asks for them would be told so."""
    root = settings.ARCHIVE_URL
    known = set(ArchiveSegment.objects.values_list("pk", flat=True))
    yield
    folder = Path(unquote(urlsplit(root).path))
    for segment in ArchiveSegment.objects.exclude(pk__in=known):
        file = folder / segment.file
        made_up = segment.day < factories.COMPUTERS
        if made_up or not file.is_file() or sha256(file.read_bytes()).hexdigest() != segment.sha256:
            segment.delete()
        if made_up:
            file.unlink(missing_ok=True)


@pytest.fixture
def alice() -> User:
    """Return Alice, who owns the account."""
    return factories.make_user("alice")


@pytest.fixture
def account(alice: User) -> Account:
    """Return Alice's account, in dollars."""
    return factories.make_account(owner=alice)


@pytest.fixture
def bob(account: Account) -> User:
    """Return Bob, who may look at Alice's account."""
    return factories.share(account, factories.make_user("bob"))


@pytest.fixture
def charlie() -> User:
    """Return Charlie, a stranger, who has an account of his own."""
    charlie = factories.make_user("charlie")
    factories.make_account(owner=charlie)
    return charlie
