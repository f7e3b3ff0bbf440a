"""Outcomes kept on disk: the same bits, never a wrong one, and no folder that stops a run."""

import contextlib
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diskcache
import numpy as np
import pytest

from circuits import Hardware
from cosim import Status, cache
from cosim.cache import CachedExecutor
from cosim.executor import Executor, TaskError
from cosim.job import Job, Outcome, busy_seconds, failed, run_job
from cosim.pool import SpicePool
from cosim.settle import Limits, Settled
from cosim.spice import SpiceBackend

JOB = Job("* deck", ("out1", "out2"), np.array([1e-7, 2e-7, 3e-7]), Limits(1e-5, swing=4.0))


class Fake(Executor):
    """Makes an outcome up from the netlist's text, and remembers what it ran."""

    def __init__(self, engine: tuple[str, bool] = ("39", False)) -> None:
        super().__init__()
        self.engine = engine
        self.ran: list[str] = []

    def _execute(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        costs: Sequence[float],
        progress: Callable[[], None] | None,
    ) -> list[Any]:
        if function is not run_job:
            return [self.engine for _ in items]
        for job in items:
            self.ran.append(job.deck)
            if progress:
                progress()
        return [_outcome(job) for job in items]

    def close(self) -> None:
        self.engine = ("closed", False)


def _outcome(job: Job) -> Any:
    if "die" in job.deck:
        return TaskError("The worker process died.")
    if "refuse" in job.deck:
        return failed(job, "singular matrix")
    shape = (len(job.probes), len(job.ends))
    volts = np.random.default_rng(zlib.crc32(job.deck.encode())).normal(size=shape)
    volts[0, 0], volts[1, 1], volts[1, 2] = -0.0, np.nan, 5e-324
    statuses = (Status.SETTLED, Status.UNSTABLE, Status.RAILED)
    settled = Settled(volts, np.array([1e-9, np.nan, np.inf]), statuses, ("", "first\nsecond", "swing"))
    return Outcome(settled, 30, started=5.0, seconds=1.0, message='said "no" µ')


def _content(outcome: Outcome) -> tuple[object, ...]:
    s = outcome.settled
    words = (s.statuses, s.details, outcome.time_points, outcome.message)
    return s.volts.shape, s.volts.tobytes(), s.settling_time.tobytes(), *words


# A second warning is an error.
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def open_cache(tmp_path: Path) -> Callable[..., CachedExecutor]:
    return lambda *engine, **options: CachedExecutor(Fake(*engine), tmp_path, **options)


def test_a_second_executor_finds_the_same_bits_and_spends_nothing(open_cache: Callable[..., CachedExecutor]) -> None:
    first, second = open_cache(), open_cache()
    ran, found = first.run([JOB])[0], second.run([JOB])[0]
    assert _content(found) == _content(ran) == _content(_outcome(JOB))
    assert (ran.seconds, found.seconds) == (1.0, 0.0)
    assert busy_seconds([ran, found]) == 1.0
    assert found.settled.volts.flags.writeable
    assert second.inner.ran == []
    assert (first.counts["cache misses"], second.counts["cache hits"]) == (1, 1)
    assert second.counts is second.inner.counts


@pytest.mark.parametrize(
    "changed",
    [
        replace(JOB, deck="* another"),
        replace(JOB, probes=("out1", "out3")),
        replace(JOB, probes=("out1o", "ut2")),
        replace(JOB, ends=np.array([1e-7, 2e-7, 3.0000001e-7])),
        replace(JOB, limits=Limits(1e-5, swing=4.000001)),
    ],
)
def test_any_change_of_the_job_is_a_miss(open_cache: Callable[..., CachedExecutor], changed: Job) -> None:
    open_cache().run([JOB])
    executor = open_cache()
    executor.run([changed])
    assert executor.inner.ran == [changed.deck]


@pytest.mark.parametrize("engine", [("42", False), ("39", True)])
def test_another_engine_is_a_miss(open_cache: Callable[..., CachedExecutor], engine: tuple[str, bool]) -> None:
    open_cache().run([JOB])
    executor = open_cache(engine)
    executor.run([JOB])
    assert executor.inner.ran


