"""Networks on the classic tasks: each can be trained by one call, and a trained one behaves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import organics_ode as oo
import tasks
from organics_ode.programs import shared
from organics_ode.training import _objective
from organics_ode.training.skips import _arguments, _rounds

DT = 50.0
REACTIONS = tasks.ReactionTime(tasks.PerceptualDecision(dt=DT))
CLASSICS = {
    "choice": (tasks.DelayedMatch(dt=DT), oo.cross_entropy),  # as the three others
    "reaction-time": (REACTIONS, oo.cross_entropy),
    "flip-flop": (tasks.FlipFlop(length=20, dt=DT), oo.squared_error),
    "ready-set-go": (tasks.ReadySetGo(dt=DT), oo.squared_error),
}
ADAM, KEY = optax.adam(0.01), jax.random.key(1)


def network(task, size, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    W = jax.random.normal(keys[0], (size, size)) / size**0.5
    W_in = jax.random.normal(keys[1], (size, task.input_size))
    circuit = oo.RateNetwork(W, W_in, jnp.zeros(size), 100.0, f=jnp.tanh, noise=0.05)
    W_out = jax.random.normal(keys[2], (task.output_size, size)) / size**0.5
    readout = oo.Readout(W_out, jnp.zeros(task.output_size), activation=None)
    return oo.SequenceToSequence(oo.Euler(circuit, task.dt), readout)


@pytest.mark.parametrize("name", CLASSICS)
def test_every_classic_fits_both_ways_of_training(name):
    # Traced and not compiled: what can go wrong are shapes, dtypes and what a task lacks.
    task, loss = CLASSICS[name]
    model = network(task, 4)
    members = _arguments.read_models([model, model], None)
    source = _arguments.read_source([model, model], task, 0.0, KEY, 2)
    rules, penalty = shared(ADAM, loss, None), jnp.asarray(1e-5)
    run = _rounds.Run(rules, penalty, penalty, 1, 2, None)
    state = eqx.filter_eval_shape(_rounds.start, rules, members)
    skips = _rounds.skips_of(oo.StateSkip(), _rounds.Stage(0, 3, 0.5))
    number = jnp.asarray(1, jnp.uint32)
    new, values = eqx.filter_eval_shape(_rounds.train_round, run, source, state, skips, number)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert values["loss"].shape == (2,)
    scores = eqx.filter_eval_shape(_rounds.evaluate_round, run, source, members, number)
    assert scores.shape == (2,)
    batch = oo.Batch(*jax.eval_shape(jax.vmap(task.sample), jax.random.split(KEY))[:3])
    step = (_objective.State(model, ADAM.init(eqx.filter(model, oo.trainable(model)))), batch, ADAM)
    _, values = eqx.filter_eval_shape(_objective.gradient_step, *step, loss, None)
    assert values["loss"].shape == ()


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
