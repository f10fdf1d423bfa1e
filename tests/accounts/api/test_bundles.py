"""A whole account taken out and brought in by REST, by command and in admin."""

import io
import zipfile
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.adapters.bundles import BundleReader
from accounts.domain.bundles import MANIFEST, MORE, PARTS
from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.bundle_queue import work_on
from tests.clients import browser, program
from tests.factories import make_user, post

NOW = datetime(2026, 2, 2, tzinfo=UTC)
ZIP = {"HTTP_ACCEPT": "application/zip"}


@pytest.fixture
def content(account, alice) -> bytes:
    post(account, "DEPOSIT", cash="1000")
    post(account, "WITHDRAWAL", cash="-5")
    answer = browser(alice).get(f"/api/v1/accounts/{account.pk}/export/", **ZIP)
    assert answer.headers["Content-Type"] == "application/zip"
    assert "main-account.zip" in answer.headers["Content-Disposition"]
    return answer.getvalue()


def test_its_owner_gets_all_of_it(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert set(archive.namelist()) == {MANIFEST, *PARTS, *MORE}
    reader = BundleReader(io.BytesIO(content))
    reader.verify()
    assert reader.manifest.entries == 2


def test_who_only_looks_gets_the_log_alone(account, bob):
    answer = browser(bob).get(f"/api/v1/accounts/{account.pk}/export/", **ZIP)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
    assert browser(bob).get(f"/api/v1/accounts/{account.pk}/export/").status_code == 200


@pytest.mark.parametrize("name", ["ghostfolio", "portfolio-performance", "beancount"])
def test_other_programs_get_their_files(account, bob, content, name):
    answer = browser(bob).get(f"/api/v1/accounts/{account.pk}/export/{name}/")
    assert answer.status_code == 200
    assert b"1000" in answer.getvalue() or name == "ghostfolio"
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_worker_makes_it_an_account(content):
    newcomer = make_user("newcomer")
    client = program(newcomer)
    form = {"file": SimpleUploadedFile("mine.zip", content), "name": "Brought"}
    answer = client.post("/api/v1/account-imports/", form, format="multipart")
    assert answer.status_code == 202
    told = answer.json()
    assert (told["status"], told["entries"], told["account"]) == ("WAITING", 2, None)
    work_on(import_id=told["id"], clock=lambda: NOW)
    told = client.get(f"/api/v1/account-imports/{told['id']}/").json()
    assert (told["status"], told["posted"], told["progress"], told["refused"]) == ("POSTED", 2, 2, [])
    assert client.get(f"/api/v1/accounts/{told['account']}/").json()["name"] == "Brought"
    assert [one["id"] for one in client.get("/api/v1/account-imports/").json()["results"]] == [told["id"]]


@pytest.mark.parametrize(
    ("file", "code"), [(b"hello", "broken_zip"), (b"PK\x03\x04" + bytes(100), "broken_zip")], ids=["text", "torn"]
)
def test_what_is_none_is_refused(alice, file, code):
    form = {"file": SimpleUploadedFile("mine.zip", file)}
    answer = browser(alice).post("/api/v1/account-imports/", form, format="multipart")
    assert answer.status_code == 400
    assert [one["code"] for one in answer.json()["errors"]] == [code]


class TestCommands:
    def test_they_take_an_account_from_here_to_there(self, account, alice, tmp_path, capsys):
        post(account, "DEPOSIT", cash="1000")
        path, newcomer = tmp_path / "mine.zip", make_user("newcomer")
        call_command("export_account", account=str(account.pk), email=alice.email, output=path)
        for told in ("1 posted, 0 known before", "0 posted, 1 known before"):
            call_command("import_account", str(path), "--as", newcomer.email, "--name", "Mine")
            assert told in capsys.readouterr().out
        with acting_as(newcomer.pk):
            brought = Account.objects.get(name="Mine", owner=newcomer)
            assert LedgerEntry.objects.filter(account=brought).count() == 1

    def test_a_file_that_is_none_leaves_nothing(self, alice, tmp_path):
        path = tmp_path / "mine.zip"
        path.write_bytes(b"hello")
        with pytest.raises(CommandError, match="no ZIP"):
            call_command("import_account", str(path), "--as", alice.email)
        with pytest.raises(CommandError, match="can't be read"):
            call_command("import_account", str(tmp_path / "none.zip"), "--as", alice.email)
        with pytest.raises(CommandError, match="Nobody"):
            call_command("import_account", str(path), "--as", "nobody@example.com")

    def test_only_an_owner_takes_it_out(self, account, bob, tmp_path):
        with pytest.raises(CommandError, match="OWNER"):
            call_command("export_account", account=str(account.pk), email=bob.email, output=tmp_path / "a.zip")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("form", ["event_log", "ghostfolio", "portfolio_performance"])
    def test_the_ledger_is_written_for_other_programs(self, account, alice, tmp_path, form):
        post(account, "DEPOSIT", cash="1000")
        call_command("export_ledger", account=str(account.pk), email=alice.email, output=tmp_path / "a", format=form)
        assert (tmp_path / "a").stat().st_size > 100

    def test_a_file_of_beancount_is_written(self, account, alice, tmp_path, capsys):
        post(account, "DEPOSIT", cash="1000")
        call_command("export_beancount", account=str(account.pk), email=alice.email, output=tmp_path / "a.beancount")
        call_command("export_beancount", account=str(account.pk), email=alice.email)
        assert (tmp_path / "a.beancount").read_text() == capsys.readouterr().out
        assert "Assets:Cash  1000.00 USD" in (tmp_path / "a.beancount").read_text()


class TestAdmin:
    def test_the_page_of_an_account_leads_to_its_files(self, account, alice):
        page = browser(alice).get(reverse("admin:accounts_account_change", args=[account.pk])).content.decode()
        assert "Take it along" in page
        for name in ("export", "export-ghostfolio", "export-portfolio-performance", "export-beancount"):
            assert reverse(name, kwargs={"account_id": account.pk}) in page

    def test_its_owner_takes_it_along(self, account, alice, bob):
        address = reverse("admin:accounts_account_take_along", args=[account.pk])
        answer = browser(alice).get(address)
        assert answer.headers["Content-Type"] == "application/zip"
        BundleReader(io.BytesIO(answer.getvalue())).verify()
        assert browser(bob).get(address).status_code == 403
