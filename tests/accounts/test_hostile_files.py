"""Files made to do harm come in by the real door: refused by name, in little memory and time, with nothing posted."""

# ruff: noqa: PLW0108  the lambdas put off what takes long to make
import bz2
import gzip
import io
import json
import lzma
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from shutil import rmtree

import pytest
from django.db import connection

from accounts.models import LedgerEntry
from tests.accounts.kept_files import HEADING, deposits, schwab
from tests.clients import make_token
from tests.factories import make_account, make_user

MB = 1024**2
MOST_MEMORY, MOST_SECONDS = 256, 30
LOG = "event_id,timestamp,event_type,data_json\n"
FLEX = '<FlexQueryResponse queryName="q" type="AF"><FlexStatements count="1">'


def zip_bomb():
    """A megabyte of zeros a thousand times over, packed twice."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(50):
            archive.writestr(f"{number}.csv", bytes(MB))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(50):
            archive.writestr(f"{number}.zip", inner.getvalue())
    return outer.getvalue()


def workbook_bomb():
    """A workbook whose one sheet is two hundred megabytes, and whose members climb out of their folder."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("../../../etc/passwd", "root::0:0::/:/bin/sh")
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(200):
                sheet.write(b"<row/>" * (MB // 6))
    return made.getvalue()


def picture():
    """A picture that says it is a table."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 4)) + chunk(b"IEND", b"")


def laughs(start="<!DOCTYPE lolz [", end=""):
    """The entities that grow by ten at each level."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<?xml version="1.0"?>{start}<!ENTITY l0 "lol">{entities}]>{FLEX}&l11;{end}'.encode()


# what is sent, and by which codes it may be refused
BINARY = {
    "zip-bomb.csv": (zip_bomb, {"not_text"}),
    "workbook-bomb.xlsx": (workbook_bomb, {"not_text"}),
    "gzip-bomb.csv": (lambda: gzip.compress(bytes(200 * MB)), {"not_text"}),
    "bzip2-bomb.csv": (lambda: bz2.compress(bytes(50 * MB)), {"not_text"}),
    "xz-bomb.csv": (lambda: lzma.compress(bytes(50 * MB), preset=0), {"not_text"}),
    "document.csv": (lambda: b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n", {"not_text"}),
    "picture.csv": (picture, {"not_text"}),
    "program.csv": (lambda: b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0>\0\x01\0\0\0" + bytes(range(256)) * 40, {"not_text"}),
    "windows-program.csv": (lambda: b"MZ\x90\0\x03\0\0\0" + bytes(range(256)) * 40, {"not_text"}),
    "class.csv": (lambda: b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(range(256)) * 40, {"not_text"}),
    "database.csv": (lambda: b"SQLite format 3\0" + bytes(4080), {"not_text"}),
    "zeros.csv": (lambda: bytes(40 * MB), {"not_text"}),
    "noise.csv": (lambda: zlib.compress(b"".join(b"%d" % (n * n) for n in range(200_000)), 9)[2:], None),
    "pickle.csv": (lambda: b"cos\nsystem\n(S'touch /tmp/harm'\ntR.", None),
}
TEXTS = {
    "one-line.csv": (lambda: (HEADING + "a" * (45 * MB)).encode(), {"has more than"}),
    "one-line-headings.csv": (lambda: b"Date," * (9 * MB), {"has more than"}),
    "one-cell.csv": (lambda: (HEADING + '"' + "a\n" * (20 * MB)).encode(), {"has more than"}),
    "too-large.csv": (lambda: (HEADING + "a" * 100 * MB).encode(), None),
    "columns.csv": (lambda: b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n" + b",".join([b"1"] * 1_000_000), None),
    "columns-of-schwab.csv": (
        lambda: (f"{HEADING.rstrip()},{','.join(map(str, range(100_000)))}\n{deposits(1)[0]}{',' * 100_000}\n").encode(),
        None,
    ),
    "rows.csv": (lambda: b"\n" * (45 * MB), None),
    "commas.csv": (lambda: (HEADING + ("," * 7 + "\n") * (5 * MB)).encode(), {"has more than"}),
    "quotes.csv": (lambda: (HEADING + '"' * 30 * MB).encode(), {"has more than"}),
    "encodings.csv": (lambda: (HEADING + "Gebühr\n" * 10).encode() + "Gebühr\n".encode("cp1252") * 10, {"mixed_encodings"}),
    "utf-16-in-the-middle.csv": (lambda: HEADING.encode() + deposits(1)[0].encode("utf-16"), None),
    "nothing.csv": (lambda: b"", {"empty_file", "empty"}),
    "mark.csv": (lambda: b"\xef\xbb\xbf", {"empty_file"}),
    "laughs.xml": (laughs, {"unsafe_xml"}),
    "far-laughs.xml": (
        lambda: laughs('<!DOCTYPE x [<!ENTITY % d SYSTEM "http://127.0.0.1:1/x.dtd"> %d;'), {"unsafe_xml"}
    ),
    "elsewhere.xml": (
        lambda: f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{FLEX}&e;'.encode(), {"unsafe_xml"}
    ),
    "quadratic.xml": (
        lambda: f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]>{FLEX}{"&a;" * 100_000}'.encode(), None
    ),
    "deep.xml": (lambda: (FLEX + "<a>" * 5 * MB).encode(), {"nested deeper", "has more than"}),
    "wide.xml": (lambda: (FLEX + "<Trade " + " ".join(f'a{n}="1"' for n in range(1_000_000)) + "/>").encode(), None),
    "long-attribute.xml": (lambda: (FLEX + '<Trade a="' + "a" * 40 * MB + '"/>').encode(), {"has more than"}),
    "many.xml": (lambda: (FLEX + "<a/>" * 10 * MB).encode(), {"has more than"}),
    "broken.xml": (lambda: (FLEX + "<Trade ").encode(), {"broken_xml"}),
    "deep.json": (lambda: b'{"activities": ' + b"[" * 20 * MB, None),
    "deep-objects.json": (lambda: b'{"activities": [' + b'{"a":' * 5 * MB, None),
    "digits.json": (lambda: b'{"meta": {}, "activities": [{"quantity": ' + b"9" * 30 * MB + b"}]}", None),
    "small-exponent.json": (
        lambda: b'{"meta": {"date": "2024-01-01T00:00:00Z", "version": "2"}, "activities": [{"type": "BUY", "symbol": "A", '
        b'"currency": "USD", "fee": 1e-999999999, "quantity": 1, "unitPrice": 1, "date": "2024-01-02T00:00:00Z"}]}',
        {"broken_json"},
    ),
    "exponent.json": (
        lambda: b'{"meta": {"date": "2024-01-01T00:00:00Z", "version": "2"}, "activities": [{"type": "BUY", "symbol": "A", '
        b'"currency": "USD", "fee": 0, "quantity": 1e999999999, "unitPrice": 1, "date": "2024-01-02T00:00:00Z"}]}',
        {"broken_json"},
    ),
    "exponent-of-the-log.csv": (
        lambda: (LOG + 'a,2024-01-01 00:00Z,DEPOSIT,"{""amount"": 1e999999999}"\n').encode(), {"REFUSED"}
    ),
    "exponent-of-a-table.csv": (
        lambda: (HEADING + "04/05/2024,Buy,ACME,Acme,1e999,$10.00,,-1e999999999\n").encode(), {"REFUSED"}
    ),
    "list.json": (lambda: b'{"meta": {}, "activities": [' + b"0," * 20 * MB + b"0]}", None),
    "text.json": (lambda: b'{"meta": {}, "activities": [{"a": "' + b"a" * 40 * MB + b'"}]}', None),
    "names.json": (
        lambda: b'{"activities": [{' + b",".join(b'"%d": 0' % n for n in range(1_000_000)) + b"}]}", None
    ),
    "deep.ofx": (lambda: b"OFXHEADER:100\r\nDATA:OFXSGML\r\n\r\n<OFX>" + b"<A>" * 10 * MB, {"nested deeper", "has more than"}),
    "event-log.csv": (lambda: (LOG + 'a,2024-01-01 00:00Z,DEPOSIT,"' + "[" * 500_000 + '"\n').encode(), {"REFUSED"}),
}  # fmt: skip
ALL = BINARY | TEXTS


@pytest.fixture(scope="module")
def account():
    return make_account(owner=make_user())


@pytest.fixture(scope="module")
def answers(account, tmp_path_factory):
    """Send every file to a process of its own, and return what became of each."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (make, _) in ALL.items():
        (folder / name).write_bytes(make())
    (folder / "zz-good.csv").write_bytes(schwab(*deposits(3)))
    token = make_token(account.owner).secret
    about = [connection.settings_dict["NAME"], str(account.pk), token, str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.accounts.upload_process", *about],
        capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[2], timeout=900,
    )  # fmt: skip
    rmtree(folder)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {told["name"]: told for told in map(json.loads, done.stdout.splitlines())}
    for told in found.values():
        sys.stdout.write(f"{told}\n")  # seen where a test fails
    return found


@pytest.mark.parametrize("name", ALL)
def test_is_refused_by_name_within_bounds(answers, name):
    told, codes = answers[name], ALL[name][1]
    assert "died" not in told
    assert told["status"] < 500
    assert told["posted"] == 0
    assert told["detail"]
    assert codes is None or any(code in {told["code"]} or code in told["detail"] for code in codes), told
    assert told["peak"] <= MOST_MEMORY, told
    assert told["seconds"] <= MOST_SECONDS, told


def test_nothing_is_posted_but_by_the_good_file_that_comes_last(answers, account):
    assert (answers["zz-good.csv"]["code"], answers["zz-good.csv"]["posted"]) == ("POSTED", 3)
    assert LedgerEntry.objects.using("system").filter(account=account).count() == 3
