"""The command loads a folder or a provider, tells what came of each series, and may be run again."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from marketdata.models import Bar, CorporateAction, Instrument, Quote, Tick
from marketdata.selectors.providers import Choice
from marketdata.services.instruments import follow
from marketdata.services.sources import set_sources
from tests.factories import make_instrument, unique_symbol
from tests.marketdata.adapters.test_alpaca import bar, dividend, quote, trade
from tests.marketdata.adapters.vendors import KEY, SECRET, AlpacaServer, serving

HEADINGS = "date,open,high,low,close,volume"
LINES = [f"2024-01-{day:02},10,11,9,10.5,100" for day in range(2, 12)]


def load(*arguments, **options):
    """Run the command and return what it said and whether it failed."""
    out, err = StringIO(), StringIO()
    try:
        call_command("load_prices", *arguments, stdout=out, stderr=err, **options)
    except CommandError as error:
        return out.getvalue() + err.getvalue(), str(error)
    return out.getvalue() + err.getvalue(), ""


def file_of(folder, symbol, *lines, timeframe="1d"):
    (folder / f"{symbol}_{timeframe}.csv").write_text("\n".join(lines))


def test_a_folder_is_loaded_and_known_the_second_time(tmp_path):
    instrument = make_instrument()
    file_of(tmp_path, instrument.symbol, HEADINGS, *LINES)
    said, failure = load(str(tmp_path))
    assert f"{instrument.key} 1d: 10 stored" in said
    assert failure == ""
    assert "0 stored, 10 known" in load(str(tmp_path))[0]
    assert Bar.objects.filter(instrument=instrument).count() == 10


def test_bad_lines_are_told_by_number_and_the_others_go_in(tmp_path):
    instrument = make_instrument()
    file_of(tmp_path, instrument.symbol, HEADINGS, LINES[0], "2024-01-03,oops,11,9,10,1", LINES[2])
    said, failure = load(str(tmp_path))
    assert "line 3: open 'oops' refused, not_a_number" in said
    assert "2 stored, 1 refused" in said
    assert failure == ""


def test_an_unknown_instrument_is_passed_over_unless_it_may_be_created(tmp_path):
    symbol = unique_symbol()
    file_of(tmp_path, symbol, HEADINGS, *LINES)
    assert f"No instrument is called {symbol}" in load(str(tmp_path))[0]
    said, _ = load(str(tmp_path), "--create", "--exchange", "XTST", "--currency", "EUR")
    assert f"{symbol}:XTST 1d: 10 stored" in said
    assert Instrument.objects.get(symbol=symbol).currency == "EUR"
    assert "10 stored" not in load(str(tmp_path), "--create", "--exchange", "xtst")[0]


def test_a_crypto_pair_gets_its_slash_back(tmp_path):
    pair = unique_symbol("C")[:10]
    file_of(tmp_path, f"{pair}-USD", HEADINGS, *LINES)
    said, _ = load(str(tmp_path), "--create", "--exchange", "CRYPTO", "--asset-class", "CRYPTO")
    assert f"{pair}/USD:CRYPTO 1d: 10 stored" in said


def test_only_what_is_asked_for_is_loaded(tmp_path):
    wanted, other = make_instrument(), make_instrument()
    for instrument in (wanted, other):
        file_of(tmp_path, instrument.symbol, HEADINGS, *LINES)
    file_of(tmp_path, wanted.symbol, HEADINGS, *LINES, timeframe="1h")
    said, _ = load(str(tmp_path), "--instrument", wanted.key, "--timeframe", "1d")
    assert wanted.key in said
    assert other.key not in said
    assert "1h" not in said


def test_figures_are_corrected_where_that_is_asked_for(tmp_path):
    instrument = make_instrument()
    file_of(tmp_path, instrument.symbol, HEADINGS, *LINES)
    load(str(tmp_path))
    file_of(tmp_path, instrument.symbol, HEADINGS, LINES[0].replace("10.5", "10.6"))
    assert "conflicting_bar" in load(str(tmp_path))[0]
    assert "1 corrected" in load(str(tmp_path), "--correct")[0]


def test_a_file_that_makes_no_sense_fails_the_command_after_the_others(tmp_path):
    good, bad = make_instrument(), make_instrument()
    file_of(tmp_path, bad.symbol, "no,such,columns")
    file_of(tmp_path, good.symbol, HEADINGS, *LINES)
    said, failure = load(str(tmp_path))
    assert "no column for" in said
    assert f"{good.key} 1d: 10 stored" in said
    assert failure == "1 series could not be read to their end."


def test_the_sample_is_loaded_like_any_other_source():
    said, failure = load("--provider", "sample", "--create", "--instrument", "GOOG:XNAS", "--until", "2013-01-01")
    assert failure == ""
    assert "GOOG:XNAS 1d:" in said
    assert (
        Bar.objects.filter(
            instrument__symbol="GOOG", instrument__exchange="XNAS", timeframe="1d", timestamp__year__lt=2013
        ).count()
        == 2107
    )
    assert "0 stored, 2,107 known" in load("--provider", "sample", "--instrument", "GOOG:XNAS", "--until", "2013-01-01")[0]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "either a folder or a provider"),
        (["folder", "--provider", "sample"], "either a folder or a provider"),
        (["/no/such/folder"], "no folder"),
        (["--provider", "nobody"], "No provider is named nobody"),
        (["--provider", "files"], "lists no instruments"),
        (["--provider", "sample", "--instrument", "aapl"], "capital letters"),
        (["--provider", "sample", "--dataset", "quotes"], "--since 2"),
        (["--provider", "sample", "--dataset", "ticks", "--since", "2024-01-02", "--timeframe", "1d"], "--timeframe is for bars"),
        (["--provider", "sample", "--since", "2024-01-02", "--until", "2024-01-02"], "earlier than --until"),
        (["--provider", "sample", "--since", "yesterday"], "'yesterday' is no day or time; write 2024-01-02"),
        (["--provider", "sample", "--followed", "--instrument", "GOOG:XNAS"], "without --instrument"),
        ([".", "--dataset", "quotes"], "Name the instruments"),
        ([".", "--instrument", "NOBODY:XTST"], "No instrument is called NOBODY"),
        ([".", "--dataset", "actions", "--instrument", "NOBODY:XTST"], "No instrument is called NOBODY"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, why):
    assert why in load(*arguments)[1]


class TestPeriods:
    @pytest.fixture
    def vendor(self, settings):
        settings.PROVIDER_HOSTS = ["127.0.0.1"]
        with serving(AlpacaServer()) as server:
            options = {"key_id": KEY, "secret_key": SECRET, "url": server.url, "trading_url": server.url, "per_minute": 6_000}
            settings.MARKETDATA_PROVIDERS = {"vendor": {"class": "marketdata.adapters.alpaca.AlpacaProvider", **options}}
            yield server

    @pytest.fixture
    def instrument(self):
        return make_instrument(exchange="XNAS")

    def test_quotes_and_trades_of_one_are_loaded_once(self, vendor, instrument):
        vendor.lists = {
            "quotes": {instrument.symbol: [quote(second) for second in range(10)]},
            "trades": {instrument.symbol: [trade(second) for second in range(10)]},
        }
        period = ["--provider", "vendor", "--since", "2024-01-02T14:30:02Z", "--until", "2024-01-02T14:30:05"]
        for dataset in ("quotes", "ticks"):
            said, failure = load(*period, "--dataset", dataset, "--instrument", instrument.key)
            assert (f"{instrument.key} {dataset}: 3 stored\n" in said, failure) == (True, ""), said
            assert "0 stored, 3 known" in load(*period, "--dataset", dataset, "--instrument", instrument.key)[0]
        assert Quote.objects.filter(instrument=instrument).count() == Tick.objects.filter(instrument=instrument).count() == 3

    def test_actions_come_from_all_time_and_what_has_no_place_is_told(self, vendor, instrument):
        symbol = instrument.symbol
        vendor.actions = {
            "cash_dividends": [dividend("02-09", symbol=symbol)],
            "rights_distributions": [{"source_symbol": symbol, "ex_date": "2024-03-02", "process_date": "2024-03-02"}],
        }
        said, failure = load("--provider", "vendor", "--dataset", "actions", "--instrument", instrument.key)
        assert f"{instrument.key} actions: 1 stored\n" in said
        assert f"passed over: {instrument.key}: rights distributions of 2024-03-02: there is no kind of action" in said
        assert failure == ""
        assert CorporateAction.objects.get(instrument=instrument).kind == "CASH_DIVIDEND"

    def test_bars_may_be_those_of_a_period_and_of_the_symbol_that_the_source_has(self, vendor, instrument):
        set_sources(instrument=instrument, sources=[Choice("vendor", "ELSE")])
        days = [bar(f"2024-01-{day:02}T05:00:00Z", "10") for day in range(2, 6)]
        vendor.lists = {"bars": {"ELSE": days}}
        period = ["--since", "2024-01-03", "--until", "2024-01-05"]
        assert "1d: 2 stored" in load("--provider", "vendor", "--instrument", instrument.key, *period)[0]

    def test_what_is_followed_is_loaded_without_being_named(self, vendor, instrument):
        follow(instrument_ids=[instrument.pk], at=datetime(2024, 1, 1, tzinfo=UTC))
        said, _ = load("--provider", "vendor", "--followed", "--dataset", "actions")
        assert f"{instrument.key} actions: 0 stored" in said

    def test_a_source_that_has_no_such_rows_says_so(self):
        said, failure = load("--provider", "sample", "--dataset", "actions", "--instrument", make_instrument().key)
        assert "sample has no corporate actions" in said
        assert failure == "1 series could not be read to their end."

    def test_quotes_of_a_folder_are_loaded_for_those_that_are_named(self, tmp_path):
        instrument = make_instrument()
        (tmp_path / f"{instrument.symbol}_quotes.csv").write_text("time,bid,ask\n2024-01-02T14:30:00Z,10,10.1\n")
        said, failure = load(str(tmp_path), "--dataset", "quotes", "--instrument", instrument.key)
        assert (f"{instrument.key} quotes: 1 stored" in said, failure) == (True, "")
