"""What `fit` and `evaluate` do with bad arguments, divergence and interruption."""

import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal
from marks import slow
from trainings import KEY, SGD, SIZE, classifier, train, two_classes

import organics_ode as oo
import tasks
from organics_ode.training._history import CannotWrite
from organics_ode.training._recorder import Log


def batches_with(what, at):
    """The usual batches, but `what(batch)` in place of the one of step `at` (from 0)."""
    usual = oo.minibatches(two_classes(), SIZE, key=KEY)
    return lambda step: what(usual(step)) if step == at else usual(step)


def spoiled(batch):
    """Inputs so large that the loss is no longer finite."""
    return batch._replace(inputs=np.full_like(batch.inputs, 1e300))


def interrupt(batch):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def one_step():
    return train(batches=batches_with(None, at=None), steps=1)


@pytest.fixture(scope="module")
def two_steps():
    return train(batches=batches_with(None, at=None), steps=2)


def finite(tree):
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    return all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in leaves)


def same(history, other):
    return [r["loss"] for r in history.records] == [r["loss"] for r in other.records]


def test_divergence_raises_with_the_last_model_of_finite_loss(one_step):
    with pytest.raises(oo.TrainingDiverged, match=r"diverged at step 3: the loss is") as caught:
        train(batches=batches_with(spoiled, at=2), steps=5)
    result = caught.value.result
    assert result.outcome == "diverged"
    assert finite(result.model) and tree_equal(result.model, one_step.model)
    assert len(result.history) == 3
    last = result.history.records[-1]
    assert not (np.isfinite(last["loss"]) and np.isfinite(last["gradient_norm"]))


def test_divergence_is_a_result_where_nothing_is_to_be_thrown(one_step):
    result = train(batches=batches_with(spoiled, at=2), steps=5, throw=False)
    assert result.outcome == "diverged"
    assert tree_equal(result.model, one_step.model)


def test_a_log_of_a_diverged_run_can_be_read(tmp_path):
    path = tmp_path / "log.jsonl"
    train(batches=batches_with(spoiled, at=2), steps=5, throw=False, log=path)
    history = oo.History.read(path)
    assert len(history) == 3
    assert not np.isfinite(history["loss"][-1])


def test_a_signal_in_the_step_that_diverges_does_not_lose_the_result(tmp_path, one_step):
    def stopped(batch):
        signal.raise_signal(signal.SIGINT)
        return spoiled(batch)

    options = {"steps": 5, "checkpoint": tmp_path / "run"}
    with pytest.raises(oo.TrainingDiverged, match="at step 3") as caught:
        train(batches=batches_with(stopped, at=2), **options)
    assert tree_equal(caught.value.result.model, one_step.model)


def test_a_log_that_fills_up_in_the_step_that_diverges_is_told(tmp_path, monkeypatch):
    def full(batch):
        monkeypatch.setattr(Log, "write", no_space)
        return spoiled(batch)

    def no_space(self, record):
        raise CannotWrite("the log: No space left on device")

    options = {"throw": False, "steps": 5, "log": tmp_path / "log"}
    with pytest.raises(oo.TrainingNotSaved, match="could not write the log: No space"):
        train(batches=batches_with(full, at=2), **options)


def test_an_update_that_overflows_is_not_returned():
    # A finite loss and gradient, but a step to infinity: the result must still be of use.
    overflowing = optax.chain(optax.scale(1e200), optax.scale(-1e200))
    with pytest.raises(oo.TrainingDiverged, match=r"but its update made the model inf") as caught:
        train(optimizer=overflowing, steps=1)
    assert caught.value.result.outcome == "diverged"
    assert finite(caught.value.result.model)


def test_an_interruption_is_not_dropped_with_the_step_during_which_it_came():
    # Step 2 is spoiled; step 3, during which Ctrl-C comes, begins before that is known.
    usual, stop = batches_with(spoiled, at=1), batches_with(interrupt, at=2)
    with pytest.raises(oo.TrainingInterrupted) as caught:
        train(batches=lambda step: usual(step) if step < 2 else stop(step), steps=4)
    assert finite(caught.value.result.model)


def test_an_interruption_after_an_update_that_overflows_returns_the_last_good_model():
    overflowing = optax.chain(optax.scale(1e200), optax.scale(-1e200))
    batches, model = batches_with(interrupt, at=1), classifier()
    alone = {"optimizer": overflowing, "hyperparameters": None}
    for call in (
        lambda: train(model, batches, optimizer=overflowing),
        lambda: together(batches, models=[model], **alone),
    ):
        with pytest.raises(oo.TrainingInterrupted) as caught:
            call()
        result = caught.value.result
        if isinstance(result, oo.EnsembleResult):
            result = result.member(0)
        assert result.outcome == "diverged" and tree_equal(result.model, model)


