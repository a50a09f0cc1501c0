from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...circuits import NO_TIME
from .._cell import State
from ._step import AbstractStep


class ShuOsher(AbstractStep[State]):
    """A circuit as a cell: one step of order 3 made of three Euler steps, with x held over it.

        E(s) = s + dt·f(s, x)
        s₁ = E(s),  s₂ = ¾ s + ¼ E(s₁),  s ← ⅓ s + ⅔ E(s₂)

    Convex combinations of Euler steps preserve what an Euler step of that length preserves: where
    dt is at most the time constants, a stays positive and gains stay between 0 and 1. Slow
    rotations, such as a memory made of oscillators, do not grow and hardly fade
    (|R(iωdt)| = 1 − (ωdt)⁴/24 + …, stable for ωdt below 1.73), whereas an Euler step makes them
    grow by (ωdt)²/2. It costs three times as much as an `Euler` step, but steps four times as long
    are as good. The training kernels of `GatedORGaNICs` and `RotationalORGaNICs` support it too.

    Args:
        circuit: an `AbstractCircuit`.
        dt: step in ms, > 0. A number is compiled in.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Shu & Osher, "Efficient implementation of essentially non-oscillatory shock-capturing
        schemes", Journal of Computational Physics 77 (1988).
    """

    # The share of each Euler step in its convex combination with the state before the step.
    shares: ClassVar[tuple[float, ...]] = (1.0, 1 / 4, 2 / 3)

    def step(self, state: State, x: Float[Array, " m"]) -> State:
        """The state one step later, for the input x (m,)."""
        start = state
        for share in self.shares:
            velocity = self.circuit.vector_field(NO_TIME, state, x)

            def mixed(before: Array, s: Array, v: Array, share: float = share) -> Array:
                return (1 - share) * before + share * (s + jnp.asarray(self.dt, s.dtype) * v)

            state = jax.tree.map(mixed, start, state, velocity)
        return state
