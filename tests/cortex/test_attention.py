"""Attention and adaptation: the published models' numbers, and their circuits in time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode import cortex

FIELD = {"position": (100.0, 0.0)}


def curves(width, spread):
    """Responses at the two stimuli, with attention to one of them: (k, 2), and the contrasts."""
    model = cortex.ReynoldsHeeger()
    field = cortex.AttentionField(2.0, width=spread, **FIELD)
    stimuli = [cortex.Gabor(0, 1.0, width=width, position=(x, 0.0)) for x in (-100, 100)]
    E = np.asarray(model.drive(stimuli, field))
    whole = np.asarray(model.responses(stimuli, field))
    at = ((100, 180), (300, 180))
    drives, pools = zip(*((E[i], E[i] / whole[i] - model.sigma) for i in at), strict=True)
    # Drive and pool are in proportion to contrast, so that all contrasts follow from one.
    drives, pools = np.array(drives), np.array(pools)
    low = np.asarray(model.responses([s.at(3e-4) for s in stimuli], field))
    expected = 3e-4 * drives / (3e-4 * pools + model.sigma)
    np.testing.assert_allclose([low[i] for i in at], expected, rtol=1e-10)
    contrasts = np.geomspace(1e-5, 1, 11)
    return contrasts[:, None] * drives / (contrasts[:, None] * pools + model.sigma), pools


def test_reynolds_and_heeger_have_their_contrast_gain_and_response_gain():
    # Modulation by attention at the lowest, the middle and the highest contrast in %, R_max.
    cases = (
        (3.0, 30.0, (98, 14, 0.9), (8.35, 8.43), (0, 0, 1)),
        (5.0, 3.0, (98.7, 48.6, 41.8), (7.02, 9.95), (1, 1, 1)),
    )
    for width, spread, modulations, maxima, digits in cases:
        rates, pools = curves(width, spread)
        found = 100 * (rates[[0, 5, 10], 1] / rates[[0, 5, 10], 0] - 1)
        assert tuple(np.round(f, d) for f, d in zip(found, digits, strict=True)) == modulations
        assert tuple(np.round(rates[-1], 2)) == maxima
    # Half of R(1) is at c50/(1 + 2 c50), of c50 = sigma/pool.
    _, pools = curves(3.0, 30.0)
    c50 = 1e-6 / pools
    half = c50 / (1 + 2 * c50)
    np.testing.assert_allclose(half, (9.70751e-4, 4.90000e-4), rtol=1e-6)
    # They are printed as 9.70e-4 and 4.89e-4, rounded down.
    np.testing.assert_array_equal(np.floor(1e6 * half), (970, 489))


def small_sheet():
    """A coarse sheet as a circuit, its input, and the responses of the model, all flattened."""
    model = cortex.ReynoldsHeeger(
        positions=np.linspace(-30, 30, 7), features=np.arange(-180.0, 180, 90), sigma=0.01
    )
    field = cortex.AttentionField(3.0, position=(10, 0), width=8.0, orientation=45, spread=20.0)
    stimuli = [
        cortex.Gabor(0, 0.3, width=6.0, position=(-10, 0)),
        cortex.Gabor(45, 0.5, width=6.0, position=(10, 0)),
    ]
    x, responses = model.drive(stimuli, field), model.responses(stimuli, field)
    plain = np.asarray(model.drive(stimuli))
    return model.circuit(tau_y=3.0, tau_a=5.0), x.ravel(), np.asarray(responses).ravel(), plain


def test_the_sheet_as_a_circuit_rests_at_the_responses_of_the_model():
    circuit, x, expected, plain = small_sheet()
    np.testing.assert_allclose(oo.fixed_point(circuit, x).state.y, expected, rtol=1e-11)
    # Attention to a place and a feature, which is twice the orientation of 45 degrees.
    near = np.exp(-((np.linspace(-30, 30, 7) - 10) ** 2) / (2 * 8.0**2))
    alike = np.exp(-(np.array([90.0, 180, 90, 0]) ** 2) / (2 * 40.0**2))
    gains = 1 + 2 * near[:, None] * alike[None, :]
    np.testing.assert_allclose(np.reshape(x, plain.shape), gains * plain, rtol=1e-12)


@pytest.mark.slow
def test_the_sheet_in_time_comes_to_rest_at_the_responses_of_the_model():
    circuit, x, expected, _ = small_sheet()
    end = oo.simulate(circuit, x, [0.0, 6000.0]).states.y[-1]
    np.testing.assert_allclose(end, expected, rtol=1e-5, atol=1e-7)


def test_a_cue_in_time_matters_most_where_targets_follow_after_a_quarter_of_a_second():
    soas = np.array([100.0, 200.0, 250.0, 300.0, 400.0, 800.0])
    found = cortex.cueing_effect(cortex.TemporalAttention(), soas)
    effect = np.asarray(found.effect)
    assert np.all(effect > 0)
    for target in effect.T:
        assert 200 <= soas[np.argmax(target)] <= 300
        assert target[-1] <= target.max() / 4
    # Of an independent run of the equations in numpy.
    np.testing.assert_allclose(effect[3], (0.22081466, 0.24440297), atol=1e-7)
    np.testing.assert_allclose(effect[5], (0.04868859, 0.04908034), atol=1e-7)
    neutral = cortex.TemporalAttention().evidence(300.0, cortex.Cue.NEUTRAL)
    assert np.all((found.uncued[3] < neutral) & (neutral < found.cued[3]))
    assert str(found).startswith("CueingEffect: 6 asynchronies")
    assert found.to_dataframe().shape == (12, 5) and len(found.plot().get_lines()) == 2


N = 120


def westrick():
    """Their circuit: sigma = .35, weights of .027, tuning with a floor."""
    centres = 180 / N * np.arange(N)

    def drive(contrast, degrees):
        tuned = np.exp(3 * (np.cos(2 * np.radians(degrees - centres)) - 1)) + 0.1
        return contrast * tuned

    W = np.full((N, N), 0.027)
    circuit = oo.ORGaNICs(np.eye(N), np.eye(N), W, 0.35, 1.0, 1.0, 2.0, 2.0)
    return circuit, drive, centres


def test_reweighting_adapts_to_a_plaid():
    circuit, drive, centres = westrick()
    target = cortex.mean_products(circuit, np.array([drive(0.36, t) for t in centres]))
    plaid = drive(0.5, 45) + drive(0.5, 135)
    model = cortex.Reweighting(circuit, 0.005, target)
    adapted = cortex.adapt(model, np.tile(plaid, (100, 1)))
    tests = np.array([plaid, drive(0.5, 45), drive(0.5, 0)])

    def largest(circuit):
        rest = jax.vmap(lambda x: oo.fixed_point(circuit, x).state.y)(jnp.asarray(tests))
        return np.max(np.asarray(rest) ** 2, axis=1)

    # The adapter, each component, and the grating orthogonal to the plaid's mean.
    ratios = largest(adapted.circuit) / largest(circuit)
    np.testing.assert_array_equal(np.round(ratios, 3)[:2], (0.467, 0.614))
    assert np.round(ratios[2], 2) == 1.97
    np.testing.assert_allclose(np.max(adapted.rates[0]), largest(circuit)[0], rtol=1e-12)


def test_reweighting_moves_its_weights_by_the_products_of_the_rates():
    rng = np.random.default_rng(0)
    W = rng.uniform(0, 0.5, (3, 3)) * (1 - np.eye(3))  # a weight of 0 does not fall
    target = rng.uniform(0, 0.5, (3, 3))
    circuit = oo.ORGaNICs(np.eye(3, 2), np.eye(3), W, 0.2, 1.0, 1.0, 2.0, 2.0)
    model = cortex.Reweighting(circuit, 0.01, target)
    assert (model.input_size, model.size) == (2, 3)
    start, x = model.initial_state(), jnp.array([0.5, 0.3])
    rest = circuit.initial_state()
    for found, expected in zip(start, (rest.y, rest.a, W), strict=True):
        np.testing.assert_array_equal(found, expected)
    y, a, W = np.array([0.9, -0.4, 0.6]), rng.uniform(0.5, 1, 3), W + 0.1 * (W > 0)
    state = cortex.ReweightingState(*map(jnp.asarray, (y, a, W)))
    found = eqx.filter_jit(model.vector_field)(0.0, state, x)
    # With the weights of the state, not with those that the circuit has.
    own = oo.replace(circuit, W=W)
    expected = eqx.filter_jit(own.vector_field)(0.0, oo.ORGaNICsState(state.y, state.a), x)
    np.testing.assert_allclose(np.stack(found[:2]), np.stack(expected), rtol=1e-12)
    rates = np.maximum(y, 0) ** 2
    push = 0.01 * (np.outer(rates, rates) - target)
    assert np.any(push[W == 0] < 0) and np.any(push[W == 0] > 0)
    np.testing.assert_allclose(found.W, np.where(W == 0, np.maximum(push, 0), push), rtol=1e-12)


@pytest.mark.slow
def test_reweighting_in_time_is_adaptation_where_responses_are_fast():
    rng = np.random.default_rng(0)
    circuit = oo.ORGaNICs(np.eye(3), np.eye(3), np.full((3, 3), 0.5), 0.2, 1.0, 1.0, 2.0, 2.0)
    model = cortex.Reweighting(circuit, 1e-4, rng.uniform(0, 1, (3, 3)))
    x = np.array([0.5, 0.1, 0.3])
    run = oo.simulate(model, x, [0.0, 2000.0])
    steps = cortex.adapt(model, np.tile(x, (400, 1)), duration=5.0)
    # The onset of the response takes some ms of the 2000.
    np.testing.assert_allclose(run.states.W[-1], steps.circuit.W, rtol=0.01, atol=1e-3)
    assert np.all(np.asarray(run.states.W) > -1e-9) and np.abs(run.states.W[-1] - 0.5).max() > 0.05
    state = model.initial_state()
    held = model.vector_field(0.0, state._replace(W=jnp.zeros((3, 3))), jnp.asarray(x)).W
    assert np.all(np.asarray(held) >= 0)


def test_bad_models_are_refused():
    circuit, target = oo.ORGaNICs.random(2, 3, key=0), np.zeros((3, 3))
    model = cortex.Reweighting(circuit, 0.1, target)
    bad = (
        (lambda: cortex.ReynoldsHeeger(positions=[0.0, 1.0, 3.0]), "even steps"),
        (lambda: cortex.ReynoldsHeeger(drive_widths=5.0), r"\(in space, in the feature\)"),
        (lambda: cortex.ReynoldsHeeger().circuit(), "at most 8192 units"),
        (
            lambda: cortex.ReynoldsHeeger().drive(cortex.Grating(0, 0.5)),
            "`stimuli` must be",
        ),
        (lambda: cortex.TemporalAttention(tau_1=-1.0), "`tau_1` must be at least 0"),
        (lambda: cortex.TemporalAttention().evidence(250.0, "first"), "`cue` must be a"),
        (lambda: cortex.cueing_effect(cortex.TemporalAttention(), [0.0]), "lie above 0"),
        (lambda: cortex.Reweighting(circuit, 0.0, target), "`rate` must be a positive number"),
        (lambda: cortex.Reweighting(circuit, 0.1, target[:2]), r"\(3, 3\)"),
        (lambda: cortex.adapt(model, np.ones(2)), r"\(k, m\) = \(k, 2\)"),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()
