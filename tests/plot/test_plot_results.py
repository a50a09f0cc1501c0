"""Results of many units, of many models, and the one function for all of them."""

import re
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import objects
import pytest
from matplotlib import pyplot

import organics_ode as oo
import tasks
from organics_ode import feedback, mean_field, planar, population, robustness
from organics_ode.plot._result import _plots

F = np.array([1.0, 10.0, 100.0])


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def path(units):
    y = np.random.default_rng(0).normal(size=(7, units))
    states = oo.ORGaNICsState(jnp.asarray(y), jnp.asarray(np.abs(y)))
    return oo.Paths(jnp.linspace(0, 3, 7), states)


def test_many_units_are_a_heat_map_with_a_bar_that_names_them():
    ax = oo.plot_trajectory(path(13))
    (mesh,) = ax.collections
    np.testing.assert_array_equal(mesh.get_array(), path(13).states.y.T)
    low, high = mesh.get_clim()
    assert low == -high and high == np.abs(path(13).states.y).max()  # 0 is white
    assert not ax.get_lines() and ax.get_ylabel() == "unit"
    bar = next(axes for axes in ax.figure.axes if axes is not ax)
    assert bar.get_ylabel() == "y"
    ax.figure.canvas.draw()
    names = {text.get_text() for text in ax.get_yticklabels()}
    assert {"y 0", "y 10"} <= names and not any("." in name for name in names)


def test_chosen_units_of_a_heat_map_keep_their_numbers():
    units = np.arange(20, 0, -1)
    ax = oo.plot_trajectory(path(30), "a", units=units)
    np.testing.assert_array_equal(ax.collections[0].get_array(), path(30).states.a.T[units])
    ax.figure.canvas.draw()
    ticks = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    labels = {round(y): text.get_text() for y, text in ticks}
    assert labels[0] == "a 20" and labels[10] == "a 10"


def test_a_few_units_are_lines_with_a_legend_and_one_has_none():
    legend = oo.plot_trajectory(path(3), units=[2, 0]).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["y 2", "y 0"]
    assert oo.plot_trajectory(path(1)).get_legend() is None
    assert len(oo.plot_trajectory(path(12)).get_lines()) == 12


def test_spectra_of_many_variables_are_a_heat_map_of_the_logarithm():
    power = np.abs(np.random.default_rng(0).normal(size=(3, 14)))
    ax = oo.plot_power_spectrum(F, power)
    np.testing.assert_array_equal(ax.collections[0].get_array(), power.T)
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_ylabel()) == ("log", "linear", "variable")


def test_the_coherence_of_every_pair_is_shown():
    values = np.random.default_rng(0).uniform(size=(3, 3, 3))
    ax = oo.plot_coherence(F, values)
    pairs = [(0, 1), (0, 2), (1, 2)]
    for line, (i, j) in zip(ax.get_lines(), pairs, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values[:, i, j])
        assert line.get_label() == f"{i} and {j}"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency (Hz)", "coherence")
    assert oo.plot_coherence(F, np.ones((3, 6, 6))).collections[0].get_array().shape == (15, 3)
    with pytest.raises(ValueError, match=r"`coherence` must have shape \(f, d, d\) with f = 3"):
        oo.plot_coherence(F, np.ones((3, 1, 1)))


def test_a_training_of_several_models_has_a_line_each_and_one_label():
    records = [{"step": i, "loss": [1.0 / i, 2.0]} for i in (1, 2)]
    records.append({"step": 2, "validation_loss": [0.5, 1.5]})
    result = oo.EnsembleResult((1, 2), oo.History(records), ("completed",) * 2, (2, 2))
    ax = oo.plot_history(result)
    assert len(ax.get_lines()) == 4
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), [1, 0.5])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["training", "validation"]


def tuning(units):
    means = np.random.default_rng(0).uniform(size=(4, units))
    angles = jnp.asarray(np.pi / 2 * np.arange(4))
    return population.Tuning(angles, jnp.asarray(means), jnp.zeros(means.shape), jnp.ones(4, int))


