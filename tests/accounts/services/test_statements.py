"""Statements of brokers in a ledger: posted once however often they come, with the good lines in and the bad ones named."""

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from tests.accounts.event_logs import bring_in, refusals
from tests.accounts.flex import cash, flex


def entries(account: Account) -> list[LedgerEntry]:
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence"))


class TestStatementOfABroker:
    def test_goes_in_twice_and_is_posted_once_whatever_its_title(self, account):
        heading = "Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount\n"
        rows = [
            "04/03/2024,MoneyLink Deposit,,Savings,,,,$1000.00\n",
            "04/04/2024,Advisor Fee,,To advisor,,,,-$17.25\n",
            "04/04/2024,Advisor Fee,,To advisor,,,,-$17.25\n",
            "04/05/2024,ADR Fee Refund,,Paid back,,,,$0.50\n",
            "04/06/2024,Moon Landing,,?,,,,$1.00\n",
        ]
        first = bring_in(account, (heading + "".join(rows[:2])).encode())
        assert (first.format, first.posted, first.known, refusals(first)) == ("schwab", 2, 0, [])
        second = bring_in(account, (heading + "".join(rows)).encode())
        assert (second.posted, second.known, refusals(second)) == (2, 2, [(6, "unknown_action")])
        assert [(entry.kind, str(entry.cash.normalize())) for entry in entries(account)] == [
            ("DEPOSIT", "1E+3"),
            ("FEE", "-17.25"),
            ("FEE", "-17.25"),
            ("FEE", "0.5"),
        ]

    def test_that_takes_back_what_is_nowhere_says_so(self, account):
        log = (
            "Statement,Header,Field Name,Field Value\nSummary,Data,Base Currency,USD\n"
            "Transaction History,Header,Date,Account,Description,Transaction Type,Symbol,Quantity,Price,Gross Amount,Net Amount\n"
            "Transaction History,Data,2024-03-02,U1,ACME Cash Dividend,Dividend,ACME,-,-,-5.0,-5.0\n"
        )
        assert refusals(bring_in(account, log.encode())) == [(4, "unknown_original")]

    def test_keeps_the_rate_it_states_where_that_is_of_the_currency_of_the_account(self, account):
        paid = cash(currency="CHF", type="Broker Interest Received", amount="5", symbol="", isin="", conid="", assetCategory="")
        assert bring_in(account, flex(paid, base=account.base_currency).encode()).posted == 1
        (entry,) = entries(account)
        assert (entry.currency, entry.data["fx_rate"]) == ("CHF", "0.9")
