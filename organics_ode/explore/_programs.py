"""What runs when a slider moves: two programs for each model, compiled once."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from .._constraints import resolve
from ..circuits import AbstractCircuit
from ..dynamics import simulate
from ..equilibria import StablePoint
from ..facts import closed_form
from ..linear import Equations, ravel, spectrum_of, tolerance
from ..noise import Noise, powers_about
from ..planar import vector_field
from ..programs import in_full_precision, quickly_compiled
from ..stability import energy_about
from ._models import Model

TIMES = 601
POINTS = 8  # the most fixed points that are shown
GRID = 97  # of each variable, for the nullclines
CONTRASTS = np.geomspace(0.01, 1.0, 61)
FREQUENCIES = np.geomspace(1.0, 500.0, 161)
NOISE = 0.001  # of every variable, in its unit per √ms
_STARTS, _NEWTON = 10, 30
_MAX_STEPS = 8192


class Course(NamedTuple):
    """A circuit, its response, and the points where its velocity vanishes."""

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    ts: Float[Array, " time"]
    rows: Float[Array, "time d"]
    t_reached: Float[Array, ""]
    succeeded: Bool[Array, ""]
    points: Float[Array, "k d"]
    residuals: Float[Array, " k"]
    contrast_responses: Float[Array, "2 c"]


class Around(NamedTuple):
    """The flow in a window, the kinds of the fixed points, and noise and energy about one of them.

    `chosen` is the stable one nearest to the end of the response; `has_stable`: whether there is a
    stable one, without which `powers` and `energies` are meaningless.
    """

    flow: Float[Array, "2 g g"]
    eigenvalues: Complex[Array, "k d"]
    resolutions: Float[Array, " k"]
    chosen: Array
    has_stable: Bool[Array, ""]
    powers: Float[Array, "f d"]
    energies: Float[Array, " time"]


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def course(model: Model, values: dict[str, Array]) -> Course:
    """The response from the start, and fixed points by Newton's method from many starts."""
    circuit, x, state0 = model.build(values)
    circuit = resolve(circuit)
    ts = jnp.linspace(0.0, 1.0, TIMES) * values["T"]
    how: dict[str, Any] = {"state0": state0, "max_steps": _MAX_STEPS, "throw": False}
    found = simulate(circuit, x, ts, **how)
    rows = jax.vmap(ravel)(found.states)
    points, residuals = _solved(circuit, x, _starts(model, circuit, x, rows))
    responses = jnp.zeros((2, 0)) if model.is_planar else _over_contrast(circuit, x)
    facts = (found.stats["t_reached"], found.succeeded, points, residuals, responses)
    return Course(circuit, x, ts, rows, *facts)


def _starts(model: Model, circuit: AbstractCircuit, x: Array, rows: Array) -> Array:
    known = [ravel(closed_form(circuit, x)), rows[-1]]
    if model.search is None:
        return jnp.stack(known)
    axis = np.linspace(*model.search, _STARTS)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return jnp.concatenate([jnp.asarray(grid, rows.dtype), jnp.stack(known)])


def _solved(circuit: AbstractCircuit, x: Array, starts: Array) -> tuple[Array, Array]:
    """Where Newton's method ends, and the residual of the equations there."""
    e = Equations.of(circuit, x)

    def step(_: Any, v: Array) -> Array:
        new = v - jnp.linalg.solve(e.jacobian(v), e.velocity(v))
        return jnp.where(jnp.isfinite(new).all(), new, v)

    def one(v: Array) -> tuple[Array, Array]:
        v = jax.lax.fori_loop(0, _NEWTON, step, v)
        return v, e.residual(v)

    return jax.vmap(one)(starts)


def _over_contrast(circuit: AbstractCircuit, x: Array) -> Float[Array, "2 c"]:
    """The steady response of the first unit over its input, with and without the other one; NaN
    where the closed form is not the fixed point."""
    e = Equations.of(circuit, x)

    def one(contrast: Array, mask: Array) -> Array:
        v = ravel(closed_form(circuit, jnp.stack([contrast, mask])))
        moved = eqx.tree_at(lambda e: e.x, e, jnp.stack([contrast, mask]))
        return jnp.where(moved.residual(v) <= tolerance(v.dtype), v[0], jnp.nan)

    over = jax.vmap(one, (0, None))
    contrasts = jnp.asarray(CONTRASTS, x.dtype)
    return jnp.stack([over(contrasts, x[1]), over(contrasts, 0 * x[1])])


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def around(
    model: Model, circuit: AbstractCircuit, x: Array, points: Array, rows: Array, window: Array
) -> Around:
    """All that is shown about the fixed points (k, d); missing points are NaN."""
    e = Equations.of(circuit, x)
    is_there = jnp.isfinite(points).all(axis=1)
    safe = jnp.where(is_there[:, None], points, ravel(e.like))
    spectra = jax.vmap(lambda v: spectrum_of(e.jacobian(v), residual=e.residual(v)))(safe)
    is_stable = spectra.is_stable & is_there
    # Where the response ended; one that diverged is near none of them.
    distance = jnp.linalg.norm(safe - rows[-1:], axis=1)
    distance = jnp.where(jnp.isfinite(distance), distance, 1e300)
    chosen = jnp.argmin(jnp.where(is_stable, distance, jnp.inf))
    has_stable = jnp.any(is_stable)
    v = safe[chosen]
    eye = jnp.eye(v.size, dtype=v.dtype)
    J = jnp.where(has_stable, e.jacobian(v), -eye)
    state = e.unravel(v)
    powers = powers_about(J, state, Noise(NOISE), eye, jnp.asarray(FREQUENCIES, v.dtype))
    energy = energy_about(StablePoint(circuit, x, state, J))
    energies = jax.vmap(lambda row: energy(e.unravel(row)))(rows)
    flow = _flow(circuit, x, window) if model.is_planar else jnp.zeros((2, 0, 0))
    judged = (spectra.eigenvalues, spectra.resolution, chosen, has_stable)
    return Around(flow, *judged, powers, energies)


def _flow(circuit: AbstractCircuit, x: Array, window: Array) -> Float[Array, "2 g g"]:
    """The velocities of both variables over a grid, whose rows are values of the second one."""
    axes = [jnp.linspace(0.0, 1.0, GRID) * (high - low) + low for low, high in window]
    first, second = jnp.meshgrid(*axes)
    return jnp.stack(jax.tree.leaves(vector_field(circuit, x, first, second)))
