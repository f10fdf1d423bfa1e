"""What is run in another, empty installation: bring an account in by command, and print its figures."""

# The settings must be read before any model is imported.
# ruff: noqa: E402
import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command
from django.test.utils import setup_test_environment

from accounts.models import Account, User
from accounts.models.tenancy import acting_as
from tests.portfolio.rich import figures


def arrive(path: str) -> None:
    """Bring an account in twice, and print every figure that follows from it."""
    setup_test_environment()
    newcomer = User.objects.create_user("newcomer@example.com", "correct horse battery")
    for _ in range(2):
        call_command("import_account", path, "--as", newcomer.email, stdout=sys.stderr)
    with acting_as(newcomer.pk):
        accounts = list(Account.objects.all())
    print(json.dumps([figures(newcomer, account) for account in accounts]))  # noqa: T201


if __name__ == "__main__":
    arrive(sys.argv[1])
