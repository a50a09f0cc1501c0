"""Results as tables: what pandas and xarray hold is what the result holds, number by number."""

import itertools
import sys

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import objects
import pytest

import organics_ode as oo
from organics_ode import feedback, mean_field, planar, population, robustness

pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")

RNG = np.random.default_rng(0)


def states_at(ts):
    """By hand, of 3 units."""
    return oo.ORGaNICsState(*jnp.asarray(RNG.normal(size=(2, *ts.shape, 3))))


def trajectory():
    ts = jnp.linspace(0.0, 3.0, 4)
    return oo.Trajectory(ts, states_at(ts), diffrax.RESULTS.successful, {}, "by hand")


def paths(ts):
    return oo.Paths(jnp.asarray(ts), states_at(jnp.asarray(ts)))


def test_a_trajectory_is_a_row_for_each_time_with_its_units():
    found = trajectory()
    frame = found.to_dataframe()
    assert list(frame) == ["t", *(f"{name}[{i}]" for name in "ya" for i in range(3))]
    np.testing.assert_array_equal(frame["t"], found.ts)
    for name, i in itertools.product("ya", range(3)):
        np.testing.assert_array_equal(frame[f"{name}[{i}]"], getattr(found.states, name)[:, i])
    assert frame.attrs["units"] == {"t": "ms"}


def test_a_frame_goes_to_csv_and_back_to_the_bit(tmp_path):
    for result in (trajectory(), paths([1.0, 1.5])):
        frame = result.to_dataframe()
        frame.to_csv(tmp_path / "states.csv", index=False)
        back = pandas.read_csv(tmp_path / "states.csv", float_precision="round_trip")
        pandas.testing.assert_frame_equal(back, frame, check_exact=True)


def test_in_xarray_units_have_an_axis():
    found = trajectory()
    data = found.to_xarray()
    assert data["y"].dims == ("t", "unit") and data["t"].attrs == {"units": "ms"}
    np.testing.assert_array_equal(data["a"].sel(t=2.0), found.states.a[2])
    assert data.attrs["solver"] == "by hand"


def test_of_a_batch_both_packages_say_the_same():
    found = paths([[0.0, 1.0, 2.0, 3.0]] * 2)
    data, frame = found.to_xarray(), found.to_dataframe()
    assert data["y"].dims == ("batch", "t", "unit") and len(frame) == 8
    # xarray's own way to a frame is the second route.
    wide = data["y"].to_dataframe()["y"].unstack("unit").reset_index()
    np.testing.assert_array_equal(wide[["batch", "t", 0, 1, 2]], frame.iloc[:, :5])


def test_times_that_differ_within_a_batch_are_a_column():
    frame = paths([[0.0, 1.0], [0.0, 2.0]]).to_dataframe()
    assert list(frame)[:3] == ["batch", "step", "t"]
    np.testing.assert_array_equal(frame["t"], [0.0, 1.0, 0.0, 2.0])
    assert frame.attrs["units"] == {"t": "ms"}


def test_fields_of_several_sizes_have_axes_of_their_own():
    states = oo.GatedORGaNICsState(*(jnp.zeros((2, n)) for n in (1, 2, 2, 2)))
    data = oo.Paths(jnp.arange(2.0), states).to_xarray()
    assert data["y"].dims == ("t", "y_unit") and data["a"].dims == ("t", "a_unit")


RECORDS = [
    {"step": 1, "loss": 2.0, "epoch": 1},
    {"step": 2, "loss": 1.5, "epoch": 1},
    {"step": 2, "validation_loss": 1.7},
    {"step": 2, "validation_loss": 1.8},
]


def test_a_history_is_a_row_for_each_step_and_loses_no_record():
    frame = oo.History(RECORDS).to_dataframe()
    assert list(frame) == ["step", "loss", "epoch", "validation_loss"]
    np.testing.assert_array_equal(frame["step"], [1, 2, 2])
    np.testing.assert_array_equal(frame["loss"], [2.0, 1.5, np.nan])
    np.testing.assert_array_equal(frame["validation_loss"], [np.nan, 1.7, 1.8])
    assert len(oo.History([]).to_dataframe()) == 0


def test_a_history_of_an_ensemble_has_a_column_for_each_member():
    records = [{"step": 1, "loss": [1.0, 2.0]}, {"step": 1, "validation_loss": [3.0, 4.0]}]
    data = oo.History([*records, {"step": 2, "loss": [5.0, 6.0]}]).to_xarray()
    np.testing.assert_array_equal(data["loss"], [[1.0, 2.0], [5.0, 6.0]])
    np.testing.assert_array_equal(data["validation_loss"], [[3.0, 4.0], [np.nan, np.nan]])


