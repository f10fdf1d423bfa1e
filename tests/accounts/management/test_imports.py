"""The commands bring a file in and take it out as the member they are given by, and tell by their exit code what came of it."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.domain.roles import Role
from accounts.models import ImportBatch
from accounts.models.tenancy import acting_as
from tests.accounts.event_logs import event, log_of
from tests.factories import make_account, make_user, share, unique_symbol

DEPOSIT = event(1, "DEPOSIT", {"amount": 5})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes(log_of(DEPOSIT))
    return path


def run(command, *arguments, account, user, **options) -> tuple[int, str, str]:
    """Run a command and return its exit code, what it printed and what it complained of."""
    out, err = StringIO(), StringIO()
    try:
        call_command(command, *map(str, arguments), account=str(account), email=user.email, stdout=out, stderr=err, **options)
    except CommandError as error:
        return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
    return 0, out.getvalue(), err.getvalue()


class TestImport:
    def test_posts_the_lines_and_says_so(self, account, alice, file):
        code, out, _ = run("import_ledger", file, account=account.pk, user=alice)
        assert (code, out) == (0, "1 lines of event_log, 1 posted, 0 known before, 0 refused.\n")

    def test_finds_the_account_by_its_name(self, alice, file):
        make_account(owner=alice, name="Growth")
        assert run("import_ledger", file, account="Growth", user=alice)[0] == 0

    def test_names_the_lines_that_were_refused_and_leaves_with_one(self, account, alice, file):
        file.write_bytes(log_of(DEPOSIT, event(2, "TRAED")))
        code, out, err = run("import_ledger", file, account=account.pk, user=alice)
        assert (code, "1 posted" in out) == (1, True)
        assert err.startswith("line 3: unknown_event_type: ")
        assert err.endswith("1 of 2 lines were refused.")

    def test_writes_nothing_in_a_dry_run(self, account, alice, file):
        code, out, _ = run("import_ledger", file, account=account.pk, user=alice, dry_run=True)
        assert (code, out.startswith("Dry run, nothing was written: 1 lines")) == (0, True)
        with acting_as(alice.pk):
            assert not ImportBatch.objects.filter(account=account).exists()

    def test_says_how_naive_times_were_read(self, account, alice, file):
        file.write_bytes(log_of(DEPOSIT | {"timestamp": "2024-01-02 15:00:00"}))
        out = run("import_ledger", file, account=account.pk, user=alice, time_zone="Europe/Paris")[1]
        assert out.startswith("1 times without an offset were read as Europe/Paris.\n")

    def test_writes_instruments_down_where_that_is_asked_for(self, account, alice, file):
        file.write_bytes(log_of(event(1, "BUY", {"ticker": unique_symbol("Q"), "shares": 1, "price": 2})))
        assert run("import_ledger", file, account=account.pk, user=alice)[0] == 1
        assert run("import_ledger", file, account=account.pk, user=alice, create_instruments="XTST")[0] == 0

    def test_takes_a_trader(self, account, bob, file):
        assert run("import_ledger", file, account=account.pk, user=bob)[0] == 2
        assert run("import_ledger", file, account=account.pk, user=share(account, make_user("tom"), Role.TRADER))[0] == 0

    @pytest.mark.parametrize("content", [None, b"", b"a,b\n"])
    def test_leaves_with_two_where_there_is_nothing_to_read(self, account, alice, file, content):
        file.unlink() if content is None else file.write_bytes(content)
        assert run("import_ledger", file, account=account.pk, user=alice)[0] == 2

    def test_leaves_with_two_where_the_account_or_the_person_is_not_there(self, account, alice, charlie, file):
        code, _, err = run("import_ledger", file, account=account.pk, user=charlie)
        assert (code, err) == (2, f"{charlie.email} has no account '{account.pk}'; there are Main.")
        make_account(owner=alice, name="Main")
        assert "several accounts of that name" in run("import_ledger", file, account="Main", user=alice)[2]
        alice.email = "nobody@example.com"
        assert run("import_ledger", file, account=account.pk, user=alice)[0] == 2

    def test_gives_a_sign_of_life(self, account, alice, file, monkeypatch):
        monkeypatch.setattr("accounts.management.commands.import_ledger.PATIENCE", 0)
        assert "1 lines ..." in run("import_ledger", file, account=account.pk, user=alice)[2]


class TestExport:
    def test_prints_what_comes_in_again(self, account, alice, file, tmp_path):
        run("import_ledger", file, account=account.pk, user=alice)
        code, printed, _ = run("export_ledger", account=account.pk, user=alice)
        path = tmp_path / "out.csv"
        assert (code, run("export_ledger", account=account.pk, user=alice, output=path)[0]) == (0, 0)
        assert path.read_text() == printed
        other = make_account(owner=alice)
        run("import_ledger", path, account=other.pk, user=alice)
        assert run("export_ledger", account=other.pk, user=alice)[1] == printed

    def test_takes_a_viewer_and_no_stranger(self, account, bob, charlie):
        assert run("export_ledger", account=account.pk, user=bob)[0] == 0
        assert run("export_ledger", account=account.pk, user=charlie)[0] == 2

    def test_leaves_a_file_as_it_was_where_it_cannot_be_written(self, account, alice, tmp_path, monkeypatch):
        assert run("export_ledger", account=account.pk, user=alice, output=tmp_path / "none" / "out.csv")[0] == 2
        path = tmp_path / "out.csv"
        path.write_text("before")
        monkeypatch.setattr("accounts.selectors.exports.event_csv.row", lambda line: 1 / 0)
        run("import_ledger", _log(tmp_path), account=account.pk, user=alice)
        with pytest.raises(ZeroDivisionError):
            run("export_ledger", account=account.pk, user=alice, output=path)
        assert (path.read_text(), sorted(file.name for file in tmp_path.iterdir())) == ("before", ["in.csv", "out.csv"])


def _log(folder):
    path = folder / "in.csv"
    path.write_bytes(log_of(DEPOSIT))
    return path
