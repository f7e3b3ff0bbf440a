"""Reader of idx files, the format in which MNIST and EMNIST are published.

Format: a four-byte magic number (two zeros, the element type, the number of dimensions), one big-endian
uint32 per dimension, then the elements in row-major order. Source: Y. LeCun's MNIST page,
http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import struct
import zlib
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from circuits import InputError

Bytes = NDArray[np.uint8]
StrPath = str | PathLike[str]

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, section 2.3.1
UNSIGNED_BYTE = 0x08  # the element type of every image and label file


class DataError(InputError):
    """Data is missing or damaged; the text names it, says what was found and expected, and the way out."""


def read_images(path: StrPath) -> Bytes:
    """The images of an idx file, gzipped or plain: uint8, shape (N, rows, cols), values 0 to 255.

    Raises DataError where the file is missing, damaged, empty or not an idx file of images.
    """
    return _read(Path(path), dimensions=3)


def read_labels(path: StrPath) -> Bytes:
    """The labels of an idx file, gzipped or plain: uint8, shape (N,), as the file numbers them.

    Raises DataError where the file is missing, damaged, empty or not an idx file of labels.
    """
    return _read(Path(path), dimensions=1)


def read_pair(images_path: StrPath, labels_path: StrPath) -> tuple[Bytes, Bytes]:
    """Images, shape (N, rows, cols), and their labels, shape (N,).

    Raises DataError as `read_images` and `read_labels` do, and where the two counts differ.
    """
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: found {len(labels)} labels, expected {len(images)}, one for each image of "
            f"{images_path}; take both files from the same data set"
        )
    return images, labels


def _read(path: Path, dimensions: int) -> Bytes:
    data = _unpack(path, _load(path))
    _check_magic(path, data, dimensions)
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise _cut_short(path, len(data), f"at least {start} for the header")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    _check_length(path, len(data), start + math.prod(shape), shape)
    # The copy makes the array writable, which torch.from_numpy asks for.
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()


def _load(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: found no such file, expected an idx file; check the path") from None
    except OSError as error:
        raise DataError(
            f"{path}: found no readable file ({error.strerror}), expected an idx file; "
            f"check the path and its permissions"
        ) from error


def _unpack(path: Path, data: bytes) -> bytes:
    # The content decides, not the name: browsers and archive tools often unpack and keep ".gz".
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{path}: found a corrupt gzip stream ({error}), expected a whole one; delete the file and fetch it again"
        ) from error


def _check_magic(path: Path, data: bytes, dimensions: int) -> None:
    expected = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    found = data[:4]
    if len(found) < 4:
        raise _cut_short(path, len(data), "at least 4 for the magic number")
    if found != expected:
        kind = "images" if dimensions == 3 else "labels"
        raise DataError(
            f"{path}: found magic number 0x{found.hex()}, expected 0x{expected.hex()} (an idx file of "
            f"{kind}); check that this is the file of {kind} and not another one or a saved web page"
        )


def _check_length(path: Path, found: int, expected: int, shape: tuple[int, ...]) -> None:
    size = " x ".join(map(str, shape))
    if 0 in shape:
        raise DataError(f"{path}: found {size} elements, expected at least one; take another file")
    if found < expected:
        raise _cut_short(path, found, f"{expected} for its {size} elements")
    if found > expected:
        raise DataError(
            f"{path}: found {found - expected} trailing bytes, expected {expected} bytes in all for its "
            f"{size} elements; delete it and fetch it again"
        )


def _cut_short(path: Path, found: int, expected: str) -> DataError:
    return DataError(f"{path}: found {found} bytes, expected {expected}; delete it and fetch it again")
