"""Each member of an ensemble is trained as `fit` trains it alone, whatever the others do."""

import json
import signal

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from compared import tree_equal
from ensembles import BATCHES, RATES, seeds, train
from trainings import ADAM, KEY, SGD, SIZE, classifier, two_classes, without_seconds

import organics_ode as oo
from organics_ode.training._history import CannotWrite
from organics_ode.training._recorder import Log

OWN = tuple(oo.minibatches(two_classes(), SIZE, key=jax.random.key(i)) for i in range(4))
VALIDATION = two_classes(samples=9, seed=1)


def alone(model, batches, optimizer, **options):
    options = {"steps": 6, "progress": False, "throw": False} | options
    return oo.fit(model, batches, optimizer=optimizer, **options)


def check_same(member, single):
    assert member.outcome == single.outcome
    pairs = zip(without_seconds(member.history), without_seconds(single.history), strict=True)
    for ours, theirs in pairs:
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            np.testing.assert_allclose(ours[name], value, rtol=1e-11, atol=1e-11)
    arrays = [jax.tree.leaves(eqx.filter(r.model, eqx.is_array)) for r in (member, single)]
    for ours, theirs in zip(*arrays, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.fixture(scope="module")
def with_one_diverged():
    return train(validation=VALIDATION, validate_every=4)


def test_members_with_seeds_and_rates_of_their_own_are_as_trained_alone(with_one_diverged):
    result = with_one_diverged
    for i in (1, 2):
        single = alone(
            classifier(i),
            BATCHES,
            optax.sgd(RATES[i]),
            validation=VALIDATION,
            validate_every=4,
        )
        check_same(result.member(i), single)


def test_a_member_that_diverges_keeps_its_nan_to_itself(with_one_diverged):
    result = with_one_diverged
    assert result.outcomes == ("completed", "completed", "diverged", "completed")
    assert result.steps == (6, 6, 2, 6)
    loss = result.history["loss"]
    assert loss.shape == (6, 4)
    assert np.isfinite(loss[:, [0, 1, 3]]).all() and np.isnan(loss[2:, 2]).all()
    assert np.isnan(result.history["validation_loss"][:, 2]).all()
    assert all(np.isfinite(oo.evaluate(m, VALIDATION)["loss"]) for m in result.models)
    assert len(result.member(2).history) == 2 and len(result.member(0).history) == 8


def test_members_with_batches_of_their_own_are_as_trained_alone():
    result = train(batches=OWN, optimizer=ADAM, hyperparameters=None, steps=None, epochs=1)
    for i in (0, 3):
        check_same(result.member(i), alone(classifier(i), OWN[i], ADAM, steps=None, epochs=1))


def test_an_ensemble_is_traced_once_and_logs_every_member(tmp_path):
    traces = []

    def counting(outputs, targets, mask):
        traces.append(1)
        return oo.cross_entropy(outputs, targets, mask)

    def both(h):
        return optax.sgd(h["rate"], momentum=h["momentum"])

    path = tmp_path / "log.jsonl"
    values = {"rate": RATES[:2], "momentum": [0.9, 0.5]}
    options = {"optimizer": both, "hyperparameters": values, "loss": counting, "metric": None}
    result = train(seeds(2), log=path, steps=4, **options)
    assert len(traces) == 1
    assert oo.History.read(path).records == result.history.records
    first = json.loads(path.read_text().splitlines()[0])
    assert len(first["loss"]) == 2 and first["step"] == 1
    # The first step knows no momentum yet; the second does.
    assert not np.allclose(*np.diff(result.history["loss"], axis=0)[1])


def test_an_ensemble_ends_where_nobody_is_left():
    result = train(seeds(2), hyperparameters=np.full(2, 1e200), steps=50)
    assert result.outcomes == ("diverged", "diverged") and result.steps == (2, 2)
    assert len(result.history) == 2


def test_an_interruption_has_the_members_so_far():
    def interrupted(step):
        if step == 2:
            raise KeyboardInterrupt
        return BATCHES(step)

    with pytest.raises(oo.TrainingInterrupted) as caught:
        train(seeds(2), interrupted, hyperparameters=RATES[:2])
    result = caught.value.result
    assert result.outcomes == ("interrupted", "interrupted") and result.steps == (2, 2)
    assert result.member(1).history.steps("loss").tolist() == [1, 2]


def test_an_ensemble_that_was_stopped_goes_on_to_the_same_bits(tmp_path, with_one_diverged):
    def stops(step):
        if step == 4 and not told:
            told.append(step)
            signal.raise_signal(signal.SIGTERM)
        return BATCHES(step)

    told = []
    stops.steps_per_epoch = BATCHES.steps_per_epoch
    options = {"validation": VALIDATION, "validate_every": 4, "batches": stops}
    options |= {"checkpoint": tmp_path / "run", "log": tmp_path / "log.jsonl"}
    with pytest.raises(oo.TrainingInterrupted, match="has the first 5 steps whole") as caught:
        train(**options)
    assert caught.value.result.steps == (5, 5, 2, 5)
    result, whole = train(**options), with_one_diverged
    assert tree_equal(result.models, whole.models)
    assert (result.outcomes, result.steps) == (whole.outcomes, whole.steps)
    assert result.history.resumed == (5,)
    np.testing.assert_equal(without_seconds(result.history), without_seconds(whole.history))
    log = oo.History.read(tmp_path / "log.jsonl")
    np.testing.assert_equal(log.records, result.history.records)
    assert tree_equal(train(**options).models, whole.models)  # finished: nothing is done
    message = "^Argument `checkpoint` must be of the same training.*`hyperparameters`"
    with pytest.raises(ValueError, match=message):
        train(hyperparameters=2 * RATES, **options)


def other_step(seed):
    return eqx.tree_at(lambda m: m.cell.dt, classifier(seed), 0.25)


def other_readout():
    readout = eqx.nn.Linear(4, 3, key=KEY, dtype=np.float64)
    return eqx.tree_at(lambda m: m.readout, classifier(), readout)


BAD = {
    "Argument `models` must be a sequence of models": {"models": classifier()},
    "Argument `models` must be a sequence of models.*empty": {"models": []},
    r"Argument `models` must be of one structure.*`cell\.dt` is 0\.5 in model 0 and 0\.25": {
        "models": [classifier(), other_step(1)]
    },
    r"Argument `models` must be of one structure.*is built otherwise|.*readout": {
        "models": [classifier(), other_readout()]
    },
    "Argument `models` must have something to train": {"models": [oo.Frozen(np.ones(2))]},
    "Argument `optimizer` must be an optax transformation, or": {"optimizer": "adam"},
    "Argument `optimizer` must be a function of the hyperparameters": {"optimizer": SGD},
    "Argument `hyperparameters` must be given": {"hyperparameters": None},
    r"Argument `hyperparameters` must have one value .* has shape \(3,\)": {
        "hyperparameters": RATES[:3]
    },
    r"Argument `hyperparameters` must have one value .* has shape \(\)": {"hyperparameters": 0.1},
    "Argument `batches` must be a function of the step, or.*3 for 4 members": {"batches": OWN[:3]},
    "Argument `batches` must be a function of the step, or": {"batches": two_classes()},
    "Arguments `steps` and `epochs`": {"steps": None},
    "Argument `validate_every` must be a positive integer": {"validate_every": 0},
    "Argument `epochs` must be used with a data set": {
        "steps": None,
        "epochs": 1,
        "batches": lambda step: BATCHES(step),
    },
    "Argument `checkpoint` must name a file for `checkpoint_every`": {"checkpoint_every": 2},
    "Argument `mesh` must be a `jax.sharding.Mesh`": {"mesh": 2},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_named(unchecked, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        train(**BAD[message])


def test_a_log_that_fills_up_loses_nothing(tmp_path, monkeypatch):
    write = Log.write

    def twice(self, record):
        if record["step"] > 2:
            raise CannotWrite("the log: No space left on device")
        write(self, record)

    monkeypatch.setattr(Log, "write", twice)
    with pytest.raises(oo.TrainingNotSaved, match=r"could not write the log: No space") as caught:
        train(log=tmp_path / "log.jsonl", steps=4)
    result = caught.value.result
    assert result.steps == (3, 3, 2, 3)  # one had diverged before
    assert result.outcomes == ("interrupted", "interrupted", "diverged", "interrupted")
    assert result.history["loss"].shape == (3, 4)


def test_a_label_that_is_no_class_ends_one_member_and_is_named():
    def spoilt(step):
        batch = OWN[1](step)
        return batch if step < 3 else batch._replace(targets=np.full(SIZE, 7))

    data = [OWN[0], spoilt]
    with pytest.warns(UserWarning, match=r"Member 1 ended at step 4: .*label.* 7"):
        result = train(seeds(2), data, optimizer=optax.sgd(0.1), hyperparameters=None)
    assert result.outcomes == ("completed", "diverged") and result.steps == (6, 4)
