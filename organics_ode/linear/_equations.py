"""The equations of rest, 0 = f(v), and how accurately a residual can be known despite rounding."""

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._nonlinearities import are_finite, highest
from ..circuits import NO_TIME, AbstractCircuit
from ..facts import is_positive, largest_terms, relaxation_times, rounding
from ._jacobian import jacobian_matrix

_LINKS = 3  # From a driven variable to those that it drives.
_ROUNDING = 64  # Times ε: what a sum of many terms may lose, relative to the largest.
_NEAR = 0.1  # Times the reach, over the tolerance: states nearer than this need no further check.
_UNKNOWN_SIZE = 1e-3  # Assumed for a variable that rests at 0 and is not driven.
_TARGET = 256  # Times ε: what rounding leaves of a residual.
_INSIDE = 5  # How many times below the tolerance a route aims.


class Point(eqx.Module):
    """A candidate: the state as one vector, its relative residual, and the steps it took."""

    v: Float[Array, " d"]
    residual: Float[Array, ""]
    steps: Int[Array, ""]


class Equations(eqx.Module):
    """0 = f(v): a circuit at a constant input, with its state as one vector."""

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    like: PyTree
    scales: tuple[Float[Array, " d"], Float[Array, " d"]] | None = None

    @classmethod
    def of(cls, circuit: AbstractCircuit, x: Float[Array, " m"]) -> "Equations":
        """The equations, with the scales that residuals are compared with, if needed. Computing
        these here, once, keeps them out of the programs of all the loops."""
        e = cls(circuit, x, circuit.initial_state())
        if largest_terms.is_known(circuit):
            return e
        return cls(circuit, x, e.like, e._scales())

    def unravel(self, v: Float[Array, " d"]) -> PyTree:
        return jax.flatten_util.ravel_pytree(self.like)[1](v)

    # What routes compute repeatedly is traced once, as a program of its own within theirs.
    @eqx.filter_jit
    def velocity(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        return ravel(self.circuit.vector_field(NO_TIME, self.unravel(v), self.x))

    @eqx.filter_jit
    def jacobian(self, v: Float[Array, " d"]) -> Float[Array, "d d"]:
        return jacobian_matrix(self.circuit, self.unravel(v), self.x)

    def times(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        return ravel(relaxation_times(self.circuit, self.unravel(v), self.x))

    def is_positive(self, v: Float[Array, " d"]) -> Bool[Array, " d"]:
        marks = is_positive(self.circuit, self.unravel(v))
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(marks)])

    def terms(
        self, v: Float[Array, " d"], J: Float[Array, "d d"] | None = None
    ) -> Float[Array, " d"]:
        """The size of the largest term of every equation, 1/ms; J is the Jacobian at v."""
        terms = ravel(largest_terms(self.circuit, self.unravel(v), self.x))
        if largest_terms.is_known(self.circuit):
            return terms
        # Where the terms of an equation vanish with its variables, they are still rounded at the
        # circuit's own scale.
        J = self.jacobian(v) if J is None else J
        sizes, field = self.sizes(), jax.tree.map(_filled, self.unravel(v))
        sizes = jnp.where(sizes > 0, sizes, ravel(field))
        of_scale = highest(jnp.abs(J) * sizes[None, :], axis=1)
        return jnp.maximum(
            terms, _ROUNDING * jnp.finfo(v.dtype).eps / tolerance(v.dtype) * of_scale
        )

    def sizes(self) -> Float[Array, " d"]:
        """How large each variable is at the start, or becomes within a relaxation time of the
        circuit, driven by the input or by driven variables; 0 where it rests at 0."""
        return (self._scales() if self.scales is None else self.scales)[0]

    def reach(self) -> Float[Array, " d"]:
        """How far each variable may move by itself within its own relaxation time; 1 where it rests
        at 0 and its size is unknown."""
        return (self._scales() if self.scales is None else self.scales)[1]

    def _scales(self) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """`sizes` and `reach`."""
        rest = ravel(self.circuit.initial_state())
        times, f, J = self.times(rest), jnp.abs(self.velocity(rest)), jnp.abs(self.jacobian(rest))
        sizes = jnp.maximum(jnp.abs(rest), times * f)
        passed_on = times[:, None] * J
        for _ in range(_LINKS):
            sizes = jnp.where(sizes > 0, sizes, passed_on @ sizes)
        decay = jnp.diag(J)
        alone = jnp.where(decay > 0, f / jnp.where(decay > 0, decay, 1), 0)
        return sizes, jnp.where(sizes > 0, jnp.maximum(sizes, alone), 1)

    @eqx.filter_jit
    def residual(
        self, v: Float[Array, " d"], terms: Float[Array, " d"] | float = 0.0
    ) -> Float[Array, ""]:
        """max_i |f_i| / (the largest term of equation i, or the given one if that is larger);
        infinite where any part of it is not finite or so large that its reciprocal is 0, or where
        rounding leaves more uncertainty than the tolerance allows."""
        least, most = jnp.finfo(v.dtype).tiny ** 0.5, jnp.finfo(v.dtype).max ** 0.5
        # Where all variables vanish at the fixed point, there is no term left to compare with.
        near = jnp.where(jnp.abs(v) < least, least, v)
        J = None if largest_terms.is_known(self.circuit) else self.jacobian(near)
        f, terms = self.velocity(v), jnp.maximum(self.terms(near, J), terms)
        ratio = jnp.where(f == 0, 0, jnp.abs(f) / jnp.where(f == 0, 1, terms))
        lost = highest(ravel(rounding(self.circuit, self.unravel(v), self.x)))
        is_known = are_finite(v, f, ratio) & jnp.all(terms < most) & (lost <= tolerance(v.dtype))
        if J is not None:
            is_known = is_known & self._is_held(v, J)
        return jnp.where(is_known, highest(ratio), jnp.inf)

    def _is_held(self, v: Float[Array, " d"], J: Float[Array, "d d"]) -> Bool[Array, ""]:
        """Whether a state is near, or scaling it changes the field. Far out a constant drift c is
        negligible next to terms larger than c over the tolerance: if scaling the state leaves the
        field as it is, the state is not at rest."""
        is_near = jnp.all(tolerance(v.dtype) * jnp.abs(v) <= _NEAR * self.reach())
        moved, terms = jnp.abs(J @ v), jnp.abs(J) @ jnp.abs(v)
        return is_near | jnp.any(moved > tolerance(v.dtype) ** 0.5 * terms)

    def fields(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        """The largest entry in each variable's field, whose variables share a unit; at least the
        variable's own size where that is known, and `_UNKNOWN_SIZE` where nothing is."""
        known = self.sizes()
        sizes = jnp.maximum(jnp.abs(v), jnp.where(known > 0, known, _UNKNOWN_SIZE))
        return ravel(jax.tree.map(_filled, self.unravel(sizes)))

    def point(self, v: Float[Array, " d"], steps: Int[Array, ""] | int = 0) -> Point:
        return Point(v, self.residual(v), jnp.asarray(steps))


def _filled(leaf: Array) -> Array:
    """The leaf with its largest entry in place of each."""
    return jnp.full(leaf.shape, highest(jnp.abs(leaf)) if leaf.size else 0, leaf.dtype)


def ravel(state: PyTree) -> Float[Array, " d"]:
    return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(state)])


def tolerance(dtype: DTypeLike) -> float:
    """The relative residual below which a point counts as solved."""
    return 1e-10 if jnp.finfo(dtype).bits == 64 else 2e-5


def blur(residual: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The uncertainty of a point, relative to its terms: its residual if it counts as solved; 0 for
    any other state, which is not claimed to be a fixed point."""
    return jnp.where(residual <= tolerance(residual.dtype), residual, 0)


def target(dtype: DTypeLike) -> float:
    """The residual that a route aims at: what rounding leaves, and well inside the tolerance."""
    return min(_TARGET * float(jnp.finfo(dtype).eps), tolerance(dtype) / _INSIDE)
