"""Readouts: what an experimenter or another area observes of a circuit."""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float

from .._checks import (
    check_positive_integer,
    counted,
    read_key,
    refuse,
    shape_of,
)
from .._constraints import resolve, table
from .._types import KeyLike, ParameterLike
from ..circuits import (
    Kind,
    Parameter,
    check_elementwise,
    check_units,
    read_parameters,
)


class Readout(eqx.Module):
    """A linear readout of a group of units, followed by a nonlinearity.

        o = a(W_out r[start:stop] + b_out)

    Args:
        W_out: (k, stop − start), or a node.
        b_out: (k,), or a node; by default there is no bias.
        units: (start, stop) of the units that it reads, by default all.
        activation: a, elementwise: `jax.nn.sigmoid` for targets between 0 and 1, `None` for scores.

    Raises:
        ValueError: a wrong shape, NaN or infinite values, an activation that is not elementwise.
    """

    W_out: Parameter
    b_out: Parameter | None
    units: tuple[int, int] = eqx.field(static=True)
    activation: Callable[[Array], Array] | None = eqx.field(static=True)

    kinds = {"W_out": Kind(("k", "units")), "b_out": Kind(("k",))}

    def __init__(
        self,
        W_out: ParameterLike,
        b_out: ParameterLike | None = None,
        *,
        units: tuple[int, int] | None = None,
        activation: Callable[[Array], Array] | None = jax.nn.sigmoid,
    ):
        shape = shape_of("W_out", resolve(W_out))
        if len(shape) != 2 or 0 in shape:
            refuse("W_out", "be a matrix (k, units)", f"it has shape {shape}")
        self.units = check_units("units", units, shape[1] if units is None else None)
        if self.units[1] - self.units[0] != shape[1]:
            found = f"it has {counted(shape[1], 'column')} for units {self.units}"
            refuse("W_out", "have a column for each of the units", found)
        given = {"W_out": W_out} | ({} if b_out is None else {"b_out": b_out})
        for name, parameter in ({"b_out": None} | read_parameters(self.kinds, given)).items():
            setattr(self, name, parameter)
        if activation is not None:
            check_elementwise("activation", activation, resolve(self.W_out).dtype)
        self.activation = activation

    @classmethod
    def random(
        cls,
        size: int,
        output_size: int,
        *,
        key: KeyLike,
        units: tuple[int, int] | None = None,
        activation: Callable[[Array], Array] | None = jax.nn.sigmoid,
    ) -> "Readout":
        """A random readout without a bias, W_out ~ N(0, 1) as in Soo, Goudar & Wang (2023).

        Args:
            size: n, the number of units of the circuit.
            output_size: k.
            key: a PRNG key.
            units, activation: as above.
        """
        key = read_key("key", key)
        size = check_positive_integer("size", size)
        output_size = check_positive_integer("output_size", output_size)
        start, stop = check_units("units", units, size)
        W_out = jax.random.normal(key, (output_size, stop - start))
        return cls(W_out, units=(start, stop), activation=activation)

    def __call__(self, r: Float[Array, " n"]) -> Float[Array, " k"]:
        """The outputs (k,) for the response r (n,)."""
        start, stop = self.units
        if r.ndim != 1 or r.shape[0] < stop:
            refuse(
                "r",
                f"be a response (n,) of at least {counted(stop, 'unit')}",
                f"it has shape {r.shape}",
            )
        o = resolve(self.W_out) @ r[start:stop]
        o = o if self.b_out is None else o + resolve(self.b_out)
        return o if self.activation is None else self.activation(o)

    def __repr__(self) -> str:
        return table(self)
