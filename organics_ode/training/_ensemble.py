"""`ensemble`: many seeds or hyperparameters trained at once."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Int, PyTree

from .._constraints import trainable
from ..optimizers import Optimizer, each_without_decay, optimizer_start
from ..parallel import (
    check_divides,
    check_mesh,
    check_same,
    each_on_its_device,
    replicate,
    split,
    split_batches,
)
from ..programs import Shared, compiled, shared
from ._batches import Batch, Minibatches, count_steps, read_samples
from ._checkpoints import STEPS_PER_CHECKPOINT, Checkpoints, Progress, check_intervals
from ._history import EnsembleResult, History
from ._loop import Loop, run_loop
from ._losses import accuracy, cross_entropy
from ._members import as_members, read_batches, read_hyperparameters, read_optimizer, unstack, where
from ._objective import (
    Loss,
    State,
    check_data,
    check_labels,
    check_metric,
    explain,
    gradient_step,
    mean_scores,
    named,
)

MakesOptimizer = Callable[[Any], Optimizer]


def ensemble(
    models: Sequence[PyTree],
    batches: Callable[[int], Batch] | Sequence[Callable[[int], Batch]],
    *,
    optimizer: Optimizer | MakesOptimizer,
    hyperparameters: Any = None,
    loss: Loss = cross_entropy,
    metric: Loss | None = accuracy,
    steps: int | None = None,
    epochs: int | None = None,
    validation: Any = None,
    validate_every: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int | None = None,
    log: str | os.PathLike | None = None,
    progress: bool = True,
    mesh: Mesh | None = None,
) -> EnsembleResult:
    """Train many models at once, each as `fit` would train it alone (host).

    The members differ in the values of their arrays (seeds, time constants) and in the optimizer's
    hyperparameters; one compiled step, vectorised over the members, moves all of them. A member
    that diverges stops at its last good model and leaves the others alone.

    Args:
        models: the members, of one structure, such as `[make_model(key) for key in keys]`.
        batches: step ↦ `Batch`, the same for every member; or a sequence of them, one per member.
        optimizer: an optax transformation; or a function that makes one from the hyperparameters
            of a member, such as `optax.adam` or `lambda h: optax.adamw(h["rate"], h["decay"])`.
        hyperparameters: for such a function: an array or a tree of arrays (members, …).
        loss, metric, steps, epochs, validation, validate_every: as in `fit`.
        checkpoint, checkpoint_every: as in `fit`, of all members together.
        log, progress: as in `fit`; each record has a list with the members' values, the bar shows
            their median.
        mesh: devices that each take an equal part of the members, such as `device_mesh()`.

    Returns:
        An `EnsembleResult(models, history, outcomes, steps)`. A warning names the members that
        ended by a label that is no class of the model, where others went on.

    Raises:
        ValueError: an argument is bad, a label that counts is no class of the models, or the
            checkpoint is of another training.
        TrainingInterrupted: Ctrl-C, or SIGTERM where there is a checkpoint.
        TrainingNotSaved: the checkpoint or the log can no longer be written. Both have the
            `result` so far.
    """
    members = as_members(models)
    check_metric(metric)
    check_mesh(mesh)
    if mesh is not None:
        must = f"have as many members as a multiple of the mesh's {mesh.size} devices"
        check_divides("models", must, len(models), mesh)
    make_optimizer = read_optimizer(optimizer, hyperparameters)
    values = read_hyperparameters(hyperparameters, members, len(models))
    data, is_shared = read_batches(batches, len(models))
    total = count_steps(data, steps, epochs)
    check_intervals(validate_every, checkpoint, checkpoint_every)
    if validation is not None:
        read_samples(validation, "validation")
    per_epoch = getattr(data, "steps_per_epoch", None)
    every = validate_every or per_epoch or total
    check_same("models", members, mesh)
    params = eqx.filter(members, trainable(members))
    if hyperparameters is None:
        params = jax.tree.map(lambda x: x[0], params)
    descent = each_without_decay(make_optimizer, params, values)
    run = _Run(shared(descent, loss, metric), mesh, is_shared)
    checkpoints = Checkpoints(
        checkpoint,
        checkpoint_every or per_epoch or STEPS_PER_CHECKPOINT,
        model=members,
        batches=data,
        optimizer=optimizer,
        hyperparameters=values,
        loss=loss,
        metric=metric,
        validation=validation,
        validate_every=validate_every,
    )
    now = checkpoints.resume(_progress(0, _start(run, members, values), History([])), total)
    check_same("checkpoint", (np.asarray(now.step), now.state), mesh)
    every_data = [data] if is_shared else list(data.members)
    for each in every_data:
        check_data(models[0], each, validation, loss, metric)
    state, previous, values = split((now.state, now.previous, values), mesh)
    parts = _shared(data, mesh) if is_shared else split_batches(data, mesh)

    def take(now: Progress) -> tuple[Progress, dict[str, Array]]:
        unknown = [each for each in every_data if not isinstance(each, Minibatches)]
        for each in unknown if now.step == 0 else ():
            check_labels(models[0], each(0), loss, metric)
        members, scores = _ensemble_step(run, _members(now, values), parts(now.step))
        return _progress(now.step + 1, members, now.history, now.log_start), scores

    def evaluate(now: Progress) -> dict[str, list[float]]:
        scored = shared(loss, metric)
        return named(_evaluate(scored, _members(now, values), validation, mesh), metric)

    def diverged(before: Progress, step: int) -> None:
        # A label that is no class is the end of every member, and nobody's divergence.
        for model, each in zip(unstack(before.state.model), every_data, strict=False):
            batch = each(before.step)
            explain(model, batch, loss, metric, len(batch.inputs))

    loop = Loop(
        total=total,
        take=take,
        evaluate=None if validation is None else evaluate,
        evaluate_every=every,
        result=lambda now: _finish(now, "interrupted"),
        diverged=diverged,
        is_done=_have_all_diverged,
        metric=metric,
        batches=data,
    )
    now = now._replace(state=state, previous=previous)
    now = run_loop(loop, now, checkpoints, log, progress, mesh)
    ended = _finish(now, "completed")
    _tell(ended, every_data, loss, metric)
    return ended


class _Run(NamedTuple):
    """What stays the same while training; the rules are how an optimizer is made, loss, metric."""

    rules: Shared
    mesh: Mesh | None
    is_shared: bool


class _Member(NamedTuple):
    """A member, or all of them stacked; `good` is its last model of finite loss and gradient."""

    state: State
    hyperparameters: Any
    good: PyTree
    is_running: Bool[Array, "..."]
    taken: Int[Array, "..."]


def _progress(step: int, members: _Member, history: History, log: int | None = None) -> Progress:
    """What a checkpoint keeps: all but the hyperparameters, which the call says again."""
    optimizer = (members.state.optimizer, members.is_running, members.taken)
    return Progress(step, State(members.state.model, optimizer), members.good, history, log)


def _members(now: Progress, hyperparameters: Any) -> _Member:
    optimizer, is_running, taken = now.state.optimizer
    state = State(now.state.model, optimizer)
    return _Member(state, hyperparameters, now.previous, is_running, taken)


@compiled
def _start(run: _Run, models: PyTree, hyperparameters: Any) -> _Member:
    make, _, _ = run.rules.whole()

    def one(model: PyTree, values: Any) -> _Member:
        with jax.numpy_dtype_promotion("standard"):
            optimizer = make(values)
        state = State(model, optimizer_start(optimizer, eqx.filter(model, trainable(model))))
        return _Member(state, values, model, jnp.array(True), jnp.array(0))

    return eqx.filter_vmap(one)(models, hyperparameters)


@compiled
def _ensemble_step(run: _Run, members: _Member, batch: Batch) -> tuple[_Member, dict[str, Array]]:
    make, loss, metric = run.rules.whole()

    def step(member: _Member, batch: Batch) -> tuple[_Member, dict[str, Array]]:
        with jax.numpy_dtype_promotion("standard"):
            optimizer = make(member.hyperparameters)
        new, values = gradient_step(member.state, batch, optimizer, loss, metric)
        was_running = member.is_running
        is_finite = jnp.isfinite(values["loss"]) & jnp.isfinite(values["gradient_norm"])
        goes_on = was_running & is_finite
        state = where(goes_on, new, member.state)
        good = where(goes_on, member.state.model, member.good)
        values = {k: jnp.where(was_running, v, jnp.nan) for k, v in values.items()}
        taken = jnp.where(was_running, member.taken + 1, member.taken)
        return _Member(state, member.hyperparameters, good, goes_on, taken), values

    over_members = eqx.filter_vmap(step, in_axes=(eqx.if_array(0), None if run.is_shared else 0))
    return each_on_its_device(over_members, run.mesh, run.is_shared)(members, batch)


@compiled
def _scores(
    scored: Shared, members: _Member, samples: Batch, mesh: Mesh | None
) -> dict[str, Array]:
    def scores(member: _Member, samples: Batch) -> dict[str, Array]:
        model = member.state.model
        values = mean_scores(model, samples, scored, 256)
        return {k: jnp.where(member.is_running, v, jnp.nan) for k, v in values.items()}

    def of_all(members: _Member, samples: Batch) -> tuple[None, dict[str, Array]]:
        return None, eqx.filter_vmap(scores, in_axes=(eqx.if_array(0), None))(members, samples)

    return each_on_its_device(of_all, mesh, is_shared=True)(members, samples)[1]


@eqx.filter_jit
def _last_good(members: _Member) -> tuple[PyTree, Bool[Array, " members"], Int[Array, " members"]]:
    """The models to return, whether each has not diverged (its last update may overflow too), and
    the steps it took."""

    def last(member: _Member) -> tuple[PyTree, Array, Array]:
        leaves = jax.tree.leaves(eqx.filter(member.state.model, eqx.is_inexact_array))
        is_finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
        is_good = member.is_running & is_finite
        return where(is_good, member.state.model, member.good), is_good, member.taken

    return eqx.filter_vmap(last)(members)


def _evaluate(
    scored: Shared, members: _Member, data: Any, mesh: Mesh | None
) -> dict[str, list[float]]:
    samples = jax.tree.map(jnp.asarray, read_samples(data))
    scores = _scores(scored, members, replicate(samples, mesh), mesh)
    return {name: np.asarray(value).tolist() for name, value in scores.items()}


def _have_all_diverged(history: History) -> bool:
    """Whether the last step was finite for nobody; a diverged member has NaN from then on."""
    last = next((r for r in reversed(history.records) if "loss" in r), None)
    if last is None:
        return False
    return not np.any(np.isfinite(last["loss"]) & np.isfinite(last["gradient_norm"]))


def _finish(now: Progress, ended: str) -> EnsembleResult:
    models, is_good, taken = _last_good(_members(now, None))
    outcomes = tuple(ended if good else "diverged" for good in is_good.tolist())
    return EnsembleResult(unstack(models), now.history, outcomes, tuple(taken.tolist()))


def _tell(ended: EnsembleResult, data: list[Any], loss: Loss, metric: Loss | None) -> None:
    """Warn of members whose last batch had a label that is no class, or a mask of nothing: the
    others have gone on."""
    for i, (model, outcome) in enumerate(zip(ended.models, ended.outcomes, strict=True)):
        if outcome == "diverged" and ended.steps[i] > 0:
            batch = data[min(i, len(data) - 1)](ended.steps[i] - 1)
            try:
                explain(model, batch, loss, metric, len(batch.inputs))
            except ValueError as error:
                warnings.warn(f"Member {i} ended at step {ended.steps[i]}: {error}", stacklevel=3)


def _shared(batches: Callable[[int], Batch], mesh: Mesh | None) -> Callable[[int], Batch]:
    return lambda step: replicate(batches(step), mesh)
