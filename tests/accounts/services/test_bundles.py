"""A ZIP of an account that is not what it should be: refused by name, with nothing left behind."""

import hashlib
import io
import json
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.core.exceptions import ValidationError

from accounts.adapters.bundles import BundleReader
from accounts.domain.bundles import MANIFEST, MORE, PARTS, digest_of
from accounts.models import Account, AccountImport, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.bundles import write_bundle
from accounts.services.bundle_queue import code_of, due_bundles, queue_bundle, take_bundle, work_on
from accounts.services.bundles import bring_in
from marketdata.models import Bar, Instrument
from tests.factories import draft, make_account, make_instrument, make_user, post
from tests.portfolio.market import bars

NOW = datetime(2026, 2, 2, tzinfo=UTC)


class Packed:
    """A ZIP taken apart, to be put together in another way."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.manifest = json.loads(self.files[MANIFEST])

    def sealed(self, **files: bytes) -> bytes:
        """Return the ZIP with other files, whose sizes and hashes the manifest tells: what a forger would do."""
        for name, content in files.items():
            self.files[name] = content
            self.manifest["files"][name] |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        return self.told(**self.manifest)

    def told(self, **manifest: object) -> bytes:
        """Return the ZIP with another manifest, whose own hash holds."""
        said = {name: value for name, value in manifest.items() if name != "sha256"}
        self.files[MANIFEST] = json.dumps(said | {"sha256": digest_of(said)}).encode()
        return self.zipped()

    def zipped(self, *more: tuple[str, bytes]) -> bytes:
        """Return the ZIP with the files as they are by now."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (*self.files.items(), *more):
                archive.writestr(name, content)
        return file.getvalue()


@pytest.fixture(scope="module")
def instrument() -> Instrument:
    one = make_instrument()
    bars(one, {"2020-01-02": "10", "2020-01-03": "11"})
    return one


@pytest.fixture(scope="module")
def content(instrument) -> bytes:
    owner = make_user("alice")
    account, file = make_account(owner=owner, name="Tiny"), io.BytesIO()
    post(account, "DEPOSIT", cash="1000")
    post(account, "BUY", instrument=instrument, quantity="10", price="10")
    with acting_as(owner.pk):
        write_bundle(account=account, user=owner, file=file, at=NOW)
    return file.getvalue()


@pytest.fixture
def packed(content) -> Packed:
    return Packed(content)


def refused(content: bytes) -> str:
    """Bring a ZIP in as somebody, and return the code of the refusal; nothing may be left of it."""
    newcomer = make_user("newcomer")
    before = Instrument.objects.count()
    with pytest.raises(ValidationError) as refusal, acting_as(newcomer.pk):
        take_bundle(user=newcomer, file_name="a.zip", file=io.BytesIO(content), at=NOW)
    assert Instrument.objects.count() == before
    assert left_of(newcomer) == (0, 0)
    return code_of(refusal.value)


def left_of(user) -> tuple[int, int]:
    """Return how many accounts and how many taken ZIPs somebody has."""
    with acting_as(user.pk):
        return Account.objects.visible_to(user).count(), AccountImport.objects.visible_to(user).filter(status="POSTED").count()


class TestWhatIsDamaged:
    def test_a_file_that_was_changed(self, packed):
        packed.files["entries.csv"] = packed.files["entries.csv"].replace(b"1000", b"9000")
        assert refused(packed.zipped()) == "wrong_hash"

    def test_a_file_of_another_length(self, packed):
        packed.files["bars.csv"] += b"\n"
        assert refused(packed.zipped()) == "wrong_hash"

    def test_a_manifest_that_was_changed(self, packed):
        packed.manifest["ledger"]["entries"] = 1
        packed.files[MANIFEST] = json.dumps(packed.manifest).encode()
        assert refused(packed.zipped()) == "wrong_hash"

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
    def test_one_that_breaks_off(self, content, part):
        assert refused(content[: int(len(content) * part)]) == "broken_zip"

    def test_one_with_a_bad_byte(self, content):
        at = content.index(b"entries.csv") + 60
        assert refused(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]) in {"broken_zip", "wrong_hash"}

    @pytest.mark.parametrize("name", PARTS)
    def test_one_that_lacks_a_file(self, packed, name):
        del packed.files[name]
        assert refused(packed.zipped()) == "missing_file"

    @pytest.mark.parametrize("name", MORE)
    def test_one_whose_manifest_does_not_tell_of_a_file(self, packed, name):
        del packed.manifest["files"][name]
        assert refused(packed.told(**packed.manifest)) == "unexpected_file"

    def test_one_whose_manifest_lacks_a_file(self, packed):
        del packed.manifest["files"]["rates.csv"]
        assert refused(packed.told(**packed.manifest)) == "missing_file"


