"""Somebody leaves with their account as a ZIP and arrives elsewhere: every figure is what it was."""

import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime

import pytest

from accounts.adapters.bundles import BundleReader
from accounts.models.tenancy import acting_as
from accounts.selectors.bundles import write_bundle
from accounts.services.bundles import bring_in
from marketdata.models import Bar, CorporateAction, FxHistory, FxRate, PriceHistory
from tests.factories import make_user, unique_symbol
from tests.journeys.test_backup import ROOT, URLS, at, copy, manage
from tests.portfolio.rich import Rich, figures, kinds_in, same

NOW = datetime.now(UTC)  # after all rates that are known, which other tests refresh: those of tomorrow would be refused
__all__ = ["copy"]


@pytest.fixture(scope="module")
def rich() -> Rich:
    return Rich()


def zipped(rich: Rich) -> io.BytesIO:
    return zipped_by(rich.owner, rich.account)


def forget_market(rich: Rich) -> None:
    """Make the installation one that knows none of it: other names for what is here, and no prices and rates."""
    for one in rich.instruments:
        one.symbol, one.isin = unique_symbol("Q"), ""
        one.save()
    CorporateAction.objects.using("owner").filter(instrument__in=rich.instruments).delete()
    for model in (Bar, PriceHistory):
        model.objects.using("owner").filter(instrument__in=rich.instruments).delete()
    for model in (FxRate, FxHistory):
        model.objects.using("owner").filter(quote__in=(rich.base, rich.foreign)).delete()


def test_everything_happens_in_it(rich):
    assert kinds_in(rich.account) == set()


@pytest.mark.slow
def test_an_empty_installation_tells_every_figure_it_had(rich, copy, tmp_path):
    before, path = figures(rich.owner, rich.account), tmp_path / "rich.zip"
    path.write_bytes(zipped(rich).getvalue())
    made = manage(["migrate", "--verbosity", "0"], copy)
    assert made.returncode == 0, made.stderr
    there = os.environ | {variable: at(variable, copy) for variable in URLS}
    command = [sys.executable, "-m", "tests.journeys.elsewhere", str(path)]
    arrived = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    assert arrived.returncode == 0, arrived.stderr
    assert ", 0 posted," in arrived.stderr  # the second time
    assert [json.loads(json.dumps(before))] == json.loads(arrived.stdout)
    proved = manage(["verify_ledger"], copy)
    assert (proved.returncode, "every chain holds" in proved.stdout) == (0, True), proved.stdout + proved.stderr


def test_where_all_is_known_nothing_is_written_down_twice(rich):
    before, file, newcomer = figures(rich.owner, rich.account), zipped(rich), make_user("newcomer")
    with acting_as(newcomer.pk):
        brought = bring_in(reader=BundleReader(file), actor=newcomer, at=NOW, with_market=False)
    assert [one["code"] for one in brought.remarks] == ["prices_left_out", "members"]
    assert figures(newcomer, brought.account) == before


def test_an_account_arrives_with_every_figure_it_had():
    rich = Rich()  # of its own, for its market is forgotten
    before, file = figures(rich.owner, rich.account), zipped(rich)
    newcomer = make_user("newcomer")
    forget_market(rich)

    with acting_as(newcomer.pk):
        brought = bring_in(reader=BundleReader(file), actor=newcomer, at=NOW, with_market=True)

    assert brought.created
    assert (brought.posted, brought.known) == (brought.entries, 0)
    assert [one["code"] for one in brought.remarks] == ["instruments_created", "members"]
    assert figures(newcomer, brought.account) == before
    assert decided(zipped_by(newcomer, brought.account)) == decided(file)


def zipped_by(user, account) -> io.BytesIO:
    file = io.BytesIO()
    with acting_as(user.pk):
        write_bundle(account=account, user=user, file=file, at=NOW)
    return file


def decided(file: io.BytesIO) -> dict[str, object]:
    """Return what a ZIP tells of entries and decisions, without whose they are."""
    with zipfile.ZipFile(file) as archive:
        told = {name: archive.read(name) for name in archive.namelist() if name not in {"manifest.json", "records.csv"}}
    settings = json.loads(told.pop("account.json"))
    settings["jobs"] = [one for one in settings["jobs"] if one["kind"] == "SNAPSHOT"]  # tests open accounts without the others
    traded = [same(json.loads(line)) for line in told.pop("trading.jsonl").splitlines()]
    return told | {"traded": traded, "settings": {name: value for name, value in settings.items() if name != "members"}}
