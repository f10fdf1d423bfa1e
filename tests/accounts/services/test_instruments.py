"""The instruments that a statement names are found, or written down with what the statement says of them."""

from decimal import Decimal

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from marketdata.models import Instrument
from tests.accounts.event_logs import bring_in, event, log_of, refusals, take_out
from tests.factories import make_account, make_instrument, unique_symbol

TERMS = {"strategy": "Covered Call", "strike": 180.5, "expiration": "2024-02-16", "contracts": 2, "total_premium": 351.0}


def option_log(ticker: str) -> bytes:
    """Return an old log in which an option is sold and bought back."""
    return log_of(
        event(1, "OPTION_OPEN", TERMS | {"ticker": ticker, "action": "SELL"}, "351.0"),
        event(
            2, "OPTION_CLOSE", {"option_id": 1, "ticker": ticker, "close_cost": 100.0}, "-100.0", timestamp="2024-01-05 15:00Z"
        ),
    )


class TestOptions:
    def test_are_written_down_with_their_terms(self, account):
        underlying = make_instrument(symbol=unique_symbol("O")[:6])
        assert bring_in(account, option_log(underlying.symbol), create_on="").refused == []
        option = Instrument.objects.get(symbol=f"{underlying.symbol}240216C00180500")
        assert (option.exchange, option.asset_class, option.multiplier, option.right) == ("OPRA", "OPTION", 100, "CALL")
        assert (f"{option.expiry}", option.strike, option.underlying) == ("2024-02-16", Decimal("180.5"), underlying)
        with acting_as(account.owner_id):
            sold, bought = LedgerEntry.objects.filter(account=account).order_by("sequence")
        assert (sold.kind, sold.quantity, sold.price, sold.cash) == ("SHORT", -2, Decimal("1.755"), 351)
        assert (bought.kind, bought.quantity, bought.price, bought.cash) == ("COVER", 2, Decimal("0.5"), -100)
        assert sold.instrument_id == bought.instrument_id == option.pk

    def test_go_out_as_trades_and_come_in_again(self, account, alice):
        bring_in(account, option_log(unique_symbol("P")[:6]), create_on="")
        other = make_account(owner=alice)
        assert bring_in(other, take_out(account)).refused == []
        assert take_out(other) == take_out(account)

    def test_that_are_not_known_are_refused_unless_asked_for(self, account):
        batch = bring_in(account, option_log(unique_symbol("R")[:6]))
        assert refusals(batch) == [(2, "unknown_instrument"), (3, "unknown_instrument")]


class TestNewInstruments:
    def test_on_the_market_of_coins_are_pairs(self, account):
        symbol = f"{unique_symbol('C')[:8]}/USD"
        row = event(1, "TRADE", {"action": "BUY", "ticker": f"{symbol}:CRYPTO", "shares": "0.00012345", "price": "64000.5"})
        assert bring_in(account, log_of(row), create_on="").refused == []
        assert Instrument.objects.get(symbol=symbol).asset_class == "CRYPTO"

    def test_that_break_a_rule_of_instruments_are_refused(self, account):
        row = event(1, "TRADE", {"action": "BUY", "ticker": "TOOLONG:XNYS", "shares": 1, "price": 1})
        batch = bring_in(account, log_of(row), create_on="")
        assert refusals(batch) == [(2, "bad_instrument")]
        assert "can't be written down" in batch.refused[0]["detail"]

    def test_that_are_misspelled_are_refused_and_never_written_down(self, account):
        row = event(1, "TRADE", {"action": "BUY", "ticker": "\u0410APL", "shares": 1, "price": 1})  # a Cyrillic letter
        assert refusals(bring_in(account, log_of(row), create_on="XTST")) == [(2, "bad_symbol")]
