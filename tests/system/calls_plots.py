"""Calls of the plots, which draw into axes of their own and are rendered."""

import functools

import jax.numpy as jnp
import matplotlib
import numpy as np
import objects
from calls_parts import TS, Call, draw, flip_flop, key, network, planar_circuit, point, responses
from matplotlib import pyplot
from matplotlib.figure import Figure

import organics_ode as oo
import tasks
from organics_ode import feedback, mean_field, planar, population, robustness

matplotlib.use("Agg")


def rendered(plot):
    """The plot with its picture made, and no figure left open."""

    @functools.wraps(plot)
    def call(**arguments):
        try:
            ax = plot(**arguments)
            ax.figure.canvas.draw()
        finally:
            pyplot.close("all")
        return ax

    return call


def drawn(plot, arguments):
    return Call(rendered(plot), lambda s: arguments(s) | {"ax": Figure().subplots()})


def eigenvalues(seed, *shape):
    return -draw(seed, *shape) + 1j * draw(seed + 1, *shape)


def spectra(seed):
    values = jnp.asarray(eigenvalues(seed, 2, 4))
    return oo.Spectrum(values, None, values.real.max(axis=1))


def path(seed):
    return oo.Paths(jnp.arange(2.0), oo.ORGaNICsState(*jnp.asarray(draw(seed, 2, 2, 2))))


def points(seed):
    speeds = jnp.zeros(2)
    return oo.SlowPoints(path(seed).states, speeds, spectra(seed), jnp.ones(2, int), speeds)


def curve(seed):
    strengths, chosen = np.array([0.1, 0.1, 0.5, 0.5]), np.array([0, 1, 1, 1])
    return tasks.psychometric(strengths + 0.01 * seed, chosen)


def components(seed):
    return population.principal_components(responses(seed, 6, 2), 2)


def shares(seed):
    trials = np.arange(8)
    first, second = trials % 2, trials // 2 % 2
    return population.mixed_selectivity(responses(seed, 8, 2), first, second, (2, 2))


@functools.cache
def diagram():
    return robustness.phase_diagram(
        [0.1, 0.5], [0.5, 1.0], key=key(0), size=4, trials=1, progress=False
    )


@functools.cache
def branches():
    return planar.bifurcation(planar_circuit(0), draw(0, 1), "sigma", np.array([0.1, 0.2, 0.3]))


@functools.cache
def energy():
    return oo.energy(**point(0))


PERIODS = {"fixation": (0, 1), "motion": (1, 2)}
CALLS: dict[str, Call] = {
    "plot_abscissae": drawn(oo.plot_abscissae, lambda s: {"abscissae": draw(s, 5)}),
    "plot_bifurcation": drawn(
        oo.plot_bifurcation, lambda s: {"bifurcation": branches(), "name": "y"}
    ),
    "plot_chronometric": drawn(
        oo.plot_chronometric,
        lambda s: {"curve": tasks.chronometric(np.array([0.1, 0.1, 0.5, 0.5]), draw(s, 4))},
    ),
    "plot_eigenvalues": drawn(oo.plot_eigenvalues, lambda s: {"spectra": eigenvalues(s, 5)}),
    "plot_energy": drawn(
        oo.plot_energy,
        lambda s: {"energy": energy(), "trajectory": path(s), "terms": False},
    ),
    "plot_explained_variance": drawn(
        oo.plot_explained_variance, lambda s: {"components": components(s)}
    ),
    "plot_history": drawn(
        oo.plot_history, lambda s: {"history": objects.history(), "name": "seconds"}
    ),
    "plot_leading_eigenvalues": drawn(
        oo.plot_leading_eigenvalues,
        lambda s: {"ts": TS[:2] + s, "spectra": spectra(s), "count": 2, "periods": PERIODS},
    ),
    "plot_attractors": drawn(
        oo.plot_attractors,
        lambda s: {
            "attractors": feedback.Attractors(
                jnp.asarray(draw(s, 2)), jnp.asarray(draw(s, 2, 3)), np.array([2, 1 + s]), 1
            )
        },
    ),
    "plot_lyapunov": drawn(oo.plot_lyapunov, lambda s: {"exponents": draw(s, 3)}),
    "plot_readout_error": drawn(
        oo.plot_readout_error,
        lambda s: {
            "trained": feedback.Trained(
                network(s, 3), jnp.ones(3), jnp.zeros(()), jnp.asarray(draw(s, 4))
            )
        },
    ),
    "plot_solutions": drawn(
        oo.plot_solutions,
        lambda s: {
            "solutions": mean_field.Solutions(
                *draw(s, 3, 2), eigenvalues(s, 2), eigenvalues(s, 2, 2), np.ones(2, bool)
            )
        },
    ),
    "plot_phase_map": drawn(
        oo.plot_phase_map,
        lambda s: {
            "phases": mean_field.PhaseMap(
                np.ones((2, 3), int), draw(s, 2, 3) > 0, eigenvalues(s, 2, 3), draw(s, 2, 3)
            ),
            "targets": np.arange(3.0) + s,
            "rows": None,
        },
    ),
    "plot_phase_diagram": drawn(oo.plot_phase_diagram, lambda s: {"diagram": diagram()}),
    "plot_phase_portrait": drawn(
        oo.plot_phase_portrait,
        lambda s: {
            "circuit": planar_circuit(s),
            "x": draw(s, 1),
            "y_range": (-1.0, 1.0),
            "a_range": (0.0, 1.0),
            "points": 3,
        },
    ),
    "plot_power_spectrum": drawn(
        oo.plot_power_spectrum,
        lambda s: {"frequencies": np.array([1.0, 2.0 + s]), "power": draw(s, 2, 2), "units": [1]},
    ),
    "plot_coherence": drawn(
        oo.plot_coherence,
        lambda s: {"frequencies": np.array([1.0, 2.0 + s]), "coherence": draw(s, 2, 2, 2)},
    ),
    "plot_result": drawn(oo.plot_result, lambda s: {"result": path(s)}),
    "plot_psychometric": drawn(oo.plot_psychometric, lambda s: {"curve": curve(s)}),
    "plot_selectivity": drawn(
        oo.plot_selectivity, lambda s: {"shares": shares(s), "names": ("motion", "color")}
    ),
    "plot_slow_points": drawn(
        oo.plot_slow_points, lambda s: {"points": points(s), "components": components(s)}
    ),
    "plot_spectrum": drawn(oo.plot_spectrum, lambda s: {"spectra": eigenvalues(s, 5)}),
    "plot_state_space": drawn(
        oo.plot_state_space,
        lambda s: {"projections": draw(s, 2, 2, 2), "periods": PERIODS, "labels": ["a", "b"]},
    ),
    "plot_trajectory": drawn(
        oo.plot_trajectory, lambda s: {"trajectory": path(s), "name": "a", "units": [0]}
    ),
    "plot_sweep": drawn(
        oo.plot_sweep,
        lambda s: {
            "sweep": oo.Sweep({"tau_a": draw(s, 3), "x[0]": draw(s, 2)}, draw(s, 3, 2)),
            "name": "value",
            "units": None,
        },
    ),
    "plot_tuning": drawn(
        oo.plot_tuning,
        lambda s: {
            "tuning": population.tuning(responses(s, 6, 2), 6 * draw(s, 6), bins=4),
            "units": None,
        },
    ),
    "tasks.FlipFlop.plot": drawn(flip_flop().plot, lambda s: {"trial": flip_flop().sample(key(s))}),
}
