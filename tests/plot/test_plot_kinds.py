"""Every plot against every kind of thing: it draws what it is for, or refuses in so many words."""

import functools
from types import SimpleNamespace

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot

import organics_ode as oo
from organics_ode import feedback, mean_field, planar, population, robustness

pytestmark = pytest.mark.usefixtures("unchecked")
K, N, T = 3, 2, 5  # points, units, times
RNG = np.random.default_rng(0)


def a_state(*axes):
    y, a = RNG.uniform(0.5, 1, size=(2, *axes, N))
    return oo.ORGaNICsState(jnp.asarray(y), jnp.asarray(a))


def a_spectrum(*axes):
    values = RNG.normal(size=(*axes, 2 * N)) + 1j
    return oo.Spectrum(jnp.asarray(values), None, jnp.zeros(axes))


STATS = {"t_reached": 2.0, "num_accepted_steps": 3, "num_rejected_steps": 0, "largest": 1.0}


def a_trajectory(states, *axes):
    ts, result = np.broadcast_to(np.arange(1.0 * T), (*axes, T)), diffrax.RESULTS.successful
    return oo.Trajectory(jnp.asarray(ts), states, result, STATS, "by hand")


ZEROS, ONES = jnp.zeros(K), jnp.ones(K, jnp.int32)
REACHED = a_state(T)
FAILED = jax.tree.map(lambda leaf: leaf.at[3:].set(jnp.inf), REACHED)
UNIT = oo.ORGaNICs(np.ones((1, 1)), 2 * np.ones((1, 1)), np.ones((1, 1)), 0.1, 0.5, 0.5, 2.0, 2.0)
PARTS = jnp.asarray(RNG.uniform(0.1, 1, size=(4, N)))
COMPONENTS = population.PrincipalComponents(jnp.ones(N), jnp.eye(N), jnp.asarray([0.7, 0.3]))
SHARES = population.MixedSelectivity(*PARTS)
BLANK = np.full((2, 2, 2), np.nan)
AXIS = np.array([0.1, 1.0])
BULKS = np.ones(K, complex), np.ones((K, 2), complex)


@functools.cache
def kinds():
    return {
        "points": oo.FixedPoints(a_state(K), ZEROS, a_spectrum(K), ONES),
        "no points": oo.FixedPoints(a_state(0), ZEROS[:0], a_spectrum(0), ONES[:0]),
        "slow points": oo.SlowPoints(a_state(K), ZEROS + 1, a_spectrum(K), ONES, ZEROS + 1),
        "a point": SimpleNamespace(state=a_state(), abscissa=jnp.asarray(-1.0)),
        "spectrum": a_spectrum(),
        "spectra": a_spectrum(T),
        "state": a_state(),
        "states": [a_state() for _ in range(K)],
        "trajectory": a_trajectory(REACHED),
        "failed trajectory": a_trajectory(FAILED),
        "batch of trajectories": a_trajectory(a_state(K, T), K),
        "paths": oo.Paths(jnp.arange(1.0 * T), REACHED),
        "energy": oo.Energy(
            a_state(), jnp.array(1), *PARTS, jnp.zeros((N, N)), jnp.zeros((2 * N, 2 * N))
        ),
        "history": oo.History([{"step": 1, "loss": 2.0}]),
        "fit": oo.FitResult(None, oo.History([{"step": 1, "loss": 2.0}])),
        "circuit": UNIT,
        "planar points": planar.fixed_points(UNIT, np.ones(1)),
        "bifurcation": planar.bifurcation(UNIT, [1.0], "W_r", [0.5, 2.5]),
        "diagram": robustness.PhaseDiagram(AXIS, AXIS, np.zeros((2, 2, 2), np.int8), *[BLANK] * 3),
        "sweep": oo.Sweep({"tau_a": AXIS}, AXIS),
        "solutions": mean_field.Solutions(*RNG.normal(size=(3, K)), *BULKS, RNG.normal(size=K) > 0),
        "phases": mean_field.PhaseMap(ONES[None], ZEROS[None] > 0, BULKS[0][None], ZEROS[None]),
        "attractors": feedback.Attractors(ZEROS, jnp.ones((K, 4)), np.ones(K, int), 1),
        "tuning": population.Tuning(jnp.arange(4.0), *jnp.ones((2, 4, N)), jnp.ones(4, jnp.int32)),
        "shares": SHARES,
        "shares of no trials": population.MixedSelectivity(*(jnp.nan * PARTS)),
        "components": COMPONENTS,
        "vector": RNG.normal(size=T),
        "complex vector": RNG.normal(size=T) + 1j,
        "matrix": RNG.normal(size=(T, 2)),
        "square": RNG.normal(size=(N, N)),
        "trials": RNG.normal(size=(2, T, 3)),
        "complex matrices": np.ones((T, 2, 2)) + 1j,
        "nothing finite": np.full(T, np.nan),
        "flags": np.ones(T, bool),
        "names": ["a", "b"],
        "text": "loss",
        "none": None,
        "number": 1.0,
    }


