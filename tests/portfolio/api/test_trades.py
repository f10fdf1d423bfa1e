"""The last closed trades, the bounds set for them, and that members hear of a broken one once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import InterfaceError, OperationalError, connections
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.roles import Role
from accounts.models import Notification
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio import tasks
from portfolio.domain.trades import Bounds, Trade, broken, losing_streak, statistics_of
from portfolio.models import Alert
from portfolio.services import alerts
from portfolio.services.projections import catch_up, forget
from portfolio.services.trade_alerts import watch_trades
from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post, share
from tests.portfolio.fixtures import published
from tests.portfolio.market import fresh_currencies, rates

D = Decimal
START = datetime(2024, 1, 2, 15, tzinfo=UTC)


def trades(gains) -> list[Trade]:
    return [Trade(START + timedelta(days=n), D(str(gain))) for n, gain in enumerate(gains)]


class TestStatistics:
    def test_freqtrade_expects_the_same(self):
        """Where nothing was traded it says 0 and 100; we say that there is nothing to say."""
        for case in published("freqtrade/metrics_table.json")["expectancy"]:
            found = statistics_of(trades(case["profits"]))
            if not case["profits"]:
                assert (found.expectancy, found.reasons["expectancy"]) == (None, "No trade has been closed.")
                continue
            assert found.expectancy == D(case["expectancy"])
            average_win, average_loss, rate = found.average_win, found.average_loss, found.win_rate
            ratio = (1 + average_win / -average_loss) * rate - 1
            assert float(ratio) == pytest.approx(float(case["ratio"]), abs=1e-8)

    def test_freqtrade_falls_as_deep(self):
        """Its deepest fall relative to the account is ours, which is below zero; without a balance to start from we have none."""
        for case in published("freqtrade/metrics_table.json")["max_drawdown"]:
            found = statistics_of(
                trades(case["profits"]), capital=D(case["starting_balance"]) if "starting_balance" in case else None
            )
            if "relative_account_drawdown" in case:
                assert float(-found.max_drawdown_pct) == pytest.approx(float(case["relative_account_drawdown"]), abs=1e-8)
            elif case.get("mode") == "largest relative":
                assert float(-found.max_drawdown_pct) == pytest.approx(0.5)
            elif "starting_balance" not in case:
                assert (found.max_drawdown_pct, found.reasons["max_drawdown_pct"]) == (
                    None,
                    "There was no capital before the first of the trades.",
                )

    @given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=40))
    def test_expectancy_is_what_rates_and_averages_make_of_each_other(self, gains):
        found = statistics_of(trades(gains), capital=D(50_000))
        won = found.wins * (found.average_win or 0) + found.losses * (found.average_loss or 0)
        assert float(won) / len(gains) == pytest.approx(float(found.expectancy), abs=1e-8)
        assert found.gross_profit + found.gross_loss == sum(gains)
        assert -1 <= found.max_drawdown_pct <= 0
        assert (found.profit_factor is None) == (found.losses == 0)
        for name in ("win_rate", "profit_factor", "expectancy", "average_win", "average_loss", "max_drawdown_pct"):
            assert (getattr(found, name) is None) == (name in found.reasons)

    def test_a_trade_that_came_out_even_neither_wins_nor_goes_on_losing(self):
        found = statistics_of(trades([-1, 0]), capital=D(10))
        assert (found.wins, found.losses, found.consecutive_losses) == (0, 1, 0)
        assert losing_streak([D(5), D(-1), D(-2)]) == 2

    def test_what_is_at_its_bound_keeps_it(self):
        found = statistics_of(trades([10, -10, -10, 10]), capital=D(100))
        at_bound = Bounds(D("0.5"), D(1), D(0), -found.max_drawdown_pct, 0)
        assert broken(found, at_bound, currency="USD") == []
        beyond = Bounds(D("0.51"), D("1.01"), D("0.01"), D("0.18"), None)
        assert broken(found, beyond, currency="USD") == [
            "The win rate is 0.5, below 0.51.",
            "The profit factor is 1, below 1.01.",
            "The expectancy is 0 USD a trade, below 0.01.",
            "The drawdown is 0.181818181818 of the capital, above 0.18.",
        ]
        assert broken(statistics_of(trades([-1, -1])), Bounds(max_consecutive_losses=1), currency="USD") == [
            "2 losses in a row are more than 1."
        ]

    def test_what_is_not_defined_breaks_no_bound(self):
        assert broken(statistics_of([]), Bounds(D(1), D(9), D(9), D(0), 0), currency="USD") == []


def deal(account, share, gain, day: int, *, lots: int = 1) -> None:
    """Buy in some lots at 100 and sell all of them for a gain."""
    for n in range(lots):
        post(account, "BUY", instrument=share, quantity="1", price="100", occurred_at=START + timedelta(days=day, seconds=n))
    price = D(100) + D(gain) / lots
    return post(
        account, "SELL", instrument=share, quantity=str(-lots), price=str(price), occurred_at=START + timedelta(days=day, hours=2)
    )


@pytest.fixture
def traded(account):
    """Return an account with 1,000 in which five trades made 10, -20, 30, -5 and -5."""
    instrument = make_instrument()
    post(account, "DEPOSIT", cash="1000", occurred_at=START - timedelta(days=1))
    for day, gain in enumerate((10, -20, 30, -5, -5)):
        deal(account, instrument, gain, day, lots=2 if gain == 30 else 1)
    return account


@pytest.fixture
def ask(alice, traded):
    """Return a way for Alice to ask for, or set, something."""
    client = browser(alice)

    def call(route: str, status: int = 200, method: str = "get", body=None, **query: str):
        url = f"/api/v1/accounts/{traded.pk}/{route}/"
        response = client.get(url, query) if method == "get" else getattr(client, method)(url, body, format="json")
        assert response.status_code == status, response.content
        return response.json()

    return call


def told(user) -> list[str]:
    with acting_as(user.pk):
        return list(Notification.objects.filter(user=user).order_by("created_at", "pk").values_list("title", flat=True))


class TestTradesPerformance:
    def test_shows_the_figures_of_the_last_trades(self, ask):
        found = ask("trades-performance")
        expected = {"total_trades": 5, "wins": 2, "losses": 3, "win_rate": "0.4", "expectancy": "2", "average_win": "20"}
        expected |= {"average_loss": "-10", "gross_profit": "40", "gross_loss": "-30", "profit_factor": "1.333333333333"}
        expected |= {"max_drawdown_pct": "-0.019801980198", "consecutive_losses": 2, "window": 20, "currency": "USD"}
        expected |= {"alert_triggered": False, "alert_message": "", "missing": [], "reasons": {}}
        assert {name: found[name] for name in expected} == expected

    def test_a_window_keeps_the_last_ones(self, ask):
        found = ask("trades-performance", window="3")
        assert (found["total_trades"], found["win_rate"], found["since"]) == (3, "0.333333333333", "2024-01-04T17:00:00Z")
        assert found["max_drawdown_pct"] == "-0.009803921569"  # 10 off 1,020

    def test_lots_closed_by_one_entry_are_one_trade(self, ask):
        assert ask("trades-performance", window="3")["average_win"] == "30"

    def test_is_as_of_a_past_day(self, ask):
        found = ask("trades-performance", as_of="2024-01-04")
        assert (found["total_trades"], found["consecutive_losses"], found["expectancy"]) == (3, 0, "6.6666666667")
        assert found["max_drawdown_pct"] == "-0.019801980198"

    def test_without_trades_everything_is_null_with_a_reason(self, alice):
        empty = make_account(owner=alice)
        found = browser(alice).get(f"/api/v1/accounts/{empty.pk}/trades-performance/").json()
        nulls = {name for name, value in found.items() if value is None}
        assert nulls == set(found["reasons"]) >= {"win_rate", "profit_factor", "expectancy", "max_drawdown_pct"}
        assert (found["total_trades"], found["alert_triggered"]) == (0, False)

    def test_gains_in_another_currency_count_at_the_rate_of_the_day_they_were_made(self, account, alice):
        (other,) = fresh_currencies(1)
        abroad = make_instrument(currency=other)
        rates(other, "USD", {"2024-01-01": "2", "2024-01-03": "4"})
        for day, said in ((0, {}), (1, {}), (2, {"data": {"fx_rate": "10"}})):
            post(account, "BUY", instrument=abroad, currency=other, quantity="1", price="1", occurred_at=START + timedelta(day))
            later = START + timedelta(day, hours=1)
            post(account, "SELL", instrument=abroad, currency=other, quantity="-1", price="2", occurred_at=later, **said)
        found = browser(alice).get(f"/api/v1/accounts/{account.pk}/trades-performance/").json()
        assert found["gross_profit"] == "16"

    def test_a_rate_said_for_pence_is_that_of_a_penny(self, account, alice):
        london = make_instrument(currency="GBX")
        common = {"instrument": london, "currency": "GBX"}
        post(account, "BUY", **common, quantity="1", price="100", occurred_at=START)
        post(account, "SELL", **common, quantity="-1", price="300", data={"fx_rate": "0.0125"}, occurred_at=START + timedelta(1))
        found = browser(alice).get(f"/api/v1/accounts/{account.pk}/trades-performance/").json()
        assert (found["gross_profit"], found["missing"]) == ("2.5", [])

    def test_a_trade_of_many_lots_is_read_whole(self, account, alice):
        instrument = make_instrument()
        deal(account, instrument, -7, 0)
        deal(account, instrument, 300, 1, lots=300)
        found = browser(alice).get(f"/api/v1/accounts/{account.pk}/trades-performance/", {"window": "1"}).json()
        assert (found["total_trades"], found["average_win"]) == (1, "300")
        whole = browser(alice).get(f"/api/v1/accounts/{account.pk}/trades-performance/").json()
        assert (whole["total_trades"], whole["gross_loss"]) == (2, "-7")
        past = browser(alice).get(f"/api/v1/accounts/{account.pk}/trades-performance/", {"as_of": "2024-01-02"}).json()
        assert (past["total_trades"], past["gross_loss"]) == (1, "-7")

    def test_a_gain_without_a_rate_is_left_out_and_the_rate_named(self, account, alice):
        (other,) = fresh_currencies(1)
        abroad = make_instrument(currency=other)
        post(account, "BUY", instrument=abroad, currency=other, quantity="1", price="1", occurred_at=START)
        post(account, "SELL", instrument=abroad, currency=other, quantity="-1", price="2", occurred_at=START)
        found = browser(alice).get(f"/api/v1/accounts/{account.pk}/trades-performance/").json()
        assert (found["total_trades"], found["missing"]) == (0, [f"{other}/USD"])

    @pytest.mark.parametrize("window", ["0", "1001", "many"])
    def test_refuses_a_window_that_makes_no_sense(self, ask, window):
        assert ask("trades-performance", 400, window=window)["errors"][0]["field"] == "window"


class TestThresholds:
    def test_are_null_until_somebody_sets_them(self, ask):
        found = ask("trade-thresholds")
        assert found.pop("window") == 20
        assert set(found.values()) == {None}

    def test_put_forgets_what_it_leaves_out_and_patch_does_not(self, ask):
        ask("trade-thresholds", method="put", body={"min_win_rate": "0.5", "window": 10})
        kept = ask("trade-thresholds", method="patch", body={"max_consecutive_losses": 3})
        assert (kept["min_win_rate"], kept["max_consecutive_losses"], kept["window"]) == ("0.5", 3, 10)
        anew = ask("trade-thresholds", method="put", body={"min_expectancy": "-5.5"})
        assert anew == ask("trade-thresholds")
        assert (anew["min_win_rate"], anew["min_expectancy"], anew["window"]) == (None, "-5.5", 20)

    @pytest.mark.parametrize(
        "body",
        [
            {"min_win_rate": "1.1"},
            {"min_win_rate": 0.5},
            {"max_drawdown_pct": "-0.1"},
            {"min_profit_factor": "-1"},
            {"window": 0},
            {"window": "20"},
            {"max_consecutive_losses": -1},
            {"luck": "1"},
        ],
    )
    def test_refuse_what_makes_no_sense(self, ask, body):
        assert ask("trade-thresholds", 400, "put", body)["errors"][0]["field"] in body

    def test_say_in_the_figures_what_is_broken(self, ask):
        ask("trade-thresholds", method="put", body={"min_win_rate": "0.5", "max_consecutive_losses": 1, "window": 4})
        found = ask("trades-performance")
        assert (found["window"], found["alert_triggered"]) == (4, True)
        assert found["alert_message"] == "The win rate is 0.25, below 0.5. 2 losses in a row are more than 1."


class TestAlerts:
    @pytest.fixture
    def bounded(self, traded, alice, ask):
        """Return the account, with three losses in a row as the most that nobody is told about."""
        ask("trade-thresholds", method="put", body={"max_consecutive_losses": 3})
        return traded

    def test_members_hear_once_that_a_bound_is_broken_and_once_that_it_is_kept_again(self, bounded, alice):
        bob, invited = share(bounded, make_user("bob")), make_user("stranger")
        instrument = make_instrument()
        for day in (10, 11, 12):  # the fourth loss in a row is the second of these
            deal(bounded, instrument, -1, day)
            catch_up(account_id=bounded.pk, at=START)
            catch_up(account_id=bounded.pk, at=START)
        (first,) = told(alice)
        assert first.endswith("a bound of the last 20 trades is broken")
        (alert,) = Alert.objects.using("system").filter(account=bounded)
        assert alert.message.startswith("5 losses in a row are more than 3.")
        deal(bounded, instrument, 50, 13)
        catch_up(account_id=bounded.pk, at=START)
        assert [title.rpartition(" trades ")[2] for title in told(alice)] == ["is broken", "is kept again"]
        assert len(told(bob)) == 2
        assert told(invited) == []
        assert not Alert.objects.using("system").filter(account=bounded).exists()

    def test_many_looks_at_the_same_time_tell_once(self, bounded, alice):
        instrument = make_instrument()
        for day in (10, 11):
            deal(bounded, instrument, -1, day)

        def look(n: int) -> None:
            try:
                if n % 2:
                    catch_up(account_id=bounded.pk, at=START)
                watch_trades(account_id=bounded.pk, at=START)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(look, range(24)))
        assert len(told(alice)) == 1

    def test_deriving_anew_tells_nobody_again(self, bounded, alice):
        instrument = make_instrument()
        for day in (10, 11):
            deal(bounded, instrument, -1, day)
        for _ in range(3):
            catch_up(account_id=bounded.pk, at=START)
            forget(account_id=bounded.pk)
        catch_up(account_id=bounded.pk, at=START)
        assert len(told(alice)) == 1

    def test_a_loss_that_is_taken_back_heals(self, bounded, alice):
        instrument = make_instrument()
        for day in (10, 11):
            sale = deal(bounded, instrument, -1, day)
        catch_up(account_id=bounded.pk, at=START)
        with acting_as(alice.pk):
            reverse_entry(entry=sale, actor=alice, reason="mistake")
        catch_up(account_id=bounded.pk, at=START)
        assert [title.rpartition(" trades ")[2] for title in told(alice)] == ["is broken", "is kept again"]

    def test_a_bound_set_later_is_looked_at_by_the_task_and_one_that_is_lifted_goes_without_a_word(self, traded, alice, ask):
        catch_up(account_id=traded.pk, at=START)
        ask("trade-thresholds", method="put", body={"min_win_rate": "0.9"})
        for _ in range(2):
            tasks.watch_trades(account_ids=[str(traded.pk)], sent_by="a later version")
        assert len(told(alice)) == 1
        ask("trade-thresholds", method="put", body={})
        tasks.watch_trades()
        assert len(told(alice)) == 1
        assert not Alert.objects.using("system").filter(account=traded).exists()

    def test_a_run_that_breaks_off_tells_nobody(self, bounded, alice, monkeypatch):
        """What is told and what is derived is stored together, or not at all."""
        instrument = make_instrument()
        for day in (10, 11):
            deal(bounded, instrument, -1, day)

        def killed(**_given):
            watch_trades(account_id=bounded.pk, at=START)
            raise RuntimeError("killed")

        with monkeypatch.context() as patch:
            patch.setattr("portfolio.services.projections.watch_trades", killed)
            with pytest.raises(RuntimeError):
                catch_up(account_id=bounded.pk, at=START)
        assert told(alice) == []
        catch_up(account_id=bounded.pk, at=START)
        assert len(told(alice)) == 1

    def test_a_connection_that_is_gone_once_members_were_written_to_tells_nobody_twice(self, bounded, alice, monkeypatch):
        """As when it is killed between the message and the end of the run: neither is stored, and the next run does both."""
        instrument = make_instrument()
        for day in (10, 11):
            deal(bounded, instrument, -1, day)
        tell = alerts._tell

        def cut_off(*given):
            tell(*given)
            with connections["system"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        with monkeypatch.context() as patch:
            patch.setattr(alerts, "_tell", cut_off)
            with pytest.raises((OperationalError, InterfaceError)):
                catch_up(account_id=bounded.pk, at=START)
        connections["system"].close()
        assert told(alice) == []
        for _ in range(2):
            catch_up(account_id=bounded.pk, at=START)
            tasks.watch_trades(account_ids=[str(bounded.pk)])
        assert len(told(alice)) == 1

    def test_a_closed_account_takes_no_bounds(self, traded, alice, ask):
        browser(alice).delete(f"/api/v1/accounts/{traded.pk}/")
        assert ask("trade-thresholds", 409, "put", {"min_win_rate": "0.5"})["code"] == "account_closed"

    def test_a_viewer_sets_none(self, traded):
        bob = share(traded, make_user("bob"), Role.TRADER)
        url = f"/api/v1/accounts/{traded.pk}/trade-thresholds/"
        assert browser(bob).get(url).status_code == 200
        assert browser(bob).put(url, {"min_win_rate": "0.5"}, format="json").status_code == 403
