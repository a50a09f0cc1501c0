"""A stand-in for the time where there is none, which raises an error if a circuit uses it; and the
unit of time."""

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
from jaxtyping import Array, Num

from .._checks import is_traced, refuse, warn_user

_METHODS = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv"),
    *("mod", "rmod", "pow", "rpow", "matmul", "rmatmul", "neg", "pos", "abs", "lt", "le", "gt"),
    *("ge", "float", "int", "index", "bool", "array", "getitem", "len", "iter"),
)
# What jax and numpy look for before they compute.
_LOOKED_FOR = ("dtype", "shape", "ndim", "aval", "__jax_array__")


def _refuse_use(*args: object, **options: object) -> NoReturn:
    refuse(
        "circuit",
        "not depend on the time `t` here",
        "its vector field computes with it, and fixed points, Jacobians and discrete steps have no "
        "time. Hold it in a field of the circuit, make what varies an input, or use `oo.simulate`",
    )


class _Time:
    """Any computation with it is refused; a circuit may compare it with None."""


_attributes = {f"__{name}__": _refuse_use for name in _METHODS}
_attributes |= {name: property(_refuse_use) for name in _LOOKED_FOR}
NO_TIME = type("_NoTime", (_Time,), _attributes)()

# What a vector field gets as its time; a circuit that does not use it may get None.
Time = _Time | float | Num[Array, ""] | None


_SHORTEST = 0.1  # ms: no cell is faster.


class TimeUnitWarning(UserWarning):
    """Every time constant of a circuit is below 0.1 ms, as if it were in seconds.

    `warnings.simplefilter("ignore", oo.TimeUnitWarning)` turns it off.
    """


def warn_of_seconds(times: Mapping[str, Array]) -> None:
    """Warn if all time constants, where they are known, look as if they were in seconds."""
    if not times or any(map(is_traced, times.values())):
        return
    longest = {name: float(np.max(np.asarray(time, float))) for name, time in times.items()}
    name = max(longest, key=lambda name: longest[name])
    if longest[name] < _SHORTEST:
        warn_user(
            f"Every time constant is below {_SHORTEST:g} ms; the longest is {name} = "
            f"{longest[name]:g} ms. Times are in milliseconds: write `{name}="
            f"{1000 * longest[name]:g}` for {longest[name]:g} s. If they are meant so, "
            'write `warnings.simplefilter("ignore", oo.TimeUnitWarning)`.',
            TimeUnitWarning,
        )
