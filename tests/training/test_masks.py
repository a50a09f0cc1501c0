"""Sequences of different lengths, padded: as if the padding were not there, whatever it holds."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import rate_cases
import zoo
from compared import tree_equal
from skip_trainings import Trial, model as rate_model, train as train_with_skips

import organics_ode as oo
from organics_ode.kernels import gated
from organics_ode.optimizers import State
from organics_ode.programs import shared
from organics_ode.training._objective import train_step

KEY = jax.random.key(0)
LONGEST, CLASSES = 21, 3  # more than a chunk of the kernel
LENGTHS = np.array([21, 3, 3, 17, 21, 17])
BEHIND = (np.nan, -100.0, 255.0)
LABELS = {np.nan: 2**30, -100.0: -100, 255.0: 255}
SGD = optax.sgd(1.0)
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(len(LENGTHS), LONGEST, zoo.M))
MASK = (np.arange(LONGEST) < LENGTHS[:, None]).astype(float)
MASK[0, :2], MASK[3, 5:8], MASK[4] = 0, 0, 0.5  # a late start, a hole, another weight
ONE = RNG.integers(CLASSES, size=len(LENGTHS)).astype(np.int32)
EVERY = RNG.integers(CLASSES, size=(len(LENGTHS), LONGEST)).astype(np.int32)


def padded(of_steps, fill):
    """The sequences, with `fill` in their padding and labels like it where the mask is 0."""
    behind = np.arange(LONGEST) >= LENGTHS[:, None]
    targets = np.where(MASK > 0, EVERY, LABELS[fill]) if of_steps else ONE
    return oo.Batch(np.where(behind[..., None], fill, INPUTS), targets, MASK)


def unpadded(of_steps):
    """The sequences of each length, with their masks."""
    for length in np.unique(LENGTHS):
        rows = length == LENGTHS
        targets = EVERY[rows, :length] if of_steps else ONE[rows]
        yield INPUTS[rows, :length], targets, MASK[rows, :length]


def by_hand(net, of_steps):
    """Mean cross entropy and accuracy over the samples, without padding or the library's losses."""
    loss, hits = 0.0, 0.0
    for xs, targets, mask in unpadded(of_steps):
        scores = jax.vmap(net)(jnp.asarray(xs))
        picked = jnp.asarray(targets)[..., None].astype(int)
        costs = -jnp.take_along_axis(jax.nn.log_softmax(scores), picked, axis=-1)[..., 0]
        right = (scores.argmax(-1)[..., None] == picked)[..., 0].astype(float)
        weights = mask / mask.sum(axis=1, keepdims=True) if of_steps else np.ones(len(xs))
        loss, hits = loss + jnp.sum(weights * costs), hits + jnp.sum(weights * right)
    return loss / len(LENGTHS), hits / len(LENGTHS)


def slopes(net, of_steps):
    params, rest = eqx.partition(net, oo.trainable(net))
    value = lambda p: by_hand(oo.resolve(eqx.combine(p, rest)), of_steps)  # noqa: E731
    return jax.jit(jax.value_and_grad(value, has_aux=True))(params)


def check_close(found, expected, rtol=1e-10):
    for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        assert np.linalg.norm(a - b) <= rtol * np.linalg.norm(b)


class Sums(eqx.Module):
    """A model that knows nothing of masks: a running sum, and scores of it."""

    weight: jax.Array

    def __call__(self, xs):
        return jnp.tanh(jnp.cumsum(xs, axis=0) @ self.weight)


def build(name):
    readout = eqx.nn.Linear(zoo.N, CLASSES, key=KEY, dtype=np.float64)
    cell = oo.Euler(zoo.organics() if name == "scan" else zoo.gated(), 0.3)
    assert gated.applies(cell) == (name != "scan")
    cls = oo.SequenceToSequence if name == "kernel, every step" else oo.SequenceClassifier
    return cls(cell, readout)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", ("scan", "kernel", "kernel, every step"))
def test_a_training_step_on_padded_sequences_is_that_without_padding(name):
    net, of_steps = build(name), name == "kernel, every step"
    (loss, hits), gradient = slopes(net, of_steps)
    # The gradient alone: with W ≥ 0 and the like, parameters after the step are not the difference.
    start = State(net, SGD.init(eqx.filter(net, oo.trainable(net))))
    norm = optax.global_norm(gradient)
    first = None
    for fill in BEHIND:
        rules = shared(SGD, oo.cross_entropy, oo.accuracy)
        state, values = train_step(start, padded(of_steps, fill), rules)
        np.testing.assert_allclose(values["loss"], loss, rtol=1e-12)
        np.testing.assert_allclose(values["metric"], hits, rtol=1e-12)
        np.testing.assert_allclose(values["gradient_norm"], norm, rtol=1e-10)
        moved = oo.project(eqx.apply_updates(net, jax.tree.map(jnp.negative, gradient)))
        check_close(*(eqx.filter(m, eqx.is_inexact_array) for m in (state.model, moved)))
        first = state.model if first is None else first
        assert tree_equal(state.model, first)  # to the bit, whatever is behind the mask


