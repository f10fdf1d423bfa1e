"""Orders are held against their rules and the limits of the account, written down, replaced and canceled: for all doors."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.models import Account, Notification
from accounts.models.tenancy import acting_as
from tests.factories import day, make_account, make_bars, make_instrument, post
from tests.trading.factories import make_connection, make_decision, make_fill, make_order, make_session, stored
from trading.domain.drafts import OrderDraft, Replacement, StopLoss, TakeProfit
from trading.domain.orders import OrderClass, OrderType, Side, TimeInForce
from trading.models import Door, Order, OrderEvent, RestrictedInstrument, RiskEvent, RiskLimits, TradingPause
from trading.services.order_rows import ClientOrderIdTaken
from trading.services.orders import (
    DecisionOfAnother,
    NoBroker,
    Ordering,
    RiskBreached,
    cancel_all,
    cancel_order,
    place_order,
    preview_order,
    replace_order,
)
from trading.services.refusals import NotAsThingsStand
from trading.services.sessions import SessionEnded, end_session

NOW = datetime(2020, 1, 7, 15, tzinfo=UTC)


@pytest.fixture
def instrument():
    made = make_instrument()
    make_bars(made, [("2020-01-02", "10"), ("2020-01-06", "10")])
    return made


@pytest.fixture
def account(alice) -> Account:
    """Return an account with ten thousand dollars."""
    made = make_account(owner=alice)
    post(made, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    return made


@pytest.fixture
def by(alice):
    return Ordering(actor=alice, door=Door.API, at=NOW)


def kept(user, work):
    """Do something as a person in a transaction of its own, which a limit that is broken does not undo; as the doors do."""
    refusal = None
    with acting_as(user.pk):
        try:
            return work()
        except RiskBreached as broken:
            refusal = broken
    raise refusal


@pytest.fixture
def do(alice):
    """Return a way to do something as Alice."""
    return lambda work, **said: kept(alice, lambda: work(**said))


@pytest.fixture
def place(alice, account, instrument, by):
    """Return a way to place an order: a hundred dollars' worth, unless told otherwise."""

    def placed(**fields):
        said = {"side": Side.BUY, "quantity": Decimal(10)} | fields
        where = said.pop("account", account)
        return kept(alice, lambda: place_order(account=where, instrument=instrument, draft=OrderDraft(**said), by=by))

    return placed


@pytest.fixture
def rows(alice):
    """Return a way to look at rows as Alice."""

    def found(model, **which):
        with acting_as(alice.pk):
            return list(model.objects.filter(**which).order_by("pk"))

    return found


def codes(refused) -> set[str]:
    """Return the names of the rules in a refusal."""
    return {error.code for errors in refused.value.error_dict.values() for error in errors}


def hold(account, instrument, quantity="100", price="10"):
    """Let an account hold some of an instrument."""
    post(account, "BUY", instrument=instrument, quantity=quantity, price=price, occurred_at=day("2020-01-03"))


