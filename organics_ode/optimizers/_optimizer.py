"""Any optimizer of optax as one function for a step."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, PyTree

from .._constraints import weight_decay_mask

# Parameters ↦ gradient there, and scores, which include the loss.
Slope = Callable[[PyTree], tuple[PyTree, dict[str, Array]]]


@runtime_checkable
class Optimizer(Protocol):
    """Anything with the methods of an optax transformation, including wrappers of one."""

    @property
    def init(self) -> Callable[..., Any]: ...

    @property
    def update(self) -> Callable[..., Any]: ...


def is_optimizer(value: object) -> TypeGuard[Optimizer]:
    """Whether it is an optimizer, not a class or a function that makes one."""
    methods = (getattr(value, name, None) for name in ("init", "update"))
    return not isinstance(value, type) and all(map(callable, methods))


def optimizer_start(optimizer: Optimizer, params: PyTree) -> PyTree:
    """The state of an optimizer that has seen no gradient yet."""
    with jax.numpy_dtype_promotion("standard"):
        return jax.tree.map(_strong, optimizer.init(params))


def optimizer_step(
    optimizer: Optimizer, params: PyTree, state: PyTree, slope: Slope
) -> tuple[PyTree, PyTree, dict[str, Array]]:
    """One update: the parameters and the state after it, and the scores before it."""
    gradient, scores = slope(params)
    updates, state = update(optimizer, gradient, state, params, scores["loss"], slope)
    scores = scores | {"gradient_norm": optax.tree.norm(gradient)}
    return optax.apply_updates(params, updates), state, scores


def update(
    optimizer: Optimizer, gradient: PyTree, state: PyTree, params: PyTree, loss: Array, slope: Slope
) -> tuple[PyTree, PyTree]:
    """The updates and the new state, in the dtypes of the gradient and of the old state.

    An optimizer that asks for more than the gradient is given it: the `value` of the loss and the
    gradient `grad`, and `value_fn` and `grad_fn` as functions of the parameters.
    """
    usual = {"value": loss, "grad": gradient, "value_fn": _loss_of(slope)}
    rare = {"grad_fn": lambda params, _: slope(params)[0]}
    asked = _asked(optimizer.update, usual, rare)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes its step counts with floats
        updates, new = optimizer.update(gradient, state, params, **asked)
    # The first state of a line search has other dtypes than its later ones.
    return jax.tree.map(_like, updates, gradient), jax.tree.map(_like, new, state)


class Always(NamedTuple):
    """The same optimizer for all hyperparameters."""

    optimizer: Optimizer

    def __call__(self, hyperparameters: PyTree) -> Optimizer:
        return self.optimizer


class Blind(NamedTuple):
    """An optimizer that is shown 0 in place of the parameters that weight decay may not touch.

    Where it evaluates other points, as a line search does, the true values are added back.
    """

    optimizer: Optimizer

    def init(self, params: PyTree) -> PyTree:
        return self.optimizer.init(params)

    def update(
        self,
        gradient: PyTree,
        state: PyTree,
        params: PyTree,
        *,
        value_fn: Callable[[PyTree], Array],
        grad_fn: Callable[[PyTree, Any], PyTree],
        **usual: PyTree,
    ) -> tuple[PyTree, PyTree]:
        seen = with_scales(params, jnp.zeros_like)
        hidden = jax.tree.map(jnp.subtract, params, seen)

        def moved(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda there, *rest: function(jax.tree.map(jnp.add, there, hidden), *rest)

        usual |= {"value_fn": moved(value_fn)}
        asked = _asked(self.optimizer.update, usual, {"grad_fn": moved(grad_fn)})
        return self.optimizer.update(gradient, state, seen, **asked)


def with_scales(params: PyTree, value: Callable[[Array], Array]) -> PyTree:
    """The parameters with another value for those that weight decay may not touch."""
    keeps = weight_decay_mask(params)
    return jax.tree.map(lambda keep, p: p if keep else value(p), keeps, params)


def _asked(update: Callable[..., Any], usual: dict[str, Any], rare: dict[str, Any]) -> Any:
    """The named arguments of an update, or, if it takes any, those that optax's updates take."""
    parameters = inspect.signature(update).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {name: value for name, value in (usual | rare).items() if name in parameters}
    return usual | named if takes_all else named


def _loss_of(slope: Slope) -> Callable[[PyTree], Array]:
    """The loss as a function of the parameters, whose derivative is the given slope."""

    @jax.custom_vjp
    def loss(params: PyTree) -> Array:
        return slope(params)[1]["loss"]

    def forward(params: PyTree) -> tuple[Array, PyTree]:
        gradient, scores = slope(params)
        return scores["loss"], gradient

    loss.defvjp(forward, lambda gradient, ct: (jax.tree.map(lambda g: ct * g, gradient),))
    return loss


def _like(new: ArrayLike, old: Array) -> Array:
    new = jnp.asarray(new)
    if new.shape != old.shape:  # it would be broadcast silently
        raise ValueError(
            f"it made an array of shape {new.shape} in the place of one of {old.shape}"
        )
    return new if new.dtype == old.dtype else new.astype(old.dtype)


def _strong(leaf: ArrayLike) -> Array:
    """An array whose dtype is fixed, not weak like that of a Python number."""
    leaf = jnp.asarray(leaf)
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key else jax.lax.convert_element_type(leaf, leaf.dtype)