class TestWhatIsForeign:
    @pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"PK\x05\x06" + bytes(18)], ids=["empty", "two", "text", "none"])
    def test_what_is_no_zip_of_ours(self, content):
        assert refused(content) in {"broken_zip", "foreign_zip"}

    def test_a_zip_of_somebody_else(self, packed):
        packed.files = {}
        assert refused(packed.zipped((MANIFEST, b'{"format": "other", "version": 1}'))) == "foreign_zip"

    @pytest.mark.parametrize("version", [0, 2, "1", None, True])
    def test_another_version(self, packed, version):
        assert refused(packed.told(**packed.manifest | {"version": version})) == "unknown_version"

    @pytest.mark.parametrize(
        "name", ["../entries.csv", "/etc/passwd", "..\\x", "C:\\x", "entries.csv/", "Entries.csv", "x.exe", "\u202evsc.seirtne"]
    )
    def test_a_name_that_leads_elsewhere(self, packed, name):
        assert refused(packed.zipped((name, b"x"))) == "unexpected_file"

    def test_a_name_that_comes_twice(self, packed):
        with pytest.warns(UserWarning, match="Duplicate"):
            content = packed.zipped(("entries.csv", packed.files["entries.csv"]))
        assert refused(content) == "unexpected_file"

    @pytest.mark.parametrize("value", [-1, 1.5, "1", None, 2**70], ids=["negative", "float", "text", "none", "large"])
    def test_a_manifest_with_odd_values(self, packed, value):
        packed.manifest["files"]["bars.csv"]["size"] = value
        assert refused(packed.told(**packed.manifest)) in {"bad_manifest", "wrong_hash", "bad_file"}


class TestWhatIsHostile:
    def test_a_bomb(self, packed):
        assert refused(packed.sealed(**{"entries.csv": b"\0" * (64 * 1024**2)})) == "too_large"

    def test_a_file_that_says_it_is_small(self, packed):
        content = packed.sealed(**{"entries.csv": b"0" * 5000})
        size = (5000).to_bytes(4, "little")
        assert refused(content.replace(size, (10).to_bytes(4, "little"))) in {"wrong_hash", "broken_zip"}

    def test_a_directory_without_end(self, packed):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(2_000):
                archive.writestr(f"{number}", b"")
        assert refused(file.getvalue()) == "too_large"

    def test_files_that_are_too_large_together(self, packed):
        content = bytearray(packed.zipped())
        for name in (b"bars.csv", b"rates.csv"):
            at = content.rindex(b"PK\x01\x02", 0, content.rindex(name))
            content[at + 20 : at + 28] = (2**28).to_bytes(4, "little") + (2**29 + 2**28).to_bytes(4, "little")
        assert refused(bytes(content)) == "too_large"

    def test_an_encrypted_file(self, packed):
        content = bytearray(packed.zipped())
        at = content.index(b"PK\x01\x02")
        content[at + 8] |= 1
        assert refused(bytes(content)) == "unexpected_packing"

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("account.json", b"[" * 100_000),
            ("account.json", b"[]"),
            ("account.json", b'{"account": null}'),
            ("account.json", b"\xff"),
            ("personal.json", b'{"watchlists": 5}'),
            ("instruments.jsonl", b"x" * 2_000_000),
            ("entries.csv", b"event_id,timestamp\n"),
            ("bars.csv", b"when,what\n"),
        ],
        ids=["deep", "list", "null", "latin", "number", "long", "columns", "others"],
    )
    def test_a_forged_file_that_is_nonsense(self, packed, name, told):
        assert refused(packed.sealed(**{name: told})) in {"bad_file", "missing_columns", "broken_zip"}

    def test_a_forged_entry_that_breaks_the_rules(self, packed):
        assert refused(packed.sealed(**{"entries.csv": packed.files["entries.csv"].replace(b"DEPOSIT", b"WITHDRAWAL")})) == (
            "entry_refused"
        )

    def test_entries_that_are_fewer_than_announced(self, packed):
        entries = packed.files["entries.csv"].splitlines(keepends=True)
        assert refused(packed.sealed(**{"entries.csv": b"".join(entries[:2])})) == "bad_file"

    def test_another_instrument_under_the_same_name(self, packed):
        told = packed.files["instruments.jsonl"].replace(b'"currency": "USD"', b'"currency": "CHF"')
        assert refused(packed.sealed(**{"instruments.jsonl": told})) == "instrument_differs"


