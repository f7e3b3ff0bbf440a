"""Linear algebra on one thread."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy  # noqa: F401 - its BLAS must be loaded before it is looked for
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS takes one thread: more wait for each other on busy cores, and take many times as long."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limit


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looking for libraries takes milliseconds
