"""What a solver sees of an input: in each step the piece of it in which the step lies.

A step ends one float before a switch, and yet may look past it: a last stage at the very end of a
solve, and the stages of `Kvaerno4` and `Kvaerno5` at 1.15 and 1.23 steps. Seeing the next value is
an error of first order, and no error estimate shows it where the state rests.
"""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from .. import facts
from .._types import Scalar
from ..circuits import AbstractCircuit
from ..programs import in_full_precision
from ._inputs import AbstractInput

# Of a step times how far its middle may lie off: a step of `Kvaerno5` errs by .12 of that in the
# mean over all places of the corner, one of `Dopri5` by .06.
_AT_A_CORNER = 0.1


class Driven(NamedTuple):
    """A circuit and its input, up to the time `last`; and where a step is taken that may look
    behind its end, its middle and its end."""

    circuit: AbstractCircuit
    inputs: AbstractInput
    last: Float[Array, ""] | None
    step: tuple[Scalar, Scalar] | None = None

    @in_full_precision
    def velocity(self, t: Array, state: PyTree) -> PyTree:
        """f(t, state, x(t))."""
        x = self._input(t).astype(t.dtype)
        return self.circuit.vector_field(t, state, x)

    @in_full_precision
    def missed(
        self, t0: Array, before: PyTree, t1: Array, after: PyTree
    ) -> tuple[PyTree, Array] | None:
        """How far a step of fifth order may be off where the circuit turns at a corner within it,
        and after which share of the step; None of a circuit without corners.

        The estimates of `Tsit5`, `Dopri5` and `Kvaerno5` find less than a tenth of that at most
        places of a corner.
        """
        x0, x1 = (self._input(t).astype(t.dtype) for t in (t0, t1))
        found = facts.corners(self.circuit, before, x0, after, x1)
        if found is None:
            return None
        bent, share = found
        tau = facts.relaxation_times(self.circuit, before, x0)
        # A variable that is faster than the step follows.
        off = jax.tree.map(
            lambda v, tau: _AT_A_CORNER * v * (t1 - t0) * tau / (tau + t1 - t0), bent, tau
        )
        return off, share

    def _input(self, t: Array) -> Array:
        if self.last is not None:
            t = jnp.minimum(t, self.last)
        if self.step is None:
            return self.inputs(t)
        middle, end = self.step
        x, x_end = self.inputs(jnp.minimum(t, end)), self.inputs(end)
        # A member of a batch that is done takes steps of no length until the others are.
        width = jnp.where(end > middle, end - middle, 1)
        return x + (x_end - self.inputs(middle)) * (jnp.maximum(t - end, 0) / width)


class WithinSwitches(diffrax.AbstractWrappedSolver[Any]):
    """A solver whose stages behind the end of a step see the input that the step sees, continued
    linearly: exact for held inputs and for linear ones."""

    solver: Any

    # As diffrax's own `HalfSolver` has them.
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
        args = args._replace(step=(t0 + (t1 - t0) / 2, t1))
        return self.solver.step(terms, t0, t1, y0, args, solver_state, made_jump)

    def func(self, terms: PyTree, t0: Scalar, y0: PyTree, args: Driven) -> PyTree:
        return self.solver.func(terms, t0, y0, args)


def looks_ahead(solver: diffrax.AbstractSolver) -> bool:
    """Whether a stage of the solver lies behind the end of its step."""
    tableau = getattr(solver, "tableau", None)
    return isinstance(tableau, diffrax.ButcherTableau) and bool((tableau.c > 1).any())
