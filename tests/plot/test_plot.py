"""Plots draw what they are given, into the axes they are given."""

from types import SimpleNamespace

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from matplotlib import pyplot

import organics_ode as oo
from organics_ode import planar, population, robustness

RECORDS = [
    {"step": 1, "loss": 2.0, "gradient_norm": 3.0, "seconds": 0.1},
    {"step": 2, "loss": 1.5, "gradient_norm": 2.0, "seconds": 0.2},
    {"step": 2, "validation_loss": 1.7},
    {"step": 3, "loss": 1.0, "gradient_norm": 1.0, "seconds": 0.3},
]


@pytest.fixture(autouse=True)
def no_figure_is_left_open_or_shown(monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("plt.show() was called"))
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def trajectory():
    y, a = np.random.default_rng(0).uniform(size=(2, 11, zoo.N))
    states = oo.ORGaNICsState(jnp.asarray(y), jnp.asarray(a))
    ts, result = jnp.linspace(0, 20, 11), diffrax.RESULTS.successful
    return oo.Trajectory(ts, states, result, {}, "by hand")


def lines(ax):
    return [line.get_xydata() for line in ax.get_lines()]


def test_a_history_shows_training_and_validation_over_the_steps():
    ax = oo.plot_history(oo.History(RECORDS))
    training, validation = lines(ax)
    np.testing.assert_array_equal(training, [[1, 2.0], [2, 1.5], [3, 1.0]])
    np.testing.assert_array_equal(validation, [[2, 1.7]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]


def test_a_quantity_without_validation_has_one_line_and_no_legend():
    ax = oo.plot_history(oo.History(RECORDS), "gradient_norm")
    assert len(lines(ax)) == 1 and ax.get_legend() is None
    assert ax.get_ylabel() == "gradient norm"


def test_a_missing_quantity_is_an_error_that_names_what_there_is():
    with pytest.raises(ValueError, match=r"`name` must be one of gradient_norm, loss, .*accuracy"):
        oo.plot_history(oo.History(RECORDS), "accuracy")
    assert not pyplot.get_fignums()  # and leaves no empty figure behind


def test_a_trajectory_shows_a_line_per_unit_over_time(trajectory):
    ax = oo.plot_trajectory(trajectory)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "y")
    for i, line in enumerate(lines(ax)):
        np.testing.assert_array_equal(line[:, 0], trajectory.ts)
        np.testing.assert_array_equal(line[:, 1], trajectory.states.y[:, i])
    assert len(lines(ax)) == zoo.N


@pytest.mark.parametrize("units", ([2, 0], (2, 0), np.array([2, 0])))
def test_a_trajectory_shows_the_variable_and_units_asked_for(trajectory, units):
    ax = oo.plot_trajectory(trajectory, "a", units=units)
    assert ax.get_ylabel() == "a"
    for unit, line in zip((2, 0), lines(ax), strict=True):
        np.testing.assert_array_equal(line[:, 1], trajectory.states.a[:, unit])


def test_a_missing_variable_is_an_error_that_names_what_there_is(trajectory):
    with pytest.raises(ValueError, match=r"^Argument `name` must be one of y, a, but it is 'b1'"):
        oo.plot_trajectory(trajectory, "b1")
    assert not pyplot.get_fignums()


def test_plots_draw_into_the_given_axes_with_the_given_style(trajectory):
    _, axes = pyplot.subplots(2)
    assert oo.plot_history(oo.History(RECORDS), ax=axes[0], lw=3, label="run 1") is axes[0]
    assert oo.plot_trajectory(trajectory, ax=axes[1], color="red") is axes[1]
    assert axes[0].get_lines()[0].get_linewidth() == 3
    assert axes[0].get_lines()[0].get_label() == "run 1"
    assert {line.get_color() for line in axes[1].get_lines()} == {"red"}
    assert len(pyplot.get_fignums()) == 1


