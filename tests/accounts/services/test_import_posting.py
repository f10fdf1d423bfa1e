"""A kept file is posted chunk by chunk: whoever goes on with it ends with the same ledger, and all of it can be undone."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import ImportFile, ImportQuestion, LedgerEntry, Notification
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import ledger_faults
from accounts.services import import_posting
from accounts.services.import_posting import LEASE, NotToBePosted, due_imports, start_posting, work_on
from accounts.services.import_questions import Answer, answer_questions
from accounts.services.import_undo import NotUndoable
from accounts.services.imports import refused_file
from marketdata.models import Instrument
from tests.accounts.event_logs import bring_in, refusals
from tests.accounts.kept_files import NOW, again, begin, bought, deposits, keep, post_kept, schwab, undo, work
from tests.factories import make_instrument, post, unique_symbol


class Killed(BaseException):
    """What a worker that is killed does not get to handle."""


def entries(account):
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence"))


def figures(account):
    return [(entry.kind, entry.cash, entry.quantity, entry.external_id, entry.occurred_at) for entry in entries(account)]


class TestPreview:
    def test_tells_the_fate_of_every_line_and_posts_nothing(self, account):
        batch = keep(account, schwab(*deposits(2), "04/06/2024,Moon Landing,,?,,,,$1.00", *deposits(1, 50)))
        assert (batch.status, batch.fates) == ("PREVIEWED", [[2, 3, "posted"], [4, 4, "refused"], [5, 5, "posted"]])
        assert entries(account) == []

    def test_tells_cash_and_holdings_before_and_after(self, account):
        instrument = make_instrument(symbol=unique_symbol())
        post(account, "DEPOSIT", cash="1000")
        batch = keep(account, schwab(bought(instrument.symbol, 3, 100)))
        assert batch.figures["cash"] == [{"currency": "USD", "before": "1000", "after": "700"}]
        assert batch.figures["holdings"] == [{"instrument": instrument.key, "before": "0", "after": "3"}]

    def test_of_a_known_line_says_known(self, account):
        bring_in(account, schwab(*deposits(1)))
        assert keep(account, schwab(*deposits(2))).fates == [[2, 2, "known"], [3, 3, "posted"]]

    def test_is_thrown_away_or_posted_once(self, account):
        batch = begin(keep(account, schwab(*deposits(1))))
        with acting_as(account.owner_id), pytest.raises(NotToBePosted):
            start_posting(batch=batch, actor=batch.actor)


class TestPosting:
    def test_posts_what_was_kept_and_tells_who_sent_it(self, account):
        batch = post_kept(account, schwab(*deposits(3)))
        assert (batch.status, batch.posted, batch.progress, batch.spans) == ("POSTED", 3, 3, [[1, 3]])
        with acting_as(account.owner_id):
            assert Notification.objects.filter(user=account.owner, title="history.csv was read").exists()
            assert not ImportFile.objects.filter(batch=batch).exists()

    def test_shows_how_far_it_is(self, account, monkeypatch):
        monkeypatch.setattr("accounts.services.import_run.CHUNK", 2)
        batch = begin(keep(account, schwab(*deposits(5))))
        seen = []
        work(batch, clock=lambda: seen.append(again(batch).progress) or NOW)
        assert sorted(set(seen)) == [0, 2, 4, 5]

    @pytest.mark.parametrize("chunks", [0, 1, 2])
    def test_that_is_killed_ends_in_the_same_ledger(self, account, monkeypatch, chunks, alice):
        monkeypatch.setattr("accounts.services.import_run.CHUNK", 2)
        content = schwab(*deposits(5), deposits(1)[0])
        batch = begin(keep(account, content))
        real, calls = import_posting._hold, []

        def hold(*args):
            calls.append(args)
            if len(calls) > chunks:
                raise Killed
            real(*args)

        monkeypatch.setattr(import_posting, "_hold", hold)
        with pytest.raises(Killed):
            work(batch)
        monkeypatch.setattr(import_posting, "_hold", real)
        assert (again(batch).status, len(entries(account))) == ("POSTING", chunks * 2)
        assert batch.pk not in due_imports(at=NOW)
        assert work(batch).status == "POSTING"  # the lease holds
        later = NOW + LEASE + timedelta(seconds=1)
        assert batch.pk in due_imports(at=later, limit=10_000)
        done = work(batch, clock=lambda: later)
        assert (done.status, done.posted, done.known, done.spans) == ("POSTED", 6, 0, [[1, 6]])
        assert len({row[3] for row in figures(account)}) == 6
        assert ledger_faults(account_id=account.pk) == {}

    def test_of_a_worker_that_was_overtaken_stops(self, account, monkeypatch):
        batch = begin(keep(account, schwab(*deposits(1))))
        with acting_as(account.owner_id):
            taken = import_posting._claim(batch.pk, NOW)
            again_taken = import_posting._claim(batch.pk, NOW + 2 * LEASE)
        with pytest.raises(import_posting.Overtaken):
            import_posting._work(taken, lambda: NOW)
        assert import_posting._work(again_taken, lambda: NOW).posted == 1

    def test_that_loses_every_worker_is_given_up(self, account):
        batch = begin(keep(account, schwab(*deposits(1))))
        with acting_as(account.owner_id):
            type(batch).objects.filter(pk=batch.pk).update(attempts=import_posting.MOST_ATTEMPTS)
        assert work_on(batch_id=batch.pk, clock=lambda: NOW) is None
        assert again(batch).status == "FAILED"

    def test_keeps_what_was_refused_as_a_file_to_mend(self, account):
        bad = "04/06/2024,Moon Landing,,?,,,,$1.00"
        batch = post_kept(account, schwab(*deposits(2), bad))
        assert (batch.status, refusals(batch)) == ("PARTIAL", [(4, "unknown_action")])
        with acting_as(account.owner_id):
            left = refused_file(batch)
        assert left == schwab(bad)
        mended = post_kept(account, left.replace(b"Moon Landing", b"MoneyLink Deposit"))
        assert (mended.status, mended.posted) == ("POSTED", 1)

    def test_of_an_overlapping_file_posts_what_is_new_and_keeps_lines_alike(self, account):
        twice = [*deposits(1), *deposits(1)]
        assert post_kept(account, schwab(*twice)).posted == 2
        batch = post_kept(account, schwab(*twice, *deposits(1), *deposits(2)[1:]))
        assert (batch.posted, batch.known) == (2, 2)


class TestUndo:
    def test_takes_every_entry_back_as_one_act(self, account):
        post(account, "DEPOSIT", cash="7")
        batch = undo(post_kept(account, schwab(*deposits(3))))
        assert (batch.status, batch.undone, batch.undone_at) == ("UNDONE", [[5, 7]], NOW)
        assert sum(entry.cash for entry in entries(account)) == 7
        assert {entry.reason_primary for entry in entries(account)[4:]} == {"IMPORT_UNDONE"}
        assert ledger_faults(account_id=account.pk) == {}

    def test_twice_is_refused(self, account):
        batch = undo(post_kept(account, schwab(*deposits(1))))
        with pytest.raises(NotUndoable):
            undo(batch)
        with pytest.raises(NotUndoable):
            undo(keep(account, schwab(*deposits(2))))

    def test_lets_the_file_come_again_and_again(self, account):
        content = schwab(*deposits(2), deposits(1)[0])
        for _ in range(3):
            batch = post_kept(account, content)
            assert (batch.posted, batch.known) == (3, 0)
            assert post_kept(account, content + b"04/09/2024,Moon Landing,,?,,,,$1.00\n").known == 3
            undo(batch)
        assert sum(entry.cash for entry in entries(account)) == 0

    def test_leaves_what_was_known_before_it(self, account):
        post_kept(account, schwab(*deposits(1)))
        batch = undo(post_kept(account, schwab(*deposits(3))))
        assert sum(entry.cash for entry in entries(account)) == 1
        assert len(batch.undone) == 1


class TestQuestions:
    def test_of_a_symbol_on_two_exchanges_wait_for_the_answer_and_are_remembered(self, account):
        symbol = unique_symbol()
        one, other = (make_instrument(symbol=symbol, exchange=exchange, currency="USD") for exchange in ("XETR", "XFRA"))
        batch = post_kept(account, schwab(*deposits(1), bought(symbol)))
        assert (batch.status, batch.posted, batch.fates) == ("PARTIAL", 1, [[2, 2, "posted"], [3, 3, "question"]])
        with acting_as(account.owner_id):
            (question,) = ImportQuestion.objects.filter(batch=batch)
            assert (question.candidates, question.lines, question.first_line) == ([one.key, other.key], 1, 3)
            answer_questions(batch=batch, answers=[Answer(question.pk, other)], actor=account.owner, at=NOW)
        batch = work(batch)
        assert (batch.status, batch.posted, batch.spans) == ("POSTED", 2, [[1, 2]])
        assert entries(account)[1].instrument_id == other.pk
        assert post_kept(account, schwab(bought(symbol, 5))).posted == 1

    def test_may_be_answered_by_a_new_instrument(self, account):
        symbol = unique_symbol()
        make_instrument(symbol=symbol, exchange="XETR", currency="EUR")
        batch = keep(account, schwab(bought(symbol)))
        with acting_as(account.owner_id):
            (question,) = ImportQuestion.objects.filter(batch=batch)
            assert "EUR" in question.why
            batch = answer_questions(batch=batch, answers=[Answer(question.pk, None)], actor=account.owner, at=NOW)
        assert batch.fates == [[2, 2, "posted"]]
        assert Instrument.objects.get(symbol=symbol, exchange="XXXX").currency == "USD"

    def test_are_not_asked_of_an_instrument_nobody_knows(self, account):
        symbol = unique_symbol()
        batch = post_kept(account, schwab(bought(symbol)))
        made = Instrument.objects.get(symbol=symbol)
        assert (batch.status, made.key, made.name, made.currency) == ("POSTED", f"{symbol}:XXXX", "Invented Corp", "USD")
        assert batch.remarks[0]["code"] == "instruments_created"
        assert entries(account)[0].quantity == Decimal(2)
