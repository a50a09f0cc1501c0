"""How far a response is from normalization, and how far it should be on average."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import (
    as_known_array,
    check_flag,
    check_positive_number,
    read_number,
    refuse,
    shown,
)
from .._nonlinearities import highest
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit, ORGaNICs, obeys, what_is
from ..facts import closed_form
from ..linear import read_point
from ..programs import in_full_precision


@in_full_precision
def distance(circuit: AbstractCircuit[State], state: StateLike, x: Numbers) -> Float[Array, ""]:
    """How far a response is from normalization, |y − yₙ|/|yₙ|.

    yₙ is the response of the same circuit with W_r = I: the closed form of divisive normalization.
    Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit: an `ORGaNICs`.
        state: its state, such as `fixed_point(circuit, x).state`.
        x: (m,), the input.

    Returns:
        The distance; NaN if there is no response to compare with.

    Raises:
        ValueError: an argument is bad.
    """
    c: Any
    at: Any
    c, at, x = read_point(circuit, state, x)
    if not obeys(c, ORGaNICs):
        refuse("circuit", "be an ORGaNICs", what_is(c, ORGaNICs))
    y = closed_form(c, x).y
    # In units of the largest response, because the square of a faint one underflows.
    largest = jax.lax.stop_gradient(highest(jnp.abs(y)))
    unit = jnp.where(largest > 0, largest, 1)
    size, moved = (jnp.linalg.norm(v / unit) for v in (y, at.y - y))
    return jnp.where(largest > 0, moved / jnp.where(largest > 0, size, 1), jnp.nan)


def first_order_distance(
    deltas: Numbers,
    norms: Numbers,
    *,
    b: float = 1.0,
    sigma: float = 0.1,
    mean: float = 0.0,
    symmetric: bool = True,
) -> Float[np.ndarray, "d z"]:
    """The expected distance from normalization for a random W_r, to first order.

        |δy|/|y| = (1/s₀ − 1) √(Δ²/k + μ²σ⁴/q²),   s₀ = b√q,  q = σ² + ‖z‖²

    with k = 2 for the symmetric ensemble and 1 for independent entries, for many units, W all ones
    and b0 = b1 = b. The mean μ matters if all units have the same input, which W_r then feeds back
    to all of them. For a single circuit, use `first_order`.

    Args:
        deltas: (Δ,), ≥ 0.
        norms: (z,), ≥ 0, of ‖z‖.
        b: the gains b0 = b1, > 0.
        sigma: > 0.
        mean: μ, of `phase_diagram`.
        symmetric: whether the ensemble is.

    Returns:
        (Δ, z).

    Raises:
        ValueError: an argument is bad.
    """
    deltas, norms = _read("deltas", deltas), _read("norms", norms)
    spread = deltas**2 / (2 if check_flag("symmetric", symmetric) else 1)
    q, s = _read_line(norms, b, sigma)
    along = (read_number("mean", mean) * sigma**2 / q) ** 2
    return np.abs(1 / s - 1)[None] * np.sqrt(spread[:, None] + along[None])


def loss_line(
    norms: Numbers, *, b: float = 1.0, sigma: float = 0.1, symmetric: bool = True
) -> Float[np.ndarray, " z"]:
    """The Δ at which the distance from normalization is 1 to first order, for any b.

        Δ = √k b√q/(1 − b√q),   q = σ² + ‖z‖²

    with k = 2 for the symmetric ensemble, and 1 for independent entries.

    Args:
        norms: (z,), ≥ 0, of ‖z‖.
        b: the gains b0 = b1, > 0.
        sigma: > 0.
        symmetric: whether the ensemble is.

    Returns:
        (z,); infinite where b√q ≥ 1, since the factor 1 − √a switches the recurrent weights off at
        √a = 1.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Morone, Rawat, Heeger, Martiniani (2025), for b = 1 and the symmetric ensemble.
    """
    _, s = _read_line(_read("norms", norms), b, sigma)
    k = 2 if check_flag("symmetric", symmetric) else 1
    open_ = s < 1
    return np.where(open_, np.sqrt(k) * s / np.where(open_, 1 - s, 1), np.inf)


def _read_line(norms: np.ndarray, b: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """q and s₀."""
    check_positive_number("b", b)
    check_positive_number("sigma", sigma)
    q = sigma**2 + norms**2
    return q, b * np.sqrt(q)


def _read(name: str, value: Numbers) -> Float[np.ndarray, " k"]:
    array = as_known_array(name, value)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        refuse(name, "be a list of numbers", f"it is {shown(value)}")
    array = array.astype(float)
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        refuse(name, "be finite and not negative", f"it is {array}")
    return array
