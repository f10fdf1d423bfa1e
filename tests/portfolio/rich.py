"""An account to which everything happened that can, with all that its members decided; and all figures that follow from it."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from accounts.domain.ledger import EntryKind
from accounts.domain.plans import TargetDraft
from accounts.models import Account, InstrumentAnswer, Job, LedgerEntry, User
from accounts.models.tenancy import acting_as
from accounts.services.import_templates import save_template
from accounts.services.jobs import reschedule_job
from accounts.services.ledger import correct_entry, reverse_entry
from accounts.services.policies import create_policy
from accounts.services.targets import create_allocation
from accounts.services.taxonomies import classify, create_taxonomy
from accounts.services.trade_thresholds import set_thresholds
from accounts.services.watchlists import create_watchlist
from marketdata.domain.instruments import isin_is_valid
from marketdata.models import Instrument
from marketdata.services.actions import store_actions
from marketdata.services.ingest import store_bars
from portfolio.domain.lots import Choice
from portfolio.services.lot_choices import choose_lots
from portfolio.services.transfers import Order as Move
from portfolio.services.transfers import transfer
from tests.clients import browser
from tests.factories import draft, make_account, make_instrument, make_user, post, share
from tests.portfolio.market import RECORDED, bars, fresh_currencies, rates
from tests.portfolio.worlds import at
from tests.trading.factories import Desk, move_order
from trading.domain.orders import Event, EventKind
from trading.models import Attachment, BacktestRun, Order, Session

D = Decimal
ROUTES = (
    *("summary", "positions", "lots", "closures", "snapshots", "performance", "trades-performance", "income", "drift"),
    *("missing-acquisitions", "monthly-returns", "drawdowns", "contributions", "policy-checks", "trade-thresholds"),
    *("reports/realized", "reports/income", "reports/fees", "reports/holdings", "rolling", "policies"),
    *("targets", "taxonomies", "fills", "decisions", "signals", "evaluations", "sessions", "journal", "journal/statistics"),
    *("orders", "risk-limits", "risk-events", "pause", "corporate-actions"),
)
# what tells one account or one installation from another
OWN = (
    *("id", "since", "account", "account_id", "entry", "entries", "known_at", "etag", "created_at", "updated_at"),
    *("actor", "author", "resumed_by"),
)
IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FORMULA = '=HYPERLINK("https://example.com","win")'


class Rich:
    """The account, what it is about, and its owner; its lots are chosen."""

    def __init__(self) -> None:
        self.owner = make_user("alice")
        self.base, self.foreign = fresh_currencies(2)
        self.account = make_account(
            owner=self.owner, name="Rich", kind="MARGIN", base_currency=self.base, cost_basis_method="SPECIFIC",
            long_term_days=365, wash_sales=True, opened_on=date(2023, 1, 2),
        )  # fmt: skip
        self.make_market()
        self.make_entries()
        self.make_late()
        self.make_plans()
        self.make_trades()

    def make_market(self) -> None:
        """Store instruments with their prices, rates and actions."""
        base, foreign = self.base, self.foreign
        self.share, self.child, self.other = (make_instrument(currency=base) for _ in range(3))
        self.fund = make_instrument(currency=foreign, asset_class="FUND", isin=own_isin())
        self.london = make_instrument(currency="GBX")
        self.coin = make_instrument(currency=base, asset_class="CRYPTO")
        self.house = make_instrument(currency=base, asset_class="COMMODITY", name=FORMULA)
        self.option = make_instrument(
            currency=base, asset_class="OPTION", multiplier=D(100), underlying=self.other, expiry=date(2023, 6, 16), strike=D(50),
            right="CALL",
        )  # fmt: skip
        days = [f"2023-{month:02}-{n:02}" for month in range(1, 8) for n in (2, 3, 5, 9, 12, 16, 19, 23, 26)]
        for place, one in enumerate(self.traded):
            start = (100, 30, 60, 200, 900, 20)[place]
            bars(one, {day: f"{start + (n * 7 + place * 3) % 11}.{n:02}" for n, day in enumerate(days)})
        told = {
            "open": "31",
            "high": "33.5",
            "low": "30",
            "close": "32.25",
            "volume": "1000.5",
            "vwap": "31.7",
            "trade_count": 12,
        }
        row = told | {"instrument": self.child, "timeframe": "1d", "timestamp": "2023-07-27T00:00:00Z"}
        store_bars(source="tests", rows=[row | {"adjusted_through": "2023-07-27"}], recorded_at=RECORDED)
        # what the foreign currency is worth follows from the two in which a euro is told
        rates("EUR", base, {day: f"2.{n % 9 + 1}1" for n, day in enumerate(days) if n % 3})
        rates("EUR", foreign, {day: f"1.{n % 9 + 1}37" for n, day in enumerate(days) if n % 2})
        rates("GBP", base, {"2023-01-02": "2.85", "2023-04-05": "2.87", "2023-06-02": "2.86"})
        split = {"instrument": self.share, "kind": "SPLIT", "ex_date": "2023-03-16", "ratio": "3"}
        store_actions(source="tests", rows=[split], recorded_at=RECORDED)

    @property
    def traded(self) -> tuple[Instrument, ...]:
        """What has prices."""
        return self.share, self.child, self.other, self.fund, self.london, self.coin

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """All it is about."""
        return (*self.traded, self.house, self.option)

    def post(self, kind: str, day: str, instrument: Instrument | None = None, **fields: Any) -> LedgerEntry:
        """Post one entry in the currency of its instrument."""
        fields = {"currency": instrument.money if instrument else self.base, "occurred_at": at(f"2023-{day}")} | fields
        return post(self.account, kind, instrument=instrument, **fields)

    def make_entries(self) -> None:
        """Post an entry of every kind."""
        exchange, post_ = uuid4(), self.post
        post_("DEPOSIT", "01-02", cash="250000", notes=FORMULA, tags=("a,b", "=1+1"), source="bank", external_id="+1")
        post_("DEPOSIT", "01-03", cash="20000", currency=self.foreign, data={"fx_rate": "1.21"})
        self.first = post_("BUY", "01-03", self.share, quantity="100", price="101.5", fee="3", tax="1.25")
        self.second = post_("BUY", "01-05", self.share, quantity="50", price="97", fee="2", reason_primary="plan")
        post_("BUY", "01-09", self.fund, quantity="12.345678901234", price="201.1", fee="1")
        post_("FX", "01-12", cash="-5000", group=exchange, price="1.3")
        post_("FX", "01-12", cash="3846.15", currency=self.foreign, group=exchange)
        post_("BUY", "01-16", self.london, quantity="300", price="9.05", fee="4.5", currency="GBP", data={"fx_rate": "2.4"})
        self.sale = post_("SELL", "02-02", self.share, quantity="-60", price="96", fee="2")
        post_("BUY", "02-09", self.share, quantity="20", price="95")
        post_("DIVIDEND", "02-12", self.fund, cash="17", tax="3", data={"gross": "20"})
        post_("INTEREST", "02-16", cash="4.2")
        post_("FEE", "02-19", cash="-9", fee="9")
        post_("TAX", "02-23", self.share, cash="-2.5")
        post_("FEE", "02-26", cash="9", data={"refund": True})
        self.make_happenings()
        post_("TRANSFER_IN", "05-19", self.house, quantity="1", data={"cost": "90000"})
        post_("VALUATION", "06-02", self.house, price="95000")
        post_("LIABILITY", "06-02", price="40000", data={"name": "loan"})
        post_("WITHDRAWAL", "06-05", cash="-1500")
        post_("NOTE", "06-09", notes="@SUM(A1) is no formula", data={"closes": "nothing", "odd": [1, 0.25, None, {"x": "é"}]})

    def make_happenings(self) -> None:
        """Post what companies did, and what became of options and short sales."""
        exercise, called, merged, post_ = uuid4(), uuid4(), uuid4(), self.post
        post_("SPLIT", "03-16", self.share, data={"ratio": "3:1"})
        post_("SPIN_OFF", "03-19", self.child, quantity="33", data={"from": self.share.key, "cost_fraction": "0.15"})
        post_("RETURN_OF_CAPITAL", "03-23", self.share, cash="44")
        post_("BUY", "04-02", self.option, quantity="2", price="3.1", fee="1.3")
        post_("OPTION_EXERCISE", "04-26", self.option, quantity="-1", group=exercise)
        post_("BUY", "04-26", self.other, quantity="100", price="50", group=exercise)
        post_("OPTION_EXPIRATION", "06-16", self.option, quantity="-1")
        post_("SHORT", "05-02", self.coin, quantity="-7.5", price="23")
        post_("COVER", "05-09", self.coin, quantity="2.5", price="20", fee="0.5")
        post_("STAKING", "05-12", self.fund, quantity="0.001")
        post_("MERGER", "05-16", self.child, quantity="-33", group=merged)
        post_("MERGER", "05-16", self.other, quantity="11", cash="70", group=merged)
        post_("SHORT", "05-19", self.option, quantity="-1", price="2", fee="1")
        post_("OPTION_ASSIGNMENT", "05-26", self.option, quantity="1", group=called)
        post_("SELL", "05-26", self.other, quantity="-100", price="50", group=called)

    def make_late(self) -> None:
        """Move something to another account, take back, replace, post late, and choose lots."""
        elsewhere = make_account(owner=self.owner, base_currency=self.base)
        with acting_as(self.owner.pk):
            order = Move(occurred_at=at("2023-06-12"), instrument=self.share, quantity=D(30), external_id="moved")
            transfer(source=self.account, target=elsewhere, order=order, actor=self.owner)
        wrong = self.post("SELL", "06-16", self.fund, quantity="-2", price="210")
        late = self.post("BUY", "01-26", self.other, quantity="40", price="61.5", fee="1", source="broker", external_id="late-1")
        with acting_as(self.owner.pk):
            reverse_entry(entry=wrong, actor=self.owner, reason="error", explanation="-2 were never sold")
            right = draft("BUY", instrument=self.other, quantity="41", price="61.5", fee="1", currency=self.base,
                          occurred_at=late.occurred_at, source="broker", external_id="late-1b")  # fmt: skip
            correct_entry(entry=late, draft=right, actor=self.owner, reason="error")
            first, then = (Choice(one.sequence, units) for one, units in ((self.second, D(45)), (self.first, D(15))))
            choose_lots(account=self.account, entry=self.sale, lots=[first, then], actor=self.owner)
        self.post("SELL", "07-03", self.share, quantity="-300", price="34.5", fee="2")
        self.post("SELL", "07-05", self.coin, quantity="-1", price="21")

    def make_plans(self) -> None:
        """Decide what members decide."""
        account, now = self.account, RECORDED
        self.bob = share(account, make_user("bob"))
        with acting_as(self.owner.pk):
            regions = create_taxonomy(account=account, name="Regions", at=now)
            classify(taxonomy=regions, instrument=self.fund, category="-World", weight=D("0.7"), account=account)
            classify(taxonomy=regions, instrument=self.share, category="Home", account=account)
            targets = [TargetDraft(D("0.4"), self.share.pk), TargetDraft(D("0.35"), self.london.pk)]
            create_allocation(account=account, name="Shares", targets=targets, at=now)
            create_allocation(
                account=account, name="World", basis="TAXONOMY", taxonomy=regions, in_force=False, at=now,
                targets=[TargetDraft(D("0.5"), None, "Home")],
            )  # fmt: skip
            create_policy(account=account, kind="POSITION", threshold=D("0.25"), at=now)
            create_policy(account=account, kind="CASH", threshold=D("0.1"), at=now, enabled=False)
            set_thresholds(account=account, changes={"window": 10, "min_win_rate": D("0.4"), "max_consecutive_losses": 3})
            job = Job.objects.get_or_create(account=account, kind="SNAPSHOT", defaults={"schedule": "1 1 * * *"})[0]
            reschedule_job(job=job, at=now, schedule="5 4 * * 1", enabled=False)
            mapping = {"columns": {"date": "When", "amount": "Sum"}, "kinds": {}}
            self.template = save_template(user=self.owner, name="My bank", mapping=mapping, headings=["When", "Sum"], at=now)
            create_watchlist(user=self.owner, name="Later", instruments=[self.coin, self.london], at=now)
            InstrumentAnswer.objects.create(user=self.owner, source="degiro", identity="X1", instrument=self.fund)

    def make_trades(self) -> None:
        """Trade by a decision, with all that is said of it; what was open then has ended."""
        self.desk = Desk(self.account, self.coin, at=at("2023-06-20"))
        move_order(self.desk.open_order, Event(EventKind.CANCELED))
        with acting_as(self.owner.pk):
            Attachment.objects.filter(pk=self.desk.picture.pk).delete()
            Session.objects.filter(pk=self.desk.session.pk).update(ended_at=RECORDED)
            Order.objects.filter(account=self.account).update(sending="SETTLED")  # as orders are that have ended
            BacktestRun.objects.filter(pk=self.desk.run.pk).delete()


def own_isin() -> str:
    """Return a number that no other instrument has, with its check digit."""
    bare = f"XS{int(datetime.now(UTC).timestamp() * 1_000_000) % 10**9:09}"
    return next(f"{bare}{digit}" for digit in range(10) if isin_is_valid(f"{bare}{digit}"))


def kinds_in(account: Account) -> set[str]:
    """Return the kinds of an account's entries that are missing."""
    with acting_as(account.owner_id):
        return set(EntryKind) - set(LedgerEntry.objects.filter(account=account).values_list("kind", flat=True))


def figures(user: User, account: Account, until: str = "2023-07-26") -> dict[str, Any]:
    """Return every figure of an account as its API tells it, without what tells the account from another."""
    client, found = browser(user), {}
    for route in ROUTES:
        for query in ({}, {"as_of": until}) if route in {"summary", "positions", "lots"} else ({},):
            asked = {"limit": 1000} | query if route in {"positions", "lots", "closures", "snapshots"} else query
            if route == "positions":
                asked["state"] = "all"
            answer = client.get(f"/api/v1/accounts/{account.pk}/{route}/", asked)
            assert answer.status_code == 200, (route, answer.content)
            content = answer.getvalue() if answer.streaming else answer.content
            found[f"{route} {query}"] = same(json.loads(content))
    return found


def same(value: Any) -> Any:
    """Return an answer without ids."""
    if isinstance(value, dict):
        return {name: same(one) for name, one in value.items() if name not in OWN}
    if isinstance(value, list):
        return [same(one) for one in value]
    return IDS.sub("ID", value) if isinstance(value, str) else value
