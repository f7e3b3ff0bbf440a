"""Model files from outside: what is refused, in which words, and what ngspice makes of the rest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import Array

from circuits import Conditioning, Hardware, InputError, Model, OpAmp, RramCell
from cosim import Solution, Status, open_backend

CELL = ".subckt memory r c g=1u\nRm r c {1/g}\n.ends memory\n"
PINS = ("row", "column")
# Two stages: a tail current into C1, and an output stage between the rails with a pole of its own.
MACRO = """* two-stage op-amp
.subckt twostage {ports}
B1 0 s1 I={tail}*tanh(V(plus,minus)/{tail})
R1 s1 0 {gain}
C1 s1 0 {c_pole}
B2 s2 0 V=min(max(V(s1), V(neg)), V(pos))
R2 s2 s3 1
C2 s3 0 10p
E3 exit 0 s3 0 1
Rload pos neg 1meg
.ends twostage
"""
BUFFER = """.subckt macro {ports}
G1 0 x {inp} {inn} 1
R1 x 0 1meg
C1 x 0 0.3183n
E1 out1 0 x 0 1
.ends macro
"""
IDEAL = Hardware.preset("ideal")
MATRIX, RHS, TRUTH = [[2.0, -1.0], [1.0, 1.0]], [1.0, 2.0], [1.0, 1.0]

PROGRAMS = {
    ".control": ".control\nshell true\n.endc",
    "upper case": "  .CONTROL",
    "shell": "shell true",
    "system": "system true",
    "source": "source other.cir",
    "file outside": ".include ../outside.lib",
    "absolute file": '.include "/etc/hostname"',
    "missing file": ".include nowhere.lib",
    "include cut short": ".incl ../outside.lib",
    "include alone": ".include",
    "library outside": ".lib ../outside.lib tt",
    "command in a comment": "*#shell true",
    "command in a comment, apart": "*# shell true",
    "part that starts a program": '.model m d_process(process_file="/bin/true")',
}
HARMLESS = ["* .control is a word", "* see # 3", ".model n1 nmos(level=1)", "Rsystem a b 1k", "+ shell 1"]


def write(folder: Path, text: str, name: str = "model.lib") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def model(folder: Path, text: str, subckt: str = "memory", trust: bool = False) -> Model:
    return Model(write(folder, text), subckt, PINS, trust=trust)


def run(name: str, hardware: Hardware, **options: int) -> Solution:
    with open_backend(name, hardware=hardware, conditioning=Conditioning.off(), **options) as backend:
        return backend.program(MATRIX).solve(RHS, throw=False)


def in_ngspice(hardware: Hardware) -> Solution:
    return run("spice", hardware, workers=1)


def error(value: Array, truth: Array | list[float]) -> float:
    return float(np.abs(value - np.asarray(truth)).max() / np.abs(truth).max())


def with_cell(cell: Model) -> Hardware:
    return replace(Hardware.preset("ideal"), cell=RramCell(g_min=0.0, model=cell))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.lib cannot be read.*No such file"):
        Model(str(tmp_path / "nowhere.lib"), "memory", PINS)
    with pytest.raises(InputError, match="cannot be read"):
        Model(str(tmp_path), "memory", PINS)


def test_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.lib").write_bytes(b"\xff\xfe\x00\x81 .subckt memory")
    with pytest.raises(InputError, match=r"model\.lib cannot be read.*decode"):
        Model(str(tmp_path / "model.lib"), "memory", PINS)


def test_missing_subcircuit_names_those_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.lib has no \.subckt 'other': it has memory, second"):
        model(tmp_path, CELL + CELL.replace("memory", "second"), "other")
    with pytest.raises(InputError, match="it has none"):
        model(tmp_path, "* nothing here\n* .subckt memory a b\n")


@pytest.mark.parametrize("name", ["memory", "MEMORY", "Memory"])
def test_names_have_no_case(tmp_path: Path, name: str) -> None:
    assert model(tmp_path, CELL, name).subckt == name
    assert model(tmp_path, CELL.upper(), name).subckt == name


def test_other_number_of_pins_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.subckt memory has 3 pins \(r c b\), 2 are named"):
        model(tmp_path, CELL.replace("r c g", "r c b g"))
    with pytest.raises(InputError, match=r"has 1 pins \(r\), 2 are named"):
        model(tmp_path, CELL.replace("r c g", "r g"))


@pytest.mark.parametrize("head", ["r c g=1u", "r c", "r c params: g=1u", "r c g = 1u", "r\n+ c g=1u", "r c\n+ g=1u"])
def test_pins_are_counted_without_parameters_and_over_lines(tmp_path: Path, head: str) -> None:
    assert model(tmp_path, CELL.replace("r c g=1u", head)).pins == PINS


def test_unknown_pin_is_named_with_the_known_ones(tmp_path: Path) -> None:
    odd = Model(write(tmp_path, CELL), "memory", ("row", "gate"))
    with pytest.raises(InputError, match=r"model\.lib: pin 'gate' is unknown, the known ones are row, column"):
        odd.nodes(row="a", column="b")
    assert Model(write(tmp_path, CELL), "memory", ("column", "row")).nodes(row="a", column="b") == "b a"


@pytest.mark.parametrize("line", PROGRAMS.values(), ids=PROGRAMS)
def test_lines_that_ngspice_would_run_are_refused_by_number(tmp_path: Path, line: str) -> None:
    write(tmp_path, CELL, "outside.lib")
    inside = tmp_path / "inside"
    with pytest.raises(InputError, match=r"inside/model\.lib line 4 .*trust=True"):
        model(inside, CELL + line + "\n")


def test_trust_lets_commands_through(tmp_path: Path) -> None:
    for line in (".control\nshell true\n.endc", "shell true", "*#shell true"):
        assert line in model(tmp_path, f"{CELL}{line}\n", trust=True).text


@pytest.mark.parametrize("line", HARMLESS)
def test_words_that_run_nothing_are_let_through(tmp_path: Path, line: str) -> None:
    assert line in model(tmp_path, f"{CELL}{line}\n").text


def test_included_file_is_checked_too(tmp_path: Path) -> None:
    write(tmp_path, CELL + "shell true\n", "parts/inner.lib")
    with pytest.raises(InputError, match=r"inner\.lib line 4"):
        model(tmp_path, f".include parts/inner.lib\n{CELL.replace('memory', 'outer')}", "outer")


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link.lib").symlink_to(write(tmp_path, CELL, "outside.lib"))
    with pytest.raises(InputError, match="line 1"):
        model(tmp_path / "inside", ".include link.lib\n" + CELL)


@pytest.mark.ngspice
@pytest.mark.parametrize("word", [".include", ".INC", ".incl"])
def test_file_included_from_the_same_folder_is_found(tmp_path: Path, word: str) -> None:
    write(tmp_path, CELL.replace("memory", "inner"), "parts/inner.lib")
    outer = f"* the cell\n{word} 'parts/inner.lib'\n.subckt memory r c g=1u\nX1 r c inner g={{g}}\n.ends\n"
    solution = in_ngspice(with_cell(model(tmp_path, outer)))
    assert solution.status is Status.SETTLED
    np.testing.assert_allclose(solution.value, TRUTH, rtol=1e-5)


@pytest.mark.ngspice
@pytest.mark.parametrize("end", ["", "\n", "\n.end\n", "\n.END"])
def test_last_line_of_a_file_ends_no_netlist(tmp_path: Path, end: str) -> None:
    solution = in_ngspice(with_cell(model(tmp_path, CELL.rstrip() + end)))
    assert solution.status is Status.SETTLED, solution.stats.message
    np.testing.assert_allclose(solution.value, TRUTH, rtol=1e-5)


@pytest.mark.ngspice
def test_names_of_a_models_pins_mean_nothing(tmp_path: Path) -> None:
    # Many a vendor calls the inputs vp and vn, which are also words for the supply.
    pins, values = ("inp", "inn", "vp", "vn", "out"), []
    for inp, inn, vp, vn in (("p", "m", "a", "b"), ("vp", "vn", "vcc", "vee"), ("1", "2", "3", "4")):
        ports = f"{inp} {inn} {vp} {vn} out1"
        text = BUFFER.format(ports=ports, inp=inp, inn=inn) + f"* {vp} and {vn} are open\n"
        text = text.replace(".ends", f"Rs1 {vp} 0 1k\nRs2 {vn} 0 1k\n.ends")
        opamp = OpAmp(gain=1e6, model=Model(write(tmp_path, text), "macro", pins))
        values.append(in_ngspice(Hardware(opamp=opamp)).value)
    np.testing.assert_allclose(values, [TRUTH] * 3, rtol=1e-4)


@pytest.mark.ngspice
def test_model_that_ngspice_cannot_read_is_refused_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="undefined parameter"):
        in_ngspice(with_cell(model(tmp_path, CELL.replace("{1/g}", "{1/nowhere}"))))


def test_a_model_may_not_take_the_name_of_the_template(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.lib: \.subckt opamp is .* own op-amp"):
        model(tmp_path, CELL.replace("memory", "OpAmp"), "opamp")


@pytest.mark.ngspice
@pytest.mark.parametrize(("ports", "pins"), [("a b", ("row", "column")), ("b a", ("column", "row"))])
def test_cell_of_the_user(tmp_path: Path, ports: str, pins: tuple[str, str]) -> None:
    (tmp_path / "cell.lib").write_text(f".subckt own {ports} g=1u\nR1 a m {{0.25/g}}\nR2 m b {{0.75/g}}\n.ends\n")
    model = Model(str(tmp_path / "cell.lib"), "own", pins)
    own, ohmic = (replace(IDEAL, cell=RramCell(model=m)) for m in (model, None))
    value = in_ngspice(own).value
    assert error(value, in_ngspice(ohmic).value) < 1e-9
    assert error(value, TRUTH) < 1e-5


def macro(folder: Path, order: tuple[str, ...], supply: float) -> OpAmp:
    """The two-stage op-amp, its pins in the given order, as good as the built-in one of gain 1e6."""
    names = {"inp": "plus", "inn": "minus", "out": "exit", "vp": "pos", "vn": "neg"}
    c_pole = 1 / (2 * np.pi * 500e6)
    text = MACRO.format(ports=" ".join(names[pin] for pin in order), gain=1e6, c_pole=c_pole, tail=1800e6 * c_pole)
    (folder / "macro.lib").write_text(text)
    return OpAmp(gain=1e6, swing=supply, model=Model(str(folder / "macro.lib"), "twostage", order, supply))


ORDERS = [("inp", "inn", "vp", "vn", "out"), ("out", "vn", "inn", "vp", "inp")]


@pytest.mark.ngspice
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("signed", ["inverters", "compensation"])
def test_vendors_model_settles_like_the_built_in_op_amp(tmp_path: Path, order: tuple[str, ...], signed: str) -> None:
    hardware = replace(IDEAL, opamp=macro(tmp_path, order, supply=5.0), signed=signed)
    solution = in_ngspice(hardware)
    assert solution.status is Status.SETTLED, solution.stats.message
    built_in = replace(hardware, opamp=replace(hardware.opamp, model=None, swing=4.0))
    assert error(solution.value, in_ngspice(built_in).value) < 1e-5
    assert error(solution.value, run("nodal", hardware).value) < 1e-5


@pytest.mark.ngspice
@pytest.mark.parametrize("swing", [0.1, 4.0])
def test_vendors_model_on_a_small_supply_is_railed(tmp_path: Path, swing: float) -> None:
    # 10 V, 2.5, 0.6 and 0.16 V in turn are more than the rails of 0.1 V, whatever swing is named.
    opamp = replace(macro(tmp_path, ORDERS[0], supply=0.1), swing=swing)
    hardware = replace(IDEAL, opamp=opamp, v_max=10.0, signed="compensation")
    solution = in_ngspice(hardware)
    assert solution.status is Status.RAILED
    assert np.isnan(solution.value).all()
