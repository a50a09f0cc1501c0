"""The stable point at which energy and noise solve the Lyapunov equation."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._checks import is_traced, on_device, refuse
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit
from ..linear import balanced, float64_remedy, jacobian_matrix, read_point
from ..programs import after, in_full_precision, quickly_compiled
from ._fixed_point import FixedPoint, fixed_point


class StablePoint(NamedTuple):
    """A circuit, resolved, at a stable fixed point for an input, and its Jacobian there."""

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    state: PyTree
    J: Float[Array, "d d"]


def stable_point(
    circuit: AbstractCircuit[State], x: Numbers, state0: StateLike | None
) -> StablePoint:
    """The stable fixed point that `fixed_point` finds, or an error if there is none.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit, equinox's
            run-time error).
    """
    circuit, _, x = read_point(circuit, None, x)
    point = fixed_point(circuit, x, state0=state0, throw=False)
    J, state = _linearised(circuit, x, point)
    J = _refuse_unstable(J, jnp.asarray(point.is_stable), point)
    return StablePoint(circuit, x, after(J, state), J)


@quickly_compiled
@in_full_precision
def _linearised(
    circuit: AbstractCircuit[State], x: Array, point: FixedPoint[State]
) -> tuple[Array, State]:
    # A search that failed may leave NaN.
    state = jax.tree.map(
        lambda new, rest: jnp.where(point.succeeded, new, rest),
        point.state,
        circuit.initial_state(),
    )
    return jacobian_matrix(circuit, state, x), state


def _refuse_unstable(J: Array, is_stable: Array, point: FixedPoint) -> Array:
    must = "have a stable fixed point for this input"
    if is_traced(is_stable):
        message = (
            f"Argument `circuit` must {must}, but no stable fixed point was found"
            f"{float64_remedy(J.dtype)}."
        )
        return eqx.error_if(J, ~is_stable, message)
    if not is_stable:
        found = (
            f"no stable fixed point was found (spectral abscissa {float(point.abscissa):.3g} /ms)"
        )
        told = "; another one may be reached from another `state0`"
        is_unclear = bool(point.is_marginal) or _is_within_rounding(np.asarray(J))
        if point.succeeded and is_unclear:
            told = (
                f": rounding in {J.dtype} alone moves an eigenvalue across 0, since its Jacobian "
                f"is far from normal or nearly unstable{float64_remedy(J.dtype)}"
            )
        refuse("circuit", must, found + told)
    return J


def _is_within_rounding(J: np.ndarray) -> bool:
    """Whether a Jacobian within rounding of this one has an eigenvalue with real part 0."""
    unit = J.shape[0] * np.finfo(J.dtype).eps
    J = np.asarray(balanced(on_device(J))[0], float)
    # The points on the imaginary axis nearest to its eigenvalues.
    shifts = 1j * np.linalg.eigvals(J).imag
    eye = np.eye(len(J))
    distance = min(np.linalg.svd(J - s * eye, compute_uv=False)[-1] for s in shifts)
    return bool(distance <= unit * np.linalg.norm(J))
