"""`fit` and `evaluate`: training by optax, and what became of it."""

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from ._batches import Batch
from ._checks import check_positive_integer, refuse
from ._constraints import project, resolve, trainable
from .losses import accuracy, cross_entropy

Loss = Callable[[Array, Any, Any], Array]


class History:
    """The records of a training, each a dict; `history["loss"]` is one quantity as an array.

    Every step records `step`, `epoch` (if batches have them), `loss`, the metric under its own
    name, `gradient_norm` and `seconds`; every validation records `step`, `validation_loss` and the
    metric as `validation_…`.
    """

    def __init__(self, records: list[dict[str, Any]]):
        self.records = records

    def __getitem__(self, name: str) -> np.ndarray:
        """The values of one quantity, over the records that have it."""
        values = [record[name] for record in self.records if name in record]
        if not values:
            names = sorted({key for record in self.records for key in record})
            raise KeyError(f"No record has {name!r}; there are {', '.join(names)}.")
        return np.array(values)

    def steps(self, name: str) -> np.ndarray:
        """The step numbers of the records that have the quantity."""
        return np.array([record["step"] for record in self.records if name in record])

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        last = {k: v for record in self.records[-2:] for k, v in record.items()}
        return f"History({len(self)} records, last {last})"

    @classmethod
    def read(cls, path: str | os.PathLike) -> "History":
        """The history from the JSON lines that `fit(..., log=path)` wrote."""
        return cls([json.loads(line) for line in Path(path).read_text().splitlines()])


class FitResult(NamedTuple):
    """The trained `model`, its `history`, and why it ended: completed, diverged or interrupted."""

    model: PyTree
    history: History
    outcome: str = "completed"


class TrainingDiverged(RuntimeError):
    """The loss or its gradient is not finite; `result` holds the last model where they were."""

    def __init__(self, message: str, result: FitResult):
        super().__init__(message)
        self.result = result


class TrainingInterrupted(KeyboardInterrupt):
    """Training was interrupted; `result` holds the model and history up to then."""

    def __init__(self, result: FitResult):
        super().__init__(f"Training was interrupted after {len(result.history)} records.")
        self.result = result


class _State(NamedTuple):
    """All that changes while training: with the step number, all that resuming needs."""

    model: PyTree
    optimizer: PyTree


def fit(
    model: PyTree,
    batches: Callable[[int], Batch],
    *,
    optimizer: optax.GradientTransformation,
    loss: Loss = cross_entropy,
    metric: Loss | None = accuracy,
    steps: int | None = None,
    epochs: int | None = None,
    validation: Any = None,
    validate_every: int | None = None,
    log: str | os.PathLike | None = None,
    progress: bool = True,
    throw: bool = True,
) -> FitResult:
    """Train a model by gradient descent through time (host).

    Each step takes the gradient of the batch's mean loss, without clipping or scaling, applies the
    optimizer's update to the trainable leaves, and puts projected parameters back into their sets.
    Everything random comes from the keys of `model` and `batches`: the same call gives the same
    result.

    Args:
        model: maps one sample's inputs to outputs, such as a `SequenceClassifier`.
        batches: step ↦ `Batch`, from `minibatches(split, size, key=…)` or `trials(task, size,
            key=…)`.
        optimizer: an optax transformation; its state covers the trainable leaves only.
        loss, metric: functions (outputs, targets, mask) ↦ scalar of one sample.
        steps, epochs: how long to train (one of them).
        validation: a split to evaluate every `validate_every` steps (an epoch unless given, or the
            end where there are no epochs).
        log: a file the history is appended to as JSON lines, record by record.
        progress: show a bar with loss, metric and the time left.
        throw: whether divergence raises `TrainingDiverged`; otherwise the result's `outcome` says
            so. Its model is the last one with finite loss and gradient either way.

    Returns:
        A `FitResult(model, history, outcome)`.

    Raises:
        ValueError: an argument is bad.
        TrainingDiverged: the loss or its gradient is no longer finite.
        TrainingInterrupted: Ctrl-C. Both have the `result` so far.
    """
    _check_arguments(model, batches, optimizer)
    total = _count_steps(batches, steps, epochs)
    if validate_every is not None:
        check_positive_integer("validate_every", validate_every)
    every = validate_every or getattr(batches, "steps_per_epoch", total)
    state = _State(model, optimizer.init(eqx.filter(model, trainable(model))))
    good = model  # the last model whose loss and gradient were finite
    with _Recorder(metric, batches, total, log, progress) as recorder:
        try:
            for step in range(1, total + 1):
                new, values = _train_step(state, batches(step - 1), optimizer, loss, metric)
                if not recorder.step(step, values):
                    return _diverged(good, recorder.history, step, throw)
                good, state = state.model, new
                if validation is not None and (step % every == 0 or step == total):
                    scores = evaluate(state.model, validation, loss=loss, metric=metric)
                    recorder.validation(step, scores)
        except KeyboardInterrupt as stop:
            result = FitResult(state.model, recorder.history, "interrupted")
            raise TrainingInterrupted(result) from stop
    if not _is_finite(state.model):  # the last update overflowed, and no step came to notice
        return _diverged(good, recorder.history, total, throw)
    return FitResult(state.model, recorder.history)


