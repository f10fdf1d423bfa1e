"""Files of trading bots come in as often as one likes and go out as they were; each line that is not taken is named."""

import gzip
import io
import json
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.models import ImportBatch, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.accounts import AccountClosed, close_account
from marketdata.selectors.instruments import find_instrument
from tests.factories import make_account, make_instrument, unique_symbol
from tests.trading.factories import make_change, make_decision, make_risk_event, stored
from tests.trading.journals import ALERT, BREACH, CLOSED, DECISION, lines, still_open, trade
from trading.models import Decision, DecisionChange, Fill, Order, PerformanceAlert, RiskEvent, RiskLimits, Session
from trading.selectors.trading_files import alert_lines, daily_lines, filed_decisions, risk_lines, trade_lines
from trading.services.decisions import change_decision
from trading.services.trading_files import Kind, import_trading_file

NOW = datetime(2024, 6, 1, tzinfo=UTC)
LOST = {"profit_loss": "-20", "net_profit_loss": "-21.50", "outcome": "loss"}


@pytest.fixture
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


@pytest.fixture
def symbol():
    return make_instrument().symbol


@pytest.fixture
def take(account, owner):
    """Return a way to bring a file in."""

    def bring(content, name="trades.jsonl", **options) -> ImportBatch:
        content = lines(content) if isinstance(content, dict) else content
        return import_trading_file(
            **{"account": account, "actor": owner, "file_name": name, "content": content, "at": NOW} | options
        )

    return bring


def counts(batch):
    return batch.posted, batch.known, [one["code"] for one in batch.refused]


def written(account):
    return [json.loads(line) for line in trade_lines(account)]


