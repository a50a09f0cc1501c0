"""Reading the arguments of `fit_with_skips`."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree

from ..._checks import a_or_an, check_positive_integer, read_key, read_number, refuse
from ..._constraints import resolve
from ..._types import KeyLike
from ...cells import TemporalSkip, response
from ...circuits import RateNetwork
from ...models import SequenceToSequence
from ...optimizers import Optimizer, is_optimizer
from .._losses import Loss, check_classes, check_loss, cross_entropy, squared_error
from .._members import as_members, check_devices
from .._recorder import Callback, check_callback
from ..batches import Task, is_in_numpy, mesh_for_trials
from ._closed_loop import ClosedTask, is_closed
from ._schedule import SkipSchedule
from ._trials import Restarts, Source


def read_models(models: Sequence[PyTree], mesh: Mesh | None) -> PyTree:
    """The base networks as one tree, which the devices of the mesh can divide."""
    members = as_members(models)
    if not isinstance(models[0], SequenceToSequence):
        must = "be `SequenceToSequence` models, which answer at every step"
        refuse("models", must, f"they are {type(models[0]).__name__}")
    if isinstance(models[0].cell, TemporalSkip):
        refuse("models", "be base networks, without skips", "their cell is a `TemporalSkip`")
    check_devices(len(models), members, mesh)
    return members


def read_counts(**counts: int) -> dict[str, int]:
    return {name: check_positive_integer(name, value) for name, value in counts.items()}


def read_sizes(**sizes: float) -> dict[str, float]:
    return {name: read_number(name, value, 0.0) for name, value in sizes.items()}


def check_rules(
    schedule: SkipSchedule | None,
    optimizer: Optimizer,
    loss: Loss | None,
    callback: Callback | None,
) -> None:
    if schedule is not None and not isinstance(schedule, SkipSchedule):
        refuse(
            "schedule", "be a `SkipSchedule` or None", f"it is {a_or_an(type(schedule).__name__)}"
        )
    if not is_optimizer(optimizer):
        refuse(
            "optimizer", "be an optax transformation", f"it is {a_or_an(type(optimizer).__name__)}"
        )
    if loss is not None:
        check_loss("loss", loss)
    check_callback(callback)


def read_source(
    models: Sequence[PyTree], task: Task, burn_in: float, key: KeyLike, batch_size: int
) -> Source:
    key, (burn_in,) = read_key("key", key), read_sizes(burn_in=burn_in).values()
    if not isinstance(task, Task):
        named = ("sample", "score", "dt", "input_size")
        missing = next(name for name in named if not hasattr(task, name))
        refuse("task", "have `sample`, `score`, `dt` and `input_size`", f"it has no `{missing}`")
    if is_in_numpy(task):
        must = "be written in jax.numpy, for it is compiled with the training"
        refuse("task", must, "its `sample` takes a generator of numpy")
    cell = models[0].cell
    if task.input_size != cell.input_size:
        must = f"have as many channels as the models have inputs, {cell.input_size}"
        refuse("task", must, f"it has {task.input_size}")
    dt = float(task.dt)
    if hasattr(cell, "dt") and not np.isclose(float(cell.dt), dt):
        refuse("task", f"have the time step of the cell, {cell.dt} ms", f"its own is {dt} ms")
    if is_closed(task):
        _check_agent(models[0], task)
    dtype = jax.tree.leaves(cell.initial_state())[0].dtype
    return Source(task, _noise(models), dt, round(burn_in / dt), key, batch_size, dtype)


def _check_agent(model: PyTree, task: ClosedTask) -> None:
    """Refuse a task that runs the model itself and needs another number of outputs."""
    if not callable(task.play):
        refuse("task", "have a function `play`", f"it is {task.play!r}")
    shape = _output_shape(model)
    size = getattr(task, "output_size", *shape[:1])
    if shape != (size,):
        must = f"have outputs for the models' readouts, {shape}"
        refuse("task", must, f"it has {size}")


def _output_shape(model: PyTree) -> tuple[int, ...]:
    state = eqx.filter_eval_shape(lambda m: resolve(m.cell).initial_state(), model)
    return eqx.filter_eval_shape(lambda m, y: resolve(m.readout)(y), model, response(state)).shape


def check_trials(models: Sequence[PyTree], source: Source, loss: Loss, round: int) -> None:
    """Refuse, before the first round, trials with labels that are not classes of the models."""
    if round == 0 and loss is cross_entropy:
        _, batch = eqx.filter_jit(Source.draw)(source, source.key, source.batch_size)
        check_classes(batch.targets, _output_shape(models[0])[-1], batch.weights)


def read_mesh(mesh: Mesh | None, models: Sequence[PyTree], task: Task, size: int) -> Mesh | None:
    """The given mesh, or the CPU devices if they are worth it."""
    return mesh if mesh is not None else mesh_for_trials(models, _trial_like(task), size)


def read_loss(loss: Loss | None, task: Task) -> Loss:
    """The given loss, or the cross entropy if targets are classes, else the squared error."""
    if loss is not None:
        return loss
    targets = _trial_like(task).targets
    return cross_entropy if jnp.issubdtype(targets.dtype, jnp.integer) else squared_error


def read_restarts(schedule: SkipSchedule | None, task: Task) -> Restarts | None:
    """The function that says where blocks of skips begin, checked."""
    if schedule is None or schedule.restarts is None:
        return None
    trial, restarts = _trial_like(task), schedule.restarts
    found = eqx.filter_eval_shape(restarts, trial)
    shape = trial.inputs.shape[:1]
    if getattr(found, "shape", None) != shape or found.dtype != bool:
        refuse("restarts", f"return (time,) = {shape} of bool for a trial", f"it returns {found}")
    return restarts


def _trial_like(task: Task) -> Any:
    """The shapes and dtypes of a trial."""
    return eqx.filter_eval_shape(task.sample, jax.random.key(0))


def _check_silent(cells: Sequence[PyTree]) -> None:
    """Refuse a noisy network inside a `Stack`, whose noise would silently be left out."""
    is_network = lambda node: isinstance(node, RateNetwork)  # noqa: E731
    inside = jax.tree.leaves(cells, is_leaf=is_network)
    if any(np.any(np.asarray(resolve(n).noise) > 0) for n in inside if is_network(n)):
        must = "have no noise in the networks of a `Stack`"
        refuse("models", must, "a `RateNetwork` there has: build it with `noise=0.0`")


def _noise(models: Sequence[PyTree]) -> tuple[int, float] | None:
    """The size and the time constant of the models' noise; None if no unit has any."""
    cells = [model.cell for model in models]
    if not isinstance(getattr(cells[0], "circuit", None), RateNetwork):
        _check_silent(cells)
        return None
    networks: list[Any] = [resolve(cell.circuit) for cell in cells]
    taus = {float(network.tau_noise) for network in networks}
    if len(taus) > 1:
        must = "have one `tau_noise`, for they share their noise"
        refuse("models", must, f"there are {sorted(taus)} ms")
    is_noisy = any(np.any(np.asarray(network.noise) > 0) for network in networks)
    return (networks[0].size, taus.pop()) if is_noisy else None
