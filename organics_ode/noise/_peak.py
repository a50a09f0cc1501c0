"""`spectral_peak`: the frequency, width and quality of the peak in the power of a circuit."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from .._cards import Card, carded
from .._checks import a_or_an, as_float_array, as_known_array, fields_of, refuse
from .._nonlinearities import highest, lowest
from .._types import Limits, Numbers, State
from ..circuits import AbstractCircuit
from ..linear import balanced
from ..programs import in_full_precision
from ._large import variances, warn_where_large
from ._linear import Linear, linearised
from ._spectra import PER_SECOND, TOGETHER
from .kinds import AbstractNoise, spread

_EVEN = 256  # Frequencies over the whole range, in addition to those around every mode.
_AROUND = np.linspace(-6, 6, 13)  # Around a mode, in units of the real part of its eigenvalue.
_LOWEST, _HIGHEST = 1 / 30, 100.0  # The range, in units of the slowest and the fastest mode.
_HALVINGS = 60  # More than the bits of a float.


@carded
class Peak(eqx.Module):
    """The highest peak of a power spectrum above frequency 0.

    - `frequency`: Hz; NaN if there is no peak.
    - `power`: the power there, in the unit of the signal squared per Hz, two-sided as in
      `power_spectrum`.
    - `width`: Hz, between the frequencies on both sides where the power is half of that; NaN where
      it does not fall to half on one side, as on the shoulder of a falling spectrum.
    - `quality`: frequency/width. `found`: whether there is a peak.
    """

    frequency: Float[Array, "*batch"]
    power: Float[Array, "*batch"]
    width: Float[Array, "*batch"]

    @property
    def quality(self) -> Float[Array, "*batch"]:
        return self.frequency / self.width

    @property
    def found(self) -> Bool[Array, "*batch"]:
        return jnp.isfinite(self.frequency)

    def _card(self) -> Card:
        if not self.found:
            return Card("Peak: none above frequency 0")
        width, quality = float(self.width), float(self.quality)
        is_known = np.isfinite(width)
        known = f"{width:.4g} Hz at half power, quality {quality:.4g}"
        facts = {
            "power": f"{float(self.power):.4g} /Hz",
            "width": known if is_known else "none: on one side it does not fall to half",
        }
        return Card(f"Peak: at {float(self.frequency):.6g} Hz", facts)


def spectral_peak(
    circuit: AbstractCircuit[State],
    x: Numbers,
    noise: AbstractNoise,
    *,
    weights: State | None = None,
    band: Limits = (0.0, float("inf")),
    state0: State | None = None,
) -> Peak:
    """The frequency, width and quality of the peak in the power of a circuit's signal.

        S(f) = 10⁻³ wᵀ (J + iωI)⁻¹ D (J − iωI)⁻ᵀ w,   S′ = 0,   ω = 2π f/1000 in rad/ms

    The signal is w·state, with noise about the stable fixed point. The frequency at which the slope
    of S changes sign is found to rounding: frequencies are tried over the whole range of the
    eigenvalues and around each of them, and the zero is bisected. Derivatives are those of the
    implicit function theorem. Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        weights: w, a state of the circuit whose fields are numbers or (n,); unless given, 1 for the
            first field (the responses) and 0 elsewhere: the sum of the responses.
        band: (low, high), Hz; only peaks in this band count, and the highest of them is taken.

    Returns:
        A `Peak`, NaN where the power has no peak at a frequency above 0.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit, equinox's
            run-time error).
    """
    ends, (point, linear) = _read_band(band), linearised(circuit, x, noise, state0)
    # A different band needs no other program.
    low, high = (jnp.asarray(end, linear.A.dtype) for end in ends)
    w = _read_weights(weights, point.state)
    warn_where_large(point.circuit, point.state, variances(linear, w.size))
    return _peak(linear, w, low, high)


class _Signal(NamedTuple):
    """A weighted signal of a linear system in white noise, in even units."""

    A: Array
    D: Array
    L: Array | None
    w: Array


def _signal(linear: Linear, w: Array) -> _Signal:
    A, scale = balanced(linear.A)
    D = linear.D / scale / scale / PER_SECOND
    L = None if linear.L is None else linear.L / scale[:, None] / PER_SECOND**0.5
    w = jnp.pad(w, (0, D.size - w.size)) if linear.H is None else w @ linear.H
    return _Signal(A, D, L, w * scale)


@eqx.filter_jit
@in_full_precision
def _peak(linear: Linear, w: Array, low: Array, high: Array) -> Peak:
    signal = _signal(linear, w)
    still = jax.lax.stop_gradient(signal)
    power, slope = lambda f: _power(f, still), lambda f: _slope(f, still)
    grid, dtype = _grid(still.A), still.A.dtype
    tried = jax.lax.map(lambda f: (power(f), slope(f)), grid, batch_size=TOGETHER)
    # A slope within rounding counts as 0.
    rises = grid * tried[1] > np.sqrt(jnp.finfo(dtype).eps) * tried[0]
    is_inside = (grid[1:] >= low) & (grid[:-1] <= high)
    is_peak = rises[:-1] & ~rises[1:] & is_inside
    k = jnp.argmax(jnp.where(is_peak, tried[0][:-1], -jnp.inf))
    top = _bisect(lambda f: slope(f) > 0, grid[k], grid[k + 1])
    is_found = jnp.any(is_peak) & (top >= low) & (top <= high)
    top = top - _slope(top, signal) / jax.grad(slope)(top)
    best = _power(top, signal)
    sides = jnp.array([-1, 1], dtype)
    ends = jax.vmap(lambda side: _half(signal, grid, tried[0], top, best, side))(sides)
    found = (PER_SECOND / (2 * np.pi) * top, best, PER_SECOND / (2 * np.pi) * (ends[1] - ends[0]))
    return Peak(*(jnp.where(is_found, each, jnp.nan) for each in found))


def _power(f: Array, signal: _Signal) -> Float[Array, ""]:
    """S at ω = f, in the units of A."""
    A, D, L, w = signal
    A = jax.lax.complex(-A.T, f * jnp.eye(w.size, dtype=w.dtype))
    g = jnp.linalg.solve(A, w.astype(A.dtype))
    power = D @ (g.real**2 + g.imag**2)
    if L is None:
        return power
    shared = L.T.astype(g.dtype) @ g
    return power + jnp.sum(shared.real**2 + shared.imag**2)


def _slope(f: Array, signal: _Signal) -> Float[Array, ""]:
    return jax.jvp(lambda f: _power(f, signal), (f,), (jnp.ones_like(f),))[1]


def _half(
    signal: _Signal, grid: Array, powers: Array, top: Array, best: Array, side: Array
) -> Float[Array, ""]:
    """The nearest place on one side where the power is half of the best."""
    half, away = jax.lax.stop_gradient(best) / 2, side * grid
    start = side * jax.lax.stop_gradient(top)
    is_low = (away > start) & (powers < half)
    outer = lowest(jnp.where(is_low, away, jnp.inf))
    inner = highest(jnp.where((away > start) & (away < outer), away, start))
    still = jax.lax.stop_gradient(signal)
    end = _bisect(lambda f: _power(f, still) < half, side * outer, side * inner)
    end = end - (_power(end, signal) - best / 2) / _slope(end, still)
    return jnp.where(jnp.any(is_low), end, jnp.nan)


def _bisect(is_first: Callable[[Array], Array], first: Array, second: Array) -> Array:
    """The border between a place where the condition holds and one where it does not."""

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = (ends[0] + ends[1]) / 2
        holds = is_first(middle)
        return jnp.where(holds, middle, ends[0]), jnp.where(holds, ends[1], middle)

    first, second = jax.lax.fori_loop(0, _HALVINGS, halve, (first, second))
    return (first + second) / 2


def _grid(J: Array) -> Float[Array, " g"]:
    """Increasing ω over the range of the eigenvalues, and around every one of them."""
    values = jnp.linalg.eigvals(J)
    slow, fast = lowest(jnp.abs(values)), highest(jnp.abs(values))
    even = jnp.geomspace(_LOWEST * slow, _HIGHEST * fast, _EVEN, dtype=J.dtype)
    widths = jnp.asarray(_AROUND, J.dtype)[None, :] * jnp.abs(values.real)[:, None]
    around = jnp.abs(values.imag)[:, None] + widths
    return jnp.sort(jnp.concatenate([even, jnp.maximum(around.ravel(), even[0])]))


def _read_weights(weights: State | None, state: State) -> Float[Array, " d"]:
    if weights is None:
        leaves, structure = jax.tree.flatten(state)
        ones = [jnp.full_like(leaf, i == 0) for i, leaf in enumerate(leaves)]
        weights = jax.tree.unflatten(structure, ones)
    elif not isinstance(weights, tuple | Mapping):
        refuse("weights", "be a state of the circuit", f"it is {a_or_an(type(weights).__name__)}")
    else:
        parts = [as_float_array("weights", v) for v in fields_of("weights", weights, state)]
        weights = spread("weights", jax.tree.unflatten(jax.tree.structure(state), parts), state)
    return ravel_pytree(weights)[0]


def _read_band(band: Limits) -> tuple[float, float]:
    """The band in rad/ms."""
    must = "be (low, high) in Hz, 0 <= low < high"
    ends = as_known_array("band", band).astype(float)
    if ends.shape != (2,) or not 0 <= ends[0] < ends[1]:
        refuse("band", must, f"it is {ends.tolist()}")
    low, high = (ends * (2 * np.pi / PER_SECOND)).tolist()
    return low, high
