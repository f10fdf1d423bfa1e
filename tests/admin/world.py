"""One record of every kind that the admin shows, full of texts that a page must not believe; and who looks at them."""

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import (
    Account,
    AccountImport,
    ApiToken,
    Classification,
    ImportBatch,
    ImportTemplate,
    InstrumentAnswer,
    Job,
    JobRun,
    LedgerEntry,
    Membership,
    Notification,
    Policy,
    TargetAllocation,
    Taxonomy,
    TradeThresholds,
    User,
    Watchlist,
)
from accounts.models.tenancy import acting_as
from marketdata.models import (
    ArchiveSegment,
    Bar,
    CorporateAction,
    FxHistory,
    FxRate,
    Instrument,
    PriceHistory,
    ProviderHealth,
    ProviderState,
    QualityIssue,
    Quote,
    StreamState,
    Tick,
)
from portfolio.models import Alert, Closure, Lot, Performance, Position, Projection, Snapshot
from portfolio.services.projections import catch_up
from tests.access.world import NOW, World
from tests.factories import make_quotes, make_segment, make_ticks, post
from tests.trading.factories import make_break, make_change, make_order, make_risk_event
from trading.models import (
    BacktestRun,
    Break,
    BrokerConnection,
    Decision,
    Delivery,
    Evaluation,
    Fill,
    Order,
    RiskEvent,
    Session,
    Signal,
    Strategy,
    Trade,
    TradingPause,
    Webhook,
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg/onload=alert(3)>",
    "</script><script>alert(4)</script>",
    "{{constructor.constructor('alert(5)')()}}",
    "javascript:alert(6)",
)
EVIL = "".join(HOSTILE)
SHORT_EVIL = HOSTILE[0] + HOSTILE[1]
SHARED = (
    ArchiveSegment,
    CorporateAction,
    Instrument,
    Bar,
    Quote,
    Tick,
    PriceHistory,
    ProviderHealth,
    ProviderState,
    FxRate,
    FxHistory,
    QualityIssue,
    StreamState,
)


