"""Instruments of files that nobody knows are written down with what the file says, and found again by the next file."""

import json
from decimal import Decimal

from accounts.models import ImportQuestion
from accounts.models.tenancy import acting_as
from accounts.services.import_questions import Answer, answer_questions
from marketdata.domain.instruments import isin_is_valid
from marketdata.models import Instrument
from tests.accounts.adapters.test_european import TR, republic
from tests.accounts.adapters.test_exports import COINBASE, activity, ghostfolio
from tests.accounts.flex import flex, trade
from tests.accounts.kept_files import NOW, bought, keep, post_kept, schwab
from tests.factories import make_account, make_instrument, make_user, unique_symbol


def held(batch):
    """Return the instruments that an import says are held after it."""
    return [row["instrument"] for row in batch.figures["holdings"]]


def cusip() -> str:
    """Return a number of nine letters that nothing has yet."""
    return f"9{unique_symbol()}00000000"[:9]


def isin() -> str:
    """Return an ISIN that nothing has yet."""
    letters = unique_symbol()[-9:]
    return next(filter(isin_is_valid, (f"IE{letters}{digit}" for digit in "0123456789")))


class TestUnknown:
    def test_bonds_and_names_are_the_same_in_the_next_file(self, alice):
        number, name = cusip(), f"My Flat {unique_symbol()}"
        profile = {"symbol": "u", "dataSource": "MANUAL", "name": name, "currency": "USD"}
        flat = ghostfolio(activity(symbol="u", dataSource="MANUAL"), assetProfiles=[profile]).encode()
        for content in (schwab(f"04/05/2024,Buy,{number},Invented 5%,1000,$98.50,,-$985.00"), flat):
            first, second = (post_kept(make_account(owner=alice), content) for _ in range(2))
            assert (first.posted, second.posted, second.refused) == (1, 1, [])
            assert held(first) == held(second)

    def test_have_the_class_currency_exchange_and_numbers_of_the_file(self, account):
        fund, coin, share = isin(), unique_symbol(), unique_symbol()
        bought = {"asset_class": "FUND", "symbol": fund, "name": "All World", "shares": "1", "price": "100", "amount": "-100"}
        post_kept(account, (TR + republic("BUY", "a", at="2024-03-06T10:20:05Z", **bought)).encode())
        post_kept(account, (COINBASE + f"a,2022-03-25 06:45:27 UTC,Buy,{coin},2,EUR,€10,€20,€20,€0,\n").encode())
        usual = {"conid": "", "isin": "", "listingExchange": "LSE", "currency": "GBX", "ibCommissionCurrency": "GBX"}
        post_kept(account, flex(trade(**usual, symbol=share, subCategory="ETF", tradeID=f"1{account.pk.int % 10**9}")).encode())
        found = Instrument.objects.get(isin=fund)
        assert (found.asset_class, found.currency) == ("ETF", "EUR")
        assert Instrument.objects.get(symbol=f"{coin}/EUR").exchange == "CRYPTO"
        made = Instrument.objects.get(symbol=share)
        assert (made.asset_class, made.exchange, made.currency) == ("ETF", "XLON", "GBX")

    def test_options_count_as_many_units_as_the_file_says(self, account):
        under = unique_symbol()[-6:]
        option = {
            **{"assetCategory": "OPT", "symbol": f"{under} 240621C00020000", "isin": "", "conid": "", "underlyingSymbol": under},
            **{"strike": "20", "putCall": "C", "expiry": "20240621", "multiplier": "10"},
            **{"quantity": "2", "tradePrice": "1.5", "tradeMoney": "30", "netCash": "-31"},
        }
        batch = post_kept(account, flex(trade(**option)).encode())
        assert batch.refused == []
        assert Instrument.objects.get(symbol=f"{under}240621C00020000").multiplier == Decimal(10)

    def test_are_told_of_before_they_are_written_down(self, account):
        symbol = unique_symbol()
        batch = keep(account, schwab(bought(symbol)))
        (remark,) = batch.remarks
        assert "were" not in remark["detail"]
        assert symbol in remark["detail"]
        assert not Instrument.objects.filter(symbol=symbol).exists()


class TestAnswers:
    def test_are_of_one_person_and_one_broker(self, account):
        symbol = unique_symbol()
        one, _ = (make_instrument(symbol=symbol, exchange=exchange, currency="USD") for exchange in ("XETR", "XFRA"))
        batch = keep(account, schwab(bought(symbol)))
        with acting_as(account.owner_id):
            (question,) = ImportQuestion.objects.filter(batch=batch)
            answer_questions(batch=batch, answers=[Answer(question.pk, one)], actor=account.owner, at=NOW)
        assert held(keep(make_account(owner=account.owner), schwab(bought(symbol)))) == [one.key]
        assert keep(make_account(owner=make_user()), schwab(bought(symbol))).fates == [[2, 2, "question"]]
        fill = {"id": f"{symbol}1", "activity_type": "FILL", "transaction_time": "2024-03-04T18:54:20Z", "price": "1", "qty": "1",
                "side": "buy", "symbol": symbol}  # fmt: skip
        assert keep(make_account(owner=account.owner), json.dumps([fill]).encode()).fates == [[1, 1, "question"]]
