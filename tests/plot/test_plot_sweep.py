"""Sweeps as pictures."""

import numpy as np
import pytest
from matplotlib import pyplot

import organics_ode as oo

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    pyplot.close("all")


def sweep(values=None, **axes):
    axes = {name: np.asarray(v) for name, v in axes.items()}
    shape = tuple(map(len, axes.values()))
    return oo.Sweep(axes, RNG.normal(size=shape) if values is None else values, "abscissa")


def test_two_parameters_make_a_heat_map_in_their_units():
    found = sweep(W_r=[0.5, 1.0, 1.5], tau_a=[1.0, 10.0, 100.0, 1000.0])
    ax = oo.plot_sweep(found)
    (mesh,) = ax.collections
    np.testing.assert_array_equal(mesh.get_array(), found.values.T)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("W_r", "tau_a (ms)")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert ax.figure.axes[1].get_ylabel() == "abscissa"
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], [0.25, 0.75, 1.25, 1.75])
    np.testing.assert_allclose(corners[:, 0, 1], 10.0 ** np.arange(-0.5, 4), rtol=1e-12)


def test_values_in_any_order_are_drawn_where_they_belong():
    found = sweep(sigma=[3.0, 1.0, 2.0], b0=[1.0])
    (mesh,) = oo.plot_sweep(found).collections
    np.testing.assert_array_equal(mesh.get_array()[0], found.values[[1, 2, 0], 0])


def test_one_parameter_makes_a_line_for_each_entry():
    found = sweep(RNG.normal(size=(3, 2)), tau_a=[1.0, 2.0, 3.0])
    ax = oo.plot_sweep(found)
    for i, line in enumerate(ax.get_lines()):
        np.testing.assert_array_equal(line.get_xydata(), np.c_[[1, 2, 3], found.values[:, i]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["[0]", "[1]"]
    assert len(oo.plot_sweep(found, units=1).get_lines()) == 1


def test_of_a_tree_one_part_is_drawn_and_what_is_not_finite_is_left_out():
    values = oo.ORGaNICsState(np.array([1.0, np.inf]), np.ones(2))
    ax = oo.plot_sweep(sweep(values, W=np.ones((2, 3, 3))), "y")
    np.testing.assert_array_equal(ax.get_lines()[0].get_xydata(), [[0, 1], [1, np.nan]])


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (3, {}, "`sweep` must be a Sweep"),
        (sweep(a=[1], b=[1], c=[1]), {}, "`sweep` must have one or two axes, but it has 3"),
        (sweep(np.ones((1, 1, 2)), a=[1], b=[1]), {}, "`units` must choose one of 2 entries"),
        (sweep(np.ones(1) * 1j, a=[1]), {}, "`sweep` must hold real numbers"),
        (sweep((np.ones(1), np.ones(1)), a=[1]), {}, "`name` must be one of 0, 1, but it is None"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_a_figure_is_made(
    found, options, message, unchecked
):
    with pytest.raises(ValueError, match=message):
        oo.plot_sweep(found, **options)
    assert not pyplot.get_fignums()
