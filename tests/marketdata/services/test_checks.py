"""Records that contradict each other are found, told once, and mended only where they are derived."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from accounts.models import Notification
from marketdata.domain.quality import Dataset, Severity
from marketdata.models import Bar, FollowedInstrument, FxHistory, FxRate, LatestQuote, PendingRollup, PriceHistory, QualityIssue
from marketdata.selectors import checks as find
from marketdata.selectors.checks import Problem, Scope
from marketdata.services.checks import OURS, CrossCheck, checks_in_force, run_checks
from marketdata.services.ingest import store_bars, store_quotes, store_ticks
from marketdata.services.quality import resolve_issue
from portfolio.models import Position
from portfolio.services.checks import positions_that_do_not_follow
from portfolio.services.projections import catch_up
from tests.factories import LONG_AGO, make_bars, make_instrument, make_quotes, make_ticks, post, quiet_day

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
NEVER = CrossCheck("finds_nothing", Severity.ERROR, "Nothing.", lambda scope: ())
ALWAYS = CrossCheck("finds_itself", Severity.ERROR, "Something.", lambda scope: [Problem(Dataset.BARS, None, 1, {"a": 2})])


def about(instrument, found):
    """Return what was found about an instrument."""
    return [each for each in found if each.instrument_id == instrument.pk]


def check_named(name):
    return next(each for each in OURS if each.name == name)


def mend(name, instrument):
    """Mend what a check finds about an instrument."""
    check, scope = check_named(name), Scope(NOW)
    for problem in about(instrument, check.find(scope)):
        check.mend(problem, scope)
    return about(instrument, check.find(scope))


def test_trades_outside_all_quotes_are_found():
    instrument, fine = make_instrument(), make_instrument()
    for each in (instrument, fine):
        make_quotes(each, [(NOON, "10", "10.1"), (NOON + timedelta(seconds=1), "10.2", "10.4")])
    make_ticks(instrument, [(NOON, "10.5", "1")])
    make_ticks(fine, [(NOON, "10.4", "1")])
    (problem,) = about(instrument, find.ticks_outside_quotes(Scope(NOW)))
    assert (problem.value, problem.record["ask"]) == (Decimal("10.5"), Decimal("10.4"))
    assert about(fine, find.ticks_outside_quotes(Scope(NOW))) == []
    assert about(instrument, find.ticks_outside_quotes(Scope(NOW, NOON.date() + timedelta(days=1)))) == []


def test_a_bar_that_does_not_hold_its_trades_is_found():
    instrument = make_instrument()
    make_ticks(instrument, [(NOON + timedelta(seconds=5), "10.5", "1")])
    row = {"timestamp": NOON, "open": "10", "high": "10", "low": "10", "close": "10"}
    store_bars(source="test", rows=[row], common={"instrument": instrument, "timeframe": "1m"}, recorded_at=NOW)
    (problem,) = about(instrument, find.bars_without_their_ticks(Scope(NOW)))
    assert problem.value == Decimal("10.5")


def test_a_rolled_bar_that_no_longer_follows_is_marked_for_the_next_roll_up():
    instrument, noon = make_instrument(), datetime.combine(quiet_day("ticks"), time(12), UTC)  # a day that is not archived
    make_ticks(instrument, [(noon, "10", "1"), (noon + timedelta(seconds=1), "11", "2")])
    row = {"timestamp": noon, "open": "10", "high": "10", "low": "10", "close": "10", "volume": "1", "rolled_from": "ticks"}
    store_bars(source="test", rows=[row], common={"instrument": instrument, "timeframe": "1m"}, recorded_at=NOW)
    assert len(about(instrument, find.rolled_otherwise(Scope(NOW)))) == 1
    assert mend("rolled_bars_follow", instrument) == []
    mark = PendingRollup.objects.get(instrument=instrument)
    assert (mark.dataset, mark.day) == ("ticks", noon.date())


def test_sessions_without_a_bar_are_found_where_the_exchange_is_known():
    known, unknown = make_instrument(exchange="XNAS"), make_instrument()
    for each in (known, unknown):
        make_bars(each, [("2024-01-02", "10"), ("2024-01-04", "10"), ("2024-01-08", "10")])
    (problem,) = about(known, find.bars_missing(Scope(NOW)))
    assert problem.record == {"timeframe": "1d", "missing": 2, "days": "2024-01-03 2024-01-05"}
    assert about(unknown, find.bars_missing(Scope(NOW))) == []


@pytest.mark.parametrize("lost", [True, False])
def test_the_latest_quote_is_taken_anew(lost):
    instrument = make_instrument()
    make_quotes(instrument, [(NOON, "10", "11"), (NOON + timedelta(seconds=1), "12", "13")])
    latest = LatestQuote.objects.filter(instrument=instrument)
    latest.delete() if lost else latest.update(timestamp=NOON, bid=1)
    assert len(about(instrument, find.quotes_not_the_latest(Scope(NOW)))) == 1
    assert mend("latest_quote_is_newest", instrument) == []
    assert latest.get().bid == 12


def test_the_latest_trade_is_taken_anew():
    instrument = make_instrument()
    make_ticks(instrument, [(NOON, "10", "11"), (NOON + timedelta(seconds=1), "12", "13")])
    instrument.latest_tick.delete()
    assert mend("latest_tick_is_newest", instrument) == []


def test_a_history_that_lies_is_made_true():
    instrument = make_instrument()
    make_bars(instrument, [("2024-01-02", "10"), ("2024-01-04", "10")])  # past the service, so without a history
    assert len(about(instrument, find.histories_that_lie(Scope(NOW)))) == 1
    assert mend("history_matches_bars", instrument) == []
    history = PriceHistory.objects.get(instrument=instrument)
    assert (history.rows, history.revision) == (2, 1)
    Bar.objects.filter(instrument=instrument).delete()
    assert mend("history_matches_bars", instrument) == []
    assert (PriceHistory.objects.get(instrument=instrument).rows, Bar.objects.filter(instrument=instrument).count()) == (0, 0)


def test_a_history_of_rates_is_made_true():
    FxRate.objects.update_or_create(base="ISK", quote="NOK", date="2001-02-03", defaults={"rate": 1, "recorded_at": NOW})
    FxHistory.objects.filter(base="ISK").delete()
    check = check_named("history_matches_rates")
    for problem in [each for each in check.find(Scope(NOW)) if each.record["base"] == "ISK"]:
        check.mend(problem, Scope(NOW))
    assert FxHistory.objects.get(base="ISK", quote="NOK").rows == FxRate.objects.filter(base="ISK", quote="NOK").count()


def test_followed_instruments_without_new_prices_are_found():
    stale, fresh, young = make_instrument(), make_instrument(), make_instrument()
    for each, since in ((stale, LONG_AGO), (fresh, LONG_AGO), (young, NOW)):
        FollowedInstrument.objects.create(instrument=each, since=since)
    for each, day in ((stale, "2026-04-01"), (fresh, "2026-04-30")):
        row = {"timestamp": day, "open": "1", "high": "1", "low": "1", "close": "1"}
        store_bars(source="test", rows=[row], common={"instrument": each, "timeframe": "1d"}, recorded_at=NOW)
    found = list(find.followed_and_stale(Scope(NOW)))
    assert [len(about(each, found)) for each in (stale, fresh, young)] == [1, 0, 0]
    FollowedInstrument.objects.filter(instrument__in=[stale, fresh, young]).delete()


def test_an_isin_of_two_instruments_is_found():
    first, second = make_instrument(isin="US0378331005", currency="CHF"), make_instrument(isin="US0378331005", currency="CHF")
    listed = [each.record["symbols"] for each in find.isins_given_twice(Scope(NOW)) if each.record["currency"] == "CHF"]
    assert any({first.symbol, second.symbol} <= set(symbols.split()) for symbols in listed)


class TestRun:
    @pytest.fixture(autouse=True)
    def _only(self, monkeypatch):
        """Leave the rows of other tests alone."""
        monkeypatch.setattr("marketdata.services.checks.OURS", (ALWAYS,))

    def test_keeps_what_it_finds_and_resolves_what_is_gone(self, monkeypatch):
        QualityIssue.objects.filter(rule="finds_itself").delete()
        (checked,) = run_checks(at=NOW)[:1]
        assert (checked.found, checked.left) == (1, 1)
        issue = QualityIssue.objects.get(rule="finds_itself")
        assert (issue.source, issue.value, issue.record, issue.resolved_at) == ("check_data", "1", {"a": "2"}, None)
        gone = CrossCheck("finds_itself", Severity.ERROR, "Something.", lambda scope: ())
        monkeypatch.setattr("marketdata.services.checks.OURS", (gone,))
        run_checks(at=NOW + timedelta(days=1))
        issue.refresh_from_db()
        assert issue.resolved_by == "check_data"

    def test_opens_again_what_was_gone_but_not_what_somebody_has_dealt_with(self, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr("marketdata.services.checks.OURS", (ALWAYS,))
            run_checks(at=NOW + timedelta(hours=10))
            issue = QualityIssue.objects.get(rule="finds_itself")
            patch.setattr("marketdata.services.checks.OURS", (replace(ALWAYS, find=lambda scope: ()),))
            run_checks(at=NOW + timedelta(hours=11))
            issue.refresh_from_db()
            assert issue.resolved_by == "check_data"
            patch.setattr("marketdata.services.checks.OURS", (ALWAYS,))
            run_checks(at=NOW + timedelta(hours=12))
            issue.refresh_from_db()
            assert (issue.resolved_at, issue.resolved_by, issue.resolution) == (None, "", "")
            resolve_issue(issue=issue, by="Ann", resolution="It is known.", at=NOW + timedelta(hours=13))
            run_checks(at=NOW + timedelta(hours=14))
            issue.refresh_from_db()
            assert (issue.resolved_at, issue.resolved_by) == (NOW + timedelta(hours=13), "Ann")
            issue.delete()

    def test_the_command_fails_while_errors_remain(self, monkeypatch, capsys, settings):
        settings.MARKETDATA_CHECKS = []
        with pytest.raises(CommandError, match="1 errors remain"):
            call_command("check_data", "--since", "2024-01-01")
        assert "finds_itself: 1 found" in capsys.readouterr().out
        monkeypatch.setattr("marketdata.services.checks.OURS", (NEVER,))
        call_command("check_data", "--fix")
        assert "finds_nothing: nothing found" in capsys.readouterr().out


class TestOwnChecks:
    def test_are_added_by_a_setting(self, settings):
        settings.MARKETDATA_CHECKS = ["tests.marketdata.services.test_checks.NEVER"]
        assert checks_in_force()[-1] is NEVER

    @pytest.mark.parametrize("path", ["nowhere.CHECK", "tests.factories.make_bars", "marketdata.services.checks.OURS"])
    def test_what_is_no_check_is_refused_by_name(self, settings, path):
        settings.MARKETDATA_CHECKS = [path]
        with pytest.raises(ImproperlyConfigured, match=path):
            checks_in_force()


def test_a_position_that_does_not_follow_is_told_to_its_owner_alone(account, alice, monkeypatch):
    instrument = make_instrument()
    post(account, "DEPOSIT", cash="1000")
    post(account, "BUY", instrument=instrument, quantity="3", price="10")
    catch_up(account_id=account.pk, at=NOW)
    Position.objects.using("system").filter(account_id=account.pk).update(quantity=4)
    monkeypatch.setattr("portfolio.services.checks.accounts_with_entries", lambda: [account.pk])
    before = QualityIssue.objects.count()
    (problem,) = positions_that_do_not_follow(Scope(NOW))
    assert (problem.instrument_id, problem.value) == (None, account.pk)
    assert Notification.objects.using("system").get(user_id=alice.pk).title.endswith("did not follow from the ledger")
    assert QualityIssue.objects.count() == before
    assert list(positions_that_do_not_follow(Scope(NOW))) == []


def test_ours_are_described():
    assert all(check.description.endswith(".") for check in OURS)
    assert SimpleNamespace(**{check.name: check for check in checks_in_force()}).positions_follow.private


def test_stored_by_the_service_nothing_is_wrong():
    instrument = make_instrument()
    quote = {"instrument": instrument, "timestamp": NOON, "bid": "10", "ask": "10.1"}
    store_quotes(source="test", rows=[quote], recorded_at=NOW)
    tick = {"instrument": instrument, "timestamp": NOON, "price": "10", "size": "1"}
    store_ticks(source="test", rows=[tick], recorded_at=NOW)
    for check in OURS:
        assert about(instrument, check.find(Scope(NOW))) == []
