"""Files come in and go out by command: folders at once, each line that is not taken named, and nothing done by halves."""

import gzip
import json
import zipfile
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument
from tests.trading.factories import make_change, make_decision, make_order
from tests.trading.journals import ALERT, BREACH, DECISION, lines, still_open, trade
from trading.models import Decision, DecisionChange, Order


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Keep archives in a folder of the test's own."""
    settings.ATTACHMENTS = tmp_path / "attachments"


@pytest.fixture
def run(account):
    """Return a way to give a command as the account's owner."""

    def give(command: str, *args, to=account, **options) -> str:
        out = StringIO()
        who = {"account": str(to.pk), "email": to.owner.email}
        call_command(command, *map(str, args), **who, **options, stdout=out, stderr=out)
        return out.getvalue()

    return give


def rows(account, model):
    with acting_as(account.owner_id):
        return list(model.objects.filter(account=account))


class TestJournal:
    def test_goes_from_one_account_into_another(self, run, account, alice, tmp_path):
        symbol, source = make_instrument().symbol, tmp_path / "logs"
        source.mkdir()
        (source / "2024-05-06.jsonl").write_bytes(lines(trade(symbol)))
        (source / "2024-05-07.jsonl.gz").write_bytes(gzip.compress(lines(still_open(symbol, order_id="b"))))
        (source / "performance-alerts.jsonl").write_bytes(lines(ALERT))
        (source / "risk-management.jsonl").write_bytes(lines(BREACH))
        (source / "notes.txt").write_text("not looked at")
        assert run("import_journal", source).count(" 1 new, 0 known before, 0 refused.") == 4
        run("export_journal", output=tmp_path / "out")
        run("export_journal", output=tmp_path / "daily", daily=True, gzip=True)
        assert sorted(path.name for path in (tmp_path / "daily").iterdir()) == [
            "2024-05-06.jsonl.gz",
            "performance-alerts.jsonl.gz",
            "risk-management.jsonl.gz",
        ]
        other = make_account(owner=alice)
        run("import_journal", tmp_path / "daily", to=other)
        run("export_journal", to=other, output=tmp_path / "again")
        for name in ("trades", "performance-alerts", "risk-management"):
            one, two = ((tmp_path / folder / f"{name}.jsonl").read_text() for folder in ("out", "again"))
            assert one.replace(str(account.pk), str(other.pk)) == two

    def test_names_each_line_that_is_not_taken(self, run, account, tmp_path):
        (tmp_path / "trades.jsonl").write_bytes(lines({"x": 1}, trade(make_instrument().symbol)))
        out = StringIO()
        with pytest.raises(CommandError) as refused:
            call_command("import_journal", tmp_path, account=str(account.pk), email=account.owner.email, stdout=out, stderr=out)
        assert refused.value.returncode == 1
        assert "trades.jsonl line 1: invalid: " in out.getvalue()
        assert len(rows(account, Order)) == 2

    def test_that_can_not_be_read_changes_nothing(self, run, account, tmp_path):
        (tmp_path / "2024-05-06.jsonl").write_bytes(lines(trade(make_instrument().symbol)))
        (tmp_path / "2024-05-07.jsonl.gz").write_bytes(gzip.compress(b"x" * 99)[:-9])
        for paths in ([tmp_path], [tmp_path / "nowhere.jsonl"], [tmp_path / "empty"]):
            (tmp_path / "empty").mkdir(exist_ok=True)
            with pytest.raises(CommandError) as refused:
                run("import_journal", *paths)
            assert refused.value.returncode == 2
        assert rows(account, Order) == []

    def test_can_be_tried(self, run, account, tmp_path):
        (tmp_path / "trades.jsonl").write_bytes(lines(trade(make_instrument().symbol)))
        assert "Dry run, nothing was written: trades.jsonl: 1 lines" in run("import_journal", tmp_path, dry_run=True)
        assert rows(account, Order) == []


class TestDecisions:
    def test_go_out_and_come_back(self, run, account, tmp_path):
        symbol = make_instrument().symbol
        (tmp_path / "2024-05-06_d-1.json").write_bytes(lines(DECISION | {"asset_pair": symbol}))
        run("import_decisions", tmp_path)
        run("export_decisions", output=tmp_path / "out")
        assert json.loads((tmp_path / "out" / "2024-05-06_d-1.json").read_text()) == DECISION | {"asset_pair": symbol}
        assert " 0 new, 1 known before" in run("import_decisions", tmp_path / "out")

    def test_are_cleaned_up_with_an_archive_of_them_and_their_history(self, run, account, tmp_path):
        gone, kept = (make_decision(account, make_instrument()) for _ in range(2))
        make_change(gone)
        make_order(account, kept.instrument, decision=kept)
        assert "1 decisions are put away in " in run("clean_up_decisions", days=30, archive=tmp_path / "old.zip")
        assert [one.pk for one in rows(account, Decision)] == [kept.pk]
        assert rows(account, DecisionChange) == []
        with zipfile.ZipFile(tmp_path / "old.zip") as archive:
            [name] = archive.namelist()
            held = json.loads(archive.read(name))
        assert (held["id"], held["history"][0]["changes"]) == (str(gone.pk), {"confidence": ["0.8", "0.9"]})
        run("export_decisions", output=tmp_path / "gone", archived=True)
        assert json.loads((tmp_path / "gone" / name).read_text()) == held
        assert " 1 new" in run("import_decisions", tmp_path / "old.zip")
        with pytest.raises(CommandError):
            run("clean_up_decisions", archive=tmp_path / "old.zip")
