"""`fit` does plain gradient descent, keeps what it did, and says when it went wrong."""

import functools
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal
from trainings import ADAM, KEY, SIZE, classifier, train, two_classes, without_seconds

import organics_ode as oo
import tasks


def mean_loss(model, batch):
    scores = jax.vmap(model)(jnp.asarray(batch.inputs))
    log = jax.nn.log_softmax(scores)
    return -jnp.mean(log[jnp.arange(len(batch.targets)), jnp.asarray(batch.targets)])


def test_training_learns_two_classes():
    result = train(optimizer=ADAM, steps=60)
    loss = result.history["loss"]
    assert result.outcome == "completed"
    assert np.mean(loss[-5:]) < 0.5 * loss[0]
    assert oo.evaluate(result.model, two_classes(seed=1))["accuracy"] > 0.9


def test_the_first_step_is_the_learning_rate_times_the_gradient_and_nothing_else():
    # A loss a million times too large: a clipped or scaled gradient would show.
    def huge(outputs, targets, mask):
        return 1e6 * oo.cross_entropy(outputs, targets, mask)

    model = classifier(W=oo.Frozen)
    batches = oo.minibatches(two_classes(), SIZE, key=KEY)
    result = train(model, batches, optimizer=optax.sgd(1e-7), loss=huge, metric=None, steps=1)
    params, rest = eqx.partition(model, oo.trainable(model))
    loss = jax.value_and_grad(lambda p: 1e6 * mean_loss(eqx.combine(p, rest), batches(0)))
    first, gradient = jax.jit(loss)(params)
    moved = eqx.filter(result.model, oo.trainable(result.model))
    for new, old, slope in zip(*map(jax.tree.leaves, (moved, params, gradient)), strict=True):
        # Two orders of summation in a gradient of size 1e5, times the learning rate.
        np.testing.assert_allclose(new, old - 1e-7 * slope, rtol=0, atol=1e-12)
    norm = np.sqrt(sum(np.sum(np.asarray(leaf) ** 2) for leaf in jax.tree.leaves(gradient)))
    assert norm > 1e4
    np.testing.assert_allclose(result.history["gradient_norm"][0], norm, rtol=1e-10)
    np.testing.assert_allclose(result.history["loss"][0], first, rtol=1e-12)
    names = {"step", "epoch", "loss", "gradient_norm", "seconds"}
    assert set(result.history.records[0]) == names  # no metric


def test_the_same_call_gives_the_same_model_and_history_to_the_bit():
    one, same, other = (train(classifier(seed), optimizer=ADAM, steps=4) for seed in (0, 0, 1))
    assert tree_equal(one.model, same.model)
    assert without_seconds(one.history) == without_seconds(same.history)
    assert not tree_equal(one.model, other.model)
    elsewhere = oo.minibatches(two_classes(), SIZE, key=jax.random.key(1))
    assert not tree_equal(one.model, train(None, elsewhere, optimizer=ADAM, steps=4).model)


def test_history_records_every_step_and_validation_in_order():
    result = train(epochs=2, validation=two_classes(seed=1))
    history, per_epoch = result.history, 40 // SIZE
    assert len(history) == 2 * per_epoch + 2
    np.testing.assert_array_equal(history.steps("loss"), np.arange(1, 2 * per_epoch + 1))
    np.testing.assert_allclose(history["epoch"], np.arange(1, 2 * per_epoch + 1) / per_epoch)
    np.testing.assert_array_equal(history.steps("validation_loss"), (per_epoch, 2 * per_epoch))
    every_step = {"step", "epoch", "loss", "accuracy", "gradient_norm", "seconds"}
    assert set(history.records[0]) == every_step
    assert set(history.records[per_epoch]) == {"step", "validation_loss", "validation_accuracy"}
    assert np.all(np.diff(history["seconds"]) > 0)
    assert "12 records" in repr(history) and "least loss" in repr(history)
    with pytest.raises(KeyError, match=r"No record has 'error'; there are accuracy, epoch"):
        history["error"]
    assert history.steps("error").size == 0


def test_the_last_validation_is_that_of_the_returned_model():
    data = two_classes(seed=1)
    result = train(epochs=1, validation=data)
    for name, value in oo.evaluate(result.model, data).items():
        assert result.history[f"validation_{name}"][-1] == value


@pytest.mark.parametrize(
    ("options", "expected"),
    (
        ({"steps": 7, "validate_every": 2}, (2, 4, 6, 7)),
        ({"steps": 7}, (5, 7)),
        ({"epochs": 2}, (5, 10)),
        ({"steps": 3, "validate_every": 9}, (3,)),
    ),
)
def test_validation_comes_as_often_as_asked_and_at_the_end(options, expected):
    history = train(validation=two_classes(seed=1), **options).history
    assert tuple(history.steps("validation_loss")) == expected


