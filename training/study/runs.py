"""Many runs side by side in processes, each remembered: what was stopped goes on where it was."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

from circuits import InputError
from circuits.errors import check_whole
from cosim.workers import end_with_parent
from training.config import RunConfig
from training.study.trial import OUTCOME, Outcome, carry_out, digest, epochs_done

LOOK = 1.0
"""[s] between looks at how far the runs are."""

_stopped = False
"""Whether this process was told to stop."""

Told = Callable[[int, int], None]
"""Takes epochs done and epochs to come, of all runs."""


@dataclass(frozen=True)
class Runs:
    """Carries out runs in `jobs` processes and keeps their outcomes in `folder`."""

    folder: Path
    jobs: int = 1
    """Runs at a time, each on one core; one runs in this process."""

    def __post_init__(self) -> None:
        check_whole("jobs", self.jobs, 1, 1024)

    def carry_out(self, configs: Sequence[RunConfig], told: Told = lambda done, total: None) -> list[Outcome]:
        """The outcomes in the order of the configs. InputError where a process was killed: what is done is kept."""
        places = {digest(config): config for config in configs}
        missing = {name: one for name, one in places.items() if not (self.folder / name / OUTCOME).exists()}
        if missing and self.jobs == 1:
            self._train_here(places, missing, told)
        elif missing:
            self._train(places, missing, told)
        return [Outcome.read(self.folder / digest(config) / OUTCOME) for config in configs]

    def _train_here(self, places: dict[str, RunConfig], missing: dict[str, RunConfig], told: Told) -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as in a process of its own: the last bits depend on it
        try:
            for name, config in missing.items():
                carry_out(config, self.folder / name)
                told(self._done(places), sum(config.epochs for config in places.values()))
        finally:
            torch.set_num_threads(threads)

    def _train(self, places: dict[str, RunConfig], missing: dict[str, RunConfig], told: Told) -> None:
        total = sum(config.epochs for config in places.values())
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self.jobs, len(missing)), context, _begin) as pool:
            futures = [pool.submit(_run, config, self.folder / name) for name, config in missing.items()]
            try:
                for _ in _looking(futures):
                    told(self._done(places), total)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        told(total, total)

    def _done(self, places: dict[str, RunConfig]) -> int:
        finished = [name for name in places if (self.folder / name / OUTCOME).exists()]
        return sum(
            config.epochs if name in finished else epochs_done(self.folder / name) for name, config in places.items()
        )


def _looking(futures: list[Future[Outcome]]) -> Iterator[None]:
    """Until all are done; raises what a run raised."""
    open_: set[Future[Outcome]] = set(futures)
    while open_:
        done, open_ = wait(open_, timeout=LOOK, return_when=FIRST_COMPLETED)
        for future in done:
            _result(future)
        yield


def _result(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        raise InputError(
            "A process that trained was killed: start again with fewer jobs; what is done is kept."
        ) from None


def _begin() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _run(config: RunConfig, folder: Path) -> Outcome:
    """A run that Ctrl-C stops at its last completed step; those that were already handed out then stop too."""
    global _stopped
    if _stopped:
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return carry_out(config, folder)
    except KeyboardInterrupt:
        _stopped = True
        raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
