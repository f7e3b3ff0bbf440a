"""docs/bring-your-own.md as it is written: its files, its commands, and what it says of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "bring-your-own.md"
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def carry_out(folder: Path) -> list[str]:
    """Write the guide's files, run its commands; what they said in blocks of text is checked on the way."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said, ran = "", []
    for kind, argument, body in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        if kind == "sh":
            run = ["bash", "-e", "-c", body]
            done = subprocess.run(
                run, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == int(argument.removeprefix("exit=") or 0), body + done.stderr
            said = done.stdout + done.stderr
            ran.append(body)
        elif kind == "text":
            for line in body.splitlines():
                assert line in said
        else:
            path = folder / argument
            path.parent.mkdir(exist_ok=True)
            path.write_text(body, encoding="utf-8")
    return ran


def measured(path: Path) -> dict[str, float]:
    """Figures that ngspice printed, by name."""
    return {name: float(value) for name, value in re.findall(r"^(\w+) += +(\S+)", path.read_text(), re.MULTILINE)}


@pytest.mark.ngspice
@pytest.mark.ngspice_cli
def test_the_guide_works_as_written(tmp_path: Path) -> None:
    assert len(carry_out(tmp_path)) == 6
    names = ("shipped", "amp", "rows", "curved")
    shipped, amp, rows, curved = (measured(tmp_path / f"{name}.txt") for name in names)
    for found in (shipped, amp, rows, curved):
        assert [name for name in found if name.startswith("rhs1_out")] == ["rhs1_out1", "rhs1_out2", "rhs1_out3"]
        assert found["rhs1_out1"] == pytest.approx(shipped["rhs1_out1"], rel=0.2)
    # Nothing that is static has changed; 20 fF on a row of two arrays and 1 / (3 * 35 uS) slow it down visibly.
    assert rows["rhs1_out1"] == pytest.approx(shipped["rhs1_out1"], rel=1e-4)
    assert rows["settles_side1_out1"] > 1.01 * shipped["settles_side1_out1"]
    assert curved["rhs1_out1"] != pytest.approx(shipped["rhs1_out1"], rel=1e-3)
    assert (tmp_path / "amp.raw").read_bytes().startswith(b"Title: ")
    assert "AMP" in (tmp_path / "amp.cir").read_text()
    header = (tmp_path / "rows.cir").read_text()
    assert "mine/array.cir.j2" in header
    assert "netlist_templates/cell.cir.j2" in header
    assert "Rcp2_3 row2 kp2_3 300" in (tmp_path / "contact.cir").read_text()
    for line in ("Rcp2_3 row2 kp2_3 300", "Rp2_3 kp2_3 out3 "):
        assert line in (tmp_path / "cell.svg").read_text()
