"""The pages of whole accounts that come as a ZIP: brought, followed and told of; nobody sees another's."""

import io
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Account, AccountImport
from accounts.models.tenancy import acting_as
from accounts.selectors.bundles import write_bundle
from accounts.services.bundle_queue import work_on
from tests.admin.world import looks, to
from tests.factories import make_account, make_user, post

NOW = datetime(2026, 2, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def content() -> bytes:
    owner = make_user("alice")
    account, file = make_account(owner=owner, name="Tiny"), io.BytesIO()
    post(account, "DEPOSIT", cash="1000")
    with acting_as(owner.pk):
        write_bundle(account=account, user=owner, file=file, at=NOW)
    return file.getvalue()


@pytest.fixture
def newcomer():
    return make_user("newcomer")


@pytest.fixture
def client(newcomer):
    return looks(newcomer)


def send(client, content, **fields):
    """Bring a ZIP."""
    return client.post(to(AccountImport, "add"), {"file": SimpleUploadedFile("tiny.zip", content)} | fields)


def brought(client, newcomer, content, **fields) -> AccountImport:
    """Bring a ZIP, and return its row."""
    answer = send(client, content, **fields)
    assert answer.status_code == 302, answer.context["form"].errors
    with acting_as(newcomer.pk):
        return AccountImport.objects.get(user=newcomer)


def test_a_zip_is_brought_followed_and_becomes_an_account(client, newcomer, content):
    made = brought(client, newcomer, content, name="Mine")
    page = to(AccountImport, "change", made.pk)
    assert "Waits for a worker" in client.get(page).content.decode()
    progress = client.get(to(AccountImport, "progress", made.pk), headers={"HX-Request": "true"})
    assert b"0 of 1 entries" in progress.content
    work_on(import_id=made.pk, clock=lambda: NOW)
    assert client.get(to(AccountImport, "progress", made.pk), headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    with acting_as(newcomer.pk):
        (account,) = Account.objects.visible_to(newcomer)
    shown = client.get(page).content.decode()
    assert account.name == "Mine"
    assert to(Account, "change", account.pk) in shown
    assert "1 entry: 1 was posted, 0 were here before." in shown
    assert "prices" not in shown  # it has none
    assert "tiny.zip" in client.get(to(AccountImport, "changelist")).content.decode()


def test_what_is_no_such_zip_is_refused_at_its_field(client):
    answer = send(client, b"hello")
    assert answer.status_code == 200
    assert "The file is no ZIP." in answer.content.decode()


def test_what_is_wrong_inside_is_told_on_its_page(client, newcomer, content):
    at = content.index(b"entries.csv") + 60
    made = brought(client, newcomer, content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
    work_on(import_id=made.pk, clock=lambda: NOW)
    shown = client.get(to(AccountImport, "change", made.pk)).content.decode()
    assert "Nothing was taken." in shown
    assert "Look at the account" not in shown


def test_one_that_is_too_large_is_led_to_the_command(client, content, monkeypatch):
    monkeypatch.setattr("accounts.admin.bundles.MAX_BYTES", 100)
    assert "import_account" in send(client, content).content.decode()


def test_nobody_sees_anothers(client, newcomer, content):
    made, stranger = brought(client, newcomer, content), looks(make_user("charlie"))
    assert stranger.get(to(AccountImport, "change", made.pk)).status_code == 302
    assert stranger.get(to(AccountImport, "progress", made.pk)).status_code == 404
    assert "tiny.zip" not in stranger.get(to(AccountImport, "changelist")).content.decode()


def test_a_page_is_only_looked_at(client, newcomer, content):
    made = brought(client, newcomer, content)
    assert client.post(to(AccountImport, "change", made.pk), {}).status_code == 403


def test_the_accounts_lead_there(client):
    way = "/admin/accounts/account/bring-in/"
    assert way in client.get(to(Account, "changelist")).content.decode()
    assert client.get(way)["Location"] == to(AccountImport, "add")