RESULTS = {
    "Paths": lambda: path(3),
    "many Paths": lambda: path(20),
    "Trajectory": objects.trajectory,
    "History": objects.history,
    "FitResult": lambda: objects.build(oo.FitResult),
    "Spectrum": lambda: objects.build(oo.Spectrum),
    "FixedPoints": lambda: objects.build(oo.FixedPoints),
    "SlowPoints": lambda: objects.build(oo.SlowPoints),
    "Oscillator": lambda: objects.build(oo.Oscillator),
    "Tuning": lambda: objects.build(population.Tuning),
    "MixedSelectivity": lambda: objects.build(population.MixedSelectivity),
    "PrincipalComponents": lambda: objects.build(population.PrincipalComponents),
    "PhaseDiagram": lambda: objects.build(robustness.PhaseDiagram),
    "Sweep": lambda: oo.Sweep({"tau_a": F}, F),
    "PlanarFixedPoints": lambda: objects.build(planar.PlanarFixedPoints),
    "Solutions": lambda: objects.build(mean_field.Solutions),
    "PhaseMap": lambda: objects.build(mean_field.PhaseMap),
    "Attractors": lambda: objects.build(feedback.Attractors),
    "Trained": lambda: objects.build(feedback.Trained),
    "Psychometric": lambda: objects.build(tasks.Psychometric),
    "Chronometric": lambda: objects.build(tasks.Chronometric),
    "many Tuning": lambda: tuning(20),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_worth_a_look_is_drawn_within_its_figure(name):
    ax = oo.plot_result(RESULTS[name]())
    ax.figure.canvas.draw()
    assert ax.get_xlabel() and ax.get_ylabel()
    inside, tight = ax.figure.bbox, ax.get_tightbbox()
    assert tight.x0 >= -1 and tight.y0 >= -1
    assert tight.x1 <= inside.x1 + 1 and tight.y1 <= inside.y1 + 1


def test_states_at_rest_show_bulk_and_outlier_and_what_they_are():
    z, radius = np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.7, 1.2])
    outliers = np.array([[0.2, 0.1], [1.5, 0.1], [1.1 + 0.3j, 1.1 - 0.3j]])
    found = mean_field.Solutions(z, z**2, radius, outliers[:, 0], outliers, radius < 0.6)
    ax = oo.plot_solutions(found)
    rings = [line for line in ax.get_lines() if line.get_markerfacecolor() == "none"][:-1]
    np.testing.assert_array_equal(np.concatenate([r.get_xydata() for r in rings]).T, [z, radius])
    dots = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert dots["stable"] == [[-1.0, 0.2]] and dots["saddle"] == [[0.0, 1.5]]
    assert dots["chaotic"] == [[1.0, 1.1]] and "oscillating" not in dots
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[3:] == ["radius of the bulk", "outlier, Re λ", "stable below"]


