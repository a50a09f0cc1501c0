"""Published relatives of the circuits of 2024: one file per form."""

from ._complex_weights import complex_weights as complex_weights
from ._form_2019 import ORGaNICs2019 as ORGaNICs2019, ORGaNICs2019State as ORGaNICs2019State
from ._form_2020 import ORGaNICs2020 as ORGaNICs2020, ORGaNICs2020State as ORGaNICs2020State
from ._form_2025 import (
    FLOOR as FLOOR,
    ORGaNICs2025 as ORGaNICs2025,
    ORGaNICs2025State as ORGaNICs2025State,
    at_rest as at_rest,
    floored as floored,
)
