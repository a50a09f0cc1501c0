"""Contrast responses as hyperbolic ratios."""

import itertools
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from ..._cards import carded
from ..._checks import read_number
from ..._nonlinearities import power
from ..._types import Numbers
from .._read import read_contrasts
from ._fitted import AbstractFitted, best_linear, curve_of, fitted, read_points

_INF = float("inf")
_BOUNDS = dict.fromkeys(("r_max", "c50", "n", "s"), (0.0, _INF)) | {"baseline": (-_INF, _INF)}
_EXPONENTS = (0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
_SUPERSATURATIONS = (1.0, 1.2, 1.5, 2.0)


@carded
class NakaRushton(AbstractFitted):
    """A contrast response as R_max cⁿ/(c50^(s n) + c^(s n)) + baseline.

    - `r_max`, `c50`, `n`, `s`, `baseline`: the parameters. For s > 1 the response falls at high
      contrast, and r_max and c50 are no longer the maximum and the contrast at half of it.
    """

    xs: Float[np.ndarray, " k"]
    data: Float[np.ndarray, " k"]
    values: dict[str, float]
    standard_errors: dict[str, float]
    names: tuple[str, ...]
    covariance: Float[np.ndarray, "p p"]
    residuals: Float[np.ndarray, " k"]
    noise: float
    succeeded: bool

    @property
    def r_max(self) -> float:
        return self.values["r_max"]

    @property
    def c50(self) -> float:
        return self.values["c50"]

    @property
    def n(self) -> float:
        return self.values["n"]

    @property
    def s(self) -> float:
        return self.values["s"]

    @property
    def baseline(self) -> float:
        return self.values["baseline"]

    @property
    def labels(self) -> tuple[str, str]:
        return "contrast", "response"

    @property
    def units(self) -> dict[str, str]:
        return {}

    def __call__(self, xs: Numbers) -> Float[np.ndarray, " k"]:
        return curve_of(_naka_rushton, self.values, xs)


def fit_naka_rushton(
    contrasts: Numbers,
    responses: Numbers,
    *,
    s: float | None = 1.0,
    baseline: float | None = None,
    noise: Numbers | None = None,
) -> NakaRushton:
    """Fit the Naka–Rushton function, with Peirce's exponent s, to a contrast response (host).

        R(c) = R_max cⁿ / (c50^(s n) + c^(s n)) + baseline

    Least squares in float64: a grid of c50, n and s, with the best R_max and baseline for each,
    then the Levenberg–Marquardt method.

    Args:
        contrasts: (k,), 0 to 1.
        responses: (k,), of one unit, such as `response.responses[:, unit]`.
        s: the value to hold it at; None to fit it. At 1 it is the usual function, above 1 it
            supersaturates.
        baseline: the value to hold it at; None to fit it.
        noise: the standard deviation of the responses, a number or (k,); by default it is taken to
            be the same for all, and estimated from the residuals.

    Returns:
        A `NakaRushton`, with `.r_max`, `.c50`, `.n`, `.s`, `.baseline` and `.standard_errors`.

    Warns:
        oo.Unidentified: the points do not determine a parameter, such as c50 if no response
            saturates.

    Raises:
        ValueError: an argument is bad or NaN, or there are fewer points than parameters.

    Reference:
        Naka, Rushton, "S-potentials from luminosity units in the retina of fish", J. Physiology 185
        (1966); Peirce, "The potential importance of saturating and supersaturating contrast
        response functions in visual cortex", J. Vision 7 (2007).
    """
    points = read_points("contrasts", contrasts, "responses", responses, noise)
    read_contrasts("contrasts", points[0])
    held = {} if s is None else {"s": read_number("s", s, np.finfo(float).tiny)}
    held |= {} if baseline is None else {"baseline": read_number("baseline", baseline)}
    start = _start(*points, s, baseline)
    return NakaRushton(**fitted(_naka_rushton, points, start, held, _BOUNDS, "responses"))


def _naka_rushton(v: dict[str, Array], c: Float[Array, " k"]) -> Float[Array, " k"]:
    # Written with c/c50, whose powers stay within the floating-point range.
    ratio = c / v["c50"]
    size = v["r_max"] * v["c50"] ** (v["n"] * (1 - v["s"]))
    return size * power(ratio, v["n"]) / (1 + power(ratio, v["s"] * v["n"])) + v["baseline"]


def _start(
    c: np.ndarray, data: np.ndarray, noise: Any, s: float | None, baseline: float | None
) -> dict[str, float]:
    shown = c[c > 0]
    low, high = (shown.min(), shown.max()) if shown.size else (0.01, 1.0)
    middles = np.geomspace(low / 3, 3 * high, 24).tolist()
    grid = list(itertools.product(middles, _EXPONENTS, _SUPERSATURATIONS if s is None else (s,)))
    known = 0.0 if baseline is None else baseline

    def shapes(c50: float, n: float, s: float) -> np.ndarray:
        ratio = c / c50
        rise = ratio**n / (1 + ratio ** (s * n))
        return rise[:, None] if baseline is not None else np.stack([rise, np.ones_like(c)], axis=1)

    weights = np.ones_like(c) if noise is None else 1 / noise
    (c50, n, s), linear = best_linear(shapes, grid, data - known, weights)
    size = max(float(linear[0]), 1e-3 * float(np.ptp(data)), float(np.finfo(float).tiny))
    start = {"r_max": size * c50 ** (n * (s - 1)), "c50": c50, "n": n, "s": s}
    return start | {"baseline": known if baseline is not None else float(linear[1])}
