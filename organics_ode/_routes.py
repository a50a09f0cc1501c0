"""Routes to a fixed point. Each is a loop that does nothing where it is not needed.

All of them run under `jax.vmap`, where a `lax.cond` would compute both of its branches for every
member of the batch; a `lax.while_loop` whose condition is false at the start costs nothing.
"""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._balance import is_positive, largest_terms, relaxation_times, rounding, substitute
from ._extremes import are_finite, highest, lowest
from ._linearise import jacobian_matrix
from .circuits import NO_TIME, AbstractCircuit

_MEMORY = 8  # Steps that the acceleration remembers.
_LINKS = 3  # From a variable that is driven to those that it drives.
_MOST = {"accelerate": 150, "settle": 400, "substitute": 400, "descend": 200, "polish": 12}


class Point(eqx.Module):
    """A candidate: the state as one vector, its relative residual, and the steps it took."""

    v: Float[Array, " d"]
    residual: Float[Array, ""]
    steps: Int[Array, ""]


class Equations(eqx.Module):
    """0 = f(v): a circuit at a constant input, with its state as one vector."""

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    like: Any

    def unravel(self, v: Float[Array, " d"]) -> Any:
        return jax.flatten_util.ravel_pytree(self.like)[1](v)

    def velocity(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        return ravel(self.circuit.vector_field(NO_TIME, self.unravel(v), self.x))

    def jacobian(self, v: Float[Array, " d"]) -> Float[Array, "d d"]:
        return jacobian_matrix(self.circuit, self.unravel(v), self.x)

    def times(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        return ravel(relaxation_times(self.circuit, self.unravel(v), self.x))

    def is_positive(self, v: Float[Array, " d"]) -> Bool[Array, " d"]:
        marks = is_positive(self.circuit, self.unravel(v))
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(marks)])

    def terms(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        """The size of the largest term of every equation, 1/ms."""
        terms = ravel(largest_terms(self.circuit, self.unravel(v), self.x))
        if largest_terms.is_known(self.circuit):
            return terms
        # Where the terms of an equation vanish with its variables, what they are made of is rounded
        # at the circuit's own scale.
        sizes, field = self.sizes(), jax.tree.map(_filled, self.unravel(v))
        sizes = jnp.where(sizes > 0, sizes, ravel(field))
        of_scale = highest(jnp.abs(self.jacobian(v)) * sizes[None, :], axis=1)
        return jnp.maximum(terms, 64 * jnp.finfo(v.dtype).eps / tolerance(v.dtype) * of_scale)

    def sizes(self) -> Float[Array, " d"]:
        """How large each variable is at the start, or becomes within a relaxation time of the
        circuit, driven or by those that are; 0 where it rests at 0."""
        rest = ravel(self.circuit.initial_state())
        times = self.times(rest)
        sizes = jnp.maximum(jnp.abs(rest), jnp.abs(times * self.velocity(rest)))
        passed_on = times[:, None] * jnp.abs(self.jacobian(rest))
        for _ in range(_LINKS):
            sizes = jnp.where(sizes > 0, sizes, passed_on @ sizes)
        return sizes

    def reach(self) -> Float[Array, " d"]:
        """How far each variable may come by itself, in its own relaxation time; 1 where it rests at
        0: nothing tells."""
        rest, sizes = ravel(self.circuit.initial_state()), self.sizes()
        decay = jnp.abs(jnp.diag(self.jacobian(rest)))
        alone = jnp.where(
            decay > 0, jnp.abs(self.velocity(rest)) / jnp.where(decay > 0, decay, 1), 0
        )
        return jnp.where(sizes > 0, jnp.maximum(sizes, alone), 1)

    def residual(self, v: Float[Array, " d"], terms: Any = 0.0) -> Float[Array, ""]:
        """max_i |f_i| / (the largest term of equation i, or the given one if that is larger);
        infinite where any of it is not finite, or too large for its reciprocal to be a number, or
        where rounding leaves more open than the tolerance asks for."""
        least, most = jnp.finfo(v.dtype).tiny ** 0.5, jnp.finfo(v.dtype).max ** 0.5
        # Where all variables vanish at the fixed point, no term is left to compare with.
        f, here = self.velocity(v), self.terms(jnp.where(jnp.abs(v) < least, least, v))
        terms = jnp.maximum(here, terms)
        ratio = jnp.where(f == 0, 0, jnp.abs(f) / jnp.where(f == 0, 1, terms))
        is_known = are_finite(v, f, ratio) & jnp.all(terms < most) & self._is_resolved(v)
        return jnp.where(is_known, highest(ratio), jnp.inf)

    def _is_resolved(self, v: Float[Array, " d"]) -> Bool[Array, ""]:
        lost = ravel(rounding(self.circuit, self.unravel(v), self.x))
        is_summed = highest(lost) <= tolerance(v.dtype)
        return is_summed if largest_terms.is_known(self.circuit) else is_summed & self._is_held(v)

    def _is_held(self, v: Float[Array, " d"]) -> Bool[Array, ""]:
        """Whether a state is near, or the field changes where it is scaled. Far out a drift c is
        nothing beside terms of c over the tolerance: where the field stays the same, none rests."""
        is_near = jnp.all(tolerance(v.dtype) * jnp.abs(v) <= 0.1 * self.reach())
        J = self.jacobian(v)
        moved, terms = jnp.abs(J @ v), jnp.abs(J) @ jnp.abs(v)
        return is_near | jnp.any(moved > tolerance(v.dtype) ** 0.5 * terms)

    def fields(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        """The largest entry of each variable's field, which share a unit; at least what is known of
        its own size, and 1e-3 where nothing is."""
        known = self.sizes()
        sizes = jnp.maximum(jnp.abs(v), jnp.where(known > 0, known, 1e-3))
        return ravel(jax.tree.map(_filled, self.unravel(sizes)))

    def point(self, v: Float[Array, " d"], steps: Any = 0) -> Point:
        return Point(v, self.residual(v), jnp.asarray(steps))


def _filled(leaf: Array) -> Array:
    """Its largest entry in the place of each."""
    return jnp.full(leaf.shape, highest(jnp.abs(leaf)) if leaf.size else 0, leaf.dtype)


def ravel(state: Any) -> Float[Array, " d"]:
    return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(state)])


