"""What is known of a circuit beyond its equations."""

from ._balance import (
    is_positive as is_positive,
    largest_terms as largest_terms,
    relaxation_times as relaxation_times,
    rounding as rounding,
    substitute as substitute,
)
from ._closed_form import (
    closed_form as closed_form,
    gains as gains,
    has_constant_gains as has_constant_gains,
    is_exact as is_exact,
)
from ._fact import Fact as Fact
