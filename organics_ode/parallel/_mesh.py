"""A mesh of devices: which ones, what they have in common, and what is split over them."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from .._checks import a_or_an, counted, refuse, shown


def device_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with one axis over all devices of all processes, for `oo.fit(..., mesh=…)` (host).

    Args:
        devices: the devices to use, by default `jax.devices()`.

    Returns:
        A `jax.sharding.Mesh` with an axis of type Auto, which a mesh of your own must have too.

    Raises:
        ValueError: `devices` are not devices.
    """
    chosen = jax.devices() if devices is None else devices
    is_sequence = isinstance(chosen, list | tuple | np.ndarray) and len(chosen) > 0
    if not is_sequence or not all(isinstance(one, jax.Device) for one in chosen):
        refuse("devices", "be a sequence of devices", f"it is {shown(devices)}")
    return Mesh(np.array(chosen), ("devices",), axis_types=(AxisType.Auto,))


def check_mesh(mesh: object) -> None:
    if mesh is None:
        return
    if not isinstance(mesh, Mesh):
        must = "be a `jax.sharding.Mesh` such as `oo.device_mesh()`"
        refuse("mesh", must, f"it is {a_or_an(type(mesh).__name__)}")
    if any(kind != AxisType.Auto for kind in mesh.axis_types):
        kinds = ", ".join(kind.name for kind in mesh.axis_types)
        remedy = (
            "`jax.make_mesh` makes explicit axes unless told otherwise: take `oo.device_mesh()`"
        )
        refuse("mesh", "have axes of type Auto", f"they are {kinds}; {remedy}")
    if jax.process_index() not in {device.process_index for device in mesh.devices.flat}:
        found = f"process {jax.process_index()} has none in it"
        refuse("mesh", "hold a device of every process that trains", found)


def is_alone(mesh: Mesh | None) -> bool:
    """Whether this process is the only one in the mesh."""
    return mesh is None or len(_processes(mesh)) == 1


def is_writer(mesh: Mesh | None) -> bool:
    """Whether this process writes the files and shows the bar; only one in the mesh does."""
    return mesh is None or _processes(mesh)[0] == jax.process_index()


def check_divides(name: str, must: str, size: int, mesh: Mesh) -> None:
    if size % mesh.size:
        refuse(name, must, f"{size} is not a multiple of {mesh.size}")


def check_same(name: str, tree: PyTree, mesh: Mesh | None) -> None:
    """Refuse a tree whose arrays differ between the processes of the mesh."""
    if is_alone(mesh):
        return
    leaves = [np.asarray(_data(leaf)) for leaf in jax.tree.leaves(tree) if _is_array(leaf)]
    digest = hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).digest()
    all_digests = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
    if (all_digests != all_digests[0]).any():
        found = "the processes have different ones; make it from the same key on each"
        refuse(name, "be the same on every process", found)


def on_any(flags: Sequence[bool], mesh: Mesh | None) -> tuple[bool, ...]:
    """Whether each flag is set on any process of the mesh; all processes get the same answer."""
    if is_alone(mesh):
        return tuple(flags)
    all_flags = multihost_utils.process_allgather(np.array(flags))
    return tuple(all_flags.any(axis=0).tolist())