def test_a_change_of_the_code_that_judges_is_a_miss(
    open_cache: Callable[..., CachedExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_cache().run([JOB])
    monkeypatch.setattr(cache, "JUDGES", (*cache.JUDGES, "solution.py"))
    executor = open_cache()
    executor.run([JOB])
    assert executor.inner.ran


def test_equal_jobs_of_a_batch_run_once(open_cache: Callable[..., CachedExecutor]) -> None:
    executor, other, done = open_cache(), replace(JOB, deck="* other"), []
    outcomes = executor.run([JOB, other, JOB, JOB], progress=lambda: done.append(1))
    assert executor.inner.ran == ["* deck", "* other"]
    assert [_content(o) for o in outcomes] == [_content(_outcome(j)) for j in (JOB, other, JOB, JOB)]
    assert [o.seconds for o in outcomes] == [1.0, 1.0, 0.0, 0.0]
    assert len(done) == 4
    executor.run([JOB, other], progress=lambda: done.append(1))
    assert len(done) == 6


@pytest.mark.parametrize(
    "job", [replace(JOB, deck="* die"), replace(JOB, deck="* refuse"), replace(JOB, trust=True)], ids=lambda j: j.deck
)
def test_what_may_end_otherwise_next_time_is_not_kept(open_cache: Callable[..., CachedExecutor], job: Job) -> None:
    executor = open_cache()
    assert [_content(executor.run([job])[0]) for _ in range(2)]
    assert len(executor.inner.ran) == 2


def _rows(folder: Path, statement: str, *values: object) -> list[Any]:
    with contextlib.closing(sqlite3.connect(folder / "outcomes" / "cache.db")) as database:
        found = database.execute(statement, values).fetchall()
        database.commit()
    return found


@pytest.mark.parametrize("place", [3, 40, 200, -1])
def test_a_corrupt_entry_is_dropped_and_computed_again(
    open_cache: Callable[..., CachedExecutor], tmp_path: Path, place: int
) -> None:
    open_cache().run([JOB])
    value = bytearray(_rows(tmp_path, "SELECT value FROM Cache")[0][0])
    value[place] ^= 1
    _rows(tmp_path, "UPDATE Cache SET value = ?", bytes(value))
    executor = open_cache()
    assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))
    assert (executor.counts["corrupt"], executor.counts["cache hits"], len(executor.inner.ran)) == (1, 0, 1)
    assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))
    assert (executor.counts["corrupt"], executor.counts["cache hits"], len(executor.inner.ran)) == (1, 1, 1)


def test_an_entry_under_another_key_is_corrupt(open_cache: Callable[..., CachedExecutor], tmp_path: Path) -> None:
    other = replace(JOB, deck="* other")
    open_cache().run([JOB, other])
    value = _rows(tmp_path, "SELECT value FROM Cache WHERE rowid = 1")[0][0]
    _rows(tmp_path, "UPDATE Cache SET value = ?", value)
    executor = open_cache()
    assert [_content(o) for o in executor.run([JOB, other])] == [_content(_outcome(j)) for j in (JOB, other)]
    assert executor.counts["corrupt"] == 1


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("padding", [0, 2**16], ids=["in the database", "in a file"])
def test_a_pickle_in_the_folder_is_not_run(
    open_cache: Callable[..., CachedExecutor], tmp_path: Path, padding: int
) -> None:
    open_cache().run([JOB])
    key = _rows(tmp_path, "SELECT key FROM Cache")[0][0]
    with diskcache.Cache(str(tmp_path / "outcomes"), disk_min_file_size=2**15) as plain:
        plain[key] = (Evil(tmp_path / "ran"), "x" * padding)
    executor = open_cache()
    assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))
    assert executor.counts["corrupt"] == 1
    assert not (tmp_path / "ran").exists()


def test_a_corrupt_database_is_made_anew(open_cache: Callable[..., CachedExecutor], tmp_path: Path) -> None:
    first = open_cache()
    first.run([JOB])
    first.close()
    (tmp_path / "outcomes" / "cache.db").write_bytes(b"no database " * 1000)
    for hits in (0, 1):
        executor = open_cache()
        assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))
        assert (executor.counts["corrupt"], executor.counts["cache hits"]) == (1 - hits, hits)


@pytest.mark.parametrize("size", [0, 50_000])
def test_a_database_that_breaks_on_the_way_stops_nothing(
    open_cache: Callable[..., CachedExecutor], tmp_path: Path, size: int
) -> None:
    executor = open_cache()
    jobs = [replace(JOB, deck=f"* deck {i}") for i in range(50)]
    executor.run(jobs)
    for path in (tmp_path / "outcomes").iterdir():
        path.write_bytes(b"x" * size)
    for _ in range(3):
        assert [_content(o) for o in executor.run(jobs)] == [_content(_outcome(j)) for j in jobs]
    assert executor.counts["corrupt"] == 1
    assert len(executor.inner.ran) == 100


