"""Kinds of parameters that several peers share."""

from jaxtyping import Array

from ..._checks import check_nonnegative, check_within
from .._parameters import KNOWN, Kind

# Hyperparameters, which are not trained unless requested.
POSITIVE_CONSTANT: Kind = KNOWN._replace(shape=(), or_scalar=False)
# ms for one unit of time of equations that were published without units.
UNIT_OF_TIME = POSITIVE_CONSTANT
STRENGTH: Kind = POSITIVE_CONSTANT._replace(sign=check_nonnegative)


def _check_share(name: str, value: Array) -> Array:
    return check_within(name, value, 0.0, 1.0)


SHARE: Kind = POSITIVE_CONSTANT._replace(sign=_check_share)
