"""Whatever is posted, sent again, changed, taken back, corrected or rolled back, in whatever order: the ledger stays a ledger."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import ledger_faults
from accounts.services import ledger
from tests.accounts.ledgers import chain_of, head_of
from tests.factories import LONG_AGO, draft, make_account, make_instrument, make_user

cents = st.integers(1, 10**9).map(lambda number: Decimal(number) / 100)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"]), max_size=20)


class LedgerMachine(RuleBasedStateMachine):
    """One account, and beside it what its ledger must hold: a list of the entries, never shortened."""

    posted = Bundle("posted")  # (draft, entry) of what can be taken back

    def __init__(self):
        super().__init__()
        self.alice = make_user()
        self.account = make_account(owner=self.alice)
        self.instrument = make_instrument()
        self.expected: list[LedgerEntry] = []
        self.taken_back: set[object] = set()
        self.numbers = 0

    def deposit(self, cash, notes=""):
        """Return a draft with an id of its own."""
        self.numbers += 1
        return draft("DEPOSIT", cash=cash, notes=notes, source="machine", external_id=str(self.numbers), data={"n": notes})

    @rule(target=posted, cash=cents, notes=texts)
    def post(self, cash, notes):
        one = self.deposit(cash, notes)
        self.expected.append(ledger.post_entry(account=self.account, draft=one, actor=self.alice))
        return one, self.expected[-1]

    @rule(target=posted, quantity=st.integers(1, 10**6), price=cents)
    def buy(self, quantity, price):
        self.numbers += 1
        one = draft(
            "BUY", instrument=self.instrument, quantity=quantity, price=price, source="machine", external_id=str(self.numbers)
        )
        self.expected.append(ledger.post_entry(account=self.account, draft=one, actor=self.alice))
        return one, self.expected[-1]

    @rule(one=posted)
    def post_again(self, one):
        again = ledger.post_entry(account=self.account, draft=replace(one[0], tags=("again",)), actor=self.alice)
        assert again.pk == one[1].pk

    @rule(one=posted, cents=st.integers(1, 100))
    def post_changed(self, one, cents):
        other = replace(one[0], cash=one[0].cash + cents, data={**one[0].data, "rounding": "changed"})
        with pytest.raises(ledger.ConflictingEntry):
            ledger.post_entry(account=self.account, draft=other, actor=self.alice)

    @rule(one=posted)
    def take_back(self, one):
        if one[1].pk in self.taken_back:
            with pytest.raises(ledger.AlreadyReversed):
                ledger.reverse_entry(entry=one[1], actor=self.alice)
        else:
            self.expected.append(ledger.reverse_entry(entry=one[1], actor=self.alice, reason="TYPO"))
            self.taken_back.add(one[1].pk)
            assert self.expected[-1].cash == -one[1].cash

    @rule(one=posted, cash=cents)
    def correct(self, one, cash):
        right = self.deposit(cash)
        if one[1].pk in self.taken_back:
            with pytest.raises(ledger.AlreadyReversed):
                ledger.correct_entry(entry=one[1], draft=right, actor=self.alice)
        else:
            self.expected += ledger.correct_entry(entry=one[1], draft=right, actor=self.alice)
            self.taken_back.add(one[1].pk)

    @rule(target=posted, cash=cents, again=consumes(posted))
    def batch(self, cash, again):
        drafts = [self.deposit(cash), again[0], self.deposit(cash + 1)]
        done = ledger.post_entries(account=self.account, drafts=drafts, actor=self.alice)
        assert [one.outcome for one in done] == ["created", "known", "created"]
        fresh = chain_of(self.account)[-2:]
        self.expected += fresh
        return drafts[0], fresh[0]

    @rule(one=posted, cash=cents, partial=st.booleans())
    def batch_with_a_conflict(self, one, cash, partial):
        drafts = [self.deposit(cash), replace(one[0], cash=one[0].cash + 1, data={**one[0].data, "rounding": "changed"})]
        done = ledger.post_entries(account=self.account, drafts=drafts, actor=self.alice, partial=partial)
        assert [each.outcome for each in done] == ["created" if partial else "skipped", "conflicting"]
        if partial:
            self.expected.append(chain_of(self.account)[-1])

    @rule(cash=cents)
    def roll_back(self, cash):
        with acting_as(self.alice.pk), transaction.atomic():
            ledger.post_entry(account=self.account, draft=self.deposit(cash), actor=self.alice)
            transaction.set_rollback(True)

    @invariant()
    def holds_exactly_what_was_posted_in_that_order(self):
        entries = chain_of(self.account)
        assert [(one.pk, one.cash) for one in entries] == [(one.pk, one.cash) for one in self.expected]
        assert [one.sequence for one in entries] == list(range(1, len(entries) + 1))

    @invariant()
    def is_chained_to_its_head(self):
        assert ledger_faults(account_id=self.account.pk) == {}
        entries, head = chain_of(self.account), head_of(self.account)
        assert (head.sequence, bytes(head.hash)) == (len(entries), bytes(entries[-1].hash)) if entries else head is None

    @invariant()
    def what_was_taken_back_weighs_nothing(self):
        kept = sum(one.cash for one in self.expected if one.pk not in self.taken_back and one.reverses_id is None)
        assert sum(one.cash for one in chain_of(self.account)) == kept
        assert all(one.occurred_at == LONG_AGO for one in self.expected)


LedgerMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=15)
TestLedger = LedgerMachine.TestCase
