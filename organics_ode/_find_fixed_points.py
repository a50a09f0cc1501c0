"""`find_fixed_points`: a search from many starts, and the container of what it found."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ._checks import check_positive_integer, is_traced, refuse
from ._closed_form import closed_form
from ._linearise import read_point
from ._routes import Equations, accelerate, descend, polish, ravel, settle, substituted, tolerance
from ._spectrum import Spectrum, spectrum_of
from .circuits import AbstractCircuit, FeedbackNetwork, RateNetwork

# Matrix entries that are factored together: for a large circuit the starts go in turns.
_ENTRIES = 2**25
_METHODS = (accelerate, settle, substituted, descend)


class FixedPoints(eqx.Module):
    """The fixed points that a search found, the most stable first.

    - `states`: the circuit's state with a leading axis (k, …).
    - `residuals`: (k,), relative to the largest term of the equation.
    - `spectra`: a `Spectrum` with eigenvalues (k, d).
    - `hits`: (k,), how many of the starts came to each.
    - `is_stable`, `is_marginal`: (k,); a marginal point may be one of a continuum.
    - `abscissae`: (k,), 1/ms.

    `len`, iteration over states, `points[i]` (an index, a slice, or a mask such as
    `points.is_stable`), `points.sort(values)`; `oo.save` and `oo.load` keep it; printing shows a
    table.
    """

    states: Any
    residuals: Float[Array, " k"]
    spectra: Spectrum
    hits: Int[Array, " k"]

    @property
    def is_stable(self) -> Bool[Array, " k"]:
        return self.spectra.is_stable

    @property
    def is_marginal(self) -> Bool[Array, " k"]:
        return self.spectra.is_marginal

    @property
    def abscissae(self) -> Float[Array, " k"]:
        return self.spectra.abscissa

    def __len__(self) -> int:
        return self.residuals.shape[0]

    def __getitem__(self, index: Any) -> "FixedPoints":
        """Some of the points, always with their leading axis."""
        index = index if isinstance(index, slice) else np.asarray(index)
        kept = np.atleast_1d(np.arange(len(self))[index])
        return jax.tree.map(lambda leaf: leaf[kept], self)

    def __iter__(self) -> Any:
        return (jax.tree.map(lambda leaf, i=i: leaf[i], self.states) for i in range(len(self)))

    def sort(self, values: Any) -> "FixedPoints":
        """In rising order of values (k,), such as `points.abscissae` or `points.states.y[:, 0]`."""
        values = np.asarray(values)
        if values.shape != (len(self),):
            refuse("values", f"have shape (k,) = ({len(self)},)", f"it has shape {values.shape}")
        return self[np.argsort(values, kind="stable")]

    def __repr__(self) -> str:
        if is_traced(self.residuals) or self.residuals.ndim != 1:
            return f"FixedPoints(residuals={eqx.tree_pformat(self.residuals)})"
        rows = [_row(i, self[i]) for i in range(min(len(self), _SHOWN))]
        more = [f"  … {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        return "\n".join(
            [f"FixedPoints: {len(self)} found (there may be more)", _HEAD, *rows, *more]
        )


_SHOWN = 20
_COLUMNS = ("", "", "abscissa (1/ms)", "freq. (Hz)", "residual", "hits")
_HEAD = "  {:3} {:8} {:>16} {:>11} {:>9} {:>5}   state".format(*_COLUMNS)


def _row(i: int, point: FixedPoints) -> str:
    marginal = "marginal" if point.is_marginal[0] else "unstable"
    kind = "stable" if point.is_stable[0] else marginal
    (state,) = point
    fields = getattr(state, "_fields", range(len(state)))
    shown = [f"{name} {_numbers(leaf)}" for name, leaf in zip(fields, state, strict=True)]
    return (
        f"  {i:3} {kind:8} {float(point.abscissae[0]):16.6g} "
        f"{float(point.spectra.frequencies[0, 0]):11.4g} {float(point.residuals[0]):9.1e} "
        f"{int(point.hits[0]):5d}   {'  '.join(shown[:2])}"
    )


def _numbers(leaf: Any) -> str:
    values = np.asarray(leaf).ravel()
    text = " ".join(f"{value:.4g}" for value in values[:3])
    return f"[{text}{' …' if values.size > 3 else ''}]"


def find_fixed_points(
    circuit: AbstractCircuit, x: Any, *, key: PRNGKeyArray, starts: int = 512
) -> FixedPoints:
    """The fixed points of a circuit at a constant input that a search from many starts finds.

    Each start is taken by one of four methods in turn: the accelerated iteration, the flow itself,
    substitution, and descent in |f| (Levenberg–Marquardt), all polished by Newton's method. Starts
    are spread over four decades around the rest state and the normalized state. What two starts
    reach within 1e-6 is one point. Never claimed complete: more starts may find more. For one unit
    `planar.fixed_points` is complete. Host function (no jit, vmap).

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        key: a PRNG key.
        starts: how many starts.

    Returns:
        A `FixedPoints`; empty if none was found.

    Raises:
        ValueError: an argument is bad.
    """
    check_positive_integer("starts", starts)
    circuit, _, x = read_point(circuit, None, x)
    if any(map(is_traced, jax.tree.leaves((circuit, x, key)))):
        refuse("circuit", "hold known values", "it is traced: this runs outside jit and vmap")
    v, residuals = _search(circuit, x, key, starts)
    solved = np.asarray(residuals) <= tolerance(residuals.dtype)
    v, residuals = np.asarray(v)[solved], np.asarray(residuals)[solved]
    chosen, hits = _distinct(v, residuals)
    states, spectra = _look(circuit, x, jnp.asarray(v[chosen]), jnp.asarray(residuals[chosen]))
    found = FixedPoints(states, jnp.asarray(residuals[chosen]), spectra, jnp.asarray(hits))
    return found.sort(found.abscissae)


@eqx.filter_jit
def _search(circuit: AbstractCircuit, x: Array, key: Array, starts: int) -> tuple[Array, Array]:
    e = Equations(circuit, x, circuit.initial_state())

    def one(v: Array, method: Array) -> tuple[Array, Array]:
        point = e.point(v)
        for index, route in enumerate(_METHODS):
            point = route(e, point, method == index)
        point = polish(e, point)
        return point.v, point.residual

    arguments = _starts(circuit, e, key, starts), jnp.arange(starts) % len(_METHODS)
    together = max(1, _ENTRIES // ravel(e.like).size ** 2)
    if together >= starts:
        return jax.vmap(one)(*arguments)
    return jax.lax.map(lambda pair: one(*pair), arguments, batch_size=together)


@functools.singledispatch
def _starts(circuit: AbstractCircuit, e: Equations, key: Array, starts: int) -> Array:
    """The rest state and the normalized state, and states around them: each variable with its own
    factor, each start with its own scale; variables that may be negative with both signs."""
    rest, normal = ravel(e.like), ravel(closed_form(e.circuit, e.x))
    keys = jax.random.split(key, 4)
    shape = (starts, rest.size)
    size = jnp.maximum(jnp.abs(rest), jnp.abs(normal))[None, :]
    typical = jnp.where(size > 0, size, jnp.maximum(jnp.mean(size), 1e-2))
    scale = 10 ** jax.random.uniform(keys[0], (starts, 1), rest.dtype, -2.5, 1.5)
    spread = jnp.exp(0.5 * jax.random.normal(keys[1], shape, rest.dtype))
    mixed = jax.random.normal(keys[2], shape, rest.dtype)
    # A variable that is positive at rest stays so.
    drawn = scale * typical * jnp.where((rest > 0)[None, :], spread, mixed)
    known = jnp.repeat(jnp.stack([rest, normal]), len(_METHODS), 0)
    return jnp.concatenate([known, drawn])[:starts]


@_starts.register(FeedbackNetwork)
def _(circuit: Any, e: Equations, key: Array, starts: int) -> Array:
    """The states that the feedback m z puts the network in, z of all sizes and signs, and noise."""
    c, rest, driven = circuit, ravel(e.like), ravel(closed_form(circuit, e.x))
    keys = jax.random.split(key, 3)
    m, n = (v.reshape(c.size, -1) for v in (c.m, c.n))
    scale = 10 ** jax.random.uniform(keys[0], (starts, 1), rest.dtype, -2.5, 1.5)
    size = jnp.sqrt(jnp.mean(n**2, axis=0))[None, :]
    z = scale * size * jax.random.normal(keys[1], (starts, n.shape[1]), rest.dtype)
    noise = scale * jax.random.normal(keys[2], (starts, c.size), rest.dtype)
    known = jnp.repeat(jnp.stack([rest, driven]), len(_METHODS), 0)
    return jnp.concatenate([known, driven[None, :] + z @ m.T + 0.1 * noise])[:starts]


@_starts.register(RateNetwork)
def _(circuit: Any, e: Equations, key: Array, starts: int) -> Array:
    """Rates that f can give: those of the input alone, and of currents of all sizes around it."""
    c, rest, drive = circuit, ravel(e.like), circuit.drive(e.x)
    keys = jax.random.split(key)
    scale = 10 ** jax.random.uniform(keys[0], (starts, 1), rest.dtype, -2.5, 1.5)
    size = jnp.sqrt(jnp.mean(jnp.sum(c.W**2, axis=1)))
    currents = scale * size * jax.random.normal(keys[1], (starts, c.size), rest.dtype)
    known = jnp.repeat(jnp.stack([rest, c.f(drive)]), len(_METHODS), 0)
    return jnp.concatenate([known, c.f(drive[None, :] + currents)])[:starts]


@eqx.filter_jit
def _look(circuit: AbstractCircuit, x: Array, v: Array, residuals: Array) -> tuple[Any, Spectrum]:
    e = Equations(circuit, x, circuit.initial_state())
    J = jax.vmap(e.jacobian)(v)
    spectra = jax.vmap(spectrum_of)(J)
    # What is not known of the point is not known of its eigenvalues either.
    blur = residuals * jnp.linalg.norm(J, axis=(1, 2))
    spectra = eqx.tree_at(lambda s: s.resolution, spectra, spectra.resolution + blur)
    return jax.vmap(e.unravel)(v), spectra


def _distinct(v: np.ndarray, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index of one member of every cluster, the one of smallest residual, and their sizes."""
    near = 1e-6 if v.dtype == np.float64 else 1e-3
    left, chosen, hits = np.argsort(residuals, kind="stable"), [], []
    while left.size:
        size = max(1e-3, float(np.max(np.abs(v[left[0]]))))
        same = np.max(np.abs(v[left] - v[left[0]]), axis=1) <= near * size
        chosen.append(left[0])
        hits.append(int(same.sum()))
        left = left[~same]
    return np.asarray(chosen, int), np.asarray(hits, int)
