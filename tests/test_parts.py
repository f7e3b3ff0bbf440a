"""Every part of a circuit against what it does on paper, in both engines."""

import re
from dataclasses import replace

import numpy as np
import pytest
from cases import Array, random_spd, relative_error

from circuits import (
    Conditioning,
    Hardware,
    InputError,
    InverseCircuit,
    LinearCircuit,
    OpAmp,
    RramCell,
    Stimulus,
    encode,
)
from circuits.deck import Deck
from circuits.stimulus import ACCURACIES
from cosim import Solution, Status, open_backend
from cosim.job import Job, run_waveforms
from cosim.pool import SpicePool
from cosim.settle import Limits, settling_time

IDEAL = Hardware.preset("ideal")
ASYMMETRIC = np.array([[2.0, -0.7, 0.4], [0.5, 1.0, -0.3], [-0.2, 0.6, 1.5]])
RHS = np.array([[1.0, 0.3], [-2.0, 0.5], [0.5, -1.0]])
SIGNED = ("inverters", "compensation")


def solve(name: str, hardware: Hardware, matrix: object, rhs: object) -> Solution:
    options = {"workers": 1} if name == "spice" else {}
    with open_backend(name, hardware=hardware, conditioning=Conditioning.off(), **options) as backend:
        return backend.program(matrix).solve(rhs, throw=False)


def text_of(matrix: Array, hardware: Hardware) -> str:
    netlist = InverseCircuit(encode(matrix, hardware.cell), hardware).netlist()
    return netlist.deck(Stimulus(np.zeros((len(matrix), 1)), 1e-6, 1e-9))


def settled(matrix: Array, hardware: Hardware, v_in: Array) -> Array:
    """Output volts of the nodal engine, the offsets included."""
    circuit, names = LinearCircuit.read(text_of(matrix, hardware)), range(1, len(matrix) + 1)
    outputs = [f"out{i}" for i in names]
    gain = circuit.transfer([f"vin{i}" for i in names], outputs)
    return gain @ v_in + circuit.settled(outputs)


# Cells


@pytest.mark.parametrize("signed", SIGNED)
def test_on_resistance_adds_to_the_cell(signed: str) -> None:
    cell = RramCell(g_min=0.5e-6, access="resistor", r_on=5e3)
    hardware, matrix = replace(IDEAL, cell=cell, signed=signed), ASYMMETRIC[:2, :2]
    c = encode(matrix, cell)
    seen_positive, seen_negative = (g / (1 + g * 5e3) for g in (c.positive, c.negative))
    # 35 uS and 5 kohm make 35 / 1.175 = 29.8 uS: far from nothing.
    assert seen_positive.max() == pytest.approx(35e-6 / 1.175)
    expected = np.linalg.solve((seen_positive - seen_negative) / c.unit, RHS[:2])
    assert relative_error(solve("nodal", hardware, matrix, RHS[:2]).value, expected) < 1e-6


@pytest.mark.parametrize("signed", SIGNED)
def test_without_access_transistor_its_resistance_means_nothing(signed: str) -> None:
    plain, with_value = (replace(IDEAL, cell=RramCell(r_on=r), signed=signed) for r in (0.0, 5e3))
    assert text_of(ASYMMETRIC, plain) == text_of(ASYMMETRIC, with_value)


@pytest.mark.ngspice
def test_transistor_is_its_on_resistance_at_low_voltage() -> None:
    errors = []
    for v_max in (0.02, 0.002):
        hardware = replace(IDEAL, cell=RramCell(access="mos", r_on=5e3), v_max=v_max)
        linear = solve("nodal", hardware, ASYMMETRIC, RHS)
        np.testing.assert_array_equal(linear.value, solve("nodal", hardware.linear(), ASYMMETRIC, RHS).value)
        errors.append(relative_error(solve("spice", hardware, ASYMMETRIC, RHS).value, linear.value))
    # Level 1: I = kp ((v_gate - vto) v - v^2 / 2), so what it departs by is in proportion to the voltage.
    assert 1e-5 < errors[1] < 1e-3
    assert errors[0] == pytest.approx(10 * errors[1], rel=0.3)


def test_nodal_engine_refuses_a_transistor() -> None:
    hardware = replace(IDEAL, cell=RramCell(access="mos", r_on=5e3))
    with pytest.raises(InputError, match=r"transistor is not linear|device model is not linear"):
        LinearCircuit.read(text_of(ASYMMETRIC, hardware))
    without_model = re.sub(r"(?m)^\.model.*\n", "", text_of(ASYMMETRIC, hardware))
    with pytest.raises(InputError, match=r"line \d+ \('mp1_1 .*on-resistance"):
        LinearCircuit.read(without_model)


