"""What happens in an account is told to its webhooks: put down with what happened, signed, tried until it is heard."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, connections

from accounts.models import Notification
from accounts.models.tenancy import acting_as
from portfolio.services.alerts import Finding, settle
from tests.factories import make_account, make_instrument, make_user
from tests.trading.factories import (
    make_break,
    make_delivery,
    make_fill,
    make_order,
    make_pause,
    make_risk_event,
    make_webhook,
)
from trading.adapters.webhooks import NotHeard
from trading.domain.webhooks import WAITS, sign
from trading.models import Delivery, Webhook
from trading.services import delivering
from trading.services.delivering import GIVES_UP, body_of, deliver_due, forget_deliveries
from trading.services.pauses import resume_trading
from trading.services.refusals import NotAsThingsStand
from trading.services.webhooks import change_webhook, create_webhook, redeliver, renew_secret

NOW = datetime(2024, 5, 7, 12, tzinfo=UTC)
ALL = ["ORDER", "FILL", "RISK", "ALERT"]


def told(webhook, **which):
    """Return what is put down for a webhook."""
    with acting_as(webhook.account.owner_id):
        return list(Delivery.objects.filter(webhook=webhook, **which).order_by("created_at", "pk"))


def events(webhook):
    """Return what it is told of."""
    return sorted((one.topic, one.payload.get("event")) for one in told(webhook))


def again(row):
    """Return a row as it is now."""
    with acting_as(row.account.owner_id):
        return type(row).objects.select_related("account").get(pk=row.pk)


class Ear:
    """Somebody who hears what is told to one webhook; the others' answer is what they would get, too."""

    def __init__(self, webhook, *answers):
        self.webhook, self.answers, self.heard = webhook, list(answers), []

    def __call__(self, url, body, headers, **_):
        if url != self.webhook.url:
            return 200
        self.heard.append((json.loads(body), headers, body))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, NotHeard):
            raise answer
        return answer

    def listen(self, at):
        """Let everything that is due be told; rows of other tests among it."""
        while deliver_due(clock=lambda: at, send=self):
            pass


@pytest.fixture
def webhook(account):
    return make_webhook(account, topics=ALL)


class TestWhatHappens:
    def test_to_orders_and_fills_is_put_down(self, account, webhook):
        instrument = make_instrument()
        order = make_order(account, instrument)
        fill = make_fill(order, "10", "12.5")
        assert events(webhook) == [("FILL", "FILLED"), ("ORDER", "CREATED"), ("ORDER", "FILLED")]
        (last,) = told(webhook, topic="FILL")
        assert last.event_id == fill.pk
        said = {name: last.payload[name] for name in ("instrument", "side", "quantity", "price", "order", "client_order_id")}
        assert said == {
            "instrument": instrument.key, "side": "BUY", "quantity": "10", "price": "12.5", "order": str(order.pk),
            "client_order_id": order.client_order_id,
        }  # fmt: skip

    def test_to_risk_is_put_down(self, account, webhook, alice):
        make_risk_event(account, detail="Too much.", value="0.05", limit="0.03")
        stored_pause = make_pause(account)
        with acting_as(alice.pk):
            resume_trading(account=account, actor=alice, at=NOW)
        assert events(webhook) == [("RISK", "BREACH"), ("RISK", "PAUSED"), ("RISK", "RESUMED")]
        by_event = {one.payload["event"]: one for one in told(webhook)}
        breach, paused, resumed = by_event["BREACH"], by_event["PAUSED"], by_event["RESUMED"]
        assert (breach.payload["value"], breach.payload["limit"]) == ("0.05", "0.03")
        assert paused.event_id == stored_pause.pk != resumed.event_id

    def test_that_a_file_brings_in_is_no_news(self, account, webhook):
        make_risk_event(account, source="risk-management.jsonl", external_id=uuid4().hex)
        assert told(webhook) == []

    def test_to_bounds_and_records_is_put_down(self, account, webhook):
        settle(account=account, findings=[Finding("policy:x", True, "The bound", "It is broken.")], family="policy:", at=NOW)
        make_break(account, subject="AAPL")
        assert events(webhook) == [("ALERT", "BOUND_BROKEN"), ("ALERT", "BREAK")]

    def test_is_told_to_those_who_ask_for_it_alone(self, account, webhook):
        fills, off = make_webhook(account, topics=["FILL"]), make_webhook(account, topics=ALL, enabled=False)
        stranger = make_webhook(make_account(owner=make_user("charlie")), topics=ALL)
        make_fill(make_order(account, make_instrument()))
        assert [events(one) for one in (fills, off, stranger)] == [[("FILL", "FILLED")], [], []]

    def test_is_not_told_if_it_did_not_happen(self, account, webhook):
        def undone():
            with acting_as(account.owner_id):
                make_risk_event(account)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            undone()
        assert told(webhook) == []

    def test_has_ids_in_the_order_of_time(self, account, webhook):
        for _ in range(3):
            make_risk_event(account)
            connection.close()
        keys = [one.pk for one in sorted(told(webhook), key=lambda one: one.pk)]
        assert {key.version for key in keys} == {7}