def test_without_axes_each_plot_makes_a_figure_of_its_own(trajectory):
    first, second = oo.plot_trajectory(trajectory), oo.plot_history(oo.History(RECORDS))
    assert first.figure is not second.figure


# Stability


def spectrum_of(*values):
    values = np.array(values, complex)
    return oo.Spectrum(jnp.asarray(values), None, jnp.asarray(1e-15))


def test_a_spectrum_shows_its_eigenvalues_its_boundary_and_frequencies_in_hz():
    ax = oo.plot_spectrum(spectrum_of(-0.1 + 0.2j, -0.1 - 0.2j, -1))
    eigenvalues, boundary = lines(ax)
    np.testing.assert_array_equal(eigenvalues, [[-0.1, 0.2], [-0.1, -0.2], [-1, 0]])
    np.testing.assert_array_equal(boundary[:, 0], 0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Re λ (1/ms)", "Im λ (1/ms)")
    (right,) = ax.child_axes
    ax.set_ylim(-0.1 * np.pi, 0.2 * np.pi)  # rad/ms
    ax.figure.canvas.draw()
    np.testing.assert_allclose(right.get_ylim(), (-50, 100))
    assert right.get_ylabel() == "frequency (Hz)"


def test_spectra_of_a_list_have_their_own_colours_and_share_the_axes():
    _, ax = pyplot.subplots()
    other = SimpleNamespace(eigenvalues=jnp.array([-1 + 1j, -1 - 1j]))
    several = [spectrum_of(-1, -2), np.array([-3.0]), other]
    assert oo.plot_spectrum(several, ax, ms=9) is ax
    first, second, third, _ = ax.get_lines()
    np.testing.assert_array_equal(second.get_xydata(), [[-3, 0]])
    assert len({line.get_color() for line in (first, second, third)}) == 3
    np.testing.assert_array_equal(third.get_xydata(), [[-1, 1], [-1, -1]])
    assert first.get_markersize() == 9
    oo.plot_spectrum(several[0], ax, label="again")
    assert len(ax.child_axes) == 1 and len(ax.get_lines()) == 5


def test_many_eigenvalues_are_shown_as_a_density():
    values = np.random.default_rng(0).normal(size=(50, 4, 2)) @ np.array([1, 1j])
    ax = oo.plot_eigenvalues(oo.Spectrum(jnp.asarray(values), None, jnp.zeros(50)), bins=None)
    (density,) = ax.collections
    assert density.get_array().sum() == values.size  # every one is counted
    centers = density.get_offsets()
    assert abs(centers[:, 0].min() - values.real.min()) < 0.2
    assert abs(centers[:, 1].max() - values.imag.max()) < 0.2
    assert ax.get_ylabel() == "Im λ (1/ms)" and len(ax.child_axes) == 1


def test_abscissae_that_rounding_parts_are_one_bar():
    (outline,) = oo.plot_abscissae(np.array([-0.1, np.nextafter(-0.1, -1)]), bins=3).patches
    assert outline.get_xy()[:, 1].max() == 2


def test_abscissae_are_shown_as_a_histogram():
    ax = oo.plot_abscissae(np.array([[-0.9, -0.5], [-0.4, -0.1]]), bins=[-1, -0.5, 0], color="red")
    (outline,) = ax.patches
    counts = np.unique(outline.get_xy()[:, 1])
    np.testing.assert_array_equal(counts, [0, 1, 3])
    np.testing.assert_array_equal(lines(ax)[0][:, 0], 0)
    assert ax.get_xlabel() == "spectral abscissa (1/ms)"


@pytest.fixture(scope="module")
def energies():
    """One of the form "oscillator" and one of the form "lyapunov", and states about them."""
    y, a, c, gain, slope, pull = np.random.default_rng(1).uniform(0.5, 1, size=(6, 2))
    at, none = oo.ORGaNICsState(jnp.asarray(y), jnp.asarray(a)), jnp.zeros((2, 2))
    parts = [jnp.asarray(v) for v in (c, gain, slope, pull)]
    closed = oo.Energy(at, jnp.array(1), *parts, none, jnp.zeros((4, 4)))
    fallback = oo.Energy(at, jnp.array(2), *(4 * [jnp.zeros(2)]), none, jnp.eye(4))
    shift = jnp.linspace(1, 0.1, 5)[:, None]
    path = oo.Paths(jnp.linspace(0, 3, 5), jax.tree.map(lambda leaf: leaf[None] + shift, at))
    return closed, fallback, path


def test_an_energy_shows_its_value_and_its_terms_over_time(energies):
    energy, _, path = energies
    ax = oo.plot_energy(energy, path, terms=True, color="black")
    whole, *terms = lines(ax)
    at = [jax.tree.map(lambda leaf, i=i: leaf[i], path.states) for i in range(5)]
    np.testing.assert_array_equal(whole[:, 0], path.ts)
    np.testing.assert_allclose(whole[:, 1], [energy(s) for s in at], rtol=1e-12)
    np.testing.assert_allclose(terms[0][:, 1], [energy.reconstruction(s).sum() for s in at])
    np.testing.assert_allclose(terms[1][:, 1], [energy.normalization(s).sum() for s in at])
    labels = [line.get_label() for line in ax.get_lines()]
    assert labels == ["energy", "reconstruction", "normalization"]
    assert ax.get_yscale() == "log" and ax.get_lines()[0].get_color() == "black"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "energy")


