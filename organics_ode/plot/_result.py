"""The picture that one would look at first, for any result that has one."""

from collections.abc import Callable
from typing import Any

from .._axes import Axes
from .._checks import a_or_an, refuse
from .._tables import AbstractTabular
from ..dynamics import Trajectory
from ..equilibria import AbstractPoints
from ..linear import Spectrum
from ..noise import Paths
from ..planar import Bifurcation
from ..population import MixedSelectivity, PrincipalComponents, Tuning
from ..robustness import PhaseDiagram
from ..stability import Oscillator
from ..training import EnsembleResult, FitResult, History, SkipResult
from ._dynamics import plot_history, plot_trajectory
from ._planar import plot_bifurcation
from ._population import plot_explained_variance, plot_selectivity, plot_tuning
from ._robustness import plot_phase_diagram
from ._stability import plot_eigenvalues, plot_spectrum


def _plot_spectra(spectrum: Spectrum, ax: Axes | None, **kw: Any) -> Axes:
    """One in the plane, many as a density."""
    plot = plot_spectrum if spectrum.eigenvalues.ndim == 1 else plot_eigenvalues
    return plot(spectrum, ax, **kw)


_PLOTS: dict[type, Callable[..., Axes]] = {
    Trajectory: plot_trajectory,
    Paths: plot_trajectory,
    History: plot_history,
    FitResult: plot_history,
    EnsembleResult: plot_history,
    SkipResult: plot_history,
    Spectrum: _plot_spectra,
    AbstractPoints: plot_spectrum,
    Oscillator: plot_spectrum,
    Bifurcation: plot_bifurcation,
    PhaseDiagram: plot_phase_diagram,
    Tuning: plot_tuning,
    MixedSelectivity: plot_selectivity,
    PrincipalComponents: plot_explained_variance,
}


def plot_result(result: Any, ax: Axes | None = None, **kw: Any) -> Axes:
    """The picture of a result: what the function `plot_…` for its kind draws.

    Trajectories and paths over time, trainings over their steps, spectra and points of rest by
    their eigenvalues, bifurcations, phase diagrams, tuning, selectivity and explained variance;
    results that have a `plot` of their own, by that.

    Args:
        result: a `Trajectory`, a `FitResult`, a `Spectrum`, …
        ax: matplotlib axes.
        kw: passed to that function.

    Returns:
        The axes.

    Raises:
        ValueError: there is no picture of it; its printed card says what it holds.
    """
    for kind, plot in _PLOTS.items():
        if isinstance(result, kind):
            return plot(result, ax=ax, **kw)
    if isinstance(result, AbstractTabular) and hasattr(result, "plot"):  # those of the cortex
        return result.plot(ax, **kw)
    names = ", ".join(kind.__name__.removeprefix("Abstract") for kind in _PLOTS)
    refuse("result", f"be one of {names}", f"it is {a_or_an(type(result).__name__)}")
