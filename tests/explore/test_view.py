"""What the explorer shows, against the public functions that its own script calls."""

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

import organics_ode as oo
from organics_ode import planar
from organics_ode.explore import MODELS, PRESETS, _programs, _view, script, view
from organics_ode.explore._programs import around, course

BY_NAME = {preset.name: preset for preset in PRESETS}
UNIT, CELLS, PAIR = (BY_NAME[n] for n in ("Phase portrait", "Normalization", "Wilson-Cowan cycle"))


def seen(preset, **values):
    return view(preset.model, dict(preset.values) | values)


def numbers_of(preset):
    return {name: jnp.asarray(value) for name, value in preset.values.items()}


# Each compiles its own programs.
LATER = [pytest.param(preset.name, marks=pytest.mark.slow) for preset in (CELLS, PAIR)]


@pytest.fixture(params=[UNIT.name, *LATER], scope="module")
def shown_and_run(request, tmp_path_factory):
    """A view, and the names that its script leaves."""
    preset = BY_NAME[request.param]
    shown = seen(preset)
    stable = None if shown.chosen is None else tuple(shown.points[shown.chosen].tolist())
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("script")
        patch.chdir(folder)
        exec(script(preset.model, preset.values, stable), names)
        assert (folder / "explored.png").stat().st_size > 0
    plt.close("all")
    return shown, names


def test_the_response_and_the_points_are_those_of_the_script(shown_and_run):
    shown, names = shown_and_run
    states = [np.asarray(leaf) for leaf in names["trajectory"].states]
    np.testing.assert_allclose(shown.rows, np.concatenate(states, axis=1), rtol=1e-5, atol=1e-6)
    assert names["trajectory"].succeeded and np.isfinite(shown.rows).all()
    if "points" in names:
        np.testing.assert_allclose(shown.points, names["points"].pairs, rtol=1e-8, atol=1e-10)
        assert shown.kinds == names["points"].kinds
        assert shown.is_stable.tolist() == names["points"].is_stable.tolist()


def test_eigenvalues_are_those_of_the_jacobian(shown_and_run):
    shown, names = shown_and_run
    like = names["state0"]
    for point, values, stable in zip(shown.points, shown.eigenvalues, shown.is_stable, strict=True):
        state = type(like)(*np.split(point, 2))
        J = np.asarray(oo.jacobian(names["circuit"], state, names["x"]))
        expected = np.linalg.eigvals(J)
        np.testing.assert_allclose(np.sort(values.real), np.sort(expected.real), rtol=1e-8)
        assert stable == bool(expected.real.max() < 0)


def test_noise_and_energy_are_those_of_the_script(shown_and_run):
    shown, names = shown_and_run
    if shown.chosen is None:
        assert np.isnan(shown.powers).all() and np.isnan(shown.energies).all()
        assert "No stable fixed point" in " ".join(shown.remarks) and "energy" not in names
        return
    np.testing.assert_allclose(shown.powers, names["power"], rtol=1e-6)
    np.testing.assert_allclose(shown.energies[0], names["energy"](names["state0"]), rtol=1e-5)
    highest = names["frequencies"][np.argmax(names["power"][:, 0])]
    assert shown.peak == pytest.approx(highest)


def test_velocities_vanish_on_the_nullclines(shown_and_run):
    shown, names = shown_and_run
    circuit, x = names["circuit"], names["x"]
    assert len(shown.nullclines) == (2 if "points" in names else 0)
    for which, curve in enumerate(shown.nullclines):
        u, v = curve[np.isfinite(curve).all(axis=1)].T
        assert len(u) > 50
        on_it = np.asarray(planar.vector_field(circuit, x, u, v)[which])
        # A straight line through a cell is off by the curvature: a kink at a = 0 is the worst.
        assert np.median(np.abs(on_it)) < 2e-3 * np.abs(shown.flow[which]).max()


def test_the_curve_over_contrast_is_divisive_normalization():
    # Only this is compiled; what else is seen of this model has its shapes here.
    responses = jax.jit(lambda values: course(CELLS.model, values).contrast_responses)
    shown, v = responses(numbers_of(CELLS)), CELLS.values
    moved = eqx.filter_eval_shape(course, CELLS.model, numbers_of(CELLS))
    found = eqx.filter_eval_shape(
        around, CELLS.model, moved.circuit, moved.x, moved.points, moved.rows, jnp.zeros((2, 2))
    )
    assert found.eigenvalues.shape == moved.points.shape and found.flow.size == 0
    c = np.geomspace(0.01, 1.0, 61)
    for curve, mask in zip(shown, (v["x2"], 0.0), strict=True):
        drives = (v["b1"] * c) ** 2, (v["b1"] * mask) ** 2
        pool = (v["sigma"] * v["b0"]) ** 2 + v["w_own"] * drives[0] + v["w_other"] * drives[1]
        np.testing.assert_allclose(curve, v["b1"] * c / np.sqrt(pool), rtol=1e-10)


def test_a_memory_has_two_stable_points_and_takes_the_nearer_one():
    memory = BY_NAME["Memory"]
    for start, chosen in ((-0.3, 0), (0.3, 2)):
        shown = seen(memory, y0=start)
        assert shown.kinds == ("stable focus", "saddle", "stable focus") and shown.chosen == chosen
        np.testing.assert_allclose(shown.rows[-1], shown.points[chosen], rtol=1e-3)


