"""Responses at rest against the closed forms of normalization, and against long solves."""

import numpy as np
import pytest

import organics_ode as oo
from organics_ode import cortex

CONTRASTS = np.concatenate([[0.0], np.geomspace(0.003, 1, 24)])
TEST, MASK = cortex.Grating(40, 0.5), cortex.Grating(130, 0.3)


def tuned(ring, degrees):
    return np.asarray(ring.input(cortex.Grating(degrees, 1.0)))


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("size", "sigma", "b0", "b1"),
    [(8, 0.3, 0.7, 0.4), (36, 0.1, 0.5, 0.5), (1, 0.05, 0.5, 0.5)],
)
def test_the_contrast_response_of_a_ring_is_its_closed_form(size, sigma, b0, b1):
    ring = cortex.Ring(size, sigma=sigma, b0=b0, b1=b1)
    found = cortex.contrast_response(ring, TEST, CONTRASTS)
    z2 = (CONTRASTS[:, None] * tuned(ring, 40)) ** 2
    expected = z2 / ((sigma * b0 / b1) ** 2 + CONTRASTS[:, None] ** 2)
    np.testing.assert_allclose(found.responses, expected, rtol=1e-12, atol=1e-300)


def test_a_mask_moves_the_semi_saturation_and_not_the_maximum():
    ring = cortex.Ring(36, sigma=0.2)
    unit = ring.nearest(40)
    peak = tuned(ring, 40)[unit] ** 2
    masks = np.array([0.0, 0.1, 0.5])
    found = cortex.mask_response(ring, TEST, MASK, CONTRASTS, masks, units=unit)
    c2, m2 = CONTRASTS**2, masks[:, None] ** 2
    expected = peak * c2 / (0.04 + m2 + c2)
    np.testing.assert_allclose(found.responses[..., 0], expected, rtol=1e-12)
    one = cortex.contrast_response(ring, TEST, CONTRASTS, mask=MASK.at(0.5), units=[unit])
    np.testing.assert_allclose(one.responses, found.responses[2], rtol=1e-12)


def test_attention_on_the_drive_divides_the_semi_saturation():
    ring = cortex.Ring(12)
    found = cortex.contrast_response(ring, TEST, CONTRASTS, attention=3.0)
    z2 = (CONTRASTS[:, None] * tuned(ring, 40)) ** 2
    expected = z2 / ((0.1 / 3) ** 2 + CONTRASTS[:, None] ** 2)
    np.testing.assert_allclose(found.responses, expected, rtol=1e-12, atol=1e-300)
    # On one unit of a broad pool it multiplies the maximum.
    wide = cortex.Ring(360, power=1)
    unit = wide.nearest(40)
    gains = np.where(np.arange(360) == unit, 2.0, 1.0)
    plain, attended = (
        cortex.contrast_response(wide, TEST, [0.01, 1.0], attention=a, units=unit).responses
        for a in (None, gains)
    )
    np.testing.assert_allclose(attended / plain, 4, rtol=0.02)


@pytest.mark.slow
def test_responses_without_a_closed_form_are_those_of_a_long_solve():
    rng = np.random.default_rng(0)
    W_r = 0.9 * np.linalg.qr(rng.normal(size=(6, 6)))[0]
    ring = cortex.Ring(6, W_r=W_r, pool_spread=30.0)
    found = cortex.contrast_response(ring, TEST, [0.1, 0.6])
    for contrast, rates in zip((0.1, 0.6), found.responses, strict=True):
        x = ring.input(TEST.at(contrast))
        end = oo.simulate(ring.circuit, x, [0.0, 4000.0]).states.y[-1]
        np.testing.assert_allclose(rates, ring.rates(end), rtol=1e-5, atol=1e-9)


def test_a_pool_of_like_orientations_and_near_places_weighs_by_both():
    """The closed form with a pool of its own for each unit, whose weights are two Gaussians."""
    like = lambda away: np.exp(-(min(away, 180 - away) ** 2) / (2 * 30.0**2))  # noqa: E731
    one = np.array([[like(abs(a - b)) for b in range(0, 180, 30)] for a in range(0, 180, 30)])
    one = one / one.sum(axis=1, keepdims=True) * 6
    ring = cortex.Ring(6, pool_spread=30.0)
    sheet = cortex.Sheet((2, 3), 6, spacing=0.5, pool_width=0.6, pool_spread=30.0)
    squared = np.sum((sheet.positions[:, None] - sheet.positions[None, :]) ** 2, axis=2)
    near = np.exp(-squared / (2 * 0.6**2))
    for population, places in ((ring, np.eye(1)), (sheet, near / near.sum(axis=1, keepdims=True))):
        found = cortex.contrast_response(population, TEST, [0.1, 0.6]).responses
        z2 = (np.array([[0.2], [1.2]]) * np.asarray(population.input(TEST))) ** 2
        W = np.kron(places, one)
        np.testing.assert_allclose(found, z2 / (0.01 + z2 @ W.T), rtol=1e-12)


