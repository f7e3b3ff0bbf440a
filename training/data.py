"""The data sets that training runs on, each as one `Dataset` of tensors."""

import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.idx import Bytes, DataError, StrPath, read_pair


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, split once and for all into train and test.

    Images are float32 of shape (N, 1, H, W), scaled to 0..1, upright. Labels are int64 of shape (N,),
    0 to `classes` - 1.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of every image, in pixels."""
        height, width = self.train_images.shape[2:]
        return height, width


@dataclass(frozen=True)
class IdxSource:
    """A data set published as four idx files.

    `files`: train images, train labels, test images, test labels, without ".gz". `downloads`: address and
    pooch checksum of each file to fetch. `folder`: where an archive among them keeps the files.
    """

    name: str
    files: tuple[str, str, str, str]
    first_label: int
    transposed: bool
    downloads: tuple[tuple[str, str], ...]
    folder: str = ""


# The checksums are those that torchvision publishes in torchvision/datasets/mnist.py.
_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST = IdxSource(
    name="mnist",
    files=(
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ),
    first_label=0,
    transposed=False,
    downloads=(
        (f"{_MIRROR}train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        (f"{_MIRROR}train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432"),
        (f"{_MIRROR}t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3"),
        (f"{_MIRROR}t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c"),
    ),
)
# EMNIST stores images column by column and numbers its letters from 1 (Cohen et al., arXiv:1702.05373).
LETTERS = IdxSource(
    name="emnist-letters",
    files=(
        "emnist-letters-train-images-idx3-ubyte",
        "emnist-letters-train-labels-idx1-ubyte",
        "emnist-letters-test-images-idx3-ubyte",
        "emnist-letters-test-labels-idx1-ubyte",
    ),
    first_label=1,
    transposed=True,
    downloads=(("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", "md5:58c8d27c78d21e728a6bc7b3cc06412e"),),
    folder="gzip/",
)


def load_dataset(name: str, data_dir: StrPath | None = None) -> Dataset:
    """The data set `name`, one of `DATASETS`.

    `digits` comes with scikit-learn. The others are read from `data_dir` (gzipped or plain files under their
    published names) or, without it, downloaded once into the user's cache and checked. The number of classes
    is the number of labels present in train. Every split is fixed, so that runs with different seeds are
    judged on the same test images.

    Raises DataError for an unknown name, for missing or damaged files, for labels out of range, and where a
    download fails.
    """
    if name not in DATASETS:
        raise DataError(f"found data set {name!r}, expected one of {', '.join(DATASETS)}; pick one of these")
    return DATASETS[name](None if data_dir is None else Path(data_dir))


def hold_out(dataset: Dataset) -> Dataset:
    """The training images alone, every fifth of a class in the place of the test images, which are left out."""
    held = _every_fifth(dataset.train_labels)
    images, labels = dataset.train_images, dataset.train_labels
    return replace(
        dataset,
        train_images=images[~held],
        train_labels=labels[~held],
        test_images=images[held],
        test_labels=labels[held],
    )


def _digits(data_dir: Path | None) -> Dataset:
    if data_dir is not None:
        raise DataError(f"digits: found --data-dir {data_dir}, expected none; leave it out, no file is read")
    from sklearn.datasets import load_digits  # a slow import that only this data set needs

    images, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(images.reshape(-1, 1, 8, 8) / 16).float()  # scikit-learn's pixels are 0 to 16
    y = torch.from_numpy(labels).long()
    test = _every_fifth(y)
    return Dataset("digits", x[~test], y[~test], x[test], y[test], classes=10)


def _every_fifth(labels: Tensor) -> Tensor:
    # No random numbers, so no library can change the split. Starting at the third sample of each class
    # rounds the share of every class to the nearest whole number.
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(int(labels.max()) + 1):
        test[torch.nonzero(labels == label).flatten()[2::5]] = True
    return test


def _idx(source: IdxSource, data_dir: Path | None) -> Dataset:
    folder = _download(source) if data_dir is None else data_dir
    paths = [_find(folder, name) for name in source.files]
    train, test = read_pair(paths[0], paths[1]), read_pair(paths[2], paths[3])
    classes = len(np.unique(train[1]))
    for path, (_, labels) in ((paths[1], train), (paths[3], test)):
        _check_labels(path, labels, source.first_label, classes)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"{paths[2]}: found images of {test[0].shape[1:]} pixels, expected {train[0].shape[1:]} as in "
            f"{paths[0]}; take both files from the same data set"
        )
    return Dataset(source.name, *_tensors(source, *train), *_tensors(source, *test), classes)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if os.path.exists(path):  # unlike Path.exists, no error where the folder is closed to us
            return path
    raise DataError(
        f"{folder / name}: found no such file, with or without .gz, expected an idx file; "
        f"pass the folder that holds it as --data-dir"
    )


def _check_labels(path: Path, labels: Bytes, first: int, classes: int) -> None:
    last = first + classes - 1
    outside = labels[(labels < first) | (labels > last)]
    if len(outside):
        raise DataError(
            f"{path}: found label {outside[0]}, expected {first} to {last} for the {classes} different "
            f"labels in train; renumber the labels without gaps or take the files from the same data set"
        )


def _tensors(source: IdxSource, images: Bytes, labels: Bytes) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(images)
    upright = x.transpose(1, 2).contiguous() if source.transposed else x
    return upright.unsqueeze(1).float().div_(255), torch.from_numpy(labels).long() - source.first_label


def _download(source: IdxSource) -> Path:
    import pooch  # only a download needs it

    cache = Path(pooch.os_cache("ohmvert")) / source.name
    members = [f"{source.folder}{name}.gz" for name in source.files]
    for url, checksum in source.downloads:
        unpack = pooch.Unzip(members, extract_dir=".") if url.endswith(".zip") else None
        try:
            pooch.retrieve(url, checksum, fname=url.rsplit("/", 1)[1], path=cache, processor=unpack)
        except (OSError, ValueError) as error:  # no way to the host, or not the published file
            raise DataError(
                f"{source.name}: could not fetch {url} ({textwrap.shorten(str(error), 160)}), expected a "
                f"file with {checksum}; get the files by other means and pass their folder as --data-dir"
            ) from error
    return cache / source.folder


DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": _digits,
    "emnist-letters": lambda data_dir: _idx(LETTERS, data_dir),
    "mnist": lambda data_dir: _idx(MNIST, data_dir),
}
