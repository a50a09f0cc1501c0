"""How circuits and layers read their parameters: by a table of what each of them is."""

import numbers
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jaxtyping import Array, Float, PyTree

from .._checks import (
    a_or_an,
    as_float_array,
    check_finite,
    check_nonnegative,
    check_positive,
    check_positive_number,
    common_dtype,
    in_jax,
    refuse,
    with_ones,
)
from .._constraints import AbstractNode, Frozen, NonNegative, Positive, cast, resolve
from .._operators import AbstractOperator
from .._types import ParameterLike
from ._time import warn_of_seconds

if TYPE_CHECKING:
    # What the equations see: after `resolve` every parameter is an array, or acts as one.
    Parameter = Array
else:
    Parameter = Float[Array, "..."] | paramax.AbstractUnwrappable | AbstractOperator


class Kind(NamedTuple):
    """What a parameter is.

    Attributes:
        shape: a letter for each axis; equal letters in a table mean equal sizes.
        sign: `check_positive`, `check_nonnegative`, or None for any sign.
        node: what wraps a value that is given without a node; None for a free array.
        or_scalar: whether one number may be given for all units.
        sets_dtype: whether all arrays are cast to its dtype if that is the widest.
        may_be_empty: whether axes may have length 0.
        is_compiled_in: whether it is a single number that stays a Python number if given as one.
        may_be_operator: whether the equations use it through `@` alone.
    """

    shape: tuple[str, ...]
    sign: Callable[[str, Array], Array] | None = None
    node: Callable[[Array], AbstractNode] | None = None
    or_scalar: bool = False
    sets_dtype: bool = True
    may_be_empty: bool = False
    is_compiled_in: bool = False
    may_be_operator: bool = False


INPUT = Kind(("n", "m"))
RECURRENT = Kind(("n", "n"))
POOL = RECURRENT._replace(sign=check_nonnegative, node=NonNegative)
POSITIVE = Kind(("n",), check_positive, Positive, or_scalar=True)
EXPONENT = Kind((), check_positive, sets_dtype=False, is_compiled_in=True)
# Known numbers of the model, such as time constants, which are not trained unless requested.
KNOWN = Kind(("n",), check_positive, Frozen, or_scalar=True, sets_dtype=False)


