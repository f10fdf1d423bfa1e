"""What the database itself keeps of orders and fills: nothing is rewritten, lost, doubled or somebody else's."""

from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.models import ProtectedError

from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument, make_user, post, share
from tests.trading.factories import AT, event_of, make_decision, make_fill, make_order, make_session, move_order, stored
from trading.domain.drafts import Terms
from trading.domain.legs import LegRole
from trading.domain.orders import Event, EventKind, OrderState, OrderStatus, OrderType
from trading.models import Fill, Order, OrderEvent, terms_of
from trading.models.writing import new_id, new_order, store


@pytest.fixture
def instrument():
    return make_instrument(tick_size=Decimal("0.01"))


@pytest.fixture
def order(account, instrument):
    return make_order(account, instrument)


@contextmanager
def refused(account, text=None, *, error=DatabaseError):
    """Expect the database to refuse what the owner of an account does."""
    with pytest.raises(error, match=text), acting_as(account.owner_id):
        yield


def events(*kinds):
    return [Event(EventKind[kind]) for kind in kinds]


class TestOrder:
    def test_says_what_was_asked_for_and_how_it_stands(self, account, instrument):
        made = make_order(account, instrument, type="LIMIT", limit_price=Decimal("9.5"), time_in_force="GTC")
        with acting_as(account.owner_id):
            found = Order.objects.get(pk=made.pk)
        found.draft.check(terms_of(instrument))
        assert (found.draft.type, found.draft.limit_price) == (OrderType.LIMIT, Decimal("9.5"))
        assert found.state == OrderState(quantity=Decimal(10))
        assert terms_of(instrument) == Terms(tick_size=Decimal("0.01"), extended_hours=False)  # a market of no country

    def test_keeps_its_state_to_the_last_digit(self, order):
        make_fill(order, "0.333333333333", "10.0000000001")
        make_fill(order, "0.000000000001", "9.9999999999")
        with acting_as(order.account.owner_id):
            found = Order.objects.get(pk=order.pk)
        assert found.state == order.state
        assert found.filled_value == Decimal("0.333333333333") * Decimal("10.0000000001") + Decimal("9.9999999999E-12")
        assert (found.status, found.average_price) == ("PARTIALLY_FILLED", Decimal("10.0000000001"))

    def test_is_open_until_it_ends(self, account, order, instrument):
        done = move_order(make_order(account, instrument), *events("ACCEPTED", "CANCELED"))
        with acting_as(account.owner_id):
            assert set(Order.objects.open()) == {order}
            assert set(Order.objects.unsettled()) == {order, done}
        assert (done.is_open, done.ended_at, done.state.remaining) == (False, AT, 0)

    def test_is_one_of_its_group(self, account, instrument):
        entry = make_order(account, instrument, role="ENTRY")
        leg = make_order(account, instrument, side="SELL", effect="CLOSE", parent=entry, role="STOP_LOSS", sending="HELD")
        assert (leg.member.role, leg.member.held, leg.member.key) == (LegRole.STOP_LOSS, True, leg.pk)

    def test_by_amount_needs_no_quantity(self, account, instrument):
        assert make_order(account, instrument, notional=Decimal(100)).draft.quantity is None


class TestClientOrderId:
    def test_is_used_once_in_an_account_and_freely_in_others(self, account, instrument, order):
        with refused(account, "client_order_id_once", error=IntegrityError):
            Order.objects.create(
                account=account,
                instrument=instrument,
                client_order_id=order.client_order_id,
                side="BUY",
                quantity=1,
                broker="paper",
                actor=account.owner,
                created_at=AT,
                updated_at=AT,
            )
        other = make_account(owner=make_user())
        assert make_order(other, instrument, client_order_id=order.client_order_id)

    def test_is_not_used_again_after_a_cancel(self, account, instrument, order):
        move_order(order, *events("CANCELED"))
        with pytest.raises(IntegrityError):
            make_order(account, instrument, client_order_id=order.client_order_id)


class TestWhatWasAskedFor:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("side", "SELL"),
            ("limit_price", 5),
            ("client_order_id", "x"),
            ("order_class", "OTO"),
            ("extended_hours", True),
            ("created_at", AT + timedelta(1)),
            ("broker", "alpaca"),
            ("reference_price", 1),
        ],
    )
    def test_never_changes(self, account, order, column, value):
        with refused(account, "never changes"):
            Order.objects.filter(pk=order.pk).update(**{column: value})

    def test_is_kept(self, account, order):
        with refused(account):
            Order.objects.filter(pk=order.pk).delete()

    @pytest.mark.parametrize("statement", ["delete from trading_order where id = %s", "truncate trading_order cascade"])
    def test_is_kept_from_the_owner_of_the_tables(self, order, statement):
        with pytest.raises(DatabaseError, match="append-only"), connections["owner"].cursor() as cursor:
            cursor.execute(statement, [order.pk] if "%s" in statement else [])


