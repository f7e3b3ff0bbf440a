"""The energy of a call from the waveforms of ngspice and from the nodal engine: two witnesses of the same circuit."""

from collections.abc import Iterator

import numpy as np
import pytest
from cases import Array

from circuits import Conditioning, Hardware, InputError, OpAmp, RramCell, Wires
from circuits.power import Supply
from cosim.analog import AnalogArray
from cosim.energy import Call, mean_call, nodal_call, spice_calls
from cosim.multiply import MultiplyArray
from cosim.pool import SpicePool

SUPPLY = Supply(volts=1.0, quiescent=1e-4)
HARDWARE = {
    "default": Hardware(),
    "wires": Hardware(wires=Wires(r_row=1.73, r_col=1.73)),
    "compensation": Hardware(signed="compensation"),
    "access": Hardware(cell=RramCell(access="resistor", r_on=2e3)),
    "imperfect": Hardware(opamp=OpAmp(r_out=50.0, offset=1e-3, bias=1e-8)),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[SpicePool]:
    with SpicePool(1) as opened:
        yield opened


def matrix(n: int) -> Array:
    return np.eye(n) + np.random.default_rng(n).uniform(-0.3, 0.3, (n, n))


def program(kind: str, n: int, hardware: Hardware) -> AnalogArray:
    if kind == "multiply":
        return MultiplyArray.of(matrix(n), hardware)
    return AnalogArray.program(matrix(n), hardware, Conditioning())


def parts(call: Call) -> Array:
    energy = call.flow.energy(SUPPLY)
    return np.array([energy.load, energy.outputs, energy.inputs, energy.quiescent, energy.total])


@pytest.mark.ngspice
@pytest.mark.parametrize("name", list(HARDWARE))
@pytest.mark.parametrize(("kind", "n"), [("solve", 1), ("solve", 2), ("solve", 8), ("multiply", 5)])
def test_ngspice_and_the_nodal_engine_agree_within_a_hundredth(pool: SpicePool, name: str, kind: str, n: int) -> None:
    rhs = np.random.default_rng(1).standard_normal((n, 2))
    hardware = HARDWARE[name]
    spice = spice_calls(program(kind, n, hardware), rhs, pool)
    for j, call in enumerate(spice):
        nodal = nodal_call(program(kind, n, hardware.linear()), rhs[:, j])
        assert call.settling_time == pytest.approx(nodal.settling_time, rel=0.01)
        assert parts(call) == pytest.approx(parts(nodal), rel=0.01)


@pytest.mark.ngspice
def test_over_the_same_time_they_agree_far_closer(pool: SpicePool) -> None:
    rhs, array = np.array([0.3, -1.0, 0.6, 0.1]), program("solve", 4, Hardware().linear())
    nodal = nodal_call(array, rhs, until=8e-9)
    (spice,) = spice_calls(array, rhs[:, None], pool, until=8e-9)
    assert parts(spice) == pytest.approx(parts(nodal), rel=2e-4)


@pytest.mark.ngspice
def test_a_call_at_the_rail_has_no_energy(pool: SpicePool) -> None:
    array = program("solve", 2, Hardware(opamp=OpAmp(swing=0.05)))
    with pytest.raises(InputError, match="RAILED"):
        spice_calls(array, np.ones((2, 1)), pool)


def test_quiescent_power_grows_with_the_supply_and_the_time() -> None:
    array, rhs = program("solve", 3, Hardware().linear()), np.ones(3)
    call = nodal_call(array, rhs, until=1e-8)
    # Three row amplifiers and three inverters, 1 V to either side, 0.1 mA.
    energy = call.flow.energy(SUPPLY)
    assert energy.quiescent == pytest.approx(6 * 2 * 1e-4 * 1e-8)
    twice = call.flow.energy(Supply(2.0, 1e-4))
    assert twice.total == pytest.approx(2 * energy.total)
    assert twice.load == energy.load


def test_the_load_takes_no_more_than_is_drawn() -> None:
    energy = nodal_call(program("solve", 6, Hardware().linear()), np.arange(1.0, 7.0)).flow.energy(SUPPLY)
    assert 0 < energy.load < energy.outputs + energy.inputs


def test_the_average_call_has_the_average_parts() -> None:
    array = program("solve", 2, Hardware().linear())
    calls = [nodal_call(array, rhs) for rhs in np.eye(2)]
    assert parts(mean_call(calls)) == pytest.approx((parts(calls[0]) + parts(calls[1])) / 2)
    with pytest.raises(InputError, match="no calls"):
        mean_call([])


def test_what_cannot_be_integrated_is_refused() -> None:
    with pytest.raises(InputError, match="linear"):
        nodal_call(program("solve", 2, Hardware()), np.ones(2))
    bent = program("solve", 2, Hardware(cell=RramCell(v_sinh=0.25)))
    with pytest.raises(InputError, match="no resistor"):
        spice_calls(bent, np.ones((2, 1)), executor=None)  # type: ignore[arg-type]
    unstable = AnalogArray.program(-np.eye(2), Hardware().linear(), Conditioning.off())
    with pytest.raises(InputError, match="unstable"):
        nodal_call(unstable, np.ones(2))
