"""The idx reader and the data sets, against files made here and against scikit-learn's own arrays."""

import contextlib
import gzip
import struct
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from training import data
from training.data import DATASETS, load_dataset
from training.idx import DataError, read_images, read_labels, read_pair

torch.set_num_threads(1)

REAL_LETTERS = Path(__file__).resolve().parents[2] / "shared/data/emnist-letters-a-m"
MNIST_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
LETTER_FILES = tuple(
    f"emnist-letters-{name}"
    for name in ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
)
IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
IMAGE_HEADER = bytes.fromhex("00000803 00000004 00000002 00000003")


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """An idx file of unsigned bytes, written from the description of the format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_set(folder: Path, files: tuple[str, ...], arrays: list[NDArray[np.uint8]], suffix: str = "") -> None:
    for name, array in zip(files, arrays, strict=True):
        write(folder / f"{name}-ubyte{suffix}", idx_bytes(array))


def ramps(labels: list[int]) -> list[NDArray[np.uint8]]:
    """2x3 images that count up, and their labels."""
    images = np.arange(6 * len(labels), dtype=np.uint8).reshape(-1, 2, 3)
    return [images, np.array(labels, dtype=np.uint8)]


# idx files


@settings(max_examples=40, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 6)] * 3), seed=st.integers(0, 9), suffix=st.sampled_from(("", ".gz")))
def test_written_images_and_labels_read_back(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], seed: int, suffix: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    labels = images.reshape(-1)
    found = read_images(write(folder / f"images{suffix}", idx_bytes(images)))
    np.testing.assert_array_equal(found, images, strict=True)
    found = read_labels(write(folder / f"labels{suffix}", idx_bytes(labels)))
    np.testing.assert_array_equal(found, labels, strict=True)


def test_a_file_written_out_by_hand_reads_row_by_row(tmp_path: Path) -> None:
    path = write(tmp_path / "images", bytes.fromhex("00000803 00000001 00000002 00000003 0a0b0c 0d0eff"))
    assert read_images(path).tolist() == [[[10, 11, 12], [13, 14, 255]]]


def test_the_content_and_not_the_name_tells_gzip(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(idx_bytes(IMAGES))
    (tmp_path / "zipped").write_bytes(gzip.compress(idx_bytes(IMAGES)))
    for name in ("plain.gz", "zipped"):
        np.testing.assert_array_equal(read_images(tmp_path / name), IMAGES)


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


PIXELS = IMAGES.tobytes()
ZIPPED = gzip.compress(IMAGE_HEADER + PIXELS)
BROKEN = {
    "empty": (b"", "found 0 bytes, expected at least 4"),
    "half a magic number": (IMAGE_HEADER[:3], "found 3 bytes, expected at least 4"),
    "half a header": (IMAGE_HEADER[:12], "found 12 bytes, expected at least 16"),
    "header only": (IMAGE_HEADER, "found 16 bytes, expected 40"),
    "one pixel short": (IMAGE_HEADER + PIXELS[:-1], "found 39 bytes, expected 40"),
    "one byte too many": (IMAGE_HEADER + PIXELS + b"\0", "found 1 trailing bytes, expected 40"),
    "absurd dimensions": (IMAGE_HEADER[:4] + b"\xff" * 12, "found 16 bytes, expected 7922816"),
    "absurd and empty": (
        IMAGE_HEADER[:4] + b"\xff" * 8 + b"\0" * 4,
        "found 4294967295 x 4294967295 x 0 elements",
    ),
    "no images": (IMAGE_HEADER[:4] + b"\0" * 4 + IMAGE_HEADER[8:], "found 0 x 2 x 3 elements"),
    "labels": (idx_bytes(IMAGES.reshape(-1)), "found magic number 0x00000801, expected 0x00000803"),
    "floats": (flipped(IMAGE_HEADER, 2) + PIXELS, "found magic number 0x0000f703, expected 0x00000803"),
    "web page": (b"<!doctype html>", "found magic number 0x3c21646f, expected 0x00000803"),
    "gzip cut short": (ZIPPED[:-12], "corrupt gzip"),
    "gzip header only": (ZIPPED[:2], "corrupt gzip"),
    "gzip bit flipped": (flipped(ZIPPED, len(ZIPPED) - 6), "corrupt gzip"),
    "gzip not deflate": (flipped(ZIPPED, 10), "corrupt gzip"),
    "gzip and more": (ZIPPED + b"more", "corrupt gzip"),
    "gzip of one pixel short": (gzip.compress(IMAGE_HEADER + PIXELS[:-1]), "found 39 bytes, expected 40"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    path = tmp_path / "some-images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_images(path)
    assert str(error.value).startswith(f"{path}: found")
    assert "\n" not in str(error.value)


@given(cut=st.integers(0, len(ZIPPED) - 1))
@settings(deadline=None)
def test_a_gzip_file_cut_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.gz"
    path.write_bytes(ZIPPED[:cut])
    with pytest.raises(DataError, match=r"cut\.gz: found"):
        read_images(path)


def test_images_where_labels_belong_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "labels", idx_bytes(IMAGES))
    with pytest.raises(DataError, match=r"expected 0x00000801.*file of labels"):
        read_labels(path)


@pytest.mark.parametrize(("name", "message"), [("absent", "no such file"), (".", "no readable file")])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    path = tmp_path / name
    with pytest.raises(DataError, match=message) as error:
        read_images(path)
    assert str(error.value).startswith(f"{path}: found")


def test_counts_of_images_and_labels_must_agree(tmp_path: Path) -> None:
    images = write(tmp_path / "images", idx_bytes(IMAGES))
    labels = write(tmp_path / "labels", idx_bytes(np.arange(3, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"labels: found 3 labels, expected 4, .*images"):
        read_pair(images, labels)


# digits


def test_digits_are_those_of_scikit_learn_each_once() -> None:
    digits = load_dataset("digits")
    pixels, labels = load_digits(return_X_y=True)
    expected = Counter((row.tobytes(), int(label)) for row, label in zip(pixels, labels, strict=True))
    images = torch.cat([digits.train_images, digits.test_images]).double().mul(16).reshape(-1, 64).numpy()
    found_labels = torch.cat([digits.train_labels, digits.test_labels]).tolist()
    found = Counter((row.tobytes(), label) for row, label in zip(images, found_labels, strict=True))
    assert found == expected
    assert digits.classes == 10
    assert digits.image_size == (8, 8)
    assert digits.train_images.dtype == torch.float32
    assert digits.train_labels.dtype == torch.int64


def test_digits_split_is_stratified() -> None:
    digits = load_dataset("digits")
    train, test = digits.train_labels.bincount(), digits.test_labels.bincount()
    assert (train + test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert test.tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]  # a fifth of each, rounded


def test_digits_split_is_fixed() -> None:
    first = load_dataset("digits")
    torch.manual_seed(5)
    again = load_dataset("digits")
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    # scikit-learn's array starts with 0 to 9 in turn, three times: the third of each is the first for test.
    pixels, _ = load_digits(return_X_y=True)
    np.testing.assert_array_equal(first.test_images[0].numpy().reshape(-1) * 16, pixels[20])


def test_digits_read_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data-dir"):
        load_dataset("digits", tmp_path)


# idx data sets in a folder


def test_letters_are_turned_upright(tmp_path: Path) -> None:
    # An upright L of 3x2 pixels, as the files hold it: transposed, two rows of three.
    stored = np.array([[[255, 255, 255], [0, 0, 51]]], dtype=np.uint8)
    label = np.array([1], dtype=np.uint8)
    write_set(tmp_path, LETTER_FILES, [stored, label, stored, label])
    letters = load_dataset("emnist-letters", tmp_path)
    upright = torch.tensor([[[[1.0, 0.0], [1.0, 0.0], [1.0, 0.2]]]])
    torch.testing.assert_close(letters.train_images, upright, rtol=0, atol=0)
    torch.testing.assert_close(letters.test_images, upright, rtol=0, atol=0)
    assert letters.image_size == (3, 2)
    assert letters.train_images.is_contiguous()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_letters_start_at_zero_and_count_the_labels_in_train(tmp_path: Path, suffix: str) -> None:
    write_set(tmp_path, LETTER_FILES, [*ramps([3, 1, 2, 3]), *ramps([2, 1])], suffix)
    letters = load_dataset("emnist-letters", tmp_path)
    assert letters.train_labels.tolist() == [2, 0, 1, 2]
    assert letters.test_labels.tolist() == [1, 0]
    assert letters.train_labels.dtype == torch.int64
    assert (letters.name, letters.classes) == ("emnist-letters", 3)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_keeps_its_orientation_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    write_set(tmp_path, MNIST_FILES, [*ramps([1, 0]), *ramps([0])], suffix)
    monkeypatch.chdir(tmp_path.parent)
    mnist = load_dataset("mnist", tmp_path.name)  # a relative path
    assert mnist.train_labels.tolist() == [1, 0]
    expected = torch.arange(12).reshape(2, 1, 2, 3) / 255
    torch.testing.assert_close(mnist.train_images, expected, rtol=0, atol=0)
    assert mnist.train_images.dtype == torch.float32


def test_a_dataset_cannot_be_changed(tmp_path: Path) -> None:
    write_set(tmp_path, MNIST_FILES, [*ramps([1, 0]), *ramps([0])])
    mnist = load_dataset("mnist", tmp_path)
    with pytest.raises(FrozenInstanceError):
        mnist.classes = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0, 1, 2], [1], r"train-labels.*: found label 0, expected 1 to 3 "),
        ([1, 2, 4], [1], r"train-labels.*: found label 4, expected 1 to 3 "),
        ([1, 2, 2], [3], r"test-labels.*: found label 3, expected 1 to 2 "),
        ([1, 2, 2], [0], r"test-labels.*: found label 0, expected 1 to 2 "),
    ],
)
def test_labels_out_of_range_are_refused(tmp_path: Path, train: list[int], test: list[int], message: str) -> None:
    write_set(tmp_path, LETTER_FILES, [*ramps(train), *ramps(test)])
    with pytest.raises(DataError, match=message):
        load_dataset("emnist-letters", tmp_path)


def test_images_of_another_size_in_test_are_refused(tmp_path: Path) -> None:
    images, labels = ramps([1, 1])
    write_set(tmp_path, LETTER_FILES, [images, labels, images.reshape(2, 3, 2), labels])
    with pytest.raises(DataError, match=r"test-images.*: found images of \(3, 2\) pixels, expected \(2, 3\)"):
        load_dataset("emnist-letters", tmp_path)


@pytest.mark.parametrize("missing", LETTER_FILES)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    write_set(tmp_path, LETTER_FILES, [*ramps([1, 2]), *ramps([1])])
    (tmp_path / f"{missing}-ubyte").unlink()
    with pytest.raises(DataError, match=f"{missing}-ubyte: found no such file.*--data-dir"):
        load_dataset("emnist-letters", tmp_path)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'letters', expected one of digits, emnist-letters, mnist"):
        load_dataset("letters")
    assert list(DATASETS) == ["digits", "emnist-letters", "mnist"]


@pytest.mark.skipif(not REAL_LETTERS.is_dir(), reason="the real letters are not at hand")
def test_real_letters_a_to_m() -> None:
    letters = load_dataset("emnist-letters", REAL_LETTERS)
    assert letters.train_images.shape == (7500, 1, 28, 28)
    assert letters.test_images.shape == (2500, 1, 28, 28)
    assert letters.classes == 13
    assert letters.train_labels.bincount().tolist() == [600] * 12 + [300]
    assert letters.test_labels.bincount().tolist() == [200] * 12 + [100]
    # Upright, an F is heavier at its head than at its foot, an E on its left than on its right.
    f = letters.train_images[letters.train_labels == 5].mean(dim=(0, 1))
    e = letters.train_images[letters.train_labels == 4].mean(dim=(0, 1))
    assert f[:7].mean() > 2 * f[-7:].mean()
    assert e[:, :14].mean() > 1.2 * e[:, 14:].mean()


# downloads, from a server of this test


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """A folder `served` behind a local server; the fixture gives the address of a file in it."""
    (tmp_path / "served").mkdir()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "served")) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield lambda name: f"http://127.0.0.1:{server.server_port}/{name}"
        server.shutdown()


def checksum(path: Path) -> str:
    return f"md5:{md5(path.read_bytes()).hexdigest()}"


def test_four_files_are_downloaded_once(
    tmp_path: Path, served: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "served"
    write_set(folder, MNIST_FILES, [*ramps([1, 0]), *ramps([0])], ".gz")
    names = [f"{name}-ubyte.gz" for name in MNIST_FILES]
    downloads = tuple((served(name), checksum(folder / name)) for name in names)
    monkeypatch.setattr(data, "MNIST", replace(data.MNIST, downloads=downloads))
    assert load_dataset("mnist").train_labels.tolist() == [1, 0]
    for name in names:
        (folder / name).unlink()
    assert load_dataset("mnist").train_labels.tolist() == [1, 0]


def test_an_archive_is_downloaded_and_its_members_used(
    tmp_path: Path, served: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path, LETTER_FILES, [*ramps([1, 2]), *ramps([1])], ".gz")
    archive = tmp_path / "served/gzip.zip"
    with zipfile.ZipFile(archive, "w") as pack:
        for name in LETTER_FILES:
            pack.write(tmp_path / f"{name}-ubyte.gz", f"gzip/{name}-ubyte.gz")
    downloads = ((served("gzip.zip"), checksum(archive)),)
    monkeypatch.setattr(data, "LETTERS", replace(data.LETTERS, downloads=downloads))
    for _ in range(2):  # from the server, then from the cache
        letters = load_dataset("emnist-letters")
        assert letters.train_labels.tolist() == [0, 1]
        with contextlib.suppress(FileNotFoundError):
            archive.unlink()


@pytest.mark.parametrize("content", [None, b"another file"], ids=["absent", "changed"])
def test_a_failed_download_names_the_address_and_the_way_out(
    tmp_path: Path, served: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content:
        (tmp_path / "served/gzip.zip").write_bytes(content)
    downloads = ((served("gzip.zip"), "md5:" + "0" * 32),)
    monkeypatch.setattr(data, "LETTERS", replace(data.LETTERS, downloads=downloads))
    with pytest.raises(DataError, match=r"letters: could not fetch http://.*gzip\.zip .*--data-dir") as error:
        load_dataset("emnist-letters")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", [data.MNIST, data.LETTERS], ids=lambda source: source.name)
def test_without_a_network_the_error_is_one_sentence(
    source: data.IdxSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(DataError, match=r"could not fetch https://.*no route to host.*--data-dir"):
        load_dataset(source.name)