def test_a_phase_map_says_what_becomes_of_each_target():
    # Rows: the only state, one of three, an unstable one; a chaotic one, one that nothing holds.
    counts, radius = np.array([[1, 3, 3], [1, 0, 1]]), np.array([[0.5] * 3, [1.5, 0.5, 0.5]])
    stable = np.array([[True, True, False], [False, False, True]])
    found = mean_field.PhaseMap(counts, stable, np.zeros((2, 3), complex), radius)
    ax = oo.plot_phase_map(found, targets=[-1.0, 0.0, 2.0], rows=[0.1, 0.4])
    (mesh,) = ax.collections
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    legend = dict(
        zip(names, (p.get_facecolor() for p in ax.get_legend().get_patches()), strict=True)
    )
    order = ["the only state, stable", "stable beside others", "unstable"]
    order += ["chaotic", "none can hold it", "the only state, stable"]
    assert set(names) == set(order)
    drawn = mesh.cmap(mesh.norm(np.asarray(mesh.get_array()).ravel()))
    np.testing.assert_allclose(drawn, [legend[name] for name in order])
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], [-1.5, -0.5, 1, 3])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("target A", "geometry")
    with pytest.raises(ValueError, match="`targets` must be 3 numbers that increase"):
        oo.plot_phase_map(found, targets=[0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="`rows` must be 2 numbers that increase"):
        oo.plot_phase_map(found, rows=[0.0, 1.0, 2.0])


def test_tuning_of_a_few_units_has_a_legend_and_of_many_it_is_a_heat_map():
    few = oo.plot_tuning(tuning(20), units=[3, 1]).get_legend()
    assert [text.get_text() for text in few.get_texts()] == ["unit 3", "unit 1"]
    assert oo.plot_tuning(tuning(1)).get_legend() is None
    ax = oo.plot_tuning(tuning(20))
    np.testing.assert_array_equal(ax.collections[0].get_array(), tuning(20).means.T)
    assert ax.get_ylabel() == "unit" and not ax.get_lines()


def test_attractors_are_drawn_by_their_hits():
    z, hits = jnp.asarray([-1.0, 2.0]), np.array([6, 3])
    found = feedback.Attractors(z, jnp.ones((2, 4)), hits, 1)
    ax = oo.plot_attractors(found)
    np.testing.assert_array_equal(ax.get_lines()[0].get_xydata(), [[-1, 6], [2, 3]])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["2 attractors", "1 start came to none"]
    assert ax.get_ylabel() == "starts, of 10"
    plane = feedback.Attractors(jnp.stack([z, 2 * z], axis=1), jnp.ones((2, 4)), hits, 0)
    (dots,) = oo.plot_attractors(plane).collections
    np.testing.assert_array_equal(dots.get_offsets(), [[-1, -2], [2, 4]])
    sizes = dots.get_sizes() - 20
    assert sizes[0] == pytest.approx(2 * sizes[1])
    none = feedback.Attractors(z[:0], jnp.ones((0, 4)), hits[:0], 3)
    assert oo.plot_attractors(none).get_legend().get_texts()[-1].get_text() == (
        "3 starts came to none"
    )


def test_the_error_of_a_readout_is_over_its_updates():
    found = objects.build(feedback.Trained)
    found = eqx.tree_at(lambda t: t.history, found, jnp.asarray([1.0, 0.1, 0.01]))
    ax = oo.plot_result(found)
    np.testing.assert_allclose(ax.get_lines()[0].get_xydata(), [[1, 1], [2, 0.1], [3, 0.01]])
    at_once = eqx.tree_at(lambda t: t.history, found, jnp.zeros(0))
    with pytest.raises(ValueError, match="`trained` must have been trained in steps"):
        oo.plot_readout_error(at_once)


def test_exponents_are_drawn_in_their_order_and_of_several_trajectories_the_median():
    values = np.array([[0.1, -0.2, -1.0], [0.3, -0.4, -2.0], [0.2, np.nan, -3.0]])
    ax = oo.plot_lyapunov(values[0])
    np.testing.assert_array_equal(ax.get_lines()[0].get_xydata().T, [[1, 2, 3], values[0]])
    assert ax.get_ylabel() == "Lyapunov exponent (1/ms)" and ax.get_legend() is None
    several = oo.plot_lyapunov(values).get_lines()
    np.testing.assert_allclose(several[3].get_ydata(), [0.2, -0.3, -2.0])
    assert several[3].get_label() == "median of 3 trajectories"
    holey = oo.plot_lyapunov([0.1, np.nan, -np.inf]).get_lines()[0]
    np.testing.assert_array_equal(holey.get_ydata(), [0.1, np.nan, np.nan])
    with pytest.raises(ValueError, match="`exponents` must hold a finite number"):
        oo.plot_lyapunov([np.nan])


def test_slow_points_without_components_are_drawn_in_their_own_plane():
    y = np.random.default_rng(0).normal(size=(5, 3)) * [3.0, 1.0, 0.1]
    spectra = oo.Spectrum(jnp.full((5, 6), -1.0 + 0j), None, jnp.zeros(5))
    states = oo.ORGaNICsState(jnp.asarray(y), jnp.asarray(y**2))
    points = oo.SlowPoints(states, jnp.zeros(5), spectra, jnp.ones(5, int), speeds=jnp.zeros(5))
    ax = oo.plot_slow_points(points)
    drawn = np.concatenate([line.get_xydata() for line in ax.get_lines()])
    # The first two singular vectors, up to their signs.
    u, s, _ = np.linalg.svd(y - y.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(drawn), np.abs(u * s)[:, :2], rtol=1e-6)
    assert ax.get_xlabel() == "component 1 of the points"
    with pytest.raises(ValueError, match="they are 1 point of 3 units: give `components`"):
        oo.plot_slow_points(points[:1])


def test_a_result_without_a_picture_is_refused_with_those_that_have_one():
    with pytest.raises(ValueError, match=r"`result` must be one of Trajectory.*it is a FixedPoint"):
        oo.plot_result(objects.build(oo.FixedPoint))
    assert not pyplot.get_fignums()


def rows_of_the_page():
    """Class ↦ (what is said of its picture, what of its table)."""
    page = (Path(__file__).parents[2] / "docs/results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.M)[1:]
    return {name: row[2:] for row in rows for name in re.findall(r"`(\w+)`", row[0])}, page


def test_the_page_of_results_names_every_picture_and_table():
    said, page = rows_of_the_page()
    classes = {cls.__name__: cls for cls in objects.public_classes()}
    classes = {name: cls for name, cls in classes.items() if ".cortex." not in cls.__module__}
    plots = {kind: plot.__name__ for kind, plot in _plots().items()} | {oo.ParameterFit: "plot"}
    plots |= {tasks.Psychometric: "plot_psychometric", tasks.Chronometric: "plot_chronometric"}
    plots[oo.Spectrum] = "plot_spectrum"
    drawn = {
        name: plot
        for name, cls in classes.items()
        for kind, plot in plots.items()
        if issubclass(cls, kind)
    }
    tabled = {name for name, cls in classes.items() if hasattr(cls, "to_dataframe")}
    assert said.keys() == drawn.keys() | tabled
    for name, (picture, table) in said.items():
        named = re.findall(r"`(\w+)`", picture)
        assert drawn[name] in named if name in drawn else named == [], name
        assert (table != "-") == (name in tabled), name
    for name in dir(oo):
        assert not name.startswith("plot_") or f"`{name}`" in page or name == "plot_result", name


def test_a_bifurcation_and_a_batch_of_spectra_have_theirs():
    one = np.ones((1, 1))
    circuit = oo.ORGaNICs(one, 2 * one, one, 0.1, 0.5, 0.5, 2.0, 2.0)
    branches = planar.bifurcation(circuit, [0.0], "W_r", np.linspace(0.5, 2, 3))
    assert oo.plot_result(branches).get_xlabel() == "W_r"
    batch = oo.Spectrum(jnp.ones((3, 2), complex), None, jnp.zeros(3))
    assert oo.plot_result(batch).collections