def evaluate(
    model: PyTree,
    data: Any,
    *,
    loss: Loss = cross_entropy,
    metric: Loss | None = accuracy,
    batch_size: int = 256,
) -> dict[str, float]:
    """The mean loss and metric of a model on a data set (host).

    Args:
        model: as in `fit`.
        data: has `inputs`, `targets` and maybe `mask`: a split of a data set or a `Batch`.
        loss, metric: as in `fit`.
        batch_size: samples at a time.

    Returns:
        A dict with `loss` and the metric under its own name.
    """
    check_positive_integer("batch_size", batch_size)
    samples = (data.inputs, data.targets, getattr(data, "mask", None))
    samples = jax.tree.map(jnp.asarray, samples)
    if len(samples[0]) == 0:
        refuse("data", "hold at least one sample", "it is empty")
    values = _evaluate(model, samples, loss, metric, batch_size)
    return {name: float(value) for name, value in _named(values, metric).items()}


@eqx.filter_jit
def _evaluate(
    model: PyTree, samples: Any, loss: Loss, metric: Loss | None, batch_size: int
) -> dict[str, Array]:
    model = resolve(model)
    values = jax.lax.map(
        lambda sample: _score(model, sample, loss, metric), samples, batch_size=batch_size
    )
    return jax.tree.map(jnp.mean, values)


@eqx.filter_jit
def _train_step(
    state: _State,
    batch: Batch,
    optimizer: optax.GradientTransformation,
    loss: Loss,
    metric: Loss | None,
) -> tuple[_State, dict[str, Array]]:
    params, rest = eqx.partition(state.model, trainable(state.model))

    def objective(params: PyTree) -> tuple[Array, dict[str, Array]]:
        model = resolve(eqx.combine(params, rest))
        values = jax.vmap(lambda sample: _score(model, sample, loss, metric))(tuple(batch))
        values = jax.tree.map(jnp.mean, values)
        return values["loss"], values

    gradient, values = eqx.filter_grad(objective, has_aux=True)(params)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes its step counts with floats
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, params)
    model = project(eqx.combine(eqx.apply_updates(params, updates), rest))
    return _State(model, optimizer_state), values | {"gradient_norm": optax.global_norm(gradient)}


def _score(model: PyTree, sample: Any, loss: Loss, metric: Loss | None) -> dict[str, Array]:
    inputs, targets, mask = sample
    outputs = model(inputs)
    values = {"loss": loss(outputs, targets, mask)}
    return values if metric is None else values | {"metric": metric(outputs, targets, mask)}


