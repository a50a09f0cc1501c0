"""Eigenvalues of a circuit's Jacobian, and what they mean."""

import functools
import math
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from .._cards import SHOWN, Card, carded
from .._checks import check_flag
from .._nonlinearities import highest
from .._operators import FEW, has_operators
from .._tables import AbstractTabular, Table, numbered
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit
from ..programs import in_full_precision, lazily, quickly_compiled
from ._balanced import balanced
from ._equations import Equations, blur, ravel
from ._jacobian import jacobian_matrix, read_point
from ._matrix_free import leading_eigenvalues
from ._pseudospectrum import abscissa_near


@carded
class Spectrum(eqx.Module, AbstractTabular):
    """The eigenvalues λ of a Jacobian, the one of largest real part first.

    - `eigenvalues`: (d,), 1/ms, by decreasing real part; in a pair the one with Im λ > 0 first.
    - `vectors`: (d, d), right eigenvectors as columns, or None unless requested.
    - `resolution`: 1/ms, d·ε·‖D⁻¹JD‖, with the diagonal D that makes rows as large as columns. An
      eigenvalue nearer to 0 than this cannot be distinguished from 0. At a fixed point it is
      (d·ε + residual)·‖D⁻¹JD‖, because the residual makes the eigenvalues uncertain too. It is
      larger where J is far from normal: rounding moves an eigenvalue by up to ε·κ·‖D⁻¹JD‖, where
      κ = ‖v‖‖w‖/|wᴴv| for its right and left vectors (Wilkinson, 1965), or by less where no matrix
      that near has eigenvalues so far away (Trefethen, Embree, 2005). `abscissa` + `resolution` is
      then the furthest right that any of them may be.
    - `abscissa`: the largest real part, 1/ms; NaN where an eigenvalue is NaN.
    - `is_stable`: abscissa below −resolution. `is_marginal`: abscissa within the resolution, as for
      a continuum of fixed points.
    - `frequencies`: (d,), Hz, |Im λ|/2π (times in ms).
    - `damping_ratios`: (d,), −Re λ/|λ|: 1 for a mode that does not oscillate, 0 for an undamped
      one.
    - `qualities`: (d,), |λ|/(−2 Re λ): for a lightly damped mode by itself, the frequency of its
      peak in noise over the width at half power; ½ for a mode that does not oscillate, ∞ for an
      undamped one.
    - `time_scales`: (d,), ms, −1/Re λ; negative for a mode that grows, ∞ where Re λ = 0.

    For a circuit whose weights are operators of more than 2¹⁸ entries, only the 16 eigenvalues of
    largest real part are given, found by products with J alone; that none was missed is likely, not
    proved. Their resolution is κ times the remainder of Jv − λv plus 256 ε‖D⁻¹JD‖₂ for rounding.
    Copies of an eigenvalue are known only together, to at least ε^(1/3)‖D⁻¹JD‖₂; the resolution is
    ∞ where w is not found. These eigenvalues have first derivatives only.

    A spectrum from `jax.vmap` has the batch axes in front. `to_dataframe()` and `to_xarray()` have
    a row for each eigenvalue.
    """

    eigenvalues: Complex[Array, "*batch k"]
    vectors: Complex[Array, "*batch d k"] | None
    resolution: Float[Array, "*batch"]

    @property
    def abscissa(self) -> Float[Array, "*batch"]:
        return highest(self.eigenvalues.real, axis=-1)

    @property
    def is_stable(self) -> Bool[Array, "*batch"]:
        return is_stable(self)

    @property
    def is_marginal(self) -> Bool[Array, "*batch"]:
        return is_marginal(self)

    @property
    def frequencies(self) -> Float[Array, "*batch d"]:
        return jnp.abs(self.eigenvalues.imag) * (1000 / (2 * math.pi))

    @property
    def damping_ratios(self) -> Float[Array, "*batch d"]:
        return _damping_ratios(self.eigenvalues)

    @property
    def qualities(self) -> Float[Array, "*batch d"]:
        return _qualities(self.eigenvalues)

    @property
    def time_scales(self) -> Float[Array, "*batch d"]:
        return _time_scales(self.eigenvalues)

    def to_table(self) -> Table:
        """The eigenvalues, and the vectors if there are any, over `mode`."""
        *batch, modes = self.eigenvalues.shape
        columns = {"eigenvalue": self.eigenvalues, "frequency": self.frequencies}
        columns |= {"damping_ratio": self.damping_ratios, "time_scale": self.time_scales}
        if self.vectors is not None:
            columns["vector"] = jnp.swapaxes(self.vectors, -1, -2)
        units = {"eigenvalue": "1/ms", "frequency": "Hz", "time_scale": "ms"}
        return Table(numbered(tuple(batch)) | numbered((modes,), "mode"), columns, units)

    def _card(self) -> Card:
        columns = (self.eigenvalues, self.frequencies, self.damping_ratios, self.time_scales)
        rows = list(zip(*(np.asarray(column)[:SHOWN] for column in columns), strict=True))
        title = f"Spectrum: {kind_of(self)}, abscissa {float(self.abscissa):.6g} /ms"
        head = ("eigenvalue (1/ms)", "freq. (Hz)", "damping", "time (ms)")
        return Card(title, columns=head, rows=rows, total=self.eigenvalues.size)


