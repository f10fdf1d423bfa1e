"""The journal is derived from fills: what closes what, how far prices went meanwhile, and what it all comes to."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from marketdata.models import Bar, CorporateAction, FxRate
from tests.factories import make_account, make_instrument
from tests.portfolio.market import fresh_currencies
from tests.trading.factories import AT, make_decision, make_fill, make_order, make_session, make_strategy, stored
from trading.domain.journal_statistics import By
from trading.models import TradeTag
from trading.selectors.journal import Asked
from trading.selectors.journal_details import records_of, told
from trading.selectors.journal_pages import journal_of
from trading.selectors.journal_statistics import statistics_of_journal

NOW = AT + timedelta(days=30)


@pytest.fixture
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


def opened(account, instrument, *, price="100", quantity="10", at=AT, side="BUY", **fields):
    """Store an order that opened a trade."""
    order = make_order(account, instrument, quantity=Decimal(quantity), side=side, created_at=at, **fields)
    make_fill(order, quantity, price, at=at)
    return order


def ended(order, *, price="110", quantity=None, minutes=60, **fields):
    """Store an order that closed one."""
    side, at = {"BUY": "SELL", "SELL": "BUY"}[order.side], AT + timedelta(minutes=minutes)
    quantity = quantity or str(order.quantity)
    made = {"side": side, "effect": "CLOSE", "quantity": Decimal(quantity), "created_at": at}
    closing = make_order(order.account, order.instrument, **made | fields)
    make_fill(closing, quantity, price, at=at)
    return closing


def bar(instrument, minutes, high, low, *, timeframe="1m", day=None, **fields):
    """Store a bar that begins so many minutes after the trade."""
    at = (datetime.combine(day, datetime.min.time(), UTC)) if day else AT + timedelta(minutes=minutes)
    prices = {"open": low, "close": high, "high": high, "low": low}
    Bar.objects.create(instrument=instrument, timeframe=timeframe, timestamp=at, recorded_at=AT, **prices, **fields)


def the_trade(account):
    [found] = journal_of(account).trades
    return told(account, [found], at=NOW)[0]


class TestTrade:
    def test_knows_where_it_comes_from(self, account, owner):
        instrument, strategy = make_instrument(), make_strategy(account.owner, name="flag", entry_type="usual")
        session = make_session(account, strategy=strategy, code_version="2.0")
        decision = make_decision(account, instrument, session=session, stop_loss="95", target="120", indicators=["RSI"])
        order = opened(account, instrument, session=session, decision=decision, reference_price="99.9")
        out = make_decision(account, instrument, choice="SELL", reasoning="Enough.", session=session)
        ended(order, decision=out)
        trade = the_trade(account)
        record = trade.record
        assert (trade.id, record.order_id, record.symbol) == (order.pk, order.client_order_id, instrument.symbol)
        assert (record.strategy_name, record.entry_type, record.indicators_used) == ("flag", "usual", ("RSI",))
        assert (record.decision_reasoning, record.exit_reasoning) == ("It is cheap.", "Enough.")
        assert (record.session_id, record.bot_version, record.config_hash) == (str(session.pk), "2.0", session.config_hash)
        assert (record.profit_loss, record.slippage, record.risk_reward_ratio) == (100, Decimal("0.10"), 4)
        assert (trade.r_multiple, trade.exit_price, trade.quantity_closed) == (2, 110, 10)

    def test_by_hand_has_neither_session_nor_decision(self, account, owner):
        opened(account, make_instrument())
        record = the_trade(account).record
        assert (record.session_id, record.strategy_name, record.decision_reasoning, record.outcome) == ("", "", "", "open")
        assert (record.execution_mode, record.account_id) == (account.execution_mode, str(account.pk))

    def test_of_a_bracket_has_its_stop_and_target_and_is_closed_by_its_own_leg(self, account, owner):
        instrument = make_instrument()
        first = opened(account, instrument)
        second = opened(account, instrument, at=AT + timedelta(minutes=1), order_class="BRACKET", role="ENTRY")
        legs = {"parent": second, "side": "SELL", "effect": "CLOSE", "order_class": "BRACKET"}
        make_order(account, instrument, type="LIMIT", limit_price="120", role="TAKE_PROFIT", **legs)
        stop = make_order(account, instrument, type="STOP", stop_price="95", role="STOP_LOSS", **legs)
        make_fill(stop, "10", "95", at=AT + timedelta(minutes=9))
        trades = {trade.id: trade for trade in told(account, journal_of(account).trades, at=NOW)}
        assert trades[first.pk].record.outcome == "open"
        record = trades[second.pk].record
        assert (record.outcome, record.stop_loss, record.target, record.exit_reasoning) == ("loss", 95, 120, "Stop loss.")
        assert trades[second.pk].r_multiple == -1

    def test_is_corrected_through_its_sources_alone(self, account, owner):
        decision = make_decision(account, make_instrument())
        opened(account, decision.instrument, decision=decision)
        type(decision).objects.filter(pk=decision.pk).update(reasoning="Another.")
        assert the_trade(account).record.decision_reasoning == "Another."


class TestExcursion:
    def test_is_what_prices_reached_between_opening_and_closing(self, account, owner):
        instrument = make_instrument()
        order = opened(account, instrument)
        bar(instrument, -1, "200", "10")  # before
        bar(instrument, 5, "112", "97")
        bar(instrument, 30, "118", "99")
        bar(instrument, 30, "300", "1", timeframe="1h")  # not over when it was closed
        bar(instrument, 0, "400", "1", day=AT.date(), timeframe="1d")
        ended(order)
        reached = the_trade(account).excursion
        assert (reached.adverse, reached.favorable) == (-30, 180)

    def test_of_a_short_trade_is_the_other_way_round(self, account, owner):
        instrument = make_instrument()
        ended(opened(account, instrument, side="SELL"), price="90")
        bar(instrument, 5, "112", "85")
        reached = the_trade(account).excursion
        assert (reached.adverse, reached.favorable) == (-120, 150)

    def test_of_an_open_trade_goes_on_until_now(self, account, owner):
        instrument = make_instrument()
        opened(account, instrument)
        bar(instrument, 0, "90", "80", day=AT.date() + timedelta(days=2), timeframe="1d")
        bar(instrument, 0, "500", "1", day=NOW.date() + timedelta(days=2), timeframe="1d")
        assert the_trade(account).excursion.adverse == -200

    def test_without_bars_is_what_its_own_prices_reached(self, account, owner):
        ended(opened(account, make_instrument()), price="95")
        reached = the_trade(account).excursion
        assert (reached.adverse, reached.favorable) == (-50, 0)

    def test_reads_short_bars_at_both_ends_of_long_ones_alone(self, account, owner):
        instrument = make_instrument()
        ended(opened(account, instrument), minutes=3 * 24 * 60)
        day = AT.date() + timedelta(days=1)
        bar(instrument, 0, "112", "97", day=day, timeframe="1d")
        bar(instrument, 0, "110", "92", day=day + timedelta(days=1), timeframe="1d")
        bar(instrument, 24 * 60, "111", "50")  # at odds with its day, which counts
        bar(instrument, 9 * 60, "120", "99")  # on the day it was opened
        bar(instrument, 3 * 24 * 60 - 90, "105", "91", timeframe="1h")
        bar(instrument, 3 * 24 * 60 - 5, "105", "90")
        reached = the_trade(account).excursion
        assert (reached.adverse, reached.favorable) == (-100, 200)

    def test_is_in_the_units_of_the_opening_by_bars_of_whatever_units(self, account, owner):
        instrument = make_instrument()
        order = opened(account, instrument)
        for day, ratio in ((date(2024, 5, 8), 2), (date(2024, 6, 20), 5)):  # one within the trade, one after it
            CorporateAction.objects.create(kind="SPLIT", instrument=instrument, ex_date=day, ratio=ratio, recorded_at=AT)
        ended(order, price="55", quantity="20", minutes=3 * 24 * 60)
        bar(instrument, 0, "65", "40", day=date(2024, 5, 8), timeframe="1d")  # 130 and 80 of the old ones
        adjusted = {"timeframe": "1d", "adjusted_through": date(2024, 6, 21)}
        bar(instrument, 0, "14", "9.5", day=date(2024, 5, 7), **adjusted)  # 140 and 95
        reached = the_trade(account).excursion
        assert (reached.adverse, reached.favorable) == (-200, 400)


class TestMark:
    def test_of_an_open_trade_is_the_last_price(self, account, owner):
        instrument = make_instrument()
        order = opened(account, instrument, side="SELL")
        ended(order, price="90", quantity="4")
        assert (the_trade(account).market_price, the_trade(account).unrealized) == (None, None)
        bar(instrument, 0, "104", "104", day=AT.date() + timedelta(days=1), timeframe="1d")
        trade = the_trade(account)
        assert (trade.market_price, trade.unrealized) == (104, -24)  # 6 sold at 100
        CorporateAction.objects.create(kind="SPLIT", instrument=instrument, ex_date=date(2024, 5, 8), ratio=2, recorded_at=AT)
        assert the_trade(account).unrealized == -24

    def test_of_a_closed_one_is_none(self, account, owner):
        instrument = make_instrument()
        ended(opened(account, instrument))
        bar(instrument, 0, "104", "104", day=AT.date() + timedelta(days=1), timeframe="1d")
        assert (the_trade(account).market_price, the_trade(account).unrealized) == (None, None)


class TestSplit:
    def test_between_opening_and_closing_changes_no_gain(self, account, owner):
        instrument = make_instrument()
        order = opened(account, instrument)
        CorporateAction.objects.create(kind="SPLIT", instrument=instrument, ex_date=date(2024, 5, 8), ratio=2, recorded_at=AT)
        ended(order, price="55", quantity="20", minutes=3 * 24 * 60)
        bar(instrument, 0, "130", "90", day=date(2024, 5, 7), timeframe="1d")
        bar(instrument, 0, "60", "50", day=date(2024, 5, 8), timeframe="1d")
        trade = the_trade(account)
        assert (trade.record.quantity, trade.record.price, trade.record.profit_loss, trade.exit_price) == (10, 100, 100, 110)
        assert (trade.excursion.adverse, trade.excursion.favorable) == (-100, 300)


class TestAsked:
    def test_keeps_what_is_asked_for(self, account, owner):
        strategy = make_strategy(account.owner)
        session = make_session(account, strategy=strategy)
        first, second = make_instrument(), make_instrument()
        decision = make_decision(account, first, entry_type="flag")
        won = opened(account, first, session=session, decision=decision)
        ended(won)
        short = opened(account, second, side="SELL", at=AT + timedelta(minutes=5))
        stored(TradeTag, account, order=short, tag="late", created_at=AT)

        def kept(**asked):
            return {found.order for found in journal_of(account, Asked(**asked)).trades}

        assert kept() == {won.pk, short.pk}
        assert kept(instrument=first.pk) == kept(session=session.pk) == kept(strategy=strategy.pk) == {won.pk}
        assert kept(outcome="win") == kept(entry_type="flag") == kept(decision=decision.pk) == {won.pk}
        assert kept(tag="late") == kept(side="SELL") == kept(outcome="open") == {short.pk}
        assert kept(opened_from=AT + timedelta(minutes=1)) == {short.pk}
        assert kept(opened_before=AT + timedelta(minutes=1)) == kept(closed_before=NOW) == {won.pk}
        assert kept(closed_from=NOW) == kept(tag="none") == set()


class TestStatistics:
    @pytest.mark.parametrize(
        ("by", "names"),
        [(By.ENTRY_TYPE, ["", "flag"]), (By.HOUR, ["10", "11"]), (By.WEEKDAY, ["Monday"]), (By.TAG, ["", "a"])],
    )
    def test_puts_trades_together(self, account, owner, by, names):
        instrument = make_instrument()
        first = opened(account, instrument, decision=make_decision(account, instrument, entry_type="flag"))
        ended(first)
        second = opened(account, make_instrument(), at=AT + timedelta(minutes=61))
        ended(second, price="90", minutes=90)
        opened(account, make_instrument())
        stored(TradeTag, account, order=first, tag="a", created_at=AT)
        found = statistics_of_journal(account, journal_of(account), by=by, zone=ZoneInfo("America/New_York"))
        assert [group.name for group in found.groups] == names
        assert (found.total.statistics.total_trades, found.total.net) == (2, 0)

    def test_names_strategies_and_instruments(self, account, owner):
        instrument, strategy = make_instrument(), make_strategy(account.owner, name="flag")
        ended(opened(account, instrument, session=make_session(account, strategy=strategy)))
        by = {by: statistics_of_journal(account, journal_of(account), by=by, zone=ZoneInfo("UTC")).groups for by in By}
        assert [group.name for group in by[By.STRATEGY]] == ["flag"]
        assert [group.name for group in by[By.SYMBOL]] == [instrument.key]

    def test_is_in_the_currency_of_the_account(self, alice):
        account = make_account(owner=alice, base_currency="NOK")
        [odd] = fresh_currencies(1)
        with acting_as(alice.pk):
            ended(opened(account, make_instrument(currency="SEK")))
            ended(opened(account, make_instrument(currency=odd)))
            rate = {"rate": Decimal("0.5"), "recorded_at": AT}
            FxRate.objects.update_or_create(base="SEK", quote="NOK", date=AT.date(), defaults=rate)
            found = statistics_of_journal(account, journal_of(account), by=By.SYMBOL, zone=ZoneInfo("UTC"))
            assert (found.total.net, found.total.statistics.total_trades, found.missing) == (50, 1, [f"{odd}/NOK"])


def test_records_for_files_take_as_many_questions_for_many_trades_as_for_one(account, owner):
    session = make_session(account, strategy=make_strategy(account.owner, indicators=["RSI"]))

    def trade():
        instrument = make_instrument()
        about = {"order_class": "BRACKET", "role": "ENTRY", "session": session, "reference_price": "99"}
        order = opened(account, instrument, decision=make_decision(account, instrument, session=session), **about)
        legs = {"parent": order, "side": "SELL", "effect": "CLOSE", "order_class": "BRACKET", "session": session}
        make_order(account, instrument, type="LIMIT", limit_price="120", role="TAKE_PROFIT", **legs)
        stop = make_order(account, instrument, type="STOP", stop_price="95", role="STOP_LOSS", **legs)
        make_fill(stop, "10", "95", at=AT + timedelta(minutes=9))
        ended(opened(account, instrument), decision=make_decision(account, instrument, choice="SELL", reasoning="Enough."))

    def asked():
        with CaptureQueriesContext(connection) as questions:
            records = list(records_of(account, journal_of(account)))
        assert records == [trade.record for trade in told(account, journal_of(account).trades, at=NOW)]
        return len(questions)

    trade()
    before = asked()
    trade()
    trade()
    assert asked() == before
