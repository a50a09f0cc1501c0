"""Least-squares fits of a curve: a formula with a few parameters, fitted to points."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._free import Free
from ._least_squares import (
    AbstractProblem,
    doubts,
    has_arrived,
    knowledge,
    linearise,
)
from ._parameters import Place

_STEPS = 300
_DAMPING, _LOWER, _HIGHER, _STUCK = 1e-2, 5.0, 4.0, 1e8


class Curve(AbstractProblem):
    """The points, and the formula (v, xs) ↦ values."""

    free: Free
    formula: Callable[..., Array]
    xs: Float[Array, " k"]
    data: Float[Array, " k"]
    weights: Float[Array, " k"]

    def residuals(self, theta: Float[Array, " p"]) -> tuple[Array, list[Array]]:
        model = self.formula(self.free.values(theta), self.xs)
        return (model - self.data) * self.weights, [model]


class CurveFit(NamedTuple):
    """Values, their covariance, data − model, the standard deviation of the data, and a sentence
    for everything that the data do not determine."""

    values: Float[np.ndarray, " p"]
    covariance: Float[np.ndarray, "p p"]
    residuals: Float[np.ndarray, " k"]
    noise: float
    succeeded: bool
    doubts: list[str]


def fit_curve(
    formula: Callable[..., Array],
    xs: np.ndarray,
    data: np.ndarray,
    noise: np.ndarray | None,
    start: dict[str, float],
    bounds: dict[str, tuple[float, float]],
) -> CurveFit:
    """The least-squares values from a start, each within its bounds (host).

    `noise` is the standard deviation of each data point; by default it is the same for all.
    """
    with jax.enable_x64(True):
        low, high = zip(*(bounds[name] for name in start), strict=True)
        free = Free(tuple(Place(name, None) for name in start), low, high)
        size = float(np.sqrt(np.mean(data**2))) or 1.0
        weights = np.full(data.shape, 1 / size) if noise is None else 1 / noise
        curve = Curve(free, formula, *(jnp.asarray(v, float) for v in (xs, data, weights)))
        theta = _search(curve, np.asarray(free.coordinates(jnp.asarray(list(start.values())))))
        size_seen = float(jnp.linalg.norm(curve.data * curve.weights))
        sd = None if noise is None else 1.0
        known = knowledge(*_linear(curve, theta), size_seen, data.size, sd)
        ends = jnp.asarray(theta)
        values, slopes = np.asarray(free.values(ends)), np.asarray(free.slopes(ends))
        model = np.asarray(formula(jnp.asarray(values), curve.xs))
    with np.errstate(invalid="ignore"):
        covariance = known.covariance * slopes[:, None] * slopes
    found = known.sd_found * (size if noise is None else 1.0)
    is_found = has_arrived(known) and bool(np.all(np.isfinite(values)))
    return CurveFit(values, covariance, data - model, found, is_found, doubts(known, free))


def _search(curve: Curve, theta: np.ndarray) -> np.ndarray:
    """The Levenberg–Marquardt method, until no step goes lower; in numpy, because for so few
    numbers the loop takes longer to compile than to run."""
    damping, (r, J) = _DAMPING, _linear(curve, theta)
    for _ in range(_STEPS):
        effect = np.linalg.norm(J, axis=0)
        scale = np.where(effect > 0, effect, 1)
        even = np.concatenate([J / scale, np.sqrt(damping) * np.eye(theta.size)])
        step = np.linalg.lstsq(even, np.append(-r, np.zeros(theta.size)), rcond=None)[0] / scale
        new = _linear(curve, theta + step)
        if new[0] @ new[0] < r @ r and np.all(np.isfinite(new[1])):
            theta, (r, J), damping = theta + step, new, damping / _LOWER
        elif damping > _STUCK:
            break
        else:
            damping = damping * _HIGHER
    return theta


def _linear(curve: Curve, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = linearise(curve, jnp.asarray(theta))
    return np.asarray(at.residuals), np.asarray(at.J)