class TestTwice:
    def test_it_posts_nothing_twice(self, content):
        newcomer = make_user("newcomer")
        done = []
        for _ in range(2):
            with acting_as(newcomer.pk):
                done.append(take_bundle(user=newcomer, file_name="a.zip", file=io.BytesIO(content), at=NOW))
        assert [(one.posted, one.known) for one in done] == [(2, 0), (0, 2)]
        assert left_of(newcomer) == (1, 2)

    def test_a_later_one_brings_what_is_new(self, instrument):
        owner, newcomer = make_user("alice"), make_user("newcomer")
        account, done = make_account(owner=owner), []
        for cash in ("100", "200", "300"):
            post(account, "DEPOSIT", cash=cash)
            file = io.BytesIO()
            with acting_as(owner.pk):
                write_bundle(account=account, user=owner, file=file, at=NOW)
            with acting_as(newcomer.pk):
                done.append(take_bundle(user=newcomer, file_name="a.zip", file=file, at=NOW))
        assert [(one.posted, one.known) for one in done] == [(1, 0), (1, 1), (1, 2)]
        assert len({one.account_id for one in done}) == 1

    def test_where_it_came_from_all_is_known(self):
        owner = make_user("alice")
        account, file = make_account(owner=owner), io.BytesIO()
        post(account, "DEPOSIT", cash="100")
        with acting_as(owner.pk):
            write_bundle(account=account, user=owner, file=file, at=NOW)
            done = take_bundle(user=owner, file_name="a.zip", file=file, at=NOW)
        assert (done.account_id, done.posted, done.known) == (account.pk, 0, 1)

    def test_a_ledger_that_went_another_way_is_left_alone(self):
        owner, newcomer, files = make_user("alice"), make_user("newcomer"), []
        account = make_account(owner=owner)
        for cash in ("100", "200"):
            post(account, "DEPOSIT", cash=cash)
            files.append(io.BytesIO())
            with acting_as(owner.pk):
                write_bundle(account=account, user=owner, file=files[-1], at=NOW)
        with acting_as(newcomer.pk):
            here = take_bundle(user=newcomer, file_name="a.zip", file=files[0], at=NOW).account
        post(here, "DEPOSIT", cash="5", actor=newcomer)
        with pytest.raises(ValidationError) as refusal, acting_as(newcomer.pk):
            take_bundle(user=newcomer, file_name="a.zip", file=files[1], at=NOW)
        assert code_of(refusal.value) == "ledger_went_on"
        with acting_as(newcomer.pk):
            assert LedgerEntry.objects.filter(account=here).count() == 2


