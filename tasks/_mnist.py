"""MNIST as images and as sequences of pixels."""

import os
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from ._checks import check_flag, check_integer
from ._idx import corrupt, read_idx
from ._source import find_file, mnist_folder, present
from ._task import AbstractDataSet, Split

_TRAINING, _VALIDATION, _TEST = 60_000, 3_000, 10_000
_SIDE = 28
_CLASSES = tuple("0123456789")
_REFERENCE = "LeCun, Bottou, Bengio & Haffner, Proceedings of the IEEE 86 (1998)"
_SPLIT_SEED = 0


@final
class MNIST(AbstractDataSet):
    """70 000 handwritten digits of 28 by 28 pixels, each a vector of 784 features.

    Sample i is x = pixels / 255 in row-major order, and its class is the digit 0 … 9. The parts
    hold 57 000, 3 000 and 10 000 samples: the 10 000 are the official test images, and the
    3 000 are a fixed random subset of the 60 000 training images.

    Use it for models without a time axis, such as a layer at its fixed point; `SequentialMNIST`
    shows one pixel at a time. It takes about 220 MB of host memory.

    Args:
        data_dir: the folder that holds `mnist/` with the four IDX files, gzipped or unpacked.
            By default it is the environment variable ORGANICS_DATA, or, if that is not set, a
            per-user cache that is filled by a download.

    Attributes:
        train, validation, test: inputs (N, 784), targets (N,).

    Raises:
        FileNotFoundError: a file is missing, or could not be downloaded.
        ValueError: a file is corrupt.
        ImportError: a download is needed, and pooch or tqdm is not installed.

    Reference:
        LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document
        recognition", Proceedings of the IEEE 86 (1998).
    """

    train: Split
    validation: Split
    test: Split

    classes: ClassVar[tuple[str, ...]] = _CLASSES
    reference: ClassVar[str] = _REFERENCE

    def __init__(self, data_dir: str | os.PathLike[str] | None = None):
        self.train, self.validation, self.test = _read_splits(data_dir)

    @staticmethod
    def folder(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
        """The folder of the files, without a download; None if one of them is missing.

        Args:
            data_dir: as above.

        Raises:
            ValueError: `data_dir` is not a path.
        """
        return present(data_dir)


@final
class SequentialMNIST(AbstractDataSet):
    """70 000 handwritten digits, shown one pixel at a time over 784 steps.

    Sample i is x_t = pixel_π(t) / 255, one channel, and its class is the digit 0 … 9. Without
    `permuted`, π is the identity and pixels come row by row; with it, π is one random order for
    all images, which turns neighbours in the image into distant steps. The parts are those of
    `MNIST`.

    Use it as the standard benchmark of memory over hundreds of steps; `SequentialDigits` is the
    quick one. It takes about 220 MB of host memory.

    Args:
        data_dir: as in `MNIST`.
        permuted: whether to permute the pixels.
        seed: the seed of the permutation; without `permuted` it has no effect. Published
            permutations differ from one another, and from this one.

    Attributes:
        train, validation, test: inputs (N, 784, 1), targets (N,).
        permutation: π, (784,), the pixel that is shown at each step;
            `inputs[:, np.argsort(permutation)]` is in row-major order again.

    Raises:
        FileNotFoundError: a file is missing, or could not be downloaded.
        ValueError: a file is corrupt, `permuted` is not True or False, or `seed` is not an integer
            of at least 0.
        ImportError: a download is needed, and pooch or tqdm is not installed.

    Reference:
        Le, Jaitly & Hinton, "A simple way to initialize recurrent networks of rectified linear
        units", arXiv:1504.00941 (2015); for the images, LeCun, Bottou, Bengio & Haffner,
        "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998).
    """

    train: Split
    validation: Split
    test: Split
    permutation: Int[np.ndarray, "784"]

    classes: ClassVar[tuple[str, ...]] = _CLASSES
    reference: ClassVar[str] = f"{_REFERENCE}; Le, Jaitly & Hinton, arXiv:1504.00941 (2015)"

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        permuted: bool = False,
        seed: int = 0,
    ):
        check_flag("permuted", permuted)
        check_integer("seed", seed, minimum=0)
        steps = np.arange(_SIDE**2)
        self.permutation = np.random.default_rng(seed).permutation(steps) if permuted else steps
        self.train, self.validation, self.test = (
            Split(part.inputs[..., None], part.targets)
            for part in _read_splits(data_dir, self.permutation)
        )


def _read_splits(
    data_dir: str | os.PathLike[str] | None,
    permutation: Int[np.ndarray, "784"] | slice = slice(None),
) -> tuple[Split, Split, Split]:
    """Train, validation and test, with the pixels in the order of the permutation."""
    folder = mnist_folder(data_dir)
    images, labels = read_labelled_images(folder, "train", _TRAINING)
    held_out = _held_out_rows()
    train, validation = (
        Split(_scaled(images[rows], permutation), labels[rows].astype(np.int32))
        for rows in (~held_out, held_out)
    )
    images, labels = read_labelled_images(folder, "t10k", _TEST)
    return train, validation, Split(_scaled(images, permutation), labels.astype(np.int32))


def read_labelled_images(
    folder: Path, part: str, count: int
) -> tuple[UInt8[np.ndarray, "{count} 784"], UInt8[np.ndarray, " {count}"]]:
    """Reads the images and the labels of one part of MNIST, and checks their format.

    Args:
        folder: the folder of the files.
        part: the first word of their names, `train` or `t10k`.
        count: the number of images that the part must have.

    Returns:
        Pixels from 0 to 255, in row-major order, and labels from 0 to 9.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is corrupt, has a wrong count, or has a label above 9.
    """
    images_path = find_file(folder, f"{part}-images-idx3-ubyte")
    labels_path = find_file(folder, f"{part}-labels-idx1-ubyte")
    images = read_idx(images_path, (count, _SIDE, _SIDE))
    labels = read_idx(labels_path, (count,))
    if labels.max() >= len(_CLASSES):
        raise corrupt(labels_path, "labels from 0 to 9", f"a label {labels.max()}")
    return images.reshape(count, -1), labels


def _held_out_rows() -> Bool[np.ndarray, "60000"]:
    shuffled = np.random.default_rng(_SPLIT_SEED).permutation(_TRAINING)
    return shuffled < _VALIDATION


def _scaled(
    pixels: UInt8[np.ndarray, "samples 784"], permutation: Int[np.ndarray, "784"] | slice
) -> Float32[np.ndarray, "samples 784"]:
    # Permuting bytes rather than floats keeps the largest temporary array four times smaller.
    return np.divide(pixels[:, permutation], 255, dtype=np.float32)
