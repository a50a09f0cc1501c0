"""A function on every device of a mesh, each with its own part of the data."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import PyTree

from ..programs import as_if_alone
from ._mesh import along


def mean_over_devices(function: Callable[..., PyTree], mesh: Mesh | None) -> Callable[..., PyTree]:
    """(shared, rows) ↦ means over the rows: each device averages its own, then all are averaged.

    The devices exchange data once, for that average, and not in the steps of a scan or solver.
    """

    if mesh is None:
        return function
    axes = mesh.axis_names

    def mean(shared: PyTree, rows: PyTree) -> PyTree:
        return jax.lax.pmean(as_if_alone(function)(shared, rows), axes)

    return _mapped(mean, mesh, (PartitionSpec(), along(mesh)))


def each_on_its_device(
    function: Callable[..., tuple[PyTree, PyTree]], mesh: Mesh | None, is_shared: bool
) -> Callable[..., tuple[PyTree, PyTree]]:
    """(members, data) ↦ (members, values): members split over the devices, the values gathered.

    Args:
        function: what to compute for several members; its values have the axis of members first.
        is_shared: whether all members have the same data, or one row of it each.
    """

    if mesh is None:
        return function
    axes = mesh.axis_names

    def each(members: PyTree, data: PyTree) -> tuple[PyTree, PyTree]:
        members, values = as_if_alone(function)(members, data)
        return members, jax.lax.all_gather(values, axes, tiled=True)

    rows, whole = along(mesh), PartitionSpec()
    return _mapped(each, mesh, (rows, whole if is_shared else rows), (rows, whole))


def _mapped(
    function: Callable[..., PyTree],
    mesh: Mesh,
    in_specs: PyTree,
    out_specs: PyTree = PartitionSpec(),
) -> Any:
    """`jax.shard_map` for trees that hold more than arrays."""

    def mapped(*trees: PyTree) -> PyTree:
        arrays, static = eqx.partition(trees, eqx.is_array)
        out_static = []

        def local(*arrays: PyTree) -> PyTree:
            out, other = eqx.partition(function(*eqx.combine(arrays, static)), eqx.is_array)
            out_static.append(other)
            return out

        options = {"mesh": mesh, "in_specs": in_specs, "out_specs": out_specs}
        out = jax.shard_map(local, **options, check_vma=False)(*arrays)
        return eqx.combine(out, out_static[-1])

    return mapped
