"""What is known about a `Hierarchy`: what is known about its areas, each with its inputs."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from ..circuits import Hierarchy
from ._generic import closed_form, is_positive, largest_terms, relaxation_times, units

_SWEEPS = 2  # From the lowest area up: the second uses what the first found for the areas above.


@closed_form.register(Hierarchy)
def _(c: Hierarchy, x: Array) -> tuple:
    """The closed form of every area at its inputs, from the lowest one up, and once more with the
    inputs that then come from above."""
    states = list(c.split(c.initial_state()))
    for _ in range(_SWEEPS):
        for i, area in enumerate(c.areas):
            states[i] = closed_form(area, c.inputs(c.join(states), x)[i])
    return c.join(states)


@relaxation_times.register(Hierarchy)
def _(c: Hierarchy, state: tuple, x: Array) -> tuple:
    return _of_areas(c, relaxation_times, state, c.inputs(state, x))


# Otherwise the residual is checked in more ways, for the hierarchy as a whole.
@largest_terms.register(Hierarchy, when=lambda c: all(map(largest_terms.is_known, c.areas)))
def _(c: Hierarchy, state: tuple, x: Array) -> tuple:
    return _of_areas(c, largest_terms, state, c.inputs(state, x))


@is_positive.register(Hierarchy)
def _(c: Hierarchy, state: tuple) -> tuple:
    return _of_areas(c, is_positive, state)


@units.register(Hierarchy)
def _(c: Hierarchy, state: tuple) -> tuple:
    return _of_areas(c, units, state)


def _of_areas(c: Hierarchy, fact: Callable, state: tuple, *each: Any) -> tuple:
    return c.join(map(fact, c.areas, c.split(state), *each))