ARRAYS = {"vector", "complex vector", "matrix", "trials", "complex matrices", "number"}
HOLDERS = {"points", "slow points", "spectrum", "spectra", "planar points", "bifurcation"}
PATHS = {"trajectory", "failed trajectory", "paths"}
TS, PATH = np.arange(1.0 * T), a_trajectory(REACHED)
# What is called, and which kinds it takes; it refuses all others.
PLOTS = {
    "history": (oo.plot_history, {"history", "fit"}),
    "trajectory": (oo.plot_trajectory, PATHS),
    "spectrum": (oo.plot_spectrum, HOLDERS | ARRAYS),
    "eigenvalues": (oo.plot_eigenvalues, HOLDERS | ARRAYS),
    "abscissae": (
        oo.plot_abscissae,
        {"points", "slow points", "a point", "spectrum", "spectra", "square"}
        | (ARRAYS - {"complex vector", "complex matrices"}),
    ),
    "energy": (lambda v: oo.plot_energy(v, PATH), {"energy"}),
    "energy along": (lambda v: oo.plot_energy(kinds()["energy"], v), PATHS),
    "leading": (lambda v: oo.plot_leading_eigenvalues(TS, v), {"spectra"}),
    "leading over": (
        lambda v: oo.plot_leading_eigenvalues(v, kinds()["spectra"]),
        {"vector"},
    ),
    "state space": (oo.plot_state_space, {"matrix", "square", "trials"}),
    "psychometric": (oo.plot_psychometric, set()),
    "chronometric": (oo.plot_chronometric, set()),
    "portrait": (lambda v: oo.plot_phase_portrait(v, np.ones(1), points=4), {"circuit"}),
    "portrait at": (lambda v: oo.plot_phase_portrait(UNIT, v, points=4), {"number"}),
    "bifurcation": (oo.plot_bifurcation, {"bifurcation"}),
    "diagram": (oo.plot_phase_diagram, {"diagram"}),
    "sweep": (oo.plot_sweep, {"sweep"}),
    "solutions": (oo.plot_solutions, {"solutions"}),
    "phase map": (oo.plot_phase_map, {"phases"}),
    "phase map over": (lambda v: oo.plot_phase_map(kinds()["phases"], targets=v), {"none"}),
    "attractors": (oo.plot_attractors, {"attractors"}),
    "readout error": (oo.plot_readout_error, set()),
    "exponents": (oo.plot_lyapunov, {"vector", "matrix", "square"}),
    "tuning": (oo.plot_tuning, {"tuning"}),
    "selectivity": (oo.plot_selectivity, {"shares"}),
    "explained": (oo.plot_explained_variance, {"components"}),
    "slow points": (
        lambda v: oo.plot_slow_points(v, COMPONENTS),
        {"points", "no points", "slow points"},
    ),
    "slow points in": (
        lambda v: oo.plot_slow_points(kinds()["points"], v),
        {"components", "none"},
    ),
    "power over": (lambda v: oo.plot_power_spectrum(v, np.ones((T, 2))), {"vector"}),
    "power": (lambda v: oo.plot_power_spectrum(TS, v), {"vector", "matrix"}),
    "units": (lambda v: oo.plot_trajectory(PATH, units=v), {"none"}),
    "periods": (lambda v: oo.plot_leading_eigenvalues(TS, kinds()["spectra"], periods=v), {"none"}),
}


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_what_it_is_for_and_refuses_all_else(name):
    plot, takes = PLOTS[name]
    for kind, value in kinds().items():
        pyplot.close("all")
        if kind in takes:
            plot(value)
            continue
        with pytest.raises(ValueError, match=r"(?s)^Argument `[\w.]+` must .*, but .*\.$"):
            pytest.fail(f"it drew {kind}: {plot(value)}")
        assert not pyplot.get_fignums(), kind


