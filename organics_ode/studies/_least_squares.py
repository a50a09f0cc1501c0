"""Least squares over time courses, and how well the data determine each parameter."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..programs import compiled, in_full_precision
from ._courses import Course, How
from ._free import Free

# Of a singular value or an effect, relative to the largest: below this, the errors of the solver's
# steps hide a derivative.
_RESOLUTION = 1e-5
_TOLERANCE = 1e-7
_NEAR = 0.01  # in standard errors: how far from the minimum a fit may end
_TAKES_PART = 0.1  # relative to the largest entry of a direction
_VAGUE = 1.0  # standard error of a logarithm


class AbstractProblem(eqx.Module):
    """Residuals as a function of the coordinates θ of the free numbers."""

    @abstractmethod
    def residuals(
        self, theta: Float[Array, " p"]
    ) -> tuple[Float[Array, " residuals"], list[Float[Array, "..."]]]:
        """(model − data) · weights, and the values of the model."""


class Problem(AbstractProblem):
    """Residuals of time courses.

    Courses of the same shape are stacked and computed together.
    """

    circuit: Any
    free: Free
    courses: list[Course]
    observe: Callable[..., Array]
    how: How

    def residuals(
        self, theta: Float[Array, " p"]
    ) -> tuple[Float[Array, " residuals"], list[Float[Array, "courses time k"]]]:
        """(model − data) · weights of all courses, and the values of the model for each."""
        circuit = self.free.put(self.circuit, self.free.values(theta))
        each = lambda course: course.model(circuit, self.observe, self.how)  # noqa: E731
        models = [jax.vmap(each)(course) for course in self.courses]
        pairs = zip(self.courses, models, strict=True)
        return jnp.concatenate([jax.vmap(Course.misses)(*pair).ravel() for pair in pairs]), models


class Linear(NamedTuple):
    """The problem about one point: residuals, their derivatives, and the values of the model."""

    residuals: Float[Array, " residuals"]
    J: Float[Array, "residuals p"]
    models: list[Array]


@compiled
@in_full_precision
def linearise(problem: AbstractProblem, theta: Float[Array, " p"]) -> Linear:
    def twice(theta: Array) -> tuple[Array, tuple[Array, list[Array]]]:
        r, models = problem.residuals(theta)
        return r, (r, models)

    J, (r, models) = jax.jacfwd(twice, has_aux=True)(theta)
    return Linear(r, J, models)


@compiled
@in_full_precision
def minimise(
    problem: AbstractProblem, theta: Float[Array, " p"], max_steps: int
) -> tuple[Float[Array, " p"], Int[Array, ""]]:
    """θ by the Levenberg–Marquardt method, and the number of steps."""
    found = optx.least_squares(
        lambda theta, problem: problem.residuals(theta)[0],
        optx.LevenbergMarquardt(rtol=_TOLERANCE, atol=_TOLERANCE),
        theta,
        args=problem,
        max_steps=max_steps,
        throw=False,
    )
    return found.value, found.stats["num_steps"]


def stacked(courses: list[Course]) -> tuple[list[Course], list[list[int]]]:
    """The courses of each shape stacked into one, and their indices."""
    groups: dict[Any, list[int]] = {}
    for i, course in enumerate(courses):
        groups.setdefault(_shape(course), []).append(i)
    together = [
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *(courses[i] for i in group))
        for group in groups.values()
    ]
    return together, list(groups.values())


def _shape(course: Course) -> tuple[PyTree, tuple[Any, ...]]:
    leaves, structure = jax.tree.flatten(course)
    return structure, tuple((np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)


class Knowledge(NamedTuple):
    """How well the data determine θ.

    - `covariance`: (p, p); infinite variances, with NaN in their rows and columns, where nothing is
      known.
    - `sd_found`: the standard deviation of weighted residuals.
    - `step`: (p,), the remaining distance to the minimum in standard errors; `moves` in θ.
    - `is_known`: (p,). `directions`: (null, p), along which no observation changes.
    """

    covariance: Float[np.ndarray, "p p"]
    sd_found: float
    step: Float[np.ndarray, " p"]
    moves: Float[np.ndarray, " p"]
    is_known: Bool[np.ndarray, " p"]
    directions: Float[np.ndarray, "null p"]


def knowledge(r: np.ndarray, J: np.ndarray, size: float, count: int, sd: float | None) -> Knowledge:
    """Computed in numpy from residuals (N,) and their derivatives (N, p), given the number of data
    and their norm."""
    effect = np.linalg.norm(J, axis=0)
    scale = np.where(effect > _RESOLUTION * size, effect, 1)
    even = np.where(effect > _RESOLUTION * size, J, 0) / scale
    U, S, Vt = np.linalg.svd(even, full_matrices=True)
    S = np.append(S, np.zeros(len(Vt) - S.size))
    is_seen = _RESOLUTION * S.max() < S
    V, null = Vt[is_seen].T, Vt[~is_seen]
    along = U[:, : is_seen.sum()].T @ r
    sd_found = float(np.sqrt(max(r @ r - along @ along, 0) / max(count - is_seen.sum(), 1)))
    sd = sd_found if sd is None else sd
    half = V / S[is_seen] / scale[:, None]  # its square is the covariance for unit noise
    is_known = np.sum(null**2, axis=0) < _TAKES_PART**2
    covariance = sd**2 * half @ half.T
    covariance[~is_known], covariance[:, ~is_known] = np.nan, np.nan
    covariance[~is_known, ~is_known] = np.inf
    moves = -half @ along
    errors = np.linalg.norm(half, axis=1) * sd
    step = np.divide(moves, errors, out=np.zeros_like(moves), where=errors > 0)
    return Knowledge(covariance, sd_found, step, moves, is_known, null / scale)


def has_arrived(known: Knowledge) -> bool:
    """Whether the minimum is nearer than a small part of every standard error, or than rounding.

    Independent of the solver's own test, which would never be met once only the errors of simulated
    steps are left.
    """
    return bool(np.all((np.abs(known.step) <= _NEAR) | (np.abs(known.moves) <= _NEAR**2 / 10)))


def doubts(known: Knowledge, free: Free) -> list[str]:
    """What the data do not determine, a sentence for each."""
    names = [
        name if is_linear else f"log {name}"
        for name, is_linear in zip(free.names, free.is_linear, strict=True)
    ]
    found = []
    for direction in known.directions:
        size = np.abs(direction)
        part = [i for i in np.argsort(-size) if size[i] > _TAKES_PART * size.max()]
        if len(part) == 1:
            found.append(f"`{free.names[part[0]]}` changes nothing that was observed")
            continue
        unit = direction / np.linalg.norm(direction)
        which = ", ".join(names[i] for i in part)
        along = ", ".join(f"{unit[i]:+.2f}" for i in part)
        found.append(f"moving ({which}) along ({along}) changes nothing that was observed")
    errors = np.sqrt(np.diag(known.covariance))
    for i in np.flatnonzero(known.is_known & ~free.is_linear & (errors > _VAGUE)):
        found.append(f"`{free.names[i]}` is known to a factor of {np.exp(errors[i]):.3g} only")
    return found
