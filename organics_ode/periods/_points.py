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

_ALIKE = 1e-9  # Inputs that differ by less, relative to the largest, are held as one.


@carded
class PeriodPoints(NamedTuple):
    """The points of one period, and how many of the states that were visited belong to them.

    At a slow point Jᵀf = 0 for f ≠ 0: an eigenvalue is 0 whatever the network does. So eigenvalues
    are reported for fixed points only.

    Attributes:
        found: the `SlowPoints` of every input that is held in the period.
        fixed: the share of the starts that came to a fixed point.
        stable: the share that came to a stable one.
        slow: the share that came to a slow point that is not fixed.
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

    Every trial is given its mean input over the period, held; trials with the same one are searched
    together by `oo.slow_points`. A point that is not fixed is slow if the state would move from it
    in the whole period by less than a part of its spread over all trials and times,

        √(2q) · (the period's length) < slow · √(Σ_i variance of entry i).

    Args:
        cell: a step of a circuit, such as `oo.Euler(circuit, dt)`.
        visit: what `periods.visit` found.
        period: the first step and the one after the last, as `task.periods` has them.
        slow: that part, > 0.

    Returns:
        A `PeriodPoints`. The list may be incomplete; starts that are missing from `fixed` and
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
    """The circuit of a cell, and how long a step takes."""
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
    """Every input that is held, and the trials that have it."""
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
