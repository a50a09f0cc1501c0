"""The step of a fixed-step solver, for one vector or for many columns with their own lengths."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array


def runge_kutta(field: Callable[[Array], Array], v: Array, k1: Array, h: Any) -> Array:
    """v after a step h of the classical method of order 4; k1 is field(v)."""
    k2 = field(v + h / 2 * k1)
    k3 = field(v + h / 2 * k2)
    k4 = field(v + h * k3)
    return v + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
