"""An inspection as data: what stands in it against closed forms, both engines and the stored values of a run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import Array
from test_replay import HARDWARE, write_run

from circuits import Conditioning, Hardware, InputError, OpAmp, RramCell, Wires
from cosim import Status
from cosim.inspection import CONTINUOUS
from cosim.inspector import inspect_inverse, inspect_multiply
from training.calls import CallStore
from training.inspect_call import inspect_call

MATRIX = np.array([[2.0, -0.5], [0.25, 1.0]])
RHS = np.array([[1.0, 0.0], [2.0, -1.0]])
GBW = 100e6
ONE = Hardware(cell=RramCell(g_min=0.0), opamp=OpAmp(gain=1e9, gbw=GBW).linear())
"""Of a 1 x 1 matrix, its pole is known by hand."""


def test_the_pole_and_settling_time_of_one_by_one_are_those_by_hand() -> None:
    found = inspect_inverse([[3.0]], [1.0], ONE, conditioning=Conditioning.off())
    # Input and cell conduct alike, so the feedback factor is 1/2; the inverter stands apart, with 1/2 of its own.
    pole = -2 * np.pi * GBW / 2
    np.testing.assert_allclose(found.poles.eigenvalues, [pole, pole], rtol=1e-6)
    assert found.poles.margin == pytest.approx(-pole, rel=1e-6)
    tau, rise = 1 / -pole, 2 / GBW
    # After an edge of length r, what is missing is (tau / r) (e^(r / tau) - 1) e^(-t / tau).
    expected = tau * np.log(1e3 * tau / rise * np.expm1(rise / tau))
    assert found.traces.settling_times[0, 0] == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(found.answer.value, [[1 / 3]], rtol=1e-4)
    np.testing.assert_allclose(found.answer.inputs, [[0.2]])


def test_cells_are_the_matrix_and_their_lines_hold_their_resistance() -> None:
    found = inspect_inverse(MATRIX, RHS, conditioning=Conditioning.off())
    positive, negative = found.arrays
    unit = 34.5e-6 / 2
    np.testing.assert_allclose(positive.target - negative.target, MATRIX * unit, atol=1e-18)
    lines = found.netlist.text.splitlines()
    for array in found.arrays:
        assert (array.levels == CONTINUOUS).all()
        assert not array.stuck.any()
        for (i, j), siemens in np.ndenumerate(array.programmed):
            (number,) = array.lines[i][j]
            name, *_, ohms = lines[number - 1].split()
            assert name == f"R{array.name}{i + 1}_{j + 1}"
            assert float(ohms) == pytest.approx(1 / siemens, rel=1e-11)


def test_levels_and_stuck_cells_are_those_of_the_chip() -> None:
    chip = Hardware.preset("rram40")
    chip = replace(chip, programming=replace(chip.programming, sigma=0.0, stuck_on=0.1, stuck_off=0.2), seed=5)
    found = inspect_inverse(np.eye(12) + 0.05, None, chip, conditioning=Conditioning.off())
    for array in found.arrays:
        step = 34.5e-6 / 7
        np.testing.assert_allclose(array.target, 0.5e-6 + step * array.levels, rtol=1e-12)
        # Without any other error, what differs from its target is stuck, and where it ends up says how.
        moved = ~np.isclose(array.programmed, array.target, rtol=1e-9)
        assert (array.stuck[moved] != 0).all()
        np.testing.assert_allclose(array.programmed[array.stuck == 1], 35e-6)
        np.testing.assert_allclose(array.programmed[array.stuck == -1], 0.5e-6)
    shares = np.array([[(array.stuck == sign).mean() for sign in (1, -1)] for array in found.arrays]).mean(axis=0)
    np.testing.assert_allclose(shares, [0.1, 0.2], atol=0.06)


@pytest.mark.parametrize("reduce", ["auto", "never"])
def test_a_reduced_array_has_no_lines_of_cells_and_the_same_waveforms(reduce: str) -> None:
    wired = replace(Hardware(), wires=Wires(r_row=1.73, r_col=1.73, reduce=reduce))
    found, other = inspect_inverse(MATRIX, RHS, wired), inspect_inverse(MATRIX, RHS, Hardware())
    assert found.netlist.reduced is (reduce == "auto")
    assert bool(found.arrays[0].lines[0][0]) is (reduce == "never")
    np.testing.assert_allclose(found.answer.volts, other.answer.volts, rtol=1e-3)


def test_a_product_is_the_product() -> None:
    matrix = np.array([[1.0, -2.0, 0.5], [0.3, 0.4, -0.1]])
    vectors = np.array([[1.0, 0.0], [0.5, 1.0], [-1.0, 2.0]])
    found = inspect_multiply(matrix, vectors, Hardware.preset("ideal"))
    np.testing.assert_allclose(found.answer.value, matrix @ vectors, atol=1e-5)
    assert found.answer.statuses == (Status.SETTLED,) * 2
    assert found.subject.kind == "multiply"
    assert found.netlist.inputs == ("in1", "in2", "in3")


@pytest.mark.ngspice
def test_both_engines_agree_on_waveforms_and_settling_times() -> None:
    nodal, spice = (inspect_inverse(MATRIX, RHS, ONE, backend=name) for name in ("nodal", "spice"))
    for i in range(2):
        there = np.interp(spice.traces.times, nodal.traces.times, nodal.traces.volts[i])
        np.testing.assert_allclose(spice.traces.volts[i], there, atol=5e-3 * 0.2)
    np.testing.assert_allclose(spice.traces.settling_times, nodal.traces.settling_times, rtol=0.03)
    assert spice.answer.statuses == nodal.answer.statuses == (Status.SETTLED,) * 2


def test_an_unstable_circuit_is_told_by_its_poles_and_has_no_value() -> None:
    found = inspect_inverse([[0.0, 1.0], [1.0, 0.0]])
    assert not found.stable
    assert found.poles.eigenvalues.real.max() == pytest.approx(-found.poles.margin)
    assert found.answer.statuses == (Status.UNSTABLE,)
    assert np.isnan(found.answer.value).all()
    assert np.abs(found.traces.volts).max() > 10 * np.abs(found.traces.volts[:, 20]).max()


@pytest.mark.parametrize("matrix", [MATRIX, [[0.0, 1.0], [1.0, 0.0]]])
def test_json_has_finite_numbers_and_every_field(matrix: Array) -> None:
    found = inspect_inverse(matrix, None, Hardware(cell=RramCell(levels=8)))
    read = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert list(read) == ["format", "subject", "arrays", "netlist", "poles", "answer", "traces"]
    assert read["subject"]["hardware"]["cell"]["v_sinh"] is None  # infinite
    assert np.shape(read["arrays"][1]["levels"]) == (2, 2)
    assert np.shape(read["poles"]["eigenvalues"]) == (4, 2)
    assert read["netlist"]["templates"]["opamp.cir.j2"] == "netlist_templates/opamp.cir.j2"
    volts = np.array(read["answer"]["volts"], dtype=float)
    np.testing.assert_array_equal(volts, found.answer.volts)


@pytest.mark.parametrize("factor", ["A", "G"])
def test_a_call_of_a_run_gives_what_the_run_stored(tmp_path: Path, factor: str) -> None:
    run = write_run(tmp_path / "run", HARDWARE, "nodal")
    stored = CallStore(run / "inputs").find(5, "conv.1", factor)
    for column in (0, 3):
        found = inspect_call(run, 5, "conv.1", factor, column)
        # 1e-5 of each output is what a backend leaves of the decay; converters and noise are drawn alike.
        np.testing.assert_allclose(found.answer.value[:, 0], stored.value[:, column], rtol=1e-6, atol=1e-8)
        assert found.answer.rhs.shape == (len(stored.matrix), 1)
        assert (found.subject.write, found.subject.call) == (stored.write, stored.calls)


def rewrite(run: Path, **changes: object) -> None:
    path = run / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({}, (9, "conv.1", "A", 0), "Step 9 was not kept"),
        ({}, (1, "fc", "A", 0), "no layer 'fc' with factor 'A': it has conv.1/A, conv.1/G"),
        ({}, (1, "conv.1", "A", 4), "column = 4 is outside 0 to 3"),
        ({}, (1, "conv.1", "A", None), "choose one with --column"),
        ({"block_size": 2}, (1, "conv.1", "A", 0), "many circuits, on arrays of 2"),
        ({"max_array": 4}, (1, "conv.1", "A", 0), "many circuits, on arrays of 4"),
        ({"parts": {"cell": {"memory": 3}}}, (1, "conv.1", "A", 0), "not one of this version"),
        ({"parts": None}, (1, "conv.1", "A", 0), "not what a run writes"),
    ],
)
def test_what_a_run_does_not_have_is_named(
    tmp_path: Path, changes: dict[str, object], place: tuple[int, str, str, int], words: str
) -> None:
    run = write_run(tmp_path / "run", HARDWARE, "nodal")
    rewrite(run, **changes)
    with pytest.raises(InputError, match=words):
        inspect_call(run, *place)


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(InputError, match="nodal, spice"):
        inspect_inverse(MATRIX, backend="abacus")
