"""Whether an optimizer would decay parameters that are not stored as values, and how to prevent it.

Weight decay shrinks the stored number, which for a positive parameter is a logarithm. An optimizer
that does so is given 0 in its place, provided this ends the decay and changes nothing else.
"""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from .._checks import refuse
from .._constraints import weight_decay_mask
from .._nonlinearities import highest
from ..programs import Shared, jitted, shared
from ._optimizer import Always, Blind, Optimizer, optimizer_start, update, with_scales

_UPDATES = 64  # watched, since a rate may start at 0 or gradients be accumulated before an update
_TINY = 1e-13  # rounding in float64, for a parameter of 1


class _BlindOf(NamedTuple):
    make: Callable[[Any], Optimizer]

    def __call__(self, hyperparameters: PyTree) -> Blind:
        return Blind(self.make(hyperparameters))


def without_decay(optimizer: Optimizer, params: PyTree) -> Optimizer:
    """The optimizer, prevented from decaying scales; ValueError if it or its use is impossible."""
    return Blind(optimizer) if _must_be_blind(Always(optimizer), params, None) else optimizer


def each_without_decay(
    make: Callable[[Any], Optimizer], params: PyTree, hyperparameters: PyTree
) -> Callable[[Any], Optimizer]:
    """The same for a function of the hyperparameters, given those of all members, stacked."""
    return _BlindOf(make) if _must_be_blind(make, params, hyperparameters) else make


def _must_be_blind(
    make: Callable[[Any], Optimizer], params: PyTree, hyperparameters: PyTree
) -> bool:
    first, values = params, hyperparameters
    if hyperparameters is not None:
        first, values = jax.tree.map(lambda x: x[0], (params, hyperparameters))
    if not _reads_scales(make(values), first):
        return False
    # In float64, since a small decay is less than the rounding of other optimizers in float32.
    with jax.enable_x64(True), jax.default_device(_cpu()):
        wide = jax.tree.map(lambda p: jnp.asarray(np.asarray(p), float), params)
        found = _watch_all(shared(make), wide, hyperparameters)
        decays, is_cured = jax.tree.map(np.asarray, found)
    if decays.any() and not is_cured.all():
        _refuse(first)
    return bool(decays.any())


# It only runs for a moment, so it is compiled quickly rather than for speed.
@jitted(compiler_options={"xla_backend_optimization_level": 0})
def _watch_all(maker: Shared, params: PyTree, hyperparameters: PyTree) -> tuple[Array, Array]:
    (make,) = maker.whole()
    if hyperparameters is None:
        return _watch(make(None), params)
    return jax.vmap(lambda p, h: _watch(make(h), p))(params, hyperparameters)


def _cpu() -> jax.Device | None:
    """A device that has float64 and compiles fast, unless JAX was told not to use the CPU."""
    with contextlib.suppress(RuntimeError):
        return jax.local_devices(backend="cpu")[0]
    return None


def _refuse(params: PyTree) -> NoReturn:
    path, _ = jax.tree_util.tree_leaves_with_path(_scales(params))[0]
    refuse(
        "optimizer",
        "leave a parameter without a gradient alone where it is not stored as its value",
        f"it moves `{jax.tree_util.keystr(path).lstrip('.')}` as weight decay does, in a way that "
        "cannot be told apart from what else it does; give `mask=oo.weight_decay_mask` to what "
        "decays, or wrap it in `optax.masked(..., oo.weight_decay_mask)`",
    )


def _reads_scales(optimizer: Optimizer, params: PyTree) -> bool:
    """Whether an update uses the values of the scales, judged by its trace."""
    scales, rest = _scales(params), eqx.filter(params, weight_decay_mask(params))

    def trace(scales: PyTree) -> Any:
        params = eqx.combine(scales, rest)
        gradient = jax.tree.map(jnp.ones_like, params)
        return _along(optimizer, optimizer_start(optimizer, params), params, gradient)

    try:
        jaxpr = jax.make_jaxpr(trace)(scales).jaxpr
    except Exception as error:
        name = getattr(optimizer.update, "__qualname__", "").partition(".")[0]
        must = "have an update of (gradient, state, params) for the trained leaves of a model"
        refuse("optimizer", must, f"that of `{name}` raised {type(error).__name__}: {error}")
    read = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
    return any(id(v) in read for v in jaxpr.invars)


