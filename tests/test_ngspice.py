"""ngspice by way of worker processes: what it reports as success, a crash, a start-up file, other simulators."""

import ast
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import NUMBERS, Array

from circuits import Hardware, InverseCircuit, LinearCircuit, Netlist, Stimulus, encode
from circuits.stimulus import ACCURACIES, Accuracy
from cosim import Status
from cosim.job import Job, Outcome
from cosim.library import find_ngspice
from cosim.pool import SpicePool
from cosim.settle import Limits

ROOT = Path(__file__).resolve().parents[1]
FINE = Accuracy(ACCURACIES["default"].options, steps=100, lead=False)
GOOD = """low pass
V1 in 0 PWL(0 0 1n 1)
R1 in out 1k
C1 out 0 1p
.options reltol=1e-4
.tran 1n 100n 0 1n uic
.end
"""
LONG = GOOD.replace(".tran 1n 100n 0 1n uic", ".tran 1p 100u 0 1p uic") + "* the longest deck runs first\n" * 99

FAILURES = {
    "singular matrix": (GOOD.replace("R1", "V2 in 0 2\nR1"), "singular matrix"),
    "node without a path to ground": (GOOD.replace("R1", "R2 a b 1k\nR1"), "singular matrix"),
    "resistor with a missing node": (GOOD.replace("C1", "R2 out 1k\nC1"), "missing node"),
    "missing model": (GOOD.replace("C1", "D1 out 0 nowhere\nC1"), "missing model"),
    "undefined parameter": (GOOD.replace("1k", "{nowhere}"), "undefined parameter"),
    "unknown subcircuit": (GOOD.replace("C1", "X1 out 0 nowhere\nC1"), "missing subcircuit"),
    "name used twice": (GOOD.replace("C1", "R1 out 0 1k\nC1"), "unreadable netlist"),
    "empty deck": ("", "unreadable netlist"),
    "title only": ("title\n.end\n", "no analysis"),
    "no analysis": (re.sub(r"\.tran.*\n", "", GOOD), "no analysis"),
    "shorter than asked": (GOOD.replace("100n", "50n"), r"5e-08 s of 1e-07 s"),
    "operating point only": (re.sub(r"\.tran.*\n", ".op\n", GOOD), "no transient"),
}
SCRIPT = """
import sys
import numpy as np
from cosim import open_backend

backend = open_backend("spice", workers=1)
print(backend.program([[2, -0.5], [0.5, 1]]).solve([1, 2]).value.tolist())
from cosim.job import Job
from cosim.settle import Limits
job = Job(sys.argv[1], ("out",), np.array([1e-7]), Limits(1e-5))
print(backend.executor.run([job])[0])
from cosim.ngspice import engine
print([line for line in engine().messages if "START-UP" in line])
backend.close()
"""


def job(deck: str, probe: str = "out") -> Job:
    return Job(deck, (probe,), np.array([100e-9]), Limits(1e-5))


@pytest.fixture(scope="module")
def pool() -> Iterator[SpicePool]:
    opened = SpicePool(workers=1)
    yield opened
    opened.close()


def is_good(outcome: Outcome) -> bool:
    return outcome.settled.statuses == (Status.SETTLED,) and abs(outcome.settled.volts[0, 0] - 1) < 1e-4


def test_library_named_by_the_user_counts_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The library is loaded from another working directory, so that a relative name must not stay one.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "libngspice.so")
    assert find_ngspice() is None
    (tmp_path / "libngspice.so").touch()
    assert find_ngspice() == str(tmp_path / "libngspice.so")


@pytest.mark.ngspice
def test_good_deck(pool: SpicePool) -> None:
    outcome = pool.run([job(GOOD)])[0]
    assert is_good(outcome)
    assert outcome.message == ""
    assert outcome.time_points > 100
    assert outcome.seconds > 0


@pytest.mark.ngspice
@pytest.mark.parametrize(("deck", "reason"), FAILURES.values(), ids=FAILURES)
def test_failure_is_named_and_the_next_job_works(pool: SpicePool, deck: str, reason: str) -> None:
    outcome = pool.run([job(deck)])[0]
    assert outcome.settled.statuses == (Status.FAILED,)
    assert np.isnan(outcome.settled.volts).all()
    assert re.search(reason, outcome.message), outcome.message
    assert is_good(pool.run([job(GOOD)])[0])


@pytest.mark.ngspice
def test_probe_of_no_node_is_named(pool: SpicePool) -> None:
    outcome = pool.run([job(GOOD, "nowhere")])[0]
    assert outcome.settled.statuses == (Status.FAILED,)
    assert "'nowhere'" in outcome.message


