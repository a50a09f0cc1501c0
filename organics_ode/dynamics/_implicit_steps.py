"""The equations of an implicit step, solved as accurately as its state is known."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, PyTree

# Ratio of successive increments: if they shrink more slowly, the iterations allowed are too few.
_SLOWEST = 0.9


class SizedChord(diffrax.VeryChord):
    """`diffrax.VeryChord` with a tolerance relative to each variable: its state, its increment and
    its size.

    With a single absolute tolerance, a modulator of 10⁻⁹ would be solved to within 10⁻⁷.
    """

    size: PyTree = None

    def step(
        self,
        fn: Callable[..., PyTree],
        y: PyTree,
        args: PyTree,
        options: dict[str, Any],
        state: PyTree,
        tags: frozenset[object],
    ) -> Any:
        """One chord step; the start of a stage is the third last of its arguments."""
        begin = args[-3]
        # Increments within rounding need not be solved for.
        rtol = jnp.maximum(self.rtol, 2 * jnp.finfo(state.diffsize.dtype).eps / self.kappa)

        def norm(moved: PyTree) -> Array:
            scale = jax.tree.map(
                lambda k, v, unit: self.atol * unit + rtol * jnp.maximum(jnp.abs(k), jnp.abs(v)),
                *(y, begin, self.size),
            )
            return self.norm(jax.tree.map(jnp.divide, moved, scale))

        plain = diffrax.VeryChord(0.0, 1.0, norm, self.kappa, self.linear_solver)
        return plain.step(fn, y, args, options, state, tags)

    def terminate(
        self,
        fn: Callable[..., PyTree],
        y: PyTree,
        args: PyTree,
        options: dict[str, Any],
        state: Any,
        tags: frozenset[object],
    ) -> tuple[Array, Any]:
        """Go on while it converges.

        diffrax gives up after the second iteration, and thereby rejects half of all steps, although
        the third or fourth iteration would converge.
        """
        rate = state.diffsize / state.diffsize_prev
        error = state.diffsize * rate / (1 - rate)
        is_near = ((error > 0) & (error < self.kappa)) | (state.diffsize < self.kappa)
        converged = (state.step >= 2) & is_near
        diverged = (state.step >= 2) & ~(rate < _SLOWEST) & ~converged
        ok, failed = optx.RESULTS.successful, optx.RESULTS.nonlinear_divergence
        result = optx.RESULTS.where(diverged, failed, ok)
        is_solved = state.result == ok
        result = optx.RESULTS.where(is_solved, result, state.result)
        return converged | diverged | ~is_solved, result


def with_sized_chord(
    solver: diffrax.AbstractSolver,
    controller: Any,
    size: PyTree,
) -> diffrax.AbstractSolver:
    """The solver with this root finder in place of diffrax's own."""
    if type(getattr(solver, "root_finder", None)) is not diffrax.VeryChord:
        return solver
    chord = SizedChord(controller.rtol, controller.atol, controller.norm, size=size)
    return eqx.tree_at(lambda s: s.root_finder, solver, chord)
