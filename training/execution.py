"""How a run is carried out."""

from dataclasses import dataclass

from circuits import InputError
from circuits.errors import check_choice
from cosim.audit import ACTIONS
from cosim.executors import EXECUTORS


@dataclass(frozen=True)
class Execution:
    """How a run is carried out, which never changes its result. Raises InputError, naming the field."""

    workers: int | None = None
    """Processes that run ngspice; one a core where it is None."""
    timeout: float = 600.0
    """[s] that one transient may take before it is tried again, above 0."""
    checkpoint_every: int = 0
    """Steps between checkpoints; 0 for one at the end of every epoch."""
    keep_checkpoints: int = 3
    """Checkpoints to keep, at least 1."""
    executor: str = "local"
    """Where SPICE jobs run: local or dask."""
    dask_address: str | None = None
    """The Dask scheduler, such as tcp://host:8786."""
    inputs: str = "all"
    """Which steps keep the inputs of their INV calls for `ohmvert replay`: all, none, or N for every Nth."""
    cache: bool = False
    """Whether outcomes of ngspice are kept on disk and found again."""
    cache_dir: str | None = None
    """Folder of the cache; the user's cache folder where it is None."""
    audit: float = 0.0
    """Share of the nodal engine's INV calls that ngspice checks, 0 to 1."""
    audit_limit: float = 1e-3
    """Relative disagreement that is too much."""
    on_audit: str = "stop"
    """What is done then: stop or warn."""

    def __post_init__(self) -> None:
        if not 0 < self.timeout < float("inf"):
            raise InputError(f"timeout = {self.timeout} s must be a finite time above 0.")
        if self.checkpoint_every < 0:
            raise InputError(f"checkpoint_every = {self.checkpoint_every} must be 0 (every epoch) or more (steps).")
        if self.keep_checkpoints < 1:
            raise InputError(f"keep_checkpoints = {self.keep_checkpoints} must be 1 or more.")
        if not 0 <= self.audit <= 1:
            raise InputError(f"audit = {self.audit} is outside 0 (none) to 1 (every INV call).")
        if not 0 < self.audit_limit < float("inf"):
            raise InputError(f"audit_limit = {self.audit_limit} must be a finite number above 0.")
        check_choice("on_audit", self.on_audit, list(ACTIONS))
        check_choice("executor", self.executor, list(EXECUTORS))
