"""ngspice and the nodal engine on the same text: every linear configuration, settled and on the way."""

import numpy as np
import pytest
from cases import Array

from cosim.witness import CONFIGURATIONS, agreements
from training.proofs import LIMITS


def small() -> dict[str, Array]:
    """A signed matrix that is not symmetric, so that no transposition hides."""
    rng = np.random.default_rng(5)
    return {"signed 4 x 4": rng.uniform(-0.3, 0.3, (4, 4)) + np.eye(4)}


@pytest.mark.ngspice
@pytest.mark.parametrize("accuracy", list(LIMITS))
def test_every_linear_configuration_agrees(accuracy: str) -> None:
    found = list(agreements(small(), CONFIGURATIONS, accuracy, workers=1))
    assert [agreement.configuration for agreement in found] == list(CONFIGURATIONS)
    settled, anywhere = LIMITS[accuracy]
    for agreement in found:
        assert agreement.settled <= settled, agreement
        assert agreement.waveform <= anywhere, agreement


@pytest.mark.ngspice
def test_real_factors_agree_with_tight_tolerances(shared_factors: dict[str, Array]) -> None:
    chosen = {}
    for name in ("step020/conv1/G", "step150/fc/G"):
        factor = shared_factors[name]
        chosen[name] = factor + 0.1 * np.diag(factor).mean() * np.eye(len(factor))
    names = ["ideal", "offset, bias, output resistance", "wires, reduced", "compensation"]
    for agreement in agreements(chosen, names, "tight", workers=1):
        assert max(agreement.settled, agreement.waveform) <= 1e-6, agreement
