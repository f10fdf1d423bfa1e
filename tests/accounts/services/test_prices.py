"""An account's refresh fetches the prices of what it holds and of what its people watch, and of nothing else."""

from datetime import UTC, datetime

from accounts.models import Watchlist
from accounts.models.tenancy import acting_as
from accounts.services.prices import refresh_account
from marketdata.models import Bar
from tests.factories import LONG_AGO, make_instrument, post, unique_symbol

CSV = "timestamp,open,high,low,close,volume\n2024-01-02,10,11,9,10.5,100\n2024-01-03,10.5,12,10,11.25,100\n"


def test_held_and_watched_instruments_are_refreshed_and_no_others(settings, tmp_path, account, bob):
    settings.MARKETDATA_PROVIDERS = {"files": {"class": "marketdata.adapters.files.FolderProvider", "folder": str(tmp_path)}}
    held, watched, neither = (make_instrument(symbol=unique_symbol()) for _ in range(3))
    for instrument in (held, watched, neither):
        (tmp_path / f"{instrument.symbol}_1d.csv").write_text(CSV)
    post(account, "BUY", instrument=held, quantity=1, price=10)
    with acting_as(bob.pk):
        Watchlist.objects.create(user=bob, name="Ideas", created_at=LONG_AGO).instruments.add(watched)

    told = refresh_account(account_id=account.pk, at=datetime(2024, 1, 10, tzinfo=UTC))

    assert told.startswith("4 bars stored")
    counts = {i.pk: Bar.objects.filter(instrument=i).count() for i in (held, watched, neither)}
    assert counts == {held.pk: 2, watched.pk: 2, neither.pk: 0}
    assert refresh_account(account_id=account.pk, at=datetime(2024, 1, 10, 1, tzinfo=UTC)).startswith("0 bars stored")