def test_an_energy_without_terms_shows_its_value_only(energies):
    _, energy, path = energies
    (whole,) = lines(oo.plot_energy(energy, path))
    squares = sum(
        ((np.asarray(leaf) - np.asarray(rest)) ** 2).sum(axis=1)
        for leaf, rest in zip(path.states, energy.state, strict=True)
    )
    np.testing.assert_allclose(whole[:, 1], squares / 2, rtol=1e-12)
    pyplot.close("all")
    with pytest.raises(ValueError, match=r"`energy` must be a sum over units"):
        oo.plot_energy(energy, path, terms=True)
    assert not pyplot.get_fignums()


# Noise


@pytest.mark.parametrize("units", [None, [2, 0]])
def test_a_power_spectrum_shows_a_line_per_variable_without_the_frequency_zero(units):
    frequencies, power = np.array([0.0, 1.0, 10.0]), np.arange(1.0, 10.0).reshape(3, 3)
    ax = oo.plot_power_spectrum(frequencies, power, units=units)
    for line, i in zip(lines(ax), units or range(3), strict=True):
        np.testing.assert_array_equal(line, np.stack([frequencies, power[:, i]], axis=1)[1:])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency (Hz)", "power (1/Hz)")
    oo.plot_power_spectrum(frequencies, power[:, 0], ax, color="red")
    assert ax.get_lines()[-1].get_color() == "red"


# One unit


def one_unit(b0=0.5, sigma=0.5):
    one = np.ones((1, 1))
    return oo.ORGaNICs(one, 2 * one, one, sigma, b0, 0.5, 2.0, 2.0)


def test_a_phase_portrait_shows_basins_nullclines_borders_and_fixed_points():
    circuit, x = one_unit(), np.array([0.05])
    found = planar.fixed_points(circuit, x)
    ax = oo.plot_phase_portrait(circuit, x, points=12)
    drawn = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    curves = planar.nullclines(circuit, x, drawn["ȧ = 0"][:, 0])
    np.testing.assert_allclose(drawn["ȧ = 0"][:, 1], curves.a_nullcline, rtol=1e-12)
    for end in (drawn["ȧ = 0"][0], drawn["ȧ = 0"][-1]):  # the curve leaves through the top
        assert end[1] == 1
    markers = [line for line in ax.get_lines() if len(line.get_xydata()) == 1]
    points = np.stack([line.get_xydata()[0] for line in markers])
    np.testing.assert_array_equal(points, np.concatenate(found.states, axis=1))
    faces = [line.get_markerfacecolor() for line in markers]
    assert faces == ["black" if stable else "white" for stable in found.is_stable]
    grid = np.linspace(-1.2, 1.2, 12), np.linspace(0, 1, 12)
    reached = planar.basins(circuit, x, *np.meshgrid(*grid))
    shaded = ax.collections[0].get_array()
    np.testing.assert_array_equal(shaded, reached)
    assert len([line for line in ax.get_lines() if line.get_linestyle() == "--"]) == 2
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1.2, 1.2), (0, 1))


