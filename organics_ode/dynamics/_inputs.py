"""Inputs over time, each with its values, its switch times and a lookup; and coloured noise."""

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import (
    as_float_array,
    as_times,
    check_finite,
    check_positive_integer,
    check_positive_number,
    hint_of_batch,
    in_jax,
    read_integer,
    read_key,
    refuse,
    shape_of,
    shown,
    with_ones,
)
from .._nonlinearities import root
from .._types import KeyLike, Numbers, Scalar


class AbstractInput(eqx.Module):
    """An input x(t) to a circuit.

    To write your own, subclass it and define `__call__` and `switch_times`.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in vars(cls):
            cls.__call__ = in_jax("inputs", cls.__call__)

    @abstractmethod
    def __call__(self, t: Scalar) -> Float[Array, " m"]:
        """The input (m,) at time t (ms)."""

    @property
    @abstractmethod
    def switch_times(self) -> Float[Array, " switches"] | None:
        """The times (ms) at which the input or its slope jumps; None if there are none.

        Adaptive solvers step exactly to these times; fixed steps are cut there.
        """


# What a user may pass as an input: a constant, an input over time, a pair of times and the values
# held from them on, or a function of time.
Inputs = Numbers | AbstractInput | Callable[..., Numbers]


class Constant(AbstractInput):
    """The same input at all times.

    Args:
        value: (m,), or a number for m = 1.

    Raises:
        ValueError: a wrong shape, NaN or infinite values.
    """

    value: Float[Array, " m"]

    def __init__(self, value: Numbers):
        self.value = _read_values("value", value, ndim=1)

    def __call__(self, t: Scalar) -> Float[Array, " m"]:
        return self.value

    @property
    def switch_times(self) -> None:
        return None


class ZeroOrderHold(AbstractInput):
    """Values held between switch times: x(t) = values[i] for ts[i] ≤ t < ts[i+1].

    The first value also holds before ts[0]; the last one holds from its time on.

    Args:
        ts: (time,), ms, strictly increasing.
        values: (time, m), or (time,) for m = 1.

    Raises:
        ValueError: unsorted times, an empty sequence, or shapes that do not match.
    """

    ts: Float[Array, " time"]
    values: Float[Array, "time m"]

    def __init__(self, ts: Numbers, values: Numbers):
        self.ts, self.values = _read_samples(ts, values)

    def __call__(self, t: Scalar) -> Float[Array, " m"]:
        # side="right" on the same array that is returned as switch times: a solver sees the old
        # value one float before a switch, and the new one one float after it.
        index = jnp.searchsorted(self.ts, t, side="right") - 1
        return self.values[jnp.maximum(index, 0)]

    @property
    def switch_times(self) -> Float[Array, " time"]:
        return self.ts


class LinearInput(AbstractInput):
    """Linear interpolation between samples, constant outside them.

    Args:
        ts: (time,), ms, strictly increasing.
        values: (time, m), or (time,) for m = 1.

    Raises:
        ValueError: unsorted times, an empty sequence, or shapes that do not match.
    """

    ts: Float[Array, " time"]
    values: Float[Array, "time m"]

    def __init__(self, ts: Numbers, values: Numbers):
        self.ts, self.values = _read_samples(ts, values)
        if self.ts.size < 2:
            found = "it holds one; pass an array (m,) for a constant"
            refuse("ts", "hold at least two times", found)

    def __call__(self, t: Scalar) -> Float[Array, " m"]:
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
        function: t (ms) ↦ (m,), or a number for m = 1.
    """

    function: Callable[..., Numbers]

    def __check_init__(self):
        if not callable(self.function) or isinstance(self.function, type):
            refuse("function", "be a function of t", f"it is {shown(self.function)}")

    def __call__(self, t: Scalar) -> Float[Array, " m"]:
        value = self.function(t)
        try:
            return jnp.atleast_1d(jnp.asarray(value))
        except (TypeError, ValueError):
            return refuse("inputs", "give numbers (m,) at every t", f"it gave {shown(value)}")

    @property
    def switch_times(self) -> None:
        return None


def as_input(inputs: Inputs, size: int) -> AbstractInput:
    """An array (m,) as a constant input, a pair (ts, values) as a `ZeroOrderHold`, and a callable
    as a function of t (ms)."""
    if isinstance(inputs, AbstractInput):
        return inputs
    if callable(inputs):
        return FunctionInput(inputs)
    if _is_pair(inputs):
        return ZeroOrderHold(*_read_samples(*inputs, of="inputs."))
    return Constant(_flat("inputs", inputs, size))


