"""Early stopping, the best model, and callbacks: what they keep, and to which bits they go on."""

import shutil
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal
from ensembles import BATCHES, seeds
from resumed import Killed, at, check_same, dies, run
from trainings import ADAM, classifier, train, two_classes, without_seconds

import organics_ode as oo
from organics_ode.training._stopping import Judge

OLD = Path(__file__).parents[1] / "old_files" / "version_2"
STEPS = 40
# Some have the other label: the surer the model gets, the more they cost.
OTHERS = two_classes(samples=30, seed=1)
OTHERS = OTHERS._replace(targets=np.where(np.arange(30) < 6, 1 - OTHERS.targets, OTHERS.targets))
FIT = {"optimizer": ADAM, "validation": OTHERS, "validate_every": 2, "steps": STEPS}
PATIENCE = oo.EarlyStopping("loss", patience=3)
BEST = {"stop": PATIENCE, "keep": "best"}


def judged(values, patience, higher=False):
    """(steps taken, step of the best) by the rule as it is written, one value at a time."""
    best, at_step, wait = None, None, 0
    for i, value in enumerate(values):
        if np.isfinite(value) and (best is None or (value > best if higher else value < best)):
            best, at_step, wait = value, i, 0
        else:
            wait += 1
        if wait == patience:
            return i, at_step
    return len(values) - 1, at_step


@pytest.fixture(scope="module")
def whole():
    """To its end, whatever comes of it."""
    return train(**FIT)


@pytest.fixture(scope="module")
def expected(whole):
    """Steps at which it ends and at which it was best."""
    last, best = judged(whole.history["validation_loss"], 3)
    steps = whole.history.steps("validation_loss")
    assert 2 < steps[best] < steps[last] < STEPS
    return int(steps[last]), int(steps[best])


@pytest.fixture(scope="module")
def stopped():
    return train(**FIT, **BEST)


def as_records(values, name="accuracy"):
    return [{"step": i, f"validation_{name}": v, "validation_loss": 0.0} for i, v in values]


@pytest.mark.parametrize("higher", (True, False))
@pytest.mark.parametrize("patience", (1, 2, 5))
def test_the_judge_keeps_the_rule_as_it_is_written(patience, higher):
    rng = np.random.default_rng(patience)
    for _ in range(100):
        values = rng.integers(8, size=30).astype(float)  # with many ties
        values[rng.random(30) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
        rule = oo.EarlyStopping("own", patience, higher_is_better=higher)
        history, best = oo.History([]), None
        judge = Judge(rule, keeps=True)
        for i, record in enumerate(as_records(enumerate(values), "own")):
            history.records += [{"step": i, "loss": 0.0}, record]
            best = i if judge.follow(history).is_new else best
            if judge.has_stopped:
                break
        assert (i, best) == judged(values, patience, higher)
        again = Judge(rule, keeps=True).follow(history)  # all of it at once
        assert again.has_stopped == judge.has_stopped and again.has_best == (best is not None)
        assert (rule.best(history) or {"step": None})["step"] == best


def test_an_evaluation_whose_loss_is_nan_is_not_the_best():
    # To the accuracy a score of NaN is a wrong answer, and of a model of NaN it is 0.
    records = as_records(enumerate([0.1, 0.9, 0.3]))
    records[1]["validation_loss"] = np.nan
    rule = oo.EarlyStopping("accuracy", 2)
    assert rule.best(oo.History(records))["step"] == 2
    assert rule.best(oo.History(records[1:2])) is None


def test_members_are_judged_one_by_one():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 50))
    values[rng.random(values.shape) < 0.2] = np.nan
    judge, history = Judge(oo.EarlyStopping("loss", 3), keeps=True), oo.History([])
    ends, bests = np.full(50, 29), np.full(50, -1)
    for i, row in enumerate(values):
        was = judge.has_stopped
        row = np.where(was, np.nan, row)  # what has stopped is no longer evaluated
        history.records.append({"step": i, "validation_loss": row.tolist()})
        judge.follow(history)
        bests[judge.is_new] = i
        ends[judge.has_stopped & ~was] = i
    for i in range(50):
        assert (ends[i], bests[i]) == judged(values[:, i], 3)