class AdminWorld(World):
    """The world of the doors' tests with hostile texts in every record of Alice's."""

    def __init__(self) -> None:
        super().__init__()
        with acting_as(self.alice.pk):
            Account.objects.filter(pk=self.account.pk).update(name=f"Alice's {SHORT_EVIL}")
            ImportBatch.objects.filter(pk=self.batch.pk).update(
                file_name=EVIL, refused=[{"line": 1, "code": "x", "detail": EVIL}], remarks=[{"code": "y", "detail": EVIL}]
            )
            evil = {"name": SHORT_EVIL, "headings": [EVIL], "mapping": {"columns": {"date": EVIL}, "kinds": {EVIL: EVIL}}}
            ImportTemplate.objects.filter(pk=self.import_template.pk).update(**evil)
            said = {"user": self.alice, "source": SHORT_EVIL[:50], "identity": EVIL[:300]}
            self.import_answer = InstrumentAnswer.objects.create(**said, instrument=self.instrument)
            Watchlist.objects.filter(pk=self.watchlist.pk).update(name=SHORT_EVIL)
            Notification.objects.filter(pk=self.notification.pk).update(title=EVIL[:200], body=EVIL, link="javascript:alert(7)")
            ApiToken.objects.filter(pk=self.token.pk).update(name=SHORT_EVIL)
            TargetAllocation.objects.filter(pk=self.allocation.pk).update(name=SHORT_EVIL)
            Taxonomy.objects.filter(pk=self.taxonomy.pk).update(name=SHORT_EVIL)
            Classification.objects.filter(pk=self.classification.pk).update(category=SHORT_EVIL)
            self.make_trading_evil()
        Delivery.objects.using("system").filter(pk=self.desk.delivery.pk).update(last_error=EVIL, payload={"x": EVIL})
        User.objects.filter(pk=self.alice.pk).update(display_name=SHORT_EVIL)
        Instrument.objects.filter(pk=self.instrument.pk).update(name=EVIL)
        JobRun.objects.using("system").filter(pk=self.run.pk).update(detail=EVIL)
        _ = self.theirs  # a stranger has an account, too
        texts: dict[str, Any] = {"notes": EVIL, "reason_primary": SHORT_EVIL, "reason_explanation": EVIL, "tags": (HOSTILE[0],)}
        self.evil = post(self.account, "BUY", instrument=self.instrument, quantity="1", price="10", data={"x": EVIL}, **texts)
        for price in range(9):
            post(self.account, "BUY", instrument=self.instrument, quantity="1", price=str(10 + price))
        catch_up(account_id=self.account.pk, at=NOW)

    def make_trading_evil(self) -> None:
        """Write hostile texts into everything that people say of their trading."""
        desk, said = self.desk, {"entry_type": SHORT_EVIL, "indicators": [SHORT_EVIL]}
        Strategy.objects.filter(pk=desk.strategy.pk).update(name=SHORT_EVIL, description=EVIL, parameters={"x": EVIL}, **said)
        Session.objects.filter(pk=desk.session.pk).update(name=SHORT_EVIL, configuration={"x": EVIL}, code_version=SHORT_EVIL)
        Evaluation.objects.filter(pk=desk.evaluation.pk).update(detail=EVIL)
        Signal.objects.filter(pk=desk.signal.pk).update(source=SHORT_EVIL, data={"x": EVIL})
        Decision.objects.filter(pk=desk.decision.pk).update(reasoning=EVIL, metadata={"x": EVIL}, source=SHORT_EVIL[:50], **said)
        make_change(desk.decision, changes={SHORT_EVIL: [EVIL, SHORT_EVIL]}, reason=EVIL)
        self.evil_order = make_order(self.account, self.instrument, client_order_id=SHORT_EVIL, session=desk.session)
        BrokerConnection.objects.filter(pk=desk.connection.pk).update(last_error=EVIL)
        self.evil_break = make_break(self.account, subject=SHORT_EVIL, detail=EVIL, data={"x": EVIL}, instrument=self.instrument)
        url = f"https://example.com/{SHORT_EVIL}{desk.webhook.pk}"
        Webhook.objects.filter(pk=desk.webhook.pk).update(url=url, last_error=EVIL)
        self.evil_breach = make_risk_event(
            self.account, instrument=self.instrument, detail=EVIL, configuration={"x": EVIL}, type=HOSTILE[0]
        )

    @cached_property
    def records(self) -> dict[type[Model], Model]:
        """Return one record of each kind that has a page."""
        found: dict[type[Model], Model] = {
            Account: self.account,
            AccountImport: self.account_import,
            ApiToken: self.token,
            ImportBatch: self.batch,
            ImportTemplate: self.import_template,
            InstrumentAnswer: self.import_answer,
            Job: self.job,
            JobRun: self.run,
            LedgerEntry: self.evil,
            Membership: self.membership(self.bob),
            Notification: self.notification,
            Policy: self.policy,
            TargetAllocation: self.allocation,
            Taxonomy: self.taxonomy,
            Classification: self.classification,
            User: self.alice,
            Watchlist: self.watchlist,
            Instrument: self.instrument,
            ArchiveSegment: make_segment(fault=EVIL[:300], content=EVIL[:200]),
        }
        found |= {model: self.shared(model) for model in SHARED if model not in found}
        with acting_as(self.alice.pk):
            thresholds = {"min_win_rate": "0.5", "min_expectancy": "1", "max_drawdown_pct": "0.1", "max_consecutive_losses": 3}
            found[TradeThresholds] = TradeThresholds.objects.get_or_create(account=self.account, defaults=thresholds)[0]
            alert = {"since": NOW, "message": EVIL}
            found[Alert] = Alert.objects.using("system").get_or_create(account=self.account, subject="x", defaults=alert)[0]
            found |= {
                Strategy: self.desk.strategy,
                Session: self.desk.session,
                Evaluation: self.desk.evaluation,
                Signal: self.desk.signal,
                Decision: self.desk.decision,
                BacktestRun: self.desk.run,
                Order: self.evil_order,
                Fill: self.desk.fill,
                RiskEvent: self.evil_breach,
                TradingPause: self.desk.pause,
                Trade: Trade.objects.get(pk=self.desk.order.pk),
                BrokerConnection: self.desk.connection,
                Break: self.evil_break,
                Webhook: self.desk.webhook,
                Delivery: self.desk.delivery,
            }
            for model in (Position, Lot, Closure, Snapshot, Performance, Projection):
                found[model] = model.objects.filter(account=self.account).order_by("pk").first()
        return found

    def shared(self, model: type[Model]) -> Model:
        """Return a row of market data, made where there is none."""
        pair = {"base": "EUR", "quote": "USD"}
        made: dict[type[Model], dict[str, Any]] = {
            PriceHistory: {"instrument": self.instrument, "timeframe": "1d", "first_at": NOW, "last_at": NOW, "rows": 3},
            ProviderState: {"instrument": self.instrument, "timeframe": "1d", "provider": "test", "last_detail": EVIL},
            FxRate: {**pair, "date": date(2020, 1, 2), "rate": 1, "recorded_at": NOW},
            FxHistory: {**pair, "rows": 1},
            ProviderHealth: {"provider": "test", "circuit": "OPEN", "last_error": EVIL[:300], "progress": EVIL[:200]},
            StreamState: {"provider": "test", "connected_at": NOW, "received": 10, "last_error": EVIL[:300]},
        }
        if model is QualityIssue:
            QualityIssue.objects.filter(pk=self.issue.pk).update(detail=EVIL, value=EVIL, source=SHORT_EVIL, record={"row": EVIL})
            return self.issue
        if model is CorporateAction:
            CorporateAction.objects.filter(pk=self.corporate_action.pk).update(notes=EVIL, source=SHORT_EVIL, label=HOSTILE[0])
            return self.corporate_action
        if model is Quote:
            make_quotes(self.instrument, [(NOW, "1", "2")])
            return Quote.objects.filter(instrument=self.instrument).first()
        if model is Tick:
            make_ticks(self.instrument, [(NOW, "1.5", "10")])
            return Tick.objects.filter(instrument=self.instrument).first()
        if model is Bar:
            return Bar.objects.filter(instrument=self.instrument).first()
        key = {name: value for name, value in made[model].items() if name in KEYS}
        return model._default_manager.get_or_create(**key, defaults=made[model])[0]

    def people(self) -> dict[str, User]:
        """Return the cast by name."""
        return {name: getattr(self, name) for name in ("alice", "tom", "bob", "charlie", "operator")}


KEYS = {"instrument", "timestamp", "timeframe", "provider", "base", "quote", "date"}


def pages() -> Iterator[type[Model]]:
    """Yield every kind of record that has a page."""
    return iter(admin.site._registry)


def looks(user: User) -> Client:
    """Return a browser in which the user is logged in."""
    client = Client()
    client.force_login(user)
    return client


def to(model: type[Model], page: str, *args: Any) -> str:
    """Return the address of a page of a kind of record."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)
