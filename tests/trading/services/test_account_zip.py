"""What an account has of trading goes along in its ZIP, and comes back as it was; nothing goes on in two places."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.adapters.bundles import BundleReader
from accounts.domain.bundles import ARCHIVES, PICTURES, TRADING
from accounts.models.tenancy import acting_as
from accounts.selectors.bundles import write_bundle
from accounts.services.bundle_queue import code_of, take_bundle
from accounts.services.bundles import Brought, bring_in
from tests.accounts.services.test_bundles import Packed
from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post
from tests.trading.factories import Desk, make_picture, make_png, stored
from trading.domain.decisions import DecisionDraft
from trading.domain.outcomes import Choice
from trading.models import Attachment, Decision, Fill, Order, RestrictedInstrument, Session, Strategy
from trading.selectors.decision_archives import archives_of, files_in
from trading.selectors.pictures import path_of
from trading.services.decisions import change_decision, clean_up_decisions, record_decision
from trading.services.journal import attach_picture

NOW = datetime(2026, 2, 2, tzinfo=UTC)
IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ROUTES = ("fills", "decisions", "signals", "evaluations", "journal", "journal/statistics", "risk-limits", "risk-events", "pause")
WHO = ("actor", "author", "resumed_by", "started_by")


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Keep pictures in a folder of the test's own."""
    settings.ATTACHMENTS = tmp_path / "pictures"


@pytest.fixture
def owner():
    return make_user("alice")


@pytest.fixture
def desk(owner) -> Desk:
    desk = Desk(make_account(owner=owner), make_instrument())
    with acting_as(owner.pk):
        Attachment.objects.filter(pk=desk.picture.pk).delete()
        picture = {"order": desk.order, "name": "chart.png", "content": make_png("x" * 900_000)}
        desk.picture = attach_picture(**picture, actor=owner, at=NOW)
        stored(RestrictedInstrument, desk.order.account, instrument=make_instrument(), created_at=NOW)
    return desk


def zipped(desk: Desk) -> io.BytesIO:
    account, file = desk.order.account, io.BytesIO()
    with acting_as(account.owner_id):
        write_bundle(account=account, user=account.owner, file=file, at=NOW)
    return file


def arrives(file: io.BytesIO, newcomer=None) -> Brought:
    newcomer = newcomer or make_user("newcomer")
    with acting_as(newcomer.pk):
        return bring_in(reader=BundleReader(file), actor=newcomer, at=NOW, with_market=True)


def told(account, *routes: str) -> dict[str, object]:
    """Return what the API tells of an account's trading, without ids and people."""
    client, found = browser(account.owner), {}
    for route in routes:
        answer = client.get(f"/api/v1/accounts/{account.pk}/{route}/")
        assert answer.status_code == 200, (route, answer.content)
        found[route] = without_ids(json.loads(answer.content))
    return found


def without_ids(value):
    if isinstance(value, dict):
        return {name: without_ids(one) for name, one in value.items() if name not in WHO}
    if isinstance(value, list):
        return [without_ids(one) for one in value]
    return IDS.sub("ID", value) if isinstance(value, str) else value


def test_it_tells_what_it_told(desk):
    before = told(desk.order.account, *ROUTES)
    done = arrives(zipped(desk))
    assert {"orders_canceled", "sessions_ended"} <= {one["code"] for one in done.remarks}
    assert told(done.account, *ROUTES) == before
    assert before["journal"]["results"]


def test_an_open_order_goes_on_where_it_was_placed_alone(desk):
    done = arrives(zipped(desk))
    with acting_as(done.account.owner_id):
        rows = {row.client_order_id: row for row in Order.objects.filter(account=done.account)}
        was_open, filled = rows[desk.open_order.client_order_id], rows[desk.order.client_order_id]
        assert (was_open.status, was_open.sending, was_open.ended_at) == ("CANCELED", "SETTLED", NOW)
        assert [(one.kind, one.sequence) for one in was_open.history.order_by("sequence")] == [("CREATED", 1), ("CANCELED", 2)]
        assert (filled.status, filled.filled_quantity, filled.events) == ("FILLED", 10, 2)
        assert not Session.objects.filter(account=done.account, ended_at__isnull=True).exists()
        assert not Order.objects.filter(account=done.account).unsettled().exists()
        fill = Fill.objects.get(account=done.account)
        assert (fill.entry.account_id, fill.entry.source, fill.entry.external_id) == (done.account.pk, "fill", fill.execution_id)


def test_a_decision_keeps_its_history_and_a_trade_its_notes_and_pictures(desk):
    done = arrives(zipped(desk))
    with acting_as(done.account.owner_id):
        decision, order = Decision.objects.get(account=done.account), Order.objects.get(account=done.account, status="FILLED")
        assert [one.changes for one in decision.changes.all()] == [{"confidence": ["0.8", "0.9"]}]
        assert (order.decision, order.decision.session, order.decision.signal.session) == (decision, order.session, order.session)
        assert [one.tag for one in order.trade_tags.all()] == ["breakout"]
        assert [one.text for one in order.trade_notes.all()] == ["Held too long."]
        (picture,) = order.attachments.all()
        assert picture.pk != desk.picture.pk
        assert path_of(picture).read_bytes() == path_of(desk.picture).read_bytes()


