"""A file goes into the ledger line by line: the good ones once, however often it comes, and the others with a reason."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account, ImportBatch, ImportStatus, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services import ledger
from accounts.services.accounts import AccountClosed
from marketdata.models import Instrument
from tests.accounts.event_logs import bring_in, event, log_of, refusals, take_out
from tests.factories import draft, make_account, make_instrument, make_user, post, unique_symbol


@pytest.fixture
def instrument():
    return make_instrument()


@pytest.fixture
def rows(instrument):
    key = instrument.key
    return [
        event(1, "DEPOSIT", {"amount": 5000.0}, "5000.0", affects_cash="True"),
        event(
            2, "TRADE", {"action": "BUY", "ticker": key, "shares": 10, "price": 445.1, "fees": 1}, "-4452.0", tags="growth, tech"
        ),
        event(3, "TRADE", {"action": "SELL", "ticker": key, "shares": 4, "price": 450.25}, "1801.0"),
        event(4, "DIVIDEND", {"ticker": key, "amount": 2.64}, "2.64"),
        event(5, "NOTE", {"content": "wait and see"}, "0.0", affects_cash="False"),
    ]


def entries(account: Account) -> list[LedgerEntry]:
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence"))


class TestImport:
    def test_posts_every_line_in_the_order_of_the_file(self, account, rows, instrument):
        batch = bring_in(account, log_of(*rows))
        assert (batch.status, batch.lines, batch.posted, batch.known, batch.refused) == (ImportStatus.POSTED, 5, 5, 0, [])
        found = [(entry.sequence, entry.kind, entry.quantity, entry.cash, entry.external_id) for entry in entries(account)]
        assert found == [
            (1, "DEPOSIT", 0, Decimal(5000), "1"),
            (2, "BUY", 10, Decimal(-4452), "2"),
            (3, "SELL", -4, Decimal(1801), "3"),
            (4, "DIVIDEND", 0, Decimal("2.64"), "4"),
            (5, "NOTE", 0, 0, "5"),
        ]
        bought = entries(account)[1]
        assert (bought.fee, bought.price, bought.tags, bought.source) == (1, Decimal("445.1"), ["growth", "tech"], "event_log")
        assert bought.instrument_id == instrument.pk

    def test_a_second_time_posts_nothing_and_says_all_are_known(self, account, rows):
        bring_in(account, log_of(*rows))
        again = bring_in(account, log_of(*rows))
        assert (again.status, again.lines, again.posted, again.known) == (ImportStatus.POSTED, 5, 0, 5)
        assert len(entries(account)) == 5

    def test_a_longer_log_posts_what_is_new(self, account, rows):
        bring_in(account, log_of(*rows[:3]))
        batch = bring_in(account, log_of(*rows))
        assert (batch.posted, batch.known) == (2, 3)

    def test_the_same_id_with_other_figures_is_refused_and_says_which(self, account, rows):
        bring_in(account, log_of(*rows))
        batch = bring_in(account, log_of(rows[0] | {"data_json": "{}", "cash_delta": "6000"}))
        assert refusals(batch) == [(2, "conflicting_entry")]
        assert "another cash" in batch.refused[0]["detail"]
        assert batch.status == ImportStatus.REFUSED

    def test_an_id_that_comes_twice_in_a_file_counts_once(self, account, rows):
        other = rows[0] | {"data_json": "{}", "cash_delta": "1"}
        batch = bring_in(account, log_of(rows[0], rows[0], other))
        assert (batch.posted, batch.known, refusals(batch)) == (1, 1, [(4, "conflicting_entry")])

    def test_a_malformed_line_is_refused_with_its_number_and_the_others_go_in(self, account, rows):
        bad = [event(6, "TRAED", {}), event(7, "DEPOSIT", "{", "1"), event("", "DEPOSIT", {}, "1"), event(9, "BUY", {}, "1")]
        batch = bring_in(account, log_of(*bad[:2], *rows, *bad[2:]))
        codes = [(2, "unknown_event_type"), (3, "bad_json"), (9, "missing_event_id"), (10, "missing_ticker")]
        assert (batch.status, batch.posted, refusals(batch)) == (ImportStatus.PARTIAL, 5, codes)

    def test_a_line_against_the_rules_of_its_kind_names_the_field(self, account):
        batch = bring_in(account, log_of(event(1, "DEPOSIT", {}, "-5")))
        assert refusals(batch) == [(2, "invalid_entry")]
        assert batch.refused[0]["detail"].startswith("cash:")

    @pytest.mark.parametrize(("cash", "data"), [("-3333.004", {}), ("-3333.5", {"rounding": "The price is rounded."})])
    def test_the_cash_is_right_where_the_price_is_rounded(self, account, instrument, cash, data):
        row = event(1, "TRADE", {"action": "BUY", "ticker": instrument.key, "shares": 100, "price": 33.33}, cash)
        assert bring_in(account, log_of(row)).refused == []
        assert (entries(account)[0].cash, entries(account)[0].data) == (Decimal(cash), data)

    def test_the_cash_is_wrong_where_no_rounding_explains_it(self, account, instrument):
        row = event(1, "TRADE", {"action": "BUY", "ticker": instrument.key, "shares": 100, "price": 33.33}, "-3333.51")
        assert refusals(bring_in(account, log_of(row))) == [(2, "invalid_entry")]

    def test_what_lies_in_the_future_is_refused(self, account):
        batch = bring_in(account, log_of(event(1, "DEPOSIT", {}, "5", timestamp="2026-01-12 12:05:01Z")))
        assert refusals(batch) == [(2, "future_time")]

    def test_what_only_the_database_refuses_costs_no_other_line(self, account, rows, monkeypatch):
        monkeypatch.setattr("accounts.domain.ledger.EntryDraft.check", lambda draft: None)
        batch = bring_in(account, log_of(rows[0], event(6, "DEPOSIT", {}, "-5"), rows[4]))
        assert (batch.posted, refusals(batch)) == (2, [(3, "refused_by_database")])

    def test_a_closed_account_takes_no_file(self, account, rows):
        Account.objects.using("owner").filter(pk=account.pk).update(closed_on=account.opened_on)
        with pytest.raises(AccountClosed):
            bring_in(Account.objects.using("owner").get(pk=account.pk), log_of(*rows))

    def test_an_unknown_instrument_is_refused_with_the_remedy(self, account, rows):
        row = event(1, "TRADE", {"action": "BUY", "ticker": unique_symbol("Q"), "shares": 1, "price": 1})
        batch = bring_in(account, log_of(row, rows[0]))
        assert (batch.posted, refusals(batch)) == (1, [(2, "unknown_instrument")])
        assert "--create-instruments" in batch.refused[0]["detail"]

    def test_an_unknown_instrument_is_written_down_where_that_is_asked_for(self, account):
        bare, full = unique_symbol("Q"), unique_symbol("W")
        trade = {"action": "BUY", "shares": 1, "price": 1}
        log = log_of(
            event(1, "TRADE", trade | {"ticker": bare}), event(2, "TRADE", trade | {"ticker": f"{full}:XETR", "currency": "EUR"})
        )
        assert refusals(bring_in(account, log, create_on="")) == [(2, "bad_instrument")]
        assert bring_in(account, log, create_on="XTST").refused == []
        assert Instrument.objects.get(symbol=bare).key == f"{bare}:XTST"
        assert Instrument.objects.get(symbol=full, exchange="XETR").currency == "EUR"

    def test_a_symbol_that_means_several_is_refused(self, account, instrument):
        make_instrument(symbol=instrument.symbol, exchange="XETR")
        batch = bring_in(
            account, log_of(event(1, "TRADE", {"action": "BUY", "ticker": instrument.symbol, "shares": 1, "price": 1}))
        )
        assert refusals(batch) == [(2, "ambiguous_instrument")]


class TestDryRun:
    def test_says_the_same_and_leaves_nothing(self, account, rows):
        bring_in(account, log_of(rows[0]))
        unknown = event(8, "TRADE", {"action": "BUY", "ticker": unique_symbol("Q"), "shares": 1, "price": 1})
        log = log_of(*rows, rows[0] | {"cash_delta": "7", "data_json": "{}"}, event(9, "TRAED"), unknown)
        before = ImportBatch.objects.using("system").count()
        dry = bring_in(account, log, dry_run=True, create_on="XTST")
        assert dry.status == ImportStatus.PREVIEWED
        assert ImportBatch.objects.using("system").count() == before
        assert len(entries(account)) == 1
        wet = bring_in(account, log, create_on="XTST")
        assert (dry.lines, dry.posted, dry.known, dry.refused) == (wet.lines, wet.posted, wet.known, wet.refused)
        assert (wet.posted, wet.known, refusals(wet)) == (5, 1, [(7, "conflicting_entry"), (8, "unknown_event_type")])


class TestFile:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "empty_file"),
            (b"  \n", "empty_file"),
            (b"\xff\xfee\x00v", "not_utf8"),
            (b"event_id,timestamp,event_type\n1,2024-01-02,\xe9\n", "not_utf8"),
            (b"a,b,c\n1,2,3\n", "unknown_format"),
            (b"event_id,event_type\n", "missing_columns"),
            (b"event_id,open,close\n", "unknown_format"),
            (b"\0\0\0", "not_text"),
        ],
    )
    def test_that_is_none_is_refused_as_a_whole(self, account, content, code):
        with pytest.raises(ValidationError) as refusal:
            bring_in(account, content)
        assert refusal.value.error_dict["file"][0].code == code

    @pytest.mark.parametrize(
        ("form", "content", "said"),
        [
            ("auto", b"event_id,event_type\n", "missing: timestamp"),
            ("event_log", b"notes\n", "missing: event_id, timestamp, event_type"),
            ("quicken", b"event_id,timestamp,event_type\n", "There is no format quicken"),
        ],
    )
    def test_that_lacks_its_columns_or_its_format_says_what_is_missing(self, account, form, content, said):
        with pytest.raises(ValidationError, match=said):
            bring_in(account, content, form=form)

    def test_that_is_too_long_posts_nothing(self, account, rows, monkeypatch):
        monkeypatch.setattr("accounts.services.import_run.MAX_LINES", 3)
        with pytest.raises(ValidationError, match="more than 3 lines"):
            bring_in(account, log_of(*rows))
        assert entries(account) == []

    def test_that_is_too_large_is_refused(self, account, monkeypatch):
        monkeypatch.setattr("accounts.adapters.base.MAX_BYTES", 10)
        with pytest.raises(ValidationError) as refusal:
            bring_in(account, log_of())
        assert refusal.value.error_dict["file"][0].code == "too_large"

    def test_with_a_byte_order_mark_is_read(self, account, rows):
        assert bring_in(account, b"\xef\xbb\xbf" + log_of(*rows)).posted == 5

    def test_without_events_is_an_empty_log(self, account):
        batch = bring_in(account, log_of())
        assert (batch.status, batch.lines) == (ImportStatus.POSTED, 0)

    def test_in_an_unknown_time_zone_names_the_field(self, account, rows):
        with pytest.raises(ValidationError) as refusal:
            bring_in(account, log_of(*rows), time_zone="Mars/Olympus")
        assert set(refusal.value.error_dict) == {"time_zone"}

    def test_with_naive_times_says_how_they_were_read(self, account):
        log = log_of(event(1, "DEPOSIT", {}, "5", timestamp="2024-07-01 09:30:00"))
        batch = bring_in(account, log, time_zone="America/New_York")
        assert batch.remarks == [{"code": "naive_times", "detail": "1 times without an offset were read as America/New_York."}]
        assert entries(account)[0].occurred_at.isoformat() == "2024-07-01T13:30:00+00:00"
        assert refusals(bring_in(account, log)) == [(2, "conflicting_entry")]


class TestExport:
    def test_goes_into_another_account_and_comes_out_the_same_to_the_byte(self, account, alice, rows, instrument):
        bring_in(account, log_of(*rows))
        with acting_as(alice.pk):
            sold = LedgerEntry.objects.get(account=account, external_id="3")
            right = draft(
                "SELL", instrument=instrument, quantity=-5, price="450.25", cash="2251.25", occurred_at=sold.occurred_at
            )
            ledger.correct_entry(entry=sold, draft=right, actor=alice, reason="TYPO", explanation="it was five")
        post(
            account,
            "FEE",
            cash=-3,
            notes="=cmd|' /C calc'!A0",
            tags=("a,b", '"q"'),
            data={"ratio": 0.1, "price": "x", "n": [1.5, None]},
        )
        post(account, "INTEREST", cash="1.5", source="bank", external_id="2024/1", reason_explanation="-5")
        first = take_out(account)
        other = make_account(owner=alice)
        assert bring_in(other, first).refused == []
        assert take_out(other) == first
        assert [entry.corrects_id is not None for entry in entries(other)].count(True) == 1

    def test_goes_back_into_its_own_account_as_known(self, account, alice, rows):
        bring_in(account, log_of(*rows))
        entry = post(account, "FEE", cash=-3, data={"ratio": 0.1})
        with acting_as(alice.pk):
            ledger.reverse_entry(entry=entry, actor=alice)
        batch = bring_in(account, take_out(account))
        assert (batch.posted, batch.known, batch.refused) == (0, 7, [])

    def test_of_an_old_log_is_stable(self, account, alice, rows):
        rows[0]["timestamp"] = "2024-01-01 10:00:00"
        bring_in(account, log_of(*rows), time_zone="America/New_York")
        first = take_out(account)
        other = make_account(owner=alice)
        bring_in(other, first)
        assert take_out(other) == first

    def test_of_an_entry_changed_by_hand_conflicts(self, account):
        post(account, "DEPOSIT", cash="3.5")
        batch = bring_in(account, take_out(account).replace(b"3.5", b"4.5"))
        assert refusals(batch) == [(2, "conflicting_entry")]

    def test_of_an_empty_ledger_is_the_headings(self, account):
        assert take_out(account) == log_of()


class TestReversal:
    def test_repeats_the_entry_with_every_sign_turned_round(self, account, rows, instrument):
        back = {"action": "BUY", "ticker": instrument.key, "shares": -10, "price": 445.1, "fee": -1, "ledger": {"reverses": "2"}}
        batch = bring_in(account, log_of(*rows, event(6, "TRADE", back, "4452")))
        assert batch.refused == []
        assert entries(account)[5].reverses_id == entries(account)[1].pk

    @pytest.mark.parametrize(
        ("shares", "reverses", "code"),
        [(-9, "2", "not_a_mirror"), (-10, "99", "unknown_entry"), (-10, "7", "unknown_entry"), (-10, [2], "bad_data")],
    )
    def test_that_is_none_is_refused(self, account, rows, instrument, shares, reverses, code):
        data = {
            "action": "BUY",
            "ticker": instrument.key,
            "shares": shares,
            "price": 445.1,
            "fee": -1,
            "ledger": {"reverses": reverses},
        }
        assert refusals(bring_in(account, log_of(*rows, event(6, "TRADE", data, "4452")))) == [(7, code)]

    def test_comes_once(self, account, rows, instrument):
        data = {"action": "BUY", "ticker": instrument.key, "shares": -10, "price": 445.1, "fee": -1, "ledger": {"reverses": 2}}
        batch = bring_in(account, log_of(*rows, event(6, "TRADE", data, "4452"), event(7, "TRADE", data, "4452")))
        assert refusals(batch) == [(8, "already_reversed")]

    def test_of_a_reversal_is_refused(self, account, rows, instrument):
        data = {"action": "BUY", "ticker": instrument.key, "shares": -10, "price": 445.1, "fee": -1, "ledger": {"reverses": 2}}
        forth = data | {"shares": 10, "fee": 1, "ledger": {"reverses": 6}}
        batch = bring_in(account, log_of(*rows, event(6, "TRADE", data, "4452"), event(7, "TRADE", forth, "-4452")))
        assert refusals(batch) == [(8, "not_reversible")]


TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["Cc", "Cs"],
        exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    max_size=20,
)
UNSEEN = (" =", "\u200b-", "\u00a0'@", " '=", "\u2060\uff1d")
RISKY = st.builds(
    str.__add__, st.sampled_from(["", "=", "+", "-", "@", "\t", "\n", "'", "''=", '"', ",", "-5", "'-5", *UNSEEN]), TEXT
)
NAMES = st.sampled_from(
    ["price", "shares", "amount", "data", "ledger", "action", "ticker", "gross", "event_type", "reason_json", "note", ""]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False) | RISKY
    | st.sampled_from(["PRICE_UPDATE", "ADJUSTMENT"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES | TEXT, inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
NOON_1990, NOON_2020 = datetime(1990, 1, 1, 12), datetime(2020, 1, 1, 12)
MONEY = st.decimals(min_value="0.0000000001", max_value=10**9, places=10)


@st.composite
def drafts(draw, instrument: Instrument):
    """Return an entry of any kind that says anything."""
    kind = draw(st.sampled_from(["DEPOSIT", "WITHDRAWAL", "BUY", "SELL", "SHORT", "COVER", "FEE", "DIVIDEND", "INTEREST", "NOTE",
                                 "TRANSFER_IN", "TRANSFER_OUT", "SPLIT", "MERGER", "VALUATION"]))  # fmt: skip
    fields = {
        "data": draw(st.dictionaries(NAMES | TEXT, VALUES, max_size=3)) | ({"ratio": "2:1"} if kind == "SPLIT" else {}),
        "notes": draw(RISKY) or "x",
        "tags": tuple(draw(st.lists(RISKY.filter(bool), max_size=2))),
        "reason_primary": draw(RISKY),
        "reason_explanation": draw(RISKY),
        "source": draw(st.sampled_from(["manual", "event_log", "bank"])),
        "external_id": draw(st.just("") | RISKY.filter(str.strip)),
        "occurred_at": draw(st.datetimes(min_value=NOON_1990, max_value=NOON_2020)).replace(tzinfo=UTC),
        "group": draw(st.none() | st.uuids()),
    }
    fields["data"].pop("gross", None)
    sign = -1 if kind in {"WITHDRAWAL", "FEE", "TRANSFER_OUT"} else 1
    if kind in {"BUY", "SELL", "SHORT", "COVER"}:
        side = -1 if kind in {"SELL", "SHORT"} else 1
        quantity = draw(st.decimals(min_value="0.0001", max_value=10**4, places=4)) * side
        price = draw(st.decimals(min_value="0.01", max_value=10**4, places=4))
        return draft(
            kind, instrument=instrument, quantity=quantity, price=price, fee=draw(st.sampled_from(["0", "1.25"])), **fields
        )
    if kind in {"SPLIT", "MERGER", "VALUATION", "DIVIDEND"}:
        extra = {"MERGER": {"quantity": "-3.5", "cash": "0"}, "VALUATION": {"price": "3", "cash": "0"}, "SPLIT": {"cash": "0"}}
        return draft(kind, instrument=instrument, **({"cash": draw(MONEY)} if kind == "DIVIDEND" else extra[kind]), **fields)
    return draft(kind, cash=0 if kind == "NOTE" else draw(MONEY) * sign, **fields)


class TestAnyLedger:
    @given(st.data())
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    def test_round_trips_to_the_byte(self, data):
        owner, instrument = make_user(), make_instrument()
        here, there = make_account(owner=owner), make_account(owner=owner)
        made = data.draw(
            st.lists(drafts(instrument), min_size=1, max_size=6, unique_by=lambda made: made.external_id or object())
        )
        with acting_as(owner.pk):
            ledger.post_entries(account=here, drafts=made, actor=owner)
            rows = list(LedgerEntry.objects.filter(account=here, reverses=None))
            for entry in data.draw(st.lists(st.sampled_from(rows), unique_by=lambda row: row.pk, max_size=2)):
                ledger.reverse_entry(entry=entry, actor=owner, reason=data.draw(RISKY))
        first = take_out(here)
        assert bring_in(there, first).refused == []
        assert take_out(there) == first
        again = bring_in(here, first)
        assert (again.posted, again.refused) == (0, [])
