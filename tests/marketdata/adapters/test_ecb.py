"""The central bank's rates: those of the package without a network, and those of the bank itself."""

import gzip
import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from marketdata.adapters import ecb
from marketdata.adapters.base import ProviderFailed
from marketdata.adapters.ecb import EcbProvider
from marketdata.domain.instruments import Listing
from marketdata.domain.quality import Dataset
from tests.contracts.price_provider import NetworkContract, PriceProviderContract
from tests.factories import unique_symbol
from tests.marketdata.adapters.vendors import BankServer, patient, serving, status

EURO_DOLLAR = Listing("EURUSD", "XECB")  # the pair itself is what is asked for
DAYS = [f"1997-01-{day:02}" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 15, 16, 17)]
TABLE = "Date,USD,JPY,TRL,\n" + "".join(f"{day},1.0{n:03},156.{n},N/A,\n" for n, day in reversed([*enumerate(DAYS)]))
CUBES = "".join(f"<Cube time='{day}'><Cube currency='USD' rate='1.0{n:03}'/></Cube>" for n, day in reversed([*enumerate(DAYS)]))
XML = f'<?xml version="1.0"?><gesmes:Envelope xmlns="x"><Cube>{CUBES}</Cube></gesmes:Envelope>'


def zipped(*contents: str) -> bytes:
    """Return an archive of texts."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number}.csv", content)
    return body.getvalue()


class Rates(PriceProviderContract):
    dataset = Dataset.FX_RATES

    @pytest.fixture
    def listing(self):
        return EURO_DOLLAR


class TestPackage(Rates):
    @pytest.fixture
    def provider(self):
        return EcbProvider()

    def test_it_has_the_rates_of_a_quarter_of_a_century(self, provider):
        rows = {row["date"]: row["rate"] for row in self.rows(provider, EURO_DOLLAR)}
        assert min(rows) == "1999-01-04"
        assert (rows["1999-01-04"], rows["2008-07-15"], rows["2020-03-20"]) == (
            Decimal("1.1789"),
            Decimal("1.5990"),
            Decimal("1.0707"),
        )
        assert len(rows) > 6_900

    def test_weekends_and_holidays_stay_without(self, provider):
        christmas = list(provider.fx_rates("EUR", "USD", date(2023, 12, 22), date(2023, 12, 28)))
        assert [row["date"] for page in christmas for row in page.rows] == ["2023-12-22", "2023-12-27"]

    def test_of_a_currency_that_is_gone_the_old_ones_are_there(self, provider):
        last = [page.rows[-1] for page in provider.fx_rates("EUR", "CYP", date(1999, 1, 1), date(2100, 1, 1))][-1]
        assert last["date"] == "2007-12-31"

    @pytest.mark.parametrize("pair", [("USD", "EUR"), ("EUR", "XAU"), ("EUR", "EUR"), ("EUR", "Date")])
    def test_it_has_rates_of_the_euro_alone(self, provider, pair):
        with pytest.raises(ProviderFailed, match=f"no rates of {pair[0]}/{pair[1]}"):
            list(provider.fx_rates(*pair, date(2024, 1, 1), date(2024, 2, 1)))

    def test_without_its_package_it_says_so(self, provider, monkeypatch):
        monkeypatch.setattr(ecb, "PACKAGE", "no_such_package")
        with pytest.raises(ProviderFailed, match="no_such_package is not installed"):
            self.rows(provider, EURO_DOLLAR)


class Bank(NetworkContract, Rates):
    content = zipped(TABLE)

    @pytest.fixture
    def vendor(self, loopback):
        with serving(BankServer(self.content)) as server:
            yield server

    @pytest.fixture
    def provider(self, vendor, clock):
        return Fresh(vendor, clock)

    def test_every_digit_arrives(self, provider):
        (first, *_) = self.rows(provider, EURO_DOLLAR)
        assert (first["date"], str(first["rate"])) == ("1997-01-02", "1.0000")


class Fresh(EcbProvider):
    """Asks each time: what it has once read it would keep."""

    def __init__(self, server, clock):
        super().__init__(
            url=f"{server.url}/eurofxref-hist.zip", name=f"ecb-{unique_symbol()}", per_minute=600,
            limits=patient(clock, most_bytes=1_000_000),
        )  # fmt: skip

    def fx_rates(self, *asked):
        self.__dict__.pop("_rates", None)
        return super().fx_rates(*asked)


class TestBankByTable(Bank):
    pass


class TestBankByXml(Bank):
    content = XML.encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped(TABLE, TABLE), "2 files instead of one"),
        (zipped("Day,USD\n"), "does not name the columns"),
        (zipped("Date,USD\nyesterday,1\n"), "'yesterday' is no day"),
        (zipped("Date,USD\n2024-01-02,1e5\n"), "'1e5' is no rate"),
        (zipped("Date,USD\n2024-01-02,-1\n"), "'-1' is no rate"),
        (zipped("Date,USD\n2024-01-02,NaN\n"), "'NaN' is no rate"),
        (zipped(TABLE)[:-40], "can't be read"),
        (b"PK\x03\x04rubbish", "can't be read"),
        (b"\xff\xfe\x00", "can't be read"),
        (gzip.compress(TABLE.encode()), "can't be read"),
        (b"<Cube><Cube time='2024-01-02'><Cube currency='USD' rate='1..2'/></Cube></Cube>", "is no rate"),
        (TABLE[: TABLE.index(",156.8") + 3].encode(), "was it cut off"),  # by a server that did not say how long it is
        (zipped("Date,USD\n2024-01-02,1,2\n"), "2 rates instead of 1"),
        (XML[: XML.index("1997-01-08")].encode(), "end is cut off"),
        (XML.removesuffix("</gesmes:Envelope>").encode(), "end is cut off"),
        (b"<html>", "holds no rates"),
        (zipped("x" * 70_000_000), "more than can be rates"),
    ],
)
def test_what_is_no_table_of_rates_is_a_failure(loopback, clock, content, says):
    with serving(BankServer(content)) as server, pytest.raises(ProviderFailed, match=says):
        list(Fresh(server, clock).fx_rates("EUR", "USD", date(2024, 1, 1), date(2024, 2, 1)))


def test_a_page_that_is_gone_is_a_failure(loopback, clock):
    with serving(BankServer(b"")) as server:
        server.always = status(404, b"gone")
        with pytest.raises(ProviderFailed, match=r"refuses \(404\): gone"):
            list(Fresh(server, clock).fx_rates("EUR", "USD", date(2024, 1, 1), datetime.now(UTC).date()))
