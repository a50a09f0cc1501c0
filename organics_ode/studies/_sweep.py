"""`sweep`: a function of a circuit at every combination of some of its parameters."""

import inspect
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from .._cards import Card, carded
from .._checks import (
    as_float_array,
    check_finite,
    check_flag,
    check_positive_integer,
    check_shape,
    on_device,
    refuse,
    shown,
)
from .._progress import progress_bar
from .._tables import AbstractTabular, Table, named, unit_of
from .._types import Numbers
from ..circuits import AbstractCircuit
from ..programs import compiled, device_memory, equal_one
from ._axes import Axis, dtype_of, read_axes
from ._file import SweepFile
from ._parameters import read_circuit

_TOGETHER = 256  # points: enough to fill a device, few enough to see progress
_SHARE = 0.25  # of the memory
_EVERY = 2.0  # seconds between writes
# What JAX raises if a function reads a number that is not known yet.
_TRACED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


@carded
class Sweep(eqx.Module, AbstractTabular):
    """The values of a function at every combination of some parameters.

    - `axes`: name ↦ the values of a parameter, in its unit, in the order of the axes of `values`.
    - `values`: what the function returned; its arrays have a leading axis for each of `axes`.
    - `name`: the name of a single array of values in tables and pictures.

    `to_dataframe()` and `to_xarray()` have a row for each combination; `oo.plot_sweep` draws it.
    """

    axes: dict[str, np.ndarray]
    values: PyTree
    name: str = eqx.field(static=True, default="value")

    def to_table(self) -> Table:
        """The values over the parameters; array-valued parameters are numbered."""
        axes = {k: v if v.ndim == 1 else np.arange(len(v)) for k, v in self.axes.items()}
        columns = {f"{k}_" if k in axes else k: v for k, v in self._columns().items()}
        units = {name: unit_of(name) for name in axes if unit_of(name)}
        return Table(axes, columns, units)

    def _columns(self) -> dict[str, np.ndarray]:
        is_one = jax.tree.structure(self.values) == jax.tree.structure(0)
        return {self.name: np.asarray(self.values)} if is_one else named(self.values)

    def _card(self) -> Card:
        sizes = " x ".join(str(len(values)) for values in self.axes.values())
        facts = {k: f"{_range(np.asarray(v))} {unit_of(k)}".rstrip() for k, v in self.axes.items()}
        facts |= {
            k: f"{_range(np.asarray(v))}{_missing(np.asarray(v))}"
            for k, v in self._columns().items()
        }
        return Card(f"Sweep: {sizes}", facts)


def sweep(
    circuit: AbstractCircuit,
    axes: Mapping[str, Numbers],
    function: Callable[..., PyTree],
    *,
    x: Numbers | None = None,
    chunk: int | None = None,
    path: str | os.PathLike | None = None,
    progress: bool = True,
) -> Sweep:
    """A function of a circuit at every combination of some of its parameters (host).

    `function(circuit)`, or `function(circuit, x)` if there is an input, is vectorised, compiled
    once, and computed for as many combinations at a time as fit into memory. It must be pure, as
    for `jax.vmap`: it may call `oo.fixed_point`, `oo.simulate` and `oo.spectrum`, but not host
    functions such as `oo.find_fixed_points`.

    Args:
        circuit: an `AbstractCircuit`; parameters that are not in `axes` stay as they are.
        axes: name ↦ values, in the user's unit (ms for time constants). A name is that of a field,
            `tau_a`; of an entry, `tau_a[3]`, `W_r[0,1]`; or of the input, `x`, `x[2]`. Values are
            (k,), numbers that apply to all units of a field (n,), or (k, …), of the field's shape.
            A number can be a whole matrix only if n = m = 1.
        function: returns an array, or a tree of arrays. Pass `throw=False` to anything in it that
            may fail: a single point that raises ends the sweep.
        x: (m,), the input of the function; needed if an axis is one of its entries.
        chunk: how many combinations to compute at a time; by default at most 256, as memory allows.
        path: a file, in the format of `oo.save`, that is rewritten as a whole every few seconds.
            The same call continues from it, with identical bits. It first recomputes the first
            values: if they differ, the circuit or the function is not that of the file.
        progress: whether to show a progress bar.

    Returns:
        A `Sweep`.

    Raises:
        ValueError: an argument is bad, or `path` holds another sweep.
    """
    circuit = read_circuit(circuit)
    if x is not None:
        x = check_finite("x", as_float_array("x", x, dtype_of(circuit)))
        check_shape("x", x, (circuit.input_size,), "(m,)")
    values, read = read_axes(circuit, axes, x)
    _check_function(function, x is not None or "x" in values)
    chunk = None if chunk is None else check_positive_integer("chunk", chunk)
    shape = tuple(map(len, values.values()))
    program = _Program(circuit, x, read, equal_one(function), shape)
    like = _shape_of(program)
    file = None if path is None else SweepFile(path, circuit, x, values, like)
    chunk = (file and file.chunk(chunk)) or _chunk(program, chunk)
    leaves = _run(program, chunk, file, check_flag("progress", progress))
    tree = jax.tree.unflatten(jax.tree.structure(like), leaves)
    results = jax.tree.map(lambda v: on_device(v.reshape(*shape, *v.shape[1:])), tree)
    name = getattr(function, "__name__", "value")
    return Sweep(values, results, name if name.isidentifier() else "value")