# One program each: printing a spectrum for the first time would compile one for every operation.
@quickly_compiled
def _damping_ratios(values: Complex[Array, "*batch k"]) -> Float[Array, "*batch k"]:
    size = jnp.abs(values)
    return -values.real / jnp.where(size == 0, 1, size)


@quickly_compiled
def _qualities(values: Complex[Array, "*batch k"]) -> Float[Array, "*batch k"]:
    rate, size = -values.real, jnp.abs(values)
    return jnp.where(rate == 0, jnp.inf, size / jnp.where(rate == 0, 1, 2 * rate))


@quickly_compiled
def _time_scales(values: Complex[Array, "*batch k"]) -> Float[Array, "*batch k"]:
    rate = -values.real
    return jnp.where(rate == 0, jnp.inf, 1 / jnp.where(rate == 0, 1, rate))


@runtime_checkable
class Located(Protocol):
    """Anything with an abscissa that is known to a resolution: a spectrum, a fixed point."""

    @property
    def abscissa(self) -> Array: ...

    @property
    def resolution(self) -> Array: ...


def is_stable(found: Located) -> Bool[Array, "..."]:
    """Whether the abscissa is below 0 by more than the resolution: one rule for everything that has
    both."""
    return found.abscissa < -found.resolution


def is_marginal(found: Located) -> Bool[Array, "..."]:
    """Whether the abscissa is within its resolution, so that its sign is unknown."""
    return jnp.abs(found.abscissa) <= found.resolution


def kind_of(found: Located) -> str:
    """Its stability in one word."""
    if np.isnan(found.abscissa):
        return "unknown"
    return "stable" if is_stable(found) else "marginal" if is_marginal(found) else "unstable"


@in_full_precision
def spectrum(
    circuit: AbstractCircuit[State], state: StateLike | None, x: Numbers, *, vectors: bool = False
) -> Spectrum:
    """The eigenvalues of a circuit's Jacobian at a state.

    At a fixed point they decide its local stability. Along a trajectory of a driven circuit
    (`jax.vmap(oo.spectrum, (None, 0, 0))(circuit, states, xs)`) they say how fast the circuit moves
    at the moment, but do not decide stability: see `lyapunov`. Pure (jit, vmap; grad of the
    eigenvalues); no batch axis.

    Args:
        circuit: an `AbstractCircuit`.
        state: the circuit's state at which to linearise.
        x: (m,), the input.
        vectors: whether to compute the right eigenvectors, at about twice the cost.

    Returns:
        A `Spectrum`.

    Raises:
        ValueError: an argument is bad.
    """
    vectors = check_flag("vectors", vectors)
    circuit, state, x = read_point(circuit, state, x, most=FEW)
    e = Equations(circuit, x, state)
    residual = blur(e.residual(ravel(state)))
    return spectrum_at(circuit, state, x, residual=residual, vectors=vectors)


def spectrum_at(
    circuit: AbstractCircuit[State],
    state: State,
    x: Float[Array, " m"],
    *,
    residual: Float[Array, ""] | float = 0.0,
    vectors: bool = False,
) -> Spectrum:
    """The spectrum for arguments already checked and resolved; for operators the leading part."""
    if not has_operators(circuit):
        return spectrum_of(jacobian_matrix(circuit, state, x), residual=residual, vectors=vectors)
    found = leading_eigenvalues(circuit, state, x)
    real = found.values.real
    further = highest(real + found.errors) - highest(real)
    resolution = jax.lax.stop_gradient(further + residual * found.norm)
    return Spectrum(found.values, found.vectors if vectors else None, resolution)


