"""Limit cycles: the ends of orbits that do not come to rest."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._types import Limits, Numbers
from ..circuits import AbstractCircuit
from ..linear import Equations
from ._circuit_plane import CircuitPlane, circuit_plane
from ._orbits import Flow, closed, first_return, flow_of, scale_of, settled
from ._plane import joined, read_known, read_window
from ._results import LimitCycle, rows_of

_BESIDE = 0.01  # of the window: the distance of starts beside the fixed points
_STEPS, _TURN = 3000, 20_000  # to settle, and for one turn
_MOST_STEPS, _FINER = 2**16, 4
_NEWTON, _CLOSED, _SAME = 12, 1e-4, 1e-3
_SHOWN = 400


def limit_cycles(
    circuit: AbstractCircuit,
    x: Numbers,
    *,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
    y_range: Limits | None = None,
    a_range: Limits | None = None,
) -> tuple[LimitCycle, ...]:
    """The limit cycles reached by orbits from a grid of starts and from beside the fixed points.

    Orbits forward in time find stable cycles; in a plane orbits backward in time also find unstable
    ones. An orbit that does not come to rest is closed by Newton's method on a start and a period
    (shooting), and the eigenvalues of its derivative, the Floquet multipliers, decide its
    stability. The list may be incomplete. A host function.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        variables: two variables by name, as in `vector_field`.
        others: a state at which the other variables are held, as in `vector_field`.
        y_range, a_range: the window of the starts, (low, high) of the first and of the second
            variable; around the fixed points unless given.

    Returns:
        A `LimitCycle` for each, by increasing period; empty if none was found.

    Raises:
        ValueError: an argument is bad.
    """
    circuit, x = read_known(circuit, x)
    plane = circuit_plane(circuit, x, variables, others)
    window = read_window(y_range, a_range) or plane.window()
    starts, points, kinds = _starts(plane, window)
    found: list[LimitCycle] = []
    for sign in (1, -1) if plane.is_planar else (1,):
        flow = flow_of(plane.circuit, x, scale_of(starts, points), sign)
        is_end = [kind.startswith("stable" if sign > 0 else "unstable") for kind in kinds]
        codes, ends = settled(flow, starts, points, np.flatnonzero(is_end), _STEPS)
        for end in ends[codes == -2]:
            if np.all(np.isfinite(end)) and not _is_known(found, flow, end):
                cycle = _cycle(plane, flow, jnp.asarray(end, x.dtype), sign)
                found += [] if cycle is None or _is_double(found, cycle) else [cycle]
    return tuple(sorted(found, key=lambda cycle: cycle.period))


def _starts(plane: CircuitPlane, window: tuple) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """States all over the window and beside the fixed points; the fixed points and their kinds."""
    found = plane.fixed_points(window)
    low, high = joined(window).T
    steps = _BESIDE * (high - low) * np.array([[1, 0], [-1, 0]])
    beside = np.reshape(found.pairs[:, None, :] + steps, (-1, 2))
    starts = np.concatenate([plane.starts(window), plane.lifted(beside)])
    return starts, rows_of(found.states), found.kinds


def _cycle(plane: CircuitPlane, flow: Flow, start: Array, sign: int) -> LimitCycle | None:
    """The cycle near the end of an orbit; None if it does not close."""
    back = first_return(flow, start, np.array(_TURN))
    period, shortest = float(back.period), float(back.shortest)
    if not np.isfinite(period) or not np.isfinite(shortest):
        return None
    steps = 1 << int(np.ceil(np.log2(max(_FINER * period / shortest, 64))))
    if steps > _MOST_STEPS:
        return None
    scale, v = np.asarray(flow.scale, float), np.asarray(start, float)
    across = np.asarray(flow.velocity(start), float) / scale**2
    accuracy = float(jnp.finfo(start.dtype).eps) ** 0.6
    for _ in range(_NEWTON):
        orbit, M, rate = closed(flow, jnp.asarray(v, start.dtype), period, steps)
        gap = orbit[-1] - v
        matrix = np.block([[M - np.eye(len(v)), rate[:, None]], [across[None], np.zeros((1, 1))]])
        move = np.linalg.lstsq(matrix, np.append(-gap, 0.0), rcond=None)[0]
        v, period = v + move[:-1], period + move[-1]
        if not np.all(np.isfinite(v)) or period <= 0:
            return None
        if np.max(np.abs(move[:-1]) / scale) < accuracy:
            break
    orbit, M, _ = closed(flow, jnp.asarray(v, start.dtype), period, steps)
    extent = np.max(np.ptp(orbit, axis=0) / scale)
    if not np.max(np.abs(orbit[-1] - v) / scale) < _CLOSED * extent or extent < _CLOSED:
        return None
    return _described(plane, orbit, period, np.linalg.eigvals(M), sign)


def _described(
    plane: CircuitPlane, orbit: np.ndarray, period: float, values: np.ndarray, sign: int
) -> LimitCycle:
    kept = np.linspace(0, len(orbit) - 1, min(len(orbit), _SHOWN + 1)).round().astype(int)
    orbit = orbit[kept][::sign]
    like = plane.circuit.initial_state()
    states = jax.vmap(Equations(plane.circuit, plane.x, like).unravel)(
        jnp.asarray(orbit, plane.dtype)
    )
    multipliers = values.astype(complex) ** sign
    return LimitCycle(float(period), states, orbit[:, list(plane.at)], multipliers, plane.names)


def _is_known(found: list[LimitCycle], flow: Flow, end: np.ndarray) -> bool:
    """Whether the end of an orbit lies on a known cycle."""
    return any(
        np.min(np.max(np.abs(rows_of(cycle.states) - end) / np.asarray(flow.scale), axis=1))
        < 5 * _spacing(rows_of(cycle.states) / np.asarray(flow.scale))
        for cycle in found
    )


def _spacing(points: np.ndarray) -> float:
    return float(np.max(np.abs(np.diff(points, axis=0)))) / 5


def _is_double(found: list[LimitCycle], cycle: LimitCycle) -> bool:
    """Whether it has the period and the extent of a known cycle."""
    return any(
        abs(each.period - cycle.period) < _SAME * cycle.period
        and np.allclose(each.pairs.min(0), cycle.pairs.min(0), rtol=1e-2, atol=_SAME)
        and np.allclose(each.pairs.max(0), cycle.pairs.max(0), rtol=1e-2, atol=_SAME)
        for each in found
    )
