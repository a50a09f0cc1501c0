import numbers
from abc import abstractmethod
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import paramax
from jaxtyping import Array, Float

from .._checks import (
    as_float_array,
    check_finite,
    check_nonnegative,
    check_positive,
    check_positive_number,
    check_shape,
    common_dtype,
    refuse,
    shape_of,
)
from .._constraints import Connectivity, NonNegative, Positive, resolve

State = TypeVar("State", bound=tuple)
Parameter = Float[Array, "..."] | paramax.AbstractUnwrappable


class AbstractCircuit(eqx.Module, Generic[State]):
    """A dynamical system ẋ = f(t, x, input) whose state is a NamedTuple of arrays.

    To write your own, subclass it with the three members below; `simulate`, `Euler` and the
    analysis functions then work on it. The first entry of the state is the response: what a
    readout sees.
    """

    @property
    @abstractmethod
    def input_size(self) -> int:
        """m, the number of inputs."""

    @abstractmethod
    def vector_field(self, t: Any, state: State, x: Float[Array, " m"]) -> State:
        """The time derivative of the state (1/ms) for the input x (m,) at time t (ms)."""

    @abstractmethod
    def initial_state(self) -> State:
        """The state a simulation starts from when none is given."""


def read_parameters(
    shapes: dict[str, tuple[str, ...]], exponent: Any, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Check every parameter, cast all of them to one floating dtype, and say how each is trained.

    Those listed in `shapes` are matrices, of which W must not be negative; every other one is a
    positive scalar or one positive number per unit. Nodes stay the nodes they are.
    """
    sizes = _sizes(parameters["W_zx"], parameters["W_r"])
    values = {name: resolve(p) for name, p in parameters.items()}
    dtype = common_dtype(*values.values())
    arrays = {name: as_float_array(name, value, dtype) for name, value in values.items()}
    nodes = {
        name: _node(parameters[name], name, _checked(name, array, shapes.get(name), sizes))
        for name, array in arrays.items()
    }
    return nodes | {"exponent": _read_exponent(exponent, dtype)}


def _read_exponent(exponent: Any, dtype: Any) -> Any:
    check_positive_number("exponent", resolve(exponent))
    # A Python number stays one: it is compiled in, which lets p = 2 use √ and products.
    if isinstance(exponent, numbers.Real):
        return float(exponent)
    return jax.tree.map(lambda x: as_float_array("exponent", x, dtype), exponent)


def _checked(name: str, array: Array, shape: tuple[str, ...] | None, sizes: dict) -> Array:
    if shape is not None:
        check_shape(name, array, tuple(sizes[s] for s in shape), f"({', '.join(shape)})")
        array = check_finite(name, array)
        return check_nonnegative(name, array) if name == "W" else array
    n = sizes["n"]
    if array.shape not in ((), (n,)):
        refuse(name, f"be a scalar or have shape (n,) = ({n},)", f"it has shape {array.shape}")
    return check_positive(name, check_finite(name, array))


def _node(parameter: Any, name: str, array: Array) -> Any:
    if isinstance(parameter, paramax.AbstractUnwrappable):
        return cast(name, parameter, array.dtype)
    if name == "W":
        return NonNegative(array)
    return array if array.ndim == 2 else Positive(array)


def _sizes(W_zx: Any, W_r: Any) -> dict[str, int]:
    """n from the recurrent matrix, m from the input matrix."""
    shape_r, shape_z = shape_of("W_r", resolve(W_r)), shape_of("W_zx", resolve(W_zx))
    if len(shape_r) != 2 or shape_r[0] != shape_r[1] or shape_r[0] == 0:
        refuse("W_r", "be a square matrix (n, n)", f"it has shape {shape_r}")
    n = shape_r[0]
    if len(shape_z) != 2 or shape_z[0] != n or shape_z[1] == 0:
        hint = " (is it transposed?)" if shape_z[-1:] == (n,) else ""
        refuse("W_zx", f"have shape (n, m) = ({n}, m)", f"it has shape {shape_z}{hint}")
    return {"n": n, "m": shape_z[1]}


def cast(name: str, node: Any, dtype: Any) -> Any:
    """A node with its numbers in one dtype; the mask and the signs of a `Connectivity` stay."""

    def one(x: Any) -> Any:
        if isinstance(x, Connectivity):
            return eqx.tree_at(lambda c: c.value, x, one(x.value))
        return as_float_array(name, x, dtype)

    return jax.tree.map(one, node, is_leaf=lambda x: isinstance(x, Connectivity))


def check_elementwise(name: str, f: Any, dtype: Any) -> Any:
    """A function that keeps the shape and the dtype of an array."""
    if not callable(f) or isinstance(f, type):
        refuse(name, "be a function", f"it is {f!r}")
    probe = jax.ShapeDtypeStruct((2,), dtype)
    found: Any = jax.eval_shape(f, probe)
    if getattr(found, "shape", None) != probe.shape or found.dtype != dtype:
        refuse(name, f"map an array (n,) of {dtype} to one elementwise", f"it gives {found}")
    return f
