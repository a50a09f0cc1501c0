"""A training that is stopped at any step, and the check that it goes on to the same bits."""

import contextlib

import equinox as eqx
from compared import tree_equal
from trainings import ADAM, KEY, SIZE, classifier, train, two_classes, without_seconds

import organics_ode as oo

STEPS = 12
VALIDATION = two_classes(seed=1)
USUAL = oo.minibatches(two_classes(), SIZE, key=KEY)


class Batches(eqx.Module):
    """The usual batches; what is in `EVENTS` happens when those of a step are asked for."""

    steps_per_epoch: int = USUAL.steps_per_epoch

    def __call__(self, step):
        ASKED.append(step)
        EVENTS.get(step, lambda: None)()
        return USUAL(step)


ASKED, EVENTS = [], {}


@contextlib.contextmanager
def at(step, event):
    """The event happens as the training asks for the batch of its step (from 1)."""
    EVENTS[step - 1] = event
    try:
        yield
    finally:
        EVENTS.clear()


def run(folder=None, every=3, **options):
    ASKED.clear()
    options = {"steps": STEPS, "validation": VALIDATION, "validate_every": 4} | options
    options = {"model": classifier(), "batches": Batches(), "optimizer": ADAM} | options
    if folder is not None:
        options = {"checkpoint": folder / "run", "checkpoint_every": every} | options
    return train(options.pop("model"), options.pop("batches"), **options)


def dies():
    """As if killed: nothing of `fit` runs on, not even what follows an interruption."""
    raise Killed


class Killed(BaseException):
    pass


def check_same(result, undisturbed):
    assert result.outcome == "completed"
    assert tree_equal(result.model, undisturbed.model)
    assert without_seconds(result.history) == without_seconds(undisturbed.history)
    assert [list(r) for r in result.history.records] == [
        list(r) for r in undisturbed.history.records
    ]
