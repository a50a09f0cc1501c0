from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cards import carded
from .._checks import refuse
from .._constraints import resolve
from ..circuits import FeedbackNetwork, obeys, what_is
from ..programs import in_full_precision


@carded
class Overlaps(NamedTuple):
    """The overlaps of a network's feedback, input and readout: v·w/N for vectors v and w (N,).

    For rank one every field is a scalar. For rank R, fields of m or n alone have one axis (R,);
    n_m and along_m have the axes (readout, feedback).
    """

    sigma_m: Float[Array, "..."]
    """|m|/√N."""
    sigma_I: Float[Array, "..."]
    """|I|/√N."""
    sigma_mI: Float[Array, "..."]
    """m·I/N; ρ²σ_mσ_I in `mean_field.Geometry`."""
    n_m: Float[Array, "..."]
    """n·m/N."""
    n_I: Float[Array, "..."]
    """n·I/N."""
    norm: Float[Array, "..."]
    """|n|/√N."""
    along_m: Float[Array, "..."]
    """a in n = a m + b I + n⊥, with n⊥ orthogonal to m and I."""
    along_I: Float[Array, "..."]
    """b in the same decomposition."""
    outside: Float[Array, "..."]
    """|n⊥|/√N."""


def overlaps(network: FeedbackNetwork) -> Overlaps:
    """The geometry of a network, trained or not: its overlaps, and the projections of n on m and I.

        n_m = n·m/N,   n_I = n·I/N,   n = a m + b I + n⊥

    These are the numbers of the `mean_field` theory, evaluated for one network. The directions of a
    random network are exactly orthogonal, so n_m = c σ_m(pρ + p_m√(1−ρ²)) there up to rounding. If
    m and I are parallel, or one of them vanishes, a and b are those of least norm. Pure.

    Args:
        network: a `FeedbackNetwork`.

    Returns:
        An `Overlaps`.

    Raises:
        ValueError: it is not a `FeedbackNetwork`.
    """
    return _overlaps(read_network(network))


@eqx.filter_jit
@in_full_precision
def _overlaps(c: Any) -> Overlaps:
    m, n, N = c.m.reshape(c.size, -1), c.n.reshape(c.size, -1), c.size
    plane = jnp.concatenate([m, c.I[:, None]], axis=1)
    parts = jnp.linalg.pinv(plane) @ n  # (R + 1, R)
    found = Overlaps(
        sigma_m=_rms(m),
        sigma_I=_rms(c.I),
        sigma_mI=c.I @ m / N,
        n_m=n.T @ m / N,
        n_I=c.I @ n / N,
        norm=_rms(n),
        along_m=parts[:-1].T,
        along_I=parts[-1],
        outside=_rms(n - plane @ parts),
    )
    return found if c.n.ndim == 2 else Overlaps(*(v.reshape(()) for v in found))


def read_network(network: FeedbackNetwork) -> Any:
    """The network with plain arrays in place of parameter nodes."""
    if not obeys(network, FeedbackNetwork):
        refuse("network", "be a FeedbackNetwork", what_is(network, FeedbackNetwork))
    return resolve(network)


def _rms(v: Array) -> Array:
    return jnp.sqrt(jnp.mean(v**2, axis=0))
