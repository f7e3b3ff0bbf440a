"""The nodal engine answers, ngspice checks a sample: what is sampled, what is told, and that nothing else changes."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import Array, random_spd

from circuits import Conditioning, Converters, Hardware, InputError, OpAmp, Programming
from cosim import Status, open_backend
from cosim.audit import AuditedBackend, AuditError
from cosim.executor import Executor
from cosim.job import Job, Outcome, failed
from cosim.pool import SpicePool

MATRIX = random_spd(6, condition=20, seed=2).matrix
RHS = np.random.default_rng(3).normal(size=(6, 40))
NOISY = replace(
    Hardware(seed=5),
    programming=Programming(sigma=0.02, read_noise=0.01),
    converters=Converters(dac_bits=8, adc_bits=8, dac_noise=1e-3, adc_noise=1e-3),
)


class Without(Executor):
    """Runs nothing: every transient fails. What it was asked for stays in `decks`."""

    def __init__(self) -> None:
        super().__init__()
        self.decks: list[str] = []

    def run(self, jobs: Sequence[Job], progress: Callable[[], None] | None = None) -> list[Outcome]:
        self.decks += [job.deck for job in jobs]
        return [failed(job, "nothing runs here") for job in jobs]

    def _execute(self, function: Any, items: Any, costs: Any, progress: Any) -> list[Any]:
        return [function(item) for item in items]

    def close(self) -> None:
        pass


class Bent(Executor):
    """Runs ngspice and makes its volts 5 % larger."""

    def __init__(self, inner: Executor) -> None:
        super().__init__()
        self.inner = inner

    def run(self, jobs: Sequence[Job], progress: Callable[[], None] | None = None) -> list[Outcome]:
        outcomes = self.inner.run(jobs, progress)
        return [replace(o, settled=replace(o.settled, volts=1.05 * o.settled.volts)) for o in outcomes]

    def _execute(self, function: Any, items: Any, costs: Any, progress: Any) -> list[Any]:
        return [function(item) for item in items]

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def pool() -> Iterator[SpicePool]:
    with SpicePool(workers=1) as opened:
        yield opened


def _watched(fraction: float, **options: Any) -> AuditedBackend:
    """A backend whose audits all fail, which only warns."""
    hardware = options.pop("hardware", Hardware())
    return AuditedBackend(hardware, None, fraction, action="warn", executor=Without(), **options)


@pytest.mark.filterwarnings("ignore:Audit of INV call")
@pytest.mark.parametrize("hardware", [Hardware(), NOISY], ids=["default", "noisy"])
def test_answers_are_those_of_the_nodal_engine_to_the_bit(hardware: Hardware) -> None:
    batches = [MATRIX, 2 * MATRIX.T + np.triu(np.ones((6, 6)), 1)]
    found = []
    with open_backend("nodal", hardware=hardware) as nodal, _watched(1.0, hardware=hardware) as audited:
        for backend in (nodal, audited):
            programmed = backend.program_many(batches)
            products = backend.program_multiply(RHS[:, :3]).multiply(np.ones(3))
            solved = [backend.solve_many([(p, RHS[:, :2]) for p in programmed]) for _ in range(2)]
            values = [s.value.tobytes() for step in solved for s in step] + [products.value.tobytes()]
            found.append((values, [(p.write, p.calls) for p in programmed], backend.writes))
        assert programmed[0].backend is audited
    assert found[0] == found[1]
    assert found[0][1:] == ([(0, 4), (1, 4)], 3)
    assert audited.record.calls == 8  # products are not audited


@pytest.mark.filterwarnings("ignore:Audit of INV call")
def test_the_sample_does_not_depend_on_batches_or_on_resuming() -> None:
    def run(parts: Sequence[int], resume: bool = False) -> list[tuple[int, str]]:
        with _watched(0.3) as backend:
            backend.program(np.eye(2))
            programmed, start = backend.program(MATRIX), 0
            for k in parts:
                if resume:
                    programmed = backend.restore(MATRIX, write=1, calls=start)
                programmed.solve(RHS[:, start : start + k])
                start += k
            assert backend.record.calls == backend.record.statuses["FAILED"]
            return list(backend.spice.executor.decks)  # type: ignore[attr-defined]

    whole = run([40])
    assert 4 <= len(whole) <= 20
    assert run([1] * 40) == run([7, 13, 20]) == run([5, 5, 30], resume=True) == whole


@pytest.mark.filterwarnings("ignore:Audit of INV call")
@pytest.mark.parametrize("fraction", [0.01, 0.2, 1.0])
def test_the_share_is_what_was_asked_for(fraction: float) -> None:
    calls = 4000
    with _watched(fraction) as backend:
        backend.program([[1.0]]).solve(np.ones((1, calls)))
    spread = 4 * np.sqrt(calls * fraction * (1 - fraction))
    assert abs(backend.record.calls - calls * fraction) <= spread


@pytest.mark.filterwarnings("ignore:Audit of INV call")
def test_chips_and_writes_have_samples_of_their_own() -> None:
    samples = set()
    for seed, write in ((0, 0), (1, 0), (0, 1)):
        with _watched(0.2, hardware=Hardware(seed=seed)) as backend:
            programmed, audited = backend.restore(np.eye(6), write=write), []
            for j in range(40):
                programmed.solve(RHS[:, j])
                audited.append(backend.record.calls)
        samples.add(tuple(audited))
    assert len(samples) == 3


@pytest.mark.ngspice
@pytest.mark.parametrize("hardware", [Hardware(), Hardware.preset("rram40"), NOISY], ids=["default", "rram40", "noisy"])
def test_both_engines_get_the_same_draws(hardware: Hardware, pool: SpicePool) -> None:
    backend = AuditedBackend(hardware, fraction=0.2, executor=pool)
    backend.program(MATRIX)
    backend.program(MATRIX).solve(RHS[:, :20])
    record = backend.record
    assert record.statuses == {"SETTLED": record.calls}
    assert record.calls > 0
    assert 0 < record.mean <= record.worst < 1e-4  # noise and write errors of 1 to 2 % do not count
    assert record.worst_write == 1
    assert 0 <= record.worst_call < 20
    assert 0 < backend.engine_seconds == backend.spice.engine_seconds


@pytest.mark.ngspice
def test_a_planted_disagreement_stops_the_run(pool: SpicePool) -> None:
    backend = AuditedBackend(Hardware(), Conditioning.off(), fraction=1.0, limit=0.02, executor=Bent(pool))
    backend.program(MATRIX)
    programmed = backend.program(MATRIX)
    with pytest.raises(AuditError, match=r"INV call 0 of write 1: .*the limit is 0\.02.*ohmvert replay") as caught:
        programmed.solve(RHS[:, :3])
    with open_backend("nodal", conditioning=Conditioning.off()) as nodal:
        answers = nodal.restore(MATRIX, write=1).solve(RHS[:, :3])
    assert (caught.value.solutions[0].value == answers.value).all()
    found = caught.value.disagreement
    assert found.relative == pytest.approx(0.05, rel=1e-2)
    truth = np.linalg.norm(np.linalg.solve(MATRIX, RHS[:, 0]))
    assert found.nodal == pytest.approx(truth, rel=2e-2)
    assert found.apart == pytest.approx(0.05 * truth, rel=2e-2)
    assert f"{found.apart:.3g}" in str(caught.value)
    assert f"{found.nodal:.6g}" in str(caught.value)


@pytest.mark.ngspice
def test_a_planted_disagreement_warns_once(pool: SpicePool) -> None:
    backend = AuditedBackend(Hardware(), Conditioning.off(), 1.0, limit=0.02, action="warn", executor=Bent(pool))
    programmed = backend.program(MATRIX)
    with pytest.warns(RuntimeWarning, match="further warnings"):
        programmed.solve(RHS[:, :2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        programmed.solve(RHS[:, :2])
    assert backend.record.calls == 4
    assert backend.record.worst == pytest.approx(0.05, rel=1e-2)
    assert backend.record.mean == pytest.approx(0.05, rel=1e-2)


@pytest.mark.ngspice
def test_what_does_not_settle_in_ngspice_disagrees_without_bound(pool: SpicePool) -> None:
    hardware = Hardware(opamp=OpAmp(swing=1e-3))
    with pytest.raises(AuditError, match="ngspice gives RAILED where the nodal engine settles") as caught:
        AuditedBackend(hardware, fraction=1.0, limit=1e6, executor=pool).program(np.eye(2)).solve([1.0, 2.0])
    assert caught.value.disagreement.status is Status.RAILED
    assert np.isinf(caught.value.disagreement.relative)


def test_what_the_nodal_engine_refuses_is_not_audited() -> None:
    with _watched(1.0) as backend:
        solution = backend.program(-np.eye(2)).solve([1.0, 2.0], throw=False)
    assert solution.status is Status.UNSTABLE
    assert backend.record.calls == 0


@pytest.mark.ngspice
def test_a_right_hand_side_of_zeros_agrees(pool: SpicePool) -> None:
    backend = AuditedBackend(Hardware(), fraction=1.0, executor=pool)
    backend.program(MATRIX).solve(np.zeros(6))
    assert (backend.record.calls, backend.record.worst) == (1, 0.0)


@pytest.mark.ngspice
def test_real_factors_agree_far_below_the_limit(shared_factors: dict[str, Array], pool: SpicePool) -> None:
    backend = AuditedBackend(Hardware(), fraction=1.0, executor=pool)
    for name in ("step000/conv1/A", "step020/fc/G"):
        matrix = shared_factors[name]
        n = len(matrix)
        backend.program(matrix + 0.03 * np.trace(matrix) / n * np.eye(n)).solve(np.eye(n)[:, :3])
    assert backend.record.worst < 1e-4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fraction": 0.0}, r"audit = 0\.0 .* above 0"),
        ({"fraction": 1.5}, r"audit = 1\.5 .* at most 1"),
        ({"fraction": float("nan")}, "audit = nan"),
        ({"limit": 0.0}, r"audit_limit = 0\.0 must be"),
        ({"limit": float("inf")}, "audit_limit = inf"),
        ({"action": "shrug"}, "on_audit = 'shrug' .* stop, warn"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        AuditedBackend(executor=Without(), **options)
