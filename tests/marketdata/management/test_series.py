"""Series come in and go out by command, a file or a folder at a time."""

import json

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from marketdata.models import Bar, Instrument, Quote
from tests.factories import make_bars, make_instrument, unique_symbol


@pytest.fixture
def share():
    return make_instrument()


def test_imports_a_folder_and_tells_what_became_of_each_line(tmp_path, share, capsys):
    prices = [{"timestamp": f"2024-01-02T1{n}:00:00", "price": n + 1} for n in range(3)]
    (tmp_path / f"{share.symbol.lower()}_timeseries.jsonl").write_text("\n".join(map(json.dumps, prices)) + "\nnothing")
    times = pd.date_range("2024-01-01", periods=3, freq="D", tz="UTC", name="timestamp")
    frame = pd.DataFrame(dict.fromkeys(("Open", "High", "Low", "Close"), [1.5] * 3), index=times)
    frame.to_parquet(tmp_path / f"{share.symbol.lower()}_1d_2024-01-01_2024-01-03.parquet")
    (tmp_path / "notes.txt").write_text("no series")
    (tmp_path / "link_timeseries.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(CommandError, match="1 file could not be read to the last line"):
        call_command("import_series", str(tmp_path))
    told = capsys.readouterr()
    assert "4 lines: 3 stored, 1 refused" in told.out
    assert "3 lines: 3 stored" in told.out
    assert "line 4: 'nothing' refused, malformed_line" in told.err or "line 4: refused, malformed_line" in told.err
    assert "passwd" not in told.err
    assert Quote.objects.filter(instrument=share).count() == Bar.objects.filter(instrument=share).count() == 3


def test_creates_what_it_does_not_know_when_told_to(tmp_path, capsys):
    symbol = unique_symbol()
    path = tmp_path / f"{symbol}_timeseries.jsonl"
    path.write_text('{"timestamp": "2024-01-02T10:00:00", "price": 1}')
    with pytest.raises(CommandError):
        call_command("import_series", str(path))
    assert "--exchange, --create" in capsys.readouterr().err
    call_command("import_series", str(path), create=True, exchange="XTST", dry_run=True)
    assert "Dry run: nothing was written." in capsys.readouterr().out
    assert not Instrument.objects.filter(symbol=symbol).exists()
    call_command("import_series", str(path), create=True, exchange="XTST")
    assert Instrument.objects.filter(symbol=symbol, exchange="XTST").exists()


@pytest.mark.parametrize("name", ["none_timeseries.jsonl", "prices.csv"])
def test_names_files_it_can_not_take(tmp_path, name, capsys):
    if name.endswith("csv"):
        (tmp_path / name).write_text("x")
    with pytest.raises(CommandError):
        call_command("import_series", str(tmp_path / name))
    assert name in capsys.readouterr().err
    with pytest.raises(CommandError, match="No instrument"):
        call_command("import_series", str(tmp_path / name), instrument="NOBODY:XTST")


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_exports_what_it_imports(tmp_path, share, form, capsys):
    make_bars(share, [("2024-01-02", "10"), ("2024-01-03", "11.5"), ("2024-01-04", "12")])
    call_command("export_series", share.symbol, "--start=2024-01-03", f"--format={form}", f"--output={tmp_path}")
    (path,) = tmp_path.iterdir()
    assert capsys.readouterr().out.strip() == f"{path}: 2 rows"
    call_command("import_series", str(path))
    assert "2 lines: 0 stored, 2 known" in capsys.readouterr().out


def test_exports_nothing_rather_than_half(tmp_path, share):
    with pytest.raises(CommandError, match="no 1d bars"):
        call_command("export_series", share.symbol, format="parquet", output=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CommandError, match="No instrument"):
        call_command("export_series", "NOBODY:XTST")
    with pytest.raises(CommandError, match="can't be written to"):
        call_command("export_series", share.symbol, output=str(tmp_path / "none"))