def test_what_is_frozen_may_be_infinite():
    class Limited(eqx.Module):
        weight: jax.Array
        limit: oo.Frozen

        def __call__(self, xs):
            return jnp.minimum(self.weight * xs[-1], self.limit)

    model = Limited(jnp.ones(2), oo.Frozen(np.full(2, np.inf)))
    assert train(model).outcome == "completed"
    result = together(oo.minibatches(two_classes(), SIZE, key=KEY), models=[model])
    assert result.outcomes == ("completed",)


def test_a_model_that_was_never_good_comes_back_as_it_began():
    model = classifier()
    with pytest.raises(oo.TrainingDiverged, match=r"step 1: .*has the model it began") as caught:
        train(model, batches_with(spoiled, at=0))
    assert tree_equal(caught.value.result.model, model)


def test_only_a_model_with_explicit_steps_is_told_of_them():
    linear = eqx.nn.Linear(1, 2, key=jax.random.key(0))
    model = eqx.nn.Sequential([eqx.nn.Lambda(lambda xs: xs[-1]), linear])
    other = eqx.tree_at(lambda m: m.cell, classifier(), oo.ShuOsher(classifier().cell.circuit, 0.5))
    for one, is_told in ((classifier(), True), (other, True), (model, False)):
        with pytest.raises(oo.TrainingDiverged) as caught:
            train(one, batches_with(spoiled, at=0))
        assert ("explicit step" in str(caught.value)) == is_told


def test_a_learning_rate_far_too_high_returns_a_model_of_finite_loss():
    # The parameters after the first step are finite, but what they compute is not.
    result = train(optimizer=optax.sgd(1e200), throw=False)
    assert result.outcome == "diverged"
    assert np.isfinite(oo.evaluate(result.model, two_classes())["loss"])


def test_an_interruption_raises_with_the_model_so_far(two_steps):
    with pytest.raises(oo.TrainingInterrupted, match=r"interrupted after step 2\.") as caught:
        train(batches=batches_with(interrupt, at=2), steps=5)
    assert isinstance(caught.value, KeyboardInterrupt)
    result = caught.value.result
    assert result.outcome == "interrupted"
    assert tree_equal(result.model, two_steps.model)
    assert same(result.history, two_steps.history)


def test_an_interruption_before_the_first_step_returns_the_model_given():
    model = classifier()
    with pytest.raises(oo.TrainingInterrupted) as caught:
        train(model, batches_with(interrupt, at=0))
    assert caught.value.result.model is model


def test_the_log_of_an_interrupted_run_is_complete(tmp_path):
    path = tmp_path / "log.jsonl"
    with pytest.raises(oo.TrainingInterrupted) as caught:
        train(batches=batches_with(interrupt, at=2), log=path)
    assert oo.History.read(path).records == caught.value.result.history.records


