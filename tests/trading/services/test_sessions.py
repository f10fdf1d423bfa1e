"""Sessions begin under a configuration and end once; strategies are their user's own, and stay where they ran."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from accounts.models import Account
from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.factories import AT, make_run, make_session, make_strategy
from trading.domain.sessions import config_hash
from trading.models import Strategy
from trading.services.sessions import SessionEnded, StrategyArchived, end_session, rename_session, start_session
from trading.services.strategies import (
    StrategyInUse,
    StrategyNameTaken,
    change_strategy,
    create_strategy,
    delete_strategy,
)

NOW = datetime(2024, 5, 7, tzinfo=UTC)


@pytest.fixture
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


@pytest.fixture
def start(account, owner):
    """Return a way to begin a session."""
    return lambda **fields: start_session(**{"account": account, "actor": owner, "at": NOW} | fields)


class TestSession:
    def test_keeps_its_configuration_and_the_hash_of_it(self, start):
        session = start(configuration={"slow": 50, "fast": 10}, code_version="1.2.0+abc")
        assert (session.configuration, session.config_hash) == ({"slow": 50, "fast": 10}, config_hash({"fast": 10, "slow": 50}))
        assert (session.execution_mode, session.started_at, session.ended_at) == ("PAPER", NOW, None)

    def test_is_on_paper_or_live_as_the_account_is_when_it_begins(self, account, start):
        Account.objects.filter(pk=account.pk).update(execution_mode="LIVE")
        account.refresh_from_db()
        assert start().execution_mode == "LIVE"

    def test_without_a_configuration_has_that_of_its_strategy(self, owner, start):
        strategy = make_strategy(owner, parameters={"fast": 10})
        assert start(strategy=strategy).configuration == {"fast": 10}
        assert start(strategy=strategy, configuration={}).configuration == {}

    def test_ends_once_and_not_before_it_began(self, account, start):
        ended = end_session(session=start(), at=AT)
        assert ended.ended_at == NOW
        with pytest.raises(SessionEnded):
            end_session(session=ended, at=NOW)

    def test_is_called_what_its_traders_like(self, start):
        assert rename_session(session=start(), name="Morning").name == "Morning"
        with pytest.raises(ValidationError):
            rename_session(session=start(), name="a\x07")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"automatic": True}, "automatic"),
            ({"code_version": "a b"}, "code_version"),
            ({"configuration": {"x": float("nan")}}, "configuration"),
            ({"name": "a\x07"}, "name"),
        ],
    )
    def test_is_refused_by_field(self, start, fields, field):
        with pytest.raises(ValidationError) as refused:
            start(**fields)
        assert list(refused.value.error_dict) == [field]

    def test_runs_no_strategy_that_was_put_away(self, owner, start):
        put_away = make_strategy(owner, archived_at=NOW)
        with pytest.raises(StrategyArchived):
            start(strategy=put_away)
        with pytest.raises(ValidationError) as refused:  # what is wrong with it is said first
            start(strategy=put_away, code_version="a b")
        assert list(refused.value.error_dict) == ["code_version"]


class TestStrategy:
    def test_is_put_away_and_taken_out_again(self, owner):
        strategy = create_strategy(user=owner, name="Cross", at=AT, parameters={"fast": 10})
        put_away = change_strategy(strategy=strategy, changes={"archived": True}, at=NOW)
        assert put_away.archived_at == NOW
        assert change_strategy(strategy=put_away, changes={"archived": True}, at=AT).archived_at == NOW
        assert change_strategy(strategy=put_away, changes={"archived": False}, at=NOW).archived_at is None

    def test_changes_what_is_named_and_nothing_else(self, owner):
        strategy = create_strategy(user=owner, name="Cross", at=AT, parameters={"fast": 10}, description="x")
        changed = change_strategy(strategy=strategy, changes={"parameters": {"fast": 20}, "user": None}, at=NOW)
        kept = Strategy.objects.get(pk=changed.pk)
        assert (kept.parameters, kept.description, kept.user, kept.updated_at) == ({"fast": 20}, "x", owner, NOW)

    def test_has_a_name_once(self, owner):
        create_strategy(user=owner, name="Cross", at=AT)
        with pytest.raises(StrategyNameTaken):
            create_strategy(user=owner, name="Cross", at=AT)
        assert create_strategy(user=owner, name="Other", at=AT)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"kind": "no_such"}, "kind"),
            ({"parameters": {"x": float("inf")}}, "parameters"),
            ({"description": "x" * 10_001}, "description"),
            ({"entry_type": "a\x07"}, "entry_type"),
        ],
    )
    def test_is_refused_by_field(self, owner, fields, field):
        with pytest.raises(ValidationError) as refused:
            create_strategy(user=owner, name="Cross", at=AT, **fields)
        assert list(refused.value.error_dict) == [field]

    @pytest.mark.parametrize("user", ["session", "backtest"])
    def test_that_ran_stays(self, account, owner, user):
        strategy = make_strategy(owner)
        if user == "session":
            make_session(account, strategy=strategy)
        else:
            make_run(account, make_instrument(), strategy=strategy)
        with pytest.raises(StrategyInUse):
            delete_strategy(strategy=strategy)
        assert Strategy.objects.filter(pk=strategy.pk).exists()

    def test_that_never_ran_can_go(self, owner):
        strategy = make_strategy(owner)
        delete_strategy(strategy=strategy)
        assert not Strategy.objects.filter(pk=strategy.pk).exists()
