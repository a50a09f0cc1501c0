"""Stimuli: their drives against integrals and closed forms, their pictures, and bad input."""

import jax
import numpy as np
import pytest
import scipy.integrate

from organics_ode import cortex

SHEET = cortex.Sheet((5, 7), 4, spacing=0.3, rf_width=0.4)


def test_the_squares_of_the_tuning_curves_sum_to_the_squared_contrast():
    for size in (1, 2, 3, 36):
        ring = cortex.Ring(size)
        for degrees in (0, 33.3, 180):
            for stimulus in (
                cortex.Grating(degrees, 0.3),
                cortex.OrientedNoise(degrees, 0.3, spread=15.0),
            ):
                np.testing.assert_allclose(np.sum(ring.input(stimulus) ** 2), 0.09, rtol=1e-13)


def test_tuning_curves_are_those_of_the_paper():
    # In terms of twice the orientation, with d = n/2 and p = d - 1.
    theta, centres = np.radians(2 * 33.0), 2 * np.pi * np.arange(36) / 36
    p, d = 17, 18
    factorials = np.prod([np.arange(1.0, p + 1)]) ** 2 / np.prod(np.arange(1.0, 2 * p + 1))
    k = np.sqrt(d / 36) * np.sqrt(2.0 ** (2 * p) * factorials / (p + 1))
    expected = 0.5 * k * np.abs(np.cos((theta - centres) / 2)) ** p
    found = cortex.Ring(36).input(cortex.Grating(33, 0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_noise_has_the_mean_energy_of_its_gratings():
    ring, spread = cortex.Ring(12), 25.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    turned = ((40 + spread * nodes) % 180).tolist()
    energies = [np.asarray(ring.input(cortex.Grating(t, 0.6))) ** 2 for t in turned]
    expected = weights / weights.sum() @ np.array(energies)
    found = ring.input(cortex.OrientedNoise(40, 0.6, spread=spread)) ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def covered(inside, place, s=0.4):
    """The share of a Gaussian receptive field by brute force, in polar coordinates about it."""

    def density(phi, r):
        x, y = place[0] + r * np.cos(phi), place[1] + r * np.sin(phi)
        return inside(x, y) * r / (2 * np.pi * s**2) * np.exp(-(r**2) / (2 * s**2))

    r, phi = np.linspace(0, 8 * s, 4001), np.linspace(0, 2 * np.pi, 721)[:-1]
    values = density(phi[None, :], r[:, None]).mean(axis=1) * 2 * np.pi
    return scipy.integrate.simpson(values, x=r)


@pytest.mark.parametrize("kind", ("disc", "annulus", "gabor"))
def test_the_drive_of_a_patch_is_the_integral_over_the_receptive_field(kind):
    at = (0.3, -0.2)
    distance = lambda x, y: np.hypot(x - at[0], y - at[1])  # noqa: E731
    stimulus, inside = {
        "disc": (
            cortex.Grating(45, 0.5, radius=0.5, position=at),
            lambda x, y: distance(x, y) <= 0.5,
        ),
        "annulus": (
            cortex.Annulus(45, 0.5, 0.3, 0.7, position=at),
            lambda x, y: (distance(x, y) >= 0.3) & (distance(x, y) <= 0.7),
        ),
        "gabor": (
            cortex.Gabor(45, 0.5, width=0.6, position=at),
            lambda x, y: np.exp(-(distance(x, y) ** 2) / (2 * 0.36)),
        ),
    }[kind]
    tuned = np.asarray(SHEET.input(cortex.Grating(45, 0.5))).reshape(35, 4)
    shares = np.asarray(SHEET.input(stimulus)).reshape(35, 4)[:, 1] / tuned[:, 1]
    for place in (0, 17, 30):
        expected = covered(inside, SHEET.positions[place])
        # The edge of a disc lies between the points of the grid.
        np.testing.assert_allclose(shares[place], expected, atol=1e-9 if kind == "gabor" else 2e-4)


def test_a_disc_about_a_receptive_field_has_its_closed_form_and_derivative():
    sheet = cortex.Sheet((1, 1), 1)

    def drive(radius):
        return sheet.input(cortex.Grating(0, 1.0, radius=radius))[0]

    for radius in (1e-3, 0.3, 2.0, 50.0):
        expected = -np.expm1(-(radius**2) / 0.32)
        np.testing.assert_allclose(drive(radius), expected, rtol=1e-12)
    slope = 0.3 / 0.16 * np.exp(-0.09 / 0.32)
    for derivative in (jax.grad(drive), jax.jacfwd(drive)):
        np.testing.assert_allclose(jax.jit(derivative)(0.3), slope, rtol=1e-10)
    # A disc and all around it are the whole field.
    rest = sheet.input(cortex.Annulus(0, 1.0, 0.3))[0]
    np.testing.assert_allclose(drive(0.3) + rest, 1, rtol=1e-14)


def test_energies_of_a_plaid_add_and_its_contrast_scales_both():
    ring = cortex.Ring(8)
    first, second = cortex.Grating(10, 0.3), cortex.Grating(100, 0.6)
    plaid = cortex.Plaid(first, second)
    expected = np.hypot(ring.input(first), ring.input(second))
    np.testing.assert_allclose(ring.input(plaid), expected, rtol=1e-14)
    np.testing.assert_allclose(ring.input(plaid.at(0.2)), expected / 3, rtol=1e-14)
    with pytest.raises(ValueError, match="have a contrast above 0"):
        cortex.Plaid(first.at(0.0), first.at(0.0)).at(0.5)


def test_every_stimulus_at_another_contrast_drives_in_proportion():
    stimuli = (
        cortex.Gabor(30, 0.5, width=0.5),
        cortex.Annulus(30, 0.5, 0.25, 0.75),
        cortex.Grating(30, 0.5, radius=0.5),
        cortex.Plaid(cortex.Grating(30, 0.2), cortex.Grating(120, 0.5)),  # by the stronger one
    )
    for stimulus in stimuli:
        whole = np.asarray(SHEET.input(stimulus.at(0.8)))
        part = np.asarray(SHEET.input(stimulus))
        assert part.max() > 0.01
        np.testing.assert_allclose(whole, 1.6 * part, rtol=1e-12)
        peaks = stimulus.peak_contrast, stimulus.at(0.8).peak_contrast
        assert peaks == pytest.approx((0.5, 0.8))
    ring, noise = cortex.Ring(4), cortex.OrientedNoise(30, 0.5, spread=10)
    np.testing.assert_allclose(ring.input(noise.at(0.8)), 1.6 * ring.input(noise), rtol=1e-12)
    assert (noise.peak_contrast, noise.at(0.8).peak_contrast) == (0.5, 0.8)


def test_steps_are_an_input_over_time():
    ring = cortex.Ring(4)
    steps = cortex.ContrastSteps(cortex.Grating(45, 1.0), [0.0, 10.0, 50.0], [0.0, 0.5, 0.1])
    x = ring.input(steps)
    for t, contrast in ((-5.0, 0.0), (9.9, 0.0), (10.0, 0.5), (60.0, 0.1)):
        np.testing.assert_allclose(x(t), ring.input(cortex.Grating(45, contrast)), rtol=1e-14)
    assert steps.plot().get_xlabel() == "time (ms)"


def test_attention_is_a_field_of_gains():
    field = cortex.AttentionField(3.0, position=(0.3, 0.0), width=0.5, orientation=170, spread=20.0)
    gains = np.asarray(field.gains(SHEET.fields)).reshape(35, 4)
    away = np.sum((SHEET.positions - np.array([0.3, 0.0])) ** 2, axis=1)
    # 0, 45, 90 and 135 degrees are 10, 55, 80 and 35 away from 170.
    alike = np.exp(-(np.array([10, 55, 80, 35]) ** 2) / 800)
    expected = 1 + 2 * np.exp(-away / 0.5)[:, None] * alike
    np.testing.assert_allclose(gains, expected, rtol=1e-13)
    grating = cortex.Grating(30, 0.5)
    attended, plain = SHEET.input(grating, field), SHEET.input(grating)
    np.testing.assert_allclose(attended, gains.ravel() * plain, rtol=1e-14)
    np.testing.assert_allclose(SHEET.input(grating, 2.0), 2 * plain, rtol=1e-14)


def test_pictures_have_the_contrast_orientation_and_aperture_that_they_should():
    # 0 lies: luminance changes along y alone; 90 stands.
    lying = cortex.Grating(0, 0.8).image(64)
    np.testing.assert_allclose(lying, lying[:, :1] * np.ones(64), atol=1e-6)
    standing = cortex.Grating(90, 0.8).image(64)
    np.testing.assert_allclose(standing, standing[:1] * np.ones((64, 1)), atol=1e-6)
    assert abs((lying.max() - lying.min()) / (lying.max() + lying.min()) - 0.8) < 0.02
    # 30 degrees: along its bars, counterclockwise, nothing changes.
    picture = cortex.Grating(30, 1.0).image(201)
    along = [picture[100 - round(r * 0.5), 100 + round(r * 0.75**0.5)] for r in (-60, 0, 40)]
    np.testing.assert_allclose(along, 1, atol=0.02)
    patch = cortex.Grating(30, 1.0, radius=0.5, position=(1.0, 1.0)).image(64)
    assert np.all(patch[:, :32] == 0.5) and np.all(patch[32:] == 0.5) and patch[16, 48] != 0.5
    for stimulus in (cortex.OrientedNoise(20, 0.5, spread=10), cortex.Gabor(0, 0.5, width=0.5)):
        image = stimulus.image(32)
        assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.01
    ax = cortex.Plaid(cortex.Grating(0, 0.5), cortex.Annulus(90, 0.5, 1.0)).plot(extent=3.0)
    assert ax.get_images()[0].get_extent() == [-3, 3, -3, 3]


def test_bad_input_is_named_with_its_remedy():
    grating = cortex.Grating(45, 0.5)
    ring = cortex.Ring(4)
    bad = (
        (lambda: cortex.Grating(np.pi / 4, 0.5), "degrees, .*0.785398, which is 45 .*; write 45"),
        (lambda: cortex.Grating(np.float32(np.pi / 4), 0.5), "write 45"),
        (lambda: cortex.Grating(-45, 0.5), "between 0 and 180 degrees, .*-45; .*write 135"),
        (lambda: cortex.Grating(45, 50), "between 0 and 1, .*50; write 0.5 for 50 %"),
        (lambda: cortex.Grating(45, -0.1), "`contrast` must lie between 0 and 1"),
        (lambda: cortex.Grating(45, np.nan), "`contrast` must be finite"),
        (lambda: cortex.Grating(np.nan, 0.5), "`orientation` must be finite"),
        (lambda: cortex.Grating(45, 0.5, radius=0.0), "`radius` must be above 0 degrees"),
        (lambda: cortex.Grating(45, 0.5, position=3.0), r"`position` must be \(x, y\)"),
        (lambda: cortex.Annulus(45, 0.5, 1.0, 0.5), "`outer` must be above `inner` = 1"),
        (lambda: cortex.AttentionField(2.0, position=(0, 0)), "`width` must be given"),
        (lambda: cortex.AttentionField(0.0), "`gain` must be a positive number"),
        (lambda: cortex.ContrastSteps(grating, [0.0, 1.0], [0.5]), "as many as `contrasts`"),
        (lambda: cortex.ContrastSteps(grating, 1.0, [0.5]), r"`ts` must have shape \(time,\)"),
        (lambda: cortex.ContrastSteps(grating, [1.0, 0.0], [0.5, 0.1]), "`ts` must increase"),
        (
            lambda: SHEET.input(cortex.Gabor(0, 0.5, width=1.0, position=(9, 0))),
            "lie on the sheet",
        ),
        (lambda: ring.input(cortex.Gabor(0, 0.5, width=1.0)), "take a Sheet"),
        (lambda: ring.input("grating"), "`stimulus` must be a stimulus"),
        (lambda: ring.input(grating, attention=-1.0), "`attention` must be positive"),
        (lambda: ring.input(grating, attention=np.ones(3)), r"shape \(n,\) = \(4,\)"),
        (
            lambda: ring.input(grating, cortex.AttentionField(2.0, position=(0, 0), width=1.0)),
            "no position for a population without space",
        ),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()
    # Small numbers are orientations too.
    for small in (0, 0.5, 1, 2.5, 3):
        assert cortex.Grating(small, 0.5).orientation == small


def test_traced_numbers_are_checked_when_they_run():
    ring = cortex.Ring(4)
    drive = jax.jit(lambda t, c: ring.input(cortex.Grating(t, c)))
    np.testing.assert_allclose(drive(45.0, 0.5), ring.input(cortex.Grating(45, 0.5)), rtol=1e-14)
    with pytest.raises(Exception, match="`contrast` must lie between 0 and 1"):
        drive(45.0, 1.5)
    with pytest.raises(Exception, match="`orientation` must lie between 0 and 180"):
        drive(200.0, 0.5)
