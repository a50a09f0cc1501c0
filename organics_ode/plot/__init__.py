"""Pictures. Each function draws into `ax` (a new figure's unless given) and returns it."""

from ._dynamics import plot_history as plot_history, plot_trajectory as plot_trajectory
from ._noise import plot_power_spectrum as plot_power_spectrum
from ._planar import (
    plot_bifurcation as plot_bifurcation,
    plot_phase_portrait as plot_phase_portrait,
)
from ._robustness import plot_phase_diagram as plot_phase_diagram
from ._stability import (
    plot_abscissae as plot_abscissae,
    plot_eigenvalues as plot_eigenvalues,
    plot_energy as plot_energy,
    plot_spectrum as plot_spectrum,
)
