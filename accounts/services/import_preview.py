"""What a long table would change, worked out by columns and posted nowhere: it ends with what posting it would end with.

Instruments are looked up once for each that is named, and what the ledger knows already in one question for many lines. Lines
that are not plain are considered one by one, as when they are posted. Where only the ledger can tell, the file has to be posted.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import polars as pl
from django.db import transaction

from accounts.adapters.base import MAX_LINES, NotReadable, StatementFile, StatementReader
from accounts.domain.blocks import Block, number_of
from accounts.domain.columns import EPOCH, SCALE
from accounts.domain.fates import Fate
from accounts.domain.ledger import CLOCK_SKEW, CURRENCY, EXACT, ZERO, EntryKind
from accounts.domain.mapped_columns import WIDE, among
from accounts.domain.statements import InstrumentHints, LineRefused, Refusal, StatementLine
from accounts.models import LedgerEntry
from accounts.selectors.originals import entries_known_by, taken_back_before
from accounts.selectors.standing_figures import Standing, split_by_ratio
from accounts.services import ledger
from accounts.services.import_run import CHUNK, Ready, Run
from accounts.services.instruments import Question, Unsure
from marketdata.models import Instrument

UNIT, UNIT_OF_CASH = Decimal("1e-8"), Decimal("1e-10")
FINER = 100  # units of 1e-10 in one of 1e-8
LARGEST_CASH = 10**25  # in units of 1e-10
ASKED_AT_ONCE = 25_000
Meaning = Instrument | Question | LineRefused


class OnlyTheLedgerCanTell(Exception):
    """A line depends on the ones before it in a way that columns don't know."""


def foreseen(
    run: Run,
    reader: StatementReader,
    file: StatementFile,
    zone: ZoneInfo,
    before: Standing,
    progress: Callable[[int], None] | None,
) -> Standing | None:
    """Return what the ledger would add up to, and tell a run the fates; None if the lines have to be posted to know that.

    Instruments that nobody knows are written down, for the caller to take back.
    """
    blocks = getattr(reader, "blocks", None)
    if blocks is None:
        return None
    known = LedgerEntry.objects.filter(account=run.account, source=reader.name).exists()
    seen = Preview(run, reader.name, known_source=known)
    try:
        with transaction.atomic():
            seen.take(blocks(file, zone, with_ids=known), progress or (lambda lines: None))
            after = seen.after(before)
    except OnlyTheLedgerCanTell:
        return None
    run.questions = dict(sorted(run.questions.items(), key=lambda asked: asked[1].first_line))
    run.note_created()
    return after


