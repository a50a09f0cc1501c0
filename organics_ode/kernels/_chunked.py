"""A kernel that works in chunks: a cell made of Euler steps, over a batch, with its own gradient.

For the gradient it keeps the results of the products and the states at the starts of chunks, and
recomputes the other states of a chunk from these. Where that takes too much memory, only the starts
are kept, and a chunk's products are recomputed too.
"""

import functools
from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, PyTree

from .._constraints import resolve
from .._operators import has_operators
from ..cells import LOW, AbstractCell, Euler, MixedPrecision, ShuOsher
from ..circuits import AbstractCircuit, obeys
from ..programs import device_memory
from ._kernel import AbstractKernel, Carry, Marks, Skips, at_rest, wide
from ._rule import AbstractRule, Both, Given, Inner, of_samples

_CHUNK = 16  # steps
_KEPT = 1 / 8  # of a device's memory: the most that the results of the products may take


def is_made_of(cell: AbstractCell, kind: type[AbstractCircuit]) -> bool:
    """Whether the cell consists of Euler steps of such a circuit, with arrays as weights and an
    exponent that is known when compiling."""
    cell = _step_of(cell)
    circuit: PyTree = getattr(cell, "circuit", None) if obeys(cell, Euler, ShuOsher) else None
    is_known = obeys(circuit, kind) and isinstance(circuit.exponent, float)
    return is_known and not has_operators(circuit)


def _step_of(cell: AbstractCell) -> AbstractCell:
    return cell.cell if isinstance(cell, MixedPrecision) else cell


class AbstractChunked(AbstractKernel):
    """A circuit under Euler steps, or under steps made of them."""

    @abstractmethod
    def rule(self, c: Any, shares: tuple[float, ...], low: Any) -> AbstractRule:
        """The Euler step of the circuit c, whose parameters are plain arrays."""

    @abstractmethod
    def parameters(self, c: Any, dt: Float[Array, ""]) -> tuple[PyTree, PyTree]:
        """The matrices, and the columns of parameters per unit, as the rule takes them."""

    def run(
        self,
        state0: PyTree,
        xs: Float[Array, "batch time m"],
        runs: Bool[Array, "batch time"] | None,
        *,
        last_only: bool,
    ) -> Float[Array, "batch *time n"]:
        """The responses after every step, or after the last one; see `AbstractKernel`."""
        marks = Marks(runs=None if runs is None else runs.T)
        given = self._given(Carry(wide(state0, len(xs))), jnp.moveaxis(xs, 0, 2), marks, None)
        found: PyTree = _chunked(self._rule(), last_only, given)
        last, ys = found
        return last.s.y.T if last_only else jnp.moveaxis(ys, 2, 0)

    def rest(
        self,
        state0: PyTree,
        inputs: Float[Array, "batch m"],
        noise: Float[Array, "before batch n"] | None,
        steps: int,
    ) -> Carry:
        """The states after some steps with the inputs held; these circuits have no noise."""
        start = Carry(wide(state0, len(inputs)))
        rule, given = self._rule(), self._given(start, inputs.T, Marks(), None)

        def step(carry: Carry, _: None) -> tuple[Carry, None]:
            return rule.steps(given, carry, given.xs, given.marks)[0], None

        return at_rest(jax.lax.scan(step, start, None, length=steps)[0].s)

    def block(
        self,
        carry: Carry,
        inputs: Float[Array, "time batch m"],
        noise: Float[Array, "time batch n"] | None,
        marks: Marks,
        skips: Skips,
    ) -> tuple[Carry, Float[Array, "n time batch"]]:
        """The carry after a few steps with skips, and the responses after each of them."""
        given = self._given(carry, jnp.swapaxes(inputs, 1, 2), marks, skips)
        found: PyTree = _chunked(self._rule(), False, given)
        carry, ys = found
        return carry, jnp.swapaxes(ys, 0, 1)

    def _rule(self) -> AbstractRule:
        step = _step_of(self.cell)
        shares = step.shares if isinstance(step, ShuOsher) else (1.0,)
        low = LOW if isinstance(self.cell, MixedPrecision) else None
        return self.rule(resolve(self.cell.circuit), shares, low)

    def _given(self, carry: Carry, xs: Array, marks: Marks, skips: Skips | None) -> Given:
        circuit = resolve(self.cell.circuit)
        dt = jnp.asarray(self.cell.dt, carry.s.y.dtype)
        return Given(*self.parameters(circuit, dt), carry, xs, marks, skips)


