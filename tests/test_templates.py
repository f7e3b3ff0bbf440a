"""Templates of the user: one takes a shipped one's place, both engines follow, and a broken contract is told."""

import importlib.resources
import json
import pickle
import re
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from test_replay import write_run

from circuits import Hardware, InputError, LinearCircuit, Wires
from circuits.hardware_file import load_hardware
from circuits.templates import Templates, shipped
from cosim import Status, open_backend
from cosim.inspector import inspect_inverse, inspect_multiply
from training.inspect_call import inspect_call

MATRIX = np.array([[2.0, -0.5], [0.25, 1.0]])
SHIPPED = {name: (importlib.resources.files("netlist_templates") / name).read_text() for name in shipped()}
SLOW = SHIPPED["opamp.cir.j2"].replace("C1 x 0 {{ c_pole | num }}", "C1 x 0 {{ (10 * c_pole) | num }}")


def folder_of(tmp_path: Path, **texts: str) -> Path:
    """A folder with templates; `opamp` stands for opamp.cir.j2."""
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.cir.j2").write_text(text)
    return folder


def redrawn(tmp_path: Path, hardware: Hardware | None = None, **texts: str) -> Hardware:
    return (hardware or Hardware()).redrawn(Templates.read(folder_of(tmp_path, **texts)))


@pytest.mark.ngspice_cli
def test_a_designers_walk(tmp_path: Path) -> None:
    """Render an 8 x 8 inverse, run plain ngspice, read .meas, take a tenth of the GBW, see both engines follow."""
    matrix = np.eye(8) + 0.1 * np.random.default_rng(2).normal(size=(8, 8))
    rhs = np.random.default_rng(3).normal(size=8)

    def settling(hardware: Hardware) -> tuple[np.ndarray, np.ndarray]:
        found = inspect_inverse(matrix, rhs, hardware)
        np.testing.assert_allclose(found.answer.value[:, 0], np.linalg.solve(matrix, rhs), rtol=3e-3)
        (tmp_path / "m.cir").write_text(found.netlist.text)
        run = ["ngspice", "-n", "-b", "m.cir"]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        measured = dict(re.findall(r"^settles_side1_(out\d) += +(\S+)", done.stdout, re.MULTILINE))
        assert "failed" not in done.stdout + done.stderr
        return found.traces.settling_times[:, 0], np.array([float(measured[f"out{i}"]) for i in range(1, 9)])

    nodal, spice = settling(Hardware())
    np.testing.assert_allclose(spice, nodal, rtol=0.05)
    slow_nodal, slow_spice = settling(redrawn(tmp_path, opamp=SLOW))
    np.testing.assert_allclose(slow_spice, slow_nodal, rtol=0.05)
    # The edge of the input is 4 ns long in both cases, so the time itself grows a little less than tenfold.
    for before, after in ((nodal, slow_nodal), (spice, slow_spice)):
        assert 6 < after.max() / before.max() < 11


def test_poles_follow_a_template_exactly(tmp_path: Path) -> None:
    fast, slow = (inspect_inverse(MATRIX, None, one).poles for one in (Hardware(), redrawn(tmp_path, opamp=SLOW)))
    np.testing.assert_allclose(slow.eigenvalues, fast.eigenvalues / 10, rtol=1e-9)


@pytest.mark.ngspice
def test_worker_processes_draw_by_the_same_templates(tmp_path: Path) -> None:
    hardware = redrawn(tmp_path, opamp=SLOW)
    (tmp_path / "mine" / "opamp.cir.j2").unlink()  # the texts travel, not the folder
    stats = {}
    for name in ("nodal", "spice"):
        with open_backend(name, hardware=hardware, **({"workers": 1} if name == "spice" else {})) as backend:
            programmed = backend.program(MATRIX)
            stats[name] = programmed.solve([1.0, 2.0]).stats
    with open_backend("nodal", hardware=Hardware()) as backend:
        shipped_time = backend.program(MATRIX).solve([1.0, 2.0]).stats.settling_time[0]
    assert stats["spice"].statuses == (Status.SETTLED,)
    assert stats["nodal"].settling_time[0] > 3 * shipped_time
    assert stats["spice"].settling_time[0] == pytest.approx(stats["nodal"].settling_time[0], rel=0.3)


