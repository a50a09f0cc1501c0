"""Steady states at many inputs at once, with no more of the search than they need."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import is_traced
from .._operators import FEW, with_matrices
from ..circuits import AbstractCircuit
from ..linear import spectrum_at, tolerance
from ..programs import detached, in_full_precision, quickly_compiled
from ._fixed_point import implicit, is_known_exact
from ._search import ATTEMPTS, known_point, search


class SteadyStates(NamedTuple):
    """States at rest, with a leading axis of k inputs.

    - `found`: (k,), whether each is a stable fixed point.
    - `attempts`: how many routes beyond the closed form were needed.
    """

    states: Any
    found: Bool[Array, " k"]
    attempts: int


def steady_states(
    circuit: AbstractCircuit, xs: Float[Array, "k m"], attempts: int | None = None
) -> SteadyStates:
    """The stable fixed points that `fixed_point` finds at every row of xs.

    Only as many routes of the search are compiled as are needed: none where the closed form is
    exact. Inside jit, where that is not known, `attempts` says how many; all unless given.
    Derivatives are those of the implicit function theorem.
    """
    circuit = with_matrices(circuit, most=FEW)
    if attempts is not None or any(map(is_traced, jax.tree.leaves((circuit, xs)))):
        attempts = ATTEMPTS if attempts is None else attempts
        return SteadyStates(*_steady(circuit, xs, attempts), attempts)
    for attempts in (0,) * is_known_exact(circuit) + (1,):
        found = SteadyStates(*_steady(circuit, xs, attempts), attempts)
        if found.found.all():
            return found
    return SteadyStates(*_steady(circuit, xs, ATTEMPTS), ATTEMPTS)


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def _steady(circuit: AbstractCircuit, xs: Array, attempts: int) -> tuple[Any, Array]:
    def at(x: Array) -> tuple[Any, Array]:
        if attempts == 0:  # the closed form, where it is exact: stable without gates
            state, residual, _, _ = known_point(*detached((circuit, x, None)))
            is_stable = jnp.asarray(True)
        else:
            state, residual, _, _ = search(*detached((circuit, x, None)), attempts=attempts)
            here = detached((circuit, state, x))
            is_stable = spectrum_at(*here, residual=residual).is_stable
        state = implicit(circuit, x, state)
        return state, is_stable & (residual <= tolerance(residual.dtype))

    return jax.vmap(at)(xs)
