"""The hypotheses of the stability theorems as numbers, and whether each holds beyond rounding.

These are pure functions, so that the same code certifies one circuit or counts ten thousand.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from .._nonlinearities import Rectification, highest, lowest, power, root
from ..linear import jacobian, spectrum_of
from ..programs import after, in_full_precision, quickly_compiled
from ._oscillator import Oscillator, oscillator

# Times ε. A sum of n terms loses up to n ε, and each of its terms has lost a few ε before; a fixed
# point in closed form is off by what roots, powers and products of its parameters lose.
_PER_TERM, _PER_POINT = 8, 512


class Check(NamedTuple):
    """One hypothesis: its numerical value, and whether it holds beyond rounding."""

    value: Float[Array, "*batch"]
    holds: Bool[Array, "*batch"]


@quickly_compiled
@in_full_precision
def normalization_checks(c: Any, x: Array) -> tuple[Oscillator, dict[str, Check]]:
    """The hypotheses of the theorem for W_r = I, at its fixed point. Pure (jit, vmap)."""
    form = oscillator(c, x)
    a, B, p, n = form.state.a, form.damping, form.weights, form.weights.size
    tolerance = (n + _PER_TERM) * jnp.finfo(a.dtype).eps
    # Relative to the absolute values of the terms that B a_s sums.
    is_diagonal = jnp.eye(n, dtype=bool)
    terms = (jnp.diag(form.stiffness) * c.tau_a + 2 / c.tau_a) * a - jnp.where(
        is_diagonal, 0, B
    ) @ a
    drive = lowest(B @ a / terms)
    coupling = highest(jnp.where(is_diagonal, 0 if n == 1 else -jnp.inf, B))
    dissipation = form.dissipation
    # Scaled by its own diagonal; its inverse is accurate where the matrix itself is not.
    scale = 1 / jnp.sqrt(jnp.diag(dissipation))
    scaled = scale[:, None] * dissipation * scale[None, :]
    inverse = scale[:, None] * jnp.linalg.inv(scaled) * scale[None, :]
    smallest = 1 / jnp.linalg.eigvalsh(inverse)[-1]
    on_its_scale = jnp.linalg.eigvalsh(after(smallest, scaled))[0]
    is_definite = (on_its_scale > tolerance) & (smallest > 0)
    return form, _common_checks(c, after(on_its_scale, form.state), x) | {
        "drive": Check(drive, drive > tolerance),
        "coupling": Check(coupling, coupling <= 0),
        "weights": Check(lowest(p), lowest(p) > 0),
        "dissipation": Check(smallest, is_definite),
    }


@quickly_compiled
@in_full_precision
def single_unit_checks(c: Any, state: PyTree, x: Array) -> dict[str, Check]:
    """The hypotheses of the theorem for one unit, at a fixed point. Pure (jit, vmap)."""
    w, s, k = c.W_r[0, 0], root(state.a, c.exponent)[0], _semisaturation(c, state)[0]
    is_rectified = (c.rectification is not Rectification.NONE) & (state.y[0] < 0)
    slack = jnp.where(is_rectified, 1, 1 - w + w * s)
    J, checks = jacobian(c, state, x), _common_checks(c, state, x)
    # What the two terms of u may lose in their sum: rounding, and the error of the fixed point.
    lost = (
        2
        * (_PER_TERM * jnp.finfo(s.dtype).eps + checks["residual"].value)
        * (jnp.abs(1 - w) + w * s)
    )
    decay = k / (state.a[0] * jnp.ravel(c.tau_a)[0])
    loop = J[0, 1] * J[1, 0]
    return checks | {
        "slack": Check(slack, slack > lost),
        "decay": Check(decay, decay > 0),
        "loop": Check(loop, loop <= 0),
    }


def _common_checks(c: Any, state: PyTree, x: Array) -> dict[str, Check]:
    residual = _residual(c, state, x)
    largest = (_PER_POINT + _PER_TERM * state.a.size) * jnp.finfo(residual.dtype).eps
    pool, found = lowest(state.a), spectrum_of(jacobian(c, state, x), residual=residual)
    return {
        "residual": Check(residual, residual <= largest),
        "pool": Check(pool, pool > 0),
        "abscissa": Check(found.abscissa, found.is_stable),
    }


def _residual(c: Any, state: PyTree, x: Array) -> Array:
    """The largest |τẋ| of y and a, relative to the largest term of its equation."""
    y, a = state.y, state.a
    z, s = c.rectification.input(c.W_zx @ x), root(a, c.exponent)
    b1 = state.b1 if hasattr(state, "b1") else c.b1
    recurrent, pooled = c.rectification.recurrent(c.W_r, y), c.rectification.pooled(y, c.exponent)
    of_y = jnp.stack([-y, b1 * z, (1 - s) * recurrent])
    of_a = jnp.stack([-a, _semisaturation(c, state), c.W @ (a * pooled)])
    terms = jnp.concatenate([of_y, of_a], axis=1)
    largest = highest(jnp.abs(terms), axis=0)
    return highest(jnp.abs(terms.sum(0)) / jnp.where(largest > 0, largest, 1))


def _semisaturation(c: Any, state: PyTree) -> Array:
    b0 = state.b0 if hasattr(state, "b0") else c.b0
    return jnp.broadcast_to(power(c.sigma * b0, c.exponent), state.a.shape)