class TestTrades:
    def test_come_in_as_what_they_are_derived_from(self, take, account, symbol):
        assert counts(take(trade(symbol))) == (1, 0, [])
        entry, exit = Order.objects.filter(account=account).order_by("created_at")
        assert (entry.client_order_id, entry.side, entry.effect) == ("bot-1", "BUY", "OPEN")
        assert (entry.status, entry.sending) == ("FILLED", "SETTLED")
        assert (exit.parent_id, exit.side, exit.effect, exit.status) == (entry.pk, "SELL", "CLOSE", "FILLED")
        assert (entry.session.strategy.name, entry.session.code_version) == ("opening-range", "2.1.0")
        assert (entry.session.started_at, entry.session.ended_at) == (entry.created_at, exit.created_at)
        assert entry.decision.reasoning == CLOSED["decision_reasoning"]
        assert exit.decision.reasoning == CLOSED["exit_reasoning"]
        kinds = LedgerEntry.objects.filter(account=account, source="fill").order_by("sequence").values_list("kind", flat=True)
        assert set(kinds) == {"BUY", "SELL"}

    def test_go_out_as_they_came_in(self, take, account, symbol):
        lost = {"profit_loss": "-7.77", "net_profit_loss": "-9.27", "outcome": "loss", "strategy_name": "other"}
        rows = [
            trade(symbol),
            trade(symbol, order_id="bot-2", timestamp="2024-05-06T14:31:00.000Z", hold_duration_seconds=5340, **lost),
            trade(symbol, order_id="bot-3", action="SELL", timestamp="2024-05-06T14:32:00.000Z", hold_duration_seconds=5280),
            still_open(symbol, order_id="bot-4", timestamp="2024-05-07T14:32:00.123Z"),
        ]
        assert counts(take(lines(*rows))) == (4, 0, [])
        assert written(account) == [row | {"account_id": str(account.pk)} for row in rows]

    def test_come_in_once(self, take, account, symbol):
        rows = lines(trade(symbol), still_open(symbol, order_id="bot-2"))
        take(rows)
        before = Fill.objects.filter(account=account).count(), Decision.objects.filter(account=account).count()
        assert counts(take(rows)) == (0, 2, [])
        assert counts(take("".join(trade_lines(account)).encode())) == (0, 2, [])
        assert (Fill.objects.filter(account=account).count(), Decision.objects.filter(account=account).count()) == before

    def test_are_closed_by_a_later_line(self, take, account, symbol):
        assert counts(take(lines(still_open(symbol), trade(symbol)))) == (2, 0, [])
        assert written(account) == [trade(symbol, account_id=str(account.pk))]
        assert counts(take(lines(still_open(symbol), trade(symbol)))) == (0, 2, [])

    def test_are_closed_by_the_record_of_the_order_that_did(self, take, account, symbol):
        end = still_open(symbol, action="SELL", timestamp="2024-05-06T16:00:00Z", price="13", total_value="390", commission="1")
        assert counts(take(lines(still_open(symbol), end, end))) == (2, 1, [])
        [row] = written(account)
        assert (row["outcome"], row["profit_loss"]) == ("win", "19.80")
        assert (row["net_profit_loss"], row["commission"]) == ("17.30", "2.50")

    def test_are_closed_in_parts(self, take, account, symbol):
        half = still_open(symbol, action="SELL", quantity=15, timestamp="2024-05-06T16:00:00Z", price="13", total_value="195")
        rest = half | {"timestamp": "2024-05-06T17:00:00Z"}
        assert counts(take(lines(still_open(symbol), half, rest, half | {"timestamp": "2024-05-06T18:00:00Z"}))) == (
            3,
            0,
            ["contradicts"],
        )
        [row] = written(account)
        assert (row["outcome"], row["exit_timestamp"]) == ("win", "2024-05-06T17:00:00.000Z")

    @pytest.mark.parametrize(
        "fields",
        [
            {"price": "12.35", "total_value": "370.50"},
            {"decision_reasoning": "Another."},
            {"stop_loss": "11"},
            {"profit_loss": "11.50", "net_profit_loss": "10"},
            {"exit_reasoning": "Another."},
        ],
    )
    def test_with_other_figures_are_refused_and_change_nothing(self, take, account, symbol, fields):
        take(trade(symbol))
        batch = take(trade(symbol, **fields))
        assert counts(batch) == (0, 0, ["conflicting_trade"])
        assert next(iter(fields)) in batch.refused[0]["detail"]
        assert written(account) == [trade(symbol, account_id=str(account.pk))]

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"symbol": "NOSUCH"}, "unknown_instrument"),
            ({"total_value": "371"}, "invalid"),
            ({"net_profit_loss": "9"}, "invalid"),
            ({"profit_loss": None, "net_profit_loss": None}, "invalid"),
            ({"profit_loss": "-370.20", "net_profit_loss": "-371.70"}, "invalid"),
            ({"exit_timestamp": None, "hold_duration_seconds": None}, "invalid"),
            ({"hold_duration_seconds": 60}, "invalid"),
            ({"execution_mode": "LIVE"}, "other_mode"),
            ({"quantity": 20_000, "total_value": "246800"}, "invalid"),
            ({"timestamp": "2031-01-01T00:00:00Z"}, "invalid"),
            ({"exit_timestamp": "2031-01-01T00:00:00Z", "hold_duration_seconds": None}, "future_time"),
            ({"timestamp": "1950-01-01T00:00:00Z", "hold_duration_seconds": None}, "too_early"),
            ({"config_hash": "xyz"}, "invalid"),
            ({"order_id": "x" * 200}, "invalid"),
            ({"price": "12.340000000001"}, "invalid"),
            ({"mood": "good"}, "invalid"),
            ({"session_id": "a#b"}, "invalid"),
        ],
    )
    def test_that_cannot_be_are_refused_and_leave_nothing(self, take, account, symbol, fields, code):
        row = trade(symbol) | fields
        batch = take(lines(row, trade(symbol, order_id="good")))
        assert counts(batch) == (1, 0, [code])
        assert batch.refused[0]["line"] == 1
        assert [one["order_id"] for one in written(account)] == ["good"]
        assert batch.status == "PARTIAL"

    def test_of_other_figures_in_one_session_are_refused(self, take, symbol):
        batch = take(lines(trade(symbol), trade(symbol, order_id="b", bot_version="3.0.0")))
        assert counts(batch) == (1, 0, ["conflicting_session"])

    def test_that_overlap_are_each_closed_by_their_own_exit(self, take, account, symbol):
        early = trade(symbol, order_id="a", exit_timestamp="2024-05-06T20:00:00.000Z", hold_duration_seconds=19800)
        late = trade(symbol, order_id="b", timestamp="2024-05-06T15:00:00.000Z", hold_duration_seconds=3600, **LOST)
        take(lines(early, late))
        assert [(row["order_id"], row["outcome"], row["exit_timestamp"][11:13]) for row in written(account)] == [
            ("a", "win", "20"),
            ("b", "loss", "16"),
        ]

    def test_of_a_larger_limit_come_in(self, take, account, symbol):
        stored(RiskLimits, account, max_order_quantity=50_000, updated_at=NOW)
        assert counts(take(still_open(symbol, quantity=20_000, total_value="246800"))) == (1, 0, [])

    def test_go_out_by_day(self, take, account, symbol):
        take(lines(trade(symbol), still_open(symbol, order_id="b", timestamp="2024-05-07T14:32:00Z")))
        found = {str(day): len(list(rows)) for day, rows in daily_lines(account)}
        assert found == {"2024-05-06": 1, "2024-05-07": 1}
        assert len(list(trade_lines(account, day=date(2024, 5, 7)))) == 1

    def test_of_instruments_that_are_unknown_come_in_where_that_is_asked_for(self, take, account):
        name = unique_symbol()
        assert counts(take(trade(name), create_on="XTST")) == (1, 0, [])
        assert find_instrument(f"{name}:XTST").currency == account.base_currency

    def test_are_tried_without_a_trace(self, take, account, symbol):
        batch = take(trade(symbol), dry_run=True)
        assert (counts(batch), batch.status) == ((1, 0, []), "PREVIEWED")
        assert not Order.objects.filter(account=account).exists()
        assert not Session.objects.filter(account=account).exists()

    def test_packed_or_with_a_mark_in_front_are_the_same(self, take, symbol):
        content = b"\xef\xbb\xbf" + lines(trade(symbol)) + b"\n\n"
        assert counts(take(gzip.compress(content), "2024-05-06.jsonl.gz")) == (1, 0, [])
        assert counts(take(content, "2024-05-06.jsonl")) == (0, 1, [])

    def test_of_a_closed_account_stay_out(self, account, owner, symbol):
        closed = close_account(account=account, at=NOW)
        with pytest.raises(AccountClosed):
            import_trading_file(account=closed, actor=owner, file_name="trades.jsonl", content=lines(trade(symbol)), at=NOW)


