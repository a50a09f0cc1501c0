"""Skips in closed loop: rule reversal against loops in numpy, feedback, the skip between trials."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compared import tree_equal

import organics_ode as oo
import tasks
from organics_ode.kernels import Skips
from organics_ode.training.skips import _closed_loop, _rounds, _run, _trials

TASK = tasks.RuleReversal(3, dt=100.0)
N, TRIALS, BURN_IN = 6, 8, 5
KEY = jax.random.key(3)
ADAM = optax.adam(0.03)
LENGTH = TASK.presentation_steps
BETWEEN = oo.SkipSchedule(
    oo.StateSkip(),
    length=LENGTH,
    restarts=TASK.presentation_starts,
    stages=2,
    beta=0.4,
    rounds=4,
)


def model(seed=0, outputs=2, **changes):
    keys = jax.random.split(jax.random.key(seed), 3)
    W = 1.5 * jax.random.normal(keys[2], (N, N)) / np.sqrt(N)
    network = oo.RateNetwork.random(TASK.input_size, N, key=keys[0], tau=300.0, noise=0.3)
    network = eqx.tree_at(lambda c: c.W, network, W)
    readout = oo.Readout.random(N, outputs, key=keys[1], units=(1, N), activation=None)
    return oo.SequenceToSequence(oo.Euler(network, TASK.dt), readout, **changes)


def source(key=KEY):
    noise = (N, 100.0)
    return _trials.Source(TASK, noise, TASK.dt, BURN_IN, key, TRIALS, jnp.dtype(float))


def drawn(restarts=None):
    return source().draw(jax.random.key(11), TRIALS, restarts)


@eqx.filter_jit
def measured(model, trials, batch, skips):
    """The inputs a model sees, the loss and its gradient."""
    shown = _closed_loop.seen(TASK, model, trials, batch, skips)
    value, gradient = _run.loss_and_gradient(model, shown, skips, oo.cross_entropy, 0.0)
    return shown.inputs, value, gradient


def measure(model, length=1, beta=1.0, restarts=None):
    skips = Skips(oo.StateSkip(), jnp.asarray(length, jnp.int32), jnp.asarray(beta))
    return measured(model, *drawn(restarts), skips)


def loop(model, trials, batch, length, beta, activity=0.0):
    """The inputs and the loss in numpy: feedback and skips by hand, trial by trial."""
    net, readout = oo.resolve(model.cell.circuit), oo.resolve(model.readout)
    net, readout, trials, batch = jax.tree.map(np.asarray, (net, readout, trials, batch))
    steps, count = batch.weights.shape
    inputs, total, sizes = np.zeros((steps, count, 4)), 0.0, np.zeros((steps, count))
    for i in range(count):

        def increment(r, x, eta):
            drive = net.W @ r + net.W_in @ x + net.b + net.noise * eta
            return TASK.dt / net.tau * (-r + np.maximum(drive, 0))

        r = np.zeros(N)
        for eta in batch.noise_before[:, i]:
            r = r + increment(r, np.zeros(4), eta)
        since, start, evidence = 0, r, np.zeros(2)
        for t in range(steps):
            frame, since = t % LENGTH, 0 if batch.starts[t, i] else since
            evidence = np.zeros(2) if frame == 0 else evidence
            inputs[t, i, trials.info["stimuli"][i, t // LENGTH]] = frame < LENGTH // 4
            right = trials.info["stimuli"][i, t // LENGTH] ^ trials.info["rules"][i, t // LENGTH]
            if LENGTH // 2 <= frame < 3 * LENGTH // 4:
                inputs[t, i, 2 if np.argmax(evidence) == right else 3] = 1
            start = r if since == 0 else start
            r, since = r + increment(r, inputs[t, i], batch.noise[t, i]), since + 1
            if since == length:
                r, since = (1 - beta) * start + beta * r, 0
            o = readout.W_out @ r[1:]
            if LENGTH // 4 + 2 <= frame < LENGTH // 2:  # after 200 ms of the response
                evidence = evidence + o
            counted = trials.mask[i] / trials.mask[i].sum()
            total += counted[t] * (np.log(np.sum(np.exp(o))) - o[right]) / count
            sizes[t, i] = np.mean(np.abs(r))
    # A trial ends at the last step that counts.
    ends = [1 + np.flatnonzero(mask)[-1] for mask in trials.mask]
    mean_size = np.mean([np.mean(sizes[:end, i]) for i, end in enumerate(ends)])
    return inputs, total + activity * mean_size


# In one trial


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("length", "beta", "restarts"),
    ((1, 1.0, None), (3, 0.4, None), (LENGTH, 0.4, TASK.presentation_starts)),
    ids=("base", "in the periods", "between trials"),
)
def test_inputs_and_loss_equal_those_of_a_loop(length, beta, restarts):
    net = model()
    trials, batch = drawn(restarts)
    assert np.sum(batch.starts[:, 0]) == (12 if restarts is None else 3)
    inputs, value, _ = measure(net, length, beta, restarts)
    expected, loss = loop(net, trials, batch, length, beta)
    np.testing.assert_array_equal(inputs, expected)
    np.testing.assert_allclose(value, loss, rtol=1e-12)
    # Both kinds of feedback occur, and not those of the ideal observer.
    assert np.all(np.any(inputs[..., 2:], axis=(0, 1)))
    assert np.any(inputs != batch.inputs)


def test_the_gradient_is_that_of_the_played_trials():
    net, (trials, batch) = model(), drawn(TASK.presentation_starts)
    params, rest = eqx.partition(net, oo.trainable(net))

    def of_trial(net, trial, noise, before):
        noisy = oo.Euler(oo.Noisy(net.cell.circuit), TASK.dt)
        cell = oo.resolve(oo.TemporalSkip(noisy, oo.StateSkip(), LENGTH, 0.4))
        shown = jnp.concatenate([jnp.zeros((BURN_IN, 4)), before], axis=1)
        rest = jax.lax.stop_gradient(oo.unroll(noisy, shown, last_only=True))

        # Presentations are of one length: the blocks of skips begin anew with them by themselves.
        def step(now, x):
            state, etas = now
            state = cell.step(state, jnp.concatenate([x, etas[0]]))
            return (state, jnp.roll(etas, -1, axis=0)), net.readout(state.r)

        outputs, _ = TASK.play(step, (cell.at_rest(rest), noise), trial)
        return oo.cross_entropy(outputs, trial.targets, trial.mask)

    def mean(params):
        net = oo.resolve(eqx.combine(params, rest))
        each = jax.vmap(lambda *given: of_trial(net, *given), in_axes=(0, 1, 1))
        return jnp.mean(each(trials, batch.noise, batch.noise_before))

    expected, reference = jax.jit(jax.value_and_grad(mean))(params)
    _, value, gradient = measure(net, LENGTH, 0.4, TASK.presentation_starts)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for a, b in zip(*map(jax.tree.leaves, (gradient, reference)), strict=True):
        assert np.linalg.norm(a - b) <= 1e-11 * np.linalg.norm(b)
        assert np.linalg.norm(b) > 1e-4


def test_for_beta_one_the_skip_between_trials_is_none_to_the_bit():
    base = measure(model())
    found = measure(model(), LENGTH, 1.0, TASK.presentation_starts)
    assert tree_equal(found, base)
    assert not tree_equal(measure(model(), LENGTH, 0.9, TASK.presentation_starts), base)


def test_the_feedback_is_on_the_own_choices():
    net = model()
    flipped = eqx.tree_at(lambda m: m.readout.W_out, net, -net.readout.W_out)
    inputs, other = measure(net)[0], measure(flipped)[0]
    first = slice(LENGTH // 2, 3 * LENGTH // 4)
    np.testing.assert_array_equal(other[first, :, 2:], inputs[first, :, :1:-1])
    assert np.all(inputs[first, :, 2:].sum(axis=-1) == 1)
    # Who chooses 2 whatever happens is right where stimulus and rule differ.
    trials, _ = drawn()
    W_out = jnp.zeros_like(net.readout.W_out).at[1].set(1.0)
    (told, _, _) = measure(eqx.tree_at(lambda m: m.readout.W_out, net, W_out))
    is_right = (trials.info["stimuli"] ^ trials.info["rules"]) == 1
    np.testing.assert_array_equal(told[LENGTH // 2 :: LENGTH, :, 2].T, is_right)
    np.testing.assert_array_equal(told[LENGTH // 2 :: LENGTH, :, 3].T, ~is_right)


# Training


def train(models=None, **changes):
    options = {
        "task": TASK,
        "schedule": BETWEEN,
        "optimizer": ADAM,
        "key": KEY,
        "rounds": 4,
        "steps_per_round": 1,
        "batch_size": TRIALS,
        "trials": 6,
        "burn_in": BURN_IN * TASK.dt,
        "criterion": 2.0,
        "weights": 0.0,
        "activity": 0.01,
        "progress": False,
    }
    options |= changes
    models = [model(0), model(1)] if models is None else models
    return oo.fit_with_skips(models, options.pop("task"), options.pop("schedule"), **options)


@pytest.fixture(scope="module")
def undisturbed():
    return train()


@pytest.mark.slow
def test_a_round_has_the_loss_of_the_loop_and_the_score_of_the_played_base_network(undisturbed):
    key = jax.random.split(_rounds._key(source(), jnp.uint32(1), 0), 1)[0]
    trials, batch = source().draw(key, TRIALS, TASK.presentation_starts)
    losses = [loop(model(seed), trials, batch, LENGTH, 0.4, 0.01)[1] for seed in (0, 1)]
    # With another loss than the cross entropy, or other blocks, these are others.
    np.testing.assert_allclose(undisturbed.history["loss"][0], losses, rtol=1e-12)
    key = jax.random.split(_rounds._key(source(), jnp.uint32(4), 1), 1)[0]
    trials, batch = source().draw(key, 6)
    for net, performance in zip(undisturbed.models, undisturbed.performance, strict=True):
        # What is told follows from what is chosen, and a loop knows what is told.
        inputs, _ = loop(net, trials, batch, 1, 1.0)
        told_right = inputs[LENGTH // 2 :: LENGTH, :, 2].T
        counted = np.asarray(trials.info["counted"])
        score = np.mean(np.sum(told_right * counted, axis=1) / np.sum(counted, axis=1))
        np.testing.assert_allclose(performance, score, rtol=1e-12)


@pytest.mark.slow
def test_networks_learn_in_closed_loop():
    loss = train(rounds=60, evaluate_every=60).history["loss"]
    assert np.all(np.mean(loss[-10:], axis=0) < 0.9 * np.mean(loss[:10], axis=0))


@pytest.mark.slow
def test_a_training_goes_on_to_the_same_bits(undisturbed, tmp_path):
    train(rounds=3, checkpoint=tmp_path / "run", checkpoint_every=2)
    result = train(checkpoint=tmp_path / "run")
    assert result.history.resumed == (3,)
    assert tree_equal(result.models, undisturbed.models)
    np.testing.assert_array_equal(result.history["loss"], undisturbed.history["loss"])
    np.testing.assert_array_equal(result.performance, undisturbed.performance)
    in_periods = oo.SkipSchedule(oo.StateSkip(), length=LENGTH, stages=2, beta=0.4, rounds=4)
    with pytest.raises(ValueError, match=r"must be of the same training.*restarts"):
        train(schedule=in_periods, checkpoint=tmp_path / "run")


# Bad arguments


class Unplayable(eqx.Module):
    """Rule reversal whose `play` is no function."""

    task: tasks.RuleReversal
    play: float = 1.0
    dt: float = TASK.dt
    input_size: int = 4

    def sample(self, key):
        return self.task.sample(key)

    def score(self, outputs, trial):
        return self.task.score(outputs, trial)


def blocks(restarts):
    return oo.SkipSchedule(oo.StateSkip(), length=3, restarts=restarts)


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"task": Unplayable(TASK)}, "`task` must have a function `play`, but it is 1.0"),
        ({"models": [model(outputs=3)]}, r"`task` must have outputs .* readouts, \(3,\), .* 2"),
        (
            {"schedule": blocks(lambda t: t.mask)},
            r"`restarts` must return \(time,\) = \(60,\) of b",
        ),
        ({"schedule": blocks(lambda t: t.mask[1:] > 0)}, r"`restarts` must return \(time,\)"),
        ({"schedule": blocks(lambda t: None)}, r"`restarts` must return .* but it returns None"),
        ({"loss": "entropy"}, "`loss` must be a function of "),
    ),
)
def test_bad_arguments_say_what_they_must_be(changes, message, unchecked):
    with pytest.raises(ValueError, match=message):
        train(**changes)


def test_restarts_are_a_function(unchecked):
    with pytest.raises(ValueError, match="`restarts` must be a function of a trial"):
        blocks(np.zeros(60, bool))
