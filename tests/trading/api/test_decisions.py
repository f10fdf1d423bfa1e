"""Strategies, sessions, signals and decisions by REST: one chain that can be walked, and refusals by name."""

import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user
from tests.trading.factories import Desk, make_decision, make_fill, make_order, make_session, make_strategy

AT = "2024-05-06T14:30:00Z"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Keep archives in a folder of the test's own."""
    settings.ATTACHMENTS = tmp_path


@pytest.fixture
def call(alice, account):
    """Return a way for Alice to call a route, of her account unless it begins with a slash."""
    client = browser(alice)

    def ask(method: str, route: str, body=None, *, status: int = 200, **query):
        path = f"/api/v1{route}/" if route.startswith("/") else f"/api/v1/accounts/{account.pk}/{route}/"
        answer = getattr(client, method)(path, query if method == "get" else body, format=None if method == "get" else "json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    return ask


class TestChain:
    def test_is_walked_from_the_strategy_to_the_ledger(self, call, account):
        desk = Desk(account, make_instrument())
        chain = call("get", f"decisions/{desk.decision.pk}/chain")
        assert [chain[name]["id"] for name in ("strategy", "session", "signal", "decision")] == [
            str(one.pk) for one in (desk.strategy, desk.session, desk.signal, desk.decision)
        ]
        assert [(order["id"], order["status"], order["average_price"]) for order in chain["orders"]] == [
            (str(desk.order.pk), "FILLED", "10")
        ]
        assert [(fill["order"], fill["entry"]) for fill in chain["fills"]] == [(str(desk.order.pk), str(desk.fill.entry_id))]
        [trade] = chain["trades"]
        assert (trade["id"], trade["outcome"], trade["net"], trade["exit_price"]) == (str(desk.order.pk), "open", "0", None)
        entry = call("get", f"entries/{chain['fills'][0]['entry']}")
        assert (entry["source"], entry["kind"], entry["quantity"]) == ("fill", "BUY", "10")

    def test_ends_with_what_its_trades_came_to(self, call, account):
        desk = Desk(account, make_instrument())
        out = make_decision(account, desk.order.instrument, choice="SELL")
        closing = make_order(account, desk.order.instrument, side="SELL", effect="CLOSE", decision=out)
        make_fill(closing, price="12", at=datetime(2024, 5, 7, tzinfo=UTC))
        for decision in (desk.decision, out):  # the one that opened it, and the one that closed it
            [trade] = call("get", f"decisions/{decision.pk}/chain")["trades"]
            assert (trade["id"], trade["outcome"], trade["net"]) == (str(desk.order.pk), "win", "20")
            assert (trade["quantity"], trade["exit_price"], trade["exit_timestamp"]) == ("10", "12", "2024-05-07T00:00:00Z")
        [end] = call("get", f"journal/{desk.order.pk}")["exits"]  # and back
        assert (end["order"], end["decision"], end["quantity"]) == (str(closing.pk), str(out.pk), "10")

    def test_of_a_decision_alone_is_short(self, call, account):
        chain = call("get", f"decisions/{make_decision(account, make_instrument()).pk}/chain")
        assert [chain[name] for name in ("strategy", "session", "signal", "orders", "fills", "trades")] == [
            None,
            None,
            None,
            [],
            [],
            [],
        ]


class TestDecisions:
    def test_are_written_changed_and_read_with_their_history(self, call, alice):
        instrument = make_instrument()
        body = {
            "instrument": instrument.key,
            "at": AT,
            "choice": "BUY",
            "confidence": "0.8",
            "indicators": ["RSI"],
            "price": "10",
        }
        made = call("post", "decisions", body, status=201)
        assert (made["instrument"], made["price"], made["verdict"], made["session"]) == (instrument.key, "10", "", None)
        changed = call("patch", f"decisions/{made['id']}", {"choice": "HOLD", "reason": "It fell."})
        assert changed["choice"] == "HOLD"
        history = call("get", f"decisions/{made['id']}/changes")["results"]
        assert [(one["changes"], one["actor"], one["reason"]) for one in history] == [
            ({"choice": ["BUY", "HOLD"]}, alice.email, "It fell.")
        ]
        call("delete", f"decisions/{made['id']}", status=204)
        call("get", f"decisions/{made['id']}", status=404)

    def test_are_found_by_instrument_time_and_choice(self, call, account):
        instrument = make_instrument()
        one = make_decision(account, instrument, choice="SELL")
        make_decision(account, make_instrument())
        for query in ({"instrument": instrument.key}, {"choice": "SELL"}, {"choice__in": "SELL,HOLD"}):
            assert [row["id"] for row in call("get", "decisions", **query)["results"]] == [str(one.pk)]
        assert len(call("get", "decisions", at__gte=AT)["results"]) == 2
        assert call("get", "decisions", at__lt=AT)["results"] == []

    def test_are_judged_by_a_later_price(self, call, account):
        stock = make_instrument()
        path = f"decisions/{make_decision(account, stock, price='10').pk}"
        judged = call("post", f"{path}/judge", {"price": "12"})
        assert (judged["verdict"], judged["move"], judged["judged_price"]) == ("RIGHT", "0.2", "12")
        assert call("get", path) == judged == call("get", "decisions", verdict="RIGHT")["results"][0]
        assert call("post", f"{path}/judge", {"price": "9"})["verdict"] == "WRONG"
        assert call("patch", path, {"confidence": "0.3"})["verdict"] == "WRONG"
        changed = call("patch", path, {"choice": "SELL"})
        assert (changed["verdict"], changed["judged_at"], changed["move"]) == ("", None, None)
        unknown = make_decision(account, stock)
        assert call("post", f"decisions/{unknown.pk}/judge", {"price": "9"}, status=400)["errors"][0]["field"] == "price"

    def test_take_the_signal_they_came_of(self, call, account):
        instrument = make_instrument()
        seen = {"instrument": instrument.key, "source": "scanner", "kind": "ENTER_LONG", "at": AT}
        signal = call("post", "signals", seen, status=201)
        assert call("post", "signals", seen, status=200)["id"] == signal["id"]
        body = {"instrument": instrument.key, "at": AT, "choice": "BUY", "confidence": "1", "signal": signal["id"]}
        call("post", "decisions", body, status=201)
        assert call("get", f"signals/{signal['id']}")["status"] == "TAKEN"
        assert call("post", "decisions", body, status=409)["code"] == "signal_not_active"
        assert call("patch", f"signals/{signal['id']}", {"status": "DISMISSED"}, status=409)["code"] == "signal_not_active"

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"confidence": "1.1"}, "confidence"),
            ({"confidence": 0.5}, "confidence"),
            ({"choice": "buy"}, "choice"),
            ({"price": "0"}, "price"),
            ({"at": "2999-01-01T00:00:00Z"}, "at"),
            ({"metadata": [1]}, "metadata"),
            ({"indicators": [""]}, "indicators.0"),
            ({"verdict": "RIGHT"}, "verdict"),
            ({"reasoning": "a\x07"}, "reasoning"),
        ],
    )
    def test_are_refused_by_field(self, call, change, field):
        body = {"instrument": make_instrument().key, "at": AT, "choice": "BUY", "confidence": "0.5"} | change
        refused = call("post", "decisions", body, status=400)
        assert [error["field"] for error in refused["errors"]] == [field]

    @pytest.mark.parametrize("name", ["session", "signal"])
    def test_name_rows_of_the_account_alone(self, call, name):
        stranger = make_account(owner=make_user())
        foreign = make_session(stranger) if name == "session" else Desk(stranger, make_instrument()).signal
        body = {"instrument": make_instrument().key, "at": AT, "choice": "BUY", "confidence": "0.5", name: str(foreign.pk)}
        refused = call("post", "decisions", body, status=400)
        assert refused["errors"] == [{"field": name, "code": "does_not_exist", "detail": f"The account has no such {name}."}]

    def test_are_cleaned_up_by_age_and_found_in_the_archive(self, call, alice, account):
        made = make_decision(account, make_instrument())
        assert call("post", "decisions/clean-up", {"before": AT})["deleted"] == 0
        assert call("post", "decisions/clean-up", {"before": "2024-05-06T14:30:01Z"})["deleted"] == 1
        found = browser(alice).get(f"/api/v1/accounts/{account.pk}/trading-files/?kind=decisions&archived=true")
        with zipfile.ZipFile(io.BytesIO(b"".join(found.streaming_content))) as archive:
            assert [json.loads(archive.read(name))["id"] for name in archive.namelist()] == [str(made.pk)]
        refused = browser(alice).get(f"/api/v1/accounts/{account.pk}/trading-files/?archived=true")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "archived")


