"""What the page draws and says, in this process: of views made by hand, without a browser."""

import html

import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.explore import MODELS, PRESETS, View, script

pytest.importorskip("bokeh", reason="bokeh is absent: pip install 'organics_ode[explore]'.")
from bokeh.document import Document
from bokeh.models import PreText, Slider

from organics_ode.explore import _page
from organics_ode.explore._columns import columns, limits
from organics_ode.explore._figures import Pictures
from organics_ode.explore._programs import CONTRASTS, FREQUENCIES

ONE, TWO, PAIR = MODELS
GRID, TIMES = 49, 5
WINDOW = (-0.5, 1.5), (0.0, 0.25)


def made(model, seed=0, **parts):
    """A view of two points, the first of them stable, and of a flow that turns."""
    rng, d = np.random.default_rng(seed), len(model.variables)
    u, v = (np.linspace(*ends, GRID) for ends in WINDOW)
    flow = np.stack(np.broadcast_arrays(v[:, None] - 0.1, -0.3 * u[None, :] + 0.1))
    real = np.stack([-np.ones(d), np.linspace(-0.5, 0.75, d)])
    fields = {
        "ts": np.linspace(0.0, 200.0, TIMES),
        "rows": rng.uniform(0.2, 0.9, (TIMES, d)),
        "points": rng.uniform(0, 1, (2, d)),
        "kinds": ("stable focus", "saddle"),
        "is_stable": np.array([True, False]),
        "eigenvalues": real + 1j * np.array([0.25, *np.zeros(d - 2), -0.25]),
        "window": WINDOW,
        "flow": flow if model.is_planar else np.zeros((2, 0, 0)),
        "nullclines": tuple(rng.uniform(0, 1, (n, 2)) for n in (3, 5)) if model.is_planar else (),
        "chosen": 0,
        "powers": np.outer(np.geomspace(3e-5, 4e-9, len(FREQUENCIES)), np.linspace(0.5, 1, d)),
        "energies": np.array([3.0, 0.2, 1e-3, 1e-9, 0.0]),
        "peak": 12.345,
        "contrast": 0.4,
        "contrast_responses": rng.uniform(0, 0.8, (2, len(CONTRASTS))),
        "remarks": ("one & <only>",),
    }
    return View(**fields | parts)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_circuit_of_a_model_is_that_of_its_lines(model):
    """The sliders move what the shown Python builds."""
    values = next(dict(p.values) for p in PRESETS if p.model is model)
    values = {name: value + 0.01 * i for i, (name, value) in enumerate(values.items())}
    names = {"oo": oo, "np": np}
    exec(model.lines.format(**values), names)
    built = model.build({name: jnp.asarray(value) for name, value in values.items()})
    assert oo.values(built.circuit).keys() == oo.values(names["circuit"]).keys()
    for label, value in oo.values(names["circuit"]).items():
        np.testing.assert_allclose(oo.values(built.circuit)[label], value, rtol=1e-12)
    assert type(built.circuit) is type(names["circuit"])
    np.testing.assert_allclose(built.x, names["x"], rtol=1e-12)
    assert type(built.state0) is type(names["state0"])
    np.testing.assert_allclose(np.ravel(built.state0), np.ravel(names["state0"]), rtol=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_columns_are_the_view(model):
    seen = made(model)
    found, empty = columns(model, seen), columns(model, None)
    # Before anything is seen there are the same columns, and those of a picture of other models.
    assert all(set(found[source]) == set(empty[source]) for source in found)
    assert not any(len(each) for data in empty.values() for each in data.values())
    names = model.variables
    np.testing.assert_array_equal([found["course"][n] for n in names], seen.rows.T)
    np.testing.assert_array_equal([found["powers"][n] for n in names], seen.powers.T)
    np.testing.assert_array_equal(found["course"]["t"], seen.ts)
    # Less than 1e-8 of the highest energy is not drawn.
    np.testing.assert_array_equal(found["course"]["energy"], [3.0, 0.2, 1e-3, np.nan, np.nan])
    marks = {"marker": ["circle", "diamond"], "fill": ["black", "white"]}
    points = found["points"]
    assert {name: list(points[name]) for name in marks} == marks
    across = seen.points[:, 0] if model.is_planar else [0.4, 0.4]
    np.testing.assert_array_equal(points["u"], across)
    np.testing.assert_array_equal(points["v"], seen.points[:, 1 if model.is_planar else 0])
    values, d = found["eigenvalues"], len(names)
    shown = np.asarray(values["real"]) + 1j * np.asarray(values["imag"])
    np.testing.assert_array_equal(shown, seen.eigenvalues.ravel())
    assert {name: list(values[name][::d]) for name in marks} == marks
    if not model.is_planar:
        both = [found["contrast"][name] for name in ("masked", "alone")]
        np.testing.assert_array_equal(both, seen.contrast_responses)
        return
    for name, curve in zip(names, seen.nullclines, strict=True):
        pairs = np.stack([found["nullclines"][f"{axis}_{name}"] for axis in "uv"], axis=1)
        np.testing.assert_array_equal(pairs[: len(curve)], curve)
        assert len(pairs) == 5 and np.isnan(pairs[len(curve) :]).all()


def test_arrows_follow_the_flow_and_have_one_length_in_the_picture():
    found = columns(ONE, made(ONE))["arrows"]
    # In units of the height of a picture, which is 1.6 times as wide.
    sides = np.array([1.6 / 2.0, 1 / 0.25])
    arrows = np.stack([found["u"], found["v"]], axis=1).reshape(12 * 12, 6, 2)
    assert np.isnan(arrows[:, 5]).all()  # a gap before the next
    tail, tip, left, again, right = np.moveaxis(arrows[:, :5], 1, 0)
    np.testing.assert_array_equal(tip, again)
    u, v = ((tail + tip) / 2).T
    # A centre lies where the flow was computed: at u = -0.5 + i/24.
    np.testing.assert_allclose((u + 0.5) * 24, np.rint((u + 0.5) * 24), atol=1e-9)
    along = (tip - tail) * sides
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 0.7 / 12, rtol=1e-9)
    flow = np.stack([v - 0.1, -0.3 * u + 0.1], axis=1)
    np.testing.assert_allclose(
        along[:, 0] * flow[:, 1] * sides[1], along[:, 1] * flow[:, 0] * sides[0], atol=1e-9
    )
    assert np.all(np.sum(along * flow * sides, axis=1) > 0)
    # The wings are mirror images about the arrow, behind its tip.
    np.testing.assert_allclose(np.sum((left - right) * sides * along, axis=1), 0, atol=1e-9)
    back = np.sum(((left + right) / 2 - tip) * sides * along, axis=1)
    np.testing.assert_allclose(back, -0.3 * (0.7 / 12) ** 2, rtol=1e-9)
    still = columns(ONE, made(ONE, flow=np.zeros((2, GRID, GRID))))["arrows"]
    np.testing.assert_array_equal(still["u"].reshape(-1, 6)[:, 0], still["u"].reshape(-1, 6)[:, 1])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_axes_hold_all_that_is_seen(model):
    seen = made(model, energies=np.array([3.0, 0.2, 2e-3, np.nan, 0.0]))
    ends = limits(model, seen)
    assert ends["time"][0] == ends["energy"][0] == (0, 200)
    low, high = ends["time"][1]
    assert low <= 0 and high > seen.rows.max()
    assert ends["energy"][1] == pytest.approx((1e-3, 10))  # of 2e-3 to 3
    (left, right), (down, up) = ends["eigenvalues"]
    assert left < -1 and right > 0.75 and up == -down > 0.25
    across, shown = ends["plane"]
    assert (across, shown) == WINDOW if model.is_planar else across == (0.01, 1)
    assert model.is_planar or shown[1] > seen.contrast_responses.max()
    assert ends["power"][0] == (FREQUENCIES[0], FREQUENCIES[-1])
    assert ends["power"][1] == pytest.approx((1e-9, 1e-4))  # of 2e-9 to 3e-5