def test_templates_survive_pickle_json_and_replace(tmp_path: Path) -> None:
    hardware = redrawn(tmp_path, opamp=SLOW)
    assert pickle.loads(pickle.dumps(hardware)) == hardware
    assert hardware.linear().templates == hardware.templates
    described = json.loads(json.dumps(asdict(hardware)))["drawing"]
    assert Templates(**described) == hardware.templates
    assert Templates(**described).digest == hardware.templates.digest != Templates().digest


def test_hardware_without_templates_is_described_as_ever() -> None:
    # What describes a run names its folder and its trials: no field may come and go.
    assert list(asdict(Hardware())) == [
        "cell", "opamp", "wires", "programming", "converters", "signed", "v_max", "max_array", "seed"
    ]  # fmt: skip


def test_a_hardware_file_names_the_folder_counted_from_its_own(tmp_path: Path) -> None:
    folder_of(tmp_path, opamp=SLOW)
    (tmp_path / "mine.toml").write_text('preset = "rram40"\ntemplates = "mine"\n[opamp]\ngain = 2000.0\n')
    hardware = load_hardware(str(tmp_path / "mine.toml"))
    assert hardware.opamp.gain == 2000.0
    assert hardware.templates.replaced == {"opamp.cir.j2": SLOW}
    assert hardware.templates.origin("opamp.cir.j2") == f"{tmp_path}/mine/opamp.cir.j2"
    assert hardware.templates.origin("cell.cir.j2") == "netlist_templates/cell.cir.j2"


def test_a_call_of_a_run_is_drawn_by_the_templates_of_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", redrawn(tmp_path, opamp=SLOW), "nodal")
    found = inspect_call(run, 1, "conv.1", "A")
    assert found.netlist.templates["opamp.cir.j2"].endswith("mine/opamp.cir.j2")
    fast = inspect_call(
        run, 1, "conv.1", "A", templates=Templates.read(folder_of(tmp_path, opamp=SHIPPED["opamp.cir.j2"]))
    )
    np.testing.assert_allclose(found.poles.eigenvalues, fast.poles.eigenvalues / 10, rtol=1e-9)


@pytest.mark.parametrize("draw", [inspect_inverse, inspect_multiply])
def test_the_header_says_which_template_came_from_where(tmp_path: Path, draw: object) -> None:
    text = draw(MATRIX, None, redrawn(tmp_path, opamp=SLOW)).netlist.text  # type: ignore[operator]
    assert f"*    {tmp_path}/mine/opamp.cir.j2\n" in text
    assert "*    netlist_templates/array.cir.j2\n" in text
    assert "templates:" not in draw(MATRIX).netlist.text  # type: ignore[operator]


CAPACITOR = (
    '{% from "shipped/array.cir.j2" import draw as as_shipped -%}\n{% macro draw(a, part, w, segments) -%}\n'
    "{{ as_shipped(a, part, w, segments) }}\n"
    "{% for i in range(1, a.rows + 1) %}\nCpar{{ a.name }}{{ i }} {{ a.port }}{{ i }} 0 2p\n{% endfor %}\n"
    "{%- endmacro %}\n"
)