def test_a_call_without_validation_has_none():
    assert train().history.steps("validation_loss").size == 0


def test_the_log_holds_the_history_and_is_appended_to(tmp_path):
    path = tmp_path / "log.jsonl"
    first = train(log=path, validation=two_classes(seed=1))
    assert oo.History.read(path).records == first.history.records
    second = train(log=str(path))
    assert oo.History.read(path).records == first.history.records + second.history.records
    assert all(isinstance(json.loads(line), dict) for line in path.read_text().splitlines())


def test_a_step_begins_before_the_one_before_it_is_recorded(tmp_path):
    """But where that one is to be evaluated."""
    log, lines = tmp_path / "log.jsonl", []
    usual = oo.minibatches(two_classes(), SIZE, key=KEY)

    def watched(step):
        lines.append(len(log.read_text().splitlines()))
        return usual(step)

    train(batches=watched, steps=5, log=log, validation=two_classes(8), validate_every=3)
    assert lines == [0, 0, 1, 4, 4]  # the third step has a line of its validation too


def test_a_metric_is_recorded_under_its_name():
    def margin(outputs, targets, mask):
        return outputs[targets] - outputs[1 - targets]

    records = train(metric=margin, steps=1).history.records
    assert "margin" in records[0] and "accuracy" not in records[0]
    assert "metric" in train(metric=functools.partial(margin), steps=1).history.records[0]


def test_frozen_values_do_not_move_even_under_weight_decay():
    model = classifier(W_r=oo.Frozen, sigma=oo.Frozen)
    decay = zoo.relaxed(optax.adamw(0.1, weight_decay=0.5))
    trained = train(model, optimizer=decay, steps=3).model.cell.circuit
    before = model.cell.circuit
    assert tree_equal((trained.W_r, trained.sigma), (before.W_r, before.sigma))
    assert not tree_equal(trained.W_zx, before.W_zx)


def test_constraints_hold_while_training_violently():
    model = classifier(W_r=lambda v: oo.SpectralBound(v, 1.1))
    violent = zoo.relaxed(optax.adamw(0.5))
    circuit = oo.resolve(train(model, optimizer=violent, steps=10, throw=False).model).cell.circuit
    assert np.all(circuit.W >= 0) and np.any(np.asarray(circuit.W) == 0)
    assert np.all(circuit.tau_y > 0)
    assert np.linalg.norm(circuit.W_r, 2) <= 1.1 * (1 + 1e-13)  # the rounding of an SVD


def test_a_step_is_traced_once():
    traces = []

    def counting(outputs, targets, mask):
        traces.append(1)
        return oo.cross_entropy(outputs, targets, mask)

    train(loss=counting, metric=None, optimizer=ADAM, steps=1)
    once = len(traces)
    train(loss=counting, metric=None, optimizer=ADAM, steps=6)
    assert len(traces) == once > 0


@pytest.mark.slow
def test_masked_sequences_are_trained_on_what_the_mask_selects():
    task = tasks.CopyMemory(2)
    sample = oo.trials(task, 4, key=KEY)
    values = zoo.values(6, task.input_size, seed=1)
    readout = eqx.nn.Linear(6, task.output_size, key=KEY, dtype=np.float64)
    model = oo.SequenceToSequence(oo.Euler(oo.ORGaNICs(**values), 0.5), readout)
    late = np.arange(22) >= 12

    def batches(step):
        return sample(step)._replace(mask=jnp.tile(1.0 * late, (4, 1)))

    def elsewhere(step):
        batch = batches(step)
        return batch._replace(targets=jnp.where(late[None, :], batch.targets, 3))

    one, same = train(model, batches), train(model, elsewhere)
    assert without_seconds(one.history) == without_seconds(same.history)
    batch = batches(0)
    scores = jax.nn.log_softmax(jax.jit(lambda xs: jax.vmap(model)(xs))(batch.inputs))[:, late]
    expected = -np.mean(np.take_along_axis(scores, batch.targets[:, late, None], axis=2))
    np.testing.assert_allclose(one.history["loss"][0], expected, rtol=1e-12)


def test_a_progress_bar_is_shown_only_when_asked_for(capsys):
    train(steps=2)
    assert capsys.readouterr().err == ""
    train(steps=2, progress=True)
    shown = capsys.readouterr().err
    assert "2/2" in shown and "loss=" in shown
