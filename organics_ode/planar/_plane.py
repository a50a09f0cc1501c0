"""Two variables of a circuit at a constant input, and what can be asked about them."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._checks import (
    a_or_an,
    as_float_array,
    check_finite,
    check_state,
    read_number,
    refuse,
    refuse_traced,
    shape_of,
    shown,
)
from .._constraints import resolve
from .._tables import entries_of
from .._types import Limits, Numbers
from ..circuits import AbstractCircuit
from ..linear import ravel, read_point
from ._results import Bifurcation, NullclineCurves, Pair, PlanarFixedPoints

_SIZES = (32, 256, 2048)  # of arrays; larger ones are used as they are
Window = tuple[tuple[float, float], tuple[float, float]]


class AbstractPlane(eqx.Module):
    """Two variables of a circuit at an input, each with its name."""

    names: eqx.AbstractVar[tuple[str, str]]

    @property
    @abstractmethod
    def dtype(self) -> Any:
        """The dtype of its numbers."""

    @abstractmethod
    def velocity(self, u: Array, v: Array) -> tuple[Array, Array]:
        """(u̇, v̇) at points, arrays of the same shape; pure."""

    @abstractmethod
    def slopes(self, u: float, v: float) -> Float[np.ndarray, "2 2"]:
        """∂(u̇, v̇)/∂(u, v) at one point."""

    @abstractmethod
    def pair(self, u: Any, v: Any) -> PyTree:
        """Values of the two variables: a state of the circuit if it has no others."""

    @abstractmethod
    def fixed_points(self, window: Window | None) -> PlanarFixedPoints:
        """The fixed points found in the window and elsewhere."""

    @abstractmethod
    def nullclines(self, window: Window, points: int) -> NullclineCurves:
        """The nullclines in a window."""

    @abstractmethod
    def ends(self, u: Array, v: Array, max_steps: int) -> Int[np.ndarray, " starts"]:
        """The index of the fixed point that each start reaches; −1 if it diverged, else −2."""

    @abstractmethod
    def bifurcation(self, name: str, values: Numbers, window: Window | None) -> Bifurcation:
        """The fixed points over a parameter."""

    @abstractmethod
    def window(self) -> Window:
        """The part of the plane to show unless a window is given."""

    @property
    @abstractmethod
    def is_planar(self) -> bool:
        """Whether only the two variables move."""


def read_variables(variables: Any, state: PyTree) -> tuple[tuple[int, int], tuple[str, str]]:
    """The entries of a state that are meant, and their names."""
    names, short = entries_of(state)
    shown_names = ", ".join(short[:6]) + (", ..." if len(short) > 6 else "")
    if variables is None:
        if len(names) != 2:
            found = f"the circuit has {len(names)}, and it is None"
            refuse("variables", f"name two of {shown_names}", found)
        return (0, 1), (short[0], short[1])
    is_two = isinstance(variables, tuple | list) and len(variables) == 2
    if not is_two or not all(isinstance(each, str) for each in variables):
        refuse("variables", f"name two of {shown_names}", f"it is {shown(variables)}")
    chosen = []
    for each in variables:
        name = "".join(each.split()).replace(",", ", ")
        if name not in names and name not in short:
            refuse("variables", f"name two of {shown_names}", f"there is no {each!r}")
        chosen.append(names.index(name) if name in names else short.index(name))
    if chosen[0] == chosen[1]:
        refuse("variables", "name two variables", f"both are {short[chosen[0]]}")
    return (chosen[0], chosen[1]), (short[chosen[0]], short[chosen[1]])


def read_others(others: object, state: PyTree) -> Float[Array, " d"] | None:
    """The state at whose values the other variables are held; None if they are not."""
    if others is None:
        return None
    if not isinstance(others, tuple | Mapping):
        must = f"be {a_or_an(type(state).__name__)} whose other variables are held"
        refuse("others", must, f"it is {shown(others)}")
    return ravel(check_state("others", resolve(others), state))


def read_points(dtype: Any, u: Numbers, v: Numbers) -> tuple[Array, Array]:
    u, v = (as_float_array(name, each, dtype) for name, each in (("y", u), ("a", v)))
    if u.shape != v.shape:
        refuse("a", f"have the shape of y, {u.shape}", f"it has shape {v.shape}")
    return check_finite("y", u), check_finite("a", v)


def read_range(name: str, value: Limits) -> tuple[float, float]:
    is_pair = isinstance(value, tuple | list | np.ndarray | jax.Array)
    if not is_pair or shape_of(name, value) != (2,):
        refuse(name, "be (low, high), two numbers", f"it is {shown(value)}")
    low, high = (read_number(name, bound) for bound in value)
    if not -math.inf < low < high < math.inf:
        refuse(name, "be (low, high) with low < high", f"it is {value}")
    return low, high


def read_known(circuit: AbstractCircuit, x: Numbers) -> tuple[AbstractCircuit, Array]:
    """The circuit with plain arrays and its input, for a host function."""
    circuit, _, x = read_point(circuit, None, x)
    refuse_traced("circuit", circuit, x)
    return circuit, x


def read_window(y_range: Limits | None, a_range: Limits | None) -> Window | None:
    """Both ranges, or None if neither is given."""
    given = {"y_range": y_range, "a_range": a_range}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 2:
        return None
    if missing:
        refuse(missing[0], "be given where the other range is", "it is None")
    first, second = (read_range(name, value) for name, value in given.items() if value is not None)
    return first, second


def as_pair(state: PyTree, at: tuple[int, int], u: Any, v: Any) -> PyTree:
    """A state of this kind if it has one entry in each of two fields, else a `Pair`."""
    is_whole = len(state) == 2 and all(leaf.size == 1 for leaf in state)
    if not is_whole:
        return Pair(u, v)
    both = (u, v) if at == (0, 1) else (v, u)
    return type(state)(*both)


def padded(points: list[np.ndarray], most: int) -> np.ndarray:
    """Arrays of up to `most` points joined into one, with NaN or False where there is none."""
    return np.stack([_pad(each, most) for each in points])


def _pad(points: np.ndarray, most: int) -> np.ndarray:
    fill = False if points.dtype == bool else np.array(np.nan, points.dtype)
    out = np.full((most, *points.shape[1:]), fill)
    out[: len(points)] = points
    return out


def resized(points: np.ndarray) -> np.ndarray:
    """The points, some repeated to fill one of few sizes, since each size is compiled for."""
    size = next((n for n in _SIZES if n >= len(points)), len(points))
    return np.resize(points, (size, *points.shape[1:])) if len(points) else points


def joined(low_high: Window) -> Float[np.ndarray, "2 2"]:
    return np.array(low_high, float)


def grid(window: Window, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The axes of a grid, and both variables over it, (first, second) each."""
    first, second = (np.linspace(*limits, cells + 1) for limits in window)
    u, v = np.meshgrid(first, second, indexing="ij")
    return first, second, u, v


@eqx.filter_jit
def field_on(
    plane: AbstractPlane, u: Array | np.ndarray, v: Array | np.ndarray
) -> tuple[Array, Array]:
    return plane.velocity(jnp.asarray(u), jnp.asarray(v))


@eqx.filter_jit
def slopes_on(plane: AbstractPlane, p: Array | np.ndarray) -> tuple[Array, Array]:
    """The velocities (k, 2) and their slopes (k, 2, 2)."""

    def one(p: Array) -> Array:
        u, v = plane.velocity(p[:1], p[1:])
        return jnp.concatenate([u, v])

    p = jnp.asarray(p)
    return jax.vmap(one)(p), jax.vmap(jax.jacfwd(one))(p)
