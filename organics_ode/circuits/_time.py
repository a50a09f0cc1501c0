"""What stands for the time where there is none: a circuit that uses it is told so by name."""

from typing import NoReturn

from jaxtyping import Array, Num

from .._checks import refuse

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
    """Refused by all that computes; a circuit may compare it with None."""


_attributes = {f"__{name}__": _refuse_use for name in _METHODS}
_attributes |= {name: property(_refuse_use) for name in _LOOKED_FOR}
NO_TIME = type("_NoTime", (_Time,), _attributes)()

# What a vector field gets as its time; a circuit that does not look at it may get None.
Time = _Time | float | Num[Array, ""] | None
