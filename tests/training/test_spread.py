"""How much work a training tells, by which it is split over the devices of the process or not."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.training.batches import (
    _spread,
    mesh_for_batches,
    mesh_for_members,
    mesh_for_samples,
    mesh_for_trials,
    read_function,
)

TIME = 7
MESH = oo.device_mesh(jax.devices()[:1])


@pytest.fixture
def asked(monkeypatch):
    """What the last call asks: the sizes to divide, the work, and what may lie on a device."""

    def answer(find, *arguments):
        seen = []

        def usual(sizes, work, *trees):
            seen.extend((list(sizes), work(), trees))
            return MESH

        monkeypatch.setattr(_spread, "usual_mesh", usual)
        assert find(*arguments) is MESH
        sizes, work, trees = seen
        return sizes, work, [id(tree) for tree in trees]

    return answer


def model(seed=0):
    """Of 8 numbers, 3 × 2 + 2, and of others that nothing multiplies."""
    linear = eqx.nn.Linear(3, 2, key=jax.random.key(seed), dtype=np.float64)
    return linear, jnp.arange(5), jax.nn.relu


def data(samples=12, *, times=True):
    inputs = np.ones((samples, TIME, 3) if times else (samples, 3))
    return oo.Batch(inputs, np.zeros(samples, np.int32))


class Fresh(NamedTuple):
    """Trials of four steps."""

    def sample(self, key):
        return jax.random.normal(key, (4, 3)), jnp.zeros((), int)


def test_a_step_multiplies_by_each_parameter_three_times_for_each_sample(asked):
    net, minibatches = model(), oo.minibatches(data(), 4, key=0)
    # One number for the outputs and two for the gradient, in as many steps as the sequence has.
    expected = [4], (4 * 8 * 3, TIME), [id(net)]
    assert asked(mesh_for_batches, None, net, minibatches) == expected
    still = oo.minibatches(data(times=False), 4, key=0)
    assert asked(mesh_for_batches, None, net, still)[1] == (4 * 8 * 3, 1)
    trials = oo.trials(Fresh(), 6, key=0)
    assert asked(mesh_for_batches, None, net, trials)[1] == (6 * 8 * 3, 4)
    # Of a list, by its largest batch; all sizes have to divide.
    listed = read_function([data(4), data(10), data(6)])
    expected = [4, 10, 6], (10 * 8 * 3, TIME), [id(net)]
    assert asked(mesh_for_batches, None, net, listed) == expected


def test_batches_of_which_no_size_is_known_are_not_split(monkeypatch):
    monkeypatch.setattr(_spread, "usual_mesh", lambda *_: MESH)

    class Sized:
        size = 4

    class Odd(Sized):
        size = "many"

        def part(self, step, rows):
            raise AssertionError("it is not asked")

    for batches in (lambda step: data(), read_function(lambda step: data()), Sized(), Odd()):
        assert mesh_for_batches(None, model(), batches) is None
        assert mesh_for_members(None, [model()], batches) is None


def test_samples_are_passed_once_and_need_not_be_divided(asked):
    net, samples = model(), data(11)
    expected = [0], (11 * 8, TIME), [id(net), id(samples)]
    assert asked(mesh_for_samples, None, net, samples) == expected


def test_members_are_divided_and_their_work_is_together(asked):
    members = [model(seed) for seed in range(5)]
    all_of_them = [id(member) for member in members]
    shared, most = oo.minibatches(data(), 4, key=0), oo.minibatches(data(), 6, key=1)
    expected = [5], (5 * 4 * 8 * 3, TIME), all_of_them
    assert asked(mesh_for_members, None, members, shared) == expected

    class Own:
        members = (shared, most)

    assert asked(mesh_for_members, None, members, Own())[1] == (5 * 6 * 8 * 3, TIME)
    trial = jax.eval_shape(lambda key: oo.Batch(*Fresh().sample(key)), jax.random.key(0))
    expected = [5], (5 * 9 * 8 * 3, 4), all_of_them
    assert asked(mesh_for_trials, members, trial, 9) == expected


def test_a_mesh_that_is_given_is_taken_and_checked(unchecked):
    minibatches = oo.minibatches(data(), 4, key=0)
    assert mesh_for_batches(MESH, model(), minibatches) is MESH
    assert mesh_for_samples(MESH, model(), data()) is MESH
    assert mesh_for_members(MESH, [model()], minibatches) is MESH
    for call in (mesh_for_batches, mesh_for_samples):
        with pytest.raises(ValueError, match=r"`mesh` must be a `jax\.sharding\.Mesh`"):
            call(3, model(), data())