def column(value: ArrayLike, length: int) -> Float[Array, "n 1"]:
    """A number, or one for each of `length` units, as a column."""
    return jnp.broadcast_to(jnp.asarray(value), (length,))[:, None]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _chunked(rule: AbstractRule, last_only: bool, given: Given) -> tuple[Carry, Array | None]:
    return _forward(rule, last_only, given)[0]


def _forward(
    rule: AbstractRule, last_only: bool, given: Given
) -> tuple[tuple[Carry, Array | None], PyTree]:
    xs, given = given.xs, given._replace(w=rule.rounded(given.w))
    is_kept = _size_kept(rule, given) <= _KEPT * device_memory()
    count = -(-len(xs) // _CHUNK)
    starts = jax.tree.map(lambda s: jnp.zeros((count + 1, *s.shape), s.dtype), given.carry)

    def step(now: PyTree, at: PyTree) -> tuple[PyTree, PyTree]:
        (carry, starts), (t, x, marks) = now, at
        # Each place is written in every step of the preceding chunk, and last with the start.
        place = (t + _CHUNK - 1) // _CHUNK
        starts = jax.tree.map(
            lambda all, s: jax.lax.dynamic_update_index_in_dim(all, s, place, 0), starts, carry
        )
        carry, inner = rule.steps(given, carry, x, marks)
        response = None if last_only else carry.s.y
        return (carry, starts), (response, inner.drives if is_kept else None)

    over_time = jnp.arange(len(xs)), xs, given.marks
    (last, starts), (ys, every) = jax.lax.scan(step, (given.carry, starts), over_time)
    return (last, ys), (given._replace(carry=None), starts, every)


def _size_kept(rule: AbstractRule, given: Given) -> int:
    """The size of the drives of all steps, in bytes."""
    drives = jax.eval_shape(rule.drives, given.w, given.carry.s, given.xs[0])
    sizes = (leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(drives))
    return len(rule.shares) * len(given.xs) * sum(sizes)


def _backward(
    rule: AbstractRule, last_only: bool, kept: PyTree, cotangents: tuple[Carry, Array | None]
) -> tuple[Given]:
    (given, starts, every), (g, gys) = kept, cotangents
    w, u, xs = given.w, given.u, given.xs
    both = Both(w, jax.tree.map(jnp.transpose, w))

    def at(t: Array, values: PyTree) -> PyTree:
        # Sliced where they are used: slices made by a scan over chunks would be copies.
        return jax.tree.map(lambda v: jax.lax.dynamic_index_in_dim(v, t, keepdims=False), values)

    def again(carry: Carry, t: Array) -> tuple[Carry, Inner]:
        carry, inner = rule.steps(given, carry, *at(t, (xs, given.marks, every)))
        return carry, inner if every is None else inner._replace(drives=None)

    def back(later: PyTree, kept: tuple[Array, Inner]) -> tuple[PyTree, Array]:
        t, inner = kept
        if every is not None:
            inner = inner._replace(drives=at(t, every))
        return rule.back(both, given, later, inner, at(t, (xs, gys, given.marks)))

    def chunk(later: PyTree, number: Array, length: int = _CHUNK) -> tuple[PyTree, Array]:
        times = number * _CHUNK + jnp.arange(length)
        _, inner = jax.lax.scan(again, at(number, starts), times)
        return jax.lax.scan(back, later, (times, inner), reverse=True)

    zeros = lambda v: jnp.zeros(v.shape, g.s.y.dtype)  # noqa: E731
    later = (g, jax.tree.map(zeros, (w, of_samples(u, xs.shape[2]))))
    whole, rest = divmod(len(xs), _CHUNK)
    gxs = []
    if rest:
        later, gx = chunk(later, jnp.asarray(whole), rest)
        gxs.append(gx)
    if whole:
        later, gx = jax.lax.scan(chunk, later, jnp.arange(whole), reverse=True)
        gxs.insert(0, gx.reshape(-1, *gx.shape[2:]))
    g, (gw, gu) = later
    gu = jax.tree.map(lambda v: jnp.sum(v, axis=1, keepdims=True), gu)
    return (Given(gw, gu, g, jnp.concatenate(gxs), None, None),)  # pyright: ignore


_chunked.defvjp(_forward, _backward)
