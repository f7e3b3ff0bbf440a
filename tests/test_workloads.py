"""Layer shapes against published parameter counts and against factors that are known by hand."""

import pytest

from circuits import InputError
from cosim.workloads import WORKLOADS, Layer, resnet18, total_solves, vit_small, workload

PUBLISHED = {
    # 8 * 26 + 16 * 73 + 26 * 65
    "cnn": 3066,
    # kuangliu/pytorch-cifar, ten classes
    "resnet18": 11_173_962,
    # timm's vit_small_patch16_224, 1,000 classes
    "vit-small": 22_050_664,
    # Hugging Face's gpt2, embeddings tied
    "gpt2-small": 124_439_808,
}


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    assert workload(name).parameters == PUBLISHED[name]


def test_more_classes_add_rows_to_the_head_alone() -> None:
    assert resnet18(100).parameters - resnet18(10).parameters == 90 * 513
    assert vit_small(10).parameters == PUBLISHED["vit-small"] - 990 * 385


def test_a_layers_factors_and_right_hand_sides() -> None:
    with_bias, without = Layer("fc", 64, 26), Layer("conv", 27, 64, bias=False)
    assert (with_bias.a, with_bias.g, with_bias.solves, with_bias.parameters) == (65, 26, (26, 65), 1690)
    assert (without.a, without.g, without.solves, without.parameters) == (27, 64, (64, 27), 1728)


def test_factors_of_our_network_are_those_of_the_readme() -> None:
    assert workload("cnn").factors == [
        ("conv1/A", 26, 8),
        ("conv1/G", 8, 26),
        ("conv2/A", 73, 16),
        ("conv2/G", 16, 73),
        ("fc/A", 65, 26),
        ("fc/G", 26, 65),
    ]
    assert total_solves(workload("cnn").factors) == 8 + 26 + 16 + 73 + 26 + 65


@pytest.mark.parametrize(("name", "layers", "largest"), [("resnet18", 21, 4608), ("vit-small", 50, 1537)])
def test_layers_and_largest_factor(name: str, layers: int, largest: int) -> None:
    found = workload(name)
    assert len(found.layers) == layers
    assert max(size for _, size, _ in found.factors) == largest


def test_gpt2_has_no_factor_of_the_size_of_its_vocabulary() -> None:
    found = workload("gpt2-small")
    assert len(found.layers) == 48
    assert max(size for _, size, _ in found.factors) == 3073
    assert found.rest > 50257 * 768


def test_an_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="resnet18"):
        workload("resnet50")
