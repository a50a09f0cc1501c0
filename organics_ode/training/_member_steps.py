"""The compiled parts of an ensemble: a step of all members at once, and their evaluation."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, ArrayLike, Bool, Int, PyTree

from ..optimizers import State, begin, choose, is_finite, is_good
from ..parallel import each_on_its_device, replicate
from ..programs import Shared, compiled, unawaited
from ._checkpoints import Progress
from ._objective import gradient_step, mean_scores
from .batches import Batch, Data, read_samples


class EnsembleRun(NamedTuple):
    """What is constant during training; the rules are how an optimizer is made, loss, metric."""

    rules: Shared
    mesh: Mesh | None
    is_shared: bool


class Member(NamedTuple):
    """A member, or all of them stacked; `good` is its last model that was good on its batch.

    One that has diverged is no longer running. One that has stopped stays unchanged; None if no
    member can stop.
    """

    state: State
    hyperparameters: Any
    good: PyTree
    is_running: Bool[Array, "..."]
    taken: Int[Array, "..."]
    has_stopped: Bool[Array, "..."] | None = None

    def moves(self) -> Bool[Array, "..."]:
        return self.is_running if self.has_stopped is None else self.is_running & ~self.has_stopped


def progress_of(now: Progress, members: Member) -> Progress:
    """What a checkpoint keeps: everything but the hyperparameters, which the call gives again, and
    which members have stopped, which follows from the history."""
    optimizer = (members.state.optimizer, members.is_running, members.taken)
    return now._replace(state=State(members.state.model, optimizer), previous=members.good)


def members_of(now: Progress, hyperparameters: PyTree, has_stopped: Any = None) -> Member:
    optimizer, is_running, taken = now.state.optimizer
    state = State(now.state.model, optimizer)
    return Member(state, hyperparameters, now.previous, is_running, taken, has_stopped)


@compiled
def start_members(run: EnsembleRun, models: PyTree, hyperparameters: PyTree) -> Member:
    make, _, _ = run.rules.whole()

    def one(model: PyTree, values: PyTree) -> Member:
        with jax.numpy_dtype_promotion("standard"):
            optimizer = make(values)
        return Member(begin(optimizer, model), values, model, jnp.array(True), jnp.array(0))

    return eqx.filter_vmap(one)(models, hyperparameters)


@unawaited
def step_members(
    run: EnsembleRun, members: Member, batch: Batch
) -> tuple[Member, dict[str, Array]]:
    make, loss, metric = run.rules.whole()

    def step(member: Member, batch: Batch) -> tuple[Member, dict[str, Array]]:
        with jax.numpy_dtype_promotion("standard"):
            optimizer = make(member.hyperparameters)
        new, values = gradient_step(member.state, batch, optimizer, loss, metric)
        moves = member.moves()
        goes_on = moves & is_good(values)
        is_running = (
            goes_on if member.has_stopped is None else goes_on | (member.is_running & ~moves)
        )
        state = choose(goes_on, new, member.state)
        good = choose(goes_on, member.state.model, member.good)
        values = {k: jnp.where(moves, v, jnp.nan) for k, v in values.items()}
        taken = jnp.where(moves, member.taken + 1, member.taken)
        moved = member._replace(state=state, good=good, is_running=is_running, taken=taken)
        return moved, values

    over_members = eqx.filter_vmap(step, in_axes=(eqx.if_array(0), None if run.is_shared else 0))
    return each_on_its_device(over_members, run.mesh, run.is_shared)(members, batch)


@compiled
def _scores(scored: Shared, members: Member, samples: Batch, mesh: Mesh | None) -> dict[str, Array]:
    def scores(member: Member, samples: Batch) -> dict[str, Array]:
        model = member.state.model
        values = mean_scores(model, samples, scored, 256)
        return {k: jnp.where(member.moves(), v, jnp.nan) for k, v in values.items()}

    def of_all(members: Member, samples: Batch) -> tuple[None, dict[str, Array]]:
        return None, eqx.filter_vmap(scores, in_axes=(eqx.if_array(0), None))(members, samples)

    return each_on_its_device(of_all, mesh, is_shared=True)(members, samples)[1]


@eqx.filter_jit
def last_good(members: Member) -> tuple[PyTree, Bool[Array, " members"], Int[Array, " members"]]:
    """The models to return, whether each has not diverged (even its last update may overflow), and
    the number of steps it took."""

    def last(member: Member) -> tuple[PyTree, Array, Array]:
        remains = member.is_running & is_finite(member.state.model)
        return choose(remains, member.state.model, member.good), remains, member.taken

    return eqx.filter_vmap(last)(members)


@eqx.filter_jit
def best_of(is_new: Bool[ArrayLike, " members"], models: PyTree, best: PyTree) -> Any:
    """For each member, the new model or the one that was best before."""
    return eqx.filter_vmap(choose)(is_new, models, best)


def evaluate_members(
    scored: Shared, members: Member, data: Data, mesh: Mesh | None
) -> dict[str, list[float]]:
    samples = jax.tree.map(jnp.asarray, read_samples(data))
    scores = _scores(scored, members, replicate(samples, mesh), mesh)
    return {name: np.asarray(value).tolist() for name, value in scores.items()}
