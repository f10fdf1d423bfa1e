"""A small world with a row in every table: who may see what is tried in it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from io import BytesIO
from uuid import UUID, uuid4

from accounts.domain.roles import Role
from accounts.models import (
    Account,
    AccountImport,
    Classification,
    ImportBatch,
    InstrumentAnswer,
    Job,
    JobRun,
    LedgerEntry,
    Membership,
    Policy,
    Target,
    TargetAllocation,
    Taxonomy,
    TradeThresholds,
    User,
)
from accounts.models.tenancy import acting_as
from accounts.selectors.bundles import write_bundle
from accounts.services.accounts import AccountClosed, open_account
from accounts.services.bundle_queue import queue_bundle
from accounts.services.idempotency import claim_key
from accounts.services.import_templates import save_template
from accounts.services.imports import ReadOptions, import_file, preview_file
from accounts.services.memberships import invite_member
from accounts.services.notifications import notify
from accounts.services.tokens import issue_token
from accounts.services.watchlists import create_watchlist
from marketdata.models import CorporateAction, QualityIssue
from portfolio.models import Alert, Checkpoint
from portfolio.services.projections import catch_up
from portfolio.services.transfers import Order, transfer
from tests.factories import day, make_account, make_bars, make_instrument, make_user, post, share, unique_symbol
from tests.trading.factories import Desk, make_break, make_connection, make_delivery, make_order, make_webhook
from trading.models import Break, BrokerConnection, Delivery, TradingPause, Webhook
from trading.models import Order as TradingOrder
from trading.services.pauses import pause_trading

NOW = datetime(2024, 5, 6, tzinfo=UTC)


class World:
    """Alice's account, with Tom who trades in it and Bob who looks at it; Charlie, a stranger; and an operator."""

    def __init__(self, *, derived: bool = False) -> None:
        self.alice, self.tom, self.bob, self.charlie = (make_user(name) for name in ("alice", "tom", "bob", "charlie"))
        with acting_as(self.alice.pk):
            self.account = open_account(
                owner=self.alice, name="Main", base_currency="USD", opened_on=day("2020-01-01").date(), at=NOW
            )
        share(self.account, self.tom, Role.TRADER)
        share(self.account, self.bob)
        self.instrument = make_instrument()
        make_bars(self.instrument, [("2020-01-02", "10"), ("2020-01-03", "11"), ("2020-01-06", "12")])
        self.deposit = post(self.account, "DEPOSIT", cash="1000")
        self.buy = post(self.account, "BUY", instrument=self.instrument, quantity="10", price="10")
        later = {"occurred_at": day("2020-01-03") + timedelta(hours=15)}
        self.sell = post(self.account, "SELL", instrument=self.instrument, quantity="-4", price="11", **later)
        self.fill_mailbox()
        self.read_files()
        self.leave_a_question()
        self.run_a_job()
        self.make_plans()
        self.alert = Alert.objects.using("system").create(
            account_id=self.account.pk, subject="policy:CASH", since=NOW, message="Too much cash."
        )
        if derived:
            assert self.desk.fill
            catch_up(account_id=self.account.pk, at=NOW)
        # of a day after all others: no run starts from it
        Checkpoint.objects.using("system").create(account_id=self.account.pk, day=day("2999-01-01").date(), entries=1, state="{}")

    def fill_mailbox(self) -> None:
        """Give Alice one of everything that is hers alone."""
        with acting_as(self.alice.pk):
            self.token = issue_token(user=self.alice, name="laptop", scopes=["read"], at=NOW).token
            self.watchlist = create_watchlist(user=self.alice, name="Tech", instruments=[self.instrument], at=NOW)
            self.notification = notify(user=self.alice, title="Hello", at=NOW)
            claim_key(user=self.alice, key="session:k", request_hash="0" * 64, at=NOW)
            self.batch = ImportBatch.objects.create(
                account=self.account,
                file_name="a.csv",
                format="event_log",
                size=1,
                sha256="0" * 64,
                status="POSTED",
                actor=self.alice,
                created_at=NOW,
            )

    def read_files(self) -> None:
        """Have a file wait to be posted, another one posted, and a mapping kept."""
        mapping = {"columns": {"date": "Date", "amount": "Amount"}}
        log = b'event_id,timestamp,event_type,data_json\nw{n},2020-01-02 12:00Z,DEPOSIT,"{""amount"": 5}"\n'
        with acting_as(self.alice.pk):
            file = {"account": self.account, "actor": self.alice, "file_name": "w.csv", "at": NOW}
            self.kept_import = preview_file(**file, content=log, options=ReadOptions())
            self.posted_import = import_file(**file, content=log)
            self.import_template = save_template(
                user=self.alice, name="Mine", mapping=mapping, headings=["Date", "Amount"], at=NOW
            )

    def leave_a_question(self) -> None:
        """Have a file ask which instrument it means, and an answer remembered; bring a whole account, which waits."""
        symbol = unique_symbol()
        for exchange in ("XETR", "XFRA"):
            make_instrument(symbol=symbol, exchange=exchange)
        history = (
            f"Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount\n04/05/2024,Buy,{symbol},Acme,2,$10.00,,-$20.00\n"
        )
        file = {"account": self.account, "actor": self.alice, "file_name": "q.csv", "at": NOW}
        with acting_as(self.alice.pk):
            preview_file(**file, content=history.encode(), options=ReadOptions())
            InstrumentAnswer.objects.create(user=self.alice, source="schwab", identity=symbol, instrument=self.instrument)
        assert self.account_import

    def make_plans(self) -> None:
        """Give the account targets, a taxonomy and bounds."""
        with acting_as(self.alice.pk):
            self.taxonomy = Taxonomy.objects.create(account=self.account, name="Regions", created_at=NOW)
            self.classification = Classification.objects.create(
                account=self.account, taxonomy=self.taxonomy, instrument=self.instrument, category="Europe"
            )
            self.allocation = TargetAllocation.objects.create(account=self.account, name="Half", created_at=NOW, updated_at=NOW)
            self.target = Target.objects.create(
                account=self.account, allocation=self.allocation, instrument=self.instrument, weight="0.5"
            )
            self.policy = Policy.objects.create(account=self.account, kind="CASH", threshold="0.9", created_at=NOW)
            self.thresholds = TradeThresholds.objects.create(account=self.account, min_win_rate="0.4")

    def run_a_job(self) -> None:
        """Record a run of one of the account's jobs."""
        with acting_as(self.alice.pk):
            self.job = Job.objects.get(account=self.account, kind="SNAPSHOT")
        self.run = JobRun.objects.using("system").create(
            account_id=self.account.pk, job_id=self.job.pk, due_at=NOW, leased_until=NOW, outcome="SUCCEEDED"
        )

    @cached_property
    def desk(self) -> Desk:
        """One of everything that Alice's account has of trading."""
        return Desk(self.account, self.instrument, at=day("2020-01-06"))

    @cached_property
    def order(self) -> TradingOrder:
        """An order that waits to be sent."""
        return make_order(self.account, make_instrument(), type="LIMIT", limit_price="9")

    @cached_property
    def connection(self) -> BrokerConnection:
        """A broker that has no orders."""
        return make_connection(self.account, broker="paper", enabled=False)

    @cached_property
    def difference(self) -> Break:
        """A difference that nobody has resolved."""
        return make_break(self.account)

    @cached_property
    def webhook(self) -> Webhook:
        """An address that is told of fills."""
        return make_webhook(self.account)

    @cached_property
    def heard(self) -> Delivery:
        """What an address was told and has heard."""
        return make_delivery(make_webhook(self.account), next_try_at=None, delivered_at=NOW, attempts=1)

    def pause_trading(self) -> TradingPause:
        """Let the account be paused."""
        with acting_as(self.alice.pk):
            return pause_trading(account=self.account, reason="Looking into it.", at=NOW)[0]

    def close(self) -> None:
        """Close the account over its open order, as one that was closed before that was refused."""
        with acting_as(self.alice.pk):
            Account.objects.filter(pk=self.account.pk).update(closed_on=NOW.date())

    @cached_property
    def operator(self) -> User:
        """A superuser: an ordinary user for other people's accounts."""
        return make_user("operator", is_staff=True, is_superuser=True)

    @cached_property
    def second_account(self) -> Account:
        """Another account of Alice's."""
        return make_account(owner=self.alice)

    @cached_property
    def issue(self) -> QualityIssue:
        """A row of market data that broke a rule."""
        return QualityIssue.objects.create(
            rule="spread", severity="WARNING", dataset="quotes", source="test", record={}, fingerprint=self.new_symbol(),
            found_at=NOW, last_found_at=NOW,
        )  # fmt: skip

    @cached_property
    def sell_by_lots(self) -> LedgerEntry:
        """The sale, in an account that lets its lots be chosen."""
        with acting_as(self.alice.pk):
            Account.objects.filter(pk=self.account.pk).update(cost_basis_method="SPECIFIC")
        return self.sell

    @cached_property
    def account_zip(self) -> bytes:
        """Return an account of Alice's as a ZIP."""
        account, file = make_account(owner=self.alice), BytesIO()
        with acting_as(self.alice.pk):
            write_bundle(account=account, user=self.alice, file=file, at=NOW)
        return file.getvalue()

    @cached_property
    def account_import(self) -> AccountImport:
        """Return an account that Alice brought, and that waits."""
        with acting_as(self.alice.pk):
            return queue_bundle(user=self.alice, file_name="mine.zip", content=self.account_zip, at=NOW)

    @cached_property
    def account_for_both(self) -> Account:
        """Another account of Alice's, in which Tom trades, too."""
        account = make_account(owner=self.alice)
        share(account, self.tom, Role.TRADER)
        return account

    @cached_property
    def transfer(self) -> UUID:
        """Cash that went to another account, by its group; none if the account is closed."""
        order = Order(occurred_at=day("2020-01-05"), cash=Decimal(5), currency="USD")
        try:
            with acting_as(self.alice.pk):
                return transfer(source=self.account, target=self.account_for_both, order=order, actor=self.alice).group
        except AccountClosed:
            return uuid4()

    @cached_property
    def corporate_action(self) -> CorporateAction:
        """A split of the instrument."""
        return CorporateAction.objects.create(
            kind="SPLIT", instrument=self.instrument, ex_date="2020-01-06", ratio=2, recorded_at=NOW
        )

    def new_symbol(self) -> str:
        """Return a symbol nothing has yet."""
        return unique_symbol()

    def membership(self, user: User) -> Membership:
        """Return a member's row."""
        with acting_as(self.alice.pk):
            return Membership.objects.get(account=self.account, user=user)

    @cached_property
    def theirs(self) -> Account:
        """An account of Charlie's."""
        return make_account(owner=self.charlie, name="Charlie's")

    @cached_property
    def invitation(self) -> Membership:
        """Alice, invited into Charlie's account."""
        with acting_as(self.charlie.pk):
            return invite_member(account=self.theirs, email=self.alice.email, role=Role.VIEWER, actor=self.charlie, at=NOW)