def _along(
    optimizer: Optimizer, state: PyTree, params: PyTree, gradient: PyTree
) -> tuple[PyTree, PyTree]:
    """An update for a loss that is 0 here and has the same gradient everywhere."""

    def slope(there: PyTree) -> tuple[PyTree, dict[str, Array]]:
        rise = jax.tree.map(lambda g, p, q: jnp.sum(g * (q - p)), gradient, params, there)
        return gradient, {"loss": jnp.sum(jnp.stack(jax.tree.leaves(rise)))}

    here = jnp.zeros((), jax.tree.leaves(gradient)[0].dtype)
    return update(optimizer, gradient, state, params, here, slope)


def _watch(optimizer: Optimizer, params: PyTree) -> tuple[Bool[Array, ""], Bool[Array, ""]]:
    """Whether it moves scales that have no gradient, and whether blindness ends just that.

    Five optimizers run side by side. One sees constant scales without a gradient and must not move
    them. The others see wandering scales, or zeros in their place, each without a gradient and with
    one: what blindness removes must be the same in both cases, and all of the decay.
    """
    random = np.random.default_rng(0)
    noise = jax.tree.map(lambda p: jnp.asarray(random.normal(size=p.shape)), params)
    wanders, is_blind, is_driven = jnp.array(
        [[0, 1, 1, 1, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1]], bool
    )

    def seen(time: Array, wanders: Array, is_blind: Array) -> PyTree:
        def scale(p: Array) -> Array:
            drift = jnp.sin(time + jnp.arange(1.0 * p.size)).reshape(p.shape)
            return jnp.where(is_blind, 0.0, jnp.where(wanders, drift - 1, -1.0))

        return with_scales(params, scale)

    def one(state: PyTree, time: Array, wanders: Array, is_blind: Array, is_driven: Array) -> Any:
        gradient = with_scales(noise, lambda g: jnp.where(is_driven, g, 0.0))
        return _along(optimizer, state, seen(time, wanders, is_blind), gradient)

    def judge(states: PyTree, time: Array) -> tuple[PyTree, tuple[Array, Array]]:
        step = jax.vmap(one, in_axes=(0, None, 0, 0, 0))
        updates, states = step(states, time, wanders, is_blind, is_driven)
        still, _, blind, *_ = of_scales = _stacked(_scales(updates))
        of_rest = _stacked(eqx.filter(updates, weight_decay_mask(updates)))
        moves = (jnp.abs(still) > _TINY) & (jnp.abs(still - blind) > _TINY)
        is_held = jnp.all(jnp.abs(blind) <= _TINY)
        return states, (moves.any(), is_held & _is_same(of_scales) & _is_same(of_rest))

    first = optimizer_start(optimizer, seen(jnp.zeros(()), jnp.array(False), jnp.array(False)))
    states = jax.tree.map(lambda s: jnp.broadcast_to(s, (5, *s.shape)), first)
    _, (moves, is_cured) = jax.lax.scan(judge, states, jnp.arange(1.0 * _UPDATES))
    return moves.any(), is_cured.all()


def _scales(params: PyTree) -> PyTree:
    return eqx.filter(params, weight_decay_mask(params), inverse=True)


def _stacked(updates: PyTree) -> Array:
    leaves = [u.reshape(5, -1) for u in jax.tree.leaves(updates)]
    return jnp.concatenate([jnp.zeros((5, 1)), *leaves], axis=1)


def _is_same(u: Array) -> Array:
    """Whether blindness makes the same difference with and without a gradient."""
    difference = u[1] - u[2] - (u[3] - u[4])
    return jnp.all(jnp.abs(difference) <= 1e-9 * highest(jnp.abs(u)) + _TINY)
