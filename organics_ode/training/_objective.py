"""What training minimises: a model applied to a batch, its loss, and one step; `evaluate`."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, ArrayLike, Bool, PyTree

from .._checks import a_or_an, check_positive_integer, in_jax, refuse
from .._constraints import resolve
from ..cells import blank, check_mask, running
from ..optimizers import Optimizer, State, update
from ..parallel import mean_over_devices, replicate, split
from ..programs import Shared, compiled, shared, unawaited
from ._losses import Loss, accuracy, apply_loss, check_classes, check_loss, cross_entropy
from .batches import Batch, Data, Minibatches, mesh_for_samples, read_samples

# The names in the record of a step, besides the metric.
_RECORDED = ("step", "epoch", "loss", "gradient_norm", "seconds")


def predict(model: PyTree, inputs: PyTree, mask: ArrayLike | None = None) -> Any:
    """A model of one sample, applied to samples stacked along a leading axis.

    A model with an argument `mask` is given it. For others, the inputs (batch, time, …) after the
    last step that counts are set to zero: NaN there would reach the gradient through states that do
    not count.
    """
    model = resolve(model)
    is_batched = hasattr(model, "batched")
    apply = in_jax("model", model.batched if is_batched else jax.vmap(model))
    if mask is None:
        return apply(inputs)
    if _takes_mask(model.batched if is_batched else model):
        return apply(inputs, mask)
    if jnp.ndim(inputs) > 2 and jnp.shape(inputs)[:2] == jnp.shape(mask):
        inputs = blank(running(mask), inputs)
    return apply(inputs)


def _takes_mask(function: Callable[..., Any]) -> bool:
    try:
        return "mask" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a function that is not written in Python
        return False


def gradient_step(
    state: State,
    batch: Batch,
    optimizer: Optimizer,
    loss: Loss,
    metric: Loss | None,
    mesh: Mesh | None = None,
) -> tuple[State, dict[str, Array]]:
    """One update by the gradient of the mean loss over a batch, and the scores before it."""

    def of_rows(shared: tuple[PyTree, PyTree], batch: Batch) -> tuple[PyTree, dict[str, Array]]:
        params, rest = shared

        def objective(params: PyTree) -> tuple[Array, dict[str, Array]]:
            _, values = _scores(eqx.combine(params, rest), batch, loss, metric)
            values = jax.tree.map(jnp.mean, values)
            return values["loss"], values

        return eqx.filter_grad(objective, has_aux=True)(params)

    def slope(params: PyTree, rest: PyTree) -> tuple[PyTree, dict[str, Array]]:
        return mean_over_devices(of_rows, mesh)((params, rest), batch)

    return update(optimizer, state, slope)


@unawaited
def train_step(
    state: State, batch: Batch, rules: Shared, mesh: Mesh | None = None
) -> tuple[State, dict[str, Array]]:
    """A `gradient_step` with the rules: an optimizer, a loss and a metric."""
    optimizer, loss, metric = rules.whole()
    return gradient_step(state, batch, optimizer, loss, metric, mesh)


@compiled
def mean_scores(
    model: PyTree, samples: Batch, rules: Shared, size: int, mesh: Mesh | None = None
) -> dict[str, Array]:
    """The mean loss and metric over all samples, `size` of them at a time on each device."""
    loss, metric = rules.whole()

    def mean(model: PyTree, samples: Batch) -> dict[str, Array]:
        count = len(samples.inputs)
        whole = count - count % size
        chunks = jax.tree.map(lambda x: x[:whole].reshape(-1, size, *x.shape[1:]), samples)
        last = jax.tree.map(lambda x: x[whole:], samples)
        parts = []
        if whole:
            parts.append(jax.lax.map(lambda chunk: _scores(model, chunk, loss, metric)[1], chunks))
        if whole < count:
            parts.append(_scores(model, last, loss, metric)[1])
        return jax.tree.map(lambda *xs: jnp.mean(jnp.concatenate([x.ravel() for x in xs])), *parts)

    return mean_over_devices(mean, mesh)(model, samples)


def check_scores(loss: Loss, metric: Loss | None) -> None:
    """Refuse a loss or metric that cannot be called, and a metric whose name would overwrite an
    entry in the record of a step or an evaluation."""
    check_loss("loss", loss)
    if metric is not None:
        check_loss("metric", metric)
    name = getattr(metric, "__name__", "metric")
    if name in _RECORDED or name.startswith("validation_"):
        must = "have a name that the history does not use for something else"
        refuse("metric", must, f"it is a function called `{name}`")


def check_model(name: str, model: object) -> None:
    """Refuse anything that does not map inputs to outputs."""
    if not callable(model) or isinstance(model, type):
        must = "map the inputs of one sample to outputs, such as a `SequenceClassifier`"
        refuse(name, must, f"it is {a_or_an(type(model).__name__)}")


def check_data(
    model: PyTree, batches: object, validation: Data | None, loss: Loss, metric: Loss | None
) -> None:
    """Refuse bad masks and labels of data sets, which are known before the first step (host)."""
    if isinstance(batches, Minibatches):
        samples = Batch(batches.inputs, batches.targets, batches.mask)
        check_labels(model, samples, loss, metric)
    if validation is not None:
        check_labels(model, read_samples(validation), loss, metric)


def check_labels(model: PyTree, batch: Batch, loss: Loss, metric: Loss | None) -> None:
    """Refuse labels that are not classes of the model, for the library's own losses (host)."""
    if not any(f in (cross_entropy, accuracy) for f in (loss, metric)):
        return
    one = jax.tree.map(lambda x: jnp.asarray(x[:1]), batch)
    outputs = eqx.filter_eval_shape(lambda m, b: predict(m, b.inputs, b.mask), model, one)
    if hasattr(outputs, "shape") and np.shape(batch.targets)[1:] == outputs.shape[1:-1]:
        check_classes(batch.targets, outputs.shape[-1], batch.mask)


