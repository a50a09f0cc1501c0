"""What a network is trained to do: a target of the readout for every input."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float_array, check_finite, check_shape, is_traced, refuse, with_input_axis
from .._types import Numbers
from ..circuits import FeedbackNetwork, FeedbackNetworkState
from ..programs import in_full_precision, quickly_compiled
from ._overlaps import read_network
from ._rest import rounding, run_to_rest
from ._trained import Trained

# Euler's step of the open loop, stable for rotations of up to four radians per time constant, and
# the maximum number of steps: more than 1000 time constants without rest are taken for chaos.
_DT, _MOST = 0.1, 10_000


class Conditions(eqx.Module):
    """K inputs (K, k) with their targets (K, R), and the shapes in which the caller gave them."""

    network: Any
    x: Float[Array, "K k"]
    target: Float[Array, "K R"]
    is_single: bool = eqx.field(static=True)

    def with_readout(self, w: Float[Array, "N R"]) -> FeedbackNetwork:
        """The network with n = N w."""
        n = self.network.size * w
        return eqx.tree_at(lambda c: c.n, self.network, n.reshape(self.network.n.shape))

    def trained(
        self, network: FeedbackNetwork, states: Array, history: Array | None = None
    ) -> Trained:
        """The result, in the shapes that the caller used."""
        z = network.readout(FeedbackNetworkState(states))
        error = z - self.target.reshape(z.shape)
        if self.is_single:
            states, error = states[0], error[0]
        history = jnp.zeros(0, states.dtype) if history is None else history
        return Trained(network, states, error, history)


def read_conditions(network: FeedbackNetwork, target: Numbers, x: Numbers | None) -> Conditions:
    """The arguments of a training function, checked."""
    c = read_network(network)
    dtype = c.n.dtype
    x = as_float_array("x", jnp.zeros(c.input_size) if x is None else x, dtype)
    x = with_input_axis(x, c.input_size)
    is_single = x.ndim == 1
    x = x[None] if is_single else x
    if x.ndim != 2 or x.shape[1] != c.input_size or not len(x):
        must = f"have shape (k,) or (conditions, k), k = {c.input_size}"
        refuse("x", must, f"it has shape {x.shape[1:] if is_single else x.shape}")
    target = as_float_array("target", target, dtype)
    shape = (() if is_single else (len(x),)) + c.n.shape[1:]
    check_shape("target", target, shape, "that of the readout, one per condition,")
    x, target = (
        v if is_traced(v) else check_finite(n, v) for n, v in (("x", x), ("target", target))
    )
    return Conditions(c, x, target.reshape(len(x), -1), is_single)


def teacher_states(
    network: FeedbackNetwork, target: Numbers, x: Numbers | None = None
) -> Float[Array, "... N"]:
    """The states of the network in open loop, with the target fed back instead of the readout.

        x_A = g χ φ(x_A) + m A + I + W_x u

    With many inputs, one state for each. `least_squares` and `ridge` train in these states.

    Args:
        network: a `FeedbackNetwork`.
        target: A, scalar or (R,) like the readout; with a leading axis for many inputs.
        x: u, (k,) or (conditions, k); omit it for a network without inputs.

    Returns:
        (N,) or (conditions, N).

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no fixed point was found (for large g the network may be chaotic).
    """
    conditions = read_conditions(network, target, x)
    states = open_loop(conditions)
    return states[0] if conditions.is_single else states


def open_loop(conditions: Conditions) -> Float[Array, "K N"]:
    states, solved = _open_loop(conditions)
    failed = ~jnp.all(solved)
    text = (
        "The network with the target fed back came to no fixed point. It may be chaotic: take a "
        "smaller `g`, or a stronger input."
    )
    if is_traced(failed):
        return eqx.error_if(states, failed, text)
    if failed:
        raise RuntimeError(text)
    return states


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def _open_loop(conditions: Conditions) -> tuple[Array, Array]:
    """By the network's own flow, because a teacher can only hold it in a stable state."""

    def one(x: Array, target: Array) -> tuple[Array, Array]:
        c = conditions.network
        circuit = c.clamped(target.reshape(c.m.shape[1:]))
        drive = circuit.I + circuit.W_x @ x
        return run_to_rest(circuit, x, drive, _DT, _MOST, rounding(drive.dtype))

    return jax.vmap(one)(conditions.x, conditions.target)