class TestOtherLines:
    def test_of_risk_come_in_once_and_go_out_as_they_were(self, take, account):
        assert counts(take(BREACH, "risk-management.jsonl")) == (1, 0, [])
        assert [json.loads(line) for line in risk_lines(account)] == [BREACH]
        assert counts(take(BREACH | {"daily_pnl": "-310.250"}, "risk-management.jsonl.gz")) == (0, 1, [])

    def test_of_the_accounts_own_are_known(self, take, account):
        make_risk_event(account, day_gain="-5.5", day_gain_share="-0.01", configuration={"max": "0.1"})
        content = "".join(risk_lines(account)).encode()
        assert counts(take(content, "risk-management.jsonl")) == (0, 1, [])
        assert RiskEvent.objects.filter(account=account).count() == 1

    def test_of_performance_come_in_once_and_go_out_as_they_were(self, take, account):
        assert counts(take(ALERT, "performance-alerts.jsonl")) == (1, 0, [])
        assert [json.loads(line) for line in alert_lines(account)] == [ALERT]
        assert counts(take(ALERT, "performance-alerts.jsonl")) == (0, 1, [])

    def test_of_performance_follow_from_trades(self, take, account, symbol):
        later = {"exit_timestamp": "2024-05-06T17:00:00Z", "hold_duration_seconds": 9000}
        take(lines(trade(symbol), trade(symbol, order_id="b", **later, **LOST)))
        rows = [json.loads(line) for line in alert_lines(account)]
        assert [(row["total_trades"], row["win_rate"], row["consecutive_losses"]) for row in rows] == [
            (1, "1.00", 0),
            (2, "0.50", 1),
        ]
        assert counts(take("".join(alert_lines(account)).encode(), "performance-alerts.jsonl")) == (0, 2, [])
        assert not PerformanceAlert.objects.filter(account=account).exists()

    @pytest.mark.parametrize(
        ("row", "name"),
        [
            (BREACH | {"severity": "MILD"}, "risk-management.jsonl"),
            (BREACH | {"severity": ["CRITICAL"]}, "risk-management.jsonl"),
            (BREACH | {"event_type": ""}, "risk-management.jsonl"),
            (BREACH | {"config_snapshot": []}, "risk-management.jsonl"),
            (BREACH | {"mood": 1}, "risk-management.jsonl"),
            ({name: value for name, value in BREACH.items() if name != "timestamp"}, "risk-management.jsonl"),
            (ALERT | {"win_rate": "1.5"}, "performance-alerts.jsonl"),
            (ALERT | {"profit_factor": "-1"}, "performance-alerts.jsonl"),
            (ALERT | {"max_drawdown_pct": "5"}, "performance-alerts.jsonl"),
            (ALERT | {"total_trades": 1.5}, "performance-alerts.jsonl"),
            (ALERT | {"alert_triggered": "yes"}, "performance-alerts.jsonl"),
        ],
    )
    def test_that_break_a_rule_are_refused(self, take, row, name):
        assert counts(take(row, name)) == (0, 0, ["invalid"])


