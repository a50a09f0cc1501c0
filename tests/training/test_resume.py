"""A training that was stopped goes on to the same bits; what cannot be continued says why."""

import errno
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal
from resumed import ASKED, STEPS, USUAL, Killed, at, check_same, dies, run
from trainings import KEY, SIZE, classifier, two_classes

import organics_ode as oo
import tasks
from organics_ode.training._history import CannotWrite
from organics_ode.training._recorder import Log
from organics_ode.training._stopping import Interruption


@pytest.fixture(scope="module")
def undisturbed():
    return run()


def sends(number):
    return lambda: signal.raise_signal(number)


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_training_on_a_mesh_goes_on_to_the_same_bits(tmp_path):
    mesh = oo.device_mesh()
    with at(5, dies), pytest.raises(Killed):
        run(tmp_path, mesh=mesh)
    result = run(tmp_path, mesh=mesh)
    assert result.history.resumed == (3,)  # written every third step
    check_same(result, run(mesh=mesh))


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_the_training_after_the_step_in_flight(tmp_path, undisturbed, number):
    before = [signal.getsignal(k) for k in (signal.SIGINT, signal.SIGTERM)]
    told = r"interrupted after step 5.* has the first 5 steps whole: the same call goes on"
    with at(5, sends(number)), pytest.raises(oo.TrainingInterrupted, match=told) as caught:
        run(tmp_path)
    assert [signal.getsignal(k) for k in (signal.SIGINT, signal.SIGTERM)] == before
    stopped = caught.value.result
    assert stopped.outcome == "interrupted" and stopped.history.steps("loss")[-1] == 5
    assert tree_equal(oo.load(tmp_path / "run").model, stopped.model)
    result = run(tmp_path)
    assert list(range(5, STEPS)) == ASKED
    check_same(result, undisturbed)
    assert result.history.resumed == (5,) and "resumed after steps [5]" in repr(result.history)
    assert np.all(np.diff(result.history["seconds"]) > 0)


def test_a_second_signal_stops_at_once(tmp_path):
    def twice():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    with at(5, twice), pytest.raises(oo.TrainingInterrupted, match="first 3 steps whole") as caught:
        run(tmp_path)
    assert caught.value.result.history.steps("loss")[-1] == 4


def test_a_signal_in_the_last_step_is_not_lost(tmp_path, undisturbed):
    with at(STEPS, sends(signal.SIGTERM)), pytest.raises(oo.TrainingInterrupted):
        run(tmp_path)
    check_same(run(tmp_path), undisturbed)
    assert ASKED == []


def test_a_signal_too_late_to_stop_a_training_is_sent_again():
    with pytest.raises(KeyboardInterrupt), Interruption(enabled=True) as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.requested


def test_ignored_signals_stay_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with at(2, sends(signal.SIGINT)):
            assert run(tmp_path, steps=3).outcome == "completed"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_signals_alone(tmp_path, undisturbed):
    handlers, results = [], []
    watch = at(2, lambda: handlers.append(signal.getsignal(signal.SIGTERM)))
    thread = threading.Thread(target=lambda: results.append(run(tmp_path)))
    with watch:
        thread.start()
        thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
    check_same(results[0], undisturbed)


def test_without_a_checkpoint_sigterm_is_not_touched():
    handlers = []
    with at(2, lambda: handlers.append(signal.getsignal(signal.SIGTERM))):
        run(steps=2)
    assert handlers == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("step", (4, 1, 2, 3, 9, 12))
def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path, undisturbed, step):
    log = tmp_path / "log"
    with at(step, dies), pytest.raises(Killed):
        run(tmp_path, log=log)
    result = run(tmp_path, log=log)
    assert ASKED[0] == (step - 1) // 3 * 3
    check_same(result, undisturbed)
    assert oo.History.read(log).records == result.history.records


def test_many_kills_leave_no_trace(tmp_path, undisturbed):
    log = tmp_path / "log"
    log.write_text('{"step": 99}\n')  # of an earlier training
    for step in (2, 5, 5, 11):
        with at(step, dies), pytest.raises(Killed):
            run(tmp_path, log=log)
    result = run(tmp_path, log=log)
    check_same(result, undisturbed)
    assert oo.History.read(log).records == [{"step": 99}, *result.history.records]
    assert result.history.resumed == (3, 3, 9)
    assert sorted(os.listdir(tmp_path)) == ["log", "run"]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("moment", ("half", "opened", "whole"))