def tolerance(dtype: Any) -> float:
    """The relative residual below which a point counts as solved."""
    return 1e-10 if jnp.finfo(dtype).bits == 64 else 2e-5


def blur(residual: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """What is not known of a point, relative to its terms: its residual where it counts as solved;
    of any other state nothing is claimed."""
    return jnp.where(residual <= tolerance(residual.dtype), residual, 0)


def target(dtype: Any) -> float:
    """The residual that a route aims at: what rounding leaves, and well inside the tolerance."""
    return min(256 * float(jnp.finfo(dtype).eps), tolerance(dtype) / 5)


def accelerate(e: Equations, start: Point, needed: Bool[Array, ""]) -> Point:
    """v ← v + τ⊙f(v), accelerated by Anderson's method: no matrix is factored, so that a batch of
    inputs shares its products with the weights.

    The step is the combination of the last steps with the smallest linearised residual. It finds
    fixed points whether they are stable or not.
    """
    tau, goal = e.times(start.v), target(start.v.dtype)
    memory = jnp.zeros((_MEMORY, start.v.size), start.v.dtype)

    def body(carry: Any) -> Any:
        (point, r), dV, dR = carry
        mix = _least_squares(dR, r)
        v = point.v + r - mix @ (dV + dR)
        new = e.point(v, point.steps + 1)
        r_new = tau * e.velocity(v)
        slot = point.steps % _MEMORY
        return (new, r_new), dV.at[slot].set(v - point.v), dR.at[slot].set(r_new - r)

    def unfinished(carry: Any) -> Any:
        point = carry[0][0]
        more = (point.residual > goal) & (point.steps < _MOST["accelerate"])
        return needed & more & jnp.all(jnp.isfinite(point.v))

    carry = jax.lax.while_loop(
        unfinished, body, ((start, tau * e.velocity(start.v)), memory, memory)
    )
    return carry[0][0]


def settle(e: Equations, start: Point, needed: Bool[Array, ""]) -> Point:
    """Follow the circuit's own flow with the L-stable Rosenbrock pair of order 2(3), whose steps
    grow into Newton's as the flow comes to rest: what it finds, the flow finds."""
    d, e32 = 1 / (2 + 2**0.5), 6 + 2**0.5
    eye, goal = jnp.eye(start.v.size, dtype=start.v.dtype), target(start.v.dtype)

    def body(carry: Any) -> Any:
        point, h = carry
        v = point.v
        lu = jax.scipy.linalg.lu_factor(eye - h * d * e.jacobian(v))
        solve = functools.partial(jax.scipy.linalg.lu_solve, lu)
        f0 = e.velocity(v)
        k1 = solve(f0)
        f1 = e.velocity(v + h / 2 * k1)
        k2 = solve(f1 - k1) + k1
        new = v + h * k2
        k3 = solve(e.velocity(new) - e32 * (k2 - f1) - 2 * (k1 - f0))
        size = jnp.maximum(jnp.abs(v), jnp.abs(new))
        error = highest(jnp.abs(h / 6 * (k1 - 2 * k2 + k3)) / (1e-4 + 1e-2 * size))
        error = jnp.where(jnp.isfinite(error), error, 1e3)
        v = jnp.where(error <= 1, new, v)
        factor = jnp.clip(0.8 * jnp.maximum(error, 1e-9) ** (-1 / 3), 0.2, 10.0)
        return e.point(v, point.steps + 1), h * factor

    def unfinished(carry: Any) -> Any:
        point, h = carry
        more = (point.residual > goal) & (point.steps < _MOST["settle"])
        # A circuit that blows up takes ever shorter steps.
        return needed & more & (highest(jnp.abs(point.v)) < 1e8) & (h > shortest)

    first = 0.1 * lowest(e.times(start.v))
    shortest = 1e-9 * first
    return jax.lax.while_loop(unfinished, body, (start, first))[0]


def substituted(e: Equations, start: Point, needed: Bool[Array, ""]) -> Point:
    """Solve each equation for its own variable in turn, damped in the logarithm of what is
    positive; more damping wherever the residual grows.

    Reaches points that the flow does not, stable or not.
    """

    def body(carry: Any) -> Any:
        point, damping = carry
        old = e.unravel(point.v)
        full = substitute(e.circuit, old, e.x)
        new = jax.tree.map(lambda o, f: _damped(o, f, damping), old, full)
        # The response follows the others at once: only they are damped.
        v = ravel((full[0], *new[1:]))
        trial = e.point(v, point.steps + 1)
        factor = jnp.where(trial.residual > point.residual, 0.8, 1.02)
        return trial, jnp.clip(damping * factor, 0.05, 1.0)

    # A circuit of one's own has no equations to substitute into each other.
    needed &= substitute.is_known(e.circuit)

    def unfinished(carry: Any) -> Any:
        point = carry[0]
        more = (point.residual > 1e-6) & (point.steps < _MOST["substitute"])
        return needed & more & jnp.all(jnp.isfinite(point.v))

    return jax.lax.while_loop(unfinished, body, (start, jnp.ones_like(start.residual)))[0]


def descend(e: Equations, start: Point, needed: Bool[Array, ""]) -> Point:
    """Goes downhill in |τ⊙f(v)|, to points of any stability."""
    anywhere = jnp.full(start.v.shape, False)
    return downhill(e, start, needed, e.times(start.v), anywhere, _MOST["descend"])


def downhill(
    e: Equations,
    start: Point,
    needed: Bool[Array, ""],
    tau: Float[Array, " d"],
    positive: Bool[Array, " d"],
    most: int,
) -> Point:
    """Levenberg–Marquardt on τ⊙f(v), until v is solved or no step is lower: a minimum of |τ⊙f|.

    No step is taken on which a variable marked `positive` would not stay so.
    """
    eye = jnp.eye(start.v.size, dtype=start.v.dtype)

    def body(carry: Any) -> Any:
        point, damping = carry
        J, f = tau[:, None] * e.jacobian(point.v), tau * e.velocity(point.v)
        new = e.point(point.v - jnp.linalg.solve(J.T @ J + damping * eye, J.T @ f), point.steps + 1)
        force = tau * e.velocity(new.v)
        lower = (force @ force < f @ f) & jnp.all((new.v > 0) | ~positive)
        factor = jnp.where(lower, 0.2, 4.0).astype(f.dtype)
        point = jax.tree.map(lambda a, b: jnp.where(lower, a, b), new, point)
        return eqx.tree_at(lambda p: p.steps, point, new.steps), damping * factor

    def unfinished(carry: Any) -> Any:
        point, damping = carry
        more = (point.residual > 1e-6) & (point.steps < most)
        return needed & more & (damping < 1e8)

    return jax.lax.while_loop(unfinished, body, (start, jnp.asarray(1e-2, start.v.dtype)))[0]


def polish(e: Equations, start: Point) -> Point:
    """Newton's method as long as it lowers the residual."""
    goal = target(start.v.dtype)

    def body(carry: Any) -> Any:
        point, _, count = carry
        step = jnp.linalg.solve(e.jacobian(point.v), e.velocity(point.v))
        new = e.point(point.v - step, point.steps + 1)
        better = new.residual < point.residual
        return jax.tree.map(lambda a, b: jnp.where(better, a, b), new, point), better, count + 1

    def unfinished(carry: Any) -> Any:
        point, improving, count = carry
        more = (point.residual > goal) & (count < _MOST["polish"])
        return more & improving & (point.residual < 0.1)

    carry = (start, jnp.asarray(True), jnp.zeros_like(start.steps))
    return jax.lax.while_loop(unfinished, body, carry)[0]


def lazily(
    needed: Bool[Array, ""], compute: Callable[[Any], Any], operand: Any, otherwise: Any
) -> Any:
    """compute(operand) where needed, else `otherwise`."""

    def body(carry: Any) -> Any:
        # Without the barrier XLA would see that nothing here changes from turn to turn, and move it
        # out of the loop: computed always.
        return jnp.asarray(False), compute(jax.lax.optimization_barrier((carry[0], operand))[1])

    return jax.lax.while_loop(lambda carry: carry[0], body, (needed, otherwise))[1]


def _damped(old: Array, full: Array, damping: Array) -> Array:
    positive = (old > 0) & (full > 0)
    ratio = jnp.where(positive, full, 1) / jnp.where(positive, old, 1)
    return jnp.where(positive, old * ratio**damping, old + damping * (full - old))


def _least_squares(dR: Array, r: Array) -> Array:
    """The γ that minimises |r − γ dR|, by the normal equations: their rounding costs steps, not
    accuracy. Eliminated by hand: a batch of tiny LAPACK calls would cost more than all the rest."""
    norms = jnp.sqrt(jnp.sum(dR * dR, 1))
    unit = jnp.where(norms > 0, 1 / jnp.where(norms > 0, norms, 1), 0)
    scaled = dR * unit[:, None]
    # An unused row of the memory is left out by a one on its diagonal.
    ridge = jnp.where(norms > 0, 100 * jnp.finfo(r.dtype).eps, 1).astype(r.dtype)
    A = jnp.concatenate([scaled @ scaled.T + jnp.diag(ridge), (scaled @ r)[:, None]], 1)
    rows = jnp.arange(len(dR))[:, None]
    for i in range(len(dR)):
        pivot = (A[i] / A[i, i])[None, :]
        A = jnp.where(rows == i, pivot, A - A[:, i, None] * pivot)
    return A[:, -1] * unit
