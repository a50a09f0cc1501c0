"""What a solver sees of an input: in each step only the piece of it in which the step lies.

A step ends one float before a switch, and yet may look past it: a last stage at the very end of a
solve does, and so do the stages of `Kvaerno4` and `Kvaerno5` at 1.15 and 1.23 steps. Seeing the
next value is an error of first order, which no error estimate shows where the state is at rest.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from .. import facts
from .._types import Scalar
from ..circuits import AbstractCircuit
from ..programs import in_full_precision
from ._inputs import AbstractInput

# The error of a step, as a share of the step times the deviation at its middle: averaged over all
# places of the corner it is .12 for `Kvaerno5`, and .06 for `Dopri5`.
_AT_A_CORNER = 0.1


class Driven(eqx.Module):
    """A circuit and its input up to the time `last`; and, for a step that may look beyond its end,
    the middle and the end of the step.

    States are vectors: a solver that handles each field by itself compiles to twice as many
    kernels, and a small circuit takes longer.
    """

    circuit: AbstractCircuit
    inputs: AbstractInput
    unravel: Callable[[Array], PyTree] = eqx.field(static=True)
    last: Float[Array, ""] | None
    step: tuple[Scalar, Scalar] | None = None

    @in_full_precision
    def velocity(self, t: Array, state: Float[Array, " d"]) -> Float[Array, " d"]:
        """f(t, state, x(t))."""
        x = self._input(t).astype(t.dtype)
        return ravel_pytree(self.circuit.vector_field(t, self.unravel(state), x))[0]

    # diffrax traces its loop three times; a program within it is traced once.
    @eqx.filter_jit
    @in_full_precision
    def missed(
        self, t0: Array, before: Float[Array, " d"], t1: Array, after: Float[Array, " d"]
    ) -> tuple[Float[Array, " d"], Array] | None:
        """The possible error of a step of fifth order with a corner of the circuit within it, and
        the share of the step at which the corner lies; None for a circuit without corners.

        At most places of a corner, the estimates of `Tsit5`, `Dopri5` and `Kvaerno5` find less than
        a tenth of that error.
        """
        x0, x1 = (self._input(t).astype(t.dtype) for t in (t0, t1))
        state = self.unravel(before)
        found = facts.corners(self.circuit, state, x0, self.unravel(after), x1)
        if found is None:
            return None
        times = facts.relaxation_times(self.circuit, state, x0)
        (bent, tau), share = (ravel_pytree(v)[0] for v in (found[0], times)), found[1]
        # A variable that is faster than the step follows its drive.
        return _AT_A_CORNER * bent * (t1 - t0) * tau / (tau + t1 - t0), share

    def _input(self, t: Array) -> Array:
        if self.last is not None:
            t = jnp.minimum(t, self.last)
        if self.step is None:
            return self.inputs(t)
        middle, end = self.step
        x, x_end = self.inputs(jnp.minimum(t, end)), self.inputs(end)
        # A finished member of a batch takes steps of length 0 until the others are finished.
        width = jnp.where(end > middle, end - middle, 1)
        return x + (x_end - self.inputs(middle)) * (jnp.maximum(t - end, 0) / width)


class WithinSwitches(diffrax.AbstractWrappedSolver[Any]):
    """A solver whose stages beyond the end of a step see the input within the step, continued
    linearly: exact for held and for linear inputs."""

    solver: Any

    # As in diffrax's own `HalfSolver`.
    @property
    def term_structure(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.solver.term_structure

    @property
    def interpolation_cls(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.solver.interpolation_cls

    @property
    def root_finder(self) -> Any:
        return self.solver.root_finder

    @property
    def scan_kind(self) -> Any:
        return self.solver.scan_kind

    def order(self, terms: PyTree) -> int | None:
        return self.solver.order(terms)

    def error_order(self, terms: PyTree) -> Any:
        return self.solver.error_order(terms)

    def init(self, terms: PyTree, t0: Scalar, t1: Scalar, y0: PyTree, args: Driven) -> PyTree:
        return self.solver.init(terms, t0, t1, y0, args)

    def step(
        self,
        terms: PyTree,
        t0: Scalar,
        t1: Scalar,
        y0: PyTree,
        args: Driven,
        solver_state: PyTree,
        made_jump: bool | Bool[Array | np.ndarray, ""],
    ) -> tuple:
        args = dataclasses.replace(args, step=(t0 + (t1 - t0) / 2, t1))
        return self.solver.step(terms, t0, t1, y0, args, solver_state, made_jump)

    def func(self, terms: PyTree, t0: Scalar, y0: PyTree, args: Driven) -> PyTree:
        return self.solver.func(terms, t0, y0, args)


def looks_ahead(solver: diffrax.AbstractSolver) -> bool:
    """Whether a stage of the solver lies beyond the end of its step."""
    tableau = getattr(solver, "tableau", None)
    return isinstance(tableau, diffrax.ButcherTableau) and bool((tableau.c > 1).any())
