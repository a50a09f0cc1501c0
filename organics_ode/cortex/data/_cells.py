"""Synthetic cells, drawn about published medians."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from ..._checks import check_positive_integer, read_key, read_number
from ..._types import KeyLike, Numbers
from .._read import read_contrasts, read_lengths

# Medians in V1: contrast responses, maximum in spikes/s; size tuning, suppression of 38 %.
_MEDIANS = {"r_max": 30.0, "c50": 0.33, "n": 2.4, "baseline": 1.0}
_SIZES = {"center_width": 0.5, "surround_width": 1.5, "surround_gain": 1.4}
_SPREAD = 0.35  # the standard deviation of the logarithms


class SyntheticCells(NamedTuple):
    """Contrast and size responses of synthetic cells: none of them was recorded.

    - `contrasts`: (k,). `contrast_responses`: (k, cells), spikes/s, means over trials.
    - `radii`: (l,), degrees. `size_responses`: (l, cells), spikes/s, at full contrast.
    - `parameters`: name ↦ (cells,), of the curves that the responses were drawn from.
    """

    contrasts: Float[np.ndarray, " k"]
    contrast_responses: Float[np.ndarray, "k cells"]
    radii: Float[np.ndarray, " l"]
    size_responses: Float[np.ndarray, "l cells"]
    parameters: dict[str, Float[np.ndarray, " cells"]]


def synthetic_cells(
    count: int,
    *,
    key: KeyLike,
    contrasts: Numbers = (0.0, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0),
    radii: Numbers = (0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.2, 3.2),
    trials: int = 20,
    seconds: float = 1.0,
) -> SyntheticCells:
    """Synthetic cells about medians of V1, to try a fit when no recording is at hand (host).

        R(c) = R_max cⁿ/(c50ⁿ + cⁿ) + baseline,   R(r) = R_1 L(r; w_c)/(1 + k L(r; w_s)) + baseline

    with L = erf(r/w)². Parameters are log-normal, with a standard deviation of 0.35 of their
    logarithms, about n = 2.4, c50 = 0.33, and a surround that suppresses by about 38 %; responses
    are means of Poisson counts. They tell nothing about cortex beyond these assumptions.

    Args:
        count: how many cells.
        key: a PRNG key, or an integer.
        contrasts: (k,), 0 to 1. radii: (l,), degrees of visual angle.
        trials, seconds: how many counts are averaged, and the duration of each.

    Returns:
        A `SyntheticCells`.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Medians after Sclar, Maunsell, Lennie, "Coding of image contrast in central visual pathways
        of the macaque monkey", Vision Research 30 (1990), and Cavanaugh, Bair, Movshon, "Nature
        and interaction of signals from the receptive field center and surround in macaque V1
        neurons", J. Neurophysiology 88 (2002).
    """
    count, trials = (check_positive_integer(*v) for v in (("count", count), ("trials", trials)))
    duration = read_number("seconds", seconds, np.finfo(float).tiny)
    c = np.asarray(read_contrasts("contrasts", contrasts), float)
    r = np.asarray(read_lengths("radii", radii), float)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(read_key("key", key))))
    drawn = {
        name: median * np.exp(_SPREAD * rng.normal(size=count))
        for name, median in (_MEDIANS | _SIZES).items()
    }
    powers = c[:, None] ** drawn["n"]
    rates = drawn["r_max"] * powers / (drawn["c50"] ** drawn["n"] + powers) + drawn["baseline"]
    sizes = drawn["r_max"] * _summed(r, drawn["center_width"])
    sizes = (
        sizes / (1 + drawn["surround_gain"] * _summed(r, drawn["surround_width"]))
        + drawn["baseline"]
    )
    counts = [rng.poisson(trials * duration * mean) for mean in (rates, sizes)]
    contrast, size = (each / (trials * duration) for each in counts)
    return SyntheticCells(c, contrast, r, size, drawn)


def _summed(radii: np.ndarray, width: np.ndarray) -> np.ndarray:
    """L(r; w) = erf(r/w)², (l, cells)."""
    from scipy.special import erf

    return erf(radii[:, None] / width) ** 2
