"""The default picture of any result that has one."""

import functools
from collections.abc import Callable
from typing import Any

from .._axes import Axes
from .._checks import a_or_an, refuse
from .._tables import AbstractTabular
from ..dynamics import Trajectory
from ..equilibria import AbstractPoints, Branches
from ..linear import Spectrum
from ..noise import Paths
from ..planar import Bifurcation, PlanarFixedPoints
from ..population import MixedSelectivity, PrincipalComponents, Tuning
from ..robustness import PhaseDiagram
from ..stability import Oscillator
from ..studies import Sweep
from ..training import EnsembleResult, FitResult, History, SkipResult
from ._bifurcation import plot_bifurcation
from ._dynamics import plot_history, plot_trajectory
from ._networks import (
    plot_attractors,
    plot_phase_diagram,
    plot_phase_map,
    plot_readout_error,
    plot_solutions,
)
from ._population import plot_explained_variance, plot_selectivity, plot_tuning
from ._stability import plot_eigenvalues, plot_spectrum
from ._sweep import plot_sweep
from ._trials import plot_chronometric, plot_psychometric

# Results of `tasks`, which is not imported here, are known by the field beside `strengths`.
_CURVES: dict[str, Callable[..., Axes]] = {"rates": plot_psychometric, "times": plot_chronometric}


def _plot_spectra(spectrum: Spectrum, ax: Axes | None, **kw: Any) -> Axes:
    """One spectrum in the plane, many as a density."""
    plot = plot_spectrum if spectrum.eigenvalues.ndim == 1 else plot_eigenvalues
    return plot(spectrum, ax, **kw)


@functools.cache
def _plots() -> dict[type, Callable[..., Axes]]:
    """The plotting function for each kind of result."""
    # Studies are imported only when they are asked for, as in `_namespace`.
    from ..feedback import Attractors, Trained
    from ..mean_field import PhaseMap, Solutions

    return {
        Trajectory: plot_trajectory,
        Paths: plot_trajectory,
        History: plot_history,
        FitResult: plot_history,
        EnsembleResult: plot_history,
        SkipResult: plot_history,
        Spectrum: _plot_spectra,
        AbstractPoints: plot_spectrum,
        PlanarFixedPoints: plot_spectrum,
        Oscillator: plot_spectrum,
        Bifurcation: plot_bifurcation,
        Branches: plot_bifurcation,
        PhaseDiagram: plot_phase_diagram,
        Sweep: plot_sweep,
        Solutions: plot_solutions,
        PhaseMap: plot_phase_map,
        Attractors: plot_attractors,
        Trained: plot_readout_error,
        Tuning: plot_tuning,
        MixedSelectivity: plot_selectivity,
        PrincipalComponents: plot_explained_variance,
    }


def plot_result(result: Any, ax: Axes | None = None, **kw: Any) -> Axes:
    """The default picture of a result, drawn by the function `plot_…` for its kind.

    It draws trajectories and paths over time, training runs over their steps, spectra and fixed or
    slow points by their eigenvalues, bifurcations, phase diagrams, sweeps, states at rest of
    feedback networks, tuning, selectivity and explained variance, and psychometric and chronometric
    curves. Results that have their own `plot` method are drawn by it.

    Args:
        result: a `Trajectory`, a `FitResult`, a `Spectrum`, …
        ax: matplotlib axes.
        kw: passed to the function that draws it.

    Returns:
        The axes.

    Raises:
        ValueError: there is no picture of this kind of result.
    """
    for kind, plot in _plots().items():
        if isinstance(result, kind):
            return plot(result, ax=ax, **kw)
    draw = getattr(result, "plot", None)
    if isinstance(result, AbstractTabular) and draw is not None:  # those of the cortex
        return draw(ax, **kw)
    for values, plot in _CURVES.items():
        if hasattr(result, "strengths") and hasattr(result, values):
            return plot(result, ax=ax, **kw)
    names = [kind.__name__.removeprefix("Abstract") for kind in _plots()]
    must = f"be one of {', '.join(names)}, Psychometric, Chronometric"
    refuse("result", must, f"it is {a_or_an(type(result).__name__)}")
