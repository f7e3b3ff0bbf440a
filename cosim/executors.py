"""The executors by name: this machine, or a Dask cluster."""

from circuits.errors import InputError, check_choice
from cosim.executor import Executor
from cosim.library import need_ngspice
from cosim.pool import SpicePool

EXECUTORS = ("local", "dask")


def open_executor(
    kind: str = "local", workers: int | None = None, timeout: float = 600.0, address: str | None = None
) -> Executor:
    """The executor of that kind, connected and ready; the caller closes it.

    Args:
        kind: local, processes on this machine, or dask, the workers of a cluster.
        workers: local processes, one a core where None; a cluster has the workers that it has.
        timeout: [s] that one item may take before its process is stopped.
        address: of the Dask scheduler, such as tcp://host:8786.

    Raises InputError for an unknown kind, for options of the other kind, and where this machine has no ngspice.
    """
    check_choice("executor", kind, EXECUTORS)
    if kind == "local":
        if address is not None:
            raise InputError(f"dask address = {address!r} is of no use to executor = 'local': add --executor=dask.")
        need_ngspice()
        return SpicePool(workers, timeout)
    if address is None:
        raise InputError("executor = 'dask' needs the scheduler's address: add --dask-address=tcp://host:8786.")
    if workers is not None:
        raise InputError(
            f"workers = {workers!r} counts processes on this machine, and executor = 'dask' uses those of the cluster: "
            "leave it out, and start as many as you want with `dask worker`."
        )
    from cosim.cluster import DaskExecutor

    return DaskExecutor(address, timeout)
