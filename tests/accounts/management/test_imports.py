"""The commands bring a file in and take it out as the member they are given by, and tell by their exit code what came of it."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.domain.roles import Role
from accounts.models import ImportBatch
from accounts.models.tenancy import acting_as
from accounts.services.import_templates import save_template
from tests.accounts import flex
from tests.accounts.event_logs import event, log_of
from tests.accounts.kept_files import bought, deposits, schwab
from tests.factories import make_account, make_instrument, make_user, share, unique_symbol

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
        told, undo, *_ = out.split("\n")
        assert (code, told) == (0, "1 lines of event_log, 1 posted, 0 known before, 0 refused.")
        assert undo.startswith("It is taken back by undo_import ")

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
        assert (code, out) == (
            0,
            "USD: 0 before, 5 after.\nDry run, nothing was written: 1 lines of event_log, 1 posted, 0 known before, 0 refused.\n",
        )
        with acting_as(alice.pk):
            assert not ImportBatch.objects.filter(account=account).exists()

    def test_reads_any_table_by_a_mapping_or_a_template(self, account, alice, file, tmp_path):
        file.write_text("Datum;Betrag;Art\n13.01.2024;1.000,50;Einzahlung\n14.01.2024;-2,50;Spesen\n")
        code, out, _ = run("import_ledger", file, account=account.pk, user=alice, guess=True)
        mapping = json.loads(out)
        assert (code, mapping["delimiter"], mapping["number_format"]) == (0, ";", "1.234,56")
        mapping["kinds"]["Spesen"] = "FEE"
        (written := tmp_path / "mapping.json").write_text(json.dumps(mapping))
        code, out, _ = run("import_ledger", file, account=account.pk, user=alice, mapping=written)
        assert (code, "2 lines of mapped_csv, 2 posted" in out) == (0, True)
        with acting_as(alice.pk):
            save_template(user=alice, name="Bank", mapping=mapping, headings=[], at=datetime(2026, 1, 1, tzinfo=UTC))
        assert "2 known before" in run("import_ledger", file, account=account.pk, user=alice, template="Bank")[1]
        assert run("import_ledger", file, account=account.pk, user=alice, template="Banc")[2].endswith("there are Bank.")
        written.write_text("{")
        assert run("import_ledger", file, account=account.pk, user=alice, mapping=written)[0] == 2
        assert run("import_ledger", file, account=account.pk, user=alice, mapping=tmp_path / "none")[0] == 2

    def test_writes_the_refused_lines_down(self, account, alice, file, tmp_path):
        file.write_bytes(schwab(*deposits(1), "04/06/2024,Moon Landing,,?,,,,$1.00"))
        left = tmp_path / "refused.csv"
        assert run("import_ledger", file, account=account.pk, user=alice, refused=left)[0] == 1
        assert left.read_bytes() == schwab("04/06/2024,Moon Landing,,?,,,,$1.00")

    def test_leaves_with_one_where_a_question_is_open(self, account, alice, file):
        symbol = unique_symbol()
        for exchange in ("XETR", "XFRA"):
            make_instrument(symbol=symbol, exchange=exchange, currency="USD")
        file.write_bytes(schwab(bought(symbol)))
        code, _, err = run("import_ledger", file, account=account.pk, user=alice)
        assert (code, err.startswith("line 2: question: "), err.endswith("their lines wait.")) == (1, True, True)

    def test_compares_with_the_closing_balances(self, account, alice, file):
        file.write_text(flex.flex(flex.new_trade(), '<CashReportCurrency accountId="U7" currency="USD" endingCash="-201"/>'))
        out = run("import_ledger", file, account=account.pk, user=alice, dry_run=True)[1]
        assert "USD on 2024-12-31: -201 by the statement, -201 by the ledger: they agree." in out

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


class TestUndo:
    def imported(self, account, alice, file) -> str:
        return run("import_ledger", file, account=account.pk, user=alice)[1].split()[-1].rstrip(".")

    def test_takes_an_import_back(self, account, alice, file):
        batch = self.imported(account, alice, file)
        code, out, _ = run("undo_import", batch, account=account.pk, user=alice, because="Wrong file")
        assert (code, out) == (0, "The import of events.csv was undone by 1 reversals.\n")
        code, _, err = run("undo_import", batch, account=account.pk, user=alice)
        assert (code, err) == (2, "The import was undone before.")

    def test_takes_back_nothing_of_somebody_else(self, account, alice, bob, charlie, file):
        batch = self.imported(account, alice, file)
        theirs = make_account(owner=charlie)
        assert run("undo_import", batch, account=theirs.pk, user=charlie)[0] == 2
        assert run("undo_import", batch, account=account.pk, user=bob)[0] == 2