def test_what_grows_without_bound_is_said_and_not_drawn_to_infinity():
    shown = seen(UNIT, w=0.0, w_r=3.0, sigma=0.01, T=1000.0)
    assert not shown.is_stable.any() and shown.chosen is None
    assert "No stable fixed point" in " ".join(shown.remarks)
    assert not np.isinf(shown.rows).any() and np.isfinite(shown.window).all()
    assert any("grows" in remark or "diverged" in remark for remark in shown.remarks)


@pytest.fixture
def given(monkeypatch):
    """Of two units, what is seen where the programs give these numbers."""

    def shown(points, residuals, reached=100.0, largest=0.5, **more):
        d, half = 4, np.zeros(2)
        rows = np.full((_programs.TIMES, d), 0.1)
        rows[-1] = largest
        circuit = oo.ORGaNICs(np.eye(2), np.eye(2), np.eye(2), 0.1, 0.5, 0.5, 2.0, 2.0)
        ts, ends = np.linspace(0, 100, len(rows)), (reached, reached == 100.0)
        responses = np.zeros((2, len(_programs.CONTRASTS)))
        moved = (circuit, half, ts, rows, *ends, np.asarray(points), np.asarray(residuals))
        eigenvalues = more.get("eigenvalues", -np.ones((_programs.POINTS, d)) + 0j)
        is_stable = bool(np.any(eigenvalues.real.max(axis=1)[: len(points)] < 0))
        powers = more.get("powers", np.ones((len(_programs.FREQUENCIES), d)))
        energies = more.get("energies", np.ones(len(rows)))
        flow = np.zeros((2, 0, 0))
        about = (flow, eigenvalues, np.full(_programs.POINTS, 1e-6), 0, is_stable, powers, energies)
        moved = (*map(as_given, moved), responses)
        monkeypatch.setattr(_view, "course", lambda *_: _programs.Course(*moved))
        monkeypatch.setattr(_view, "around", lambda *_: _programs.Around(*map(as_given, about)))
        return view(CELLS.model, CELLS.values)

    return shown


def as_given(value):
    return value if isinstance(value, oo.AbstractCircuit) else jnp.asarray(value)


def test_points_are_told_once_in_their_order_where_newton_has_arrived(given):
    points = [[0.5, 0, 0, 0], [0.2, 0, 0, 0], [0.5 + 1e-8, 0, 0, 0], [0.1, 0, 0, 0]]
    found = given(points, [0.0, 0.0, 0.0, 1.0])
    assert found.points[:, 0].tolist() == [0.2, 0.5]
    assert found.kinds == ("stable node",) * 2 and found.chosen == 0
    assert found.remarks == ("The only fixed point there is, in closed form, since W_r = I.",)
    none = given(points, np.ones(4))
    assert none.points.shape == (0, 4) and "No fixed point was found." in none.remarks
    many = given(np.arange(9.0)[:, None] * np.ones(4), np.zeros(9))
    assert len(many.points) == 8 and "Only 8 of 9 fixed points are shown." in many.remarks


def test_kinds_are_those_of_the_eigenvalues(given):
    rows = [[-1, -1, -2, -3], [-1 + 1j, -1 - 1j, -2, -3], [1, -1, -2, -3], [1, 1, 2, 3]]
    rows += [[1 + 1j, 1 - 1j, 2, 3], [1e-7, -1, -2, -3], [np.nan] * 4]
    values = np.concatenate([np.array(rows, complex), -np.ones((1, 4))])
    found = given(np.arange(7.0)[:, None] * np.ones(4), np.zeros(7), eigenvalues=values)
    kinds = ("stable node", "stable focus", "saddle", "unstable node", "unstable focus")
    assert found.kinds == (*kinds, "marginal", "marginal")
    assert found.is_stable.tolist() == [True, True, *[False] * 5]


def test_what_is_not_known_is_said(given):
    point = [[0.5, 0, 0, 0]], [0.0]
    for more, said in (
        ({"reached": 40.0}, "The solver ran out of steps at t = 40 ms."),
        (
            {"reached": 40.0, "largest": np.nan},
            "The solver ended at t = 40 ms; nothing is shown after it.",
        ),
        (
            {"powers": np.full((len(_programs.FREQUENCIES), 4), np.nan)},
            "The power spectrum is not known: rounding leaves it open.",
        ),
        (
            {"energies": np.full(_programs.TIMES, np.nan)},
            "The energy is not known: rounding leaves it open.",
        ),
        (
            {"eigenvalues": np.ones((_programs.POINTS, 4)) + 0j},
            "No stable fixed point: there is no spectrum of noise and no energy.",
        ),
    ):
        assert given(*point, **more).remarks[1:] == (said,)
    # The peak of the first variable, unless it is at an end of the frequencies.
    powers = np.ones((len(_programs.FREQUENCIES), 4))
    for i in (0, 70):
        powers[i, 0] += 1
        peak = given(*point, powers=powers).peak
        np.testing.assert_equal(peak, _programs.FREQUENCIES[70] if i else np.nan)
        powers[i, 0] = 1


def test_every_preset_has_a_value_for_every_slider_on_its_scale():
    assert {preset.model.name for preset in PRESETS} == {model.name for model in MODELS}
    for preset in PRESETS:
        assert preset.values.keys() == {knob.name for knob in preset.model.knobs}
        for knob in preset.model.knobs:
            assert knob.low <= preset.values[knob.name] <= knob.high, (preset.name, knob.name)