@pytest.mark.parametrize("wires", [Wires(), Wires(r_row=1.73, r_col=1.73)])
def test_capacitors_on_rows_are_those_by_hand(tmp_path: Path, wires: Wires) -> None:
    """One row: two capacitors of 2 pF see the input, the positive and the negative cell."""
    base = Hardware(wires=wires).linear()
    circuit = inspect_inverse([[1.0]], [1.0], redrawn(tmp_path, base, array=CAPACITOR))
    assert circuit.netlist.text.count("\nCpar") == 2
    (u, a0, c) = (2 * np.pi * 500e6, 1e4, 4e-12)
    g = np.array([34.5e-6, 35e-6, 0.5e-6])
    # Unknowns: the row e, the op-amp's x; inverter x2. v(out) = x, v(inv) = x2 follows with its own pole.
    # c e' = -sum(g) e + g_p x + g_n x2;  x' = -u e - (u / a0) x;  x2' = -u (x + x2) / 2 - (u / a0) x2
    matrix = np.array(
        [[-g.sum() / c, g[1] / c, g[2] / c], [-u, -u / a0, 0], [0, -u / 2, -u / 2 - u / a0]]
    )  # fmt: skip
    expected = np.sort_complex(np.linalg.eigvals(matrix))
    tolerance = 1e-9 if wires.ideal else 1e-3
    np.testing.assert_allclose(np.sort_complex(circuit.poles.eigenvalues), expected, rtol=tolerance)


def cell(*lines: str) -> str:
    """A cell template that draws these lines."""
    return "\n".join(
        [
            '{% from "shipped/cell.cir.j2" import shared as as_shipped -%}',
            "{% set shared = as_shipped -%}",
            "{% macro cell(part, name, row, column, siemens, ohms) -%}",
            *lines,
            "{%- endmacro %}\n",
        ]
    )


@pytest.mark.parametrize("reduce", ["auto", "never"])
def test_a_cell_of_the_user_is_never_reduced_away(tmp_path: Path, reduce: str) -> None:
    base = Hardware(wires=Wires(r_row=1.73, r_col=1.73, reduce=reduce))
    halved = cell("R{{ name }} {{ row }} {{ column }} {{ ohms }}", "Rb{{ name }} {{ row }} {{ column }} {{ ohms }}")
    found = inspect_inverse(MATRIX, None, redrawn(tmp_path, base, cell=halved))
    assert not found.netlist.reduced
    assert len(found.arrays[0].lines[1][1]) == 2
    plain = inspect_inverse(MATRIX, None, base)
    np.testing.assert_allclose(found.answer.volts, plain.answer.volts / 2, rtol=2e-3)
    with pytest.raises(InputError, match="leaves no cell and no line to draw"):
        redrawn(tmp_path, Hardware(wires=Wires(r_row=1.73, reduce="always")))


FOLDERS = {
    "no folder": (None, "nowhere is no folder"),
    "empty": ({}, "has no template: put one of array.cir.j2"),
    "replaces nothing": ({"opam.cir.j2": SLOW}, "opam.cir.j2 replaces no template: did you mean opamp.cir.j2"),
    "wrong ending": ({"opamp.cir": SLOW}, "opamp.cir replaces no template: did you mean opamp.cir.j2"),
    "no text": ({"opamp.cir.j2": b"\xff\xfe\x81"}, "cannot be read"),
}


