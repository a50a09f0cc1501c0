"""Fixed and slow points near the states that a network visits in one period of its trials."""

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from .._cards import carded
from .._checks import a_or_an, as_known_array, check_kind, check_positive_number, refuse, shown
from .._constraints import resolve
from ..cells import AbstractCell
from ..circuits import AbstractCircuit
from ..equilibria import SlowPoints, slow_points
from ._visit import Visit

_ALIKE = 1e-9  # Inputs that differ by less than this, relative to the largest, count as one.


@carded
class PeriodPoints(NamedTuple):
    """The points of one period, and how many of the visited states belong to them.

    At a slow point Jᵀf = 0 with f ≠ 0, so one eigenvalue is 0 whatever the network does.
    Eigenvalues are therefore reported for fixed points only.

    Attributes:
        found: the `SlowPoints` for every input that is held in the period.
        fixed: the fraction of starts that reached a fixed point.
        stable: the fraction that reached a stable one.
        slow: the fraction that reached a slow point that is not fixed.
        distinct: the number of fixed and slow points.
        abscissa: the median over the fixed points of the largest Re λ, 1/ms; NaN without any.
    """

    found: tuple[SlowPoints, ...]
    fixed: float
    stable: float
    slow: float
    distinct: int
    abscissa: float


def points(
    cell: AbstractCell, visit: Visit, period: tuple[int, int], *, slow: float = 0.1
) -> PeriodPoints:
    """The fixed and slow points of a period, from the states in its middle and at its end (host).

    In every trial the mean input over the period is held; trials with the same mean are searched
    together by `oo.slow_points`. A point that is not fixed counts as slow if over the whole period
    the state would move away from it by less than a share of its spread over all trials and times,

        √(2q) · (the period's length) < slow · √(Σ_i variance of entry i).

    Args:
        cell: a step of a circuit, such as `oo.Euler(circuit, dt)`.
        visit: the result of `periods.visit`.
        period: the first step and the one after the last, as in `task.periods`.
        slow: that share, > 0.

    Returns:
        A `PeriodPoints`. The list may be incomplete; starts that count neither as `fixed` nor as
        `slow` ended in faster minima of the speed.

    Raises:
        ValueError: an argument is bad.
    """
    circuit, dt = _step(cell)
    check_kind("visit", visit, Visit)
    check_positive_number("slow", slow)
    start, stop = _read_period(period, visit.inputs.shape[1])
    times = np.array([(start + stop) // 2, stop - 1])
    found = []
    for x, own in _held(np.asarray(visit.inputs[:, start:stop])):
        starts = jax.tree.map(lambda leaf, own=own: leaf[own][:, times], visit.states)
        found.append(slow_points(circuit, x, starts))
    return _counted(tuple(found), slow * _spread(visit) / (dt * (stop - start)))


@runtime_checkable
class _Step(Protocol):
    circuit: AbstractCircuit
    dt: float | Float[Array, ""]


def _step(cell: AbstractCell) -> tuple[AbstractCircuit, float]:
    """The circuit of a cell, and the length of its step."""
    if not isinstance(cell, _Step):
        must = "be a step of a circuit, such as `oo.Euler(circuit, dt)`"
        refuse("cell", must, f"it is {a_or_an(type(cell).__name__)}")
    return resolve(cell.circuit), float(cell.dt)


def _read_period(period: tuple[int, int], steps: int) -> tuple[int, int]:
    """The first step of a period and the one after its last."""
    array = as_known_array("period", period)
    is_pair = array.shape == (2,) and np.issubdtype(array.dtype, np.integer)
    if not is_pair or not 0 <= array[0] < array[1] <= steps:
        must = f"be the first step and the one after the last, 0 <= first < last <= {steps}"
        refuse("period", must, f"it is {shown(period)}")
    return int(array[0]), int(array[1])


def _held(inputs: Float[np.ndarray, "trials time m"]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every input that is held, and the trials with it."""
    means = inputs.mean(axis=1)
    scale = np.abs(means).max() or 1.0
    _, groups = np.unique(np.round(means / (scale * _ALIKE)), axis=0, return_inverse=True)
    rows = [np.flatnonzero(groups.ravel() == group) for group in range(groups.max() + 1)]
    return [(means[own[0]], own) for own in rows]


def _spread(visit: Visit) -> float:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(visit.states)]
    return float(np.sqrt(sum(leaf.var(axis=(0, 1)).sum() for leaf in leaves)))


def _counted(found: tuple[SlowPoints, ...], slowest: float) -> PeriodPoints:
    def over_all(name: str) -> np.ndarray:
        return np.concatenate([np.asarray(getattr(some, name)) for some in found])

    hits, fixed, abscissae = over_all("hits"), over_all("is_fixed"), over_all("abscissae")
    slow = ~fixed & (np.sqrt(2 * over_all("speeds")) < slowest)
    starts = sum(some.starts for some in found)

    def share(kind: Bool[np.ndarray, " k"]) -> float:
        return float(hits[kind].sum() / starts)

    return PeriodPoints(
        found=found,
        fixed=share(fixed),
        stable=share(fixed & over_all("is_stable")),
        slow=share(slow),
        distinct=int((fixed | slow).sum()),
        abscissa=float(np.median(abscissae[fixed])) if fixed.any() else float("nan"),
    )
