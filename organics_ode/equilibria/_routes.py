"""Routes to a fixed point, each as the loop of its steps."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._nonlinearities import highest, lowest
from ..facts import substitute
from ..linear import Equations, Point, ravel, solver, target
from ._loops import Loop, ended

_MEMORY = 8  # Steps that the acceleration remembers.
_RIDGE = 100  # Times ε: how far their normal equations are kept from being singular.
# The error allowed in a step of `settle`, absolute and relative to its variable: small enough to
# stay in a basin of attraction. Newton's method makes the end exact.
_ATOL, _RTOL = 1e-4, 1e-2
_SAFETY, _SHORTER, _LONGER = 0.8, 0.2, 10.0  # For the next step, and the bounds of its change.
# Times the longest relaxation time: longer steps are Newton's, and where one does not lower the
# residual the flow is followed again in steps of this length.
_LONG = 5.0
_NO_NUMBER = 1e3  # Replaces an error that is not finite: the next step is as short as allowed.
_FIRST = 0.1  # Times the shortest relaxation time: a step in which nothing moves far.
# A state that blows up is abandoned when a step is this short, relative to the first one, or when a
# variable is this large.
_SHORTEST, _FAR = 1e-9, 1e8
_NEARLY = 1e-6  # The residual below which Newton's method needs two steps.
_MORE_DAMPED, _LESS_DAMPED, _MOST_DAMPED = 0.8, 1.02, 0.05  # The exponent of `substituted`.
# Levenberg's damping at the start, its factors after a step that lowered the residual and one that
# did not, and the damping beyond which steps move nothing.
_DAMPING, _LOWER, _HIGHER, _STUCK = 1e-2, 0.2, 4.0, 1e8
_ATTRACTED = 0.1  # The residual below which Newton's steps may be trusted.
_MOST = {"accelerate": 150, "settle": 400, "substitute": 400, "downhill": 200, "polish": 12}


def accelerate(e: Equations) -> Loop:
    """v ← v + τ⊙f(v), accelerated by Anderson's method: no matrix is factored, so a batch of inputs
    shares its products with the weights.

    The step is the combination of the last steps with the smallest linearised residual. This finds
    fixed points whether they are stable or not.
    """

    def start(point: Point) -> tuple:
        memory = jnp.zeros((_MEMORY, point.v.size), point.v.dtype)
        tau = e.times(point.v)
        return point, tau * e.velocity(point.v), memory, memory, tau

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        point = carry[0]
        more = (point.residual > target(point.v.dtype)) & (point.steps < _MOST["accelerate"])
        return more & jnp.all(jnp.isfinite(point.v))

    def step(carry: tuple) -> tuple:
        point, r, dV, dR, tau = carry
        mix = _mixing(dR, r)
        v = point.v + r - mix @ (dV + dR)
        r_new = tau * e.velocity(v)
        slot = point.steps % _MEMORY
        dV, dR = dV.at[slot].set(v - point.v), dR.at[slot].set(r_new - r)
        return e.point(v, point.steps + 1), r_new, dV, dR, tau

    return Loop(start, unfinished, step)


def settle(e: Equations) -> Loop:
    """Follow the circuit's own flow with the L-stable Rosenbrock pair of order 2(3), whose steps
    turn into Newton's as the flow comes to rest: it finds what the flow finds."""
    d, e32 = 1 / (2 + 2**0.5), 6 + 2**0.5

    def start(point: Point) -> tuple:
        times = e.times(point.v)
        first = _FIRST * lowest(times)
        return point, first, _SHORTEST * first, _LONG * highest(times)

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        point, h, shortest, _ = carry
        more = (point.residual > target(point.v.dtype)) & (point.steps < _MOST["settle"])
        # A circuit that blows up takes ever shorter steps.
        return more & (highest(jnp.abs(point.v)) < _FAR) & (h > shortest)

    def step(carry: tuple) -> tuple:
        point, h, shortest, long = carry
        v = point.v
        solve = solver(e, v, shift=1.0, scale=-h * d)
        f0 = e.velocity(v)
        k1 = solve(f0)
        f1 = e.velocity(v + h / 2 * k1)
        k2 = solve(f1 - k1) + k1
        new = v + h * k2
        k3 = solve(e.velocity(new) - e32 * (k2 - f1) - 2 * (k1 - f0))
        size = jnp.maximum(jnp.abs(v), jnp.abs(new))
        error = highest(jnp.abs(h / 6 * (k1 - 2 * k2 + k3)) / (_ATOL + _RTOL * size))
        error = jnp.where(jnp.isfinite(error), error, _NO_NUMBER)
        v = jnp.where(error <= 1, new, v)
        # Of third order; an error of 0 lets the step grow as far as allowed.
        factor = _SAFETY * jnp.maximum(error, 1e-9) ** (-1 / 3)
        factor = jnp.clip(factor, _SHORTER, _LONGER)
        new = e.point(v, point.steps + 1)
        is_lost = (h > long) & (new.residual > point.residual)
        return new, jnp.where(is_lost, long, h * factor), shortest, long

    return Loop(start, unfinished, step)


