"""What computes a run's inverses: the backend, where its SPICE jobs run, what checks and what remembers them."""

from circuits import InputError
from circuits.hardware_file import load_hardware
from cosim import Backend, open_backend
from cosim.audit import AuditedBackend
from cosim.cache import CachedExecutor
from cosim.executor import Executor
from cosim.executors import open_executor
from training.config import Execution, RunConfig


def open_engine(config: RunConfig, execution: Execution) -> Backend:
    """The backend of a run, ready; the caller closes it. InputError where the two do not go together."""
    hardware = load_hardware(config.hardware, config.trust)
    name, audit = config.backend, execution.audit
    if audit and name != "nodal":
        raise InputError(f"audit = {audit} checks --backend=nodal, and the run has --backend={name}: leave it out.")
    if name != "spice" and not audit:
        if execution.executor != "local":
            raise InputError(
                f"executor = {execution.executor!r} runs SPICE jobs, and --backend={name} has none: leave it out."
            )
        return open_backend(name, hardware=hardware)
    executor = _open_executor(execution)
    try:
        if audit:
            limit, action = execution.audit_limit, execution.on_audit
            return AuditedBackend(hardware, None, audit, limit, action, executor=executor)
        return open_backend(name, hardware=hardware, executor=executor)
    except BaseException:
        executor.close()
        raise


def _open_executor(execution: Execution) -> Executor:
    executor = open_executor(execution.executor, execution.workers, execution.timeout, execution.dask_address)
    return CachedExecutor(executor, execution.cache_dir) if execution.cache else executor