def test_orientation_tuning_has_its_peak_where_the_unit_prefers():
    ring = cortex.Ring(8, power=3)
    found = cortex.orientation_tuning(ring, TEST, np.arange(0, 180, 5.0))
    np.testing.assert_allclose(
        np.degrees(np.sin(np.radians(found.preferred - ring.orientations))), 0, atol=1e-9
    )
    # cos⁶ has the mean 20/64, and the second harmonic 2 · 15/64: their ratio, halved, is 3/4.
    np.testing.assert_allclose(found.selectivity, 0.75, rtol=1e-12)


def test_size_tuning_of_a_sheet_is_that_of_surround_suppression():
    # A sheet so large that its edges are not felt, as a line of positions: 2-d Gaussians separate.
    sheet = cortex.Sheet((17, 17), 1, spacing=0.375, sigma=0.1)
    unit, radii = sheet.nearest(0), np.arange(0.1, 3.01, 0.1)
    low, high = (
        cortex.size_tuning(sheet, cortex.Grating(0, c), radii, units=unit) for c in (0.06, 1.0)
    )
    # Numbers of an independent run on a fine sheet: 1.2 and 0.5 degrees, indices 0.13 and 0.81.
    np.testing.assert_allclose(low.preferred, 1.2, atol=0.11)
    np.testing.assert_allclose(high.preferred, 0.5, atol=1e-6)
    np.testing.assert_allclose([low.suppression[0], high.suppression[0]], [0.13, 0.81], atol=0.02)
    # The drive over the whole field is the contrast: the largest disc comes to the ring's response.
    full = cortex.contrast_response(sheet, cortex.Grating(0, 1.0), [1.0], units=unit)
    np.testing.assert_allclose(full.responses, 1 / 1.01, rtol=1e-12)
    np.testing.assert_allclose(high.responses[-1], 1 / 1.01, rtol=0.02)


def test_results_print_draw_and_become_tables():
    ring = cortex.Ring(8)
    found = cortex.contrast_response(ring, TEST, CONTRASTS, units=[2, -1])
    assert str(found).startswith("ContrastResponse: 25 values, 2 units\n  contrast    0 to 1")
    frame, data = found.to_dataframe(), found.to_xarray()
    assert list(frame.columns) == ["contrast", "unit", "response"] and len(frame) == 50
    assert data.response.dims == ("contrast", "unit") and data.unit.values.tolist() == [2, 7]
    ax = found.plot()
    assert ax.get_xlabel() == "contrast" and len(ax.get_lines()) == 2
    masks = cortex.mask_response(ring, TEST, MASK, [0.1, 1.0], [0.0, 0.5])
    assert masks.to_dataframe().shape == (2 * 2 * 8, 4)
    assert [line.get_label() for line in masks.plot().get_lines()] == ["mask 0", "mask 0.5"]
    assert str(ring).startswith("Ring: 8 units") and len(str(ring).splitlines()) < 12


def test_bad_experiments_are_refused():
    ring, sheet = cortex.Ring(4), cortex.Sheet((2, 2), 2)
    bad = (
        (lambda: cortex.contrast_response(ring, TEST, [0.5, 1.2]), "between 0 and 1, .*1.2"),
        (lambda: cortex.contrast_response(ring, TEST, [10, 50]), "write 0.1 for 10 %"),
        (lambda: cortex.contrast_response(ring, TEST, [0.5, np.nan]), "`contrasts` must be finite"),
        (lambda: cortex.contrast_response(ring, 45, [0.5]), "`stimulus` must be an AbstractStim"),
        (lambda: cortex.contrast_response(ring.circuit, TEST, [0.5]), "`population` must be"),
        (lambda: cortex.contrast_response(ring, TEST, [0.5], mask=0.3), "`mask` must be"),
        (lambda: cortex.contrast_response(ring, TEST, [0.5], units=4), "0 to 3, but one is 4"),
        (lambda: cortex.orientation_tuning(ring, TEST, np.linspace(0, np.pi, 7)), "in radians"),
        (lambda: cortex.orientation_tuning(ring, cortex.Plaid(TEST, MASK), [0]), "one orientation"),
        (lambda: cortex.size_tuning(ring, TEST, [0.5]), "take a Sheet"),
        (lambda: cortex.size_tuning(sheet, TEST, [0.5, -1.0]), "`radii` must be positive"),
        (lambda: cortex.Ring(0), "`size` must be a positive integer"),
        (lambda: cortex.Ring(4, power=4), "`power` must be an integer from 0 to 3"),
        (lambda: cortex.Ring(4, sigma=-1.0), "`sigma` must be positive"),
        (lambda: cortex.Sheet(4, 8), r"`shape` must be \(rows, columns\)"),
        (lambda: cortex.Sheet((2, 2), 2, spacing=0.0), "`spacing` must be positive"),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.slow  # it searches by all routes
def test_a_population_without_a_stable_response_is_told():
    unstable = cortex.Ring(2, W_r=3 * np.eye(2), W=np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match=r"No stable fixed point was found at contrast 0\.5"):
        cortex.contrast_response(unstable, TEST, [0.5])
