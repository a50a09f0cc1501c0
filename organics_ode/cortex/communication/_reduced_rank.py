"""Reduced-rank regression of one population on another, with cross-validation."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..._axes import Axes, axes_of
from ..._cards import Card, carded
from ..._checks import as_known_array, counted, read_integer, refuse
from ..._tables import AbstractTabular, Table
from ..._types import Numbers


@carded
class ReducedRank(eqx.Module, AbstractTabular):
    """How well a population predicts another through few dimensions.

    - `ranks`: (r,), the numbers of dimensions that were used.
    - `performance`: (r,), 1 − squared error/variance on held-out data, averaged over the folds.
    - `standard_errors`: (r,), of these means.
    - `best_rank`: the smallest rank whose performance is within one standard error of the largest.
    - `by_fold`: (folds, r), the performance in each fold.
    """

    ranks: Int[np.ndarray, " r"]
    performance: Float[np.ndarray, " r"]
    standard_errors: Float[np.ndarray, " r"]
    best_rank: int
    by_fold: Float[np.ndarray, "folds r"]

    def to_table(self) -> Table:
        """Performance and its standard error for each rank."""
        columns = {"performance": self.performance, "standard_error": self.standard_errors}
        return Table({"rank": self.ranks}, columns)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw performance against rank, with its standard errors and the best rank (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.errorbar`.

        Returns:
            The axes.
        """
        ax, looks = axes_of(ax), {"marker": "o", "ms": 4, "capsize": 2} | kw
        bars = ax.errorbar(self.ranks, self.performance, self.standard_errors, **looks)
        at = np.flatnonzero(self.ranks == self.best_rank)
        colour = bars.lines[0].get_color()
        ax.plot(self.ranks[at], self.performance[at], "v", ms=9, color=colour)
        ax.set(xlabel="dimensions", ylabel="variance explained of held-out data")
        return ax

    def _card(self) -> Card:
        i = int(np.argmax(self.performance))
        facts = {
            "best rank": f"{self.best_rank}, within one standard error of rank {self.ranks[i]}",
            "performance there": f"{self.performance[i]:.4g} (s.e. {self.standard_errors[i]:.2g})",
        }
        tried = f"{counted(len(self.ranks), 'rank')}, {counted(len(self.by_fold), 'fold')}"
        return Card(f"ReducedRank: {tried}", facts)


def reduced_rank_regression(
    X: Numbers, Y: Numbers, ranks: Numbers | None = None, *, folds: int = 10
) -> ReducedRank:
    """Predict Y linearly from X through each number of dimensions, with cross-validation (host).

        Ŷ = X B V Vᵀ,   B the least squares of Y on X,   V the r leading right vectors of X B

    Both are centred on the means of the training data. Folds are contiguous. The best rank is the
    smallest whose mean performance is within one standard error of the largest.

    Args:
        X: (samples, k), the source, such as spike counts with the mean response removed.
        Y: (samples, l), the target.
        ranks: (r,), different integers from 1 to min(k, l); all of them unless given.
        folds: their number, from 2 to half the number of samples.

    Returns:
        A `ReducedRank`, with `.performance`, `.standard_errors` and `.best_rank`.

    Raises:
        ValueError: an argument is bad or NaN, or Y does not vary in some fold.

    Reference:
        Semedo, Zandvakili, Machens, Yu, Kohn, "Cortical areas interact through a communication
        subspace", Neuron 102 (2019).
    """
    X, Y = _read("X", X), _read("Y", Y)
    if len(X) != len(Y):
        refuse("Y", f"have the {len(X)} samples of `X`", f"it has {len(Y)}")
    most = min(X.shape[1], Y.shape[1])
    tried = np.arange(1, most + 1) if ranks is None else _read_ranks(ranks, most)
    must = f"be an integer from 2 to {len(X) // 2}, half of the samples"
    folds = read_integer("folds", folds, 2, must, len(X) // 2)
    parts = np.array_split(np.arange(len(X)), folds)
    by_fold = np.array([_performance(X, Y, part, tried) for part in parts])
    performance, errors = by_fold.mean(0), by_fold.std(0, ddof=1) / np.sqrt(folds)
    best = int(np.argmax(performance))
    enough = tried[performance >= performance[best] - errors[best]]
    return ReducedRank(tried, performance, errors, int(enough.min()), by_fold)


def _performance(X: np.ndarray, Y: np.ndarray, part: np.ndarray, ranks: np.ndarray) -> list[float]:
    """1 − squared error/variance on one part, predicted from all the rest."""
    rest = np.ones(len(X), bool)
    rest[part] = False
    means = X[rest].mean(0), Y[rest].mean(0)
    x, y = X[rest] - means[0], Y[rest] - means[1]
    B = np.linalg.lstsq(x, y, rcond=None)[0]
    V = np.linalg.svd(x @ B, full_matrices=False)[2]
    along = (X[part] - means[0]) @ B @ V.T
    left, variance = Y[part] - means[1], np.sum((Y[part] - Y[part].mean(0)) ** 2)
    if not variance > 0:
        refuse("Y", "vary within each fold", "one fold is constant")
    return [1 - np.sum((left - along[:, :r] @ V[:r]) ** 2) / variance for r in ranks]


def _read(name: str, values: Any) -> np.ndarray:
    array = np.asarray(as_known_array(name, values))
    if array.ndim != 2 or array.dtype.kind not in "biuf" or not array.shape[1]:
        must = "be real numbers of shape (samples, units)"
        refuse(name, must, f"it has shape {array.shape} and the dtype {array.dtype}")
    array = array.astype(float)
    if not np.all(np.isfinite(array)):
        refuse(name, "be finite", "it holds NaN or infinite values; leave those samples out")
    return array


def _read_ranks(ranks: Any, most: int) -> np.ndarray:
    found = np.asarray(as_known_array("ranks", ranks))
    is_fine = found.ndim == 1 and found.size and found.dtype.kind in "iu"
    if not is_fine or found.min() < 1 or found.max() > most or np.unique(found).size < found.size:
        must = f"be different integers from 1 to {most}, the smaller number of units"
        refuse("ranks", must, f"they are {ranks}")
    return np.sort(found)