class TestSessions:
    def test_run_a_strategy_and_end(self, call):
        strategy = call("post", "/strategies", {"name": "Cross", "parameters": {"fast": 10}, "indicators": ["SMA"]}, status=201)
        session = call("post", "sessions", {"strategy": strategy["id"], "code_version": "1.0"}, status=201)
        assert (session["strategy"], session["configuration"], session["execution_mode"]) == (
            strategy["id"],
            {"fast": 10},
            "PAPER",
        )
        assert len(session["config_hash"]) == 64
        assert call("get", "sessions", ended_at__isnull="true")["results"] == [session]
        assert call("patch", f"sessions/{session['id']}", {"name": "Morning"})["name"] == "Morning"
        assert call("post", f"sessions/{session['id']}/end")["ended_at"]
        assert call("post", f"sessions/{session['id']}/end", status=409)["code"] == "session_ended"
        body = {"instrument": make_instrument().key, "at": AT, "choice": "BUY", "confidence": "1", "session": session["id"]}
        assert call("post", "decisions", body, status=409)["code"] == "session_ended"
        assert call("delete", f"/strategies/{strategy['id']}", status=409)["code"] == "strategy_in_use"

    def test_run_no_strategy_of_a_stranger(self, call):
        foreign = make_strategy(make_user())
        refused = call("post", "sessions", {"strategy": str(foreign.pk)}, status=400)
        assert refused["errors"][0]["field"] == "strategy"


