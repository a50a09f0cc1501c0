"""A network that was trained on a classic task behaves."""

import equinox as eqx
import jax
import numpy as np
import optax
from classics import DT, REACTIONS, network

import organics_ode as oo
import tasks


def test_a_trained_network_chooses_better_and_sooner_on_stronger_evidence():
    result = oo.fit_with_skips(
        [network(REACTIONS, 16)],
        REACTIONS,
        optimizer=optax.adam(optax.cosine_decay_schedule(0.01, 400)),
        key=jax.random.key(3),
        rounds=40,
        trials=50,
        evaluate_every=40,
        loss=oo.cross_entropy,
        burn_in=0.0,
        progress=False,
    )
    (model,) = result.models
    keys = jax.random.split(jax.random.key(4), 2000)
    trials = jax.jit(jax.vmap(lambda key: REACTIONS.sample(key, jitter=False)))(keys)
    outputs = eqx.filter_jit(model.batched)(trials.inputs)
    coherence, start = np.asarray(trials.info["coherence"]), REACTIONS.periods["motion"][0]

    def answer(outputs, trial):
        p = jax.nn.softmax(outputs, axis=-1)[:, 1:]
        return REACTIONS.choose(outputs, trial), tasks.reaction(p, start, threshold=0.9, dt=DT)

    chosen, reactions = jax.jit(jax.vmap(answer))(outputs, trials)
    curve = tasks.psychometric(coherence, chosen == 1)
    # Three standard errors of a difference of two rates, or of two means.
    slack = 3 * np.hypot(curve.errors[1:], curve.errors[:-1])
    assert np.all(np.diff(curve.rates) > -slack - 1e-9)
    assert curve.rates[0] < 0.05 and curve.rates[-1] > 0.95
    threshold = tasks.fit_psychometric(curve).threshold
    assert 0.8 < threshold / (2.0 / np.sqrt(500)) < 2  # no better than the ideal observer
    times = tasks.chronometric(np.abs(coherence), reactions.time)
    slack = 3 * np.hypot(times.errors[1:], times.errors[:-1])
    assert np.all(np.diff(times.times) < slack)
    assert times.times[-1] < times.times[0] - 5 * times.errors[0]