def test_the_axes_of_what_is_not_known_have_ends_too():
    nothing = np.full(TIMES, np.nan), np.full((len(FREQUENCIES), 2), np.nan)
    ends = limits(ONE, made(ONE, energies=nothing[0], powers=nothing[1]))
    assert ends["energy"][1] == (1e-8, 1) and ends["power"][1] == (1e-12, 1e-6)
    low = np.geomspace(1e-20, 1.0, len(FREQUENCIES))[:, None] * np.ones(2)
    assert limits(ONE, made(ONE, powers=low))["power"][1] == pytest.approx((1e-6, 1))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_change_says_all_that_a_first_picture_shows(model):
    first, second = made(model), made(model, seed=1, ts=np.linspace(0.0, 400.0, TIMES))
    pictures = Pictures(model)
    pictures.show(first)
    named = dict(pictures.named())
    numbers, filled, ranges = pictures.changes(second)
    # As `MOVED` reads it, in the page.
    for source, parts, words in filled:
        data = dict(map(tuple, words)) | {name: numbers[a:b] for name, a, b in parts}
        named[source].data = data
    for name, *ends in ranges:
        named[name].update(start=ends[0], end=ends[1])
    again = Pictures(model)
    again.show(second)
    for name, expected in again.named():
        if not hasattr(expected, "data"):
            assert (named[name].start, named[name].end) == (expected.start, expected.end)
            continue
        assert named[name].data.keys() == expected.data.keys()
        for column, each in expected.data.items():
            np.testing.assert_array_equal(named[name].data[column], each)
    assert named["time 0"].end == 400
    # Every line and mark is of a column that its source has.
    for shown in pictures.axes.values():
        assert shown.xaxis.axis_label and shown.yaxis.axis_label and shown.renderers
        for drawn in shown.renderers:
            places = {drawn.glyph.x, drawn.glyph.y}
            assert places <= drawn.data_source.data.keys()


