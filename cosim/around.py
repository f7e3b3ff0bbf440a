"""What every backend around another one passes on."""

from cosim.backends import Backend


class BackendAround(Backend):
    """A backend around `inner`, whose writes and simulator it shares, and which is closed with it."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.superposes = inner.superposes

    @property
    def writes(self) -> int:
        """Matrices programmed so far, as the inner backend counts them."""
        return self.inner.writes

    @writes.setter
    def writes(self, writes: int) -> None:
        self.inner.writes = writes

    @property
    def step(self) -> int:
        """Training step, as the inner backend has it."""
        return self.inner.step

    @step.setter
    def step(self, step: int) -> None:
        self.inner.step = step

    @property
    def engine_seconds(self) -> float:
        """Wall time [s] of the inner backend's simulator."""
        return self.inner.engine_seconds

    @engine_seconds.setter
    def engine_seconds(self, seconds: float) -> None:
        self.inner.engine_seconds = seconds

    def close(self) -> None:
        """Close the inner backend."""
        self.inner.close()