def test_other_errors_in_batches_come_through():
    def fail(batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(batches=batches_with(fail, at=1))


@pytest.mark.slow_but_first
@pytest.mark.parametrize("size", (3, 1, 7, 256))
def test_evaluate_is_the_mean_over_samples_for_every_batch_size(size):
    model, data = classifier(), two_classes(7)
    outputs = [model(jnp.asarray(x)) for x in data.inputs]
    pairs = list(zip(outputs, map(jnp.asarray, data.targets), strict=True))
    values = oo.evaluate(model, data, batch_size=size)
    assert set(values) == {"loss", "accuracy"}
    expected = np.mean([oo.cross_entropy(*pair) for pair in pairs])
    np.testing.assert_allclose(values["loss"], expected, rtol=1e-13)
    assert values["accuracy"] == np.mean([oo.accuracy(*pair) for pair in pairs])
    assert all(type(value) is float for value in values.values())


def test_evaluate_reads_the_mask_of_its_data():
    def masked(outputs, targets, mask):
        return jnp.sum(mask)

    data = two_classes(3)._replace(mask=np.arange(15.0).reshape(3, 5))
    values = oo.evaluate(classifier(), data, loss=masked, metric=None, batch_size=2)
    assert values == {"loss": np.arange(15.0).sum() / 3}


def test_evaluate_takes_a_split_of_a_data_set():
    data = tasks.SequentialDigits().validation
    readout = eqx.nn.Linear(4, 10, key=KEY, dtype=np.float32)
    values = zoo.values(4, 1, dtype=np.float32)
    model = oo.SequenceClassifier(oo.Euler(oo.ORGaNICs(**values), 0.5), readout)
    scores = oo.evaluate(model, data, batch_size=64)
    # Scores near zero: a loss near that of equal odds.
    assert abs(scores["loss"] - np.log(10)) < 1 and 0 <= scores["accuracy"] < 0.5


BAD = {
    "Arguments `steps` and `epochs`: exactly one": {"steps": None},
    "Arguments `steps` and `epochs`: exactly one of them": {"steps": 1, "epochs": 1},
    "Argument `steps` must be a positive integer": {"steps": 0},
    "Argument `steps` must be a positive integer, but it is 2.0": {"steps": 2.0},
    "Argument `epochs` must be a positive integer": {"epochs": -1},
    "Argument `validate_every` must be a positive integer": {"validate_every": 0},
    "Argument `epochs` must be used with a data set": {
        "epochs": 1,
        "batches": oo.trials(tasks.CopyMemory(2), 4, key=KEY),
    },
    "Argument `optimizer` must be an optax transformation": {"optimizer": "adam"},
    "Argument `batches` must be a function of the step": {"batches": two_classes()},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_named(unchecked, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        train(**BAD[message])


def test_a_log_that_can_not_be_written_is_refused_before_the_first_step(tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "log.jsonl"):
        with pytest.raises(ValueError, match=r"^Argument `log` must be a file that can be written"):
            train(log=path, batches=batches_with(interrupt, at=0))


@pytest.mark.parametrize("bad", (0, 2.0, None))
def test_evaluate_needs_a_batch_size(unchecked, bad):
    with pytest.raises(ValueError, match=r"^Argument `batch_size` must be a positive integer"):
        oo.evaluate(classifier(), two_classes(), batch_size=bad)


def test_evaluate_needs_a_sample():
    with pytest.raises(ValueError, match=r"^Argument `data` must hold at least one sample"):
        oo.evaluate(classifier(), two_classes(0))


# Labels


def labelled(label):
    data = two_classes()
    targets = data.targets.copy()
    targets[7] = label
    return data._replace(targets=targets)


def wrapped(outputs, targets, mask):
    """A loss of the user's own, which the library does not know."""
    return 2 * oo.cross_entropy(outputs, targets, mask)


@pytest.mark.slow
@pytest.mark.parametrize("label", (-1, slow(2)))
def test_a_label_that_is_no_class_is_named_wherever_it_is_met(label):
    def bad(step):
        batch = good(step)
        return batch if step < 1 else batch._replace(targets=np.full(SIZE, label))

    data, good = labelled(label), oo.minibatches(two_classes(), SIZE, key=KEY)
    batches = oo.minibatches(data, SIZE, key=KEY)
    own = {"loss": wrapped, "metric": None}
    calls = (
        lambda: train(batches=batches),
        lambda: train(batches=batches, epochs=1, **own),
        lambda: train(batches=bad),
        lambda: train(validation=data),
        lambda: oo.evaluate(classifier(), data),
        lambda: oo.evaluate(classifier(), data, **own),
        lambda: together(batches),
        lambda: together([good, batches]),
        lambda: together(bad),
        lambda: together(good, validation=data),
    )
    for call in calls:
        with pytest.raises(ValueError, match=f"classes from 0 to 1, but label {label} is among"):
            call()


def together(batches, **options):
    options = {"optimizer": SGD, "steps": 3, "progress": False} | options
    models = options.pop("models", [classifier(0), classifier(1)])
    return oo.ensemble(models, batches, **options)


def test_labels_of_trials_are_checked_at_the_start():
    class Task(eqx.Module):
        def sample(self, key):
            return tasks.Trial(jnp.ones((5, 1)), jnp.full(5, 2), jnp.ones(5), {})

    model = oo.SequenceToSequence(classifier().cell, classifier().readout)
    with pytest.raises(ValueError, match="classes from 0 to 1, but label 2 is among"):
        train(model, oo.trials(Task(), SIZE, key=KEY))


def test_a_loss_that_is_nan_of_finite_outputs_is_not_put_down_to_the_time_step():
    def odd(outputs, targets, mask):
        return jnp.where(targets == 0, jnp.nan, outputs[0])

    with pytest.raises(oo.TrainingDiverged, match="finite where the loss or the metric") as caught:
        train(loss=odd, metric=None)
    assert "dt" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ("loss", "step", "epoch", "seconds", "gradient_norm", "validation_loss")
)
def test_a_metric_that_would_write_over_the_record_is_refused(name):
    def metric(outputs, targets, mask):
        return oo.accuracy(outputs, targets, mask)

    metric.__name__ = name
    for call in (
        lambda: train(metric=metric),
        lambda: together(oo.minibatches(two_classes(), SIZE, key=KEY), metric=metric),
        lambda: oo.evaluate(classifier(), two_classes(), metric=metric),
    ):
        with pytest.raises(ValueError, match=f"`metric` must have a name .* called `{name}`"):
            call()
