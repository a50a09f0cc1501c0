"""The data of `compare.py`."""

from typing import Any, NamedTuple

import numpy as np

import tasks

TASKS = ("digits", "smnist", "psmnist")


class Splits(NamedTuple):
    train: Any
    validation: Any
    test: Any


def load(task: str, repeat: int = 1) -> Splits:
    """Images as sequences of pixels, each shown `repeat` times."""
    digits = task == "digits"
    data = tasks.SequentialDigits() if digits else tasks.SequentialMNIST(permuted=task == "psmnist")
    splits = data.train, data.validation, data.test
    return Splits(*(s._replace(inputs=np.repeat(s.inputs, repeat, axis=1)) for s in splits))
