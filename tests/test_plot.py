"""Plots draw what they are given, into the axes they are given."""

import diffrax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from matplotlib import pyplot

import organics_ode as oo

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
    with pytest.raises(
        KeyError, match=r"No record has 'accuracy'; there are .*gradient_norm, loss"
    ):
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
