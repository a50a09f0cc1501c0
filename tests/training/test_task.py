"""What a task has to have, by one that inherits from nothing, and by those that are shipped."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skip_trainings import model, train

import organics_ode as oo
import tasks

STEPS = 5


class Trial(NamedTuple):
    inputs: jax.Array
    targets: jax.Array
    mask: jax.Array
    info: dict


class Bare:
    """Hold a number; only what is asked of every task."""

    dt = 10.0
    input_size = 2

    def sample(self, key):
        value = jax.random.uniform(key)
        inputs = jnp.full((STEPS, 2), value)
        return Trial(inputs, inputs[:, :1], jnp.arange(1.0, 1 + STEPS), {})

    def score(self, outputs, trial):
        return 1 - jnp.mean(jnp.abs(outputs - trial.targets))


class Full(Bare):
    """The same with all that a task may have."""

    output_size = 1

    def sample(self, key, jitter=True):
        return super().sample(key if jitter else jax.random.key(0))

    def loss_weights(self, trial):
        return trial.mask / 15

    def burn_in_inputs(self, trial):
        return trial.inputs[0]

    def play(self, step, state, trial):
        _, outputs = jax.lax.scan(step, state, trial.inputs)
        return outputs, trial.inputs


def without(name):
    """A task that lacks one of its members."""
    members = {k: v for k, v in vars(Bare).items() if k != name and not k.startswith("__")}
    return type("Lacking", (), members)()


SHIPPED = (tasks.CopyMemory(5), tasks.AddingProblem(6), tasks.RingTask("go"), tasks.RuleReversal())


@pytest.mark.parametrize("task", (Bare(), Full(), *SHIPPED), ids=lambda t: type(t).__name__)
def test_what_has_the_members_is_a_task(task):
    assert isinstance(task, oo.Task)


@pytest.mark.parametrize("name", ("dt", "input_size", "sample", "score"))
def test_what_lacks_one_is_none(name, unchecked):
    assert not isinstance(without(name), oo.Task)
    with pytest.raises(ValueError, match=rf"`task` must have .* but it has no `{name}`"):
        train(task=without(name))


def test_trials_ask_for_samples_only():
    key = jax.random.key(3)
    batch = oo.trials(without("score"), 4, key=key)(2)
    keys = jax.random.split(jax.random.fold_in(key, 2), 4)
    values = np.stack([jax.random.uniform(k) for k in keys])
    np.testing.assert_array_equal(batch.inputs, np.tile(values[:, None, None], (1, STEPS, 2)))
    np.testing.assert_array_equal(batch.mask[0], 1 + np.arange(STEPS))


@pytest.mark.slow
def test_what_a_task_may_have_says_what_holds_without_it():
    # Full's weights are Bare's mask scaled to sum to 1, and so on: the trainings are the same.
    options = {"schedule": None, "models": [model()], "rounds": 1, "burn_in": 20.0}
    bare, full = (train(task=task, **options) for task in (Bare(), Full()))
    np.testing.assert_allclose(full.history["loss"], bare.history["loss"], rtol=1e-12)
    assert np.isfinite(bare.performance).all()
