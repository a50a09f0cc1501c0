"""What is known about `ORGaNICs`."""

from jaxtyping import Array, Bool

from ..circuits import ORGaNICs, ORGaNICsState, Time
from . import _normalization as algebra
from ._generic import (
    blocks,
    closed_form,
    corners,
    is_exact,
    is_positive,
    largest_terms,
    normalization,
    recurrent_weights,
    relaxation_times,
    response_decays,
    sizes,
    starts,
    substitute,
)


@blocks.register(ORGaNICs)
def _(c: ORGaNICs, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return algebra.nested(ORGaNICsState, algebra.core(c, state.y, state.a))


@closed_form.register(ORGaNICs)
def _(c: ORGaNICs, x: Array) -> ORGaNICsState:
    return ORGaNICsState(*algebra.normalized(c, x, c.b0, c.b1))


@is_exact.register(ORGaNICs)
def _(c: ORGaNICs) -> Bool[Array, ""]:
    return algebra.is_identity(c.W_r)


@relaxation_times.register(ORGaNICs)
def _(c: ORGaNICs, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return algebra.like(state, c.tau_y, c.tau_a)


@largest_terms.register(ORGaNICs)
def _(c: ORGaNICs, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return ORGaNICsState(*algebra.terms(c, state.y, state.a, c.b0, c.b1, x))


@substitute.register(ORGaNICs)
def _(c: ORGaNICs, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return ORGaNICsState(*algebra.substituted(c, state.y, state.a, c.b0, c.b1, x))


@sizes.register(ORGaNICs)
def _(c: ORGaNICs, state: ORGaNICsState, x: Array, t: Time = None) -> ORGaNICsState:
    return ORGaNICsState(*algebra.sizes(c, c.b0, c.b1, x))


@corners.register(ORGaNICs)
def _(
    c: ORGaNICs, before: ORGaNICsState, x_before: Array, after: ORGaNICsState, x_after: Array
) -> tuple[ORGaNICsState, Array] | None:
    return algebra.bent(c, (before, x_before, c.b1), (after, x_after, c.b1))


is_positive.register(ORGaNICs)(algebra.all_but_the_response)
starts.register(ORGaNICs)(algebra.starts_around)
recurrent_weights.register(ORGaNICs)(algebra.weights)
response_decays.register(ORGaNICs)(algebra.response_decays)


@normalization.register(ORGaNICs)
def _(c: ORGaNICs) -> str:
    return "constant"
