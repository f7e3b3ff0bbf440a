"""Waveform files, read back by the tools that they are for."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from spicelib import RawRead

from circuits import InputError
from cosim.raw_file import raw_bytes
from cosim.settle import Waveforms
from cosim.waveform_files import csv_text, write_waveforms

NAMES = ("out1", "out2")
TIMES = np.array([0.0, 1e-9, 2.5e-9, 1e-8])
WAVEFORMS = Waveforms(TIMES, np.array([[0.0, 0.1, -1 / 3, 0.2], [1e-30, -2.0, np.pi, 7e-7]]))


def test_spicelib_reads_every_bit(tmp_path: Path) -> None:
    write_waveforms(tmp_path / "a.raw", WAVEFORMS, NAMES, "two\nlines")
    read = RawRead(str(tmp_path / "a.raw"), dialect="ngspice", verbose=False)
    assert read.get_trace_names() == ["time", "v(out1)", "v(out2)"]
    for name, volts in zip(NAMES, WAVEFORMS.volts, strict=True):
        np.testing.assert_array_equal(read.get_wave(f"v({name})"), volts)
    np.testing.assert_array_equal(read.get_axis(), TIMES)


@pytest.mark.ngspice_cli
def test_ngspice_loads_it(tmp_path: Path) -> None:
    write_waveforms(tmp_path / "a.raw", WAVEFORMS, NAMES, "two")
    (tmp_path / "read.cir").write_text(
        "* read\n.control\nload a.raw\nset numdgt=15\nprint time v(out1) v(out2)\nquit\n.endc\n.end\n"
    )
    command = ["ngspice", "-n", "-b", "read.cir"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    rows = [line.split() for line in done.stdout.splitlines() if line[:1].isdigit()]
    printed = np.array([[float(word) for word in row[1:]] for row in rows])
    np.testing.assert_allclose(printed.T, [TIMES, *WAVEFORMS.volts], rtol=1e-13)


def test_the_layout_is_the_one_of_ngspice() -> None:
    header, _, data = raw_bytes(WAVEFORMS, NAMES, "two").partition(b"Binary:\n")
    assert b"No. Variables: 3\nNo. Points: 4\n" in header
    assert len(data) == 8 * 3 * 4
    np.testing.assert_array_equal(np.frombuffer(data, "<f8").reshape(4, 3)[2], [2.5e-9, -1 / 3, np.pi])
    assert raw_bytes(WAVEFORMS, NAMES, "two") == raw_bytes(WAVEFORMS, NAMES, "two")


def test_csv_keeps_every_bit() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(WAVEFORMS, NAMES))))
    assert rows[0] == ["time_s", "v(out1)_V", "v(out2)_V"]
    read = np.array(rows[1:], dtype=float).T
    np.testing.assert_array_equal(read, [TIMES, *WAVEFORMS.volts])


def test_pandas_and_xarray_have_names_and_units() -> None:
    frame, array = WAVEFORMS.to_pandas(NAMES), WAVEFORMS.to_xarray()
    assert (frame.index.name, list(frame.columns)) == ("time_s", ["out1", "out2"])
    np.testing.assert_array_equal(frame["out2"], WAVEFORMS.volts[1])
    np.testing.assert_array_equal(array.sel(node="out1"), WAVEFORMS.volts[0])
    assert float(array.sel(node="out1").interp(time=0.5e-9)) == pytest.approx(0.05)
    assert (array.attrs["units"], array.time.attrs["units"], array.dims) == ("V", "s", ("node", "time"))


@pytest.mark.parametrize("library", ["pandas", "xarray"])
def test_a_missing_library_is_named_with_the_way_out(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"{library} is not installed: pip install 'ohmvert\[waveforms\]'"):
        getattr(WAVEFORMS, f"to_{library}")()


@pytest.mark.parametrize(
    ("name", "names", "words"),
    [
        ("a.vcd", NAMES, r"must end with \.raw or \.csv"),
        ("nowhere/a.raw", NAMES, "cannot be written: No such file"),
        ("nowhere/a.csv", NAMES, "cannot be written: No such file"),
        ("a.raw", ("out1",), "2 waveforms cannot have 1 names"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_waveforms(tmp_path / name, WAVEFORMS, names, "")