def substituted(e: Equations) -> Loop:
    """Solve each equation for its own variable in turn, damped in the logarithm of positive
    variables, and damped more wherever the residual grows.

    This reaches points that the flow does not reach, stable or not.
    """
    # For a user's own circuit no such equations are known.
    is_known = substitute.is_known(e.circuit)

    def start(point: Point) -> tuple:
        return point, jnp.ones_like(point.residual)

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        point = carry[0]
        more = (point.residual > _NEARLY) & (point.steps < _MOST["substitute"])
        return is_known & more & jnp.all(jnp.isfinite(point.v))

    def step(carry: tuple) -> tuple:
        point, damping = carry
        old = e.unravel(point.v)
        full = substitute(e.circuit, old, e.x)
        new = jax.tree.map(lambda o, f: _damped(o, f, damping), old, full)
        # The response follows the others at once, so only these are damped.
        v = ravel((full[0], *new[1:]))
        trial = e.point(v, point.steps + 1)
        factor = jnp.where(trial.residual > point.residual, _MORE_DAMPED, _LESS_DAMPED)
        return trial, jnp.clip(damping * factor, _MOST_DAMPED, 1.0)

    return Loop(start, unfinished, step)


def downhill(e: Equations) -> Loop:
    """Descend in |τ⊙f(v)|, to points of any stability."""
    anywhere = lambda v: jnp.full(v.shape, False)  # noqa: E731
    return levenberg_marquardt(e, e.times, anywhere, _MOST["downhill"])


def levenberg_marquardt(
    e: Equations,
    tau: Callable[[Float[Array, " d"]], Float[Array, " d"]],
    positive: Callable[[Float[Array, " d"]], Bool[Array, " d"]],
    most: int,
) -> Loop:
    """Levenberg–Marquardt on τ⊙f(v), until v is solved or no step goes lower: a minimum of |τ⊙f|.

    τ is that of the start. No step is taken on which a variable marked `positive` at the start
    would become negative.
    """

    def start(point: Point) -> tuple:
        damping = jnp.asarray(_DAMPING, point.v.dtype)
        return point, damping, tau(point.v), positive(point.v)

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        point, damping, *_ = carry
        return (point.residual > _NEARLY) & (point.steps < most) & (damping < _STUCK)

    def step(carry: tuple) -> tuple:
        point, damping, tau, positive = carry
        eye = jnp.eye(point.v.size, dtype=point.v.dtype)
        J, f = tau[:, None] * e.jacobian(point.v), tau * e.velocity(point.v)
        new = e.point(point.v - jnp.linalg.solve(J.T @ J + damping * eye, J.T @ f), point.steps + 1)
        force = tau * e.velocity(new.v)
        lower = (force @ force < f @ f) & jnp.all((new.v > 0) | ~positive)
        factor = jnp.where(lower, _LOWER, _HIGHER).astype(f.dtype)
        point = jax.tree.map(lambda a, b: jnp.where(lower, a, b), new, point)
        point = eqx.tree_at(lambda p: p.steps, point, new.steps)
        return point, damping * factor, tau, positive

    return Loop(start, unfinished, step)


def polish(e: Equations, start: Point) -> Point:
    """Newton's method as long as it lowers the residual."""
    return ended(_newton(e), start)


def _newton(e: Equations) -> Loop:
    def start(point: Point) -> tuple:
        return point, jnp.asarray(True), jnp.zeros_like(point.steps)

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        point, improving, count = carry
        more = (point.residual > target(point.v.dtype)) & (count < _MOST["polish"])
        return more & improving & (point.residual < _ATTRACTED)

    def step(carry: tuple) -> tuple:
        point, _, count = carry
        change = solver(e, point.v)(e.velocity(point.v))
        new = e.point(point.v - change, point.steps + 1)
        better = new.residual < point.residual
        return jax.tree.map(lambda a, b: jnp.where(better, a, b), new, point), better, count + 1

    return Loop(start, unfinished, step)


def _damped(old: Array, full: Array, damping: Array) -> Array:
    positive = (old > 0) & (full > 0)
    ratio = jnp.where(positive, full, 1) / jnp.where(positive, old, 1)
    return jnp.where(positive, old * ratio**damping, old + damping * (full - old))


def _mixing(dR: Array, r: Array) -> Array:
    """The γ that minimises |r − γ dR|, by the normal equations: their rounding costs steps, not
    accuracy. Elimination is written out, as many tiny LAPACK calls would cost more than the rest.
    """
    norms = jnp.sqrt(jnp.sum(dR * dR, 1))
    unit = jnp.where(norms > 0, 1 / jnp.where(norms > 0, norms, 1), 0)
    scaled = dR * unit[:, None]
    # A one on its diagonal leaves out an unused row of the memory.
    ridge = jnp.where(norms > 0, _RIDGE * jnp.finfo(r.dtype).eps, 1).astype(r.dtype)
    A = jnp.concatenate([scaled @ scaled.T + jnp.diag(ridge), (scaled @ r)[:, None]], 1)
    rows = jnp.arange(len(dR))[:, None]
    for i in range(len(dR)):
        pivot = (A[i] / A[i, i])[None, :]
        A = jnp.where(rows == i, pivot, A - A[:, i, None] * pivot)
    return A[:, -1] * unit
