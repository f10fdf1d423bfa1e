"""Workers refresh what somebody follows, and take arguments of releases to come."""

from datetime import UTC, datetime

from marketdata.models import Bar, Instrument
from marketdata.selectors.providers import Choice
from marketdata.services.instruments import follow
from marketdata.services.sources import set_sources
from marketdata.tasks import fill_missing_bars, load_new_actions, refresh_instruments, refresh_sourced, refresh_watched
from tests.factories import make_instrument

LINES = "date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,1,1,1,1\n"


def with_files(settings, tmp_path, *instruments):
    for instrument in instruments:
        (tmp_path / f"{instrument.symbol}_1d.csv").write_text(LINES)
    settings.MARKETDATA_PROVIDERS = {"files": {"class": "marketdata.adapters.files.FolderProvider", "folder": str(tmp_path)}}


def count(instrument):
    return Bar.objects.filter(instrument=instrument).count()


def test_what_is_followed_is_refreshed_and_nothing_else(settings, tmp_path):
    followed, forgotten = make_instrument(), make_instrument()
    with_files(settings, tmp_path, followed, forgotten)
    follow(instrument_ids=[followed.pk], at=datetime(2024, 1, 1, tzinfo=UTC))
    for _ in range(2):
        refresh_watched(some_later_argument=1)
        assert (count(followed), count(forgotten)) == (2, 0)


def test_what_names_its_sources_is_kept_up_too(settings, tmp_path):
    followed, sourced, forgotten = make_instrument(), make_instrument(), make_instrument()
    with_files(settings, tmp_path, followed, sourced, forgotten)
    follow(instrument_ids=[followed.pk], at=datetime(2024, 1, 1, tzinfo=UTC))
    set_sources(instrument=sourced, sources=[Choice("files")])
    kept = set(Instrument.objects.kept_up().filter(pk__in=[followed.pk, sourced.pk, forgotten.pk]))
    assert kept == {followed, sourced}
    refresh_sourced(some_later_argument=1)
    assert (count(followed), count(sourced), count(forgotten)) == (0, 2, 0)


def test_the_night_looks_at_all_that_is_kept_up(settings, tmp_path, caplog):
    caplog.set_level("INFO")
    instrument = make_instrument()
    with_files(settings, tmp_path, instrument)
    set_sources(instrument=instrument, sources=[Choice("files")])
    load_new_actions(some_later_argument=1)
    fill_missing_bars(after=str(instrument.pk), some_later_argument=1)
    assert [record.message.partition(":")[0] for record in caplog.records if record.name == "marketdata.tasks"] == [
        "Actions",
        "Missing bars",
    ]


def test_single_instruments_are_refreshed_by_id(settings, tmp_path):
    wanted, inactive = make_instrument(), make_instrument(active=False)
    with_files(settings, tmp_path, wanted, inactive)
    refresh_instruments(instrument_ids=[str(wanted.pk), str(inactive.pk)], some_later_argument=1)
    assert (count(wanted), count(inactive)) == (2, 0)