def is_over_time(inputs: Inputs) -> bool:
    """Whether an input is given over time: an object, a function, or a pair (ts, values)."""
    return callable(inputs) or _is_pair(inputs)


def _is_pair(inputs: Any) -> TypeGuard[tuple[Numbers, Numbers]]:
    """Whether this is a tuple of times (time,) and anything else; two numbers are an input (2,)."""
    return (
        isinstance(inputs, tuple) and len(inputs) == 2 and len(shape_of("inputs", inputs[0])) == 1
    )


def _flat(name: str, value: Numbers, size: int) -> Array:
    array = with_ones(as_float_array(name, value), 1)
    if array.ndim != 1:
        must = (
            "be an array (m,) held constant, a pair (ts, values) or another input over time, or a "
            "function of t"
        )
        hint = hint_of_batch(name, array, 1, size)
        over_time = "; an input over time is `(times, values)`" if array.ndim == 2 else ""
        refuse(name, must, f"it has shape {array.shape}{over_time}{hint}")
    return check_finite(name, array)


def _read_values(name: str, value: Numbers, ndim: int) -> Array:
    array = as_float_array(name, value)
    array = check_finite(name, array[..., None] if array.ndim == ndim - 1 else array)
    # A circuit without inputs, m = 0, is driven by the empty array.
    if array.ndim != ndim or (ndim == 2 and array.size == 0):
        shape = "(m,)" if ndim == 1 else "(time, m) and not be empty"
        refuse(name, f"have shape {shape}", f"it has shape {array.shape}")
    return array


def _read_samples(ts: Numbers, values: Numbers, of: str = "") -> tuple[Array, Array]:
    values, name = _read_values(f"{of}values", values, ndim=2), f"{of}ts"
    shape = shape_of(name, ts)
    if shape != values.shape[:1]:
        must = f"have shape (time,) = {values.shape[:1]}, a time for each row of the values"
        refuse(name, must, f"it has shape {shape}")
    return as_times(name, ts), values


def ornstein_uhlenbeck(
    steps: int, size: int | tuple[int, ...], *, dt: Scalar, tau: Scalar, key: KeyLike
) -> Float[Array, "steps ..."]:
    """Stationary Ornstein-Uhlenbeck noise of variance 1, exact at every step.

        τ dη = −η dt + √(2τ) dB,      η_{t+1} = ρ η_t + √(1−ρ²) ξ_t,   ρ = exp(−dt/τ)

    The first row is drawn from the stationary distribution N(0, 1). As `η` it drives a `Noisy` rate
    network; multiplied by σ and added to the values of an input, it drives any circuit.

    Args:
        steps: the number of rows.
        size: the size of a row, or its shape.
        dt: ms between rows, > 0.
        tau: correlation time in ms, > 0.
        key: a PRNG key.

    Returns:
        (steps, *size).

    Raises:
        ValueError: an argument is bad.

    Reference:
        Gillespie, "Exact numerical simulation of the Ornstein-Uhlenbeck process and its integral",
        Physical Review E 54 (1996).
    """
    key = read_key("key", key)
    steps = check_positive_integer("steps", steps)
    check_positive_number("dt", dt)
    check_positive_number("tau", tau)
    must = "be a positive integer or a tuple of them"
    sizes = size if isinstance(size, tuple) else (size,)
    shape = tuple(read_integer("size", n, 1, must) for n in sizes)
    return _noise(key, jnp.asarray(dt), jnp.asarray(tau), (steps, *shape))


@functools.partial(jax.jit, static_argnums=3)
def _noise(key: PRNGKeyArray, dt: Array, tau: Array, shape: tuple[int, ...]) -> Array:
    xi = jax.random.normal(key, shape)
    rho = jnp.exp(-jnp.asarray(dt, xi.dtype) / jnp.asarray(tau, xi.dtype))
    kick = root(1 - rho**2, 2)

    def step(eta: Array, xi: Array) -> tuple[Array, Array]:
        eta = rho * eta + kick * xi
        return eta, eta

    return jnp.concatenate([xi[:1], jax.lax.scan(step, xi[0], xi[1:])[1]])