def _named(values: dict[str, Array], metric: Loss | None) -> dict[str, Array]:
    """The metric under its function's name: the arrays above can not carry it."""
    name = getattr(metric, "__name__", "metric")
    return {name if key == "metric" else key: value for key, value in values.items()}


def _check_arguments(model: PyTree, batches: Any, optimizer: Any) -> None:
    if not isinstance(optimizer, optax.GradientTransformation):
        must = "be an optax transformation such as `optax.adam(1e-3)`"
        refuse("optimizer", must, f"it is {type(optimizer).__name__}")
    if not callable(batches):
        must = "be a function of the step, from `oo.minibatches` or `oo.trials`"
        refuse("batches", must, f"it is {type(batches).__name__}")
    if not any(jax.tree.leaves(trainable(model))):
        refuse("model", "have something to train", "all of it is frozen")


def _is_finite(model: PyTree) -> bool:
    leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    return all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


def _count_steps(batches: Any, steps: int | None, epochs: int | None) -> int:
    if (steps is None) == (epochs is None):
        raise ValueError("Arguments `steps` and `epochs`: exactly one of them must be given.")
    if steps is not None:
        check_positive_integer("steps", steps)
        return steps
    check_positive_integer("epochs", epochs)
    if not hasattr(batches, "steps_per_epoch"):
        refuse("epochs", "be used with a data set", "trials never end; give `steps`")
    return epochs * batches.steps_per_epoch


def _diverged(model: PyTree, history: History, step: int, throw: bool) -> FitResult:
    result = FitResult(model, history, "diverged")
    if not throw:
        return result
    last = history.records[-1]
    raise TrainingDiverged(
        f"Training diverged at step {step}: the loss is {last['loss']:g} and the norm of its "
        f"gradient {last['gradient_norm']:g}. Explicit Euler is stable only for dt well below the "
        "time constants: bound them (`oo.Bounded(tau, low=10 * dt)`), or lower the learning rate. "
        "The exception's `result` has the last model where both were finite, and the history.",
        result,
    )


class _Recorder:
    """Keeps the history, writes it to the log, and shows it on the progress bar."""

    def __init__(self, metric: Any, batches: Any, total: int, log: Any, progress: bool):
        from tqdm import tqdm

        self.history = History([])
        self._metric = metric
        self._per_epoch = getattr(batches, "steps_per_epoch", None)
        self._file = None if log is None else _open_log(log)
        self._bar = tqdm(total=total, disable=not progress, unit="step", dynamic_ncols=True)
        self._start, self._shown = time.perf_counter(), {}

    def __enter__(self) -> "_Recorder":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()
        if self._file is not None:
            self._file.close()

    def step(self, step: int, values: dict[str, Array]) -> bool:
        """Record a training step; False where its loss or gradient is not finite."""
        numbers = {k: float(v) for k, v in _named(values, self._metric).items()}
        epoch = {} if self._per_epoch is None else {"epoch": step / self._per_epoch}
        self._add({"step": step, **epoch, **numbers, "seconds": time.perf_counter() - self._start})
        self._bar.update()
        self._show(numbers)
        return math.isfinite(numbers["loss"]) and math.isfinite(numbers["gradient_norm"])

    def validation(self, step: int, scores: dict[str, float]) -> None:
        named = {f"validation_{name}": score for name, score in scores.items()}
        self._add({"step": step, **named})
        self._show({k: v for k, v in named.items() if k != "validation_loss"})

    def _show(self, numbers: dict[str, float]) -> None:
        self._shown |= {k: f"{v:.4f}" for k, v in numbers.items() if k != "gradient_norm"}
        self._bar.set_postfix(self._shown, refresh=False)

    def _add(self, record: dict[str, Any]) -> None:
        self.history.records.append(record)
        if self._file is not None:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()


def _open_log(path: str | os.PathLike) -> Any:
    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"Argument `log` must be a file that can be written, but {path}: {error.strerror}."
        ) from error