def test_a_vertical_nullcline_is_drawn():
    ax = oo.plot_phase_portrait(one_unit(), np.zeros(1), points=4)
    assert any(np.array_equal(line.get_xdata(), [0, 0]) for line in ax.get_lines())


@pytest.mark.slow
def test_what_lies_outside_of_the_window_is_not_drawn_but_what_comes_from_there_is():
    # A saddle above the window: no marker of it, and the border that comes down from it.
    one = np.ones((1, 1))
    circuit = oo.ORGaNICs(one, -0.5 * one, 4 * one, 0.1, 0.5, 0.5, 2.0, 2.0)
    ax = oo.plot_phase_portrait(circuit, [0.7], points=40)
    found = planar.fixed_points(circuit, [0.7])
    assert found.kinds.count("saddle") == 2 and np.sum(found.states.a < 1) == 1
    assert len([line for line in ax.get_lines() if len(line.get_xydata()) == 1]) == 1
    borders = np.concatenate(
        [line.get_xydata() for line in ax.get_lines() if line.get_ls() == "--"]
    )
    y, a = borders[np.all((borders > [-1.2, 0]) & (borders < [1.2, 1]), axis=1)].T
    assert np.ptp(a) > 0.7
    # On both sides of it the circuit goes elsewhere.
    shift = 0.02 * np.ones_like(y)
    inside, outside = (planar.basins(circuit, [0.7], y + d, a) for d in (-shift, shift))
    assert set(inside.tolist()) == {1} and set(outside.tolist()) == {-1}


@pytest.mark.parametrize("name", ["y", "a"])
def test_a_bifurcation_shows_stable_and_unstable_branches_and_events(name):
    diagram = planar.bifurcation(one_unit(sigma=0.1), [0.0], "W_r", np.linspace(0.5, 2, 30))
    ax = oo.plot_bifurcation(diagram, name)
    stable, unstable = ax.collections
    assert (stable.get_label(), unstable.get_label()) == ("stable", "unstable")
    values = np.asarray(getattr(diagram.states, name))
    for branches, is_stable in ((stable, True), (unstable, False)):
        drawn = {tuple(point) for path in branches.get_segments() for point in path}
        chosen = (diagram.is_stable == is_stable) & np.isfinite(values)
        k, i = np.nonzero(chosen)
        assert set(zip(diagram.values[k], values[k, i], strict=True)) <= drawn
    (event,) = [line for line in ax.get_lines() if line.get_label() == "pitchfork"]
    np.testing.assert_allclose(event.get_xdata(), 1 / 0.95, rtol=1e-6)
    assert ax.get_xlabel() == "W_r" and ax.get_ylabel() == name


def test_a_bifurcation_of_another_variable_is_an_error():
    diagram = planar.bifurcation(one_unit(), [0.0], "W_r", [0.5, 0.6])
    with pytest.raises(ValueError, match=r"^Argument `name` must be one of y, a, but it is 'b'"):
        oo.plot_bifurcation(diagram, "b")
    assert not pyplot.get_fignums()


# Robustness


