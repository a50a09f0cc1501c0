"""What is known of a `Hierarchy`: what is known of its areas, each with the inputs it hears."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from ..circuits import Hierarchy
from ._generic import closed_form, is_positive, largest_terms, relaxation_times, units

_SWEEPS = 2  # From the lowest area up: in the second an area hears what the first said of others.


@closed_form.register(Hierarchy)
def _(c: Hierarchy, x: Array) -> tuple:
    """Of every area at what it hears, from the lowest one up, and once more with what then comes
    from above."""
    states = list(c.split(c.initial_state()))
    for _ in range(_SWEEPS):
        for i, area in enumerate(c.areas):
            states[i] = closed_form(area, c.inputs(c.join(states), x)[i])
    return c.join(states)


@relaxation_times.register(Hierarchy)
def _(c: Hierarchy, state: tuple, x: Array) -> tuple:
    return _of_areas(c, relaxation_times, state, c.inputs(state, x))


# The residual of a circuit without terms of its own is looked at in more ways, as a whole.
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
