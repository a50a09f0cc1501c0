"""Time courses to fit: inputs, times and data, grouped by shape."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._checks import as_known_array, as_times, check_state, refuse, shape_of, shown
from .._constraints import resolve
from ..circuits import AbstractCircuit
from ..dynamics import AbstractInput, inputs_over_time, simulate
from ..programs import equal_one

# In units of the size of the data: larger than anything a fit would move towards.
_FAR = 1e3


class Course(eqx.Module):
    """One experiment: what drove the circuit, and what was observed when."""

    inputs: AbstractInput
    ts: Float[Array, " time"]
    state0: PyTree
    data: Float[Array, "time k"]
    weights: Float[Array, "time k"]

    def model(self, circuit: Any, observe: Any, how: "How") -> Float[Array, "time k"]:
        trajectory = simulate(
            circuit,
            self.inputs,
            self.ts,
            state0=self.state0,
            solver=how.solver,
            adjoint=diffrax.ForwardMode(),
            max_steps=how.max_steps,
            throw=False,
        )
        return jax.vmap(observe)(trajectory.states).reshape(self.ts.size, -1)

    def misses(self, model: Float[Array, "time k"]) -> Float[Array, "time k"]:
        """(model − data) · weights, finite even if the model is not."""
        r = (model - self.data) * self.weights
        return jnp.where(jnp.isfinite(model), r, _FAR * jnp.sign(self.weights))


class How(eqx.Module):
    """How trajectories are computed."""

    solver: diffrax.AbstractSolver | None
    max_steps: int = eqx.field(static=True)


def first_variable(state: Any) -> Array:
    """The response, which is what a readout receives."""
    return state[0]


def read_courses(
    circuit: AbstractCircuit,
    inputs: Any,
    ts: Any,
    data: Any,
    state0: Any,
    noise: Any,
    observe: Callable[..., Array] | None,
) -> tuple[list[Course], Callable[..., Array], bool]:
    """The courses, the function that observes a state, and whether there were several courses."""
    is_several = isinstance(data, list | tuple) and all(map(eqx.is_array, data)) and len(data) > 0
    count = len(data) if is_several else 1
    rows = [
        _each(name, value, count, is_several, must)
        for name, value, must in (
            ("inputs", inputs, True),
            ("ts", ts, False),
            ("data", data, True),
            ("state0", state0, False),
            ("noise", noise, False),
        )
    ]
    observe = equal_one(_read_observe(circuit, observe))
    courses = [_read_course(circuit, observe, *row) for row in zip(*rows, strict=True)]
    if noise is None:
        # One size for all, because they are equally noisy.
        size = np.sqrt(np.mean(np.concatenate([c.data.ravel() ** 2 for c in courses])))
        unit = 1 / float(size) if size > 0 else 1.0
        courses = [eqx.tree_at(lambda c: c.weights, c, unit * c.weights) for c in courses]
    return courses, observe, is_several


def _each(name: str, value: Any, count: int, is_several: bool, must: bool) -> list[Any]:
    """One value for each of several courses; where allowed, one for all."""
    is_list = isinstance(value, list | tuple) and not hasattr(value, "_fields")
    if not is_several:
        return [value]
    if is_list and len(value) == count:
        return list(value)
    if must or (is_list and name != "ts"):
        found = f"there are {len(value)}" if is_list else f"it is {shown(value)}"
        refuse(name, f"be a list of {count}, one for each of `data`", found)
    return [value] * count


def _read_observe(
    circuit: AbstractCircuit, observe: Callable[..., Array] | None
) -> Callable[..., Array]:
    if observe is None:
        return first_variable
    if not callable(observe) or isinstance(observe, type):
        refuse("observe", "be a function of a state", f"it is {shown(observe)}")
    seen = eqx.filter_eval_shape(observe, circuit.initial_state())
    if not hasattr(seen, "shape") or not jnp.issubdtype(seen.dtype, jnp.floating):
        refuse("observe", "give an array of real numbers", f"it gives {shown(seen)}")
    return observe


def _read_course(
    circuit: AbstractCircuit,
    observe: Callable[..., Array],
    inputs: Any,
    ts: Any,
    data: Any,
    state0: Any,
    noise: Any,
) -> Course:
    dtype = jax.tree.leaves(circuit.initial_state())[0].dtype
    shape = shape_of("ts", ts)
    if len(shape) != 1 or shape[0] < 2:
        refuse("ts", "hold at least the start and the end", f"it has shape {shape}")
    ts = as_times("ts", ts, dtype)
    seen = eqx.filter_eval_shape(observe, circuit.initial_state()).size
    array = as_known_array("data", data)
    if array.dtype.kind not in "iuf":
        refuse("data", "hold real numbers", f"its dtype is {array.dtype}")
    if array.shape != (ts.size, seen) and not (array.shape == (ts.size,) and seen == 1):
        must = f"have shape (time, k) = ({ts.size}, {seen}), as the model has it"
        refuse("data", must, f"it has shape {array.shape}")
    array = array.reshape(ts.size, seen).astype(float)
    weights = _read_weights(noise, array)
    if not np.all(np.isfinite(array[weights > 0])):
        remedy = "give what is missing a `noise` of infinity"
        refuse("data", "be finite", f"it holds NaN or infinite values; {remedy}")
    seen_data = np.where(weights > 0, array, 0)
    return Course(
        inputs_over_time(inputs, circuit, ts),
        ts,
        None if state0 is None else check_state("state0", resolve(state0), circuit.initial_state()),
        jnp.asarray(seen_data, dtype),
        jnp.asarray(weights, dtype),
    )


def _read_weights(noise: Any, data: np.ndarray) -> np.ndarray:
    """1/noise in the shape of the data; 1 if it is not known."""
    if noise is None:
        return np.ones(data.shape)
    array = as_known_array("noise", noise)
    if array.dtype.kind not in "iuf" or not np.all(array > 0):
        refuse("noise", "be positive", "it is not everywhere")
    array = array[:, None] if array.ndim == 1 and data.shape == (array.size, 1) else array
    try:
        return 1 / np.broadcast_to(array.astype(float), data.shape)
    except ValueError:
        refuse("noise", f"fit data of shape {data.shape}", f"it has shape {array.shape}")
