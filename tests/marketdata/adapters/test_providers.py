"""The promises that all providers keep, and what is peculiar to each."""

import sys
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from marketdata.adapters import provider_named, providers, sample
from marketdata.adapters.base import Page, ProviderFailed
from marketdata.adapters.files import FolderProvider
from marketdata.adapters.sample import SampleProvider
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing
from tests.contracts.price_provider import EVER, PriceProviderContract
from tests.marketdata.adapters.fake import FakeProvider

DAYS = [f"2024-01-{day:02}" for day in range(2, 16)]
HEADINGS = "Date,Open,High,Low,Close,Adj Close,Volume"
BODY = [f"{day},10,11,9,10.5,5.25,1000" for day in DAYS]


def rows(provider, listing, timeframe=Timeframe.DAY):
    return [row for page in provider.bars(listing, timeframe, *EVER) for row in page.rows]


class TestFake(PriceProviderContract):
    @pytest.fixture
    def provider(self):
        return FakeProvider(known=["Z"])

    @pytest.fixture
    def listing(self):
        return Listing("Z", "XTST")


class TestSample(PriceProviderContract):
    @pytest.fixture
    def provider(self):
        return SampleProvider()

    @pytest.fixture(params=["AAPL:XNAS", "GOOG:XNAS", "IBM:XNYS", "MSFT:XNAS"])
    def listing(self, request):
        return Listing(*request.param.split(":"))

    def test_it_has_thirteen_years_of_prices_as_they_were_paid(self, provider):
        found = {row["timestamp"]: row for row in rows(provider, Listing("AAPL", "XNAS"))}
        assert (min(found), max(found)) == ("2000-03-01", "2013-03-01")
        assert found["2000-06-20"]["close"] == "101.25"
        assert Decimal(found["2000-06-21"]["close"]) < 60  # two for one, and not adjusted for it

    def test_another_exchange_is_another_instrument(self, provider):
        assert not provider.covers(Listing("AAPL", "XETR"), Timeframe.DAY)
        assert not provider.covers(Listing("AAPL", "XNAS"), Timeframe.HOUR)

    def test_without_its_package_it_has_nothing_and_says_so(self, provider, monkeypatch):
        monkeypatch.setattr(sample, "PACKAGE", "no_such_package")
        assert list(provider.listings()) == []
        with pytest.raises(ProviderFailed, match="no_such_package"):
            rows(provider, Listing("AAPL", "XNAS"))

    def test_it_brings_no_pandas_along(self, provider):
        assert rows(provider, Listing("IBM", "XNYS"))
        assert "bokeh_sampledata" not in sys.modules


class TestFolder(PriceProviderContract):
    @pytest.fixture
    def provider(self, tmp_path):
        (tmp_path / "Z_1d.csv").write_text("\n".join([HEADINGS, *BODY]))
        return FolderProvider(folder=tmp_path)

    @pytest.fixture
    def listing(self):
        return Listing("Z", "XTST")


class TestFolderBackwards(TestFolder):
    """Many sites hand out the newest day first."""

    @pytest.fixture
    def provider(self, tmp_path):
        (tmp_path / "Z_1d.csv").write_text("\n".join([HEADINGS, *reversed(BODY)]))
        return FolderProvider(folder=tmp_path)