class TestMany:
    """Addresses that let us wait cost nobody else his time, and themselves no more than one attempt at once."""

    FIRST = datetime(2001, 1, 1, tzinfo=UTC)
    NOW = FIRST + timedelta(minutes=1)  # when nothing of other tests is due

    def due(self, webhook, count):
        """Return what a webhook is to be told before all others."""
        return [make_delivery(webhook, next_try_at=self.FIRST + timedelta(seconds=n)) for n in range(count)]

    def test_who_does_not_answer_holds_up_nobody(self, account, webhook):
        other = make_webhook(account, topics=ALL)
        silent, quick = self.due(webhook, 3), self.due(other, 3)
        heard, waited = threading.Event(), []

        def send(url, *_, **__):
            if url == other.url:
                heard.set()
            if url == webhook.url:
                waited.append(heard.wait(20))
                raise NotHeard("No answer.")
            return 200

        deliver_due(clock=lambda: self.NOW, send=send)
        assert waited == [True]
        assert [again(row).delivered_at for row in quick] == [self.NOW] * 3
        assert [(again(row).attempts, again(row).last_error) for row in silent] == [(1, "No answer."), (0, ""), (0, "")]
        assert {again(row).next_try_at for row in silent} == {self.NOW + WAITS[0]}
        assert again(webhook).failures == 1

    def test_one_address_is_told_things_in_turn_and_no_more_than_a_few_at_once(self, webhook):
        rows, going, most = self.due(webhook, delivering.OF_EACH + 2), [0], [0]

        def send(url, *_, **__):
            if url == webhook.url:
                going[0] += 1
                most[0] = max(most[0], going[0])
                going[0] -= 1
            return 200

        deliver_due(clock=lambda: self.NOW, send=send)
        assert (most, sum(again(row).delivered_at is not None for row in rows)) == ([1], delivering.OF_EACH)
        deliver_due(clock=lambda: self.NOW, send=send)
        assert all(again(row).delivered_at for row in rows)

    def test_one_process_tells_at_a_time(self, webhook):
        self.due(webhook, 1)
        begun, over = threading.Event(), threading.Event()

        def send(*_, **__):
            begun.set()
            assert over.wait(20)
            return 200

        def tells():
            try:
                return deliver_due(clock=lambda: self.NOW, send=send)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(tells)
            assert begun.wait(20)
            try:
                second = deliver_due(clock=lambda: self.NOW, send=lambda *_, **__: pytest.fail("two at once"))
            finally:
                over.set()
            assert (second, first.result() > 0) == (0, True)


