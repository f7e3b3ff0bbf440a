"""Wired arrays as whole circuits: segments against their port reduction, and lines that store charge."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from cases import Array, relative_error

from circuits import (
    Conditioning,
    Hardware,
    InputError,
    InverseCircuit,
    LinearCircuit,
    Netlist,
    OpAmp,
    RramCell,
    Stimulus,
    Wires,
    encode,
)
from circuits.stimulus import ACCURACIES
from cosim import Status, open_backend
from cosim.job import Job, run_waveforms
from cosim.pool import SpicePool
from cosim.settle import Limits

PLAIN = Hardware(opamp=OpAmp(gain=1e5, gbw=5e8).linear())
"""Linear op-amps without limits, erased cells of 0.5 uS."""
SIGNED = ("inverters", "compensation")
LINES = {
    "both": Wires(r_row=40.0, r_col=25.0),
    "rows": Wires(r_row=40.0),
    "columns": Wires(r_col=40.0),
    "both sides": Wires(r_row=40.0, r_col=25.0, both_sides=True),
    "rows from both sides": Wires(r_row=40.0, both_sides=True),
    "columns from both sides": Wires(r_col=40.0, both_sides=True),
}
STORING = {
    "lines": Wires(r_row=400.0, r_col=250.0, c_row=20e-15, c_col=30e-15),
    "rows": Wires(r_row=400.0, c_row=50e-15),
    "columns from both sides": Wires(r_col=400.0, c_col=50e-15, both_sides=True),
    "ideal lines": Wires(c_row=50e-15),
}
PERIOD, RISE = 60e-9, 2e-9


@pytest.fixture(scope="module")
def pool() -> Iterator[SpicePool]:
    opened = SpicePool(workers=1)
    yield opened
    opened.close()


def matrix_of(n: int) -> Array:
    """Diagonal enough to settle quickly, all signs, not symmetric."""
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, n)) / np.sqrt(n) / 2 + np.diag(rng.uniform(1, 2, n))


def netlist_of(n: int, hardware: Hardware) -> Netlist:
    return InverseCircuit(encode(matrix_of(n), hardware.cell), hardware).netlist()


def stimulus_of(n: int, accuracy: str = "tight") -> Stimulus:
    volts = np.random.default_rng(1).uniform(-0.1, 0.1, (n, 2))
    return Stimulus(volts, PERIOD, RISE, ACCURACIES[accuracy])


def waves(n: int, hardware: Hardware, times: Array) -> Array:
    """(n, times) [V] by the nodal engine."""
    netlist = netlist_of(n, hardware)
    return LinearCircuit.read(netlist.deck(stimulus_of(n))).waveform(list(netlist.outputs), times)


def in_ngspice(pool: SpicePool, n: int, hardware: Hardware) -> tuple[Array, Array]:
    """Times [s] and (n, times) [V] by ngspice."""
    netlist, stimulus = netlist_of(n, hardware), stimulus_of(n)
    job = Job(netlist.deck(stimulus), netlist.outputs, stimulus.ends, Limits(1e-5))
    (found,) = pool.map(run_waveforms, [job])
    return found.times, found.volts


def drawn(hardware: Hardware, wires: Wires, reduce: str, signed: str = "inverters") -> Hardware:
    return replace(hardware, wires=replace(wires, reduce=reduce), signed=signed)


@pytest.mark.parametrize("wires", LINES.values(), ids=LINES)
@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_reduction_changes_no_waveform(n: int, signed: str, wires: Wires) -> None:
    times = np.linspace(0, 2 * PERIOD, 181)
    segments, reduced = (waves(n, drawn(PLAIN, wires, reduce, signed), times) for reduce in ("never", "always"))
    assert np.abs(segments).max() > 0.02
    np.testing.assert_allclose(reduced, segments, atol=1e-9 * np.abs(segments).max())


@pytest.mark.parametrize("signed", SIGNED)
def test_reduction_takes_access_transistors_along(signed: str) -> None:
    hardware = replace(PLAIN, cell=RramCell(access="resistor", r_on=5e3))
    times = np.linspace(0, 2 * PERIOD, 61)
    volts = [waves(5, drawn(hardware, LINES["both"], reduce, signed), times) for reduce in ("never", "always", "auto")]
    np.testing.assert_allclose(volts[1], volts[0], atol=1e-9 * np.abs(volts[0]).max())
    np.testing.assert_array_equal(volts[2], volts[1])


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("n", "signed", "wires"),
    [
        (3, "inverters", "rows"),
        (4, "compensation", "both sides"),
        (4, "inverters", "columns"),
        (12, "inverters", "both"),
    ],
)
def test_reduction_changes_no_waveform_of_ngspice(pool: SpicePool, n: int, signed: str, wires: str) -> None:
    (times, segments), (others, reduced) = (
        in_ngspice(pool, n, drawn(PLAIN, LINES[wires], reduce, signed)) for reduce in ("never", "always")
    )
    for at, volts in ((times, segments), (others, reduced)):
        expected = waves(n, drawn(PLAIN, LINES[wires], "never", signed), at)
        np.testing.assert_allclose(volts, expected, atol=1e-6 * np.abs(expected).max())


def test_texts_say_what_is_drawn() -> None:
    n, both = 5, LINES["both"]
    segments = netlist_of(n, drawn(PLAIN, both, "never")).circuit
    assert segments.count("\nRwrp") == segments.count("\nRwcp") == segments.count("\nRwrn") == n * n
    tied = netlist_of(n, drawn(PLAIN, LINES["both sides"], "never")).circuit
    assert tied.count("\nRw") == segments.count("\nRw") + 4 * n
    for one, other in (("rows", "c"), ("columns", "r")):
        assert f"\nRw{other}" not in netlist_of(n, drawn(PLAIN, LINES[one], "never")).circuit
    assert netlist_of(n, drawn(PLAIN, both, "auto")) == netlist_of(n, drawn(PLAIN, both, "always"))
    assert "\nRw" not in netlist_of(n, drawn(PLAIN, both, "always")).circuit


@pytest.mark.parametrize("part", ["row", "column"])
def test_wired_compensation_by_hand(part: str) -> None:
    # One cell, one segment: G in series with R, and the other input balanced with g_in + G / (1 + G R).
    wires = Wires(r_row=2e4) if part == "row" else Wires(r_col=2e4)
    hardware = replace(Hardware.preset("ideal"), wires=wires, signed="compensation")
    with open_backend("nodal", hardware=hardware, conditioning=Conditioning.off()) as backend:
        assert backend.program([[1.0]]).solve([1.0]).value[0] == pytest.approx(1 + 35e-6 * 2e4, rel=1e-6)
    for reduce in ("never", "always"):
        text = InverseCircuit(
            encode(np.eye(1), hardware.cell), drawn(hardware, wires, reduce, "compensation")
        ).netlist()
        (balance,) = [line.split() for line in text.circuit.splitlines() if line.startswith("Rbal")]
        assert 1 / float(balance[3]) == pytest.approx(35e-6 + 35e-6 / 1.7, rel=1e-9)


@pytest.mark.parametrize("signed", SIGNED)
def test_wires_cost_what_facts_say(signed: str) -> None:
    # 1.73 ohm and a condition number of 8 at n = 32: some tenths of a percent, growing with the size.
    errors = []
    for n in (8, 32):
        matrix = matrix_of(n)
        hardware = replace(Hardware.preset("ideal"), wires=Wires(r_row=1.73, r_col=1.73), signed=signed)
        with open_backend("nodal", hardware=hardware, conditioning=Conditioning.off()) as backend:
            value = backend.program(matrix).solve(np.eye(n)).value
        errors.append(relative_error(value, np.linalg.inv(matrix)))
    assert 1e-5 < errors[0] < errors[1] < 2e-2


# Lines that store charge


def test_ideal_line_is_one_capacitor_at_its_port() -> None:
    # Rows of two arrays with n cells each: 2 n c at the row. Drivers are ideal, so a column's charge comes at once.
    n, c = 4, 40e-15
    lumped = netlist_of(n, PLAIN)
    extra = "".join(f"Clump{i} row{i} 0 {2 * n * c}\n" for i in range(1, n + 1))
    times, stimulus = np.linspace(0, 2 * PERIOD, 101), stimulus_of(n)
    lumped = replace(lumped, circuit=lumped.circuit + "\n" + extra)
    expected = LinearCircuit.read(lumped.deck(stimulus)).waveform(list(lumped.outputs), times)
    found = waves(n, replace(PLAIN, wires=Wires(c_row=c, c_col=3 * c)), times)
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
    assert np.abs(found - waves(n, PLAIN, times)).max() > 1e-3 * np.abs(found).max()


def test_poles_of_one_cell_by_hand() -> None:
    # Row: c r' + 2 G r = G (v_in + v); op-amp: v' = -w_u r - w_p v. Its capacitor is c, or 2 c with a negative array.
    g, c, w_u = 35e-6, 100e-15, 2 * np.pi * 5e8
    cell = RramCell(g_min=0.0)
    hardware = replace(PLAIN, cell=cell, opamp=OpAmp(gain=1e5, gbw=5e8).linear(), wires=Wires(c_row=c))
    for signed, lines in (("inverters", 2), ("compensation", 1)):
        netlist = InverseCircuit(encode(np.eye(1), cell), replace(hardware, signed=signed)).netlist()
        circuit = LinearCircuit.read(netlist.deck(stimulus_of(1)))
        expected = np.linalg.eigvals([[-2 * g / (lines * c), g / (lines * c)], [-w_u, -w_u / 1e5]])
        for pole in expected:
            assert np.abs(circuit.eigenvalues - pole).min() < 1e-6 * abs(pole)
        assert circuit.stable


def test_reduction_of_lines_that_store_charge_is_refused() -> None:
    with pytest.raises(InputError, match=r"reduce = 'always' needs lines without capacitance.*'auto' or 'never'"):
        Wires(r_row=1.0, c_col=1e-15, reduce="always")
    wires = STORING["lines"]
    auto, never = (netlist_of(3, drawn(PLAIN, wires, reduce)) for reduce in ("auto", "never"))
    assert auto == never
    assert auto.circuit.count("\nCwr") == auto.circuit.count("\nCwc") == 2 * 9


def test_reduction_of_cells_that_are_not_linear_is_refused() -> None:
    cell = RramCell(v_sinh=0.25)
    with pytest.raises(InputError, match="'always' needs linear cells"):
        netlist_of(2, drawn(replace(PLAIN, cell=cell), LINES["both"], "always"))
    assert "\nRwr" in netlist_of(2, drawn(replace(PLAIN, cell=cell), LINES["both"], "auto")).circuit


@pytest.mark.ngspice
@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("wires", STORING.values(), ids=STORING)
def test_lines_that_store_charge_in_both_engines(pool: SpicePool, wires: Wires, signed: str) -> None:
    hardware = replace(PLAIN, wires=wires, signed=signed)
    times, volts = in_ngspice(pool, 3, hardware)
    expected = waves(3, hardware, times)
    np.testing.assert_allclose(volts, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.ngspice
def test_capacitance_leaves_settled_values_as_they_are() -> None:
    values = []
    for wires in (LINES["both"], replace(LINES["both"], c_row=1e-15, c_col=1e-15)):
        with open_backend("spice", hardware=replace(Hardware(), wires=wires), workers=1) as backend:
            solution = backend.program(matrix_of(4)).solve(np.ones(4))
        assert solution.status is Status.SETTLED
        values.append(solution.value)
    np.testing.assert_allclose(values[1], values[0], rtol=1e-5)