def test_a_phase_diagram_shows_the_most_frequent_class_paler_where_trials_disagree():
    classes = np.array([[[0, 3]], [[0, 2]], [[0, 2]], [[0, 2]]])  # (trials, Δ, ‖z‖)
    blank = np.full(classes.shape, np.nan)
    diagram = robustness.PhaseDiagram(
        np.array([0.5]), np.array([0.1, 1.0]), classes, blank, blank, blank
    )
    ax = oo.plot_phase_diagram(diagram)
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(robustness.CLASSES)
    colors = [np.array(patch.get_facecolor())[:3] for patch in legend.get_patches()]
    (mesh,) = ax.collections
    faces = mesh.get_array().reshape(2, 3)
    np.testing.assert_allclose(faces[0], colors[0])
    np.testing.assert_allclose(faces[1], 0.75 * colors[2] + 0.25)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Δ", "‖z‖")


def test_a_phase_diagram_shows_deltas_of_0():
    deltas, norms = np.array([0.0, 0.01, 0.1, 1.0]), np.array([0.1, 1.0])
    classes, blank = np.zeros((3, 4, 2), int), np.full((3, 4, 2), np.nan)
    ax = oo.plot_phase_diagram(robustness.PhaseDiagram(deltas, norms, classes, *3 * [blank]))
    ax.figure.canvas.draw()
    places = ax.transData.transform([(delta, 1.0) for delta in deltas])[:, 0]
    inside = ax.get_window_extent()
    assert np.all((inside.x0 < places) & (places < inside.x1))
    assert np.min(np.diff(places)) > 0.1 * inside.width
    for values, edges in ((deltas[1:], ax.get_xlim()), (norms, ax.get_ylim())):
        ratio = np.sqrt(values[1] / values[0])
        np.testing.assert_allclose(edges[1], values[-1] * ratio)
    np.testing.assert_allclose(ax.get_ylim()[0], norms[0] / ratio)
    single = (np.zeros((3, 1, 1), int), *3 * [np.full((3, 1, 1), np.nan)])
    for delta in (0.0, 0.5):
        one = robustness.PhaseDiagram(np.array([delta]), np.array([1.0]), *single)
        low, high = oo.plot_phase_diagram(one).get_xlim()
        assert low < delta < high


# Trained networks


def spectra_over(real):
    values = np.asarray(real).astype(complex)
    return oo.Spectrum(jnp.asarray(values), None, jnp.zeros(len(values)))


def test_leading_eigenvalues_are_lines_over_a_trial_with_its_periods():
    ts, real = np.arange(4) * 5.0, np.random.default_rng(0).normal(size=(4, 6))
    periods = {"stimulus": (0, 1), "delay": np.array([1, 4])}
    ax = oo.plot_leading_eigenvalues(ts, spectra_over(real), count=3, periods=periods)
    expected = -np.sort(-real, axis=1)[:, :3]
    by_color = {line.get_color(): line.get_xydata() for line in ax.get_lines()}
    np.testing.assert_array_equal(by_color["black"], np.stack([ts, expected[:, 0]], axis=1))
    drawn = [line[:, 1] for line in lines(ax) if len(line) == 4]
    np.testing.assert_array_equal(np.stack(drawn, axis=1), expected[:, [1, 2, 0]])
    starts = [line.get_xdata()[0] for line in ax.get_lines() if line.get_linestyle() == ":"]
    assert starts == [0, 5]
    names = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert names == {"stimulus": 2.5, "delay": 10}
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["next 2 eigenvalues", "largest"]
    with pytest.raises(ValueError, match=r"Argument `spectra` must have eigenvalues \(3, d\)"):
        oo.plot_leading_eigenvalues(ts[:3], spectra_over(real))


def test_a_state_space_shows_trajectories_their_ends_and_where_periods_begin():
    paths = np.random.default_rng(0).normal(size=(2, 6, 3))
    ax = oo.plot_state_space(paths, periods={"fixation": (0, 2), "delay": (2, 6)}, labels="ab")
    drawn = lines(ax)
    for path, line in zip(paths, [line for line in drawn if len(line) == 6], strict=True):
        np.testing.assert_array_equal(line, path[:, :2])
    dots = [line for line in drawn if len(line) == 1]
    np.testing.assert_array_equal(np.concatenate(dots), paths[:, 0, :2])
    np.testing.assert_array_equal(drawn[-1], paths[:, 2, :2])
    assert [tuple(text.xy) for text in ax.texts] == [tuple(path[-1, :2]) for path in paths]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "delay begins"]
    still = oo.plot_state_space(np.ones((4, 2)))
    assert len(still.texts) == 0 and still.get_legend() is None
    with pytest.raises(ValueError, match="Argument `projections` must have shape"):
        oo.plot_state_space(np.ones((4, 1)))


