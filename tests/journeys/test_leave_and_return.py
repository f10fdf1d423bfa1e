"""Somebody leaves with their account as a ZIP and arrives elsewhere: every figure is what it was."""

import io
from datetime import UTC, datetime

import pytest

from accounts.adapters.bundles import BundleReader
from accounts.models.tenancy import acting_as
from accounts.selectors.bundles import write_bundle
from accounts.services.bundles import bring_in
from marketdata.models import Bar, CorporateAction, FxHistory, FxRate, PriceHistory
from tests.factories import make_user, unique_symbol
from tests.portfolio.rich import Rich, figures, kinds_in

NOW = datetime(2026, 2, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def rich() -> Rich:
    return Rich()


def zipped(rich: Rich) -> io.BytesIO:
    file = io.BytesIO()
    with acting_as(rich.owner.pk):
        write_bundle(account=rich.account, user=rich.owner, file=file, at=NOW)
    return file


def forget_market(rich: Rich) -> None:
    """Make the installation one that knows none of it: other names for what is here, and no prices and rates."""
    for one in rich.instruments:
        one.symbol, one.isin = unique_symbol("Q"), ""
        one.save()
    CorporateAction.objects.using("owner").filter(instrument__in=rich.instruments).delete()
    for model in (Bar, PriceHistory):
        model.objects.using("owner").filter(instrument__in=rich.instruments).delete()
    for model in (FxRate, FxHistory):
        model.objects.using("owner").filter(quote=rich.base).delete()


def test_everything_happens_in_it(rich):
    assert kinds_in(rich.account) == set()


def test_an_account_arrives_with_every_figure_it_had(rich):
    before, file = figures(rich.owner, rich.account), zipped(rich)
    newcomer = make_user("newcomer")
    forget_market(rich)

    with acting_as(newcomer.pk):
        brought = bring_in(reader=BundleReader(file), actor=newcomer, at=NOW, with_market=True)

    assert brought.created
    assert (brought.posted, brought.known) == (brought.entries, 0)
    assert [one["code"] for one in brought.remarks] == ["instruments_created", "members"]
    assert figures(newcomer, brought.account) == before