def _check_function(function: Any, takes_input: bool) -> None:
    must = (
        "be a function of a circuit and an input" if takes_input else "be a function of a circuit"
    )
    if not callable(function) or isinstance(function, type):
        refuse("function", must, f"it is {shown(function)}")
    try:
        inspect.signature(function).bind(*(None,) * (1 + takes_input))
    except ValueError:  # some functions have no signature
        return
    except TypeError as error:
        refuse("function", must, f"{error} when it is called so")


class _Program(eqx.Module):
    """The function at points given by their indices."""

    circuit: AbstractCircuit
    x: Array | None
    axes: list[Axis]
    function: Callable[..., PyTree]
    shape: tuple[int, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def at(self, number: Int[Array, ""]) -> PyTree:
        circuit, x = self.circuit, self.x
        for axis, i in zip(self.axes, jnp.unravel_index(number, self.shape), strict=True):
            circuit, x = axis.put(circuit, x, i)
        found = self.function(circuit) if x is None else self.function(circuit, x)
        return jax.tree.map(_as_array, found)


def _as_array(leaf: Any) -> Array:
    if not (eqx.is_array_like(leaf) and np.ndim(leaf) >= 0):
        refuse("function", "give arrays", f"it gives {shown(leaf)}")
    return jnp.asarray(leaf)


@compiled
def _evaluate(program: _Program, numbers: Int[Array, " chunk"]) -> PyTree:
    return jax.vmap(program.at)(numbers)


def _shape_of(program: _Program) -> PyTree:
    """The shapes and dtypes that the function returns at one point, without computing them."""
    try:
        like = eqx.filter_eval_shape(program.at, jnp.asarray(0))
    except _TRACED as error:
        what = f"it reads numbers that are not known yet: {str(error).splitlines()[0]:.200}"
        remedy = "compute by jnp instead of np, float() and if, and call no host function"
        refuse("function", "be pure, as for `jax.vmap`", f"{what}; {remedy}")
    if not jax.tree.leaves(like):
        refuse("function", "give arrays", f"it gives {shown(like)}")
    return like


def _chunk(program: _Program, given: int | None) -> int:
    """How many points at a time: equal chunks, so that little is computed in vain."""
    most = min(program.size, _TOGETHER if given is None else given)
    chunk = math.ceil(program.size / math.ceil(program.size / most))
    if given is not None:
        return chunk
    lowered = _evaluate.lower(program, jnp.zeros(chunk, int))  # what is compiled is used below
    needed = lowered.compile().compiled.memory_analysis()
    if needed is None:  # the device does not tell
        return chunk
    bytes_each = (needed.temp_size_in_bytes + needed.output_size_in_bytes) / chunk
    return max(1, min(chunk, int(_SHARE * device_memory() / max(bytes_each, 1))))


def _run(program: _Program, chunk: int, file: SweepFile | None, progress: bool) -> list[np.ndarray]:
    """The leaves of the function's values, (points, …) each."""
    parts = [] if file is None else file.parts
    if file is not None and parts:
        file.check_first(_leaves(program, 0, chunk))
    done = kept = sum(len(part[0]) for part in parts)
    written = time.monotonic()
    with progress_bar(program.size, unit="point", done=done, shown=progress) as bar:
        try:
            while done < program.size:
                parts.append(_leaves(program, done, chunk))
                bar.update(len(parts[-1][0]))
                done += len(parts[-1][0])
                if file is not None and time.monotonic() > written + _EVERY:
                    file.write(parts, chunk)
                    kept, written = done, time.monotonic()
        finally:
            if file is not None and done > kept:
                file.write(parts, chunk)
    return [np.concatenate(leaf) for leaf in zip(*parts, strict=True)]


def _leaves(program: _Program, first: int, chunk: int) -> list[np.ndarray]:
    """The leaves of the next points, as many as remain; a whole chunk is always computed."""
    numbers = np.minimum(np.arange(first, first + chunk), program.size - 1)
    found = jax.device_get(jax.tree.leaves(_evaluate(program, jnp.asarray(numbers))))
    return [np.asarray(leaf)[: program.size - first] for leaf in found]


def _range(values: np.ndarray) -> str:
    if values.dtype.kind not in "iuf":
        return f"{values.dtype}{list(values.shape)}"
    finite = values[np.isfinite(values)]
    return f"{finite.min():.6g} to {finite.max():.6g}" if finite.size else "nothing finite"


def _missing(values: np.ndarray) -> str:
    count = 0 if values.dtype.kind not in "fc" else int(np.sum(~np.isfinite(values)))
    return f", {count} of {values.size} not finite" if count else ""