def structured(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """The same matrices, which may be operators."""
    return {name: kind._replace(may_be_operator=True) for name, kind in kinds.items()}


def read_parameters(
    kinds: Mapping[str, Kind], given: Mapping[str, ParameterLike], **sizes: int
) -> dict[str, Parameter | float]:
    """Check the given parameters, cast all of them to one floating dtype, and wrap each in the node
    that says how it is trained; nodes that were given stay.

    A size that is not given is read from the first parameter in the table that has its letter and
    all its axes. Trailing axes of length 1 may be left out: a number for (1, 1), (n,) for (n, 1).
    """
    values = {name: resolve(p) for name, p in given.items()}
    dtype = common_dtype(*(v for name, v in values.items() if kinds[name].sets_dtype))
    numbers = [n for n in kinds if n in given and kinds[n].is_compiled_in]
    read = {name: _read_number(name, given[name], kinds[name], dtype) for name in numbers}
    left = [n for n in kinds if n in given.keys() - read]
    arrays = {n: _read_value(n, values[n], kinds[n], dtype) for n in left}
    for name in sorted(arrays, key=lambda n: arrays[n].ndim < len(kinds[n].shape)):
        array, kind = arrays[name], kinds[name]
        found = _read_sizes(name, array.shape, kind, sizes)
        sizes |= found
        if not isinstance(array, AbstractOperator):
            array = with_ones(array, *(found[letter] for letter in kind.shape if found))
        array = _each(lambda x, name=name: check_finite(name, x), array)
        sign = kind.sign or (lambda name, array: array)
        arrays[name] = _each(lambda x, name=name, sign=sign: sign(name, x), array)
        read[name] = _node(name, given[name], arrays[name], kind)
    # Times that are always a single number are those of noise, which may be short.
    warn_of_seconds({n: a for n, a in arrays.items() if n.startswith("tau") and kinds[n].shape})
    return {name: read[name] for name in kinds if name in read}


def size_of_square(name: str, shape: tuple[int, ...], letter: str = "n") -> int:
    """n of a square matrix (n, n)."""
    return _read_sizes(name, shape, Kind((letter, letter)), {})[letter]


def _read_sizes(
    name: str, shape: tuple[int, ...], kind: Kind, sizes: dict[str, int]
) -> dict[str, int]:
    """The sizes given by the shape of a parameter, checked against those already known."""
    if kind.or_scalar and shape == ():
        return {}
    whole = shape + (1,) * (len(kind.shape) - len(shape))
    if _fits(whole, kind, sizes):
        return dict(zip(kind.shape, whole, strict=True))
    is_turned = _fits(shape[::-1], kind, sizes)
    hint = f" (is it transposed?); write `{name}.T`" if is_turned else ""
    refuse(name, _must_have(kind, sizes), f"it has shape {shape}{hint}")


def _fits(shape: tuple[int, ...], kind: Kind, sizes: dict[str, int]) -> bool:
    if len(shape) != len(kind.shape) or (0 in shape and not kind.may_be_empty):
        return False
    known = dict(zip(kind.shape, shape, strict=True)) | sizes
    return shape == tuple(known[letter] for letter in kind.shape)


def _must_have(kind: Kind, sizes: dict[str, int]) -> str:
    letters = kind.shape
    if not letters:
        return "be a scalar"
    if not sizes.keys() & set(letters):
        is_square = len(set(letters)) < len(letters)
        return f"be a square matrix {_row(letters)}" if is_square else f"have shape {_row(letters)}"
    known = tuple(str(sizes.get(letter, letter)) for letter in letters)
    return f"{'be a scalar or ' * kind.or_scalar}have shape {_row(letters)} = {_row(known)}"


def _row(letters: tuple[str, ...]) -> str:
    return f"({', '.join(letters)}{',' * (len(letters) == 1)})"


def _read_number(
    name: str, given: ParameterLike, kind: Kind, dtype: jnp.dtype
) -> Parameter | float:
    number = check_positive_number(name, resolve(given))
    if kind.sign is not None:
        kind.sign(name, as_float_array(name, number, dtype))
    # A Python number stays one: it is compiled in, which lets p = 2 use √ and products.
    if isinstance(given, numbers.Real):
        return float(number)
    return jax.tree.map(lambda x: as_float_array(name, x, dtype), given)


def _read_value(name: str, value: Any, kind: Kind, dtype: jnp.dtype) -> Any:
    """An array, or an operator, in this dtype."""
    if isinstance(value, AbstractOperator) and not kind.may_be_operator:
        refuse(name, "be an array here", f"it is {a_or_an(type(value).__name__)}")
    is_read = isinstance(value, AbstractOperator)
    cast = lambda x: as_float_array(name, x, dtype)  # noqa: E731
    return _each(cast, value) if is_read else cast(value)


def _each(function: Callable[[Array], Any], value: Any) -> Any:
    """The function applied to an array, or to each floating array of an operator."""
    change = lambda x: function(x) if eqx.is_inexact_array(x) else x  # noqa: E731
    return jax.tree.map(change, value)


def _node(name: str, given: ParameterLike, array: Any, kind: Kind) -> PyTree:
    if isinstance(given, Frozen):
        return Frozen(array)  # whose value may be lists
    if isinstance(given, paramax.AbstractUnwrappable):
        node = cast(name, given, array.dtype)
        return node if resolve(node).shape == array.shape else _reshaped(name, node, array.shape)
    if isinstance(given, AbstractOperator):
        is_node = lambda x: isinstance(x, paramax.AbstractUnwrappable)  # noqa: E731
        known = lambda x: is_node(x) or eqx.is_inexact_array(x)  # noqa: E731
        one = lambda g, x: _node(name, g, x, kind) if known(g) else x  # noqa: E731
        return jax.tree.map(one, given, array, is_leaf=is_node)
    return array if kind.node is None else kind.node(array)


def _reshaped(name: str, node: PyTree, shape: tuple[int, ...]) -> PyTree:
    """A node of one number, or of (n,), with the axes of length 1 that were left out restored."""
    new = jax.tree.map(lambda x: x.reshape(shape) if x.size == np.prod(shape) else x, node)
    if resolve(new).shape != shape:
        refuse(name, f"have shape {shape}", f"it is a node of shape {resolve(node).shape}")
    return new


def check_elementwise(
    name: str, f: Callable[[Array], Array], dtype: jnp.dtype
) -> Callable[[Array], Array]:
    """A function that keeps the shape and the dtype of an array."""
    if not callable(f) or isinstance(f, type):
        refuse(name, "be a function", f"it is {f!r}")
    probe = jax.ShapeDtypeStruct((2,), dtype)
    found = jax.eval_shape(in_jax(name, f), probe)
    if getattr(found, "shape", None) != probe.shape or found.dtype != dtype:
        refuse(name, f"map an array (n,) of {dtype} to one elementwise", f"it gives {found}")
    return f
