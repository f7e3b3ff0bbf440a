"""The networks that the optimizer is tried on: two convolutions and one linear layer."""

from torch import Tensor, nn
from torch.nn import functional

from circuits import InputError


class TwoLayerCNN(nn.Module):
    """Two convolutions, each followed by ReLU and pooling, and one linear layer on 64 features.

    Takes float32 images of shape (N, 1, H, W), returns logits of shape (N, classes). The layers `conv1`,
    `conv2` and `fc` all have biases, so that their K-FAC factors A and G measure 10/8, 73/16 and 65/classes
    for 8x8 images, and 26/8, 73/16 and 65/classes for 28x28 images. Weights are drawn by torch's defaults
    under the caller's `torch.manual_seed`.

    Raises circuits.InputError for any other image size and for fewer than two classes.
    """

    def __init__(self, image_size: tuple[int, int], classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise InputError(f"found {classes} classes, expected at least 2; there is nothing to tell apart")
        if image_size == (8, 8):
            self._build_small()
        elif image_size == (28, 28):
            self._build_large()
        else:
            raise InputError(f"found image size {image_size}, expected (8, 8) or (28, 28); resize the images")
        self.fc = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (N, classes), of images of shape (N, 1, H, W)."""
        hidden = self.pool1(functional.relu(self.conv1(images)))
        hidden = self.pool2(functional.relu(self.conv2(hidden)))
        logits: Tensor = self.fc(hidden.flatten(1))
        return logits

    def _build_small(self) -> None:
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, padding=1)  # 8x8
        self.pool1: nn.Module = nn.MaxPool2d(2)  # 4x4
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, padding=1)  # 4x4
        self.pool2: nn.Module = nn.MaxPool2d(2)  # 2x2, 64 features

    def _build_large(self) -> None:
        self.conv1 = nn.Conv2d(1, 8, kernel_size=5, stride=2)  # 12x12
        self.pool1 = nn.Identity()
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, stride=2)  # 5x5
        self.pool2 = nn.AvgPool2d(3, stride=2)  # 2x2, 64 features; overlapping, so that no row is left out


class FlatCNN(nn.Module):
    """Two strided convolutions and one linear layer on all 16 x 7 x 7 = 784 of their outputs, for 28x28 images.

    Its K-FAC factors A and G measure 10/8, 73/16 and 785/classes: more rows than an array has. Takes and returns
    what `TwoLayerCNN` does. Raises circuits.InputError for any other image size and for fewer than two classes.
    """

    def __init__(self, image_size: tuple[int, int], classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise InputError(f"found {classes} classes, expected at least 2; there is nothing to tell apart")
        if image_size != (28, 28):
            raise InputError(f"found image size {image_size}, expected (28, 28); take the model 'cnn'")
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, stride=2, padding=1)  # 14x14
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, stride=2, padding=1)  # 7x7
        self.fc = nn.Linear(784, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (N, classes), of images of shape (N, 1, 28, 28)."""
        hidden = functional.relu(self.conv2(functional.relu(self.conv1(images))))
        logits: Tensor = self.fc(hidden.flatten(1))
        return logits


MODELS: dict[str, type[nn.Module]] = {"cnn": TwoLayerCNN, "flat": FlatCNN}
"""The networks by name."""


def build_model(image_size: tuple[int, int], classes: int, name: str = "cnn") -> nn.Module:
    """The network of that name for images of `image_size` (height, width in pixels) and `classes` classes.

    Raises circuits.InputError as the network does.
    """
    model: nn.Module = MODELS[name](image_size, classes)
    return model
