"""Small handwritten digits, read as a sequence of pixels."""

from typing import ClassVar, final

import numpy as np
from jaxtyping import Int

from ._optional import require
from ._task import AbstractDataSet, Split

_SPLIT_SEED = 0
_BRIGHTEST = np.float32(16)


@final
class SequentialDigits(AbstractDataSet):
    """1797 handwritten digits of 8 by 8 pixels, shown one pixel at a time, row by row.

    Sample i is x_t = pixel_t / 16 with t = 1 … 64, one channel, and its class is the digit 0 … 9.
    The parts hold 1257, 180 and 360 samples, with each digit in proportion.

    Use it to try a model within a minute and without a network connection; `SequentialMNIST` is the
    standard benchmark. The parts share writers, so the test part measures generalization to new
    images, not to new handwriting.

    Attributes:
        train, validation, test: inputs (N, 64, 1), targets (N,).

    Raises:
        ImportError: scikit-learn, which contains the images, is not installed.

    Reference:
        Alpaydin & Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
        Repository (1998), doi:10.24432/C50P49; the copy in scikit-learn.
    """

    train: Split
    validation: Split
    test: Split

    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    reference: ClassVar[str] = "Alpaydin & Kaynak, UCI (1998), doi:10.24432/C50P49"

    def __init__(self):
        datasets = require("sklearn.datasets", package="scikit-learn", purpose="`SequentialDigits`")
        pixels, digits = datasets.load_digits(return_X_y=True)
        inputs = (pixels.astype(np.float32) / _BRIGHTEST)[..., None]
        targets = digits.astype(np.int32)
        self.train, self.validation, self.test = (
            Split(inputs[rows], targets[rows]) for rows in _stratified_rows(targets)
        )


def _stratified_rows(
    targets: Int[np.ndarray, " samples"],
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"], Int[np.ndarray, " test"]]:
    """The rows of 70 %, 10 % and 20 % of the samples, each class in proportion.

    Shuffled samples are laid out class by class and dealt in turn to ten hands, of which the parts
    get 7, 1 and 2. So each class misses its share p of a part by at most 10 p (1 - p) samples.
    """
    shuffled = np.random.default_rng(_SPLIT_SEED).permutation(len(targets))
    line = shuffled[np.argsort(targets[shuffled], kind="stable")]
    hands = [line[first::10] for first in range(10)]
    parts = (hands[3:], hands[2:3], hands[:2])
    train, validation, test = (np.sort(np.concatenate(part)) for part in parts)
    return train, validation, test