def test_what_belongs_to_one_installation_stays_there(desk):
    content = json.dumps([line.value for line in BundleReader(zipped(desk)).objects(TRADING)])
    for word in ("PKTEST", "whsec", "brokerconnection", "webhook", "backtestrun", "example.com/"):
        assert word not in content


def test_a_picture_whose_file_is_gone_is_left_out(desk):
    make_picture(desk.order)
    done = arrives(zipped(desk))
    with acting_as(done.account.owner_id):
        assert Attachment.objects.filter(account=done.account).count() == 1


@pytest.fixture
def thrown_away(desk) -> dict[str, dict]:
    """Return what is in the archives of decisions that were thrown away, in two goes, by file."""
    account = desk.order.account
    with acting_as(account.owner_id):
        for n in range(3):
            draft = DecisionDraft(
                at=NOW - timedelta(days=9 - n), choice=Choice.HOLD, confidence=Decimal("0.3"), reasoning=f"No. {n}"
            )
            made = record_decision(account=account, instrument=desk.order.instrument, draft=draft, actor=account.owner, now=NOW)
            change_decision(
                decision=made, changed={"confidence": Decimal("0.25")}, at=NOW, actor=account.owner, reason="Second thoughts"
            )
        for days in (8, 1):
            clean_up_decisions(account=account, before=NOW - timedelta(days=days), at=NOW + timedelta(days=days))
    return told_of_archives(account)


def told_of_archives(account) -> dict[str, dict]:
    """Return each file of each archive of an account."""
    return {f"{path.name}/{name}": json.loads(held) for path in archives_of(account) for name, held in files_in(path)}


class TestThrownAway:
    def test_decisions_come_along_as_they_were(self, desk, thrown_away):
        assert len(thrown_away) == 3
        assert len({name.partition("/")[0] for name in thrown_away}) == 2
        done = arrives(zipped(desk))
        assert told_of_archives(done.account) == thrown_away
        assert [one["history"][-1]["reason"] for one in told_of_archives(done.account).values()] == ["Second thoughts"] * 3
        client = browser(done.account.owner)
        answer = client.get(f"/api/v1/accounts/{done.account.pk}/trading-files/", {"kind": "decisions", "archived": "true"})
        assert answer.status_code == 200

    @pytest.mark.usefixtures("thrown_away")
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (rb'"archive": "[^"]+"', b'"archive": "../../etc"'),
            (rb'"archive": "[^"]+"', b'"other": "x"'),
            (rb'"file": "[^"]+"', b'"file": "../x.json"'),
            (rb'"file": "[^"]+"', b'"file": "2026-01-24_same.json"'),
            (rb'"decision": [^\n]*}, "file"', b'"decision": [], "file"'),
        ],
        ids=["elsewhere", "nowhere", "outside", "twice", "no-object"],
    )
    def test_what_is_none_is_refused_and_none_is_left(self, desk, settings, old, new):
        packed = Packed(zipped(desk).getvalue())
        text, count = re.subn(old, new, packed.files[ARCHIVES])
        assert count
        before = {*settings.ATTACHMENTS.rglob("*.zip")}
        with pytest.raises(ValidationError) as refusal:
            arrives(io.BytesIO(packed.sealed(**{ARCHIVES: text})))
        assert code_of(refusal.value) == "bad_file"
        assert {*settings.ATTACHMENTS.rglob("*.zip")} == before

    @pytest.mark.usefixtures("thrown_away")
    def test_nothing_is_left_where_something_else_is_refused(self, desk, settings):
        packed = Packed(zipped(desk).getvalue())
        before = {*settings.ATTACHMENTS.rglob("*.zip")}
        with pytest.raises(ValidationError):
            arrives(io.BytesIO(packed.sealed(**{PICTURES: b""})))
        assert {*settings.ATTACHMENTS.rglob("*.zip")} == before


class TestStrategies:
    def test_are_the_persons_own_afterwards(self, desk):
        done = arrives(zipped(desk))
        with acting_as(done.account.owner_id):
            assert [one.name for one in Strategy.objects.filter(user=done.account.owner)] == [desk.strategy.name]

    def test_are_not_written_down_twice(self, desk):
        newcomer = make_user("newcomer")
        other = Desk(make_account(owner=desk.order.account.owner), make_instrument())
        for one in (desk, other):
            arrives(zipped(one), newcomer)
        with acting_as(newcomer.pk):
            names = Strategy.objects.filter(user=newcomer).values_list("name", flat=True)
            assert sorted(names) == sorted([desk.strategy.name, other.strategy.name])

    def test_of_the_same_name_that_trade_otherwise_stand_beside(self, desk):
        newcomer = make_user("newcomer")
        with acting_as(newcomer.pk):
            Strategy.objects.create(user=newcomer, name=desk.strategy.name, parameters={"x": 1}, created_at=NOW, updated_at=NOW)
        arrives(zipped(desk), newcomer)
        with acting_as(newcomer.pk):
            names = set(Strategy.objects.filter(user=newcomer).values_list("name", flat=True))
        assert names == {desk.strategy.name, f"{desk.strategy.name} (2)"}


