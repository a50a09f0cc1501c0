"""Which devices work is split over without a mesh, told by a process that has one device: it is
listed several times. What several devices then compute is tested in `system`."""

import os
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.parallel import _cores, cores, usual_mesh

ENOUGH = lambda: (2e6, 100)  # noqa: E731


@pytest.fixture
def four(monkeypatch):
    """As if there were four devices and cores."""
    monkeypatch.setattr(jax, "devices", lambda: jax.local_devices()[:1] * 4)
    monkeypatch.setattr(_cores, "cores", lambda: 4)


def chosen(sizes, work=ENOUGH, *trees):
    mesh = usual_mesh(sizes, work, *trees)
    assert mesh is None or mesh.size > 1
    return 1 if mesh is None else mesh.size


def unasked():
    raise AssertionError("there is nothing to choose")


@pytest.mark.usefixtures("four")
def test_as_many_devices_share_the_work_as_divide_all_sizes():
    for sizes in ([4], [6], [4, 6], [9, 6], [4, 7], [0], [0, 6], [5]):
        by_hand = max(d for d in range(1, 5) if all(size % d == 0 for size in sizes))
        assert chosen(sizes) == by_hand
    assert chosen([5], unasked) == 1


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("work", "pays"),
    [((1e6, 100), True), ((1e8, 1), True), ((0.99e6, 10**9), False), ((1e6, 99), False)],
)
def test_only_work_that_pays_is_split(work, pays):
    assert (chosen([4], lambda: work) > 1) is pays


@pytest.mark.usefixtures("four")
def test_what_is_placed_stays_where_it_is(monkeypatch):
    device = jax.devices()[0]
    free, placed = jnp.zeros(2), jax.device_put(np.zeros(2), device)
    assert chosen([4], ENOUGH, {"a": free}, np.ones(3), "text") == 4
    assert chosen([4], unasked, {"a": free}, (placed,)) == 1
    with jax.default_device(device):
        assert chosen([4], unasked) == 1
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert chosen([4], unasked) == 1


def test_neither_one_core_nor_a_gpu_is_split(four, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(jax, "devices", lambda: [types.SimpleNamespace(platform="gpu")] * 4)
        assert chosen([4], unasked) == 1
    # No more than there are cores, and no more than there are devices.
    monkeypatch.setattr(_cores, "cores", lambda: 2)
    assert chosen([4]) == 2
    monkeypatch.setattr(_cores, "cores", lambda: 1)
    assert chosen([4], unasked) == 1


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 6}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_once_there_are_devices_their_number_stays(monkeypatch):
    count = len(jax.devices())
    assert oo.use_cores(count) == count and "NPROC" not in os.environ
    told = f"`count` must be {count} by now, but it is {count + 1}: .*NPROC={count + 1}"
    with pytest.raises(ValueError, match=told):
        oo.use_cores(count + 1)
    # Where the user's platforms leave the CPU out, there is none of them.
    monkeypatch.setattr(jax, "local_devices", _no_cpu)
    with pytest.raises(ValueError, match="`count` must be 0 by now, but it is 1"):
        oo.use_cores(1)


def _no_cpu(*, backend):
    raise RuntimeError(f"Unknown backend {backend}")
