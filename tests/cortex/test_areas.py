"""Two areas and three: the published model in numpy, its numbers, and what the areas share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode import cortex

CONTRASTS = (0.03, 0.125, 0.5, 1.0)
# Of the publication's parameters, by a program of its own: peak rates of V1 and V2, by γ.
RATES = {
    1.0: ((0.0169, 0.1248, 0.1966, 0.2025), (0.0484, 0.2639, 0.2777, 0.2782)),
    0.0: ((0.0009, 0.0049, 0.0360, 0.1608), (0.0002, 0.0048, 0.1231, 0.2293)),
}
FREQUENCIES = np.geomspace(1, 400, 70)


def stimulus(size, contrast):
    return cortex.Ring(size).input(cortex.Grating(0, contrast))


def normalized(size, contrast):
    z = 0.7 * np.asarray(stimulus(size, contrast))
    return z**2 / (0.07**2 + np.sum(z**2))


@pytest.fixture(scope="module")
def small():
    """Twelve orientations: the model and its fixed points at one contrast, with feedback and
    without."""
    x = stimulus(12, 0.5)
    models = {gamma: cortex.two_areas(size=12, feedback=gamma) for gamma in (1.0, 0.0)}
    return x, {gamma: (model, oo.fixed_point(model, x)) for gamma, model in models.items()}


def test_feedback_cancels_from_the_mean_of_v1(small):
    _, found = small
    with_feedback, without = (found[gamma][1].state for gamma in (1.0, 0.0))
    expected = normalized(12, 0.5)
    # The band of twelve orientations is not quite wide enough for their tuning.
    np.testing.assert_allclose(with_feedback.V1.y_rate, expected, atol=3e-3)
    assert without.V1.y_rate.max() < 0.5 * expected.max()
    assert all(point.is_stable for _, point in found.values())


def test_what_areas_share_is_that_of_all_cross_spectra(small):
    x, found = small
    model, point = found[1.0]
    noise = cortex.membrane_noise(model)
    frequencies = np.array([5.0, 20.0, 40.0, 100.0])
    shared = cortex.shared_spectra(
        model, x, frequencies, noise, units=[0, 1, 2], state0=point.state
    )
    whole = oo.cross_spectrum(model, x, frequencies, noise, state0=point.state)
    numbers = oo.by_field(model, np.arange(whole.shape[-1]))
    rows = np.concatenate([numbers.V1.y_rate[:3], numbers.V2.y_rate[:3]])
    expected = np.asarray(whole)[:, rows][:, :, rows]
    np.testing.assert_allclose(shared.cross, expected, rtol=1e-8, atol=1e-12 * abs(expected).max())
    power = np.stack([expected[:, 0, 0], expected[:, 3, 3]], axis=1).real
    np.testing.assert_allclose(shared.power, power, rtol=1e-8)
    coherence = np.abs(expected[:, 0, 3]) ** 2 / power.prod(1)
    np.testing.assert_allclose(shared.coherence[:, 0, 1], coherence, rtol=1e-8)
    share = np.asarray(shared.communication("V1", "V2"))
    alone = [cortex.communication(S, [0, 1, 2], [3, 4, 5]) for S in expected]
    np.testing.assert_allclose(share, alone, rtol=1e-6)
    assert np.all(shared.dimensions("V1", "V2", share=1 - 1e-9) <= 3)
    assert {"coherence_V1_V2", "power_V1"} <= set(shared.to_dataframe().columns)
    with pytest.raises(ValueError, match=r"^Argument `target` must be one of V1, V2"):
        shared.communication("V1", "V4")
    with pytest.raises(ValueError, match=r"^Argument `units` must number some of"):
        cortex.shared_spectra(model, x, frequencies, noise, units=[12])
    with pytest.raises(ValueError, match=r"^Argument `size` must be an integer, at least 9"):
        cortex.two_areas(size=8)


TAPS = (0.02807382, -0.060944743, -0.073386624, 0.41472545, 0.7973934)  # of the publication


def test_three_areas_hear_each_other_as_two_do():
    three, two = cortex.three_areas(size=12), cortex.two_areas(size=12)
    assert three.names == ("V1", "V2", "V4") and three.input_size == 12
    rng, x = np.random.default_rng(0), jnp.asarray(stimulus(12, 0.5))
    like = three.initial_state()
    state = type(like)(*(jnp.asarray(rng.uniform(0.1, 0.5, leaf.shape)) for leaf in like))
    first, middle, top = three.split(state)

    @jax.jit
    def fields(state):
        whole = three.vector_field(0.0, state, x)
        pairs = [
            two.vector_field(0.0, two.join(pair), x) for pair in ((first, middle), (middle, top))
        ]
        return *three.split(whole), *map(two.split, pairs)

    *whole, lower, upper = fields(state)
    # The first hears two areas as there were no third, and the third the second as a second.
    np.testing.assert_allclose(np.stack(whole[0]), np.stack(lower[0]), rtol=1e-12)
    np.testing.assert_allclose(np.stack(whole[2]), np.stack(upper[1]), rtol=1e-12)
    # The second is that of two areas, with 0.7 g W² √y⁺ from above. W has the discrete Fourier
    # transform of the taps, of at most 1.
    around = np.zeros(12)
    around[np.arange(-4, 5)] = (*TAPS, *TAPS[-2::-1])
    gains = np.fft.rfft(around).real
    gains = np.sign(gains) * np.minimum(np.abs(gains), 1)
    back = 0.35 * np.fft.irfft(gains**2 * np.fft.rfft(np.sqrt(top.y_rate)), 12)
    expected = dict(zip(lower[1]._fields, map(np.asarray, lower[1]), strict=True))
    expected["y"] = expected["y"] + back / (1 + np.asarray(middle.p_rate))
    expected["p"] = expected["p"] + back / np.asarray(middle.s_rate)
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(whole[1], name), value, rtol=1e-9, err_msg=name)


def test_the_noise_of_the_membranes_is_beside_the_drive(small):
    model = small[1][1.0][0]
    noise = cortex.membrane_noise(oo.replace(model, **{"areas[1].tau": 2.0}), sigma=0.03)
    assert noise.sigma["V1_p"] == 0.03 and noise.sigma["V2_y"] == 0.015
    assert noise.sigma["V1_y_rate"] == 0


def peaks(values):
    """The frequencies at which a curve has a maximum."""
    values = np.asarray(values)
    is_peak = (values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])
    return FREQUENCIES[1:-1][is_peak]


@pytest.mark.slow
@pytest.mark.parametrize("feedback", RATES)
def test_the_published_model_has_its_numbers(feedback):
    model = cortex.two_areas(feedback=feedback)
    noise = cortex.membrane_noise(model)
    gamma = {0.125: (24.8, 27.1), 0.5: (35.2, 35.2), 1.0: (41.8, 41.8)}
    for i, contrast in enumerate(CONTRASTS):
        x = stimulus(36, contrast)
        point = oo.fixed_point(model, x)
        low, high = (float(area.y_rate.max()) for area in (point.state.V1, point.state.V2))
        assert (round(low, 4), round(high, 4)) == tuple(rates[i] for rates in RATES[feedback])
        if feedback == 1.0 or contrast == 0.03:
            shared = cortex.shared_spectra(model, x, FREQUENCIES, noise, state0=point.state)
            power, coherence = peaks(shared.power[:, 0]), peaks(shared.coherence[:, 0, 1])
        if feedback == 1.0 and contrast > 0.03:
            peak, together = gamma[contrast]
            assert peak in power.round(1) and together in coherence.round(1)
        elif feedback == 1.0:
            assert not len(power)
        elif contrast == 0.03:
            np.testing.assert_array_equal(power.round(1), [5.7])


@pytest.mark.slow
def test_with_feedback_v1_normalizes_at_all_contrasts():
    model = cortex.two_areas()
    for contrast in np.geomspace(0.01, 1, 20):
        point = oo.fixed_point(model, stimulus(36, contrast))
        assert point.is_stable
        np.testing.assert_allclose(
            point.state.V1.y_rate, normalized(36, contrast), rtol=0, atol=1e-4
        )


@pytest.mark.slow
def test_a_simulation_comes_to_the_same_rates():
    for feedback, rates in RATES.items():
        model, x = cortex.two_areas(feedback=feedback), stimulus(36, 0.125)
        run = oo.simulate(model, x, [0.0, 1000.0], max_steps=100_000)
        found = [float(a.y_rate[-1].max()) for a in (run.states.V1, run.states.V2)]
        np.testing.assert_allclose(found, [rate[1] for rate in rates], rtol=0, atol=6e-5)


@pytest.mark.slow
def test_three_areas_have_stable_points():
    model = cortex.three_areas()
    point = oo.fixed_point(model, stimulus(36, 0.5))
    assert point.is_stable and model.names == ("V1", "V2", "V4")
    np.testing.assert_allclose(point.state.V1.y_rate, normalized(36, 0.5), rtol=0, atol=1e-4)