@functools.partial(quickly_compiled, level=1)
def spectrum_of(
    J: Float[Array, "d d"], *, residual: Float[Array, ""] | float = 0.0, vectors: bool = False
) -> Spectrum:
    """The spectrum of a matrix in 1/ms, taken at a point with this residual."""
    even, scale = balanced(J)
    known, spread = _eigenvalues(even)
    values, right = known, None
    if vectors:
        values, right = jnp.linalg.eig(even)
        right = scale[:, None].astype(right.dtype) * right
        right = right / jnp.linalg.norm(right, axis=0, keepdims=True).astype(right.dtype)
    order = jnp.lexsort((-values.imag, -values.real))
    near = (J.shape[0] * jnp.finfo(J.dtype).eps + residual) * _norm(even)
    furthest, abscissa = highest(known.real + spread), highest(values.real)
    resolution = _resolution(*jax.lax.stop_gradient((even, near, furthest, abscissa)))
    right = None if right is None else right[:, order]
    return Spectrum(values[order], right, resolution)


@jax.jit
def _resolution(even: Array, near: Array, furthest: Array, abscissa: Array) -> Array:
    """The resolution by condition numbers; where these do not decide stability, by all nearby
    matrices."""
    is_open = (abscissa < -near) & (furthest >= 0)
    bound = lazily(is_open, lambda known: abscissa_near(*known), (even, near), furthest)
    return jnp.maximum(near, jnp.minimum(furthest, bound) - abscissa)


def _norm(J: Float[Array, "d d"]) -> Float[Array, ""]:
    """The Frobenius norm, also where squares overflow."""
    largest = highest(jnp.abs(J))
    return largest * jnp.linalg.norm(J / jnp.where(largest > 0, largest, 1))


@jax.custom_jvp
@jax.jit
def _eigenvalues(J: Array) -> tuple[Array, Array]:
    """The eigenvalues, with derivatives of every order, which `jnp.linalg.eigvals` refuses, and how
    far rounding may move each of them."""
    # Entries in no loop change no eigenvalue: those of a feedforward chain are its diagonal,
    # although its vectors are all the same.
    J = J * _in_loops(J).astype(J.dtype)
    values, V = jnp.linalg.eig(J)
    eps = jnp.finfo(J.dtype).eps
    condition = jnp.linalg.norm(jnp.linalg.inv(V), axis=1) * jnp.linalg.norm(V, axis=0)
    condition = jnp.where(condition < 1 / eps, condition, 1 / eps)  # NaN where V is singular
    return values, eps * condition * _norm(J)


@_eigenvalues.defjvp
@in_full_precision
def _(primals: tuple, tangents: tuple) -> tuple:
    # For the whole matrix: a zero that would close a loop as it grows moves eigenvalues too.
    (values, _), (moved, _) = jax.jvp(_modes, primals, tangents)
    spread = _eigenvalues(*primals)[1]
    return (values, spread), (moved, jnp.zeros_like(spread))


def _in_loops(J: Float[Array, "d d"]) -> Bool[Array, "d d"]:
    """Which pairs of variables act on each other, directly or through others."""
    reached = (J != 0) | jnp.eye(J.shape[0], dtype=bool)

    def twice_as_far(_: int | Array, reached: Array) -> Array:
        ways = reached.astype(J.dtype)
        return ways @ ways > 0

    rounds = max(1, J.shape[0] - 1).bit_length()
    reached = jax.lax.fori_loop(0, rounds, twice_as_far, reached)
    return reached & reached.T


@jax.custom_jvp
def _modes(J: Array) -> tuple[Array, Array]:
    values, vectors = jnp.linalg.eig(J)
    return values, vectors


@_modes.defjvp
@in_full_precision
def _(primals: tuple, tangents: tuple) -> tuple:
    values, V = _modes(*primals)
    M = jnp.linalg.solve(V, tangents[0].astype(V.dtype) @ V)
    gap = values[None, :] - values[:, None]
    mixed = jnp.where(gap != 0, M / jnp.where(gap != 0, gap, 1), 0)
    # The lengths of the vectors do not affect the eigenvalues: no vector moves along itself.
    return (values, V), (jnp.diagonal(M), V @ mixed)