def test_a_kill_while_writing_leaves_the_last_whole_checkpoint(
    tmp_path, undisturbed, monkeypatch, moment
):
    target, left = tmp_path / "run", []

    def killed_before(temporary, path):
        if Path(path) != target or len(ASKED) < 6:
            return replace(temporary, path)
        left.append((temporary, temporary.read_bytes()))
        raise Killed

    replace = os.replace
    monkeypatch.setattr(os, "replace", killed_before)
    with pytest.raises(Killed):
        run(tmp_path)
    monkeypatch.undo()
    ((temporary, data),) = left
    # What follows in the same process has removed it; after a kill nothing follows.
    assert os.listdir(tmp_path) == ["run"] and temporary.parent == tmp_path
    temporary.write_bytes(data[: {"opened": 0, "half": len(data) // 2, "whole": None}[moment]])
    assert len(os.listdir(tmp_path)) == 2
    assert oo.load(target).step == 3
    check_same(run(tmp_path), undisturbed)
    assert os.listdir(tmp_path) == ["run"]
    assert ASKED[0] == 3


def test_files_of_others_are_not_cleaned_up(tmp_path):
    for name in (".other.tmp", ".run.tmp", "run.tmp"):
        (tmp_path / name).touch()
    run(tmp_path, steps=1)
    assert sorted(os.listdir(tmp_path)) == [".other.tmp", ".run.tmp", "run", "run.tmp"]


def test_a_finished_training_returns_at_once(tmp_path, undisturbed):
    check_same(run(tmp_path), undisturbed)
    data = (tmp_path / "run").read_bytes()
    check_same(run(tmp_path), undisturbed)
    assert ASKED == [] and (tmp_path / "run").read_bytes() == data


def test_more_steps_go_on(tmp_path, undisturbed):
    run(tmp_path, steps=8)
    check_same(run(tmp_path), undisturbed)
    assert list(range(8, STEPS)) == ASKED
    run(tmp_path, steps=None, epochs=3)
    assert list(range(STEPS, 15)) == ASKED
    with pytest.raises(ValueError, match=r"^Argument `steps` must be at least the 15 done in"):
        run(tmp_path)


@pytest.mark.slow
def test_trials_and_schedules_go_on(tmp_path):
    task = tasks.AddingProblem(length=6)
    circuit = oo.ORGaNICs(**zoo.values(4, task.input_size))
    readout = eqx.nn.Linear(4, task.output_size, key=KEY, dtype=np.float64)
    rate = optax.warmup_cosine_decay_schedule(0.0, 0.1, 2, 6)

    def train_for(steps, folder=None, key=KEY):
        # optax compares integers with floats in its schedules.
        with jax.numpy_dtype_promotion("standard"):
            return run(
                folder,
                model=oo.SequenceToSequence(oo.Euler(circuit, 0.5), readout),
                batches=oo.trials(task, 4, key=key),
                optimizer=optax.adamw(rate),
                loss=oo.squared_error,
                metric=None,
                validation=None,
                steps=steps,
            )

    whole = train_for(6)
    train_for(3, tmp_path)
    check_same(train_for(6, tmp_path), whole)
    with pytest.raises(ValueError, match=r"`key` of `batches` was key<fry>\[\], checksum"):
        train_for(6, tmp_path, key=jax.random.key(1))


def test_a_divergence_after_a_resume_is_that_of_an_undisturbed_training(tmp_path):
    # The update of step 2 puts the model where the loss of step 3 is not finite.
    violent = optax.sgd(optax.piecewise_constant_schedule(0.1, {1: 1e200}))
    options = {"optimizer": zoo.relaxed(violent), "throw": False, "validation": None}
    whole = run(**options)
    assert whole.outcome == "diverged" and len(whole.history) == 3
    with at(3, dies), pytest.raises(Killed):
        run(tmp_path, every=2, **options)
    resumed = run(tmp_path, every=2, **options)
    assert ASKED[0] == 2 and resumed.outcome == "diverged"
    assert tree_equal(resumed.model, whole.model)


def test_the_bar_says_where_it_goes_on(tmp_path, capsys):
    run(tmp_path, steps=2)
    run(tmp_path, steps=4, progress=True)
    shown = capsys.readouterr().err
    assert "resumed after step 2" in shown and "4/4" in shown


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    run(folder, steps=3)
    return folder


def masked_error(outputs, targets, mask):
    return oo.cross_entropy(outputs, targets, mask)


ADAM_FASTER = zoo.relaxed(optax.adam(0.04))
FEWER = oo.minibatches(two_classes(), 4, key=KEY)
OTHERS = {
    "`cell.circuit.W_zx` of `model` was mean .* and is mean": {"model": classifier(1)},
    "leaf `model.cell.circuit.W` has name .*NonNegative in the file and .*Frozen here": {
        "model": classifier(W=oo.Frozen)
    },
    "step_size` of `optimizer` was -0.03 and is -0.04": {"optimizer": ADAM_FASTER},
    "leaf `optimizer.0.` has name optax:ScaleByAdamState in the file and": {
        "optimizer": optax.sgd(0.1)
    },
    "`loss` was organics_ode.cross_entropy and is masked_error": {"loss": masked_error},
    "`metric` was organics_ode.accuracy and is None": {"metric": None},
    "`batches` was Batches and is organics_ode.training.Minibatches": {"batches": FEWER},
    "`inputs` of `validation` was float64.*, checksum .* and is float64.*, checksum": {
        "validation": two_classes(seed=2)
    },
    "`validate_every` was 4 and is 2": {"validate_every": 2},
}


@pytest.mark.parametrize("message", OTHERS)
def test_a_checkpoint_of_another_training_says_what_differs(begun, message):
    told = rf"^Argument `checkpoint` must be of the same training, but .*another: .*{message}"
    with pytest.raises(ValueError, match=told) as caught:
        run(begun, **OTHERS[message])
    remedy = "pass what it was begun with to go on; to begin anew, name another file or remove"
    assert remedy in str(caught.value) and ASKED == []
    assert oo.load(begun / "run").step == 3


@pytest.mark.parametrize(
    ("what", "other"),
    (
        ("size", oo.minibatches(two_classes(), 4, key=KEY)),
        (r"seed\[1\]", oo.minibatches(two_classes(), SIZE, key=jax.random.key(1))),
        ("inputs", oo.minibatches(two_classes(seed=1), SIZE, key=KEY)),
    ),
)
def test_other_batches_are_named(tmp_path, what, other):
    run(tmp_path, batches=USUAL, steps=1)
    with pytest.raises(ValueError, match=f"`{what}` of `batches` was "):
        run(tmp_path, batches=other)


def test_another_version_is_named(begun, monkeypatch):
    monkeypatch.setattr("organics_ode.training._checkpoints.library", lambda: "9.9")
    told = (
        r"^Argument `checkpoint` must .* was written by organics_ode .*, and this is 9\.9; install"
    )
    with pytest.raises(ValueError, match=told):
        run(begun)


def test_a_checkpoint_without_a_step_binds_to_nothing(tmp_path):
    with at(1, dies), pytest.raises(Killed):
        run(tmp_path)
    assert run(tmp_path, optimizer=optax.sgd(0.1), steps=1).outcome == "completed"


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    oo.save(tmp_path / "run", classifier())
    with pytest.raises(
        ValueError, match=r"^Argument `checkpoint` must name a checkpoint that `fit"
    ):
        run(tmp_path)
    (tmp_path / "run").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"^Argument `checkpoint` must name a file that .*damaged"):
        run(tmp_path)


def test_what_can_be_known_is_refused_before_the_first_step(tmp_path, monkeypatch, unchecked):
    refused = [
        ({"checkpoint": tmp_path}, "name a file, but .* is a folder"),
        ({"checkpoint": tmp_path / "no" / "run"}, "lie in an existing folder, but .*no is none"),
        ({"checkpoint_every": 3}, "name a file for `checkpoint_every`"),
    ]
    for options, message in refused:
        with pytest.raises(ValueError, match=f"^Argument `checkpoint` must {message}"):
            run(**options)
    with pytest.raises(ValueError, match=r"^Argument `checkpoint_every` must be a positive integ"):
        run(tmp_path, checkpoint_every=0)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(
        ValueError, match=r"must have room for two files of .* MB, but .* has 0.0 MB"
    ):
        run(tmp_path)
    monkeypatch.undo()
    for error in (errno.EACCES, errno.ENOSPC, errno.EROFS):

        def fails(*args, error=error):
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(os, "fsync", fails)
        told = rf"^Argument `checkpoint` must name a file that can be written.*{os.strerror(error)}"
        with pytest.raises(ValueError, match=told):
            run(tmp_path)
    assert ASKED == [] and os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_loses_nothing(tmp_path, undisturbed, monkeypatch):
    told = (
        r"^Training stopped after step 6, .*No space left.* has the first 3 steps whole: the same"
    )
    fills_up = at(6, lambda: monkeypatch.setattr(os, "fsync", no_space))
    with fills_up, pytest.raises(oo.TrainingNotSaved, match=told) as caught:
        run(tmp_path)
    monkeypatch.undo()
    result = caught.value.result
    assert result.outcome == "interrupted" and result.history.steps("loss")[-1] == 6
    assert tree_equal(result.model, run(steps=6).model)
    assert os.listdir(tmp_path) == ["run"]
    check_same(run(tmp_path), undisturbed)


def test_a_log_that_fills_up_loses_nothing(tmp_path, undisturbed, monkeypatch):
    log = tmp_path / "log"

    def half_a_line(self, record):
        with open(log, "a") as file:
            file.write(json.dumps(record)[:20])
        raise CannotWrite("the log: No space left on device")

    fills_up = at(5, lambda: monkeypatch.setattr(Log, "write", half_a_line))
    with fills_up, pytest.raises(oo.TrainingNotSaved, match=r"after step 5, .*the log") as caught:
        run(tmp_path, log=log)
    monkeypatch.undo()
    assert caught.value.result.history.steps("loss")[-1] == 5
    check_same(run(tmp_path, log=log), undisturbed)
    assert len(oo.History.read(log)) == len(undisturbed.history)


def test_a_full_device_is_reported_by_the_log():
    log = Log("/dev/full", None, oo.History([]), 0)
    with pytest.raises(CannotWrite, match=r"the log /dev/full: No space left on device"):
        log.write({"step": 1})
    log.close()


def test_a_log_that_is_lost_or_new_is_written_again(tmp_path):
    log = tmp_path / "log"
    run(tmp_path, steps=6, log=log)
    log.write_text(log.read_text()[:100])
    result = run(tmp_path, steps=8, log=log)
    assert oo.History.read(log).records == result.history.records
    result = run(tmp_path, steps=9, log=tmp_path / "new")
    assert oo.History.read(tmp_path / "new").records == result.history.records
    assert oo.History.read(log).steps("loss")[-1] == 8


def test_a_log_with_another_training_at_its_end_is_left_alone(tmp_path):
    log = tmp_path / "log"
    run(tmp_path, steps=3, log=log)
    run(steps=2, log=log)  # another training, appended
    run(tmp_path, steps=3, log=log)  # nothing to be done, and nothing to be written
    lines = log.read_text()
    for text in (lines, "something else\n" * 50):
        log.write_text(text)
        with pytest.raises(ValueError, match=r"^Argument `log` must hold this training at its end"):
            run(tmp_path, log=log)
        assert log.read_text() == text


def test_columns_are_the_records():
    nothing = oo.History([])
    assert oo.History.from_columns(nothing.columns()).records == []
    records = [{"step": 1, "loss": 0.1}, {"step": 1, "validation_loss": np.inf}]
    records += [{"step": 2, "loss": 1 / 3}, {"step": 3, "loss": 1e-310}]
    columns = oo.History(records).columns()
    np.testing.assert_array_equal(columns.kinds[0]["loss"], [0.1, 1 / 3, 1e-310])
    back = oo.History.from_columns(columns).records
    assert back == records and [type(r["step"]) for r in back] == [int] * 4
