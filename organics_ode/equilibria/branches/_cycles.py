"""Limit cycles near a Hopf point, by simulation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...dynamics import simulate
from ...linear import Equations, ravel
from ._criticality import NormalForm, critical_pair
from ._family import Family
from ._system import System, solve

_PERIODS, _SAMPLES = 32, 64  # per run, and per period
_MEASURED = 8  # periods at the end of a run
_ROUNDS = 40
# The relative change of the extent allowed from run to run, by the bits of a number.
_SETTLED = {64: 1e-5, 32: 3e-3}
_SMALL = 1e-6  # of the units: an extent below which the oscillation has died out
_KICK = 1e-2  # of the units, where no amplitude is predicted
_MAX_STEPS = 200_000


class Orbit(NamedTuple):
    """Its period in ms (NaN if none was found), and the lowest and highest values, (d,)."""

    period: float
    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]


def cycles_near(system: System, z: np.ndarray, values: np.ndarray, form: NormalForm) -> list[Orbit]:
    """Where runs at these values end, each begun beside the fixed point there (host).

    z is the Hopf point in the circuit's units; the values lead away from it.
    """
    found, at = [], system.scaled(z[:-1], z[-1])
    across = np.eye(len(z))[-1]
    for value in values.tolist():
        guess = at.copy()
        guess[-1] = system.scaled(z[:-1], value)[-1]
        solved, done = solve(system, guess[None], across[None])
        if not done[0]:
            found += [_nothing(len(z) - 1)] * (len(values) - len(found))
            break
        at = solved[0]
        found.append(_orbit(system, system.physical(at), form))
    return found


def _nothing(size: int) -> Orbit:
    return Orbit(np.nan, np.full(size, np.nan), np.full(size, np.nan))


def _orbit(system: System, z: np.ndarray, form: NormalForm) -> Orbit:
    unit = system.scales.unit[:-1]
    growth, q, left = critical_pair(system.family, z, unit)
    # The cycle of ż = (ρ + iω) z + c z|z|² has |z|² = −ρ/Re c.
    is_born = form.is_known and form.cubic < 0 < growth.real
    radius = np.sqrt(-growth.real / form.cubic) if is_born else _KICK
    v, period = z[:-1] + unit * 2 * radius * np.real(q), 2 * np.pi / growth.imag
    before: Orbit | None = None
    for _ in range(_ROUNDS):
        run = _run(system.family, z[-1], v, period)
        if run is None:
            break
        ts, y = run
        here = _measured(ts, y, ((y - z[:-1]) / unit) @ left, period)
        extent = np.max((here.high - here.low) / unit)
        if not np.isfinite(here.period) or extent < _SMALL:
            break
        close = _SETTLED[jnp.finfo(system.family.x.dtype).bits]
        if before is not None and _is_same(before, here, unit, close * extent, close):
            return here
        before, v, period = here, y[-1], here.period
    return _nothing(len(v))


def _is_same(one: Orbit, other: Orbit, unit: np.ndarray, near: float, share: float) -> bool:
    moved = max(np.max(np.abs(a - b) / unit) for a, b in zip(one[1:], other[1:], strict=True))
    return bool(moved < near and abs(one.period - other.period) < share * one.period)


def _run(
    family: Family, value: float, v: np.ndarray, period: float
) -> tuple[np.ndarray, np.ndarray] | None:
    circuit, x = family.at(value)
    state = Equations(circuit, x, circuit.initial_state()).unravel(jnp.asarray(v, x.dtype))
    ts = np.linspace(0, _PERIODS * period, _PERIODS * _SAMPLES + 1)
    done = simulate(circuit, x, ts, state0=state, max_steps=_MAX_STEPS, throw=False)
    y = np.asarray(_rows(done.states), float)
    return (ts, y) if bool(done.succeeded) and np.all(np.isfinite(y)) else None


def _rows(states: tuple) -> Array:
    return jax.vmap(ravel)(states)


def _measured(ts: np.ndarray, y: np.ndarray, turning: np.ndarray, period: float) -> Orbit:
    """The period, from the times at which the critical component has turned once more, and the
    extremes."""
    phase = np.maximum.accumulate(np.unwrap(np.angle(turning)) / (2 * np.pi))
    turns = np.arange(np.ceil(phase[len(ts) // 2]), phase[-1])
    late = y[ts >= ts[-1] - _MEASURED * period]
    if len(turns) > 1:
        at = np.interp(turns, phase, ts)
        period = float((at[-1] - at[0]) / (len(at) - 1))
    else:
        period = np.nan
    return Orbit(period, -_highest(-late), _highest(late))


def _highest(y: np.ndarray) -> np.ndarray:
    """The maxima between samples, by the parabola through the three largest neighbours."""
    i = np.clip(np.argmax(y, axis=0), 1, len(y) - 2)
    column = np.arange(y.shape[1])
    a, b, c = y[i - 1, column], y[i, column], y[i + 1, column]
    bend = a - 2 * b + c
    is_top = (b >= a) & (b >= c) & (bend < 0)
    peak = b - (a - c) ** 2 / (8 * np.where(is_top, bend, -1))
    return np.where(is_top, peak, np.max(y, axis=0))
