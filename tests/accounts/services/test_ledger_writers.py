"""Many write in one ledger at once: each thing once, no gap, no fork."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

from django.db import connections

from accounts.selectors.ledger import ledger_faults
from accounts.services import ledger
from tests.accounts.ledgers import chain_of, head_of
from tests.factories import draft, make_account, post

WRITERS, POSTS, IDS = 8, 40, 90


def at_once(*jobs):
    """Run jobs at the same time, each on a connection of its own, and return their results."""

    def run(job):
        try:
            return job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_eight_writers_with_the_same_ids_post_each_once_and_leave_no_gap(account, alice):
    def writer(seed):
        outcomes = Counter()
        for number in Random(seed).choices(range(IDS), k=POSTS):
            one = draft("DEPOSIT", cash=number + 1, source="race", external_id=str(number))
            outcomes[ledger.record_entry(account=account, draft=one, actor=alice).outcome] += 1
        return outcomes

    total = sum(at_once(*(lambda seed=seed: writer(seed) for seed in range(WRITERS))), Counter())
    entries = chain_of(account)
    assert total == {"created": len(entries), "known": WRITERS * POSTS - len(entries)}
    assert len({one.external_id for one in entries}) == len(entries)
    assert [one.sequence for one in entries] == list(range(1, len(entries) + 1))
    assert head_of(account).sequence == len(entries)
    assert ledger_faults(account_id=account.pk) == {}


def test_batches_and_single_posts_of_many_do_not_tear_each_other_apart(account, alice):
    def batches():
        drafts = [draft("DEPOSIT", cash=1, source="batch", external_id=str(number)) for number in range(20)]
        return [one.outcome for one in ledger.post_entries(account=account, drafts=drafts, actor=alice)]

    def singles():
        return [ledger.record_entry(account=account, draft=draft("DEPOSIT", cash=1), actor=alice).outcome for _ in range(20)]

    outcomes = Counter(outcome for done in at_once(batches, singles, batches, singles, batches) for outcome in done)
    assert outcomes == {"created": 60, "known": 40}
    assert ledger_faults(account_id=account.pk) == {}


def test_of_many_who_take_an_entry_back_one_succeeds(account, alice):
    entry = post(account, "DEPOSIT", cash=10)

    def take_back():
        try:
            return ledger.reverse_entry(entry=entry, actor=alice).sequence
        except ledger.AlreadyReversed:
            return None

    done = at_once(*[take_back] * WRITERS)
    assert sorted(one for one in done if one) == [2]
    assert sum(one.cash for one in chain_of(account)) == 0


def test_the_first_entries_of_a_new_ledger_do_not_collide(alice):
    for _ in range(5):
        account = make_account(owner=alice)

        def first(account=account):
            return ledger.record_entry(account=account, draft=draft("DEPOSIT", cash=1), actor=alice).sequence

        assert sorted(at_once(*[first] * 4)) == [1, 2, 3, 4]
        assert ledger_faults(account_id=account.pk) == {}