def test_a_spectrum_has_its_complex_numbers_in_two_columns_of_a_frame():
    values = np.array([-0.1 + 0.2j, -0.1 - 0.2j])
    vectors = np.array([[1, 2], [3j, 4]])
    found = oo.Spectrum(jnp.asarray(values), jnp.asarray(vectors), jnp.asarray(0.0))
    frame = found.to_dataframe()
    back = frame["eigenvalue.real"] + 1j * frame["eigenvalue.imag"]
    np.testing.assert_array_equal(back, values)
    np.testing.assert_array_equal(frame["vector[1].imag"], [3, 0])  # of mode 0, of mode 1
    units = frame.attrs["units"]
    assert units["eigenvalue.imag"] == "1/ms" and units["frequency"] == "Hz"
    np.testing.assert_array_equal(found.to_xarray()["eigenvalue"], values)


@pytest.mark.parametrize("name", ["FixedPoints", "SlowPoints"])
def test_points_are_a_row_each_with_their_state(name):
    found = objects.OBJECTS[name]()
    frame = found.to_dataframe()
    assert list(frame["point"]) == [0, 1]
    np.testing.assert_array_equal(frame["abscissa"], found.abscissae)
    np.testing.assert_array_equal(frame["a[1]"], found.states.a[:, 1])
    assert all(kind in repr(found) for kind in frame["kind"])


def test_a_fixed_point_is_one_row_and_a_batch_of_them_several():
    one = objects.build(oo.FixedPoint)
    one = jax.tree.map(jnp.asarray, one)
    assert len(one.to_dataframe()) == 1
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), one)
    assert list(two.to_dataframe()["batch"]) == [0, 1]


def test_a_phase_diagram_names_its_classes():
    classes = np.array([[[0, -1]], [[2, 3]]], np.int8)
    numbers = RNG.normal(size=(3, 2, 1, 2))
    diagram = robustness.PhaseDiagram(np.array([0.5]), np.array([1.0, 2.0]), classes, *numbers)
    frame = diagram.to_dataframe()
    assert list(frame["class"]) == ["stable", "undecided", "limit cycle", "diverging"]
    np.testing.assert_array_equal(frame["norm"], [1.0, 2.0, 1.0, 2.0])


def test_points_of_a_plane_have_their_two_variables_and_kinds():
    one = np.ones((1, 1))
    unit = oo.ORGaNICs(one, 2 * one, one, 0.1, 0.5, 0.5, 2.0, 2.0)
    found = planar.fixed_points(unit, [0.1])
    frame = found.to_dataframe()
    columns = ["point", "y", "a", "kind", "residual"]
    columns += [f"eigenvalue[{i}].{part}" for i in (0, 1) for part in ("real", "imag")]
    assert list(frame) == columns and frame.attrs["searched"] == found.searched
    np.testing.assert_array_equal(frame[["y", "a"]], found.pairs)
    assert tuple(frame["kind"]) == found.kinds
    assert frame.attrs["units"]["eigenvalue[1].imag"] == "1/ms"
    # Of more variables the others are there, too.
    states = oo.ORGaNICsState(*jnp.asarray(RNG.normal(size=(2, 3, 4))))
    many = planar.PlanarFixedPoints(
        states, jnp.ones((3, 8), complex), jnp.zeros(3), ("saddle",) * 3, (0, 4), ("y[0]", "a[0]")
    )
    data = many.to_xarray()
    np.testing.assert_array_equal(data["a[0]"], states.a[:, 0])
    np.testing.assert_array_equal(data["state.y"], states.y)


def test_a_bifurcation_is_a_row_for_each_value_and_point_with_its_events_as_notes():
    state = oo.ORGaNICsState(*RNG.normal(size=(2, 4, 3)))
    event = planar.BifurcationEvent("saddle-node", 1.0, 2.0, (0.5, 0.25))
    found = planar.Bifurcation(
        *("tau_y", np.arange(4.0), np.full(4, 3), state, np.ones((4, 3, 2), complex)),
        *(state.y > 0, (event,)),
    )
    data, frame = found.to_xarray(), found.to_dataframe()
    assert data["y"].dims == ("tau_y", "point") and data["tau_y"].attrs == {"units": "ms"}
    np.testing.assert_array_equal(data["a"], state.a)
    assert len(frame) == 12 and frame["is_stable"].dtype == bool
    assert frame.attrs["event_kinds"] == ["saddle-node"] and frame.attrs["event_values"] == [1.5]
    np.testing.assert_array_equal(frame["y"][frame["tau_y"] == 2.0], state.y[2])


