"""What training minimises: a model applied to a batch, its losses, and one gradient step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, PyTree

from ._batches import Batch
from ._constraints import project, resolve, trainable
from ._optimizer import Optimizer, descend
from ._shard import mean_over_devices

Loss = Callable[[Array, Any, Any], Array]


class State(NamedTuple):
    """What a step of training changes."""

    model: PyTree
    optimizer: PyTree


def predict(model: PyTree, inputs: Any) -> Any:
    """A model of one sample applied to samples stacked along a leading axis."""
    model = resolve(model)
    return model.batched(inputs) if hasattr(model, "batched") else jax.vmap(model)(inputs)


def gradient_step(
    state: State,
    batch: Batch,
    optimizer: Optimizer,
    loss: Loss,
    metric: Loss | None,
    mesh: Mesh | None = None,
) -> tuple[State, dict[str, Array]]:
    """One update by the gradient of the batch's mean loss, and what the batch scored before it."""
    params, rest = eqx.partition(state.model, trainable(state.model))

    def of_rows(shared: Any, batch: Batch) -> tuple[PyTree, dict[str, Array]]:
        params, rest = shared

        def objective(params: PyTree) -> tuple[Array, dict[str, Array]]:
            values = _scores(eqx.combine(params, rest), batch, loss, metric)
            values = jax.tree.map(jnp.mean, values)
            return values["loss"], values

        return eqx.filter_grad(objective, has_aux=True)(params)

    def slope(params: PyTree) -> tuple[PyTree, dict[str, Array]]:
        return mean_over_devices(of_rows, mesh)((params, rest), batch)

    params, optimizer_state, values = descend(optimizer, params, state.optimizer, slope)
    return State(project(eqx.combine(params, rest)), optimizer_state), values


train_step = eqx.filter_jit(gradient_step)


@eqx.filter_jit
def mean_scores(
    model: PyTree,
    samples: Batch,
    loss: Loss,
    metric: Loss | None,
    size: int,
    mesh: Mesh | None = None,
) -> dict[str, Array]:
    """The mean loss and metric over all samples, `size` of them at a time on each device."""

    def mean(model: PyTree, samples: Batch) -> dict[str, Array]:
        count = len(samples.inputs)
        whole = count - count % size
        chunks = jax.tree.map(lambda x: x[:whole].reshape(-1, size, *x.shape[1:]), samples)
        last = jax.tree.map(lambda x: x[whole:], samples)
        parts = []
        if whole:
            parts.append(jax.lax.map(lambda chunk: _scores(model, chunk, loss, metric), chunks))
        if whole < count:
            parts.append(_scores(model, last, loss, metric))
        return jax.tree.map(lambda *xs: jnp.mean(jnp.concatenate([x.ravel() for x in xs])), *parts)

    return mean_over_devices(mean, mesh)(model, samples)


def named(values: dict[str, Any], metric: Loss | None) -> dict[str, Any]:
    """The metric under its function's name: the arrays above can not carry it."""
    name = getattr(metric, "__name__", "metric")
    return {name if key == "metric" else key: value for key, value in values.items()}


def _scores(model: PyTree, batch: Batch, loss: Loss, metric: Loss | None) -> dict[str, Array]:
    """The loss and metric of each sample."""
    outputs = predict(model, batch.inputs)

    def score(outputs: Any, targets: Any, mask: Any) -> dict[str, Array]:
        values = {"loss": loss(outputs, targets, mask)}
        return values if metric is None else values | {"metric": metric(outputs, targets, mask)}

    return jax.vmap(score)(outputs, batch.targets, batch.mask)