class TestStrategies:
    def test_are_changed_by_their_user_and_seen_where_they_run(self, call, account, bob):
        made = call("post", "/strategies", {"name": "Cross"}, status=201)
        assert call("post", "/strategies", {"name": "Cross"}, status=409)["code"] == "name_taken"
        changed = call("patch", f"/strategies/{made['id']}", {"parameters": {"fast": 20}, "archived": True})
        assert (changed["parameters"], changed["own"], bool(changed["archived_at"])) == ({"fast": 20}, True, True)
        assert browser(bob).get(f"/api/v1/strategies/{made['id']}/").status_code == 404
        make_session(account, strategy_id=made["id"])
        shown = browser(bob).get(f"/api/v1/strategies/{made['id']}/").json()
        assert (shown["name"], shown["own"]) == ("Cross", False)
        assert browser(bob).patch(f"/api/v1/strategies/{made['id']}/", {"name": "x"}, format="json").status_code == 403

    def test_of_what_kinds_there_may_be_and_what_they_take(self, call):
        kinds = {one["name"]: one for one in call("get", "/strategies/kinds")["results"]}
        assert set(kinds) >= {"breakout", "sma_cross"}
        cross = {one["name"]: one for one in kinds["sma_cross"]["parameters"]}
        assert (cross["fast"]["type"], cross["fast"]["default"], cross["fast"]["least"]) == ("INTEGER", 10, 2)
        assert (cross["average"]["choices"], cross["short"]["default"]) == (["SMA", "EMA"], False)
        stop = next(one for one in kinds["breakout"]["parameters"] if one["name"] == "stop")
        assert (stop["type"], stop["default"], stop["most"]) == ("DECIMAL", "2", 50)

    def test_of_no_built_in_kind_are_refused(self, call):
        refused = call("post", "/strategies", {"name": "Cross", "kind": "no_such"}, status=400)
        assert (refused["errors"][0]["field"], refused["code"]) == ("kind", "unknown_strategy")

    def test_whose_parameters_do_not_go_together_are_refused(self, call):
        crossed = {"name": "Crossed", "kind": "sma_cross", "parameters": {"fast": 30, "slow": 5}}
        refused = call("post", "/strategies", crossed, status=400)
        assert (refused["errors"][0]["field"], refused["code"]) == ("parameters.slow", "slow_not_above_fast")