@pytest.mark.ngspice
@pytest.mark.parametrize("v_0", [0.1, 0.25])
def test_sinh_cell_settles_to_asinh(v_0: float) -> None:
    # 0 = g_in v_in + G V0 sinh(v / V0), with G = g_in for one cell: v = -V0 asinh(v_in / V0).
    hardware = replace(IDEAL, cell=RramCell(g_min=0.0, v_sinh=v_0), v_max=0.2)
    value = solve("spice", hardware, [[1.0]], [1.0]).value[0]
    assert 0.2 * value == pytest.approx(v_0 * np.arcsinh(0.2 / v_0), rel=1e-5)
    with pytest.raises(InputError, match="line"):
        LinearCircuit.read(text_of(np.eye(1), hardware))


@pytest.mark.ngspice
def test_sinh_cell_is_ohmic_at_small_voltages() -> None:
    # sinh x = x (1 + x^2 / 6): 3e-6 at a 250th of V0.
    hardware = replace(IDEAL, cell=RramCell(g_min=0.0, v_sinh=0.25), v_max=1e-3)
    truth = np.linalg.solve(ASYMMETRIC, RHS)
    assert relative_error(solve("spice", hardware, ASYMMETRIC, RHS).value, truth) < 2e-5
    assert relative_error(solve("spice", replace(hardware, v_max=0.2), ASYMMETRIC, RHS).value, truth) > 1e-2


# Op-amps


@pytest.mark.parametrize("signed", SIGNED)
def test_bias_current(signed: str) -> None:
    bias, hardware = 2e-9, replace(IDEAL, signed=signed)
    hardware = replace(hardware, opamp=replace(IDEAL.opamp, bias=bias, gain=1e11))
    c, v_in = encode(ASYMMETRIC, hardware.cell), np.array([0.1, 0.05, -0.1])
    # Inverters: row i gives I_b to its op-amp, and inv = I_b / g_in - out drives Gn.
    # Compensation: both inputs take I_b from equal conductances, and nothing is left of it.
    error = bias * (1 - c.negative.sum(axis=1) / c.g_in) if signed == "inverters" else 0.0
    expected = np.linalg.solve(c.positive - c.negative, error - c.g_in * v_in)
    np.testing.assert_allclose(settled(ASYMMETRIC, hardware, v_in), expected, rtol=1e-6)


@pytest.mark.parametrize("signed", SIGNED)
def test_offsets(signed: str) -> None:
    opamp = replace(IDEAL.opamp, offset=1e-3, gain=1e11)
    hardware = replace(IDEAL, opamp=opamp, signed=signed, seed=4)
    drawn = {s.name: s.values[0] for s in Deck.read(text_of(ASYMMETRIC, hardware)).voltages}
    rows = np.array([drawn[f"vos{i}"] for i in (1, 2, 3)])
    c = encode(ASYMMETRIC, hardware.cell)
    plus, minus = c.positive.sum(axis=1) + c.g_in, c.negative.sum(axis=1)
    if signed == "inverters":
        columns = np.array([drawn[f"vosi{i}"] for i in (1, 2, 3)])  # inv = 2 v_os - out
        error = (plus + minus) * rows - 2 * c.negative @ columns
    else:
        assert not any(name.startswith("vosi") for name in drawn)
        error = np.maximum(plus, minus) * rows  # what either input sees, once balanced
    expected = np.linalg.solve(c.positive - c.negative, error)
    np.testing.assert_allclose(settled(ASYMMETRIC, hardware, np.zeros(3)), expected, rtol=1e-6)


@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("matrix", [ASYMMETRIC, random_spd(5, 20.0, seed=2).matrix], ids=["asymmetric", "spd"])
def test_output_resistance_is_inside_the_loop(matrix: Array, signed: str) -> None:
    hardware = replace(IDEAL, signed=signed, opamp=OpAmp(gain=1e9, r_out=1e3).linear())
    rhs = np.eye(len(matrix))
    assert relative_error(solve("nodal", hardware, matrix, rhs).value, np.linalg.inv(matrix)) < 1e-5