def test_states_at_rest_and_attractors_of_feedback_networks_are_a_row_each():
    numbers = RNG.normal(size=(3, 2))
    outliers = numbers[:, :1] * (1 + 0.5j) + np.zeros((1, 2))
    found = mean_field.Solutions(*numbers, outliers[0], outliers[:2], np.array([True, False]))
    frame = found.to_dataframe()
    np.testing.assert_array_equal(frame[["z", "delta0", "radius"]], numbers.T)
    np.testing.assert_array_equal(frame["outlier.imag"], outliers[0].imag)
    assert tuple(frame["kind"]) == found.kinds
    reached = feedback.Attractors(
        jnp.asarray(numbers[0]), jnp.asarray(numbers.T), np.array([4, 5]), 1
    )
    frame = reached.to_dataframe()
    assert list(frame) == ["attractor", "z", "hits", "x[0]", "x[1]", "x[2]"]
    assert frame.attrs["unsettled"] == 1 and frame["hits"].sum() == 9


def test_tuning_curves_are_a_row_for_each_direction():
    means, errors = jnp.asarray(RNG.normal(size=(2, 4, 3)))
    angles = jnp.asarray([0.0, 1.5, 3.0, 4.5])
    found = population.Tuning(angles, means, errors, jnp.full(4, 5), 2)
    data = found.to_xarray()
    assert data["mean"].dims == ("direction", "unit") and data.attrs == {"missing": 2}
    assert data["direction"].attrs == {"units": "rad"}
    np.testing.assert_array_equal(data["error"], errors)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), found)
    frame = batch.to_dataframe()
    assert list(frame)[:2] == ["batch", "direction"] and len(frame) == 8
    np.testing.assert_array_equal(frame["mean[1]"][4:], means[:, 1])


def test_arrays_of_ones_own_become_tables():
    power = oo.ORGaNICsState(np.ones((3, 2)), np.full((3, 2), 2.0))
    units = {"frequency": "Hz", "power": "1/Hz"}
    table = oo.Table({"frequency": [1.0, 2.0, 4.0]}, {"power": power}, units)
    frame = table.to_dataframe()
    assert list(frame) == ["frequency", "power.y[0]", "power.y[1]", "power.a[0]", "power.a[1]"]
    assert frame.attrs["units"]["power.a[1]"] == "1/Hz"
    assert table.to_xarray()["power.y"].attrs["units"] == "1/Hz"


def test_half_precision_becomes_single():
    table = oo.Table({"k": [0, 1]}, {"v": jnp.ones(2, jnp.bfloat16)})
    assert table.to_dataframe()["v"].dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"k": 1.0}, {}), r"`axes` must have shape \(k,\) each, but `k` has shape \(\)"),
        (({"k": [1]}, {"v": [1, 2]}), r"`columns` must have the axes \('k',\), of lengths \(1,\)"),
        (({"k": [1]}, {"k": [1]}), "`columns` must have names of their own, but `k` is one of"),
        (({"k": [1]}, {}, {"k": 1.0}), "`units` must map names to texts"),
        (({"k": [1]}, {}, {"t": "ms"}), "`units` must be of axes or columns, but there is no 't'"),
        (([1], {}), "`axes` must map names to values, but it is a list"),
        (
            ({"k": [1]}, {"v": [object()]}),
            "`columns` must hold arrays of numbers, but one is a list",
        ),
    ],
)
def test_bad_tables_are_refused(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        oo.Table(*arguments)


def test_inside_jit_there_is_no_table():
    with pytest.raises(ValueError, match="`columns` must hold known numbers"):
        jax.jit(lambda v: oo.Table({"k": [0]}, {"v": v}).columns["v"])(jnp.ones(1))


@pytest.mark.parametrize("package", ["pandas", "xarray"])
def test_a_missing_package_is_named_with_the_command(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    method = {"pandas": "to_dataframe", "xarray": "to_xarray"}[package]
    text = rf"Tables need {package}: pip install 'organics_ode\[tables\]'"
    with pytest.raises(ImportError, match=text):
        getattr(trajectory(), method)()