@pytest.fixture
def seen(monkeypatch):
    """The models and the values of which a view was asked for."""
    asked = []

    def view(model, values):
        asked.append((model, dict(values)))
        return made(model, seed=len(asked))

    monkeypatch.setattr(_page, "view", view)
    return asked


def find(document, name):
    return document.get_model_by_name(name)


def sliders(tab):
    """Those on the page, in its order."""
    assert {id(each) for each in tab.document.select({"type": Slider})} == {
        id(each) for each in tab.sliders.children
    }
    return {each.name: each for each in tab.sliders.children}


def test_a_tab_shows_a_preset_and_follows_its_sliders(seen):
    document = Document()
    tab = _page.Tab(document)
    first = PRESETS[0]
    assert document.title == "organics_ode explorer" and seen == [(first.model, first.values)]
    assert find(document, "presets").labels == [preset.name for preset in PRESETS]
    assert html.escape(first.says) in find(document, "hint").text
    shown = sliders(tab)
    assert list(shown) == [f"knob {knob.name}" for knob in first.model.knobs]
    for knob in first.model.knobs:
        slider = shown[f"knob {knob.name}"]
        assert (slider.start, slider.end, slider.step) == (knob.low, knob.high, knob.step)
        assert slider.value == first.values[knob.name] and knob.says in slider.title
    # Two values that arrive together are drawn once, in one message.
    shown["knob x"].value, shown["knob w"].value = 0.5, 1.5
    (callback,) = document.session_callbacks
    assert len(seen) == 1 and not tab.moved.tags
    callback.callback()
    assert seen[1:] == [(first.model, dict(first.values) | {"x": 0.5, "w": 1.5})]
    *changes, text = tab.moved.tags
    np.testing.assert_array_equal(changes[0], tab.pictures.changes(made(first.model, 2))[0])
    assert text == _page.words(first, made(first.model, 2))


def test_another_preset_has_its_own_sliders_and_pictures(seen):
    document = Document()
    tab = _page.Tab(document)
    before = tab.pictures
    for i in (next(j for j, p in enumerate(PRESETS) if p.model is m) for m in (TWO, PAIR)):
        find(document, "presets").active = i
        preset = PRESETS[i]
        assert seen[-1] == (preset.model, preset.values) and tab.pictures is not before
        assert list(sliders(tab)) == [f"knob {knob.name}" for knob in preset.model.knobs]
        assert preset.name in find(document, "hint").text
        assert tab.follow.args["models"] == tab.pictures.named()
        drawn = tab.pictures.sources["course"].data[preset.model.variables[0]]
        np.testing.assert_array_equal(drawn, made(preset.model, len(seen)).rows[:, 0])


def test_the_python_is_shown_when_it_is_asked_for(seen):
    document = Document()
    _page.Tab(document)
    (code,) = document.select({"type": PreText})
    first = PRESETS[0]
    assert not code.visible and not code.text
    find(document, "python").active = True
    stable = tuple(made(first.model, 1).points[0].tolist())
    assert code.visible and find(document, "copy").visible
    assert code.text == script(first.model, first.values, stable)
    find(document, "python").active = False
    assert not code.visible


def test_the_words_name_every_point_and_every_remark():
    first = PRESETS[0]
    view = made(first.model, points=np.array([[0.5, 0.25], [-1.0, 0.0]]))
    text = _page.words(first, view)
    assert (
        "<b>stable focus</b>: y = 0.5, a = 0.25" in text and "<b>saddle</b>: y = -1, a = 0" in text
    )
    assert "Power of y is highest at 12.3 Hz." in text and "one &amp; &lt;only&gt;" in text
    assert "highest" not in _page.words(first, view._replace(peak=np.nan))
