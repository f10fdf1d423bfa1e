"""An account whose automatic session trades on paper, in a market of which the test makes one daily bar after the other."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import Account
from accounts.models.tenancy import acting_as
from marketdata.domain.calendars import sessions
from marketdata.models import Bar
from tests.factories import make_account, make_bars, make_instrument, make_user, post
from tests.trading.factories import make_strategy, stored
from trading.models import Evaluation, Order, RiskLimits, Session
from trading.services.automation import evaluate_account
from trading.services.looking import look_at
from trading.services.sending import send_orders
from trading.services.sessions import start_session

FIRST = date(2024, 1, 2)
DAYS = sessions("XNYS", FIRST, date(2024, 12, 31))


class Market:
    """A stock of New York, and an account that begins to trade it after the bars that are given."""

    def __init__(self, closes: list[str], *, kind: str = "sma_cross", parameters: dict[str, Any] | None = None, **more: Any):
        self.stock = make_instrument(**{"exchange": "XNYS"} | more.pop("stock", {}))
        self.days = 0
        for close in closes:
            self.bar(close)
        self.now = DAYS[self.days].open_at - timedelta(hours=4)  # the morning after
        self.account: Account = make_account(owner=make_user())
        post(self.account, "DEPOSIT", cash="100000", occurred_at=datetime(2024, 1, 1, tzinfo=UTC))
        self.limits(max_consecutive_losses=1000)
        parameters = parameters if parameters is not None else {"fast": 2, "slow": 3}
        self.strategy = make_strategy(self.account.owner, kind=kind, parameters=parameters)
        self.session = self.start(**more)

    def start(self, **more: Any) -> Session:
        """Begin an automatic session."""
        said = {"instruments": [self.stock.key], "timeframe": "1d", "parameters": {}, "rules": more.pop("rules", {})} | more
        with acting_as(self.account.owner_id):
            return start_session(
                account=self.account,
                actor=self.account.owner,
                at=self.now,
                strategy=self.strategy,
                configuration=said,
                automatic=True,
            )

    def limits(self, **said: Any) -> None:
        """Set limits of the account."""
        with acting_as(self.account.owner_id):
            RiskLimits.objects.filter(account=self.account).delete()
        stored(RiskLimits, self.account, updated_at=self.now, **said)

    def bar(self, close: str, *, low: str | None = None) -> Bar:
        """Let a day pass in which the stock costs one price, or falls to another before it comes back."""
        day = DAYS[self.days]
        self.days += 1
        self.now = day.close_at + timedelta(hours=1)
        make_bars(self.stock, [(day.day, Decimal(close))], at=day.close_at + timedelta(minutes=30))
        rows = Bar.objects.filter(instrument=self.stock, timestamp__date=day.day)
        rows.update(volume=Decimal(1_000_000), low=Decimal(low or close))
        return rows.get()

    def clock(self) -> datetime:
        """Return the time."""
        return self.now

    def broker(self) -> None:
        """Let the paper broker take orders, and fill those that it can."""
        send_orders(clock=self.clock, account_id=self.account.pk)
        with acting_as(self.account.owner_id):
            account = Account.objects.select_related("owner").get(pk=self.account.pk)
        look_at(account=account, broker="paper", clock=self.clock, since=self.now)
        send_orders(clock=self.clock, account_id=self.account.pk)

    def evaluate(self) -> str:
        """Let the session look at new bars, and return what came of it."""
        self.now += timedelta(seconds=30)
        return evaluate_account(account_id=self.account.pk, clock=self.clock)

    def day(self, close: str, **more: Any) -> str:
        """Let a day pass, with all that the house does on it."""
        self.bar(close, **more)
        self.broker()
        said = self.evaluate()
        for _ in range(3):
            self.now += timedelta(seconds=30)
            self.broker()
        return said

    def rows(self, model: type, **which: Any) -> list[Any]:
        """Return rows of the account."""
        with acting_as(self.account.owner_id):
            return list(model.objects.filter(account=self.account, **which).order_by("pk"))

    def orders(self) -> list[tuple[str, str, str]]:
        """Return side, type and status of each order."""
        return [(order.side, order.type, order.status) for order in self.rows(Order)]

    def outcomes(self) -> list[str]:
        """Return what came of each bar."""
        return [row.outcome for row in self.rows(Evaluation)]

    def last(self) -> Evaluation:
        """Return what came of the last bar."""
        found: Evaluation = self.rows(Evaluation)[-1]
        return found