@pytest.mark.parametrize(("files", "words"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_is_none_is_told(tmp_path: Path, files: dict[str, str | bytes] | None, words: str) -> None:
    folder = tmp_path / "nowhere"
    if files is not None:
        folder.mkdir()
    for name, text in (files or {}).items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=re.escape(words)):
        Templates.read(folder)


OPAMP = SHIPPED["opamp.cir.j2"]
BROKEN = {
    "op-amp without a port": (
        {"opamp": OPAMP.replace("opamp inp inn out", "opamp inp inn").replace("E1 {{ stage }}", "E1 x2")},
        r"mine/opamp\.cir\.j2: the subcircuit opamp lacks the port out: write `\.subckt opamp inp inn out`",
    ),
    "op-amp with ports in another order": (
        {"opamp": OPAMP.replace("opamp inp inn out", "opamp inn inp out")},
        r"has the ports inn inp out: write `\.subckt opamp inp inn out`",
    ),
    "op-amp of another name": (
        {"opamp": OPAMP.replace(".subckt opamp", ".subckt amp")},
        "defines 0 subcircuits opamp: it needs one",
    ),
    "circuit without an output": (
        {"inverse": SHIPPED["inverse.cir.j2"].replace("row{{ i }} out{{ i }} opamp", "row{{ i }} o{{ i }} opamp")},
        r"mine/inverse\.cir\.j2 lets no op-amp drive the output out1: every one of out1 \.\. out2 is needed",
    ),
    "circuit without an input": (
        {"inverse": SHIPPED["inverse.cir.j2"].replace("Rin{{ i }} in{{ i }}", "Rin{{ i }} i{{ i }}")},
        r"mine/inverse\.cir\.j2 joins nothing to the input in1: every one of in1 \.\. in2 is needed",
    ),
    "cell beside its row": (
        {"cell": cell("R{{ name }} elsewhere {{ column }} {{ ohms }}")},
        r"mine/cell\.cir\.j2: the cell of row 1 and column 1 has no element on its row line: join `row`",
    ),
    "macro that is missing": ({"cell": "{# nothing #}"}, "does not export the requested name"),
    "variable that is not given": (
        {"opamp": OPAMP.replace("c_pole", "c_role")},
        r"mine/opamp\.cir\.j2 line 19: 'c_role' is undefined",
    ),
    "arithmetic": ({"opamp": "* {{ 1 / 0 }}"}, r"mine/opamp\.cir\.j2 line 1 cannot be drawn: division by zero"),
    "bad syntax": ({"opamp": "{% if %}"}, r"mine/opamp\.cir\.j2 line 1: Expected"),
    "way into Python": ({"opamp": "{{ ''.__class__ }}"}, r"mine/opamp\.cir\.j2.*__class__"),
    "include that is missing": ({"opamp": "{% include 'vendor.sub' %}"}, "includes vendor.sub, which there is not"),
    "programs": ({"opamp": OPAMP + ".control\nshell true\n.endc\n"}, r"would let ngspice run commands.*--trust"),
    "programs in the stimulus": ({"stimulus": SHIPPED["stimulus.cir.j2"] + ".control\n.endc\n"}, r"commands.*--trust"),
    "include": ({"opamp": OPAMP + ".include /etc/hostname\n"}, "would let ngspice run commands"),
    "diode": (
        {"cell": cell("D{{ name }} {{ row }} {{ column }} dmod")},
        r"Netlist line \d+ \('dp1_1 row1 out1 dmod'\): the nodal engine reads .* a diode is not linear",
    ),
}


@pytest.mark.parametrize(("texts", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_contract_is_told_in_one_sentence(tmp_path: Path, texts: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        inspect_inverse(MATRIX, None, redrawn(tmp_path, **texts))


@pytest.mark.ngspice
def test_programs_of_a_template_never_reach_ngspice_without_trust(tmp_path: Path) -> None:
    """Training: the template is read from a hardware file, and the job itself refuses it."""
    told = tmp_path / "ran"
    hardware = redrawn(tmp_path, Hardware.preset("ideal"), opamp=OPAMP + f".control\nshell touch {told}\n.endc\n")
    with open_backend("spice", hardware=hardware, workers=1) as backend, pytest.raises(InputError, match=r"\.control"):
        backend.program(MATRIX).solve([1.0, 0.0], throw=False)
    assert not told.exists()


def test_trust_lets_programs_through(tmp_path: Path) -> None:
    hardware = redrawn(tmp_path, opamp=OPAMP + ".lib models.lib tt\n")
    with pytest.raises(InputError, match="put the library's lines into the netlist"):
        inspect_inverse(MATRIX, None, hardware, trust=True)


def test_a_stimulus_of_the_user_is_drawn_too(tmp_path: Path) -> None:
    text = SHIPPED["stimulus.cir.j2"] + ".print tran v(out1)\n"
    found = inspect_inverse(MATRIX, None, redrawn(tmp_path, Hardware.preset("ideal"), stimulus=text))
    assert ".print tran v(out1)" in found.netlist.text
    assert LinearCircuit.read(found.netlist.text).stable