class TestState:
    @pytest.mark.parametrize(
        "change", [{"status": "ACCEPTED"}, {"filled_quantity": 1, "average_price": 1}, {"pending_cancel": True}, {"quantity": 5}]
    )
    def test_changes_with_an_event_alone(self, account, order, change):
        with refused(account, "together with an event"):
            Order.objects.filter(pk=order.pk).update(**change)

    def test_is_counted_forward(self, account, order):
        with refused(account, "together with an event"):
            Order.objects.filter(pk=order.pk).update(events=0)

    def test_does_not_stand_without_the_event_it_counts(self, account, order):
        with refused(account, "lacks the event"):
            Order.objects.filter(pk=order.pk).update(events=2, status="ACCEPTED")

    def test_does_not_stand_beside_an_event_that_says_otherwise(self, account, order):
        with refused(account, "lacks the event"):
            Order.objects.filter(pk=order.pk).update(events=2, status="ACCEPTED")
            OrderEvent.objects.create(
                account=account, order=order, sequence=2, kind="SENT", status="NEW", at=AT, recorded_at=AT, door="API"
            )

    def test_of_a_new_order_needs_its_first_event(self, account, instrument):
        fields = {"client_order_id": "x", "side": "BUY", "quantity": 1, "broker": "paper", "actor": account.owner}
        with refused(account, "lacks the event"):
            Order.objects.create(account=account, instrument=instrument, created_at=AT, updated_at=AT, **fields)

    @pytest.mark.parametrize("end", ["CANCELED", "REJECTED", "EXPIRED", "REPLACED"])
    def test_is_final_once_the_order_has_ended(self, account, order, end):
        move_order(order, *events(end))
        with refused(account, f"is {end} does not become ACCEPTED"):
            Order.objects.filter(pk=order.pk).update(events=3, status="ACCEPTED", ended_at=None)

    def test_takes_a_late_fill(self, order):
        move_order(order, *events("ACCEPTED", "CANCELED"))
        make_fill(order, "4")
        assert (order.status, order.filled_quantity, event_of(order).kind) == ("CANCELED", 4, "FILLED")

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"filled_quantity": 11, "average_price": 1}, "order_not_filled_beyond_its_quantity"),
            ({"filled_quantity": 5}, "order_average_price_of_what_is_filled"),
            ({"status": "FILLED", "ended_at": AT}, "filled_order_is_filled"),
            ({"status": "CANCELED"}, "order_ends_when_it_is_final"),
            ({"status": "CANCELED", "ended_at": AT, "pending_cancel": True}, "final_order_awaits_nothing"),
            ({"sending": "HELD"}, "held_order_waits_for_its_parent"),
            ({"status": "DONE", "ended_at": AT}, "order_status_is_known"),
            ({"quantity": None}, "order_is_for_quantity_or_notional"),
        ],
    )
    def test_keeps_to_its_rules(self, account, order, change, name):
        with refused(account, name, error=IntegrityError):
            Order.objects.filter(pk=order.pk).update(events=2, **change)

    def test_on_the_way_to_the_broker_needs_no_event(self, account, order):
        with acting_as(account.owner_id):
            Order.objects.filter(pk=order.pk).update(sending="SENT", claimed_at=AT, attempts=1, broker_order_id="b-1")
        with refused(account, "by another id"):
            Order.objects.filter(pk=order.pk).update(broker_order_id="b-2")


class TestEvents:
    @pytest.mark.parametrize("change", ["update trading_orderevent set detail = 'x'", "delete from trading_orderevent"])
    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    def test_are_never_changed(self, account, order, alias, change):
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("select set_config('app.user_id', %s, true)", [str(account.owner_id)])
            with pytest.raises(DatabaseError), transaction.atomic(using=alias):
                cursor.execute(f"{change} where order_id = %s", [order.pk])

    def test_are_counted_once(self, account, order):
        with refused(account, "order_event_once", error=IntegrityError):
            OrderEvent.objects.create(
                account=account, order=order, sequence=1, kind="SENT", status="NEW", at=AT, recorded_at=AT, door="API"
            )


