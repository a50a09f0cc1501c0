"""The equations of an implicit step, solved as exactly as its state is known."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp


class StateChord(diffrax.VeryChord):
    """`diffrax.VeryChord`, whose tolerance is relative to the state and not to its increment.

    In the units of a variable that is now far larger than it may be, rounding alone moves the
    increment by more than a tolerance that does not see the state.
    """

    def step(self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: Any) -> Any:
        """One chord step; what a stage starts from is the third last of its arguments."""
        begin = args[-3]

        def norm(moved: Any) -> Any:
            scale = jax.tree.map(
                lambda k, v: self.atol + self.rtol * jnp.maximum(jnp.abs(k), jnp.abs(v)), y, begin
            )
            return self.norm(jax.tree.map(jnp.divide, moved, scale))

        plain = diffrax.VeryChord(0.0, 1.0, norm, self.kappa, self.linear_solver)
        return plain.step(fn, y, args, options, state, tags)


def with_state_chord(solver: Any, controller: Any) -> Any:
    """The solver, with this root finder in place of diffrax's own."""
    if type(getattr(solver, "root_finder", None)) is not diffrax.VeryChord:
        return solver
    chord = StateChord(controller.rtol, controller.atol, controller.norm)
    return eqx.tree_at(lambda s: s.root_finder, solver, chord)
