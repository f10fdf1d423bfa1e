"""Files of quotes, trades, rates and Parquet keep the promises of all sources, whatever wrote them."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from marketdata.adapters.base import ProviderFailed
from marketdata.adapters.files import FolderProvider
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing
from marketdata.domain.quality import Dataset
from tests.contracts.price_provider import EVER, PriceProviderContract

Z = Listing("Z", "XTST")
START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
SECONDS = [START + timedelta(seconds=n) for n in range(15)]
DAYS = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(15)]


class Folder(PriceProviderContract):
    @pytest.fixture
    def listing(self):
        return Z

    @pytest.fixture
    def provider(self, tmp_path):
        self.write(tmp_path)
        return FolderProvider(folder=tmp_path)


class TestQuotes(Folder):
    dataset = Dataset.QUOTES

    def write(self, folder):
        lines = [f"{at.isoformat()},10.1,10.2,3,4" for at in SECONDS]
        (folder / "Z_quotes.csv").write_text("\n".join(["time,bid,ask,bid size,ask size", *lines]))


class TestTicks(Folder):
    dataset = Dataset.TICKS

    def write(self, folder):
        lines = [f"{int(at.timestamp() * 1_000)},10.{n:02},100,@ I" for n, at in enumerate(SECONDS)]
        (folder / "Z_ticks.csv").write_text("\n".join(["timestamp;price;size;conditions".replace(";", ","), *lines]))


class TestRates(Folder):
    dataset = Dataset.FX_RATES
    pair = ("MKD", "RSD")  # nobody else stores it

    def write(self, folder):
        (folder / "MKD-RSD_fx.csv").write_text("\n".join(["date,rate", *(f"{at:%Y-%m-%d},1.0932" for at in DAYS)]))


class TestParquet(Folder):
    """Floats with the noise of floats, backwards, and times with a zone that is not UTC."""

    def write(self, folder):
        prices = {name: [10.1 + 0.2] * 15 for name in ("Open", "High", "Low", "Close")}
        frame = pl.DataFrame({"timestamp": DAYS, **prices, "volume": [1_000] * 15, "other": ["x"] * 15}).reverse()
        frame.write_parquet(folder / "Z_1d.parquet")

    def test_noise_of_floats_is_rounded_away(self, provider):
        (row, *_) = self.rows(provider, Z)
        assert (row["close"], row["volume"], row["timestamp"]) == ("10.3", "1000", "2024-01-01")


class TestParquetOfAnIndex(Folder):
    """As pandas writes a DataFrame whose index has no zone."""

    timeframe = Timeframe.HOUR

    def write(self, folder):
        hours = [datetime(2024, 1, 2) + timedelta(hours=n) for n in range(15)]
        frame = pl.DataFrame({"__index_level_0__": hours, **{name: [1.5] * 15 for name in ("open", "high", "low", "close")}})
        frame.with_columns(pl.col("__index_level_0__").dt.cast_time_unit("ns")).write_parquet(folder / "Z_1h.parquet")


@pytest.mark.parametrize("content", [b"PAR1 rubbish", b""], ids=["rubbish", "empty"])
def test_what_is_no_parquet_is_a_failure(tmp_path, content):
    (tmp_path / "Z_1d.parquet").write_bytes(content)
    with pytest.raises(ProviderFailed, match="no Parquet file that can be read"):
        list(FolderProvider(folder=tmp_path).bars(Z, Timeframe.DAY, *EVER))


def test_parquet_without_its_columns_is_a_failure(tmp_path):
    pl.DataFrame({"timestamp": DAYS, "price": [1] * 15}).write_parquet(tmp_path / "Z_1d.parquet")
    with pytest.raises(ProviderFailed, match="no column for open"):
        list(FolderProvider(folder=tmp_path).bars(Z, Timeframe.DAY, *EVER))


def test_values_that_are_missing_come_along_to_be_refused(tmp_path):
    prices = {name: [1.5, None, float("nan")] for name in ("open", "high", "low", "close")}
    pl.DataFrame({"date": DAYS[:3], **prices}).write_parquet(tmp_path / "Z_1d.parquet")
    (page,) = FolderProvider(folder=tmp_path).bars(Z, Timeframe.DAY, *EVER)
    assert [row.get("close") for row in page.rows] == ["1.5", None, "nan"]
