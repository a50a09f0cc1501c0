"""Losses and metrics of one sample; `fit` and `evaluate` average them over batches."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from .._checks import (
    as_float_array,
    as_known_array,
    in_jax,
    is_traced,
    plain,
    refuse,
    shape_of,
    shown,
)
from .._types import Numbers
from ..cells import blank, selected

Loss = Callable[..., Array]  # (outputs, targets, mask) or (outputs, targets) of one sample


def cross_entropy(outputs: Numbers, targets: Numbers, mask: Numbers | None = None) -> Array:
    """−log softmax(outputs)[target], averaged over the time steps that the mask selects.

    Args:
        outputs: (k,) or (time, k), scores.
        targets: () or (time,), integer classes from 0 to k − 1; anything where the mask is 0.
        mask: (time,), weights ≥ 0, or None for equal ones.

    Returns:
        A scalar, in nats; inside jit, NaN if a target that counts is not a class.

    Raises:
        ValueError: the shapes do not fit, or a target is not a class.
    """
    mask = plain(mask)
    outputs, targets, is_class = _read_classes(outputs, targets, mask)
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
    return _average(losses * is_class, mask)


def squared_error(outputs: Numbers, targets: Numbers, mask: Numbers | None = None) -> Array:
    """(output − target)², averaged over the channels and the time steps that the mask selects.

    Args:
        outputs, targets: (k,) or (time, k); anything where the mask is 0.
        mask: (time,), weights ≥ 0, or None for equal ones.

    Returns:
        A scalar.

    Raises:
        ValueError: the shapes do not fit.
    """
    outputs, targets, mask = as_float_array("outputs", outputs), plain(targets), plain(mask)
    _check_targets(outputs.shape, targets)
    outputs, targets = _counted(mask, outputs, targets)
    return _average(jnp.mean((outputs - targets) ** 2, axis=-1), mask)


def accuracy(outputs: Numbers, targets: Numbers, mask: Numbers | None = None) -> Array:
    """The share of time steps, among those the mask selects, whose highest score is the target's.

    Args:
        outputs: (k,) or (time, k), scores.
        targets: () or (time,), integer classes from 0 to k − 1; anything where the mask is 0.
        mask: (time,), weights ≥ 0, or None for equal ones.

    Returns:
        A scalar in [0, 1]; NaN scores count as wrong. Inside jit, NaN if a target that counts is
        not a class.

    Raises:
        ValueError: the shapes do not fit, or a target is not a class.
    """
    mask = plain(mask)
    outputs, targets, is_class = _read_classes(outputs, targets, mask)
    highest = jnp.argmax(outputs, axis=-1)
    # For argmax, NaN is the highest of all.
    right = (highest == targets.astype(highest.dtype)) & ~jnp.isnan(outputs).any(axis=-1)
    return _average(right.astype(outputs.dtype) * is_class, mask)


def check_classes(targets: Numbers, k: int, mask: Numbers | None = None) -> None:
    """Refuse known labels that count and are not classes."""
    labels = np.asarray(targets)
    must = f"hold classes from 0 to {k - 1}"
    if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != bool:
        refuse("targets", must, f"its dtype is {labels.dtype}, not one of integers")
    if mask is not None and np.shape(mask) == labels.shape:
        labels = labels[np.asarray(mask) > 0]
    wrong = labels[(labels < 0) | (labels >= k)]
    if wrong.size:
        refuse("targets", must, f"label {wrong[0]} is among them")


def check_loss(name: str, loss: object) -> None:
    """Refuse anything but a function of (outputs, targets, mask) or (outputs, targets)."""
    must = "be a function of (outputs, targets, mask) or (outputs, targets) of one sample"
    if not callable(loss) or isinstance(loss, type):
        refuse(name, must, f"it is {shown(loss)}")
    signature = _signature(loss)
    if signature is not None:
        given = (None,) * (3 if _mask_of(signature) == "mask" else 2)
        keyword = {"mask": None} if _mask_of(signature) == "mask=" else {}
        try:
            signature.bind(*given, **keyword)
        except TypeError as error:
            refuse(name, must, f"`{getattr(loss, '__name__', 'it')}{signature}` has a {error}")


def apply_loss(name: str, loss: Loss, outputs: PyTree, targets: PyTree, mask: Any) -> Array:
    """A loss or metric of one sample, called with or without the mask according to its signature.

    If it returns several values, as those of optax do, their mean is taken.
    """
    signature, loss = _signature(loss), in_jax(name, loss)
    how = "mask" if signature is None else _mask_of(signature)
    if how is None:
        _check_unmasked(name, outputs, targets, mask)
        value = loss(outputs, targets)
    else:
        value = loss(outputs, targets, mask) if how == "mask" else loss(outputs, targets, mask=mask)
    return jnp.mean(value) if jnp.ndim(value) else value


def _check_unmasked(name: str, outputs: PyTree, targets: PyTree, mask: Any) -> None:
    steps = {jnp.shape(x)[:1] for x in jax.tree.leaves((outputs, targets))}
    if mask is not None and steps == {jnp.shape(mask)}:
        found = "the samples have a mask, and without it the steps that it leaves out would count"
        refuse(name, "take (outputs, targets, mask)", found)


def _signature(loss: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(loss)
    except (TypeError, ValueError):  # a function that is not written in Python
        return None


def _mask_of(signature: inspect.Signature) -> str | None:
    """How a loss takes its mask: as its third argument, by keyword, or not at all.

    A third argument with a default, which may be an axis, is the mask only if it has that name or
    its default is None.
    """
    parameters = list(signature.parameters.values())
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return "mask"
    third = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][2:3]
    if any(p.name == "mask" or p.default is None or p.default is p.empty for p in third):
        return "mask"
    return "mask=" if "mask" in signature.parameters else None


def _read_classes(outputs: Any, targets: Any, mask: Numbers | None) -> tuple[Array, Array, Array]:
    """Outputs and targets where they count, zeros elsewhere; and 1, or NaN where a target is not a
    class, so that a wrong one is never trained."""
    outputs = as_float_array("outputs", outputs)
    if outputs.ndim == 0:
        refuse("outputs", "have shape (k,) or (time, k)", "it is a single number")
    _check_targets(outputs.shape[:-1], targets)
    k = outputs.shape[-1]
    targets = targets if is_traced(targets) else as_known_array("targets", targets)
    is_known = not (is_traced(targets) or is_traced(mask))
    check_classes(targets if is_known else np.zeros((), targets.dtype), k, mask)
    outputs, targets = _counted(mask, outputs, targets)
    labels = targets if targets.dtype.itemsize >= 4 else targets.astype(jnp.int32)
    is_class = (labels >= 0) & (labels < k)
    one = jnp.where(is_class, 1.0, jnp.nan).astype(outputs.dtype)
    return outputs, jnp.where(is_class, labels, 0), one


def _counted(mask: Numbers | None, outputs: Array, targets: Numbers) -> tuple[Array, Array]:
    """Both where the mask counts them, zeros elsewhere."""
    shape = outputs.shape[:-1]
    # A mask weights time steps; without a time axis there is nothing to weight.
    if mask is None or shape == ():
        return jnp.asarray(outputs), jnp.asarray(targets)
    if (found := shape_of("mask", mask)) != shape:
        refuse("mask", f"have shape (time,) = {shape}", f"it has shape {found}")
    return blank(selected(mask), outputs), blank(selected(mask), targets)


def _check_targets(shape: tuple[int, ...], targets: Numbers) -> None:
    if shape_of("targets", targets) != shape:
        found = shape_of("targets", targets)
        is_one_hot = found[:-1] == shape and len(found) > len(shape)
        hint = "; classes of one-hot rows are `targets.argmax(-1)`" if is_one_hot else ""
        refuse("targets", f"have shape {shape} to fit the outputs", f"it has {found}{hint}")


def _average(values: Array, mask: Numbers | None) -> Array:
    if mask is None or values.ndim == 0:
        return jnp.mean(values)
    mask = jnp.asarray(mask).astype(values.dtype)
    total = jnp.sum(mask)
    return jnp.sum(mask * values) / jnp.where(total > 0, total, 1)  # 0 if nothing is selected
