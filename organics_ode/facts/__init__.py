"""What is known about a circuit beyond its equations: `from organics_ode import facts`.

Each fact is a function of a circuit with a default answer for circuits of any kind. A better answer
for a class is registered with `@facts.relaxation_times.register(MyCircuit)`. It holds for objects
with that class's own equations, not for a subclass that defines others.
"""

from .._namespace import _public as _public

# The file for each circuit registers what is known about it.
from . import (
    _feedback as _feedback,
    _form_2020 as _form_2020,
    _form_2025 as _form_2025,
    _gated as _gated,
    _hierarchy as _hierarchy,
    _organics as _organics,
    _rate as _rate,
    _rotational as _rotational,
)
from ._fact import Fact as Fact
from ._gated import gains as gains, has_constant_gains as has_constant_gains
from ._generic import (
    blocks as blocks,
    closed_form as closed_form,
    corners as corners,
    driven as driven,
    is_exact as is_exact,
    is_positive as is_positive,
    largest_of as largest_of,
    largest_terms as largest_terms,
    normalization as normalization,
    recurrent_weights as recurrent_weights,
    relaxation_times as relaxation_times,
    response_decays as response_decays,
    rounding as rounding,
    sizes as sizes,
    starts as starts,
    substitute as substitute,
    units as units,
)
from ._starts import around as around

# What is public; other rooms import more.
__all__ = [
    "around",
    "blocks",
    "closed_form",
    "corners",
    "driven",
    "is_exact",
    "is_positive",
    "largest_terms",
    "normalization",
    "recurrent_weights",
    "relaxation_times",
    "rounding",
    "sizes",
    "starts",
    "substitute",
    "units",
]

__dir__ = _public(__name__)