@pytest.mark.ngspice
def test_one_bad_deck_in_a_batch_spoils_no_other(pool: SpicePool) -> None:
    decks = [GOOD, *(deck for deck, _ in FAILURES.values()), GOOD]
    good = [is_good(outcome) for outcome in pool.run([job(deck) for deck in decks])]
    assert good == [True, *[False] * len(FAILURES), True]


@pytest.mark.ngspice
def test_unstable_loop_is_no_number_to_believe(pool: SpicePool) -> None:
    # -1 mS across 1 pF doubles in 0.7 ns: 1e43 V after 100 ns. Ten times as fast, it overflows.
    for conductance in ("2m", "11m"):
        outcome = pool.run([job(GOOD.replace("C1", f"G1 0 out out 0 {conductance}\nC1"))])[0]
        assert outcome.settled.statuses[0] in (Status.UNSTABLE, Status.FAILED)
    slow = pool.run([job(GOOD.replace("C1", "G1 0 out out 0 2m\nC1"))])[0]
    assert slow.settled.statuses == (Status.UNSTABLE,)
    assert abs(slow.settled.volts[0, 0]) > 1e40


@pytest.mark.ngspice
def test_options_do_not_reach_the_next_circuit(pool: SpicePool) -> None:
    alone = GOOD.replace(".options reltol=1e-4\n", "")
    before = pool.run([job(alone)])[0]
    pool.run([job(GOOD.replace(".options reltol=1e-4", ".options reltol=0.1 method=gear"))])
    after = pool.run([job(alone)])[0]
    np.testing.assert_array_equal(after.settled.volts, before.settled.volts)
    assert after.time_points == before.time_points


@pytest.mark.ngspice
def test_numbers_mean_what_the_reader_takes_them_for(pool: SpicePool) -> None:
    sources = "".join(f"V{i} n{i} 0 {text}\nR{i} n{i} 0 1\n" for i, text in enumerate(NUMBERS))
    nodes = tuple(f"n{i}" for i in range(len(NUMBERS)))
    deck = f"numbers\n{sources}.tran 1n 2n 0 1n uic\n.end\n"
    outcome = pool.run([Job(deck, nodes, np.array([2e-9]), Limits(1.0))])[0]
    np.testing.assert_allclose(outcome.settled.volts[:, 0], list(NUMBERS.values()), rtol=1e-12)


@pytest.mark.ngspice
def test_killed_worker_fails_its_own_job_only() -> None:
    before = set(multiprocessing.active_children())
    pool = SpicePool(workers=1, retries=0)
    assert is_good(pool.run([job(GOOD)])[0])
    (worker,) = set(multiprocessing.active_children()) - before
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.extend(pool.run([job(GOOD), job(LONG), job(GOOD)])))
    thread.start()
    time.sleep(0.5)
    os.kill(worker.pid, signal.SIGKILL)
    thread.join(timeout=60)
    pool.close()
    assert [is_good(outcome) for outcome in outcomes] == [True, False, True]
    assert outcomes[1].settled.statuses == (Status.FAILED,)
    assert re.search(r"died.*-9", outcomes[1].message)


@pytest.mark.ngspice
def test_job_over_its_time_is_stopped() -> None:
    pool = SpicePool(workers=1, timeout=4.0, retries=0)
    start = time.monotonic()
    long, good = pool.run([job(LONG), job(GOOD)])
    pool.close()
    assert time.monotonic() - start < 30
    assert long.settled.statuses == (Status.FAILED,)
    assert "longer than 4 s" in long.message
    assert is_good(good)


def inverse(n: int) -> tuple[Netlist, Stimulus, Array]:
    """A linear INV circuit, two right-hand sides, and settled volts of the nodal engine at their ends."""
    hardware = replace(Hardware(), opamp=Hardware().opamp.linear())
    matrix = np.random.default_rng(n).normal(size=(n, n)) / 4 + np.diag(np.linspace(1, 2, n))
    netlist = InverseCircuit(encode(matrix, hardware.cell), hardware).netlist()
    stimulus = Stimulus(np.random.default_rng(0).uniform(-0.1, 0.1, (n, 2)), 4e-7, 4e-9, FINE)
    circuit = LinearCircuit.read(netlist.deck(stimulus))
    return netlist, stimulus, circuit.waveform(list(netlist.outputs), stimulus.ends)


