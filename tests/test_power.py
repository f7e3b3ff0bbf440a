"""Energy in closed form against hand calculation and against fine quadrature of the same waveforms."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cases import CASES, LINEAR
from scipy.integrate import simpson

from circuits import Conductances, Hardware, InputError, InverseCircuit, Netlist, RramCell, Stimulus, encode
from circuits.deck import Deck
from circuits.load import Load
from circuits.power import Flow, Supply
from circuits.powered import PoweredCircuit

V, R, WU = 0.1, 1e4, 2e9
ONE = f"""
.subckt opamp inp inn out
G1 0 x inp inn 1
R1 x 0 1e12
C1 x 0 {1 / WU}
E1 out 0 x 0 1
.ends opamp
Rin1 in1 row1 {R}
Rp1_1 row1 out1 {R}
Xop1 0 row1 out1 opamp
"""
"""An INV circuit of one cell and no negative array: v(out) = -V (1 - exp(-t / tau)), tau = 2 / WU."""


def powered(circuit: str, source: str) -> PoweredCircuit:
    netlist = Netlist(circuit, ("in1",), ("out1",))
    return PoweredCircuit(Deck.read(f"title\n{circuit}\nVin1 in1 0 {source}\n.end"), Load.of(netlist))


def test_one_cell_by_hand() -> None:
    circuit, tau, supply = powered(ONE, f"DC {V}"), 2 / WU, Supply(volts=1.5, quiescent=2e-4)
    for stop in (0.3 * tau, 7 * tau):
        # v(row) = V/2 e with e = exp(-t / tau), so i = (V - v(row)) / R = V/R (1 - e/2) goes through both resistors
        # and into the op-amp; they take (V - v(out)) i = 2 V^2/R (1 - e/2)^2.
        e = np.exp(-stop / tau)
        charge = V / R * (stop - tau / 2 * (1 - e))
        heat = 2 * V**2 / R * (stop - tau * (1 - e) + tau / 8 * (1 - e**2))
        energy = circuit.flow(stop).energy(supply)
        assert energy.load == pytest.approx(heat, rel=1e-9)
        assert energy.inputs == pytest.approx(1.5 * charge, rel=1e-9)
        assert energy.outputs == pytest.approx(1.5 * charge, rel=1e-9)
        assert energy.quiescent == pytest.approx(2 * 1.5 * 2e-4 * stop)
        assert energy.total == pytest.approx(1.5 * (2 * charge + 2 * 2e-4 * stop))


def test_steady_heat_is_power_times_time() -> None:
    circuit = powered(ONE, f"DC {V}")
    assert circuit.settled_power() == pytest.approx(2 * V**2 / R)
    late = circuit.flow(200 / WU, start=100 / WU)
    assert late.heat == pytest.approx(circuit.settled_power() * 100 / WU, rel=1e-9)


def test_charging_a_capacitor_takes_half_its_energy() -> None:
    circuit = powered("Rin1 in1 out1 1k\nC1 out1 0 1p", "DC 2")
    flow = circuit.flow(50e-9)
    assert flow.heat == pytest.approx(0.5 * 1e-12 * 2**2, rel=1e-9)
    assert flow.charge == pytest.approx([1e-12 * 2], rel=1e-9)


def test_a_ramp_heats_with_the_cube_of_the_time() -> None:
    circuit = powered("Rin1 in1 out1 1k\nRload out1 0 1k", "PWL(0 0 1u 2)")
    assert circuit.flow(1e-6).heat == pytest.approx(2**2 / 2e3 * 1e-6 / 3, rel=1e-12)


@pytest.mark.parametrize("name", ["identity", "rotation", "asymmetric3", "random_asymmetric"])
@pytest.mark.parametrize("signed", ["inverters", "compensation"])
def test_integrals_are_those_of_the_waveforms(name: str, signed: str) -> None:
    # The identity's row op-amps and inverters are alike: a mode without an eigenvector of its own.
    matrix = CASES[name].matrix
    netlist = InverseCircuit(encode(matrix, LINEAR.cell), replace(LINEAR, signed=signed)).netlist()
    volts = np.random.default_rng(0).uniform(-0.2, 0.2, (len(matrix), 2))
    text, load = netlist.deck(Stimulus(volts, period=4e-6, rise=1e-7)), Load.of(netlist)
    circuit = PoweredCircuit(Deck.read(text), load)
    edges, heat, charge = [0.0, 1e-7, 4e-6, 4.1e-6, 7e-6], 0.0, np.zeros(load.drive.shape[0])
    for start, end in pairwise(edges):
        times = np.linspace(start, end, 4001)
        nodes = circuit.waveform(list(load.nodes), times)
        heat += float(simpson(load.dissipation(nodes), x=times))
        charge += np.trapezoid(np.abs(load.drive @ nodes), times)
    flow = circuit.flow(7e-6)
    assert flow.heat == pytest.approx(heat, rel=1e-8)
    assert flow.charge == pytest.approx(charge, rel=1e-4, abs=1e-5 * charge.max())


def test_pieces_of_time_add_up() -> None:
    circuit = powered(ONE, f"PWL(0 0 1n {V})")
    whole, first, rest = circuit.flow(9e-9), circuit.flow(3e-9), circuit.flow(9e-9, start=3e-9)
    assert whole.heat == pytest.approx(first.heat + rest.heat, rel=1e-12)
    assert whole.charge == pytest.approx(first.charge + rest.charge, rel=1e-9)
    assert rest.duration == pytest.approx(6e-9)


def test_the_load_is_every_resistor_outside_the_op_amps() -> None:
    conductances = Conductances(np.array([[2e-5]]), np.array([[1e-5]]), unit=1.0, g_in=4e-5, g_shift=3e-5)
    load = Load.of(InverseCircuit(conductances, LINEAR).netlist())
    assert set(load.nodes) == {"in1", "row1", "out1", "sum1", "inv1"}
    assert [load.nodes[i] for i in load.outputs] == ["out1", "inv1"]
    volts = np.zeros((5, 1))
    volts[load.nodes.index("out1")] = 0.1
    # the positive cell, the shift and the inverter's resistor
    assert load.dissipation(volts)[0] == pytest.approx(0.1**2 * (2e-5 + 3e-5 + 4e-5))


def test_cells_that_are_no_resistors_are_refused() -> None:
    hardware = Hardware(cell=RramCell(v_sinh=0.25))
    with pytest.raises(InputError, match="no resistor"):
        Load.of(InverseCircuit(encode(np.eye(2), hardware.cell), hardware).netlist())


def test_an_unstable_circuit_is_refused() -> None:
    with pytest.raises(InputError, match="unstable"):
        powered(ONE.replace("Xop1 0 row1", "Xop1 row1 0"), "DC 1")


@pytest.mark.parametrize(("volts", "quiescent"), [(0.0, 1e-4), (1.0, -1e-4), (np.nan, 0.0)])
def test_a_supply_out_of_range_is_refused(volts: float, quiescent: float) -> None:
    with pytest.raises(InputError, match="Supply"):
        Supply(volts, quiescent)


def test_times_out_of_order_are_refused() -> None:
    with pytest.raises(InputError, match="stop"):
        powered(ONE, "DC 1").flow(1e-9, start=2e-9)


def test_no_time_takes_no_energy() -> None:
    flow = powered(ONE, "DC 1").flow(0.0)
    assert isinstance(flow, Flow)
    assert (flow.heat, flow.charge.sum(), flow.duration) == (0, 0, 0)