class TestFill:
    def test_is_posted_once(self, order):
        fill = make_fill(order, "4")
        entry = post(order.account, "BUY", instrument=order.instrument, quantity="4", price="10")
        with refused(order.account, "fill_posted_once", error=IntegrityError):
            self.again(fill, entry=entry)
        with refused(order.account, "fill_of_one_entry", error=IntegrityError):
            self.again(fill, execution_id="other")

    def test_of_another_accounts_order_is_refused(self, account, order):
        other = make_order(make_account(owner=account.owner), order.instrument)
        fill = make_fill(order, "4")
        with refused(account, "fill_order_of_the_account", error=IntegrityError):
            self.again(fill, order_id=other.pk, execution_id="x", entry=post(account, "DEPOSIT", cash="1"))

    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    @pytest.mark.parametrize("table", ["fill", "orderevent"])
    def test_of_no_order_is_refused_to_everybody(self, account, order, alias, table):
        make_fill(order, "4")
        columns = {
            "fill": "quantity, price, fee, at, recorded_at, broker, entry_id, execution_id",
            "orderevent": "sequence, kind, status, at, recorded_at, door, detail, data, external_id",
        }[table]
        values = columns.replace("execution_id", "'x'").replace("entry_id", "gen_random_uuid()")
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("select set_config('app.user_id', %s, true)", [str(account.owner_id)])
            with pytest.raises(DatabaseError), transaction.atomic(using=alias):
                cursor.execute(
                    f"insert into trading_{table} (id, account_id, order_id, {columns}) "
                    f"select gen_random_uuid(), account_id, gen_random_uuid(), {values} from trading_{table} where order_id = %s",
                    [order.pk],
                )

    @pytest.mark.parametrize("table", ["fill", "orderevent"])
    def test_of_one_order_that_is_not_there_is_refused_among_others(self, order, table):
        make_fill(order, "4")
        columns = {
            "fill": "quantity, price, fee, at, recorded_at, broker, entry_id, execution_id",
            "orderevent": "kind, status, at, recorded_at, door, detail, data, external_id, sequence",
        }[table]
        values = (
            columns.replace("execution_id", "'x' || n").replace("entry_id", "gen_random_uuid()").replace("sequence", "90 + n")
        )
        with pytest.raises(IntegrityError, match=f"{table}_order_of_the_account"), connections["owner"].cursor() as cursor:
            cursor.execute(
                f"insert into trading_{table} (id, account_id, order_id, {columns}) "
                f"select gen_random_uuid(), account_id, case n when 3 then gen_random_uuid() else order_id end, {values} "
                f"from (select distinct on (order_id) * from trading_{table}) as one, generate_series(1, 4) as n "
                f"where order_id = %s",
                [order.pk],
            )

    def test_is_an_entry_of_its_own_accounts_ledger(self, account, order):
        foreign = post(make_account(owner=account.owner), "DEPOSIT", cash="1")
        fill = make_fill(order, "4")
        with refused(account, "row-level security"):
            self.again(fill, execution_id="x", entry=foreign)

    def test_is_an_entry_that_there_is(self, account, order):
        fill = make_fill(order, "4")
        with refused(account, "row-level security"):
            self.again(fill, execution_id="x", entry=LedgerEntry(pk=uuid4()))

    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    def test_is_never_changed(self, account, order, alias):
        fill = make_fill(order)
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("select set_config('app.user_id', %s, true)", [str(account.owner_id)])
            for change in ("update trading_fill set price = 1", "delete from trading_fill"):
                with pytest.raises(DatabaseError), transaction.atomic(using=alias):
                    cursor.execute(f"{change} where id = %s", [fill.pk])

    def again(self, fill, **fields):
        made = {
            name: getattr(fill, name) for name in ("account", "order_id", "broker", "execution_id", "quantity", "price", "entry")
        }
        return Fill.objects.create(**made | {"at": AT, "recorded_at": AT} | fields)


class TestKeys:
    @pytest.mark.parametrize("column", ["session", "decision", "parent", "replaces"])
    def test_name_rows_of_the_same_account_alone(self, account, order, instrument, column):
        foreign = make_account(owner=account.owner)
        made = {
            "session": lambda: make_session(foreign),
            "parent": lambda: make_order(foreign, instrument),
            "replaces": lambda: make_order(foreign, instrument),
            "decision": lambda: make_decision(foreign, instrument),
        }[column]()
        with pytest.raises(IntegrityError, match=f"order_{column}_of_the_account"):
            make_order(account, instrument, **{column: made})

    def test_hold_what_an_order_hangs_on(self, account, instrument):
        session = make_session(account)
        make_order(account, instrument, session=session)
        with pytest.raises(ProtectedError), acting_as(account.owner_id):
            session.delete()


