"""Batches are pure functions of the step number."""

import jax
import numpy as np
import pytest

import organics_ode as oo
import tasks

KEY = jax.random.key(0)


def split(samples=23, time=4):
    inputs = np.arange(samples * time, dtype=np.float32).reshape(samples, time, 1)
    return tasks.Split(inputs, np.arange(samples, dtype=np.int32))


def order(batches, epoch):
    per_epoch = batches.steps_per_epoch
    steps = range(epoch * per_epoch, (epoch + 1) * per_epoch)
    return np.concatenate([batches(step).targets for step in steps])


def test_the_same_key_and_step_give_the_same_batch_in_any_order():
    batches, again = (oo.minibatches(split(), 5, key=KEY) for _ in range(2))
    forth = [batches(step) for step in range(9)]
    back = [again(step) for step in reversed(range(9))][::-1]
    for one, other in zip(forth, back, strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.targets, other.targets)
        assert one.mask is other.mask is None


def test_an_epoch_covers_distinct_samples_and_leaves_out_the_remainder():
    batches = oo.minibatches(split(23), 5, key=KEY)
    assert batches.steps_per_epoch == 4
    for epoch in range(3):
        assert len(set(order(batches, epoch))) == 20


def test_every_sample_is_seen_where_batches_divide_the_data():
    assert sorted(order(oo.minibatches(split(20), 5, key=KEY), 3)) == list(range(20))
    assert sorted(order(oo.minibatches(split(20), 20, key=KEY), 1)) == list(range(20))


def test_inputs_stay_with_their_targets():
    data, batches = split(), oo.minibatches(split(), 5, key=KEY)
    for step in range(8):
        batch = batches(step)
        assert batch.inputs.shape == (5, 4, 1) and batch.inputs.dtype == np.float32
        np.testing.assert_array_equal(batch.inputs, data.inputs[batch.targets])


def test_epochs_and_keys_are_shuffled_differently():
    batches = oo.minibatches(split(100), 10, key=KEY)
    other = oo.minibatches(split(100), 10, key=jax.random.key(1))
    orders = [order(batches, 0), order(batches, 1), order(other, 0), np.arange(100)]
    for i, one in enumerate(orders):
        for another in orders[:i]:
            # Two permutations agree in about one place; in more than 10 once in 10^7 draws.
            assert np.sum(one == another) < 10


def test_old_style_keys_are_read_too():
    old = oo.minibatches(split(), 5, key=jax.random.PRNGKey(0))
    np.testing.assert_array_equal(old(2).targets, oo.minibatches(split(), 5, key=KEY)(2).targets)


def test_trials_are_samples_of_the_task_under_the_key_of_the_step():
    task, step = tasks.AddingProblem(10), 7
    batch, sample = oo.trials(task, 3, key=KEY)(step), jax.jit(lambda key: task.sample(key))
    for i, key in enumerate(jax.random.split(jax.random.fold_in(KEY, step), 3)):
        trial = sample(key)
        for name in ("inputs", "targets", "mask"):
            np.testing.assert_array_equal(getattr(batch, name)[i], getattr(trial, name))


def test_trials_are_pure_in_the_step_and_new_at_each():
    task = tasks.CopyMemory(5)
    one, other = (oo.trials(task, 4, key=KEY) for _ in range(2))
    one(0), one(1)
    np.testing.assert_array_equal(one(2).inputs, other(2).inputs)
    assert not np.array_equal(one(2).inputs, one(3).inputs)
    fresh = oo.trials(task, 4, key=jax.random.key(1))
    assert not np.array_equal(one(2).inputs, fresh(2).inputs)
    assert one(0).inputs.shape == (4, 25, 10) and one(0).mask.shape == (4, 25)


def test_trials_have_no_epochs():
    assert not hasattr(oo.trials(tasks.CopyMemory(5), 4, key=KEY), "steps_per_epoch")


@pytest.mark.parametrize("bad", (0, -1, 2.0, True, None, "3"))
def test_sizes_must_be_positive_integers(unchecked, bad):
    for make, source in ((oo.minibatches, split()), (oo.trials, tasks.CopyMemory(5))):
        with pytest.raises(ValueError, match=r"^Argument `size` must be a positive integer"):
            make(source, bad, key=KEY)


def test_a_batch_can_not_exceed_the_data():
    with pytest.raises(ValueError, match=r"^Argument `size` must not exceed .* 24 of 23"):
        oo.minibatches(split(23), 24, key=KEY)


@pytest.mark.parametrize("bad", (np.nan, np.inf))
def test_data_must_be_finite(bad):
    data = split()
    data.inputs[3, 2] = bad
    with pytest.raises(ValueError, match=r"^Argument `split` must hold finite inputs"):
        oo.minibatches(data, 5, key=KEY)


def test_targets_must_be_finite_too():
    data = split()._replace(targets=np.full(23, np.nan))
    with pytest.raises(ValueError, match=r"^Argument `split` must hold finite targets"):
        oo.minibatches(oo.Batch(*data), 5, key=KEY)


def test_inputs_and_targets_must_be_as_many():
    data = split()
    with pytest.raises(ValueError, match=r"^Argument `split` must pair inputs and targets"):
        oo.minibatches(data._replace(targets=data.targets[1:]), 5, key=KEY)


def test_a_task_needs_a_method_that_samples(unchecked):
    with pytest.raises(ValueError, match=r"^Argument `task` must have a method `sample"):
        oo.trials(split(), 5, key=KEY)


@pytest.mark.parametrize("bad", (None, np.ones((4, 3)), tasks.CopyMemory(5)))
def test_a_split_needs_inputs_and_targets(unchecked, bad):
    with pytest.raises(ValueError, match=r"^Argument `split` must have `inputs` and `targets`"):
        oo.minibatches(bad, 2, key=KEY)
