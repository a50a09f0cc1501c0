"""Exceptions between processes: what one raises another reads, its message and its result."""

import concurrent.futures
import copy
import importlib
import multiprocessing
import pickle
import pkgutil

import numpy as np
import objects
import optax
import pytest

import organics_ode as oo
import tasks

CARRIERS = (oo.TrainingDiverged, oo.TrainingInterrupted, oo.TrainingNotSaved)


def exception_classes():
    found = set()
    for package in (oo, tasks):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            values = vars(importlib.import_module(info.name)).values()
            found |= {v for v in values if isinstance(v, type) and issubclass(v, BaseException)}
    own = {c for c in found if c.__module__.partition(".")[0] in ("organics_ode", "tasks")}
    return sorted((c for c in own if not c.__name__.startswith("_")), key=lambda c: c.__name__)


def example(cls):
    if cls not in CARRIERS:
        return cls("a message")
    result = oo.FitResult(objects.classifier(), objects.history(), "diverged")
    first = result if cls is oo.TrainingInterrupted else "a message"
    return cls(first, " A remedy." if cls is oo.TrainingInterrupted else result)


def test_the_classes_are_found():
    assert {*CARRIERS} < {*exception_classes()}


@pytest.mark.parametrize("cls", exception_classes())
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_exception_keeps_its_message_and_its_result(cls, protocol):
    error = example(cls)
    error.add_note("a note")
    for back in (pickle.loads(pickle.dumps(error, protocol)), copy.deepcopy(error)):
        assert type(back) is cls and str(back) == str(error) and back.args == error.args
        assert back.__notes__ == error.__notes__
        if cls in CARRIERS:
            assert back.result.outcome == error.result.outcome
            assert repr(back.result.history.records) == repr(error.result.history.records)
            np.testing.assert_array_equal(back.result.model.readout.W_out, np.ones((2, 4)))


def job(rate):
    split = tasks.Split(np.ones((4, 3, 2), np.float32), np.zeros(4, np.int32))
    batches = oo.minibatches(split, 2, key=objects.KEY)
    model = objects.classifier()
    return oo.fit(model, batches, optimizer=optax.sgd(rate), steps=3, progress=False)


@pytest.mark.slow
def test_one_diverged_job_of_a_pool_does_not_break_it():
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        diverged, trained = pool.submit(job, float("inf")), pool.submit(job, 1e-3)
        error = diverged.exception()
        assert isinstance(error, oo.TrainingDiverged) and len(error.result.history) > 0
        assert isinstance(error.result.model, oo.SequenceClassifier)
        assert trained.result().outcome == "completed"
