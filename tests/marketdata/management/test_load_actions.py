"""Corporate actions come in by CSV: good lines are stored, the others named by their number."""

import gzip

import pytest
from django.core.management import CommandError, call_command

from marketdata.models import CorporateAction
from tests.factories import make_instrument


@pytest.fixture
def share():
    return make_instrument()


def load(tmp_path, content, *, capsys=None, name="actions.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    call_command("load_actions", str(path), **options)


def test_loads_a_file_once(tmp_path, share, capsys):
    text = (
        "Kind;Instrument;Ex date;Ratio;Cash;Currency;Notes\n"
        f"SPLIT;{share.key};2024-05-01;4;;;\n\n"
        f'CASH_DIVIDEND;{share.symbol};2024-05-02;;0.24;USD;"a note; with\na line"\n'
    )
    load(tmp_path, text, source="by hand")
    assert "2 lines: 2 stored" in capsys.readouterr().out
    load(tmp_path, "\ufeff" + text)
    assert "0 stored, 2 known" in capsys.readouterr().out
    assert set(CorporateAction.objects.filter(instrument=share).values_list("source", flat=True)) == {"by hand"}


def test_names_the_lines_it_refuses(tmp_path, share, capsys):
    lines = [
        "instrument,kind,ex_date,ratio",
        f"{share.key},SPLIT,2024-05-01,four",
        f"{share.key},SPLIT,2024-05-01,4,5",
        f"{share.key},SPLIT," + "x" * 100_000,
        f"{share.key},SPLIT,2024-05-03,2",
        "NOBODY:XTST,SPLIT,2024-05-03,2",
        f"{share.key},SPLIT,2024-05-04,1000",
    ]
    with pytest.raises(CommandError, match="4 lines were refused"):
        load(tmp_path, "\n".join(lines))
    told = capsys.readouterr()
    assert "2 stored, 4 refused, 1 doubted" in told.out
    assert [line.split(":")[0] for line in told.err.splitlines()] == ["line 2", "line 3", "line 4", "line 6", "line 7"]
    assert "ratio 'four' refused, not_a_number" in told.err


def test_reads_gzip_and_refuses_a_bomb(tmp_path, share):
    text = f"instrument,kind,ex_date,ratio\n{share.key},SPLIT,2024-05-01,4\n"
    load(tmp_path, gzip.compress(text.encode()))
    assert CorporateAction.objects.filter(instrument=share).count() == 1
    with pytest.raises(CommandError, match="expands too far"):
        load(tmp_path, gzip.compress(text.encode() + b"x" * 50_000_000))
    with pytest.raises(CommandError, match="no whole gzip file"):
        load(tmp_path, gzip.compress(text.encode())[:-12])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "has no column"),
        ("instrument,kind\n", "has no column ex_date"),
        ("instrument,kind,ex_date,color\n", "no field color"),
        ("instrument,kind,ex_date,kind\n", "named twice"),
        (b"\x00\xff\xfe" * 1000, "has no column"),
    ],
)
def test_refuses_a_file_that_names_other_columns(tmp_path, content, why):
    with pytest.raises(CommandError, match=why):
        load(tmp_path, content)


def test_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="can't be read"):
        call_command("load_actions", str(tmp_path / "none.csv"))


def test_corrects_when_told_to(tmp_path, share):
    for ratio, options in (("4", {}), ("5", {"correct": True})):
        load(tmp_path, f"instrument,kind,ex_date,ratio\n{share.key},SPLIT,2024-05-01,{ratio}\n", **options)
    assert CorporateAction.objects.get(instrument=share).ratio == 5


def test_a_quote_that_nothing_closes_costs_its_own_line_alone(tmp_path, share, capsys):
    lines = [
        "instrument,kind,ex_date,ratio,notes",
        f'{share.key},SPLIT,2024-05-01,2,"never closed',
        f"{share.key},SPLIT,2024-05-02,2,good",
        f'{share.key},SPLIT,2024-05-03,2,"closed" too early',
        f'{share.key},SPLIT,2024-05-04,2,"of two',
        'lines"',
        f'{share.key},SPLIT,2024-05-05,2,"closes where no row ends',
        f'{share.key},SPLIT,2024-05-06,2,"good, too"',
        *[f"{share.key},SPLIT,2023-01-{day:02},2,good" for day in range(1, 31)],
        f'{share.key},SPLIT,2024-05-07,2,"at the end',
    ]
    with pytest.raises(CommandError, match="4 lines were refused"):
        load(tmp_path, "\n".join(lines))
    told = capsys.readouterr()
    assert "33 stored, 4 refused" in told.out
    assert [line.split(":")[0] for line in told.err.splitlines() if "refused" in line] == [
        "line 2",
        "line 4",
        "line 7",
        "line 39",
    ]
    kept = dict(CorporateAction.objects.filter(instrument=share, ex_date__year=2024).values_list("ex_date__day", "notes"))
    assert kept == {2: "good", 4: "of two\nlines", 6: "good, too"}