@pytest.mark.slow
def test_fit_ensemble_and_evaluate_on_padded_sequences():
    nets = [Sums(jax.random.normal(key, (zoo.M, CLASSES))) for key in jax.random.split(KEY)]
    expected, losses = list(nets), []
    for _ in range(3):
        found = [slopes(net, True) for net in expected]
        losses.append([loss for (loss, _), _ in found])
        expected = [
            eqx.apply_updates(net, jax.tree.map(lambda g: -0.5 * g, gradient))
            for net, (_, gradient) in zip(expected, found, strict=True)
        ]
    options = {"optimizer": optax.sgd(0.5), "steps": 3, "progress": False}
    for fill in BEHIND:
        data = padded(True, fill)
        batches = oo.minibatches(data, len(LENGTHS), key=KEY)
        alone = oo.fit(nets[0], batches, validation=data, **options)
        many = oo.ensemble(nets, batches, validation=data, **options)
        for result, column in ((alone, np.s_[:, 0]), (many, np.s_[:])):
            np.testing.assert_allclose(result.history["loss"], np.array(losses)[column], rtol=1e-12)
        for net, reference in zip(
            (alone.model, *many.models), expected[:1] + expected, strict=True
        ):
            check_close(net, reference)
        loss, hits = by_hand(expected[0], True)
        scores = oo.evaluate(alone.model, data, batch_size=4)
        np.testing.assert_allclose([scores["loss"], scores["accuracy"]], [loss, hits], rtol=1e-12)
        assert alone.history["validation_loss"][-1] == scores["loss"]
        np.testing.assert_allclose(many.history["validation_loss"][-1][0], loss, rtol=1e-12)


def test_what_happens_behind_the_end_of_a_sequence_does_not_reach_its_gradient():
    # Without inputs this network grows by a tenth each step: after 21 000 it is no longer finite.
    net = oo.RateNetwork(W=2 * np.eye(2), W_in=np.eye(2), b=np.zeros(2), tau=10.0, f=jax.nn.relu)
    readout = oo.Readout(np.ones((1, 2)), activation=None)
    xs, long = jnp.ones((5, 2)), jnp.ones((21_000, 2))
    mask = jnp.arange(len(long)) < 5
    endless = oo.SequenceClassifier(oo.Euler(net, 1.0), readout)
    assert not np.isfinite(eqx.filter_jit(endless)(long)).all()
    for cls in (oo.SequenceToSequence, oo.SequenceClassifier):
        model = cls(oo.Euler(net, 1.0), readout)
        whole = eqx.filter_jit(eqx.filter_value_and_grad(lambda m, x: jnp.sum(m(x))))
        masked = eqx.filter_value_and_grad(lambda m, x, w: jnp.sum(m(x, w)[: len(xs)]))
        value, gradient = whole(model, xs)
        found, slope = eqx.filter_jit(masked)(model, long, mask)
        np.testing.assert_allclose(found, value, rtol=1e-13)
        check_close(slope, gradient)


def test_a_classifier_reads_its_response_at_the_last_step_that_counts():
    net, xs = build("scan"), jnp.asarray(INPUTS[0])
    mask = np.zeros(LONGEST)
    mask[[3, 9]] = 1
    expected = net(xs[:10])  # the circuit runs through the steps between
    xs = xs.at[10:].set(jnp.nan)
    np.testing.assert_allclose(net(xs, mask), expected, rtol=1e-13)
    assert not np.allclose(net(xs[:9]), expected)
    with pytest.raises(ValueError, match="`mask` must select at least one step of every sequence"):
        net(xs, np.zeros(LONGEST))
    with pytest.raises(ValueError, match=r"`mask` must have shape \(time\) = \(21,\)"):
        net(xs, mask[:-1])
    with pytest.raises(ValueError, match="`xs` must be finite"):
        net(xs, np.ones(LONGEST))


def test_a_sequence_without_a_step_has_no_response_and_training_says_so():
    def batches(step):
        return data if step < 1 else data._replace(mask=changed(2, 0.0))

    data, options = padded(False, -100.0), {"steps": 3, "optimizer": SGD, "progress": False}
    with pytest.raises(ValueError, match="`mask` must select at least one step of every sequence"):
        oo.fit(build("scan"), batches, **options)
    of_steps = padded(True, -100.0)._replace(mask=changed(2, 0.0))
    net = Sums(jnp.zeros((zoo.M, CLASSES)))
    result = oo.fit(net, lambda step: of_steps, **options)
    # Equal scores cost log k each, and the sequence without a step nothing.
    np.testing.assert_allclose(result.history["loss"][0], np.log(CLASSES) * 5 / 6)