@pytest.fixture
def pair():
    """Return a pair as its instrument and as files write it."""
    name = unique_symbol()
    return make_instrument(symbol=f"{name}/USD", exchange="CRYPTO", asset_class="CRYPTO"), f"{name}USD"


class TestDecisions:
    def test_come_in_once_and_go_out_as_they_were(self, take, account, pair):
        instrument, name = pair
        file = json.dumps(DECISION | {"asset_pair": name}, indent=2).encode()
        assert counts(take(file, "2024-05-06_d-1.json")) == (1, 0, [])
        made = Decision.objects.get(account=account)
        assert (made.instrument, made.reasoning, made.choice, made.external_id) == (instrument, "Momentum.", "BUY", "d-1")
        assert list(filed_decisions(account)) == [("2024-05-06_d-1.json", DECISION | {"asset_pair": name})]
        assert counts(take(file, "2024-05-06_d-1.json")) == (0, 1, [])

    def test_that_say_something_else_change_only_where_that_is_asked_for(self, take, account, pair):
        take(DECISION | {"asset_pair": pair[1]}, "d.json")
        other = DECISION | {"asset_pair": pair[1], "confidence": 0.4}
        assert counts(take(other, "d.json")) == (0, 0, ["conflicting_decision"])
        assert counts(take(other, "d.json", update=True)) == (1, 0, [])
        made = Decision.objects.get(account=account)
        [change] = DecisionChange.objects.filter(decision=made)
        assert change.changes == {"confidence": ["0.85", "0.4"]}
        [(_, held)] = filed_decisions(account)
        assert held["history"][0]["by"] == account.owner.email
        assert counts(take(held, "d.json")) == (0, 1, [])

    def test_keep_the_last_digit_of_their_confidence_until_it_is_changed(self, take, account, owner, pair):
        file = DECISION | {"asset_pair": pair[1], "confidence": 0.7333333333333333}
        assert counts(take(file, "d.json")) == (1, 0, [])
        made = Decision.objects.get(account=account)
        assert made.confidence == Decimal("0.733333")
        assert [held for _, held in filed_decisions(account)] == [file]
        assert counts(take(file, "d.json")) == (0, 1, [])
        change_decision(decision=made, changed={"confidence": Decimal("0.5")}, actor=owner, at=NOW)
        [(_, held)] = filed_decisions(account)
        assert held["confidence"] == 0.5

    def test_keep_the_history_of_where_they_come_from(self, account, owner, take):
        make_change(make_decision(account, make_instrument()))
        [(_, held)] = filed_decisions(account)
        other = make_account(owner=account.owner)
        import_trading_file(account=other, actor=owner, file_name="d.json", content=lines(held), at=NOW)
        made = Decision.objects.get(account=other)
        change_decision(decision=made, changed={"reasoning": "Another."}, actor=owner, at=NOW)
        [(_, again)] = filed_decisions(other)
        assert [list(one["changes"]) for one in again["history"]] == [["confidence"], ["reasoning"]]
        said = again | {"action": "SELL"}
        import_trading_file(account=other, actor=owner, file_name="d.json", content=lines(said), at=NOW, update=True)
        [(_, last)] = filed_decisions(other)
        assert [next(iter(one["changes"])) for one in last["history"]] == ["confidence", "reasoning", "choice"]

    def test_of_the_accounts_own_are_known_by_their_ids(self, take, account):
        made = make_decision(account, make_instrument(), entry_type="flag", indicators=["RSI"], stop_loss="9", metadata={"x": 1})
        make_change(made)
        [(name, held)] = filed_decisions(account)
        assert name == f"2024-05-06_{made.pk}.json"
        assert (held["entry_type"], held["indicators"], held["stop_loss"], held["x"]) == ("flag", ["RSI"], "9", 1)
        assert counts(take(held, name)) == (0, 1, [])

    def test_come_back_into_another_account_with_their_fields(self, account, owner, take):
        make_decision(account, make_instrument(), entry_type="flag", indicators=["RSI"], stop_loss="9")
        [(_, held)] = filed_decisions(account)
        other = make_account(owner=account.owner)
        batch = import_trading_file(account=other, actor=owner, file_name="d.json", content=lines(held), at=NOW)
        assert counts(batch) == (1, 0, [])
        made = Decision.objects.get(account=other)
        assert (made.entry_type, made.indicators, made.stop_loss) == ("flag", ["RSI"], 9)

    def test_come_in_by_the_zip(self, take, pair):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("2024/../../a.json", json.dumps(DECISION | {"asset_pair": pair[1]}))
            archive.writestr("b.json", "{")
            archive.writestr("c.txt", "x")
        assert counts(take(file.getvalue(), "decisions.zip")) == (1, 0, ["invalid", "no_decision"])

    @pytest.mark.parametrize(
        "fields",
        [
            {"id": "../x"},
            {"action": "WAIT"},
            {"confidence": 2},
            {"timestamp": "soon"},
            {"timestamp": "2031-01-01T00:00:00"},
            {"asset_pair": ""},
        ],
    )
    def test_that_break_a_rule_are_refused(self, take, pair, fields):
        [code] = counts(take(DECISION | {"asset_pair": pair[1]} | fields, "d.json"))[2]
        assert code in {"invalid", "future_time"}


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "name", "code"),
        [
            (b"", "trades.jsonl", "empty_file"),
            (b"\n\n", "trades.jsonl", "empty_file"),
            (b"hello", "notes.txt", "unknown_kind"),
            (gzip.compress(b"x" * 100, mtime=0)[:-9], "trades.jsonl.gz", "damaged"),
            (gzip.compress(b"0" * 40_000_000, mtime=0), "trades.jsonl.gz", "expands_too_far"),
            (b"PK\x03\x04 not a zip", "decisions.zip", "damaged"),
        ],
    )
    def test_that_make_no_sense_are_refused_as_a_whole(self, take, content, name, code):
        with pytest.raises(ValidationError) as refused:
            take(content, name)
        assert [error.code for error in refused.value.error_dict["file"]] == [code]

    def test_are_told_by_their_first_line(self, take, symbol):
        assert take(trade(symbol), "log.txt").format == "trades_jsonl"
        assert take(BREACH, "log.txt").format == "risk_management_jsonl"
        assert take(ALERT, "log.txt", kind=Kind.PERFORMANCE).format == "performance_alerts_jsonl"

    def test_with_lines_that_are_none_lose_nothing_else(self, take, symbol):
        deep = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
        content = b"\n".join([b"\xff\xfe", b"x" * 300_000, b"[]", deep, b'{"a": NaN}', b'{"a": 1, "a": 2}', lines(trade(symbol))])
        batch = take(content)
        assert (batch.posted, [one["line"] for one in batch.refused]) == (1, [1, 2, 3, 4, 5, 6])
        assert [one["code"] for one in batch.refused][:2] == ["not_utf8", "too_long"]

    def test_that_expand_in_an_archive_are_bounded(self, take):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(40):
                archive.writestr(f"{number}.json", b" " * 250_000)
        with pytest.raises(ValidationError) as refused:
            take(file.getvalue(), "decisions.zip")
        assert refused.value.error_dict["file"][0].code == "expands_too_far"

    def test_leave_a_record_of_the_import(self, take, account, symbol):
        batch = take(trade(symbol))
        assert ImportBatch.objects.get(account=account, pk=batch.pk).posted == 1
