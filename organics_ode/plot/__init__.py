"""Pictures. Each function draws into `ax` (by default that of a new figure) and returns it."""

from ._bifurcation import plot_bifurcation as plot_bifurcation
from ._dynamics import plot_history as plot_history, plot_trajectory as plot_trajectory
from ._networks import (
    plot_attractors as plot_attractors,
    plot_phase_diagram as plot_phase_diagram,
    plot_phase_map as plot_phase_map,
    plot_readout_error as plot_readout_error,
    plot_solutions as plot_solutions,
)
from ._noise import plot_coherence as plot_coherence, plot_power_spectrum as plot_power_spectrum
from ._planar import plot_phase_portrait as plot_phase_portrait
from ._population import (
    plot_explained_variance as plot_explained_variance,
    plot_selectivity as plot_selectivity,
    plot_slow_points as plot_slow_points,
    plot_tuning as plot_tuning,
)
from ._result import plot_result as plot_result
from ._stability import (
    plot_abscissae as plot_abscissae,
    plot_eigenvalues as plot_eigenvalues,
    plot_energy as plot_energy,
    plot_lyapunov as plot_lyapunov,
    plot_spectrum as plot_spectrum,
)
from ._sweep import plot_sweep as plot_sweep
from ._trials import (
    plot_chronometric as plot_chronometric,
    plot_leading_eigenvalues as plot_leading_eigenvalues,
    plot_psychometric as plot_psychometric,
    plot_state_space as plot_state_space,
)