def replicate(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """The tree with its arrays on every device of the mesh."""
    return tree if mesh is None else _place(tree, mesh, PartitionSpec())


def split(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """The tree with the leading axis of its arrays split over the devices of the mesh."""
    return tree if mesh is None else _place(tree, mesh, along(mesh))


def bring_home(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Replicated arrays as arrays of this process only, tied to no device."""

    def home(leaf: PyTree) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        return _as(leaf, jnp.asarray(np.asarray(_data(leaf))))

    return tree if mesh is None else jax.tree.map(home, tree)


def gather(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Arrays split over the devices of the mesh, whole on every one of them.

    If something is split between processes, all of them must call this together.
    """
    if mesh is None:
        return tree
    is_split = lambda x: isinstance(x, jax.Array) and not x.is_fully_replicated  # noqa: E731
    parts, rest = eqx.partition(tree, is_split)
    whole = jax.jit(lambda x: x, out_shardings=NamedSharding(mesh, PartitionSpec()))(parts)
    return eqx.combine(whole, rest)


def split_batches(batches: Callable[[int], Any], mesh: Mesh | None) -> Callable[[int], Any]:
    """`batches` with their rows split over the devices; each process only makes its own rows.

    They come from `batches.part(step, rows)` if it exists, otherwise from the whole batch.
    """
    if mesh is None:
        return batches
    parts, size = getattr(batches, "part", None), getattr(batches, "size", None)
    if parts is not None and size is not None:
        _check_batch(size, mesh)
        if len(_processes(mesh)) > 1:
            own = _own_rows(size, mesh)
            return lambda step: _place_rows(parts(step, own), own, size, mesh)

    def divided(step: int) -> Any:
        batch = batches(step)
        _check_batch(len(jax.tree.leaves(batch)[0]), mesh)
        return split(batch, mesh)

    return divided


def along(mesh: Mesh) -> PartitionSpec:
    """The leading axis, over all axes of the mesh."""
    return PartitionSpec(mesh.axis_names)


def _processes(mesh: Mesh) -> list[int]:
    return sorted({device.process_index for device in mesh.devices.flat})


def _check_batch(size: int, mesh: Mesh) -> None:
    check_divides(
        "batches", f"have a size that the mesh's {counted(mesh.size, 'device')} divide", size, mesh
    )


def _own_slices(size: int, mesh: Mesh) -> dict[jax.Device, slice]:
    """The rows of each device of this process."""
    indices = NamedSharding(mesh, along(mesh)).addressable_devices_indices_map((size,))
    return {
        device: slice(*rows.indices(size))
        for device, index in indices.items()
        for rows in index or ()
    }


def _own_rows(size: int, mesh: Mesh) -> np.ndarray:
    return np.sort(np.concatenate([np.r_[rows] for rows in _own_slices(size, mesh).values()]))


def _place_rows(tree: PyTree, own: np.ndarray, size: int, mesh: Mesh) -> PyTree:
    """The rows `own` of a tree with `size` rows, on the devices of this process."""
    sharding = NamedSharding(mesh, along(mesh))
    slices = _own_slices(size, mesh)

    def place(leaf: PyTree) -> jax.Array:
        first = {device: np.searchsorted(own, rows.start) for device, rows in slices.items()}
        per_device = size // mesh.size
        parts = [jax.device_put(leaf[i : i + per_device], device) for device, i in first.items()]
        shape = (size, *leaf.shape[1:])
        return jax.make_array_from_single_device_arrays(shape, sharding, parts)

    return jax.tree.map(place, tree)


def _place(tree: PyTree, mesh: Mesh, spec: PartitionSpec) -> PyTree:
    sharding = NamedSharding(mesh, spec)

    def place(leaf: PyTree) -> Any:
        if not _is_array(leaf) or getattr(leaf, "sharding", None) == sharding:
            return leaf
        if len(_processes(mesh)) == 1:
            return jax.device_put(leaf, sharding)
        data = np.asarray(jax.device_get(_data(leaf)))
        data = data.astype(jax.dtypes.canonicalize_dtype(data.dtype))
        return _as(leaf, jax.make_array_from_callback(data.shape, sharding, data.__getitem__))

    return jax.tree.map(place, tree)


def _is_array(leaf: object) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _is_key(leaf: object) -> TypeGuard[Array]:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data(leaf: Array | np.ndarray | np.generic) -> Any:
    """Plain numbers; for a PRNG key, its words."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _as(leaf: Array | np.ndarray | np.generic, data: jax.Array) -> jax.Array:
    """Plain numbers in the form of `leaf`."""
    impl = jax.random.key_impl(leaf) if _is_key(leaf) else None
    return data if impl is None else jax.random.wrap_key_data(data, impl=impl)