def test_points_of_rest_are_drawn_by_their_spectra():
    for kind in ("points", "slow points"):
        points = kinds()[kind]
        values = np.asarray(points.spectra.eigenvalues).ravel()
        drawn = oo.plot_spectrum(points).get_lines()[0].get_xydata()
        np.testing.assert_array_equal(drawn, np.stack([values.real, values.imag], axis=1))
        density = oo.plot_eigenvalues(points, bins=None).collections[0]
        assert density.get_array().sum() == values.size
        edges = np.array([-10, points.abscissae[0], 10.0])
        (outline,) = oo.plot_abscissae(points, bins=edges).patches
        counts = np.histogram(np.asarray(points.abscissae), edges)[0]
        assert set(counts.tolist()) <= set(outline.get_xy()[:, 1].tolist())


def test_what_is_not_finite_is_left_out_and_counted():
    values = np.array([-1.0, np.nan, np.inf, -2.0])
    for plot in (oo.plot_spectrum, oo.plot_eigenvalues, oo.plot_abscissae):
        ax = plot(values)
        assert ax.get_xlabel().endswith("(1/ms), 2 not finite")
    assert len(oo.plot_spectrum([values, values]).get_lines()[0].get_xydata()) == 2


def test_of_a_failed_run_is_drawn_what_there_is():
    drawn = oo.plot_trajectory(kinds()["failed trajectory"]).get_lines()
    for line, unit in zip(drawn, np.asarray(REACHED.y).T, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), [*unit[:3], np.nan, np.nan])
    paths = np.array([[0.0, 0], [1, 0], [2, 1], [np.inf, np.inf]])
    ax = oo.plot_state_space(paths)
    assert [tuple(text.xy) for text in ax.texts] == [(2, 1)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: oo.plot_trajectory(PATH, units=[2]), r"`units` must name some of 2 units, 0 to 1"),
        (lambda: oo.plot_tuning(kinds()["tuning"], units=[-3]), r"`units` must name some of 2"),
        (
            lambda: oo.plot_power_spectrum(TS, np.ones((2, T))),
            r"`power` must have one row for each",
        ),
        (
            lambda: oo.plot_state_space(np.ones((T, 2)), periods={"delay": (9, 12)}),
            r"`periods` must map names to \(start, stop\), steps of 5, but 'delay' has \[9, 12\]",
        ),
        (lambda: oo.plot_state_space(np.ones((T, 2)), labels="ab"), r"`labels` must name 1 traj"),
        (lambda: oo.plot_leading_eigenvalues(TS, a_spectrum(T), count=0), r"`count` must be a po"),
        (
            lambda: oo.plot_spectrum(np.ones((3, 3))),
            r"but it is a real square .* such as a Jacobian",
        ),
        (lambda: oo.plot_spectrum([]), r"`spectra` must hold a finite number, but it holds none"),
        (
            lambda: oo.plot_spectrum(PATH),
            r"`spectra` must hold eigenvalues, but it is a Trajectory\.",
        ),
        (
            lambda: oo.plot_trajectory(kinds()["batch of trajectories"]),
            r"`trajectory` must be one trajectory, but its times have shape \(3, 5\)",
        ),
        (
            lambda: oo.plot_slow_points(
                kinds()["points"], population.principal_components(np.eye(4))
            ),
            r"`components` must be of the 2 units of the points, but they are of 4 units",
        ),
    ],
)
def test_refusals_say_what_differs(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert not pyplot.get_fignums()