class TestRoles:
    def test_viewers_write_no_orders_and_traders_do(self, account, instrument, order, bob):
        tom = share(account, make_user("tom"), Role.TRADER)
        with acting_as(bob.pk):
            assert Order.objects.filter(pk=order.pk).update(attempts=3) == 0
        with pytest.raises(DatabaseError, match="row-level security"), acting_as(bob.pk):
            stored_as(account, instrument, bob)
        with acting_as(tom.pk):
            assert stored_as(account, instrument, tom)

    def test_strangers_see_none(self, order, charlie):
        with acting_as(charlie.pk):
            assert not Order.objects.filter(pk=order.pk).exists()

    @pytest.mark.parametrize("what", ["new", "moved", "events"])
    @pytest.mark.parametrize("who", ["a viewer", "a stranger"])
    def test_what_is_stored_in_one_trip_is_stored_by_traders_alone(self, order, bob, charlie, who, what):
        own = make_order(make_account(owner=charlie), order.instrument)
        given = {"new": [unsaved(order)], "moved": [order], "events": [second_event(order)]}[what]
        among = {"new": unsaved(own), "moved": own, "events": second_event(own)}[what]
        with acting_as(order.account.owner_id):
            before = Order.objects.count(), OrderEvent.objects.count()
        order.attempts = own.attempts = 7
        with pytest.raises(DatabaseError, match="by who trades"), acting_as((bob if who == "a viewer" else charlie).pk):
            store(**{what: given if who == "a viewer" else [among, *given]})  # one's own goes with what is refused
        with acting_as(order.account.owner_id):
            assert (Order.objects.count(), OrderEvent.objects.count()) == before
            assert Order.objects.get(pk=order.pk).attempts == 0
        with acting_as(charlie.pk):
            assert (Order.objects.get().attempts, OrderEvent.objects.count()) == (0, 1)

    def test_nobody_learns_which_client_order_ids_others_use(self, order, charlie):
        with pytest.raises(DatabaseError, match="by who trades"), acting_as(charlie.pk):
            store(new=[unsaved(order, client_order_id=order.client_order_id)])

    def test_nobody_stores_without_saying_who_they_are(self, order):
        with pytest.raises(DatabaseError, match="by who trades"), transaction.atomic():
            store(moved=[order])


def unsaved(order, **fields):
    """Return a new order beside another."""
    names = ("account_id", "instrument_id", "side", "quantity", "broker", "actor_id", "created_at", "updated_at")
    same = {name: getattr(order, name) for name in names}
    return new_order(same | {"id": uuid4(), "client_order_id": uuid4().hex, "events": 1} | fields)


def second_event(order):
    """Return what could happen to a new order next."""
    common = {"order_id": order.pk, "account_id": order.account_id, "at": AT, "recorded_at": AT, "door": "API", "data": {}}
    return common | {"id": new_id(), "sequence": 2, "kind": "ACCEPTED", "status": "ACCEPTED", "detail": "", "external_id": ""}


def stored_as(account, instrument, user):
    """Store an order with its event as a member."""
    order = Order.objects.create(
        account=account,
        instrument=instrument,
        client_order_id=f"by {user.pk}",
        side="BUY",
        quantity=1,
        broker="paper",
        actor=user,
        created_at=AT,
        updated_at=AT,
    )
    OrderEvent.objects.create(
        account=account, order=order, sequence=1, kind="CREATED", status=OrderStatus.NEW, at=AT, recorded_at=AT, door="API"
    )
    return order


def test_a_fill_of_an_order_in_two_accounts_is_posted_in_both(order):
    """The same execution id in another account, or at another broker, is another execution."""
    fill = make_fill(order, "4", execution_id="same")
    other = make_order(make_account(owner=make_user()), order.instrument)
    assert make_fill(other, "4", execution_id="same").pk != fill.pk
    entry = post(order.account, "BUY", instrument=order.instrument, quantity="4", price="10")
    fields = {"order": order, "quantity": 4, "price": 10, "at": AT, "recorded_at": AT, "entry": entry}
    assert stored(Fill, order.account, broker="alpaca", execution_id="same", **fields)