def explain(model: PyTree, samples: Batch, loss: Loss, metric: Loss | None, size: int) -> bool:
    """Whether loss or metric are NaN for finite outputs, as for a label that is not a class.

    Computed outside jit, they raise an error that explains it, as does a mask that selects nothing.
    """
    for start in range(0, len(samples.inputs), size):
        part = jax.tree.map(lambda x, s=start: jnp.asarray(x[s : s + size]), samples)
        outputs, is_nan, is_finite = _faults(model, part, shared(loss, metric))
        for i in np.flatnonzero(is_nan):
            of_one = jax.tree.map(lambda x, i=i: x[i], (outputs, part.targets, part.mask))
            if part.mask is not None:
                check_mask(np.asarray(of_one[2]), "mask")
            for name, f in (("loss", loss), ("metric", metric)):
                if is_finite[i] and f is not None:
                    apply_loss(name, f, *of_one)
        if np.any(is_nan & is_finite):
            return True
    return False


@compiled
def _faults(
    model: PyTree, batch: Batch, rules: Shared
) -> tuple[Any, Bool[Array, " batch"], Bool[Array, " batch"]]:
    """The outputs, where anything computed from them is NaN, and where they are finite."""
    outputs, values = _scores(model, batch, *rules.whole())
    is_nan = jnp.stack([jnp.isnan(value) for value in values.values()]).any(axis=0)
    rows = [x.reshape(len(is_nan), -1) for x in jax.tree.leaves(outputs)]
    return outputs, is_nan, jnp.stack([jnp.isfinite(x).all(axis=1) for x in rows]).all(axis=0)


def names_of(metric: Loss | None) -> list[str]:
    """The names of the scores of an evaluation."""
    return list(named({"loss": None} | ({} if metric is None else {"metric": None}), metric))


def named(values: dict[str, Any], metric: Loss | None) -> dict[str, Any]:
    """The metric under the name of its function, which the compiled arrays cannot carry."""
    name = getattr(metric, "__name__", "metric")
    return {name if key == "metric" else key: value for key, value in values.items()}


def _scores(
    model: PyTree, batch: Batch, loss: Loss, metric: Loss | None
) -> tuple[Any, dict[str, Array]]:
    """The outputs for each sample, and their loss and metric."""
    outputs = predict(model, batch.inputs, batch.mask)

    def score(outputs: PyTree, targets: PyTree, mask: Array | None) -> dict[str, Array]:
        rules = {"loss": loss} | ({} if metric is None else {"metric": metric})
        return {name: apply_loss(name, f, outputs, targets, mask) for name, f in rules.items()}

    return outputs, jax.vmap(score)(outputs, batch.targets, batch.mask)


def evaluate(
    model: PyTree,
    data: Data,
    *,
    loss: Loss = cross_entropy,
    metric: Loss | None = accuracy,
    batch_size: int = 256,
    mesh: Mesh | None = None,
) -> dict[str, float]:
    """The mean loss and metric of a model on a data set (host).

    Args:
        model: as in `fit`.
        data: an object with `inputs`, `targets` and optionally `mask`, such as a split of a data
            set or a `Batch`; or these arrays as a tuple.
        loss, metric: as in `fit`.
        batch_size: samples at a time, over all devices together.
        mesh: as in `fit`; the devices need not divide the number of samples.

    Returns:
        A dict with `loss` and the metric under its own name.

    Raises:
        ValueError: an argument is bad, there is no sample, or a label that counts is not a class of
            the model.
    """
    batch_size = check_positive_integer("batch_size", batch_size)
    check_scores(loss, metric)
    check_model("model", model)
    samples = read_samples(data)
    mesh = mesh_for_samples(mesh, model, samples)
    samples = jax.tree.map(jnp.asarray if mesh is None else np.asarray, samples)
    if mesh is None:
        values = mean_scores(model, samples, shared(loss, metric), batch_size)
    else:
        values = _scores_on(mesh, model, samples, shared(loss, metric), batch_size)
    scores = {name: float(value) for name, value in named(values, metric).items()}
    if any(map(math.isnan, scores.values())):
        explain(model, samples, loss, metric, batch_size)
    return scores


def _scores_on(
    mesh: Mesh, model: PyTree, samples: Batch, rules: Shared, batch_size: int
) -> dict[str, Any]:
    """Means over all samples: as many as the devices divide are split, and each device takes the
    whole rest."""
    count, model = len(samples.inputs), replicate(model, mesh)
    size, whole = -(-batch_size // mesh.size), count - count % mesh.size
    first, rest = (jax.tree.map(lambda x, s=s: x[s], samples) for s in np.s_[:whole, whole:])
    sums = []
    if whole:
        means = mean_scores(model, split(first, mesh), rules, size, mesh)
        sums.append({name: whole * float(mean) for name, mean in means.items()})
    if whole < count:
        means = mean_scores(model, replicate(rest, mesh), rules, size)
        sums.append({name: (count - whole) * float(mean) for name, mean in means.items()})
    return {name: sum(part[name] for part in sums) / count for name in sums[0]}