@pytest.mark.parametrize("r_out", [0.0, 2e4])
@pytest.mark.parametrize("gain", [10.0, 1e3])
def test_finite_gain_and_output_resistance_by_hand(r_out: float, gain: float) -> None:
    # One cell G = g_in: row = (v_in + v) / 2, and G R_o (v - row) stays behind: -A0 row - v = G R_o (v - v_in) / 2.
    hardware = replace(IDEAL, signed="compensation", opamp=OpAmp(gain=gain, r_out=r_out).linear())
    k = hardware.cell.g_max * r_out
    expected = -(gain - k) / (gain + 2 + k) * 0.2
    assert settled(np.eye(1), hardware, np.array([0.2]))[0] == pytest.approx(expected, rel=1e-9)
    # With an inverter the output drives the inverter's resistor too, up to its summing node at (v + inv) / 2.
    out = replace(hardware, signed="inverters")
    inverted = (gain - k) / (gain + 2 + k)
    load = k * (1 + inverted) / 2  # G R_o (v - sum) / v, with inv = -inverted v
    expected = -0.2 * (gain / 2 - k / 2) / (gain / 2 + 1 + k / 2 + load)
    assert settled(np.eye(1), out, np.array([0.2]))[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.ngspice
@pytest.mark.parametrize("slew", [1e6, 4e6])
def test_slew_limit_takes_volts_over_slew_rate(slew: float) -> None:
    hardware = replace(IDEAL, opamp=OpAmp(gain=1e9, slew=slew, swing=np.inf), v_max=0.2)
    solution = solve("spice", hardware, [[1.0]], [1.0])
    assert solution.value[0] == pytest.approx(1, rel=1e-5)
    netlist = InverseCircuit(encode(np.eye(1), hardware.cell), hardware).netlist()
    stimulus = Stimulus(np.full((1, 1), 0.2), 0.5 / slew, 1e-10, ACCURACIES["tight"])
    pool = SpicePool(workers=1)
    (waves,) = pool.map(run_waveforms, [Job(netlist.deck(stimulus), netlist.outputs, stimulus.ends, Limits(1e-5))])
    pool.close()
    # From 10 to 90 %: the ends, where the current into C1 is not yet or no more at its limit, are left out.
    begin, end = np.interp([0.02, 0.18], -waves.volts[0], waves.times)
    assert end - begin == pytest.approx(0.16 / slew, rel=1e-3)
    # All of it: the last 2 SR / w_u of the way are linear, some time constants 2 / w_u of 0.6 ns.
    assert settling_time(waves.times, waves.volts, 1e-3) == pytest.approx(0.2 / slew, abs=2e-9)
    # The backend's own figure has the resolution of the solve's few time points.
    assert solution.stats.settling_time[0] == pytest.approx(0.2 / slew, rel=0.2)


@pytest.mark.ngspice
def test_swing_bends_what_drives_the_output_and_not_the_output() -> None:
    # Inside its swing the output is v all the same, since x = V_s atanh(v / V_s) drives it: the loop corrects it.
    hardware = replace(IDEAL, opamp=OpAmp(gain=1e9, slew=np.inf, swing=0.5), v_max=0.2)
    assert solve("spice", hardware, [[1.0]], [1.0]).value[0] == pytest.approx(1, rel=1e-5)
    # A gain of 100 does not: v = -V_s tanh(A0 (v_in + v) / (2 V_s)).
    poor = replace(hardware, opamp=OpAmp(gain=100.0, slew=np.inf, swing=0.5))
    v = -0.2 * solve("spice", poor, [[1.0]], [1.0]).value[0]
    assert v == pytest.approx(-0.5 * np.tanh(100 * (0.2 + v) / 2 / 0.5), rel=1e-3)


# Signs by compensation


@pytest.mark.parametrize("matrix", [ASYMMETRIC, random_spd(8, 30.0, seed=5).matrix], ids=["asymmetric", "spd"])
def test_compensation_gives_the_answer_of_inverters(matrix: Array) -> None:
    rhs = np.random.default_rng(0).normal(size=(len(matrix), 3))
    both = [solve("nodal", replace(IDEAL, signed=signed), matrix, rhs) for signed in SIGNED]
    for solution in both:
        assert solution.status is Status.SETTLED
        assert relative_error(solution.value, np.linalg.solve(matrix, rhs)) < 1e-6
    times = [float(solution.stats.settling_time.max()) for solution in both]
    assert times[1] <= times[0] * 1.001


@pytest.mark.ngspice
def test_compensation_in_ngspice() -> None:
    solution = solve("spice", replace(Hardware(), signed="compensation"), ASYMMETRIC, RHS)
    assert relative_error(solution.value, np.linalg.solve(ASYMMETRIC, RHS)) < 2e-3


@pytest.mark.parametrize("n", [1, 4])
def test_compensation_needs_half_the_op_amps(n: int) -> None:
    texts = [text_of(np.eye(n), replace(IDEAL, signed=signed)) for signed in SIGNED]
    assert [len(re.findall(r"(?m)^X.* opamp$", text)) for text in texts] == [2 * n, n]


def test_balance_by_hand() -> None:
    # Spans of 10 uS. Row 1: plus 10 + 10 and minus 0, ref1 lacks 20 uS. Row 2: plus 10 + 5, minus 10: 5 uS.
    hardware = replace(IDEAL, cell=RramCell(g_min=0.0, g_max=10e-6), signed="compensation")
    lines = re.findall(r"(?m)^Rbal\d+ (\w+) 0 (\S+)$", text_of(np.array([[2.0, 0.0], [-2.0, 1.0]]), hardware))
    assert [(node, pytest.approx(float(ohms))) for node, ohms in lines] == [("ref1", 5e4), ("ref2", 2e5)]
    # Minus 10 + 10 against plus 10 + 5 in row 2: 5 uS from the row; row 1 has 20 against 20 and needs none.
    matrix = np.array([[2.0, -2.0, -2.0], [-2.0, 1.0, -2.0], [0.0, 0.0, 2.0]])
    lines = re.findall(r"(?m)^Rbal\d+ (\w+) 0 (\S+)$", text_of(matrix, hardware))
    assert [(node, float(ohms)) for node, ohms in lines] == [("row2", pytest.approx(2e5)), ("ref3", pytest.approx(5e4))]
