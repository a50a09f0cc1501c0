"""Inputs over time. Each owns its values, its switch times and the lookup between them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import as_float_array, as_times, check_finite, refuse, shape_of, shown


class AbstractInput(eqx.Module):
    """An input x(t) to a circuit."""

    @abstractmethod
    def __call__(self, t: Any) -> Float[Array, " m"]:
        """The input (m,) at time t (ms)."""

    @property
    @abstractmethod
    def switch_times(self) -> Float[Array, " switches"] | None:
        """The times (ms) at which the input, or its slope, jumps; None if there is no such time.

        Adaptive solvers step exactly to them, fixed steps are cut there.
        """


class Constant(AbstractInput):
    """The same input at all times.

    Args:
        value: (m,).
    """

    value: Float[Array, " m"]

    def __init__(self, value: Any):
        self.value = _read_values("value", value, ndim=1)

    def __call__(self, t: Any) -> Float[Array, " m"]:
        return self.value

    @property
    def switch_times(self) -> None:
        return None


class ZeroOrderHold(AbstractInput):
    """Values held between switch times: x(t) = values[i] for ts[i] ≤ t < ts[i+1].

    The first value also holds before ts[0], the last one from its time on.

    Args:
        ts: (time,), ms, strictly increasing.
        values: (time, m).

    Raises:
        ValueError: unsorted times, an empty sequence, or shapes that do not match.
    """

    ts: Float[Array, " time"]
    values: Float[Array, "time m"]

    def __init__(self, ts: Any, values: Any):
        self.ts, self.values = _read_samples(ts, values)

    def __call__(self, t: Any) -> Float[Array, " m"]:
        # side="right" on the very array that is handed out as switch times: a solver that stops
        # one float before a switch sees the old value, one float after it the new one.
        index = jnp.searchsorted(self.ts, t, side="right") - 1
        return self.values[jnp.maximum(index, 0)]

    @property
    def switch_times(self) -> Float[Array, " time"]:
        return self.ts


class LinearInput(AbstractInput):
    """Linear interpolation between samples, constant outside them.

    Args:
        ts: (time,), ms, strictly increasing.
        values: (time, m).

    Raises:
        ValueError: unsorted times, an empty sequence, or shapes that do not match.
    """

    ts: Float[Array, " time"]
    values: Float[Array, "time m"]

    def __init__(self, ts: Any, values: Any):
        self.ts, self.values = _read_samples(ts, values)
        if self.ts.size < 2:
            found = "it holds one; pass an array (m,) for a constant"
            refuse("ts", "hold at least two times", found)

    def __call__(self, t: Any) -> Float[Array, " m"]:
        right = jnp.clip(jnp.searchsorted(self.ts, t, side="right"), 1, self.ts.size - 1)
        t0, t1 = self.ts[right - 1], self.ts[right]
        weight = jnp.clip((t - t0) / (t1 - t0), 0, 1).astype(self.values.dtype)
        return (1 - weight) * self.values[right - 1] + weight * self.values[right]

    @property
    def switch_times(self) -> Float[Array, " time"]:
        return self.ts


class FunctionInput(AbstractInput):
    """A smooth input given as a function of time.

    Args:
        function: t (ms) ↦ (m,).
    """

    function: Callable[..., Any]

    def __check_init__(self):
        if not callable(self.function) or isinstance(self.function, type):
            refuse("function", "be a function of t", f"it is {shown(self.function)}")

    def __call__(self, t: Any) -> Float[Array, " m"]:
        value = self.function(t)
        try:
            return jnp.asarray(value)
        except (TypeError, ValueError):
            return refuse("inputs", "give numbers (m,) at every t", f"it gave {shown(value)}")

    @property
    def switch_times(self) -> None:
        return None


def as_input(inputs: Any) -> AbstractInput:
    """An array (m,) as a constant input, a callable as a function of t (ms)."""
    if isinstance(inputs, AbstractInput):
        return inputs
    return FunctionInput(inputs) if callable(inputs) else Constant(_flat("inputs", inputs))


def _flat(name: str, value: Any) -> Array:
    array = as_float_array(name, value)
    if array.ndim != 1:
        refuse(
            name,
            "be an array (m,) held constant, an input such as `oo.ZeroOrderHold(ts, values)`, or a "
            "function of t",
            f"it has shape {array.shape}",
        )
    return check_finite(name, array)


def _read_values(name: str, value: Any, ndim: int) -> Array:
    array = check_finite(name, as_float_array(name, value))
    # A circuit without inputs, m = 0, is driven by the empty array.
    if array.ndim != ndim or (ndim == 2 and array.size == 0):
        shape = "(m,)" if ndim == 1 else "(time, m) and not be empty"
        refuse(name, f"have shape {shape}", f"it has shape {array.shape}")
    return array


def _read_samples(ts: Any, values: Any) -> tuple[Array, Array]:
    values = _read_values("values", values, ndim=2)
    shape = shape_of("ts", ts)
    if shape != values.shape[:1]:
        refuse("ts", f"have shape (time,) = {values.shape[:1]}", f"it has shape {shape}")
    return as_times("ts", ts), values
