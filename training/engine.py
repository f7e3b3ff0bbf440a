"""What computes a run's inverses: the backend, where its SPICE jobs run, what checks and what remembers them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from circuits import Conditioning, Hardware, InputError
from circuits.hardware_file import load_hardware
from cosim import Backend, open_backend
from cosim.audit import AuditedBackend
from cosim.blocks import BlockBackend
from cosim.cache import CachedExecutor
from cosim.executor import Executor
from cosim.executors import open_executor
from cosim.precision import Precision
from cosim.refine import open_precise

if TYPE_CHECKING:
    from training.config import RunConfig
    from training.execution import Execution


WHOLE = 128
"""Rows of a factor up to which it stands on one array where no limit is given; wires of 1.73 ohm leave an error of
2 % there, on a matrix of condition 6 to 8."""


def open_engine(config: "RunConfig", execution: "Execution") -> Backend:
    """The backend of a run, ready; the caller closes it. InputError where the two do not go together."""
    _check(config, execution)
    hardware = load_hardware(config.hardware, config.trust)
    conditioning = Conditioning() if config.conditioning else Conditioning.off()
    if execution.audit:
        audited = partial(AuditedBackend, hardware, conditioning)
        return _with_executor(execution, partial(audited, execution.audit, execution.audit_limit, execution.on_audit))
    build = partial(build_backend, config.backend, hardware, config.precision, config.products, config.max_array)
    build = partial(build, conditioning=conditioning)
    return _with_executor(execution, build) if config.backend == "spice" else build()


def build_backend(
    name: str,
    hardware: Hardware,
    precision: str | None = None,
    products: str = "rounded",
    max_array: int | None = None,
    **options: Any,
) -> Backend:
    """A backend for matrices of any size, at a precision as `Precision.parse` takes it.

    `options` are those of `open_backend`. Matrices above `max_array` rows, by default the larger one of WHOLE and the
    hardware's, are solved block by block.
    """
    most = max_array or max(WHOLE, hardware.max_array)
    wrap = partial(BlockBackend, max_array=most)
    hardware = replace(hardware, max_array=most)
    if precision is None:
        return wrap(open_backend(name, hardware=hardware, **options))
    return open_precise(name, Precision.parse(precision, products=products), hardware, wrap=wrap, **options)


def innermost(backend: Backend) -> Backend:
    """The backend that programs single arrays."""
    while hasattr(backend, "inner"):
        backend = backend.inner
    return backend


def _check(config: "RunConfig", execution: "Execution") -> None:
    name, audit = config.backend, execution.audit
    if audit and name != "nodal":
        raise InputError(f"audit = {audit} checks --backend=nodal, and the run has --backend={name}: leave it out.")
    if audit and (config.precision or config.max_array):
        option = "precision" if config.precision else "max_array"
        raise InputError(f"audit = {audit} checks single INV calls, and {option} makes many of one: leave one out.")
    if name == "spice" or audit:
        return
    for option, given in (("executor", execution.executor != "local"), ("cache", execution.cache)):
        if given:
            raise InputError(f"{option} is for SPICE jobs, and --backend={name} runs none: leave it out.")


def _with_executor(execution: "Execution", build: Callable[..., Backend]) -> Backend:
    executor = _open_executor(execution)
    try:
        return build(executor=executor)
    except BaseException:
        executor.close()
        raise


def _open_executor(execution: "Execution") -> Executor:
    executor = open_executor(execution.executor, execution.workers, execution.timeout, execution.dask_address)
    return CachedExecutor(executor, execution.cache_dir) if execution.cache else executor
