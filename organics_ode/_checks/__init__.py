"""Checks of arguments, with one wording: "Argument `x` must …, but …."."""

from ._arrays import (
    as_complex_parts as as_complex_parts,
    as_float_array as as_float_array,
    as_known_array as as_known_array,
    as_times as as_times,
    check_between as check_between,
    check_finite as check_finite,
    check_nonnegative as check_nonnegative,
    check_positive as check_positive,
    check_precision as check_precision,
    check_reach as check_reach,
    check_shape as check_shape,
    check_within as check_within,
    common_dtype as common_dtype,
    on_device as on_device,
    plain as plain,
    shape_of as shape_of,
    with_ones as with_ones,
)
from ._calls import many_calls as many_calls, refuse_kind as refuse_kind, warn_user as warn_user
from ._errors import (
    a_or_an as a_or_an,
    counted as counted,
    is_traced as is_traced,
    refuse as refuse,
    refuse_traced as refuse_traced,
    shown as shown,
)
from ._inputs import (
    hint_of_batch as hint_of_batch,
    read_input_array as read_input_array,
    shape_input_array as shape_input_array,
    with_input_axis as with_input_axis,
)
from ._single import (
    check_choice as check_choice,
    check_flag as check_flag,
    check_kind as check_kind,
    check_positive_integer as check_positive_integer,
    check_positive_number as check_positive_number,
    is_key as is_key,
    read_integer as read_integer,
    read_key as read_key,
    read_number as read_number,
    read_scalar as read_scalar,
)
from ._states import check_state as check_state, fields_of as fields_of
from ._traced import in_jax as in_jax
