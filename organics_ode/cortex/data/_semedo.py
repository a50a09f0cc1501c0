"""Populations of V1 and V2, recorded simultaneously."""

import os
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ._source import Recording, file_of

_COMMIT = "fd0e408ba2244d9369bda59f326480386c770e5c"
SAMPLE = Recording(
    "communication-subspace",
    "sample_data.mat",
    "37cd032962360baf5f6f7b853fea5739e6bfd9038520ec6247d9932c51634ec1",
    (
        "https://raw.githubusercontent.com/joao-semedo/communication-subspace/"
        f"{_COMMIT}/mat_sample/",
        f"https://cdn.jsdelivr.net/gh/joao-semedo/communication-subspace@{_COMMIT}/mat_sample/",
    ),
)


class V1V2Counts(NamedTuple):
    """Spike counts of V1 and V2 neurons, minus their means over trials in each time bin.

    - `X`: (4000, 79), neurons of V1, the source. `Y_V1`: (4000, 31), other neurons of V1.
      `Y_V2`: (4000, 31), neurons of V2. Rows are time bins of trials, in order.
    """

    X: Float[np.ndarray, "bins source"]
    Y_V1: Float[np.ndarray, "bins target"]
    Y_V2: Float[np.ndarray, "bins target"]


def semedo(data_dir: str | os.PathLike[str] | None = None) -> V1V2Counts:
    """Macaque V1 and V2 neurons recorded simultaneously while gratings were shown (host).

    This is the sample that Semedo et al. publish with their code under the MIT licence, 0.7 MB; its
    SHA-256 is checked.

    Args:
        data_dir: the folder that holds `communication-subspace/sample_data.mat`. By default it is
            the environment variable ORGANICS_DATA, or, if that is not set, a per-user cache that is
            filled by a download.

    Returns:
        A `V1V2Counts`.

    Raises:
        ValueError: `data_dir` is not a path, or the file there has another checksum.
        FileNotFoundError: the named folder does not have the file, or it could not be downloaded.
        ImportError: a download is needed, and pooch or tqdm is not installed.

    Reference:
        Semedo, Zandvakili, Machens, Yu, Kohn, "Cortical areas interact through a communication
        subspace", Neuron 102 (2019).
    """
    path = file_of(SAMPLE, data_dir)
    import scipy.io

    read = scipy.io.loadmat(os.fspath(path))
    return V1V2Counts(*(np.asarray(read[name], float) for name in V1V2Counts._fields))