class TestPlacing:
    def test_writes_the_order_down_with_its_event_and_leaves_it_to_be_sent(self, place, rows):
        (order,) = place(client_order_id="mine")
        assert (order.status, order.sending, order.effect, order.broker) == ("NEW", "PENDING", "OPEN", "paper")
        assert (order.reference_price, order.client_order_id) == (Decimal(10), "mine")
        assert [event.kind for event in rows(OrderEvent, order=order)] == ["CREATED"]

    @pytest.mark.parametrize("time", [TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG, TimeInForce.CLS])
    def test_keeps_to_the_hours_of_the_exchange(self, place, account, do, by, time):
        nasdaq, when = make_instrument(exchange="XNAS"), {}
        for name, hour, minute in (("open", 15, 0), ("closing", 20, 55), ("closed", 22, 0)):
            moment = replace(by, at=datetime(2020, 1, 7, hour, minute, tzinfo=UTC))
            said = {"account": account, "instrument": nasdaq, "by": moment}
            try:
                do(preview_order, draft=OrderDraft(side=Side.BUY, quantity=Decimal(1), time_in_force=time), **said)
                when[name] = ""
            except ValidationError as refused:
                (when[name],) = [error.code for error in refused.error_dict["time_in_force"]]
        assert (
            when
            == {
                "IOC": {"open": "", "closing": "", "closed": "market_closed"},
                "FOK": {"open": "", "closing": "", "closed": "market_closed"},
                "OPG": {"open": "auction_over", "closing": "auction_over", "closed": ""},
                "CLS": {"open": "", "closing": "auction_closed", "closed": ""},
            }[time]
        )

    def test_says_beforehand_when_it_would_trade(self, account, do, by):
        nasdaq, evening = make_instrument(exchange="XNAS"), replace(by, at=datetime(2020, 1, 17, 22, tzinfo=UTC))  # a Friday
        draft = OrderDraft(side=Side.BUY, quantity=Decimal(1))
        span = do(preview_order, account=account, instrument=nasdaq, draft=draft, by=evening).span
        # Monday is Martin Luther King's Day
        assert (span.begins, span.ends) == (datetime(2020, 1, 21, 14, 30, tzinfo=UTC), datetime(2020, 1, 21, 21, tzinfo=UTC))

    def test_gives_no_extended_hours_where_there_are_none(self, account, do, by):
        limited = {"type": OrderType.LIMIT, "limit_price": Decimal(1), "extended_hours": True}
        draft = OrderDraft(side=Side.BUY, quantity=Decimal(1), **limited)
        here, there = make_instrument(exchange="XNAS"), make_instrument(exchange="XETR", currency="EUR")
        assert do(preview_order, account=account, instrument=here, draft=draft, by=by)
        with pytest.raises(ValidationError) as refused:
            do(preview_order, account=account, instrument=there, draft=draft, by=by)
        assert codes(refused) == {"extended_shares"}

    def test_uses_a_client_order_id_once(self, place):
        place(client_order_id="mine")
        with pytest.raises(ClientOrderIdTaken):
            place(client_order_id="mine")

    def test_writes_a_bracket_with_its_exits_waiting(self, place):
        legs = {"take_profit": TakeProfit(Decimal(12)), "stop_loss": StopLoss(Decimal(9))}
        rows = place(order_class=OrderClass.BRACKET, **legs)
        assert [(row.role, row.sending, row.effect) for row in rows] == [
            ("ENTRY", "PENDING", "OPEN"), ("TAKE_PROFIT", "HELD", "CLOSE"), ("STOP_LOSS", "HELD", "CLOSE"),
        ]  # fmt: skip

    def test_closes_what_is_held_and_never_more(self, place, account, instrument):
        hold(account, instrument)
        assert place(side=Side.SELL, quantity=Decimal(60))[0].effect == "CLOSE"
        with pytest.raises(NotAsThingsStand) as refused:
            place(side=Side.SELL, quantity=Decimal(60))
        assert codes(refused) == {"reserved_by_orders"}
        with pytest.raises(NotAsThingsStand) as refused:
            place(side=Side.SELL, quantity=Decimal(101))
        assert codes(refused) == {"reserved_by_orders"}
        assert place(side=Side.SELL, quantity=Decimal(40))

    def test_crosses_no_zero(self, place, account, instrument):
        hold(account, instrument)
        with pytest.raises(NotAsThingsStand) as refused:
            place(side=Side.SELL, quantity=Decimal(101))
        assert refused.value.code == "crosses_zero"

    def test_sells_nothing_short_by_default_and_against_no_open_order_ever(self, place, account):
        with pytest.raises(RiskBreached) as refused:
            place(side=Side.SELL)
        assert codes(refused) == {"short_sale"}
        place()
        with pytest.raises(NotAsThingsStand) as refused:
            place(side=Side.SELL)
        assert codes(refused) == {"opposite_order"}

    def test_oco_closes_a_position_with_two_orders_that_count_once(self, place, account, instrument):
        hold(account, instrument)
        oco = {"type": OrderType.LIMIT, "order_class": OrderClass.OCO, "take_profit": TakeProfit(Decimal(12))}
        rows = place(side=Side.SELL, quantity=Decimal(70), stop_loss=StopLoss(Decimal(9)), **oco)
        assert [(row.role, row.sending) for row in rows] == [("TAKE_PROFIT", "PENDING"), ("STOP_LOSS", "PENDING")]
        assert place(side=Side.SELL, quantity=Decimal(30))

    def test_takes_an_amount_of_money(self, place, account, instrument):
        assert place(quantity=None, notional=Decimal(500))[0].notional == 500
        with pytest.raises(RiskBreached) as refused:
            place(quantity=None, notional=Decimal(2600))
        assert codes(refused) == {"position_share"}

    def test_refuses_what_breaks_its_own_rules_by_field(self, place, rows, account):
        for fields, field in (
            ({"quantity": None}, "quantity"),
            ({"quantity": Decimal("NaN")}, "quantity"),
            ({"quantity": Decimal(-1)}, "quantity"),
            ({"type": OrderType.LIMIT}, "limit_price"),
            ({"time_in_force": TimeInForce.GTC, "quantity": Decimal("1.5")}, "time_in_force"),
        ):
            with pytest.raises(ValidationError) as refused:
                place(**fields)
            assert field in refused.value.error_dict
        assert not rows(Order, account=account)
        assert not rows(RiskEvent, account=account)

    def test_names_its_session_and_decision(self, place, account, instrument, by, alice, do):
        session, decision = make_session(account), make_decision(account, instrument)
        ordering = Ordering(actor=alice, door=Door.STRATEGY, at=NOW, session=session, decision=decision)
        draft = OrderDraft(side=Side.BUY, quantity=Decimal(1))
        order = do(place_order, account=account, instrument=instrument, draft=draft, by=ordering)[0]
        assert (order.session_id, order.decision_id, order.door) == (session.pk, decision.pk, "STRATEGY")
        with pytest.raises(DecisionOfAnother):
            do(place_order, account=account, instrument=make_instrument(), draft=draft, by=ordering)
        ended = do(end_session, session=session, at=NOW)
        ordering = replace(ordering, session=ended)
        with pytest.raises(SessionEnded):
            do(place_order, account=account, instrument=instrument, draft=draft, by=ordering)

    def test_goes_to_the_broker_that_is_connected_and_to_none_if_a_live_account_has_none(self, place, account, alice, instrument):
        live = make_account(owner=alice, execution_mode="LIVE")
        post(live, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
        with pytest.raises(NoBroker):
            place(account=live)
        make_connection(live)
        assert place(account=live)[0].broker == "alpaca"


class TestPreview:
    def test_says_what_would_become_of_it_and_writes_nothing(self, account, instrument, by, rows, do):
        draft = OrderDraft(side=Side.BUY, quantity=Decimal(300))
        found = do(preview_order, account=account, instrument=instrument, draft=draft, by=by)
        assert [breach.rule for breach in found.breaches] == ["POSITION_SHARE"]
        assert (found.assessment.value, found.assessment.price) == (3000, 10)
        assert rows(Order, account=account) == []
        assert rows(RiskEvent, account=account) == []


class TestRisk:
    def test_refuses_and_keeps_what_was_broken_with_the_limits_as_they_were(self, place, account, instrument, alice, rows):
        with pytest.raises(RiskBreached) as refused:
            place(quantity=Decimal(300))
        assert refused.value.code == "position_share"
        (event,) = rows(RiskEvent, account=account)
        assert (event.type, event.action_taken, event.severity, event.actor_id, event.instrument_id) == (
            "POSITION_SHARE", "REJECT", "WARNING", alice.pk, instrument.pk,
        )  # fmt: skip
        assert (event.value, event.limit) == (Decimal("0.3"), Decimal("0.25"))
        assert event.configuration["max_position_share"] == "0.25"
        assert rows(Order, account=account) == []

    def test_counts_what_open_orders_will_buy(self, place):
        place(quantity=Decimal(200))
        with pytest.raises(RiskBreached) as refused:
            place(quantity=Decimal(60))
        assert codes(refused) == {"position_share"}
        assert place(quantity=Decimal(50))

    def test_counts_what_is_held_at_its_last_price(self, place, account, instrument):
        hold(account, instrument, "200")
        with pytest.raises(RiskBreached):
            place(quantity=Decimal(51))
        assert place(quantity=Decimal(50))

    def test_spends_nothing_twice(self, place, account):
        stored(RiskLimits, account, max_position_share=None, updated_at=NOW)
        place(quantity=Decimal(600))
        with pytest.raises(RiskBreached) as refused:
            place(quantity=Decimal(401))
        assert codes(refused) == {"buying_power"}
        assert place(quantity=Decimal(400))

    def test_knows_what_was_filled_a_moment_ago(self, place, account, instrument):
        order = place(quantity=Decimal(200))[0]
        make_fill(order, quantity="200", price="10", at=day("2020-01-06"))
        with pytest.raises(RiskBreached):
            place(quantity=Decimal(51))
        assert place(side=Side.SELL, quantity=Decimal(200))[0].effect == "CLOSE"

    def test_keeps_off_what_is_restricted_but_lets_it_be_sold(self, place, account, instrument):
        hold(account, instrument)
        stored(RestrictedInstrument, account, instrument=instrument, created_at=NOW)
        with pytest.raises(RiskBreached) as refused:
            place()
        assert refused.value.code == "restricted_instrument"
        assert place(side=Side.SELL)

    def test_wants_a_price(self, account, by, do):
        draft = OrderDraft(side=Side.BUY, quantity=Decimal(1))
        with pytest.raises(RiskBreached) as refused:
            do(place_order, account=account, instrument=make_instrument(), draft=draft, by=by)
        assert refused.value.code == "unknown_value"

    def test_pauses_after_the_days_loss_and_lets_positions_be_closed(self, place, account, instrument, rows):
        hold(account, instrument, "200")
        other = make_instrument()
        make_bars(other, [("2020-01-02", "100"), ("2020-01-06", "100"), ("2020-01-07", "80")])
        post(account, "BUY", instrument=other, quantity="20", price="100", occurred_at=day("2020-01-03"))
        with pytest.raises(RiskBreached) as refused:
            place(quantity=Decimal(1))
        assert refused.value.code == "daily_loss"
        (pause,) = rows(TradingPause, account=account)
        assert [pause.event_id] == [event.pk for event in rows(RiskEvent, account=account, type="DAILY_LOSS")]
        assert "4 %" in pause.reason
        with pytest.raises(RiskBreached) as refused:
            place(quantity=Decimal(1))
        assert refused.value.code == "trading_paused"
        assert place(side=Side.SELL, quantity=Decimal(1))


class TestReplacing:
    def test_replaces_at_once_what_was_not_sent(self, place, by, rows, do):
        order = place(type=OrderType.LIMIT, limit_price=Decimal(9))[0]
        made = do(replace_order, order=order, change=Replacement(limit_price=Decimal(8)), by=by)
        (order,) = rows(Order, pk=order.pk)
        assert (order.status, order.sending, made.replaces_id, made.limit_price) == ("REPLACED", "SETTLED", order.pk, 8)
        assert (made.quantity, made.status, made.sending) == (10, "NEW", "PENDING")

    def test_asks_the_broker_where_it_was_sent_and_counts_one_of_the_two(self, account, instrument, by, place, rows, do):
        order = make_order(account, instrument, type="LIMIT", limit_price="9", quantity=200, sending="SETTLED", status="NEW")
        made = do(replace_order, order=order, change=Replacement(quantity=Decimal(250)), by=by)
        (order,) = rows(Order, pk=order.pk)
        assert (order.status, order.pending_replace, made.status) == ("NEW", True, "NEW")
        assert rows(OrderEvent, order=order)[-1].data == {"by": str(made.pk), "filled": "0", "whole": "250"}
        with pytest.raises(NotAsThingsStand) as refused:
            do(replace_order, order=made, change=Replacement(quantity=Decimal(10)), by=by)
        assert refused.value.code == "order_pending"
        with pytest.raises(RiskBreached):  # 250 x 9 of 2,500, not 450 x 9
            place(quantity=Decimal(26))
        assert place(quantity=Decimal(25))

    def test_holds_the_new_order_against_the_limits(self, place, by, rows, do):
        order = place(type=OrderType.LIMIT, limit_price=Decimal(9))[0]
        with pytest.raises(RiskBreached):
            do(replace_order, order=order, change=Replacement(quantity=Decimal(300)), by=by)
        (order,) = rows(Order, pk=order.pk)
        assert order.status == "NEW"

    def test_keeps_an_exit_in_its_group(self, place, by, rows, do):
        legs = {"take_profit": TakeProfit(Decimal(12)), "stop_loss": StopLoss(Decimal(9))}
        entry, profit, loss = place(order_class=OrderClass.BRACKET, type=OrderType.LIMIT, limit_price=Decimal(10), **legs)
        moved = do(replace_order, order=entry, change=Replacement(limit_price=Decimal("9.5")), by=by)
        assert (moved.role, moved.parent_id, moved.order_class) == ("ENTRY", entry.pk, "BRACKET")
        do(cancel_order, order=moved, by=by)
        assert {one.status for one in rows(Order, pk__in=[profit.pk, loss.pk])} == {"CANCELED"}

    def test_refuses_what_has_ended_and_what_changes_nothing(self, place, by, do):
        order = place(type=OrderType.LIMIT, limit_price=Decimal(9))[0]
        with pytest.raises(ValidationError):
            do(replace_order, order=order, change=Replacement(), by=by)
        do(cancel_order, order=order, by=by)
        with pytest.raises(NotAsThingsStand) as refused:
            do(replace_order, order=order, change=Replacement(limit_price=Decimal(8)), by=by)
        assert refused.value.code == "order_not_open"


class TestCanceling:
    def test_cancels_at_once_what_was_not_sent_with_what_hangs_on_it(self, place, by, rows, do):
        made = place(order_class=OrderClass.OTO, stop_loss=StopLoss(Decimal(9)))
        assert do(cancel_order, order=made[0], by=by).status == "CANCELED"
        assert {row.status for row in rows(Order, pk__in=[one.pk for one in made])} == {"CANCELED"}

    def test_asks_the_broker_once_where_it_was_sent(self, account, instrument, by, rows, do):
        order = make_order(account, instrument, sending="SENT")
        for _ in range(2):
            assert do(cancel_order, order=order, by=by).pending_cancel
        assert len(rows(OrderEvent, order=order, kind="CANCEL_REQUESTED")) == 1

    def test_refuses_what_has_ended(self, place, by, do):
        order = do(cancel_order, order=place()[0], by=by)
        with pytest.raises(NotAsThingsStand):
            do(cancel_order, order=order, by=by)

    def test_cancels_all(self, place, account, by, rows, do):
        place(order_class=OrderClass.OTO, stop_loss=StopLoss(Decimal(9)))
        place()
        do(cancel_all, account=account, by=by)
        assert {row.status for row in rows(Order, account=account)} == {"CANCELED"}


def test_members_are_told_of_a_refusal_once_an_hour(place, alice, rows):
    for _ in range(2):
        with pytest.raises(RiskBreached):
            place(quantity=Decimal(300))
    (told,) = rows(Notification, user=alice)
    assert "refused" in told.title
    assert "30 %" in told.body
