"""Images as stimuli, against the analytic drives of what they show."""

import numpy as np
import pytest

from organics_ode import cortex

SHEET = cortex.Sheet((3, 3), 4, spacing=0.5, rf_width=0.4)
RING = cortex.Ring(4)
EXTENT, PIXELS = 4.0, 128  # degrees to a side, of an image


def shown(stimulus, **more):
    image = stimulus.image(PIXELS, extent=EXTENT)
    ppd = PIXELS / (2 * EXTENT)
    return cortex.from_image(image, pixels_per_degree=ppd, **more)


def test_an_image_of_a_grating_drives_as_the_grating_does():
    for degrees in (0, 45, 70):
        grating = cortex.Grating(degrees, 0.6, spatial_frequency=2.0, phase=30.0)
        image = shown(grating, spatial_frequency=2.0)
        # Its edge is 3 degrees, or 7 standard deviations, away.
        np.testing.assert_allclose(SHEET.input(image), SHEET.input(grating), rtol=5e-3, atol=5e-3)
        np.testing.assert_allclose(image.contrast, 0.6, rtol=1e-2)  # between pixels it is more
        half = SHEET.input(image.at(0.3))
        np.testing.assert_allclose(half, SHEET.input(image) * (0.3 / image.contrast), rtol=1e-6)
    assert image.peak_contrast == image.contrast and image.at(0.3).peak_contrast == 0.3
    assert str(image.at(0.25)) == (
        "Image: 128 by 128 pixels\n  size        8 by 8 degrees\n  contrast    0.25\n"
        "  frequency   2 cycles/degree"
    )
    # A ring sees the mean over the image, whose edge is seen as well.
    np.testing.assert_allclose(RING.input(image), RING.input(grating), atol=0.05)


def test_patches_of_an_image_drive_where_they_are():
    # A patch of this width has a spectrum of which the filters pass all but 4 %.
    patch = cortex.Gabor(45, 1.0, width=1.0, position=(0.5, 0.5), spatial_frequency=2.0)
    found, expected = (
        np.asarray(SHEET.input(shown(patch, spatial_frequency=2.0))),
        SHEET.input(patch),
    )
    np.testing.assert_allclose(found, expected, atol=0.04)
    assert int(np.argmax(found)) == int(np.argmax(expected)) == SHEET.nearest(45, (0.5, 0.5))
    # Frequencies that the units do not prefer are not seen.
    slow = cortex.Gabor(45, 1.0, width=0.5, position=(0.5, 0.5), spatial_frequency=0.5)
    assert np.max(SHEET.input(shown(slow, spatial_frequency=4.0))) < 0.02
    # Moved as a whole, it is seen elsewhere.
    moved = SHEET.input(shown(patch, spatial_frequency=2.0, position=(-0.5, -0.5)))
    assert int(np.argmax(moved)) == SHEET.nearest(45)


def test_a_picture_of_an_image_is_the_image():
    grating = cortex.Grating(30, 1.0, radius=1.0, position=(0.5, -0.25))
    image = shown(grating)
    again = image.image(PIXELS, extent=EXTENT)
    np.testing.assert_allclose(again, grating.image(PIXELS, extent=EXTENT), atol=0.01)
    assert np.all(image.image(8, extent=100.0)[0] == 0.5)


def test_dictionaries_of_stimupy_are_read():
    grating = cortex.Grating(45, 0.6, spatial_frequency=2.0)
    pixels = grating.image(PIXELS, extent=EXTENT)
    expected = SHEET.input(shown(grating, spatial_frequency=2.0))
    known = {"shape": (PIXELS, PIXELS), "grating_mask": np.ones(pixels.shape, int)}
    for size in (
        {"visual_size": (8.0, 8.0), "ppd": (16.0, 16.0)},
        {"visual_size": None, "ppd": 16.0},
        {"visual_size": (8.0, 8.0), "ppd": None},
    ):
        image = cortex.from_stimupy({"img": pixels} | size | known, spatial_frequency=2.0)
        np.testing.assert_allclose(SHEET.input(image), expected, rtol=1e-12)


def test_contrast_responses_to_an_image_are_those_of_a_vmap():
    image = shown(cortex.Grating(45, 0.5, spatial_frequency=2.0), spatial_frequency=2.0)
    unit = SHEET.nearest(45)
    found = cortex.contrast_response(SHEET, image, [0.1, 1.0], units=unit)
    assert 0 < found.responses[0, 0] < found.responses[1, 0]


def test_bad_images_are_refused():
    good, options = np.ones((4, 4)), {"pixels_per_degree": 4.0}
    bad = (
        (
            lambda: cortex.from_image(np.ones((4, 4, 3)), **options),
            "take the mean over its colours",
        ),
        (lambda: cortex.from_image(-good, **options), "luminances of at least 0, but one is -1"),
        (lambda: cortex.from_image(np.nan * good, **options), "finite luminances"),
        (lambda: cortex.from_image(good, pixels_per_degree=0.0), "`pixels_per_degree` must be"),
        (lambda: cortex.from_image(good, pixels_per_degree=[1, 2, 3]), "vertical, horizontal"),
        (lambda: cortex.from_image(good, **options, spatial_frequency=3.0), "at most .* 2"),
        (lambda: cortex.from_image(good, **options, bandwidth=0.0), "`bandwidth` must be"),
        (lambda: cortex.from_stimupy(good), "with the key `img`, but it is"),
        (
            lambda: cortex.from_stimupy({"ppd": 4}),
            r"with the key `img`, but its keys are \['ppd'\]",
        ),
        (lambda: cortex.from_stimupy({"img": good}), "by `ppd` or `visual_size`"),
        (lambda: shown(cortex.Grating(0, 0.5)).at(1.5), "between 0 and 1"),
        (lambda: SHEET.input(cortex.from_image(good, **options, position=(9, 0))), "on the sheet"),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()
    # Of no contrast, nothing is seen.
    assert np.all(np.asarray(SHEET.input(cortex.from_image(good, **options))) == 0)
