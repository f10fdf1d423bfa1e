"""Of all accounts, those are listed each minute that are behind: not those of which nobody reads what was written."""

from datetime import UTC, datetime
from random import Random

from portfolio.models import Projection
from portfolio.selectors.lagging import lagging_accounts
from portfolio.selectors.market import SYSTEM
from portfolio.services.end_of_day import advance
from portfolio.services.projections import catch_up
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MONDAY = datetime(2024, 3, 4, 15, tzinfo=UTC)


def holding(owner, *shares, **fields):
    """Return an account that holds some shares and is up to date."""
    account = make_account(owner=owner, **fields)
    for share in shares:
        post(account, "BUY", instrument=share, quantity="3", price="1", occurred_at=MONDAY)
    catch_up(account_id=account.pk, at=NOW)
    return account


def priced(*shares, day: str = "2024-03-04"):
    for share in shares:
        bars(share, {day: Random(day).randint(1, 999)})


class TestLaggingAccounts:
    def test_leaves_out_whose_days_were_written_though_nobody_read_them(self, alice):
        shares = [make_instrument() for _ in range(2)]
        priced(*shares)
        account = holding(alice, *shares)
        priced(*shares, day="2024-03-05")
        assert account.pk in lagging_accounts()
        assert advance(account_ids=[account.pk]) == []
        assert account.pk not in lagging_accounts()
        assert not Projection.objects.using(SYSTEM).filter(account=account, valued_until="2024-03-05").exists()

    def test_lists_whose_written_days_no_longer_hold(self, alice):
        share = make_instrument()
        priced(share)
        account = holding(alice, share)
        priced(share, day="2024-03-05")
        assert advance(account_ids=[account.pk]) == []
        bars(share, {"2024-03-05": 1000}, correct=True)
        assert account.pk in lagging_accounts()

    def test_lists_whose_ledger_goes_on_after_the_written_days(self, alice):
        share = make_instrument()
        priced(share)
        account = holding(alice, share)
        priced(share, day="2024-03-05")
        assert advance(account_ids=[account.pk]) == []
        post(account, "DEPOSIT", cash="1", occurred_at=MONDAY)
        assert account.pk in lagging_accounts()

    def test_lists_those_of_which_a_rate_is_new(self, alice):
        (currency,) = fresh_currencies(1)
        share = make_instrument(currency=currency)
        priced(share)
        rates(currency, "USD", {"2024-03-04": "2"})
        account = holding(alice, share)
        assert account.pk not in lagging_accounts()
        rates(currency, "USD", {"2024-03-05": "3"})
        assert account.pk in lagging_accounts()

    def test_lists_those_whose_prices_came_to_be_counted_otherwise(self, alice):
        share = make_instrument()
        priced(share)
        account = holding(alice, share)
        type(share).objects.using("owner").filter(pk=share.pk).update(multiplier="10")
        assert account.pk in lagging_accounts()

    def test_knows_accounts_without_positions(self, alice):
        account = make_account(owner=alice)
        post(account, "DEPOSIT", cash="5", occurred_at=MONDAY)
        assert account.pk in lagging_accounts()
        catch_up(account_id=account.pk, at=NOW)
        assert account.pk not in lagging_accounts()
