"""The nodal engine against closed forms, on netlists that were written by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from cases import Array
from scipy.integrate import solve_ivp

from circuits import InputError, LinearCircuit

TAU = 1e-9
RC = "RC low pass, 1k and 1p: 1 ns\nV1 in 0 {}\nR1 in out 1k\nC1 out 0 1p\n"
OPAMP = """.subckt opamp inp inn out
G1 0 x inp inn 1
R1 x 0 {gain}
C1 x 0 {pole}
E1 out 0 x 0 1
.ends
"""
A0, WU = 50.0, 2e6


def opamp() -> str:
    """Gain A0, gain-bandwidth product WU [rad/s]."""
    return OPAMP.format(gain=A0, pole=1 / WU)


def read(body: str) -> LinearCircuit:
    return LinearCircuit.read("title\n" + body)


def volts(body: str, *nodes: str) -> list[float]:
    return read(body).settled(list(nodes)).tolist()


def ramp(times: Array) -> Array:
    """[s] answer of a low pass of time constant TAU to an input that rises by 1 V/s from time 0."""
    t = np.maximum(times, 0)
    return t - TAU * (1 - np.exp(-t / TAU))


def pwl(points: list[tuple[float, float]]) -> str:
    return "PWL(" + " ".join(f"{time!r} {value!r}" for time, value in points) + ")"


def test_divider() -> None:
    assert volts("V1 a 0 3\nR1 a b 1k\nR2 b 0 2k", "a", "b") == pytest.approx([3, 2])


def test_controlled_and_current_sources_have_spice_signs() -> None:
    # Current flows through a source from its first node to its second.
    body = "V1 a 0 2\nI1 0 i 1m\nRi i 0 1k\nI2 j 0 1m\nRj j 0 1k\nG1 0 g a 0 3m\nRg g 0 1k\nE1 e 0 i j 5"
    assert volts(body, "i", "j", "g", "e") == pytest.approx([1, -1, 6, 10])


def test_controlled_sources_between_floating_nodes() -> None:
    # 2 mS times (3 V - 1 V) from p to q through 1k and 2k; E stacks 10 V on q.
    body = "V1 a 0 3\nV2 b 0 1\nG1 p q a b 2m\nRp p 0 1k\nRq q 0 2k\nE1 s q a b 5"
    assert volts(body, "p", "q", "s") == pytest.approx([-4, 8, 18])


def test_transfer_takes_one_source_at_a_time() -> None:
    circuit = read("V1 a 0 7\nV2 b 0 9\nR1 a out 1k\nR2 b out 3k\nR3 out 0 1.5k")
    # Conductances 1, 1/3 and 2/3 mS
    np.testing.assert_allclose(circuit.transfer(["v2", "V1"], ["OUT", "a"]), [[1 / 6, 1 / 2], [0, 1]], atol=1e-15)
    assert circuit.settled(["out"]) == pytest.approx([9 / 6 + 7 / 2])


def test_unknown_names_are_refused() -> None:
    circuit = read("V1 a 0 1\nR1 a 0 1k")
    with pytest.raises(InputError, match="no source 'v2'"):
        circuit.transfer(["v2"], ["a"])
    for ask in (circuit.settled, lambda nodes: circuit.transfer(["v1"], nodes), lambda n: circuit.waveform(n, [0.0])):
        with pytest.raises(InputError, match="no node 'b'"):
            ask(["a", "b"])


def test_low_pass_steps() -> None:
    circuit, times = LinearCircuit.read(RC.format("DC 2")), np.array([0, 0.1, 1, 2.5, 30]) * TAU
    assert circuit.eigenvalues == pytest.approx([-1 / TAU])
    assert circuit.stable
    assert (circuit.margin, circuit.time_constant) == pytest.approx((1 / TAU, TAU))
    np.testing.assert_allclose(circuit.waveform(["out"], times)[0], 2 - 2 * np.exp(-times / TAU), atol=1e-14)


def test_low_pass_follows_a_ramp_for_ever() -> None:
    times = np.linspace(0, 20, 41) * TAU
    circuit = LinearCircuit.read(RC.format("PWL(0 0 1u 1000)"))
    np.testing.assert_allclose(circuit.waveform(["out"], times)[0], 1e9 * ramp(times), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(circuit.waveform(["in"], times)[0], 1e9 * times, rtol=1e-12)


def test_low_pass_under_many_edges() -> None:
    points = [(0, 0), (0.5e-9, 1), (3e-9, 1), (3.1e-9, -2), (3.2e-9, 0.5), (7e-9, 4), (7.5e-9, 4)]
    times = np.sort([*np.linspace(0, 12e-9, 77), *(time for time, _ in points)])
    slopes = np.append(np.diff([v for _, v in points]) / np.diff([t for t, _ in points]), 0)
    changes = np.diff(slopes, prepend=0)
    expected = sum(change * ramp(times - time) for change, (time, _) in zip(changes, points, strict=True))
    circuit = LinearCircuit.read(RC.format(pwl(points)))
    np.testing.assert_allclose(circuit.waveform(["out"], times)[0], expected, atol=1e-12)
    assert circuit.settled(["out"]) == pytest.approx([4])


def test_waveform_may_start_and_end_between_edges() -> None:
    circuit = LinearCircuit.read(RC.format("PWL(0 0 1n 1 2n 0)"))
    whole = circuit.waveform(["out"], np.linspace(0, 5e-9, 51))[0]
    for index in (0, 3, 10, 15, 40):
        assert circuit.waveform(["out"], np.linspace(0, 5e-9, 51)[index : index + 1])[0] == pytest.approx(
            whole[[index]]
        )


def test_resistors_follow_at_once() -> None:
    circuit = read("V1 a 0 PWL(0 0 1n 3)\nR1 a b 1k\nR2 b 0 2k")
    np.testing.assert_allclose(circuit.waveform(["b"], [0, 0.25e-9, 1e-9, 9e-9]), [[0, 0.5, 2, 2]])
    assert len(circuit.eigenvalues) == 0
    assert circuit.stable
    assert circuit.time_constant == 0


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 6])
def test_repeated_time_constants(stages: int) -> None:
    # Buffered equal stages: one eigenvector for all of them. Their step response is Erlang's distribution.
    lines = "".join(f"R{i} b{i} s{i} 1k\nC{i} s{i} 0 1p\nE{i} b{i + 1} 0 s{i} 0 1\n" for i in range(stages))
    times = np.linspace(0, 10, 21)
    expected, term = np.ones(len(times)), np.exp(-times)
    for m in range(stages):
        expected, term = expected - term, term * times / (m + 1)
    circuit = read("V1 b0 0 1\n" + lines)
    np.testing.assert_allclose(circuit.waveform([f"b{stages}"], times * TAU)[0], expected, atol=1e-8)


def test_equal_poles_side_by_side() -> None:
    circuit = read("V1 in 0 1\n" + "".join(f"R{i} in o{i} 1k\nC{i} o{i} 0 1p\n" for i in range(5)))
    assert circuit.eigenvalues == pytest.approx([-1 / TAU] * 5)
    times = np.linspace(0, 4, 9)
    np.testing.assert_allclose(
        circuit.waveform(["o0", "o4"], times * TAU), np.tile(1 - np.exp(-times), (2, 1)), atol=1e-13
    )


def test_resonance() -> None:
    # A gyrator turns C2 into an inductor: v'' + 2 s v' + w^2 v = w^2, s = g/2C, w^2 = gm^2/C^2 + ...
    g, gm, c = 1e-4, 1e-3, 1e-12
    circuit = read(f"I1 0 a {gm}\nC1 a 0 {c}\nRa a 0 {1 / g}\nG1 a 0 b 0 {gm}\nC2 b 0 {c}\nG2 0 b a 0 {gm}")
    decay, swing = g / (2 * c), np.sqrt((gm / c) ** 2 - (g / (2 * c)) ** 2)
    np.testing.assert_allclose(sorted(circuit.eigenvalues, key=np.imag), [-decay - 1j * swing, -decay + 1j * swing])
    times = np.linspace(0, 5 / decay, 60)
    expected = 1 - np.exp(-decay * times) * (np.cos(swing * times) + decay / swing * np.sin(swing * times))
    np.testing.assert_allclose(circuit.waveform(["b"], times)[0], expected, atol=1e-11)


def test_capacitors_in_a_loop_count_once() -> None:
    # C3 bridges the two: C = [[3, -1], [-1, 2]] pF on conductances of 1 mS
    circuit = read("R1 a 0 1k\nR2 b 0 1k\nC1 a 0 2p\nC2 b 0 1p\nC3 a b 1p\nC4 a 0 0")
    expected = -1 / np.linalg.eigvalsh([[3e-9, -1e-9], [-1e-9, 2e-9]])[::-1]
    np.testing.assert_allclose(circuit.eigenvalues, expected)


@pytest.mark.parametrize("seed", range(4))
def test_random_network_against_an_integrator(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 6
    g = np.triu(rng.uniform(0, 1e-3, (n, n)) * (rng.random((n, n)) < 0.5), 1)
    (ground, drive), capacitance = rng.uniform(1e-5, 1e-3, (2, n)), rng.uniform(1e-13, 1e-12, n)
    points = [(0.0, 0.0), (1e-9, 1.0), (4e-9, -1.0), (5e-9, 0.3)]
    lines = [f"V1 in 0 {pwl(points)}"]
    lines += [f"R{i}_{j} n{i} n{j} {1 / g[i, j]}" for i, j in np.argwhere(g)]
    for i in range(n):
        lines += [f"Rg{i} n{i} 0 {1 / ground[i]}", f"Rd{i} in n{i} {1 / drive[i]}", f"C{i} n{i} 0 {capacitance[i]}"]
    circuit = read("\n".join(lines))
    laplacian = np.diag((g + g.T).sum(axis=0) + ground + drive) - g - g.T

    def slope(t: float, v: Array) -> Array:
        return (drive * np.interp(t, *np.transpose(points)) - laplacian @ v) / capacitance

    times = np.linspace(0, 8e-9, 33)
    truth = solve_ivp(slope, (0, 8e-9), np.zeros(n), "Radau", times, rtol=1e-9, atol=1e-12, max_step=5e-11).y
    np.testing.assert_allclose(circuit.waveform([f"n{i}" for i in range(n)], times), truth, atol=1e-7)
    poles = -np.linalg.eigvals(laplacian / capacitance[:, None])
    np.testing.assert_allclose(np.sort(circuit.eigenvalues.real), np.sort(poles.real), rtol=1e-9)


@pytest.mark.parametrize("ratio", [0.1, 1, 7])
def test_inverting_amplifier(ratio: float) -> None:
    circuit = read(f"V1 in 0 1\nRa in m 1k\nRb m out {ratio * 1000}\nX1 0 m out opamp\n{opamp()}")
    assert circuit.transfer(["v1"], ["out"])[0, 0] == pytest.approx(-ratio / (1 + (1 + ratio) / A0), rel=1e-12)
    # The loop closes at wu times the feedback factor; the op-amp's own pole adds wu/A0.
    assert circuit.eigenvalues == pytest.approx([-WU * (1 / (1 + ratio) + 1 / A0)], rel=1e-12)


def test_follower_slews_towards_its_input_from_both_sides() -> None:
    for sign in (1, -1):
        circuit = read(f"V1 in 0 {sign}\nX1 in out out opamp\n{opamp()}")
        assert circuit.settled(["out"]) == pytest.approx([sign / (1 + 1 / A0)])
        assert circuit.eigenvalues == pytest.approx([-WU * (1 + 1 / A0)])


def test_unstable_loop_is_no_equilibrium() -> None:
    # A conductance of -3 mS beside 1 mS: 2 mS feed 1 pF.
    circuit = read("V1 in 0 1\nR1 in a 1k\nG1 0 a a 0 3m\nC1 a 0 1p")
    assert not circuit.stable
    assert circuit.margin == pytest.approx(-2e9)
    assert circuit.time_constant == np.inf
    times = np.array([0, 1e-10, 1e-9])
    np.testing.assert_allclose(circuit.waveform(["a"], times)[0], 0.5 * np.expm1(2e9 * times), rtol=1e-10, atol=1e-15)


def test_opamp_with_swapped_inputs_is_unstable() -> None:
    circuit = read(f"V1 in 0 1\nRa in p 1k\nRb p out 1k\nX1 p 0 out opamp\n{opamp()}")
    assert circuit.margin == pytest.approx(WU * (1 / A0 - 1 / 2))


def mesh(nodes: int) -> str:
    """Every node to every other: a body of resistors that never sees ground."""
    values = np.random.default_rng(0).uniform(1e3, 1e6, (nodes, nodes)).tolist()
    return "".join(f"R{i}_{j} f{i} f{j} {values[i][j]}\n" for i in range(nodes) for j in range(i))


NO_UNIQUE_STATE = {
    "two nodes apart": "R1 a 0 1k\nR2 b c 1k",
    "capacitor only": "R1 a 0 1k\nC1 b 0 1n",
    "two sources at a node": "V1 a 0 1\nV2 a 0 1\nR1 a 0 1k",
    "gain of one around itself": "V1 a 0 1\nE1 b 0 b 0 1\nR1 b 0 1k",
    "current into nothing": "V1 a 0 1\nR1 a 0 1k\nG1 0 b a 0 1m",
    # Rounding leaves the matrices of these a little off singular.
    "mesh of 3": "I1 0 f0 1u\n" + mesh(3),
    "mesh of 5": "I1 0 f0 1u\n" + mesh(5),
    "mesh of 8": "V1 a 0 1\nR1 a 0 1k\nG1 0 f0 a 0 1m\n" + mesh(8),
}
QUESTIONS: dict[str, Callable[[LinearCircuit], object]] = {
    "settled": lambda circuit: circuit.settled([]),
    "eigenvalues": lambda circuit: circuit.eigenvalues,
    "waveform": lambda circuit: circuit.waveform([], [0.0, 1.0]),
}


@pytest.mark.parametrize("body", NO_UNIQUE_STATE.values(), ids=NO_UNIQUE_STATE)
@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_no_unique_state_is_refused(body: str, ask: Callable[[LinearCircuit], object]) -> None:
    with pytest.raises(InputError, match="path to ground"):
        ask(read(body + "\nCx x 0 1p\nRx x 0 1k"))


@pytest.mark.parametrize("times", [[], [-1e-9, 0], [1e-9, 0], [[0.0]]])
def test_waveform_refuses_times_it_cannot_follow(times: list[float]) -> None:
    with pytest.raises(InputError, match="rising order"):
        LinearCircuit.read(RC.format(1)).waveform(["out"], times)


INVERSE2 = """V1 in1 0 1
V2 in2 0 1
Ri1 in1 r1 100k
Ri2 in2 r2 100k
R11 r1 o1 100k
R12 r1 o2 400k
R21 r2 o1 200k
R22 r2 o2 125k
X1 0 r1 o1 opamp
X2 0 r2 o2 opamp
"""


def test_two_by_two_by_hand() -> None:
    # A = [[1, 1/4], [1/2, 4/5]], det A = 0.675
    ideal = read(INVERSE2 + OPAMP.format(gain=1e12, pole=1 / WU)).transfer(["v1", "v2"], ["o1", "o2"])
    np.testing.assert_allclose(ideal, -np.array([[0.8, -0.25], [-0.5, 1]]) / 0.675, rtol=1e-10)
    circuit = read(INVERSE2 + opamp())
    damped = np.array([[1 + 2.25 / A0, 0.25], [0.5, 0.8 + 2.3 / A0]])
    np.testing.assert_allclose(circuit.transfer(["v1", "v2"], ["o1", "o2"]), -np.linalg.inv(damped), rtol=1e-12)
    # U A has the trace t and the determinant d.
    t, d = 1 / 2.25 + 0.8 / 2.3, 0.675 / (2.25 * 2.3)
    slow, fast = ((t - s * np.sqrt(t * t - 4 * d)) / 2 for s in (1, -1))
    np.testing.assert_allclose(circuit.eigenvalues, [-WU * (slow + 1 / A0), -WU * (fast + 1 / A0)], rtol=1e-12)
    assert circuit.time_constant == pytest.approx(1 / (WU * (slow + 1 / A0)), rel=1e-12)