class TestAgain:
    def test_a_later_zip_adds_nothing_to_it(self, desk):
        newcomer, account = make_user("newcomer"), desk.order.account
        first = zipped(desk)
        for file in (first, first):
            with acting_as(newcomer.pk):
                take_bundle(user=newcomer, file_name="a.zip", file=file, at=NOW)
        post(account, "DEPOSIT", cash="5")
        later = zipped(desk)
        with acting_as(newcomer.pk):
            done = take_bundle(user=newcomer, file_name="a.zip", file=later, at=NOW)
            assert (done.posted, done.known) == (1, 1)
            assert "trading_left_out" in {one["code"] for one in done.remarks}
            assert Order.objects.filter(account=done.account).count() == 2

    def test_a_zip_without_it_is_taken(self, desk):
        packed = Packed(zipped(desk).getvalue())
        for name in (TRADING, PICTURES, ARCHIVES):
            del packed.files[name], packed.manifest["files"][name]
        done = arrives(io.BytesIO(packed.told(**packed.manifest)))
        with acting_as(done.account.owner_id):
            assert not Order.objects.filter(account=done.account).exists()


class TestNonsense:
    def refused(self, packed: Packed, **files: bytes) -> str:
        content = packed.sealed(**{{"trading": TRADING, "pictures": PICTURES}[name]: told for name, told in files.items()})
        with pytest.raises(ValidationError) as refusal:
            arrives(io.BytesIO(content))
        return code_of(refusal.value)

    @pytest.fixture
    def packed(self, desk) -> Packed:
        return Packed(zipped(desk).getvalue())

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (rb'"side": "BUY"', b'"side": "SIDEWAYS"'),
            (rb'"quantity": "10"', b'"quantity": "ten"'),
            (rb'"quantity": "10"', b'"quantity": {"a": 1}'),
            (rb'"quantity": "10"', b'"quantity": "-10"'),
            (rb'"quantity": "10"', b'"quantity": "1e999999"'),
            (rb'"table": "fill"', b'"table": "user"'),
            (rb'"table": "fill"', b'"table": 5'),
            (rb'"entry": \d+', b'"entry": 7000'),
            (rb'"entry": \d+', b'"entry": "x"'),
            (rb'"instrument": "[^"]+"', b'"instrument": "NOPE:XNAS"'),
            (rb'"at": "[^"]+"', b'"at": "2024-05-06T14:30:00"'),
            (rb'"at": "[^"]+"', b'"at": "yesterday"'),
            (rb'"id": "[^"]+"', b'"id": "1"'),
            (rb'"id": "[^"]+"', b'"id": "0198c7a2-6f9e-7bc1-a5dd-3f1b6f0d2e11"'),
            (rb'"order": "[^"]+"', b'"order": "0198c7a2-6f9e-7bc1-a5dd-3f1b6f0d2e11"'),
            (rb'"tag": "breakout"', b'"tag": ""'),
            (rb'"events": 2', b'"events": 9'),
            (rb'"confidence": "0.8"', b'"confidence": "7"'),
        ],
        ids=str,
    )
    def test_a_row_that_is_none_refuses_the_whole(self, packed, old, new):
        text, count = re.subn(old, new, packed.files[TRADING])
        assert count
        assert self.refused(packed, trading=text) == "bad_file"

    @pytest.mark.parametrize("old", [b'"order"', b'"id"'], ids=["order", "id"])
    def test_a_value_that_is_not_there(self, packed, old):
        assert self.refused(packed, trading=packed.files[TRADING].replace(old + b":", b'"other":')) == "bad_file"

    @pytest.mark.parametrize(
        ("old", "new"),
        [(rb'"content": "...', b'"content": "'), (rb'"content": "....', b'"content": "!!!!'), (rb"[\s\S]+", b""),
         (rb'"attachment": "[^"]+"', b'"attachment": "x"')],
        ids=["short", "letters", "none", "other"],
    )  # fmt: skip
    def test_a_picture_that_is_another_one(self, packed, old, new, settings):
        assert self.refused(packed, pictures=re.sub(old, new, packed.files[PICTURES])) == "bad_file"
        assert not [one for one in settings.ATTACHMENTS.rglob("*") if one.is_file() and "newcomer" in str(one)]