def test_behaviour_is_drawn_over_the_strength_with_errors():
    x, y, errors = np.array([1.0, 2.0]), np.array([0.5, 0.75]), np.array([0.1, 0.2])
    curve = SimpleNamespace(strengths=x, rates=y, times=100 * y, errors=errors)
    for plot, values in ((oo.plot_psychometric, y), (oo.plot_chronometric, 100 * y)):
        ax = plot(curve)
        np.testing.assert_array_equal(lines(ax)[0], np.stack([x, values], axis=1))
        (bars,) = ax.collections
        low, high = np.array([segment[:, 1] for segment in bars.get_segments()]).T
        np.testing.assert_allclose(np.stack([low, high]), [values - errors, values + errors])
    assert ax.get_ylabel() == "reaction time (ms)"


def test_tuning_curves_are_lines_over_directions_in_degrees():
    means = np.random.default_rng(0).uniform(size=(4, 3))
    directions = jnp.asarray(np.pi / 2 * np.arange(4))
    curves = population.Tuning(
        directions, jnp.asarray(means), jnp.zeros((4, 3)), jnp.ones(4, jnp.int32)
    )
    ax = oo.plot_tuning(curves, units=[2, 0])
    for unit, line in zip((2, 0), lines(ax), strict=True):
        np.testing.assert_allclose(line, np.stack([[0, 90, 180, 270], means[:, unit]], axis=1))
    assert len(lines(oo.plot_tuning(curves))) == 3


def test_selectivity_is_stacked_with_the_most_selective_unit_first():
    parts = jnp.asarray([[0.1, 0.5], [0.2, 0.3], [0.1, 0.2], [0.6, 0.0]])
    ax = oo.plot_selectivity(population.MixedSelectivity(*parts), names=("cue", "choice"))
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, 2)
    np.testing.assert_allclose(heights, np.asarray(parts)[:3, ::-1])
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches[-2:]]
    np.testing.assert_allclose(tops, [1.0, 0.4])
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["cue", "choice", "interaction"]


@pytest.fixture
def plane():
    return population.PrincipalComponents(jnp.ones(2), jnp.eye(2)[::-1], jnp.asarray([0.75, 0.25]))


def test_explained_variance_adds_up(plane):
    (line,) = lines(oo.plot_explained_variance(plane))
    np.testing.assert_array_equal(line, [[1, 0.75], [2, 1]])


def test_slow_points_are_marked_by_kind_in_the_plane_of_components(plane):
    y = jnp.asarray([[0.0, 1], [2, 3], [4, 5]])
    state = oo.ORGaNICsState(y, y)
    spectra = spectra_over([[-1.0], [1.0], [-1.0]])
    residuals, hits = jnp.asarray([0, 0, 1.0]), jnp.ones(3, jnp.int32)
    points = oo.SlowPoints(state, residuals, spectra, hits, residuals)
    ax = oo.plot_slow_points(points, plane)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert drawn == {"stable": [[0, -1]], "not stable": [[2, 1]], "slow": [[4, 3]]}
    fixed = oo.plot_slow_points(oo.FixedPoints(state, residuals, spectra, hits), plane)
    assert [len(line) for line in lines(fixed)] == [2, 1]  # two stable ones
    one = population.PrincipalComponents(jnp.ones(2), jnp.eye(2)[:1], jnp.ones(1))
    with pytest.raises(ValueError, match="Argument `components` must hold two components"):
        oo.plot_slow_points(points, one)
