"""What the results of the cortex draw, put in their tables and print: numbers made by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot

from organics_ode import cortex

RNG = np.random.default_rng(0)
RING = cortex.Ring(8)
GRATING = cortex.Grating(45, 0.5)
CONTRASTS = np.array([0.05, 0.2, 1.0])
FREQUENCIES = np.array([1.0, 10.0, 30.0, 100.0])


@pytest.fixture(autouse=True)
def closed():
    pyplot.close("all")  # those of other files, too: figures are counted here
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def experiment():
    """What responses know their population and their units by: two of eight."""
    return cortex.contrast_response(RING, GRATING, [0.5], units=[5, 2]).experiment


def rates(*shape):
    return jnp.asarray(RNG.uniform(0.1, 1, size=shape))


def drawn(lines):
    return [np.asarray(line.get_xydata()) for line in lines]


def labels(ax):
    return ax.get_xlabel(), ax.get_ylabel()


TS, RADII, DEGREES = np.array([0.0, 5.0, 25.0]), np.array([0.1, 0.5, 2.0]), np.arange(0, 180, 60.0)
# A result, its own names of what was varied and of what was seen, and the labels of the axes.
CURVES = {
    "PSTH": (cortex.PSTH, {"ts": TS, "rates": rates(3, 2)}, "time (ms)", "rate"),
    "ContrastResponse": (
        cortex.ContrastResponse,
        {"contrasts": CONTRASTS, "responses": rates(3, 2)},
        "contrast",
        "response",
    ),
    "Latency": (
        cortex.Latency,
        {"contrasts": CONTRASTS, "latencies": 30 * rates(3, 2)},
        "contrast",
        "latency (ms)",
    ),
    "TransientIndex": (
        cortex.TransientIndex,
        {"contrasts": CONTRASTS, "indices": rates(3, 2)},
        "contrast",
        "transient index",
    ),
    "OrientationTuning": (
        cortex.OrientationTuning,
        {"orientations": DEGREES, "responses": rates(3, 2)},
        "orientation (degrees)",
        "response",
    ),
    "SizeTuning": (
        cortex.SizeTuning,
        {"radii": RADII, "responses": rates(3, 2)},
        "radius (degrees)",
        "response",
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_drawn_over_what_was_varied(name, experiment):
    kind, parts, *words = CURVES[name]
    (xs, values) = parts.values()
    result = kind(**{k: jnp.asarray(v) for k, v in parts.items()}, experiment=experiment)
    given = pyplot.figure().subplots()
    ax = result.plot(given, lw=3)
    assert ax is given and labels(ax) == tuple(words) and len(pyplot.get_fignums()) == 1
    lines = ax.get_lines()
    for i, points in enumerate(drawn(lines)):
        np.testing.assert_array_equal(points, np.stack([xs, values[:, i]], axis=1))
    assert [line.get_label() for line in lines] == ["unit 5", "unit 2"]
    assert {line.get_lw() for line in lines} == {3}
    np.testing.assert_array_equal(result.observed, values)
    # The table and the card have the same numbers, with the units of the labels.
    frame = result.to_dataframe()
    np.testing.assert_array_equal(frame.iloc[:, 0], np.repeat(xs, 2))
    assert frame["unit"].tolist() == [5, 2] * 3
    np.testing.assert_array_equal(frame.iloc[:, 2], np.ravel(values))
    spelled = [word.partition(" (")[2].rstrip(")") for word in words]
    told = frame.attrs["units"]
    assert [told.get(column, "") for column in frame.columns[[0, 2]]] == spelled
    title, *facts = str(result).splitlines()
    assert title == f"{name}: 3 values, 2 units" and f"{xs.min():.4g} to {xs.max():.4g}" in facts[0]
    assert f"{np.min(values):.4g} to {np.max(values):.4g}" in facts[1]


def test_at_most_six_units_are_drawn_those_with_the_largest_responses():
    values = np.diag([3.0, 1.0, 7.0, 2.0, 6.0, 5.0, 8.0, 4.0])
    experiment = cortex.contrast_response(RING, GRATING, [0.5]).experiment
    found = cortex.PSTH(jnp.arange(8.0), jnp.asarray(values), experiment)
    shown = [line.get_label() for line in found.plot().get_lines()]
    assert shown == [f"unit {i}" for i in (0, 2, 4, 5, 6, 7)]


def test_spectra_are_drawn_for_each_contrast_and_one_unit(experiment):
    powers = rates(3, 4, 2).at[1, 1, 1].set(2.0)  # unit 2 has the most
    result = cortex.PowerSpectra(
        jnp.asarray(CONTRASTS), jnp.asarray(FREQUENCIES), powers, experiment
    )
    for unit, i, name in ((None, 1, "2"), (0, 0, "5")):
        given = pyplot.figure().subplots()
        ax = result.plot(given, unit=unit)
        assert ax is given
        assert labels(ax) == ("frequency (Hz)", f"power of unit {name} (1/Hz)")
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        for row, points in zip(powers, drawn(ax.get_lines()), strict=True):
            np.testing.assert_array_equal(points, np.stack([FREQUENCIES, row[:, i]], axis=1))
        said = [text.get_text() for text in ax.get_legend().get_texts()]
        assert said == ["contrast 0.05", "contrast 0.2", "contrast 1"]
    table = result.to_xarray()
    assert table.power.dims == ("contrast", "frequency", "unit")
    np.testing.assert_array_equal(table.power.sel(unit=5, contrast=0.2), powers[1, :, 0])
    assert result.to_dataframe().attrs["units"] == {"frequency": "Hz", "power": "1/Hz"}
    np.testing.assert_array_equal(result.observed, powers)
    assert str(result) == (
        "PowerSpectra: 3 contrasts, 2 units\n  frequency   1 to 100 Hz\n"
        f"  power       {powers.min():.4g} to 2 /Hz"
    )


def test_a_peak_is_drawn_where_there_is_one(experiment):
    columns = [[np.nan, 24.5, 41.25], [np.nan, 2e-4, 1e-4], [np.nan, 9.5, 12.0]]
    result = cortex.GammaPeak(jnp.asarray(CONTRASTS), *map(jnp.asarray, columns), experiment)
    given = pyplot.figure().subplots()
    ax = result.plot(given, color="green")
    (line,) = ax.get_lines()
    assert ax is given and labels(ax) == ("contrast", "peak (Hz)") and line.get_color() == "green"
    np.testing.assert_array_equal(line.get_xydata(), np.stack([CONTRASTS, columns[0]], axis=1))
    np.testing.assert_array_equal(result.observed, columns[0])
    frame = result.to_dataframe()
    assert list(frame.columns) == ["contrast", "frequency", "power", "width"]
    np.testing.assert_array_equal(frame.iloc[:, 1:].to_numpy().T, columns)
    assert frame.attrs["units"] == {"frequency": "Hz", "power": "1/Hz", "width": "Hz"}
    *_, last = str(result).splitlines()
    assert last.split() == ["1", "41.25", "0.0001", "12"]


def test_masks_are_drawn_for_one_unit_and_told_at_the_highest_contrast(experiment):
    values = rates(2, 3, 2).at[0, 2, 0].set(2.0)  # unit 5 has the most
    masks = jnp.asarray([0.0, 0.5])
    result = cortex.MaskResponse(jnp.asarray(CONTRASTS), masks, values, experiment)
    for unit, i, name in ((None, 0, "5"), (1, 1, "2")):
        given = pyplot.figure().subplots()
        ax = result.plot(given, unit=unit)
        assert ax is given and labels(ax) == ("contrast", f"response of unit {name}")
        for row, points in zip(values, drawn(ax.get_lines()), strict=True):
            np.testing.assert_array_equal(points, np.stack([CONTRASTS, row[:, i]], axis=1))
    # What is fitted has units last, and one axis before them.
    np.testing.assert_array_equal(result.observed, np.concatenate(values))
    title, head, *rows = str(result).splitlines()
    assert title == "MaskResponse: 2 masks, 3 contrasts" and head.split("  ")[-1] == "unit 5 at 1"
    expected = [["0", "2"], ["0.5", f"{values[1, 2, 0]:.6g}"]]
    assert [row.split() for row in rows] == expected


def test_correlations_are_averaged_over_pairs_that_are_as_far_apart():
    experiment = cortex.contrast_response(RING, GRATING, [0.5], units=[0, 1, 2, 7]).experiment
    rho = np.array(rates(2, 4, 4))
    rho = (rho + rho.swapaxes(1, 2)) / 2
    result = cortex.NoiseCorrelations(
        jnp.asarray([0.1, 1.0]), jnp.asarray(rho), jnp.asarray(50.0), experiment
    )
    given = pyplot.figure().subplots()
    ax = result.plot(given)
    assert ax is given
    assert labels(ax) == ("difference in preferred orientation (degrees)", "noise correlation")
    # The units prefer 0, 22.5, 45 and 157.5 degrees, and the last is 22.5 away from the first.
    for r, points in zip(rho, drawn(ax.get_lines()), strict=True):
        means = [(r[0, 1] + r[1, 2] + r[0, 3]) / 3, (r[0, 2] + r[1, 3]) / 2, r[2, 3]]
        np.testing.assert_allclose(points, np.stack([[22.5, 45, 67.5], means], 1), rtol=1e-12)
    np.testing.assert_array_equal(result.observed, rho)


def test_what_areas_share_is_drawn_as_their_power():
    cross = np.array(rates(4, 4, 4)) + 1j * np.array(rates(4, 4, 4))
    result = cortex.SharedSpectra(
        ("V1", "V2"), np.array([3, 7]), jnp.asarray(FREQUENCIES), jnp.asarray(cross)
    )
    given = pyplot.figure().subplots()
    ax = result.plot(given, lw=3)
    assert ax is given and labels(ax) == ("frequency (Hz)", "power (1/Hz)")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    for i, points in zip((0, 2), drawn(ax.get_lines()), strict=True):  # the first unit of each
        np.testing.assert_array_equal(points, np.stack([FREQUENCIES, cross[:, i, i].real], 1))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["V1", "V2"]
    assert str(result).splitlines() == [
        "SharedSpectra: V1, V2",
        "  units       [3, 7]",
        "  frequency   1 to 100 Hz, 4 of them",
    ]


def test_ranks_are_drawn_with_their_errors_and_the_best_is_marked():
    performance, errors = np.array([0.1, 0.18, 0.2, 0.19]), np.array([0.01, 0.02, 0.03, 0.02])
    by_fold = performance + 0.01 * np.array([[1.0], [-1.0]])
    result = cortex.ReducedRank(np.arange(1, 5), performance, errors, 2, by_fold)
    given = pyplot.figure().subplots()
    ax = result.plot(given, color="green")
    assert ax is given and labels(ax) == ("dimensions", "variance explained of held-out data")
    (bars,) = ax.containers
    np.testing.assert_array_equal(bars.lines[0].get_xydata(), np.c_[np.arange(1, 5), performance])
    segments = np.array(bars.lines[2][0].get_segments())
    np.testing.assert_allclose(
        segments[:, :, 1], np.stack([performance - errors, performance + errors], 1)
    )
    best = ax.get_lines()[-1]
    assert best.get_xydata().tolist() == [[2, 0.18]] and best.get_color() == "green"


def test_attention_is_drawn_over_orientation_or_over_space():
    given = pyplot.figure().subplots()
    ax = cortex.AttentionField(3.0, orientation=170, spread=20.0).plot(given, color="green")
    (line,) = ax.get_lines()
    assert ax is given and labels(ax) == ("orientation (degrees)", "gain")
    degrees = line.get_xdata()
    away = np.minimum(np.abs(degrees - 170), 180 - np.abs(degrees - 170))
    np.testing.assert_allclose(line.get_ydata(), 1 + 2 * np.exp(-(away**2) / 800), rtol=1e-12)
    assert degrees[[0, -1]].tolist() == [0, 180] and line.get_color() == "green"

    given = pyplot.figure().subplots()
    place = {"position": (1.0, -0.5), "width": 0.5}
    for orientation in ({}, {"orientation": 30, "spread": 5.0}):  # at its best orientation
        field = cortex.AttentionField(3.0, **place, **orientation)
        ax = field.plot(given, extent=2.0)
        image = ax.get_images()[-1]
        assert ax is given and image.get_extent() == [-2, 2, -2, 2]
        assert labels(ax) == ("x (degrees)", "y (degrees)")
        assert ax.figure.axes[-1].get_ylabel() == "gain"
        # The first row is the highest y.
        at = np.linspace(-2, 2, 101)
        squared = (at[None, :] - 1) ** 2 + (at[::-1, None] + 0.5) ** 2
        np.testing.assert_allclose(image.get_array(), 1 + 2 * np.exp(-squared / 0.5), rtol=1e-12)


def test_steps_and_stimuli_are_drawn_as_they_are_shown():
    ts, contrasts = [0.0, 10.0, 50.0], [0.0, 0.5, 0.125]
    given = pyplot.figure().subplots()
    ax = cortex.ContrastSteps(GRATING, ts, contrasts).plot(given)
    (line,) = ax.get_lines()
    assert ax is given and labels(ax) == ("time (ms)", "contrast")
    assert line.get_drawstyle() == "steps-post"  # a contrast holds until the next
    np.testing.assert_array_equal(line.get_xydata(), np.stack([ts, contrasts], axis=1))

    given = pyplot.figure().subplots()
    ax = cortex.Grating(90, 0.5, spatial_frequency=0.5).plot(given, extent=1.0)
    (image,) = ax.get_images()
    assert ax is given and labels(ax) == ("x (degrees)", "y (degrees)")
    assert image.get_extent() == [-1, 1, -1, 1] and image.get_clim() == (0, 1)
    # A standing grating of one period over the two degrees, at the centres of its pixels.
    shown = image.get_array()
    x = (np.arange(shown.shape[1]) + 0.5) * 2 / shown.shape[1] - 1
    expected = np.broadcast_to(0.5 + 0.25 * np.cos(np.pi * x), shown.shape)
    np.testing.assert_allclose(shown, expected, atol=1e-6)


def test_the_effect_of_a_cue_is_drawn_for_both_targets():
    soas, cued, uncued = np.array([100.0, 300.0, 800.0]), rates(3, 2), rates(3, 2)
    result = cortex.CueingEffect(jnp.asarray(soas), cued, uncued)
    given = pyplot.figure().subplots()
    ax = result.plot(given)
    assert ax is given
    assert labels(ax) == ("stimulus onset asynchrony (ms)", "cued - uncued evidence")
    for i, points in enumerate(drawn(ax.get_lines())):
        np.testing.assert_allclose(points, np.stack([soas, (cued - uncued)[:, i]], 1), rtol=1e-12)
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["first target", "second target"]