class TestInAWorker:
    def bring(self, content: bytes, **fields) -> AccountImport:
        newcomer = make_user("newcomer", **fields)
        with acting_as(newcomer.pk):
            made = queue_bundle(user=newcomer, file_name="a.zip", content=content, at=NOW, name="Mine")
        work_on(import_id=made.pk, clock=lambda: NOW)
        with acting_as(newcomer.pk):
            return AccountImport.objects.select_related("account", "user").get(pk=made.pk)

    def test_it_becomes_an_account(self, content):
        done = self.bring(content)
        assert (done.status, done.posted, done.progress, bytes(done.content)) == ("POSTED", 2, 2, b"")
        assert done.account.name == "Mine"

    def test_it_is_kept_and_read_back_in_pieces(self, content, monkeypatch):
        for name, size in (("PIECE", 100), ("PART", 777)):
            monkeypatch.setattr(f"accounts.services.bundle_queue.{name}", size)
        assert self.bring(content).status == "POSTED"

    def test_the_next_one_goes_on_where_one_was_lost(self, content):
        newcomer = make_user("newcomer")
        with acting_as(newcomer.pk):
            made = queue_bundle(user=newcomer, file_name="a.zip", content=content, at=NOW)
        mine = AccountImport.objects.using("system").filter(pk=made.pk)
        mine.update(status="POSTING", attempts=1, leased_until=NOW + timedelta(minutes=5))
        work_on(import_id=made.pk, clock=lambda: NOW)
        assert mine.get().status == "POSTING"  # it is another's
        assert made.pk not in due_bundles(at=NOW, limit=10_000)
        later = NOW + timedelta(minutes=6)
        assert made.pk in due_bundles(at=later, limit=10_000)
        work_on(import_id=made.pk, clock=lambda: later)
        assert (mine.get().status, mine.get().attempts, left_of(newcomer)) == ("POSTED", 2, (1, 1))

    def test_one_that_no_worker_survives_is_given_up(self, content):
        newcomer = make_user("newcomer")
        with acting_as(newcomer.pk):
            made = queue_bundle(user=newcomer, file_name="a.zip", content=content, at=NOW)
        mine = AccountImport.objects.using("system").filter(pk=made.pk)
        mine.update(status="POSTING", attempts=3, leased_until=NOW)
        work_on(import_id=made.pk, clock=lambda: NOW)
        assert (mine.get().status, mine.get().refused[0]["code"]) == ("FAILED", "given_up")

    def test_one_that_was_overtaken_leaves_nothing(self, content):
        newcomer = make_user("newcomer")
        with acting_as(newcomer.pk):
            made = queue_bundle(user=newcomer, file_name="a.zip", content=content, at=NOW)
        mine = AccountImport.objects.using("system").filter(pk=made.pk)
        asked = count()

        def clock() -> datetime:
            if next(asked) == 2:  # in the middle of it another worker begins
                mine.update(attempts=2)
            return NOW

        work_on(import_id=made.pk, clock=clock)
        assert (mine.get().status, left_of(newcomer)) == ("POSTING", (0, 0))

    def test_what_is_wrong_inside_is_told(self, packed):
        entries = packed.files["entries.csv"].replace(b"DEPOSIT", b"WITHDRAWAL")
        done = self.bring(packed.sealed(**{"entries.csv": entries}))
        assert (done.status, done.refused[0]["code"]) == ("REFUSED", "entry_refused")
        assert left_of(done.user) == (0, 0)

    def test_what_is_no_such_zip_is_refused_at_once(self):
        newcomer = make_user("newcomer")
        with pytest.raises(ValidationError) as refusal, acting_as(newcomer.pk):
            queue_bundle(user=newcomer, file_name="a.zip", content=b"hello", at=NOW)
        assert code_of(refusal.value) == "broken_zip"

    @pytest.mark.parametrize(("staff", "number"), [(False, 0), (True, 2)])
    def test_prices_are_written_for_staff_alone(self, content, packed, staff, number):
        name = make_instrument().symbol + "Q"
        fresh = {
            one: packed.files[one].replace(self.symbol(packed), name.encode())
            for one in ("instruments.jsonl", "bars.csv", "entries.csv")
        }
        done = self.bring(packed.sealed(**fresh), is_staff=staff)
        assert done.status == "POSTED", done.refused
        assert Bar.objects.filter(instrument__symbol=name).count() == number
        assert ("prices_left_out" in {one["code"] for one in done.remarks}) is not staff

    def symbol(self, packed: Packed) -> bytes:
        return json.loads(packed.files["instruments.jsonl"].splitlines()[0])["symbol"].encode()


def test_a_table_is_harmless_in_a_spreadsheet(instrument):
    owner = make_user("=cmd")
    account, file = make_account(owner=owner), io.BytesIO()
    post(account, "DEPOSIT", cash="1", notes="=1+1", external_id="@x", source="bank")
    with acting_as(owner.pk):
        write_bundle(account=account, user=owner, file=file, at=NOW)
    packed = Packed(file.getvalue())
    told = [packed.files[name].decode() for name in PARTS if name.endswith(".csv")]
    cells = [cell for table in told for line in table.splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.lstrip('"')[:1] in {"=", "@"}]
    newcomer = make_user("newcomer")
    with acting_as(newcomer.pk):
        brought = bring_in(reader=BundleReader(file), actor=newcomer, at=NOW, with_market=False)
        entry = LedgerEntry.objects.get(account=brought.account)
    assert (entry.notes, entry.external_id, entry.source) == ("=1+1", "@x", "bank")


class TestMemory:
    def peak(self, work) -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_of_a_long_ledger_a_part_is_in_it_at_a_time(self):
        number = 6_000
        owner, newcomer, file = make_user("alice"), make_user("newcomer"), io.BytesIO()
        account = make_account(owner=owner)
        entry = draft("DEPOSIT", cash="1", source="a")
        with acting_as(owner.pk):
            for start in range(0, number, 3_000):
                rows = [replace(entry, external_id=str(start + n)) for n in range(3_000)]
                LedgerEntry.objects.append(account_id=account.pk, actor_id=owner.pk, drafts=rows)
            out = self.peak(lambda: write_bundle(account=account, user=owner, file=file, at=NOW))
        with acting_as(newcomer.pk):
            back = self.peak(lambda: bring_in(reader=BundleReader(file), actor=newcomer, at=NOW, with_market=True))
        assert max(out, back) < 8 * 1024**2  # a thousand entries, or two, and what reading them takes
