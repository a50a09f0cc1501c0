"""Arguments of an experiment: contrasts, orientations in degrees, positions in degrees of angle."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._checks import (
    as_float_array,
    as_known_array,
    check_finite,
    counted,
    is_traced,
    read_number,
    refuse,
    shape_of,
    shown,
)
from .._types import Numbers, Scalar

_RADIANS = 1e-5  # closer than this to a whole degree in radians, a number is no accident


def read_contrast(name: str, contrast: Any) -> Scalar:
    """One contrast in [0, 1], which may be traced."""
    if not is_traced(contrast):
        _refuse_contrasts(name, np.asarray(read_number(name, contrast)))
        return contrast
    return _checked_contrasts(name, contrast)


def read_contrasts(name: str, contrasts: Numbers) -> Float[Array, " k"]:
    """(k,) contrasts in [0, 1]."""
    array = _read_list(name, contrasts)
    if is_traced(array):
        return _checked_contrasts(name, array)
    _refuse_contrasts(name, np.asarray(array))
    return array


def _checked_contrasts(name: str, array: Array) -> Array:
    is_bad = ~((array >= 0) & (array <= 1))
    return eqx.error_if(array, is_bad, f"Argument `{name}` must lie between 0 and 1.")


def _refuse_contrasts(name: str, array: np.ndarray) -> None:
    bad = array[~((array >= 0) & (array <= 1))]
    if bad.size:
        is_percent = bad.min() > 1 and bad.max() <= 100
        hint = f"; write {float(bad[0]) / 100:g} for {float(bad[0]):g} %" if is_percent else ""
        refuse(name, "lie between 0 and 1", f"it holds {float(bad[0]):g}{hint}")


def read_orientation(name: str, orientation: Any) -> Scalar:
    """One orientation in degrees, 0 to 180, which may be traced."""
    if not is_traced(orientation):
        _refuse_orientations(name, np.asarray(read_number(name, orientation)))
        return orientation
    return _checked_orientations(name, orientation)


def read_orientations(name: str, orientations: Numbers) -> Float[Array, " k"]:
    """(k,) orientations in degrees, 0 to 180."""
    array = _read_list(name, orientations)
    if is_traced(array):
        return _checked_orientations(name, array)
    _refuse_orientations(name, np.asarray(array, float))
    return array


def _checked_orientations(name: str, array: Array) -> Array:
    is_bad = ~((array >= 0) & (array <= 180))
    message = f"Argument `{name}` must lie between 0 and 180 degrees."
    return eqx.error_if(array, is_bad, message)


def _refuse_orientations(name: str, array: np.ndarray) -> None:
    """Refuse what is not an orientation, and one in radians.

    Small numbers can be orientations too. But a number such as 0.785398, which up to rounding is a
    whole number of degrees in radians, is no accident.
    """
    bad = array[~((array >= 0) & (array <= 180))]
    if bad.size:
        one = float(bad[0])
        hint = f"; an orientation comes again after 180, write {one % 180:g}"
        must = "lie between 0 and 180 degrees"
        refuse(name, must, f"it holds {one:g}{hint if math.isfinite(one) else ''}")
    degrees = np.degrees(array[array <= math.pi * (1 + _RADIANS)])
    whole = degrees[(np.abs(degrees - np.round(degrees)) < _RADIANS) & (degrees > 0.5)]
    if whole.size:
        one = float(np.round(whole[0]))
        found = f"it holds {math.radians(one):g}, which is {one:g} degrees in radians"
        refuse(name, "be in degrees", f"{found}; write {one:g}")


def read_position(name: str, position: Any) -> tuple[float, float]:
    """(x, y) in degrees of visual angle."""
    if shape_of(name, position) != (2,):
        refuse(name, "be (x, y) in degrees of visual angle", f"it is {shown(position)}")
    x, y = (read_number(name, each) for each in np.asarray(position).tolist())
    return x, y


def read_length(name: str, value: Any, low: float = 0.0) -> Scalar:
    """A length in degrees of visual angle above `low`, which may be traced."""
    if is_traced(value):
        must = f"Argument `{name}` must be above {low:g} degrees."
        return eqx.error_if(value, ~(value > low), must)
    number = read_number(name, value, low)
    if not number > low:
        refuse(name, f"be above {low:g} degrees of visual angle", f"it is {number:g}")
    return value


def read_lengths(name: str, values: Numbers) -> Float[Array, " k"]:
    """(k,) positive lengths in degrees of visual angle."""
    array = _read_list(name, values)
    if is_traced(array):
        return eqx.error_if(array, array <= 0, f"Argument `{name}` must be positive.")
    if np.any(np.asarray(array) <= 0):
        smallest = float(np.min(np.asarray(array)))
        refuse(
            name, "be positive, in degrees of visual angle", f"its smallest value is {smallest:g}"
        )
    return array


def _read_list(name: str, values: Numbers) -> Float[Array, " k"]:
    array = jnp.atleast_1d(as_float_array(name, values))
    if array.ndim != 1 or array.size == 0:
        refuse(name, "have shape (k,), at least one", f"its shape is {array.shape}")
    return check_finite(name, array)


def read_units(n: int, units: Numbers | None) -> Int[np.ndarray, " n"]:
    """The indices of some of n units, by default all; negative ones count from the end."""
    if units is None:
        return np.arange(n)
    array = np.atleast_1d(as_known_array("units", units))
    if array.ndim != 1 or array.dtype.kind not in "iu" or not array.size:
        found = f"its shape is {array.shape}, its dtype {array.dtype}"
        refuse("units", "be numbers of units, integers", found)
    if array.min() < -n or array.max() >= n:
        one = int(array.max() if array.max() >= n else array.min())
        refuse("units", f"number some of {counted(n, 'unit')}, 0 to {n - 1}", f"one is {one}")
    return array % n