@pytest.mark.ngspice
def test_one_worker_or_two_give_the_same_bits(pool: SpicePool) -> None:
    circuits = [inverse(n) for n in (2, 3, 4, 5, 6, 7)]
    jobs = [Job(c.deck(s), c.outputs, s.ends, Limits(1e-5)) for c, s, _ in circuits]
    other = SpicePool(workers=2)
    one, two = pool.run(jobs), other.run(jobs[::-1])[::-1]
    other.close()
    for a, b, (_, _, volts) in zip(one, two, circuits, strict=True):
        np.testing.assert_array_equal(a.settled.volts, b.settled.volts)
        assert a.time_points == b.time_points
        np.testing.assert_allclose(a.settled.volts, volts, atol=1e-6)


def script(folder: Path, *arguments: str) -> str:
    """Output of SCRIPT, which has no __main__ guard, run in `folder` as home."""
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder)}
    command = [sys.executable, "script.py", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return re.sub(r"(started|seconds)=[\d.e-]+", "", done.stdout)


@pytest.mark.ngspice
def test_script_without_guard_and_with_spiceinit(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "init").mkdir()
    start_up = "echo START-UP FILE\nset num_threads=7\nset ngbehavior=ps\noption reltol=0.5\noption method=gear\n"
    (tmp_path / "init" / ".spiceinit").write_text(start_up, encoding="utf-8")
    deck = GOOD.replace(".options reltol=1e-4\n", "")
    plain = script(tmp_path / "plain", deck)
    assert script(tmp_path / "init", deck) == plain
    value = ast.literal_eval(plain.splitlines()[0])
    np.testing.assert_allclose(value, np.linalg.solve([[2, -0.5], [0.5, 1]], [1, 2]), rtol=1e-3)
    assert plain.splitlines()[-1] == "[]"


def simulate(folder: Path, deck: str, *command: str) -> str:
    """What a simulator's own program prints for a deck."""
    (folder / "deck.cir").write_text(deck, encoding="utf-8")
    done = subprocess.run(
        [*command, "deck.cir"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.ngspice_cli
def test_that_start_up_file_would_be_heard(tmp_path: Path) -> None:
    (tmp_path / ".spiceinit").write_text("echo START-UP FILE\n", encoding="utf-8")
    deck = GOOD.replace(".end", ".print tran v(out)\n.end")
    assert "START-UP FILE" in simulate(tmp_path, deck, "ngspice", "-b")


@pytest.mark.ngspice_cli
@pytest.mark.parametrize("n", [2, 8])
def test_the_program_agrees_with_the_nodal_engine(tmp_path: Path, n: int) -> None:
    netlist, stimulus, volts = inverse(n)
    at = stimulus.ends.tolist()
    measures = [f".meas tran m{o}_{k} find v({o}) at={at[k]}\n" for o in netlist.outputs for k in (0, 1)]
    out = simulate(tmp_path, netlist.deck(stimulus, measures="".join(measures)), "ngspice", "-n", "-b")
    found = dict(re.findall(r"^(mout\d+_\d) *= *(\S+)", out, re.MULTILINE))
    measured = [[float(found[f"m{o}_{k}"]) for k in (0, 1)] for o in netlist.outputs]
    np.testing.assert_allclose(measured, volts, atol=1e-5 * np.abs(volts).max())


@pytest.mark.gnucap
@pytest.mark.parametrize("n", [2, 8])
def test_gnucap_agrees_to_its_printed_digits(tmp_path: Path, n: int, request: pytest.FixtureRequest) -> None:
    netlist, stimulus, volts = inverse(n)
    # Its own words for the same analysis: print first, then .tran with the step that is printed.
    circuit = re.sub(r"^\.(options|save|tran|end\b).*\n", "", netlist.deck(stimulus), flags=re.MULTILINE)
    names = " ".join(f"v({node})" for node in netlist.outputs)
    deck = f"{circuit}.options reltol=1e-5\n.print tran {names}\n.tran {1e-8} {stimulus.ends[-1]} 0 uic\n.end\n"
    out = simulate(tmp_path, deck, "gnucap", "-b")
    if "plugin not found" in out:
        report = pytest.fail if request.config.getoption("ngspice") == "required" else pytest.skip
        report("gnucap lacks its plugins: install gnucap-default-plugins0")
    rows = [line.split() for line in out.partition("#Time")[2].splitlines()[1:]]
    printed = np.array([[spoken(word) for word in row] for row in rows])
    measured = np.array([printed[np.isclose(printed[:, 0], end), 1:][0] for end in stimulus.ends]).T
    np.testing.assert_allclose(measured, volts, rtol=6e-5)  # half a unit of the fifth digit


def spoken(word: str) -> float:
    """A number as Gnucap prints it: 1.n, 200.n, -0.19763, 1.2E-7."""
    scale = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3}.get(word[-1])
    return float(word[:-1]) * scale if scale else float(word)
