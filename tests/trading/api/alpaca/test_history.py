"""What the account was worth over time, by Alpaca's own client."""

from datetime import UTC, date, datetime, timedelta

import pytest
from alpaca.trading.requests import GetPortfolioHistoryRequest

from marketdata.models import Bar
from tests.factories import day, make_account, make_bars, post

MONDAY, TUESDAY = datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC)


def asked(**fields):
    return GetPortfolioHistoryRequest(**fields)


class TestDays:
    def test_are_told_one_by_one(self, client, account, apple):
        post(account, "BUY", instrument=apple, quantity="10", price="10", occurred_at=day("2020-01-02") + timedelta(hours=15))
        told = client.get_portfolio_history(
            asked(start=day("2020-01-03"), end=day("2020-01-06"), timeframe="1D", cashflow_types="ALL")
        )
        assert datetime.fromtimestamp(told.timestamp[0], UTC) == day("2020-01-03")
        assert (told.base_value, told.equity[0], told.equity[-1]) == (10000, 10010, 10020)
        assert (told.profit_loss[-1], told.profit_loss_pct[-1]) == (20, 0.002)
        assert set(told.cashflow) == {"CSD", "CSW"}

    def test_are_what_is_told_of_a_month(self, client):
        assert client.get_portfolio_history().timeframe == "1D"
        assert client.get_portfolio_history(asked(period="1M", date_end=date(2024, 5, 6))).timeframe == "1D"


class TestWithinDays:
    @pytest.fixture
    def traded(self, account, apple):
        """Buy ten shares on Monday morning; they are at 12 then, at 11 half an hour later, and close at 13."""
        post(account, "BUY", instrument=apple, quantity="10", price="10", occurred_at=MONDAY + timedelta(hours=14))
        minute = {"open": 11, "high": 11, "low": 11, "close": 11, "recorded_at": MONDAY}
        Bar.objects.create(instrument=apple, timeframe="1m", timestamp=MONDAY + timedelta(hours=14, minutes=30), **minute)
        make_bars(apple, [("2024-05-06", "13")])
        return apple

    def at(self, told, moment):
        """Return the equity, and the gain, of the step that starts at a moment."""
        place = told.timestamp.index(int(moment.timestamp()))
        return told.equity[place], told.profit_loss[place]

    def test_each_step_is_told_as_it_stood_at_its_end(self, client, traded):
        told = client.get_portfolio_history(asked(start=MONDAY, end=MONDAY + timedelta(hours=23), timeframe="15Min"))
        assert (len(told.timestamp), told.timeframe, told.base_value) == (27, "15Min", 10000)
        found = [self.at(told, MONDAY + timedelta(hours=hours)) for hours in (13.5, 13.75, 14.25, 14.5, 19.5, 19.75, 20)]
        assert found == [(10000, 0), (10020, 20), (10020, 20), (10010, 10), (10010, 10), (10030, 30), (10030, 30)]
        assert told.profit_loss_pct[-1] == 0.003

    def test_gains_count_from_the_day_before_or_from_the_first(self, client, traded):
        both = {"start": MONDAY, "end": TUESDAY + timedelta(hours=23), "timeframe": "1H"}
        per_day = client.get_portfolio_history(asked(**both))
        assert self.at(per_day, TUESDAY + timedelta(hours=13.5)) == (10030, 0)
        on = client.get_portfolio_history(asked(**both, pnl_reset="no_reset"))
        assert self.at(on, TUESDAY + timedelta(hours=13.5)) == (10030, 30)

    def test_what_is_paid_in_is_no_gain(self, client, account, traded):
        post(account, "DEPOSIT", cash="100", occurred_at=TUESDAY + timedelta(hours=15))
        post(account, "WITHDRAWAL", cash="-40", occurred_at=TUESDAY + timedelta(hours=16, minutes=10))
        told = client.get_portfolio_history(
            asked(start=TUESDAY, end=TUESDAY + timedelta(hours=23), timeframe="15Min", cashflow_types="ALL")
        )
        assert [self.at(told, TUESDAY + timedelta(hours=hours)) for hours in (14.5, 14.75, 16)] == [
            (10030, 0),
            (10130, 0),
            (10090, 0),
        ]
        place = told.timestamp.index(int((TUESDAY + timedelta(hours=14.75)).timestamp()))
        assert (sum(told.cashflow["CSD"]), told.cashflow["CSD"][place], sum(told.cashflow["CSW"])) == (100, 100, -40)

    def test_hours_are_those_asked_for(self, client, raw, traded):
        span = {"start": MONDAY, "end": MONDAY + timedelta(hours=23, minutes=59), "timeframe": "1H"}
        for reporting, count in (("market_hours", 7), ("extended_hours", 16), ("continuous", 24)):
            assert len(client.get_portfolio_history(asked(**span, intraday_reporting=reporting)).timestamp) == count
        assert len(client.get_portfolio_history(asked(**span, extended_hours=True)).timestamp) == 16

    def test_a_day_is_told_by_the_minute_and_up_to_now(self, client, account):
        told = client.get_portfolio_history(asked(period="1D", intraday_reporting="continuous"))
        assert (told.timeframe, len(told.timestamp)) == ("1Min", 1441)
        assert {*told.equity} == {10000}

    def test_an_account_without_anything_has_been_worth_nothing(self, client_of, site, bob):
        empty = make_account(owner=bob)
        told = client_of(bob, key=str(empty.pk)).get_portfolio_history(asked(period="1D", timeframe="1H"))
        assert {*told.equity, *told.profit_loss, told.base_value} == {0}

    @pytest.mark.parametrize(
        "query",
        [
            {"timeframe": "2Min"},
            {"timeframe": "1H", "period": "2M"},
            {"timeframe": "1Min", "period": "all"},
            {"timeframe": "1H", "intraday_reporting": "nightly"},
            {"timeframe": "1H", "pnl_reset": "never"},
            {"period": "1D", "start": "2024-05-06", "end": "2024-05-07"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, raw, refused, query):
        assert refused(raw.get, "/account/portfolio/history", query)[:2] == (422, 40010001)