def test_a_model_of_the_users_own_gets_the_mask_if_it_takes_one():
    class Last(eqx.Module):
        weight: jax.Array

        def __call__(self, xs, mask):
            return xs[jnp.sum(mask > 0).astype(int) - 1] @ self.weight

    ends = (np.arange(LONGEST) < LENGTHS[:, None]).astype(float)
    net, data = Last(jnp.ones((zoo.M, CLASSES))), padded(False, np.nan)._replace(mask=ends)
    scores = oo.evaluate(net, data, loss=lambda o, y, m: o[0], metric=None)
    last = INPUTS[np.arange(len(LENGTHS)), LENGTHS - 1].sum(axis=1)
    np.testing.assert_allclose(scores["loss"], last.mean(), rtol=1e-12)


class Steady(eqx.Module):
    """A constant input to answer at every step, up to `length` of `total` steps."""

    length: int = 6
    total: int = 6
    fill: float = 0.0
    dt: float = 10.0
    input_size: int = 2

    def sample(self, key):
        x = jax.random.normal(key, (self.input_size,))
        runs = jnp.arange(self.total) < self.length
        inputs = jnp.where(runs[:, None], x[None], self.fill)
        targets = jnp.where(runs, x[0], self.fill)[:, None]
        return Trial(inputs, targets, runs.astype(float), {})

    def score(self, outputs, trial):
        return jnp.exp(-oo.squared_error(outputs, trial.targets, trial.mask))


@pytest.mark.slow
def test_skips_train_on_padded_trials_as_on_whole_ones():
    def run(task):
        models = [rate_model(noise=0.0), rate_model(1, noise=0.0)]
        return train_with_skips(models, task=task, rounds=2, activity=0.1)

    expected = run(Steady())
    found = run(Steady(total=LONGEST + 4, fill=np.nan))
    for name in ("loss", "gradient_norm", "validation_performance"):
        np.testing.assert_allclose(found.history[name], expected.history[name], rtol=1e-10)
    check_close(*(eqx.filter(r.models, eqx.is_inexact_array) for r in (found, expected)))


@pytest.mark.slow_but_first
@pytest.mark.parametrize("node", (oo.Frozen, lambda tau: oo.Bounded(tau, 45.0, 55.0)))
def test_what_a_circuit_does_behind_its_trial_reaches_neither_penalty_nor_gradient(node):
    """It grows twelvefold at every step, by the kernel and by the scan: 1e308 is 290 steps away."""

    def run(task):
        growing = rate_model(noise=0.0, tau=node(np.full(rate_cases.N, 50.0)), f=jax.nn.relu)
        growing = eqx.tree_at(lambda m: m.cell.circuit.W, growing, 60 * jnp.eye(rate_cases.N))
        options = {"burn_in": 0.0, "steps_per_round": 1, "rounds": 1, "activity": 0.1}
        return train_with_skips([growing], task=task, optimizer=optax.sgd(1e-9), **options)

    expected, found = run(Steady()), run(Steady(total=400))
    for name in ("loss", "gradient_norm"):
        assert np.isfinite(expected.history[name]).all()
        np.testing.assert_allclose(found.history[name], expected.history[name], rtol=1e-10)
    check_close(*(eqx.filter(r.models, eqx.is_inexact_array) for r in (found, expected)))


# Data


def test_minibatches_keep_the_mask():
    data = padded(True, np.nan)
    batches = oo.minibatches(data, 2, key=KEY)
    for step in range(5):
        batch = batches(step)
        rows = [int(np.flatnonzero((data.targets == y).all(axis=1))[0]) for y in batch.targets]
        np.testing.assert_array_equal(batch.mask, MASK[rows])
        part = batches.part(step, np.array([1]))
        np.testing.assert_array_equal(part.mask, MASK[rows[1:]])


def changed(where, value):
    mask = MASK.copy()
    mask[where] = value
    return mask


BAD_MASKS = {
    "`mask` must have shape": MASK[:, :-1],
    "`mask` must have shape ": MASK[:-1],
    "`mask` must hold finite": changed((1, 1), np.nan),
    "`mask` must not be negative, but its smallest value is -1": changed((1, 1), -1.0),
    "`mask` must hold bools or numbers": MASK.astype(str),
    "at least one step of every sequence, but sample 2 has none": changed(2, 0.0),
}


@pytest.mark.parametrize("message", BAD_MASKS)
def test_masks_are_checked(message):
    data = padded(True, -100.0)._replace(mask=BAD_MASKS[message])
    with pytest.raises(ValueError, match=message.strip()):
        oo.minibatches(data, 2, key=KEY)
    with pytest.raises(ValueError, match=message.strip()):
        oo.evaluate(Sums(jnp.ones((zoo.M, CLASSES))), data)


def test_what_counts_must_be_finite():
    data = padded(True, np.nan)
    real = data._replace(targets=np.where(MASK > 0, 0.5, np.nan))
    assert oo.minibatches(real, 2, key=KEY).mask is MASK
    for name, at in (("inputs", (3, 6)), ("targets", (3, 4))):  # (3, 6) is in the hole
        values = np.array(getattr(real, name))
        values[at] = np.nan
        with pytest.raises(ValueError, match=f"`split` must hold finite {name} where they count"):
            oo.minibatches(real._replace(**{name: values}), 2, key=KEY)
