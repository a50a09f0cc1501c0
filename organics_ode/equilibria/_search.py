"""The routes to a fixed point in turn, each judged by the eigenvalues where it ends."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._nonlinearities import highest
from .._operators import has_operators
from .._types import State
from ..circuits import AbstractCircuit
from ..facts import closed_form, is_exact
from ..linear import Equations, Point, ravel, ritz_values, spectrum_at, tolerance
from ..programs import lazily, within_loop
from ._loops import ended
from ._routes import accelerate, downhill, polish, settle, substituted

ROUTES = ("closed form", "accelerated iteration", "settling", "substitution", "descent", "none")
_CLOSED, _ACCELERATED, _SETTLED, _SUBSTITUTED, _DESCENDED, _NONE = range(len(ROUTES))
# The route, and whether it starts from rest instead of the closed form (or the given start).
_ATTEMPTS = (
    (_ACCELERATED, False),
    (_SETTLED, False),
    (_SETTLED, True),
    (_SUBSTITUTED, False),
    (_DESCENDED, False),
    (_DESCENDED, True),
)
ATTEMPTS = len(_ATTEMPTS)
_ROUTE = {
    _ACCELERATED: accelerate,
    _SETTLED: settle,
    _SUBSTITUTED: substituted,
    _DESCENDED: downhill,
}
_STABLE_ONES = 3  # The attempts made as long as no stable point was found.
_DENSE = 96  # Up to this size all eigenvalues are cheaper than some of them.
_RITZ = 24
_CLEAR = 0.01  # Times the largest |λ|: how far from 0 an estimated real part must be for its sign.


class _Candidate(eqx.Module):
    point: Point
    route: Int[Array, ""]
    is_stable: Bool[Array, ""]

    @property
    def rank(self) -> Float[Array, ""]:
        """Smaller is better: stable points, then solved ones, then those of small residual."""
        residual = self.point.residual
        solved = residual <= tolerance(residual.dtype)
        return jnp.where(solved, jnp.where(self.is_stable, 0, 1), 2 + residual)


def search(circuit: AbstractCircuit[State], x: Array, start: State | None, attempts: int) -> tuple:
    """The state, its residual, the steps of all routes together, and the route that found it.

    Only the first `attempts` are tried: the others need not be compiled.
    """
    e = Equations.of(circuit, x)
    first = ravel(closed_form(circuit, x) if start is None else start)
    known = (e, first)
    # Routes that use LU decompositions of n variables are left out for operators.
    tried = _ATTEMPTS[: min(attempts, _STABLE_ONES) if has_operators(circuit) else attempts]
    routes, from_rest = map(jnp.array, zip(*tried, strict=True))

    def attempt(carry: tuple) -> tuple:
        (best, i), (e, first) = within_loop(carry, known)
        route = routes[i]
        point = e.point(jnp.where(from_rest[i], ravel(e.like), first))
        # At most one of these does anything.
        for number in sorted({number for number, _ in tried}):
            point = ended(_ROUTE[number](e), point, route == number)
        point = polish(e, point)
        solved = point.residual <= tolerance(x.dtype)
        stable = lazily(solved, lambda p: _is_stable(e, p), point, jnp.asarray(False))
        new = _Candidate(point, route, stable)
        steps = best.point.steps + point.steps
        best = jax.tree.map(lambda a, b: jnp.where(new.rank < best.rank, a, b), new, best)
        return eqx.tree_at(lambda c: c.point.steps, best, steps), i + 1

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        best, i = carry
        # The last routes find unstable points: they are tried only if nothing else was found.
        enough = jnp.where(i < _STABLE_ONES, 0, 1)
        return (best.rank > enough) & (i < len(tried))

    exact = is_exact(circuit) & (start is None)
    route = jnp.asarray(_CLOSED if start is None else _NONE)
    best = _Candidate(e.point(first), route, exact)
    best, _ = jax.lax.while_loop(unfinished, attempt, (best, 0))
    return e.unravel(best.point.v), best.point.residual, best.point.steps, best.route


def known_point(circuit: AbstractCircuit[State], x: Array, start: State | None) -> tuple:
    """What `search` returns if its start (the closed form unless given) is the fixed point."""
    state = closed_form(circuit, x) if start is None else start
    residual = Equations.of(circuit, x).residual(ravel(state))
    route = jnp.asarray(_CLOSED if start is None else _NONE)
    return state, residual, jnp.asarray(0), route


def _is_stable(e: Equations, point: Point) -> Array:
    """Whether all eigenvalues have negative real parts. For a small circuit all are computed, else
    only the outermost ones, and all if those do not decide."""
    if point.v.size <= _DENSE:
        return _all_stable(e, point)
    _, product = jax.linearize(e.velocity, point.v)
    ritz = ritz_values(product, point.v, _RITZ)
    clear = highest(ritz.real) < -_CLEAR * highest(jnp.abs(ritz))
    return lazily(~clear, lambda p: _all_stable(e, p), point, jnp.asarray(True))


def _all_stable(e: Equations, point: Point) -> Array:
    state = e.unravel(point.v)
    return spectrum_at(e.circuit, state, e.x, residual=point.residual).is_stable
