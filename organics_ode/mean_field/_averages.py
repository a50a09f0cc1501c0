"""Averages over Gaussian variables, by a trapezoid rule whose steps are short where φ bends."""

import functools
from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._checks import check_positive_number, read_number, refuse
from .._types import Scalar
from ..programs import equal_one, jitted

Function = Callable[[Array], Array]

_REACH = 9.0  # standard deviations: less than 3e-19 of the weight lies beyond
_FEWEST, _MOST = 128, 8192  # nodes


class Averages(NamedTuple):
    """The averages of φ that the theory needs at Δ0: ⟨φ²⟩, ⟨φ′⟩, ⟨φ′²⟩, ⟨φ′² + φφ″⟩, ⟨φ‴⟩."""

    phi2: Float[Array, ""]
    slope: Float[Array, ""]
    slope2: Float[Array, ""]
    bend: Float[Array, ""]
    third: Float[Array, ""]


@functools.lru_cache(256)
def derivative(f: Function) -> Function:
    """The derivative of an elementwise function; the same object for the same function."""
    return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


@functools.lru_cache(256)
def _half_second(f: Function) -> Function:
    return lambda x: derivative(derivative(f))(x) / 2


def _nodes(
    delta: Float[Array, ""], i: Array, n: int | Int[Array, ""]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Nodes number i out of n, with weights: equal steps of t in x = a sinh t, a = min(1, √Δ0).

    Steps are short where φ bends, |x| ≲ 1, and grow with |x| up to 9 √Δ0, so the same few nodes
    serve every variance. If φ has no poles in |Im x| < 1, the integrand is analytic and small in
    the strip |Im t| < π/4, and the trapezoid rule converges exponentially.
    """
    s = jnp.sqrt(jnp.maximum(delta, 0))
    wide = jnp.maximum(s, 1)
    end = jnp.arcsinh(_REACH * wide)
    t = end * (2 * i.astype(delta.dtype) / (n - 1) - 1)
    up, down = jnp.exp(t) / 2, jnp.exp(-t) / 2
    u = (up - down) / wide  # x in standard deviations, at any Δ0 ≥ 0
    weights = jnp.exp(-u * u / 2) * (up + down) / wide
    return s * u, weights * (2 * end / (n - 1)) / jnp.sqrt(2 * jnp.pi)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 2))
def average_at(f: Function, delta: Float[Array, ""], n: int) -> Float[Array, ""]:
    """⟨f⟩ over N(0, Δ0) on n nodes; its derivative is ∂⟨f⟩/∂Δ0 = ½⟨f″⟩, also at Δ0 = 0."""
    x, weights = _nodes(delta, jnp.arange(n), n)
    return jnp.sum(weights * f(x))


@average_at.defjvp
def _average_jvp(f: Function, n: int, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (delta,), (tangent,) = primals, tangents
    return average_at(f, delta, n), average_at(_half_second(f), delta, n) * tangent


@functools.lru_cache(64)
def integrands(phi: Function) -> tuple[Function, ...]:
    d1 = derivative(phi)
    d2 = derivative(d1)
    return (
        lambda x: phi(x) ** 2,
        d1,
        lambda x: d1(x) ** 2,
        lambda x: d1(x) ** 2 + phi(x) * d2(x),
        derivative(d2),
    )


def averages_at(phi: Function, delta: Float[Array, ""], n: int) -> Averages:
    return Averages(*(average_at(f, delta, n) for f in integrands(phi)))


@jitted(static_argnums=0)
def _block(
    functions: tuple[Function, ...],
    deltas: Array,
    first: int | Int[Array, ""],
    n: int | Int[Array, ""],
) -> Array:
    """The part of the averages (k, f) that lies on 128 of n nodes."""

    def at(delta: Array) -> Array:
        x, weights = _nodes(delta, first + jnp.arange(_FEWEST), n)
        return jnp.stack([jnp.sum(weights * f(x)) for f in functions])

    return jax.vmap(at)(deltas)


def settled(
    functions: tuple[Function, ...], deltas: Array, tolerance: float
) -> tuple[Float[np.ndarray, "k f"], int]:
    """The averages, in 64 bits, and the number of nodes at which doubling does not change them."""
    n, old = _FEWEST, np.asarray(_block(functions, deltas, 0, _FEWEST))
    while n < _MOST:
        blocks = range(0, 2 * n, _FEWEST)
        new = np.sum([_block(functions, deltas, i, 2 * n) for i in blocks], axis=0)
        if np.all(np.abs(new - old) <= tolerance * np.maximum(1, np.abs(new))):
            return new, n
        n, old = 2 * n, new
    refuse("phi", "be smooth", f"its averages do not settle to {tolerance:g} on {_MOST} nodes")


@functools.lru_cache(256)
def _nodes_for(functions: tuple[Function, ...], top: float, tolerance: float) -> int:
    deltas = jnp.concatenate([jnp.zeros(1), jnp.geomspace(1e-3, top, 31)])
    return settled(functions, deltas, tolerance)[1]


def host_nodes(phi: Function, top: float, tolerance: float = 1e-12) -> int:
    """How many nodes `averages_at` needs for variances up to `top`; takes few different values."""
    rounded = 1e4
    while rounded < top:
        rounded *= 100.0
    return _nodes_for(integrands(phi), rounded, tolerance)


def average(f: Function, variance: Scalar, *, tolerance: float = 1e-10) -> float:
    """The average of a smooth function over a Gaussian variable with mean 0.

        ⟨f⟩ = ∫ f(x) exp(−x²/2Δ) dx / √(2πΔ)

    Computed by a trapezoid rule with short steps near 0 and long ones far out, whose nodes are
    doubled until the result settles. (Gauss–Hermite nodes spread over many standard deviations:
    once Δ is large, they miss a φ that bends within |x| < 1.) A host function, in 64 bits.

    Args:
        f: an elementwise function of arrays, written in `jax.numpy`.
        variance: Δ ≥ 0.
        tolerance: relative to max(1, |⟨f⟩|).

    Returns:
        ⟨f⟩.

    Raises:
        ValueError: an argument is bad, or f is not smooth enough.
    """
    delta = read_number("variance", variance, low=0.0)
    tolerance = float(check_positive_number("tolerance", tolerance))
    with jax.enable_x64(True):
        return float(settled((read_phi(f, "f"),), jnp.asarray([delta]), tolerance)[0][0, 0])


def read_phi(phi: Function, name: str = "phi") -> Function:
    if not callable(phi) or isinstance(phi, type):
        refuse(name, "be an elementwise function of arrays", f"it is {phi!r}")
    return cast(Function, equal_one(phi))
