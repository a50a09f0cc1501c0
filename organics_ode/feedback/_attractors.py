from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._checks import (
    as_float_array,
    check_finite,
    check_positive_integer,
    check_positive_number,
    refuse,
)
from ..circuits import FeedbackNetwork, FeedbackNetworkState
from ..linear import read_point
from ._overlaps import read_network
from ._settle import settle


class Attractors(eqx.Module):
    """The fixed points that the flow came to rest at, in rising order of the (first) readout.

    - `z`: (k,) or (k, R), their readouts.
    - `states`: (k, N), x.
    - `hits`: (k,), how many starts came to each.
    - `unsettled`: how many starts had not come to rest: slow, on a limit cycle, or chaotic.

    `len` is k.
    """

    z: Float[Array, "k ..."]
    states: Float[Array, "k N"]
    hits: Int[np.ndarray, " k"]
    unsettled: int

    def __len__(self) -> int:
        return len(self.z)


def attractors(
    network: FeedbackNetwork,
    x: Any = None,
    *,
    z0: Any,
    dt: float = 0.1,
    steps: int = 5000,
) -> Attractors:
    """The stable fixed points that the network runs to from x = m z₀ + I + W_x u, for many z₀.

    By Euler's method, all starts at once, until |ẋ| < 1e-9 (1e-4 in float32) everywhere. What no
    start runs to is not found: it counts attractors from below. Host function.

    Args:
        network: a `FeedbackNetwork`.
        x: u, (k,); nothing for a network without inputs.
        z0: (starts,) or (starts, R), readouts to start from, on both sides of what is looked for.
        dt: step, in units of the time constant.
        steps: the most steps.

    Returns:
        An `Attractors`.

    Raises:
        ValueError: an argument is bad.
    """
    check_positive_number("dt", dt)
    steps = check_positive_integer("steps", steps)
    c = read_network(network)
    circuit, _, x = read_point(c, None, jnp.zeros(c.input_size) if x is None else x)
    z0 = check_finite("z0", as_float_array("z0", z0, c.n.dtype))
    if z0.ndim != c.n.ndim or z0.shape[1:] != c.n.shape[1:] or not len(z0):
        must = "have shape (starts,)" if c.n.ndim == 1 else f"have shape (starts, {c.rank})"
        refuse("z0", must, f"it has shape {z0.shape}")
    v, settled = _run(circuit, x, z0.reshape(len(z0), -1), float(dt), steps)
    settled = np.asarray(settled)
    return _gathered(circuit, v[settled], int(np.sum(~settled)))


@eqx.filter_jit
def _run(c: Any, x: Array, z0: Array, dt: float, steps: int) -> tuple[Array, Array]:
    starts = (c.I + c.W_x @ x)[None, :] + z0 @ c.m.reshape(c.size, -1).T
    return jax.vmap(lambda v: settle(c, x, v, dt, steps, _still(v.dtype)))(starts)


def _gathered(c: Any, v: Array, unsettled: int) -> Attractors:
    """One of every cluster of end states. What is still by 1e-9 lies near by 1e-5 also where the
    slowest rate is 1e-4."""
    left, states, hits = np.asarray(v), [], []
    near = 1e4 * _still(v.dtype)
    while len(left):
        same = np.max(np.abs(left - left[0]), axis=1) < near
        same[0] = True  # whatever it holds: each turn takes one away
        states.append(left[0])
        hits.append(int(np.sum(same)))
        left = left[~same]
    states = jnp.asarray(np.reshape(states, (-1, c.size)), v.dtype)
    z = c.readout(FeedbackNetworkState(states))
    order = np.argsort(np.asarray(z).reshape(len(states), -1)[:, 0]) if hits else np.zeros(0, int)
    return Attractors(z[order], states[order], np.asarray(hits, int)[order], unsettled)


def _still(dtype: Any) -> float:
    return 1e-9 if jnp.finfo(dtype).bits == 64 else 1e-4