@dataclass(slots=True)
class Preview:
    """What the lines seen so far would change; their fates and refusals are told to a run that posts nothing.

    With `known_source` the ledger holds entries of the same source; `ids` are those that a file gives to its lines itself.
    `meanings` are the instruments of the table by their places.
    """

    run: Run
    source: str
    known_source: bool = False
    cash: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    units: defaultdict[UUID, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    meanings: dict[int, Meaning] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    def take(self, blocks: Iterable[Block], progress: Callable[[int], None]) -> None:
        """Look at all lines.

        :raises NotReadable: if there are too many
        :raises OnlyTheLedgerCanTell: if they have to be posted
        """
        for block in blocks:
            lines = [item for item in block.others if isinstance(item, StatementLine)]
            self._refuse_to_guess(block, lines)
            refused = [item for item in block.others if isinstance(item, Refusal)]
            counted = sorted([*block.rows["number"], *map(number_of, lines), *map(number_of, refused)])
            self._learn(block, lines, counted)
            self.run.lines += len(counted)
            if self.run.lines > MAX_LINES:
                raise NotReadable("too_many_lines", f"The file has more than {MAX_LINES:,} lines; split it.")
            for item in block.others:
                if isinstance(item, Refusal):
                    self.run.refuse(item.line, item.code, item.detail)
                elif not isinstance(item, StatementLine):
                    self.run.keep_fact(item)
            self._look(block, lines)
            progress(self.run.lines)

    def after(self, before: Standing) -> Standing:
        """Return what the ledger would add up to.

        :raises OnlyTheLedgerCanTell: if units that moved were split by a ratio
        """
        if split_by_ratio(self.run.account, self.units):
            raise OnlyTheLedgerCanTell
        return Standing(_sum(before.cash, self.cash), _sum(before.units, self.units))

    def _refuse_to_guess(self, block: Block, lines: list[StatementLine]) -> None:
        """Leave splits to the ledger, and ids of the file's own that come more than once."""
        own = [one for one in (*block.own_ids, *(line.draft.external_id for line in lines)) if one] if block.own_ids else []
        before = len(self.ids)
        self.ids.update(own)
        if len(self.ids) < before + len(own) or any(line.draft.kind is EntryKind.SPLIT for line in lines):
            raise OnlyTheLedgerCanTell

    def _learn(self, block: Block, lines: list[StatementLine], counted: list[int]) -> None:
        """Find out what instruments the lines mean, in the order in which they would be posted, a chunk at a time."""
        rows = block.rows.filter((pl.col("hints") > 0) & (pl.col("at") <= self._limit))
        firsts = rows.group_by("hints", maintain_order=True).agg(pl.col("number", "currency").first())
        named = [(number, block.hints[place], money, place) for place, number, money in firsts.rows()]
        named += [(line.number, line.hints, line.draft.currency, 0) for line in lines
                  if line.instrument and line.draft.occurred_at <= self.run.at + CLOCK_SKEW]  # fmt: skip
        named = sorted((one for one in named if one[3] not in self.meanings), key=lambda one: one[0])
        for _, chunk in groupby(named, key=lambda one: (self.run.lines + bisect_left(counted, one[0])) // CHUNK):
            together = list(chunk)
            self.run.names.learn_hints(hints for _, hints, _, _ in together)
            for _, hints, money, place in together:
                meaning = self._meaning(hints, money)
                if place:
                    self.meanings[place] = meaning

    @property
    def _limit(self) -> int:
        """The last instant that does not lie in the future, in microseconds."""
        return (self.run.at + CLOCK_SKEW - EPOCH) // timedelta(microseconds=1)

    def _meaning(self, hints: InstrumentHints, money: str) -> Meaning:
        """Return the instrument that is meant, what is to be asked, or why it can't be."""
        try:
            return self.run.names.of_hints(hints, money)
        except Unsure as unsure:
            return unsure.question
        except LineRefused as refusal:
            return refusal

    def _look(self, block: Block, lines: list[StatementLine]) -> None:
        """Find the fate of every line of a block."""
        rows = completed_rows(block.rows, self._places(len(block.hints)), self._limit, self.run.account.base_currency)
        self._ask(rows.filter(pl.col("fate") == Fate.QUESTION))
        for number, place in rows.filter(pl.col("fate") == Fate.REFUSED).select("number", "hints").rows():
            refusal = self.meanings[place]
            assert isinstance(refusal, LineRefused)  # noqa: S101
            self.run.refuse(number, refusal.code, str(refusal))
        alone = [*lines, *block.lines(rows.filter(pl.col("fate") == Fate.NONE))]
        for line in sorted(alone, key=number_of):
            self.run.consider(line)
        ready, good = self.run.give(), rows.filter(pl.col("fate") == Fate.POSTED)
        if self.known_source:
            ready, good = self._without_known(block, ready, good)
        for one in ready:
            self._post(one)
        self._post_all(good)

    def _places(self, number: int) -> pl.DataFrame:
        """Return what is known of the instruments by their places: the first is none."""
        told: list[tuple[int, str, str]] = [(Fate.POSTED, "", "")]
        for place in range(1, number):
            match self.meanings.get(place):
                case Instrument() as one if one.multiplier == 1 and CURRENCY.fullmatch(one.currency + one.money[3:]):
                    told.append((Fate.POSTED, one.currency, one.money))
                case Question():
                    told.append((Fate.QUESTION, "", ""))
                case LineRefused():
                    told.append((Fate.REFUSED, "", ""))
                case _:
                    told.append((Fate.NONE, "", ""))
        return pl.DataFrame(told, schema={"fate": pl.UInt8, "quoted": pl.String, "money": pl.String}, orient="row")

    def _ask(self, rows: pl.DataFrame) -> None:
        """Keep the questions that rows leave."""
        for place, first, count in rows.group_by("hints", maintain_order=True).agg(pl.col("number").first(), pl.len()).rows():
            question = self.meanings[place]
            assert isinstance(question, Question)  # noqa: S101
            self.run.ask(question, first, count)
        self._note_all(rows, Fate.QUESTION)

    def _without_known(self, block: Block, ready: list[Ready], good: pl.DataFrame) -> tuple[list[Ready], pl.DataFrame]:
        """Return the lines of which the ledger holds no entry yet, and tell the run of the others."""
        ids = [*good["id"], *(one.draft.external_id for one in ready)]
        anew, known = self._entries(ids)
        held = pl.col("id").replace(anew).is_in(known.keys()) if anew else pl.col("id").is_in(known.keys())
        for line in block.lines(good.filter(held)):
            self.run.consider(line)
        left = []
        for one in (*ready, *self.run.give()):
            own = one.draft.external_id
            fresh = replace(one, draft=replace(one.draft, external_id=anew.get(own, own)))
            entry = known.get(fresh.draft.external_id)
            if entry is None:
                left.append(fresh)
                continue
            unlike = ledger.differences(entry, fresh.draft) or entry.reverses_id
            self.run.note_outcome(fresh, ledger.Posted("conflicting" if unlike else "known", entry.pk, entry.sequence))
        return left, good.filter(~held)

    def _entries(self, ids: list[str]) -> tuple[dict[str, str], dict[str, LedgerEntry]]:
        """Return under which ids lines would be posted anew that were taken back with their import, and the entries there are."""
        account = self.run.account
        anew: dict[str, str] = {}
        known: dict[str, LedgerEntry] = {}
        for start in range(0, len(ids), ASKED_AT_ONCE):
            some = ids[start : start + ASKED_AT_ONCE]
            fresh = taken_back_before(account, self.source, some) if self.run.undone else {}
            anew |= fresh
            wanted = [fresh.get(one, one) for one in some]
            known |= {one.external_id: one for one in entries_known_by(account, self.source, wanted)}
        return anew, known

    def _post(self, ready: Ready) -> None:
        """Count a line that would be posted."""
        self.run.posted += 1
        self.run.fates.note(ready.line.number, Fate.POSTED)
        if ready.draft.cash:
            self.cash[ready.draft.currency] = EXACT.add(self.cash[ready.draft.currency], ready.draft.cash)
        if ready.draft.instrument_id:
            held = self.units[ready.draft.instrument_id]
            self.units[ready.draft.instrument_id] = EXACT.add(held, ready.draft.quantity)

    def _post_all(self, rows: pl.DataFrame) -> None:
        """Count rows that would be posted."""
        self.run.posted += len(rows)
        self.run.naive += len(rows) - int(rows["day_only"].sum())
        self._note_all(rows, Fate.POSTED)
        for currency, total in rows.filter(pl.col("moved") != 0).group_by("money").agg(pl.col("moved").sum()).rows():
            self.cash[currency] = EXACT.add(self.cash[currency], EXACT.multiply(total, UNIT_OF_CASH))
        for place, total in rows.filter(pl.col("hints") > 0).group_by("hints").agg(pl.col("quantity").sum()).rows():
            instrument = self.meanings[place]
            assert isinstance(instrument, Instrument)  # noqa: S101
            self.units[instrument.pk] = EXACT.add(self.units[instrument.pk], EXACT.multiply(total, UNIT))

    def _note_all(self, rows: pl.DataFrame, fate: Fate) -> None:
        """Note the fate of rows, those that follow each other at once."""
        runs = rows.select("number", run=pl.col("number").cast(pl.Int64) - pl.int_range(pl.len()))
        for first, count in runs.group_by("run").agg(pl.col("number").min(), pl.len()).select("number", "len").rows():
            self.run.fates.note_all(first, bytes([fate]) * count)


def completed_rows(rows: pl.DataFrame, places: pl.DataFrame, limit: int, base: str) -> pl.DataFrame:
    """Return plain rows with their currency, the cash that moves and their fate; NONE where a row is to be considered alone."""
    found = places[rows["hints"]]
    priced = pl.col("price").is_not_null() | pl.col("follows").is_not_null()
    otherwise = pl.when(pl.col("hints") == 0).then(pl.lit(base)).when(priced).then("quoted").otherwise("own_money")
    stated = pl.col("cash").is_not_null()
    costs = (pl.col("fee") + pl.col("tax")).cast(WIDE) * SCALE
    follows = pl.lit(0, WIDE) - (pl.col("quantity").cast(WIDE) * pl.col("price").cast(WIDE) + costs)  # in units of 1e-16
    rest = pl.lit(SCALE // FINER, WIDE)
    moved = pl.when(stated).then(pl.col("cash").cast(WIDE) * FINER).otherwise(follows // rest)
    signed = (
        pl.when(among({EntryKind.DIVIDEND})).then(pl.col("cash") >= 0)
        .when(among({EntryKind.DEPOSIT})).then(pl.col("cash") > 0)
        .when(among({EntryKind.WITHDRAWAL})).then(pl.col("cash") < 0)
        .otherwise(pl.lit(value=True))
    )  # fmt: skip
    exact = stated | ((follows % rest == 0) & (follows // rest).abs().lt(LARGEST_CASH))
    timely = pl.col("at") <= limit
    sure = signed & exact & (pl.col("at") >= 0)
    frame = rows.with_columns(told=found["fate"], quoted=found["quoted"], own_money=found["money"])
    return frame.with_columns(
        money=pl.when(pl.col("currency") == "").then(otherwise).otherwise("currency"),
        moved=moved,
        fate=pl.when(timely & ((pl.col("told") != Fate.POSTED) | sure)).then("told").otherwise(int(Fate.NONE)).cast(pl.UInt8),
    )


def _sum(before: Mapping[Any, Decimal], changes: Mapping[Any, Decimal]) -> dict[Any, Decimal]:
    """Return amounts with what is added to them."""
    return {**before, **{key: EXACT.add(before.get(key, ZERO), change) for key, change in changes.items()}}
