"""What a mesh places where, on one device and as a process sees it that is one of two. Trainings on
several devices and processes are in `system`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, PartitionSpec

import organics_ode as oo
from organics_ode import parallel
from organics_ode.parallel import _mesh


@pytest.fixture
def mesh():
    return oo.device_mesh(jax.devices()[:1])


@pytest.fixture
def one_of_two(monkeypatch):
    """As if another process had devices in every mesh."""
    monkeypatch.setattr(_mesh, "_processes", lambda mesh: [0, 1])


def tree():
    rng = np.random.default_rng(0)
    arrays = {"host": rng.normal(size=(4, 3)), "device": jnp.asarray(rng.normal(size=4))}
    arrays |= {"counts": np.arange(4, dtype=np.int32)}
    return arrays | {"keys": jax.random.split(jax.random.key(3), 4), "name": "a", "none": None}


def check_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for ours, theirs in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        if isinstance(theirs, jax.Array) and jnp.issubdtype(theirs.dtype, jax.dtypes.prng_key):
            assert ours.dtype == theirs.dtype
            ours, theirs = map(jax.random.key_data, (ours, theirs))
        if isinstance(theirs, str):
            assert ours == theirs
            continue
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def arrays_of(tree):
    return [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]


@pytest.mark.parametrize("others", [False, True], ids=["alone", "one of two"])
def test_what_is_placed_on_a_mesh_comes_home_as_it_was(mesh, others, request):
    if others:
        request.getfixturevalue("one_of_two")
    for place, spec in (
        (parallel.replicate, PartitionSpec()),
        (parallel.split, PartitionSpec(("devices",))),
    ):
        placed = place(tree(), mesh)
        assert len(arrays_of(placed)) == 4
        for leaf in arrays_of(placed):
            assert leaf.committed and leaf.sharding.mesh == mesh and leaf.sharding.spec == spec
        # What lies there already is not moved again.
        again = zip(arrays_of(placed), arrays_of(place(placed, mesh)), strict=True)
        assert all(a is b for a, b in again)
        check_same(parallel.gather(placed, mesh), tree())
        home = parallel.bring_home(placed, mesh)
        check_same(home, tree())
        assert not any(leaf.committed for leaf in arrays_of(home))
    given = tree()
    for place in (parallel.replicate, parallel.split, parallel.bring_home, parallel.gather):
        assert place(given, None) is given


def test_means_and_members_on_a_mesh_are_those_without(mesh):
    rng = np.random.default_rng(0)
    W, rows = jnp.asarray(rng.normal(size=(3, 2))), jnp.asarray(rng.normal(size=(4, 3)))

    # What is no array goes along, as the functions in a model do.
    def mean(shared, rows):
        return jnp.mean(shared["f"](rows @ shared["W"]), axis=0)

    shared = {"W": W, "f": jnp.tanh}
    found = parallel.mean_over_devices(mean, mesh)(shared, rows)
    np.testing.assert_allclose(found, np.tanh(rows @ W).mean(axis=0), rtol=1e-13)
    assert parallel.mean_over_devices(mean, None) is mean

    def step(members, data):
        moved = members | {"v": 2 * members["v"]}
        return moved, members["v"] + (data if data.ndim == 1 else data[:, 0])

    assert parallel.each_on_its_device(step, None, True) is step
    members = {"v": jnp.arange(4.0), "f": jnp.tanh}
    for data, is_shared in ((jnp.ones(1), True), (rows, False)):
        moved, values = parallel.each_on_its_device(step, mesh, is_shared)(members, data)
        np.testing.assert_array_equal(moved["v"], 2 * np.arange(4.0))
        np.testing.assert_allclose(values, np.arange(4.0) + np.asarray(data)[..., 0])
        assert moved["f"] is jnp.tanh and values.is_fully_replicated
        assert moved["v"].sharding.spec == PartitionSpec(("devices",))


class Numbered(eqx.Module):
    """Batches whose rows say which they are, and which rows were asked for."""

    asked: list
    size: int = eqx.field(static=True, default=6)

    def part(self, step, rows):
        self.asked.append(rows.tolist())
        return {"inputs": np.stack([rows, rows + 100 * step], axis=1), "targets": rows}

    def __call__(self, step):
        return self.part(step, np.arange(self.size))


@pytest.mark.parametrize("others", [False, True], ids=["alone", "one of two"])
def test_batches_are_split_by_their_rows(mesh, others, request):
    if others:
        request.getfixturevalue("one_of_two")
    batches = Numbered([])
    found = parallel.split_batches(batches, mesh)(3)
    # All devices of this mesh are those of this process, which makes all rows.
    assert batches.asked == [list(range(6))]
    np.testing.assert_array_equal(found["targets"], np.arange(6))
    np.testing.assert_array_equal(found["inputs"], np.arange(6)[:, None] + np.array([[0, 300]]))
    for leaf in jax.tree.leaves(found):
        assert leaf.sharding.spec == PartitionSpec(("devices",))
    assert parallel.split_batches(batches, None) is batches
    # A function of which nothing is known before its first batch.
    plain = parallel.split_batches(lambda step: {"inputs": np.full((2, 1), step)}, mesh)
    np.testing.assert_array_equal(plain(5)["inputs"], [[5], [5]])


def test_what_devices_do_not_divide_is_refused():
    # A mesh of four, told by their number alone.
    four = Mesh(np.array(jax.devices()[:1] * 4), ("devices",), axis_types=(AxisType.Auto,))
    told = "`batches` must have a size that the mesh's 4 devices divide, but 6 is not a multiple"
    with pytest.raises(ValueError, match=told):
        parallel.split_batches(Numbered([]), four)
    with pytest.raises(ValueError, match=told):
        parallel.split_batches(lambda step: np.zeros((6, 1)), four)(0)
    parallel.check_divides("models", "be four", 8, four)


def test_a_mesh_is_one_of_devices_with_axes_that_jax_splits(mesh, monkeypatch, unchecked):
    assert oo.device_mesh().size == len(jax.devices()) and mesh.axis_names == ("devices",)
    for bad in ([], "cpu", [0], jax.devices()[0]):
        with pytest.raises(ValueError, match="`devices` must be a sequence of devices"):
            oo.device_mesh(bad)
    parallel.check_mesh(None)
    parallel.check_mesh(mesh)
    with pytest.raises(ValueError, match=r"`mesh` must be a `jax\.sharding\.Mesh`.* it is an int"):
        parallel.check_mesh(8)
    explicit = Mesh(mesh.devices, ("x",), axis_types=(AxisType.Explicit,))
    with pytest.raises(ValueError, match="must have axes of type Auto, but they are Explicit;"):
        parallel.check_mesh(explicit)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with pytest.raises(
        ValueError, match=r"`mesh` must hold a device of every process .* process 1"
    ):
        parallel.check_mesh(mesh)
    assert not parallel.is_writer(mesh) and parallel.is_writer(None)


def test_processes_agree_on_what_any_of_them_found(mesh, one_of_two, monkeypatch):
    assert not parallel.is_alone(mesh) and parallel.is_alone(None) and parallel.is_writer(mesh)
    other = {}

    def gathered(own):
        return np.stack([own, other.get("has", own)])

    monkeypatch.setattr(multihost_utils, "process_allgather", gathered)
    sent = tree() | {"many": [np.ones(2), 3.0]}
    parallel.check_same("model", sent, mesh)
    other["has"] = np.zeros(32, np.uint8)
    with pytest.raises(ValueError, match="`model` must be the same on every process"):
        parallel.check_same("model", sent, mesh)
    parallel.check_same("model", sent, None)
    other["has"] = np.array([False, True, False])
    assert parallel.on_any([True, False, False], mesh) == (True, True, False)
    assert parallel.on_any([True, False, False], None) == (True, False, False)


def test_what_differs_by_one_bit_is_not_the_same(mesh, one_of_two, monkeypatch):
    seen = []
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda v: seen.append(v) or v[None])
    least = np.nextafter(1.0, 2.0)
    for value in ({"a": np.ones(2)}, {"a": np.ones(2)}, {"a": np.array([1.0, least])}):
        parallel.check_same("model", value, mesh)
    # A key by its words.
    for seed in (0, 1):
        parallel.check_same("key", jax.random.key(seed), mesh)
    a, same, *others = [digest.tobytes() for digest in seen]
    assert a == same and len({a, *others}) == 4
