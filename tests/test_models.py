"""The two networks: shapes, factor sizes and arithmetic worked out by hand."""

import pytest
import torch
from torch import Tensor, nn

from training.models import TwoLayerCNN, build_model

torch.set_num_threads(1)

SMALL, LARGE = (8, 8), (28, 28)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("classes", [2, 10, 13, 26])
def test_logits_have_one_column_per_class(size: tuple[int, int], classes: int) -> None:
    model = build_model(size, classes)
    assert isinstance(model, TwoLayerCNN)
    logits = model(torch.rand(5, 1, *size))
    assert logits.shape == (5, classes)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize(
    ("size", "factors"),
    [
        (SMALL, {"conv1": (10, 8), "conv2": (73, 16), "fc": (65, 13)}),  # 3*3*1 + 1, 3*3*8 + 1, 64 + 1
        (LARGE, {"conv1": (26, 8), "conv2": (73, 16), "fc": (65, 13)}),  # 5*5*1 + 1, 3*3*8 + 1, 64 + 1
    ],
)
def test_layers_have_the_promised_factor_sizes(size: tuple[int, int], factors: dict[str, tuple[int, int]]) -> None:
    layers = dict(build_model(size, 13).named_children())
    found = {name: _factor_sizes(layers[name]) for name in factors}
    assert found == factors


def _factor_sizes(layer: nn.Module) -> tuple[int, int]:
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    return weight[0].numel() + 1, len(bias)


@pytest.mark.parametrize(
    ("size", "classes", "count"),
    [
        (SMALL, 10, 1898),  # 8*10 + 16*73 + 10*65 = 80 + 1168 + 650
        (LARGE, 13, 2221),  # 8*26 + 16*73 + 13*65 = 208 + 1168 + 845
    ],
)
def test_parameters_are_counted_by_hand(size: tuple[int, int], classes: int, count: int) -> None:
    assert sum(p.numel() for p in build_model(size, classes).parameters()) == count


def _copying_model(size: tuple[int, int]) -> nn.Module:
    """Kernels that copy their centre, summing over input channels, and a linear layer that sums."""
    model = build_model(size, 2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name == "fc.weight" else 0.0)
            if name.startswith("conv") and name.endswith("weight"):
                centre = parameter.shape[-1] // 2
                parameter[:, :, centre, centre] = 1.0
    return model


@pytest.mark.parametrize(
    ("size", "at", "logit"),
    [
        (SMALL, (5, 2), 128.0),  # max pooling keeps 1, conv2 sums 8 channels, fc sums 16: 8 * 16
        (LARGE, (4, 4), 128 / 9),  # the centre of conv2's first step; average pooling divides 8 * 16 by 9
        (LARGE, (5, 5), 0.0),  # between the steps of conv1: no kernel centre meets it
        (LARGE, (20, 20), 128 / 9),  # conv2's last row and column: no corner of its 5x5 is left out
        (LARGE, (12, 12), 4 * 128 / 9),  # the centre of its 5x5 lies in all four pooling windows
    ],
)
def test_one_bright_pixel_gives_the_logit_worked_out_by_hand(
    size: tuple[int, int], at: tuple[int, int], logit: float
) -> None:
    images = torch.zeros(2, 1, *size)
    images[0, 0, at[0], at[1]] = 1.0
    images[1, 0, at[0], at[1]] = -1.0  # ReLU leaves nothing of it
    expected = torch.tensor([[logit, logit], [0.0, 0.0]])
    torch.testing.assert_close(_copying_model(size)(images), expected)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_nothing_negative_passes_the_second_convolution(size: tuple[int, int]) -> None:
    model = _copying_model(size)
    with torch.no_grad():
        dict(model.named_parameters())["conv2.weight"].neg_()
    torch.testing.assert_close(model(torch.ones(1, 1, *size)), torch.zeros(1, 2))


@pytest.mark.parametrize(("size", "kernel", "keywords"), [(SMALL, 3, {"padding": 1}), (LARGE, 5, {"stride": 2})])
def test_weights_are_torch_defaults_under_the_callers_seed(
    size: tuple[int, int], kernel: int, keywords: dict[str, int]
) -> None:
    torch.manual_seed(7)
    expected = nn.Conv2d(1, 8, kernel, **keywords).state_dict()  # type: ignore[arg-type]
    torch.manual_seed(7)
    first = build_model(size, 10).state_dict()
    torch.manual_seed(7)
    again = build_model(size, 10).state_dict()
    assert all(torch.equal(first[f"conv1.{key}"], value) for key, value in expected.items())
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("size", [(16, 16), (8, 28), (32, 32), (1, 8, 8)])
def test_another_image_size_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(8, 8\) or \(28, 28\)"):
        build_model(size, 10)  # type: ignore[arg-type]


def test_a_single_class_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 2"):
        build_model(SMALL, 1)