def test_it_stops_as_the_rule_says_with_the_exact_best_model(whole, stopped, expected):
    last, best = expected
    assert stopped.outcome == "stopped"
    assert stopped.history.steps("loss")[-1] == last
    assert PATIENCE.best(stopped.history)["step"] == best
    # Its steps are those of the training without, to the bit.
    ours, theirs = without_seconds(stopped.history), without_seconds(whole.history)
    assert ours == theirs[: len(ours)]
    # And the model is the one that a training of so many steps ends with.
    assert tree_equal(stopped.model, train(**FIT | {"steps": best}).model)
    kept_last = train(**FIT, stop=PATIENCE)
    assert kept_last.outcome == "stopped" and ours == without_seconds(kept_last.history)
    assert tree_equal(kept_last.model, train(**FIT | {"steps": last}).model)
    scores = oo.evaluate(stopped.model, OTHERS)
    assert scores["loss"] == np.nanmin(whole.history["validation_loss"][: last // 2])


def test_the_best_is_kept_without_stopping_and_by_the_loss_unless_told(whole, tmp_path):
    result = run(tmp_path, **FIT, keep="best")
    again = run(tmp_path, **FIT, keep="best")  # it has ended
    assert tree_equal(again.model, result.model)
    best = 2 * (np.argmin(whole.history["validation_loss"]) + 1)
    assert result.outcome == "completed" and len(result.history) == len(whole.history)
    assert tree_equal(result.model, train(**FIT | {"steps": int(best)}).model)
    never = oo.EarlyStopping("validation_accuracy", None)
    by_accuracy = train(**FIT, stop=never, keep="best")
    best = 2 * (np.argmax(whole.history["validation_accuracy"]) + 1)
    assert by_accuracy.outcome == "completed" and never.best(by_accuracy.history)["step"] == best
    assert tree_equal(by_accuracy.model, train(**FIT | {"steps": int(best)}).model)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("when", ("before the best", "after it", "at the end"))
def test_a_killed_training_stops_where_it_would_have_with_the_same_model(
    tmp_path, stopped, expected, when
):
    last, best = expected
    step = {"before the best": best - 1, "after it": best + 2, "at the end": last}[when]
    options = {**FIT, **BEST, "every": 1 if when == "after it" else 3}
    undisturbed = stopped._replace(outcome="completed")
    for kill in (step, min(step + 2, last)):
        with at(kill, dies), pytest.raises(Killed):
            run(tmp_path, **options)
    result = run(tmp_path, **options)
    assert result.outcome == "stopped" and result.history.steps("loss")[-1] == last
    assert tree_equal(result.model, stopped.model)
    check_same(result._replace(outcome="completed"), undisturbed._replace(history=result.history))
    np.testing.assert_array_equal(result.history["loss"], stopped.history["loss"])
    file = oo.load(tmp_path / "run")
    assert tree_equal(file.best, stopped.model) and file.step == last
    # It has ended, with more steps too; with more patience it goes on as one that had it.
    again = run(tmp_path, **options | {"steps": STEPS + 10})
    assert again.outcome == "stopped" and tree_equal(again.model, stopped.model)
    if when == "at the end":
        longer = {"stop": oo.EarlyStopping("loss", 6), "keep": "best"}
        went_on = run(tmp_path, **options | longer)
        in_one = train(**FIT, **longer)
        assert went_on.history.steps("loss")[-1] == in_one.history.steps("loss")[-1] > last
        assert tree_equal(went_on.model, in_one.model)


def test_a_training_that_was_begun_without_may_be_stopped_but_has_lost_its_best(
    tmp_path, stopped, expected
):
    last, best = expected
    run(tmp_path, **FIT | {"steps": best + 1})
    told = "`keep` was 'last' and is 'best loss, lower is better'"
    with pytest.raises(ValueError, match=f"be of the same training, .* of another: {told}; pass"):
        run(tmp_path, **FIT, **BEST)
    result = run(tmp_path, **FIT, stop=PATIENCE)
    assert result.outcome == "stopped" and result.history.steps("loss")[-1] == last


def test_a_best_by_another_metric_is_another_training(tmp_path):
    run(tmp_path, **FIT | {"steps": 3}, **BEST)
    told = "`keep` was 'best loss, lower is better' and is "
    for stop in (
        oo.EarlyStopping("accuracy", 3),
        oo.EarlyStopping("loss", 3, higher_is_better=True),
    ):
        with pytest.raises(ValueError, match=told):
            run(tmp_path, **FIT, stop=stop, keep="best")


def test_a_checkpoint_of_before_has_no_best_and_goes_on(tmp_path):
    with jax.enable_x64(False):
        assert oo.load(OLD / "checkpoint").best is None
        shutil.copy(OLD / "checkpoint", tmp_path / "run")
        header = np.load(tmp_path / "run")["__header__"].item()
    assert ".best" not in header and "keep" not in header  # that it goes on: test_old_files.py


def test_without_evaluations_that_count_the_last_model_is_kept():
    lost = OTHERS._replace(inputs=np.full_like(OTHERS.inputs, np.nan))
    options = FIT | {"validation": lost}
    result = train(**options, **BEST)
    assert result.outcome == "stopped" and result.history.steps("loss")[-1] == 6
    assert tree_equal(result.model, train(**FIT | {"steps": 6}).model)


def test_a_training_that_diverges_or_is_interrupted_has_its_best(stopped, expected):
    last, best = expected
    violent = zoo.relaxed(optax.sgd(optax.piecewise_constant_schedule(0.1, {best + 1: 1e200})))
    options = FIT | {"optimizer": violent, "keep": "best"}
    result = train(**options, throw=False)
    good = train(**options | {"steps": best})
    assert result.outcome == "diverged" and tree_equal(result.model, good.model)
    with pytest.raises(oo.TrainingDiverged, match="`result` has the best model so far"):
        train(**options)

    def interrupts(step):
        if step == last:
            raise KeyboardInterrupt
        return oo.minibatches(two_classes(), 8, key=jax.random.key(0))(step)

    with pytest.raises(oo.TrainingInterrupted) as caught:
        train(batches=interrupts, **FIT, keep="best")
    assert tree_equal(caught.value.result.model, stopped.model)


@pytest.mark.slow
def test_members_stop_and_keep_their_best_as_each_alone(tmp_path):
    def call(**options):
        options = FIT | BEST | {"progress": False, "steps": 30} | options
        return oo.ensemble(seeds(3), BATCHES, **options)

    result = call()
    assert len(set(result.steps)) > 1
    for i in range(3):
        single, member = (
            train(classifier(i), BATCHES, **FIT | {"steps": 30}, **BEST),
            result.member(i),
        )
        assert member.outcome == single.outcome and result.steps[i] == len(single.history["loss"])
        assert len(member.history) == len(single.history)
        for name in ("loss", "validation_loss"):
            np.testing.assert_allclose(member.history[name], single.history[name], rtol=1e-9)
        for one, other in zip(*map(jax.tree.leaves, (member.model, single.model)), strict=True):
            if eqx.is_array(one):
                np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)
    assert np.isnan(result.history["validation_loss"]).any()
    # To the bit where it was broken off, and each as it was where it had stopped.
    first = min(result.steps)
    call(steps=first + 2, checkpoint=tmp_path / "run")
    again = call(checkpoint=tmp_path / "run")
    assert again.history.resumed == (first + 2,)
    assert (again.steps, again.outcomes) == (result.steps, result.outcomes)
    assert all(map(tree_equal, again.models, result.models))
    with pytest.raises(ValueError, match="`patience` of `stop` was 3 and is 4"):
        call(checkpoint=tmp_path / "run", stop=oo.EarlyStopping("loss", 4))


def test_a_callback_is_told_every_record_in_its_turn(tmp_path):
    told, states = [], []

    def callback(step, record):
        assert record["step"] == step
        told.append(dict(record))
        states.append(len(told))
        record.clear()  # its own

    options = {"steps": 9, "validation": OTHERS, "validate_every": 4, "optimizer": ADAM}
    plain = train(**options)
    result = train(**options, callback=callback)
    assert told == result.history.records
    assert without_seconds(result.history) == without_seconds(plain.history)
    assert tree_equal(result.model, plain.model)
    told.clear()
    run(tmp_path, **options | {"steps": 5}, callback=callback)
    went_on = run(tmp_path, **options, callback=callback)
    assert told == [r for r in went_on.history.records if r in told] and len(told) == 13


def test_what_a_callback_raises_ends_the_training():
    def callback(step, record):
        if step == 3:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        train(steps=5, callback=callback)

    def stops(step, record):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(oo.TrainingInterrupted, match="after step 3") as caught:
        train(steps=5, callback=stops)
    assert tree_equal(caught.value.result.model, train(steps=3).model)


REFUSED = {
    r"`stop` must watch one of loss, accuracy, but it watches `score`": {
        "stop": oo.EarlyStopping("score", 2)
    },
    r"`stop` must watch one of loss, but it watches `accuracy`": {
        "stop": oo.EarlyStopping("accuracy", 2),
        "metric": None,
    },
    r"`stop` must be an EarlyStopping, but it is an int": {"stop": 3},
    r"`keep` must be one of last, best, but it is 'first'": {"keep": "first"},
    r"`validation` must be given for `stop` and for `keep=\"best\"`": {
        "stop": PATIENCE,
        "validation": None,
    },
    r"`validate_every` must be given for .*, where there are no epochs": {
        "keep": "best",
        "batches": lambda step: OTHERS,
        "validate_every": None,
    },
    r"`callback` must be a function of the step and its record": {"callback": 3},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_can_not_be_judged_is_refused(unchecked, message):
    options = FIT | REFUSED[message]
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        train(batches=options.pop("batches", None), **options)


@pytest.mark.parametrize(
    ("options", "told"),
    (
        ({"metric": 3}, "`metric` must be a name"),
        ({"patience": 0}, "`patience` must be a positive integer"),
        ({"patience": 1.5}, "`patience` must be a positive integer"),
        ({"metric": "brier"}, "`higher_is_better` must be True or False, but it does not follow"),
        ({"higher_is_better": "yes"}, "`higher_is_better` must be True or False"),
    ),
)
def test_a_rule_that_says_nothing_is_refused(unchecked, options, told):
    with pytest.raises(ValueError, match=f"^Argument {told}"):
        oo.EarlyStopping(**{"metric": "loss", "patience": 2} | options)
    history = oo.History([{"step": 1, "validation_loss": [0.1, 0.2]}])
    with pytest.raises(ValueError, match=r"^Argument `history` must be of one model"):
        PATIENCE.best(history)


def test_the_direction_follows_from_names_that_are_known():
    higher = {name: oo.EarlyStopping(name, 1).higher_is_better for name in ("loss", "accuracy")}
    assert higher == {"loss": False, "accuracy": True}
    assert not oo.EarlyStopping("squared_error", 1).higher_is_better
    assert oo.EarlyStopping("brier", 1, higher_is_better=False).metric == "brier"
