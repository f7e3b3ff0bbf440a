"""The digital side in torch: this machine's CPU, and its CUDA device where there is one."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuits.errors import InputError
from cosim.cost_constants import GPUS, Constant
from cosim.digital import (
    REPEATS,
    ROWS,
    Baseline,
    Factor,
    Kernels,
    Run,
    Singles,
    cpu_run,
    measure_scipy,
    measured,
    published,
)

QUICK = 256
"""Rows [-] of the largest factor that a quick run times."""


def processors(factors: Sequence[Factor], gpu: bool = False, quick: bool = False) -> list[Baseline]:
    """This CPU with one thread and with all, in SciPy and torch; this GPU where asked for; the published ones.

    `quick` times factors of up to QUICK rows, once. InputError where a GPU is asked for and there is none.
    """
    if gpu:
        need_cuda()
    limits = (QUICK, 1) if quick else (ROWS, REPEATS)
    counts = sorted({1, cores()})
    found = [*measure_scipy(factors, counts, *limits), *measure_torch(factors, counts, *limits)]
    return [*found, *(measure_cuda(factors, *limits) if gpu else []), *(published(name, factors) for name in GPUS)]


def machine() -> dict[str, Any]:
    """What the times depend on: system, processor, cores that this process may use, load average now."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return {"system": platform.system(), "processor": name, "cores": cores(), "load": os.getloadavg()[0]}


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def need_cuda() -> None:
    """Raise InputError where this machine has no CUDA device."""
    if not torch.cuda.is_available():
        raise InputError("No CUDA device was found: run without --gpu, or on a machine that has one.")


def measure_torch(
    factors: Sequence[Factor], threads: Iterable[int], rows: int = ROWS, repeats: int = REPEATS
) -> list[Baseline]:
    """Torch on this CPU with each number of threads, timed on factors of up to `rows` rows."""
    runs = [cpu_run("torch", count, partial(_threads, count)) for count in threads]
    return measured(runs, factors, partial(torch_kernels, "cpu"), rows, repeats)


def measure_cuda(factors: Sequence[Factor], rows: int = ROWS, repeats: int = REPEATS) -> list[Baseline]:
    """Torch on the CUDA device of this machine; InputError where there is none."""
    need_cuda()
    name = torch.cuda.get_device_name()
    return measured([Run(f"{name}, torch", _board_power(name))], factors, partial(torch_kernels, "cuda"), rows, repeats)


def torch_kernels(device: str, matrix: Singles) -> Kernels:
    """Torch's Cholesky, inverse, product and solve on a device; matrix and right-hand sides are there beforehand."""
    a = torch.from_numpy(matrix.copy()).to(device)
    lower = torch.linalg.cholesky(a)
    inverse = torch.cholesky_inverse(lower)

    def take(rhs: Singles) -> dict[str, Callable[[], object]]:
        b = torch.from_numpy(rhs.copy()).to(device)
        return {
            "multiply": lambda: _finished(inverse @ b),
            "solve": lambda: _finished(torch.cholesky_solve(b, lower)),
        }

    return Kernels(lambda: _finished(torch.linalg.cholesky(a)), lambda: _finished(torch.cholesky_inverse(lower)), take)


def _finished(result: Tensor) -> Tensor:
    """CUDA's kernels run on after a call returns."""
    if result.is_cuda:
        torch.cuda.synchronize()
    return result


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _board_power(name: str) -> Constant:
    """[W] the board's power limit as its driver says, an assumption where it does not."""
    tool = shutil.which("nvidia-smi")
    query = "--query-gpu=power.limit", "--format=csv,noheader,nounits"
    said = subprocess.run([tool, *query], capture_output=True, text=True, check=False).stdout if tool else ""
    try:
        watts = float(said.splitlines()[0])
    except (IndexError, ValueError):
        return Constant(400.0, "W", 70.0, 1000.0, f"{name}: its driver gives no limit; a guess for any GPU", True)
    return Constant(watts, "W", 0.4 * watts, watts, f"{name}: power limit from nvidia-smi; low: 40 % of it, assumed")