class TestDelivering:
    def test_tells_it_once_signed(self, account, webhook):
        delivery = make_delivery(webhook, payload={"price": "1.5"})
        ear = Ear(webhook)
        ear.listen(NOW)
        ear.listen(NOW)
        ((said, headers, body),) = ear.heard
        assert said["data"] == {"price": "1.5"}
        assert (said["id"], said["topic"], said["account"]) == (str(delivery.event_id), "FILL", str(account.pk))
        assert headers["Bedrock-Signature"] == sign("whsec", int(NOW.timestamp()), body)
        done = again(delivery)
        assert (done.delivered_at, done.next_try_at, done.status_code, done.attempts) == (NOW, None, 200, 1)

    def test_tries_again_after_longer_and_longer_with_the_same_body(self, webhook):
        delivery = make_delivery(webhook)
        ear = Ear(webhook, NotHeard("It answered 500.", 500), NotHeard("No answer."), 204)
        at = NOW
        for wait in WAITS[:2]:
            ear.listen(at)
            row = again(delivery)
            assert row.next_try_at == at + wait
            at = row.next_try_at
        assert (again(webhook).failures, again(delivery).last_error) == (2, "No answer.")
        ear.listen(at)
        assert len({body for _, _, body in ear.heard}) == 1
        assert [headers["Bedrock-Attempt"] for _, headers, _ in ear.heard] == ["1", "2", "3"]
        assert (again(webhook).failures, again(delivery).delivered_at) == (0, at)

    def test_gives_up_after_its_last_attempt(self, webhook):
        delivery = make_delivery(webhook, attempts=len(WAITS))
        Ear(webhook, NotHeard("No answer.")).listen(NOW)
        row = again(delivery)
        assert (row.next_try_at, row.delivered_at, again(webhook).enabled) == (None, None, True)

    def test_switches_off_who_hears_nothing_any_more_and_tells_the_owner(self, account, webhook, alice):
        with acting_as(alice.pk):
            Webhook.objects.filter(pk=webhook.pk).update(failures=GIVES_UP - 1)
        make_delivery(webhook, attempts=len(WAITS))
        Ear(webhook, NotHeard("No answer.")).listen(NOW)
        assert not again(webhook).enabled
        with acting_as(alice.pk):
            assert Notification.objects.filter(user=alice, title__endswith="a webhook is switched off").count() == 1

    def test_tells_nothing_to_who_was_switched_off(self, webhook, alice):
        delivery = make_delivery(webhook)
        with acting_as(alice.pk):
            change_webhook(webhook=webhook, enabled=False, now=NOW)
        ear = Ear(webhook)
        ear.listen(NOW)
        assert (ear.heard, again(delivery).next_try_at) == ([], None)

    def test_takes_what_a_dead_worker_claimed_after_a_while(self, webhook):
        delivery = make_delivery(webhook)

        def dies(*_, **__):
            raise KeyboardInterrupt

        for _ in range(50):  # others' rows may come first
            with pytest.raises(KeyboardInterrupt):
                deliver_due(clock=lambda: NOW, send=dies)
            if again(delivery).attempts:
                break
        ear = Ear(webhook)
        ear.listen(NOW)
        assert ear.heard == []
        ear.listen(NOW + delivering.LEASE + timedelta(seconds=1))
        assert len(ear.heard) == 1

    def test_forgets_what_is_long_over(self, webhook):
        old = make_delivery(webhook, next_try_at=None, delivered_at=NOW, created_at=NOW - timedelta(days=4000))
        due = make_delivery(webhook, created_at=NOW - timedelta(days=4000))
        forget_deliveries(before=NOW - timedelta(days=3999))
        assert [one.pk for one in told(webhook)] == [due.pk]
        assert old.pk != due.pk

    def test_tells_it_once_more_when_an_owner_asks(self, webhook, alice):
        delivery = make_delivery(webhook, next_try_at=None, delivered_at=NOW, attempts=1)
        with acting_as(alice.pk):
            redeliver(delivery=Delivery.objects.select_related("webhook").get(pk=delivery.pk), now=NOW)
        with acting_as(alice.pk), pytest.raises(NotAsThingsStand):
            redeliver(delivery=Delivery.objects.select_related("webhook").get(pk=delivery.pk), now=NOW)
        ear = Ear(webhook)
        ear.listen(NOW)
        assert [headers["Bedrock-Event"] for _, headers, _ in ear.heard] == [str(delivery.event_id)]

    def test_signs_by_the_new_secret_at_once(self, account, alice):
        with acting_as(alice.pk):
            made = create_webhook(account=account, url=f"https://example.com/{uuid4().hex}", topics=["FILL"], now=NOW)
            kept = renew_secret(webhook=made.webhook, now=NOW)
        assert kept.secret != made.secret
        kept.webhook.account = account
        make_delivery(kept.webhook)
        ear = Ear(kept.webhook)
        ear.listen(NOW)
        ((_, headers, body),) = ear.heard
        assert headers["Bedrock-Signature"] == sign(kept.secret, int(NOW.timestamp()), body)


def test_a_body_is_the_same_bytes_each_time(webhook):
    delivery = again(make_delivery(webhook, payload={"b": 1, "a": {"d": 1, "c": 2}}))
    assert body_of(delivery) == body_of(again(delivery))


def test_what_is_told_is_not_the_apps_to_change(webhook, alice):
    delivery = make_delivery(webhook)
    with pytest.raises(DatabaseError), acting_as(alice.pk):
        Delivery.objects.filter(pk=delivery.pk).update(payload={})
