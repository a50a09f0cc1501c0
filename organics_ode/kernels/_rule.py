"""What the kernels of gated circuits have in common: the step of a cell made of Euler steps over a
batch, units first, and its gradient, made of theirs."""

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ._kernel import Carry, Marks, Skips, mixed


class Both(NamedTuple):
    """The matrices, and copies of their transposes in memory."""

    plain: Any
    transposed: Any


class Given(NamedTuple):
    """The arguments of a kernel: matrices, columns of parameters per unit, states, inputs."""

    w: Any
    u: Any
    carry: Carry
    xs: Float[Array, "time m batch"]
    marks: Marks
    skips: Skips | None


class Inner(NamedTuple):
    """The inside of a cell's step: the state before each of its Euler steps and the drives there;
    with skips also the rest of the carry before the step, and the end state of the cell alone."""

    states: list[Any]
    drives: list[Any] | None
    mixed: tuple[PyTree, PyTree, PyTree] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractRule(ABC):
    """An Euler step of a circuit and its gradient: everything that is known when compiling.

    With `low` the factors and the results of all products are rounded to that dtype; sums, the
    state and everything else are not.
    """

    p: float
    shares: tuple[float, ...]
    low: Any = None

    @abstractmethod
    def drives(self, w: Any, state: Any, x: Float[Array, "m batch"]) -> Any:
        """What a step computes by products; this is kept for the gradient."""

    @abstractmethod
    def advance(self, u: Any, state: Any, d: Any, z: Float[Array, "n batch"]) -> Any:
        """The state after an Euler step, from the drives and z = W_zx x."""

    @abstractmethod
    def back_products(
        self,
        w: Both,
        slopes: tuple[Any, Any, Array],
        state: Any,
        d: Any,
        x: Float[Array, "m batch"],
    ) -> tuple[Any, Any, Float[Array, "m batch"]]:
        """The cotangents of the state, the matrices and x for an Euler step.

        `slopes` are the cotangents of the state (other than by the products), the drives and z.
        """

    def rounded(self, tree: PyTree) -> Any:
        """The tree as it enters products."""
        return tree if self.low is None else jax.tree.map(lambda v: v.astype(self.low), tree)

    def times(self, A: Array, B: Array) -> Array:
        """A B."""
        if self.low is None:
            return A @ B
        return jnp.matmul(*self.rounded((A, B)), preferred_element_type=jnp.float32)

    def steps(
        self,
        given: Given,
        carry: Carry,
        x: Array,
        marks: Marks,
        kept: list[Any] | None = None,
    ) -> tuple[Carry, Inner]:
        """The carry after a cell's step, and what its gradient needs."""
        (w, u), start, states, every = given[:2], carry.s, [], []
        state = start
        for k, share in enumerate(self.shares):
            states.append(state)
            every.append(self.drives(w, state, x) if kept is None else kept[k])
            state = self._advance(u, state, every[k], self.times(w.W_zx, x))
            if share < 1:
                mix = lambda s, t, c=share: (1 - c) * s + c * t  # noqa: E731
                state = jax.tree.map(mix, start, state)
        skipped = None if given.skips is None else (carry.anchor, carry.slope, state)
        return mixed(given.skips, carry, state, marks), Inner(states, every, skipped)

    def back(
        self, both: Both, given: Given, later: PyTree, inner: Inner, now: PyTree
    ) -> tuple[PyTree, Array]:
        """The cotangents of the carry before a step, sums for the parameters, and those of x."""
        (g, total), (x, gy, marks) = later, now
        g = g if gy is None else g._replace(s=g.s._replace(y=g.s.y + gy))
        start = inner.states[0]
        anchor, slope, base = inner.mixed or (None, None, start)
        # Cotangents of what was held or skipped bypass the step; the rest goes through it.
        mix = lambda carry, base: mixed(given.skips, carry, base, marks)  # noqa: E731
        direct, g = jax.vjp(mix, Carry(start, anchor, slope), base)[1](g)
        passed, gx = direct.s, jnp.zeros_like(x)
        euler_steps = zip(self.shares, inner.states, inner.drives or [], strict=True)
        for share, state, d in reversed(list(euler_steps)):
            if share < 1:
                passed = jax.tree.map(lambda s, t, c=share: s + (1 - c) * t, passed, g)
                g = jax.tree.map(lambda t, c=share: c * t, g)
            g, *new = self._back_euler(both, given.u, g, state, d, x)
            total, gx = jax.tree.map(jnp.add, (total, gx), tuple(new))
        return (direct._replace(s=jax.tree.map(jnp.add, g, passed)), total), gx

    def _advance(self, u: Any, state: Any, d: Any, z: Array) -> Any:
        return self.advance(u, state, jax.tree.map(lambda v: v.astype(z.dtype), d), z)

    def _back_euler(
        self, w: Both, u: Any, g: Any, state: Any, d: Any, x: Array
    ) -> tuple[Any, tuple[Any, Any], Array]:
        """The cotangents of the state before one Euler step, of all parameters, and of x."""
        z = self.times(w.plain.W_zx, x)
        d = jax.tree.map(lambda v: v.astype(z.dtype), d)
        gu, *slopes = jax.vjp(self.advance, of_samples(u, x.shape[1]), state, d, z)[1](g)
        g, gw, gx = self.back_products(w, tuple(slopes), state, d, x)
        return g, (gw, gu), gx


def of_samples(u: PyTree, size: int) -> PyTree:
    """The parameters broadcast to every sample: summing over the batch in every step is slow."""
    return jax.tree.map(lambda v: jnp.broadcast_to(v, (len(v), size)), u)