def test_settings_from_elsewhere_are_a_corrupt_database(
    open_cache: Callable[..., CachedExecutor], tmp_path: Path
) -> None:
    open_cache().run([JOB])
    _rows(tmp_path, "INSERT INTO Settings VALUES ('disk_compress_level', 3)")
    executor = open_cache()
    assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))
    assert executor.counts["corrupt"] == 1


@pytest.mark.parametrize("content", [b"x" * 4096, None], ids=["file", "foreign database"])
def test_a_folder_that_cannot_be_used_is_one_warning(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "here"
    if content:
        folder.write_bytes(content)
    else:
        (folder / "outcomes" / "cache.db").mkdir(parents=True)
    with pytest.warns(RuntimeWarning, match=r"cache folder .*outcomes cannot be used .*without a cache"):
        executor = CachedExecutor(Fake(), folder)
    for _ in range(2):
        assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))
    assert len(executor.inner.ran) == 2


def test_a_folder_that_fills_up_is_one_warning(
    open_cache: Callable[..., CachedExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    executor = open_cache()
    monkeypatch.setattr(diskcache.Cache, "set", full)
    with pytest.warns(RuntimeWarning, match="disk is full"):
        assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))
    assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))


def test_the_folder_stays_within_its_size(open_cache: Callable[..., CachedExecutor], tmp_path: Path) -> None:
    limit = 2_000_000
    executor = open_cache(size_limit=limit)
    wide = replace(JOB, probes=tuple(f"out{i}" for i in range(2000)))  # 48 kB of volts
    executor.run([replace(wide, deck=f"* deck {i}") for i in range(300)])
    assert (tmp_path / "outcomes" / "cache.db").stat().st_size < limit + 100_000
    again = open_cache(size_limit=limit)
    again.run([replace(wide, deck="* deck 299"), replace(wide, deck="* deck 0")])
    assert again.inner.ran == ["* deck 0"]  # what was stored first went first


def test_map_passes_through_and_close_closes(open_cache: Callable[..., CachedExecutor]) -> None:
    executor = open_cache()
    assert executor.map(len, ["a", "b"]) == [("39", False)] * 2
    executor.close()
    assert executor.inner.engine == ("closed", False)


def test_without_an_engine_to_ask_jobs_go_to_the_inner_executor(open_cache: Callable[..., CachedExecutor]) -> None:
    executor = open_cache()
    executor.inner.engine = OSError("no library")
    assert _content(executor.run([JOB])[0]) == _content(_outcome(JOB))


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from test_cache import JOB, CachedExecutor, Fake, _content, _outcome
executor = CachedExecutor(Fake(), sys.argv[2], size_limit=3_000_000)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(3):
    for i in range(0, 200, 5):
        jobs = [replace(JOB, deck=f"* deck {j}") for j in range(i, i + 5)]
        for job, outcome in zip(jobs, executor.run(jobs)):
            assert _content(outcome) == _content(_outcome(job)), job.deck
assert executor.counts["corrupt"] == 0
print(executor.counts["cache hits"])
"""


def test_two_processes_write_into_one_folder(tmp_path: Path) -> None:
    words = [sys.executable, "-W", "error", "-c", WRITER, str(Path(__file__).parent), str(tmp_path)]
    pipe = subprocess.PIPE
    writers = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("\n")
        writer.stdin.flush()
    hits = [int(writer.communicate(timeout=100)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert min(hits) >= 400  # the second and third turn at the least


@pytest.mark.ngspice
def test_spice_from_the_cache_gives_the_same_bits_without_ngspice_running(tmp_path: Path) -> None:
    matrix, rhs = np.array([[2.0, -0.5], [0.25, 1.0]]), np.array([[1.0, 0.5], [2.0, -1.0]])
    found = []
    for _ in range(2):
        executor = CachedExecutor(SpicePool(workers=1), tmp_path)
        with SpiceBackend(Hardware(), executor=executor) as backend:
            found.append((backend.program(matrix).solve(rhs), backend.engine_seconds, executor.counts["cache hits"]))
    (first, seconds, misses), (again, nothing, hits) = found
    assert again.value.tobytes() == first.value.tobytes()
    assert again.stats.settling_time.tobytes() == first.stats.settling_time.tobytes()
    assert seconds > 0 == nothing
    assert (misses, hits) == (0, 1)