class TestFolderFiles:
    def folder(self, tmp_path, name="Z_1d.csv", *lines, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
        return FolderProvider(folder=tmp_path, **options)

    @pytest.mark.parametrize(
        ("headings", "line"),
        [
            ("timestamp,open,high,low,close,volume", "2024-01-02,1,2,0.5,1.5,9"),
            ("\ufeffDATE;O;H;L;C;V", "2024-01-02;1;2;0.5;1.5;9"),
            ("Open Time\tOpen\tHigh\tLow\tClose\tVol", "1704153600000\t1\t2\t0.5\t1.5\t9"),
            ("close,VOLUME,low,high,open, date ", " 1.5 ,9,0.5,2,1,2024-01-02 00:00:00-05:00"),
            ('"Date","Close/Last","Volume","Open","High","Low"', '"2024-01-02","1.5","9","1","2","0.5"'),
            ("date,open,high,low,close,volume", "2024-01-02T00:00:00Z,1.0E0,2.,5e-1,1.50000000000000001,9"),
        ],
    )
    def test_headings_are_read_tolerantly(self, tmp_path, headings, line):
        provider = self.folder(tmp_path, "Z_1d.csv", headings, line, "")
        found = {"timestamp": "2024-01-02", "open": "1", "high": "2", "low": "0.5", "close": "1.5", "volume": "9"}
        assert rows(provider, Listing("Z", "XTST")) == [found]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("2024-01-02 15:00", "2024-01-02T15:00+00:00"),
            ("2024-01-02T15:00:00-05:00", "2024-01-02T15:00:00-05:00"),
            ("1704207600", "2024-01-02T15:00:00+00:00"),
            ("2024-01-02", "2024-01-02T00:00+00:00"),
            ("01/02/2024", "01/02/2024"),
        ],
    )
    def test_times_without_an_offset_are_utc(self, tmp_path, text, told):
        provider = self.folder(tmp_path, "Z_1h.csv", "time,open,high,low,close", f"{text},1,1,1,1")
        assert rows(provider, Listing("Z", "XTST"), Timeframe.HOUR)[0]["timestamp"] == told

    def test_a_line_that_cannot_be_read_comes_along_with_its_number(self, tmp_path):
        provider = self.folder(
            tmp_path, "Z_1d.csv", HEADINGS, BODY[0], "2024-01-03,10", '2024-01-04,"10', "", BODY[1].replace("10.5", "n/a")
        )
        (page,) = provider.bars(Listing("Z", "XTST"), Timeframe.DAY, *EVER)
        assert "2024-01-03,10" in page.rows
        assert page.line_of(page.rows.index("2024-01-03,10")) == 3
        assert Page(()).line_of(0) is None

    def test_a_slash_is_a_hyphen_in_a_file_name(self, tmp_path):
        provider = self.folder(tmp_path, "BTC-USD_1d.csv", HEADINGS, *BODY)
        assert provider.covers(Listing("BTC/USD", "CRYPTO"), Timeframe.DAY)
        assert len(rows(provider, Listing("BTC/USD", "CRYPTO"))) == len(BODY)

    def test_a_folder_named_like_an_exchange_is_for_it_alone(self, tmp_path):
        self.folder(tmp_path, "Z_1d.csv", HEADINGS, BODY[0])
        provider = self.folder(tmp_path, "XETR/Z_1d.csv", HEADINGS, BODY[1], BODY[2], exchange="XNAS")
        assert [len(rows(provider, Listing("Z", exchange))) for exchange in ("XNAS", "XETR")] == [1, 2]
        assert not provider.covers(Listing("Z", "XLON"), Timeframe.DAY)
        assert [found[1:] for found in provider.files()] == [("Z", "XETR", "1d"), ("Z", "XNAS", "1d")]

    def test_files_with_other_names_are_passed_over(self, tmp_path):
        for name in ("notes.csv", "z_1d.csv", "Z_1w.csv", "Z_1d.csv.bak", "\uff3a_1d.csv"):
            provider = self.folder(tmp_path, name, HEADINGS)
        assert list(provider.files()) == []

    @pytest.mark.parametrize("text", ["", "\n\n", "date,open\n2024-01-02,1", "\x00\x01\x02", "a" * 200_000])
    def test_a_file_without_the_columns_fails_as_a_whole(self, tmp_path, text):
        provider = self.folder(tmp_path, "Z_1d.csv", text)
        with pytest.raises(ProviderFailed, match="column"):
            rows(provider, Listing("Z", "XTST"))

    def test_bytes_that_are_no_text_are_refused_line_by_line(self, tmp_path):
        (tmp_path / "Z_1d.csv").write_bytes("\n".join([HEADINGS, BODY[0]]).encode() + b"\n\xff\xfe\x00,1\n" + BODY[1].encode())
        provider = FolderProvider(folder=tmp_path)
        assert len([row for row in rows(provider, Listing("Z", "XTST")) if isinstance(row, dict)]) == 2

    def test_a_file_that_cannot_be_opened_fails(self, tmp_path):
        provider = self.folder(tmp_path, "Z_1d.csv", HEADINGS, *BODY)
        pages = provider.bars(Listing("Z", "XTST"), Timeframe.DAY, *EVER)
        (tmp_path / "Z_1d.csv").unlink()
        with pytest.raises(ProviderFailed):
            next(pages)

    def test_a_long_file_comes_in_pages(self, tmp_path):
        lines = [f"{1_600_000_000 + 60 * number},1,1,1,1" for number in range(12_000)]
        provider = self.folder(tmp_path, "Z_1m.csv", "time,open,high,low,close", *lines)
        pages = list(provider.bars(Listing("Z", "XTST"), Timeframe.MINUTE, *EVER))
        assert [len(page.rows) for page in pages] == [5000, 5000, 2000]
        assert pages[1].line_of(0) == 5002


class TestRegistry:
    def test_settings_name_the_providers(self, settings, tmp_path):
        settings.MARKETDATA_PROVIDERS = {
            "one": {"class": "marketdata.adapters.sample.SampleProvider"},
            "two": {"class": "marketdata.adapters.files.FolderProvider", "folder": str(tmp_path)},
        }
        assert [provider.name for provider in providers()] == ["one", "two"]
        assert provider_named("two").folder == tmp_path
        with pytest.raises(LookupError, match="one, two"):
            provider_named("three")

    @pytest.mark.parametrize(
        "options",
        [{}, {"class": "no.such.Provider"}, {"class": "marketdata.adapters.files.FolderProvider"}, {"class": "nodots"}],
    )
    def test_what_makes_no_provider_is_refused_by_name(self, settings, options):
        settings.MARKETDATA_PROVIDERS = {"odd": options}
        with pytest.raises(ImproperlyConfigured, match="odd"):
            provider_named("odd")

    def test_those_of_the_house_are_there(self):
        assert [provider.name for provider in providers()] == ["sample", "files", "ecb"]
