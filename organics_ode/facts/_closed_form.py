"""The fixed point in closed form: divisive normalization, where W_r = I and the gains are constant.

What is special to a circuit is registered here, so that circuit files stay equations.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._nonlinearities import Rectification, power, root
from ..circuits import (
    AbstractCircuit,
    FeedbackNetwork,
    FeedbackNetworkState,
    GatedORGaNICs,
    GatedORGaNICsState,
    ORGaNICs,
    ORGaNICsState,
)
from ._fact import Fact

# Sweeps between the gains and the normalization they act on; one is exact for constant gains.
_SWEEPS = 3


@Fact
def closed_form(circuit: AbstractCircuit, x: Array) -> Any:
    """The normalized state for the input x, exact where `is_exact`, elsewhere a good start.

    a = (σ b0)^p + W |b1 z|^p and y = b1 z / a^(1/p), with the rectifications of the circuit. For a
    circuit without a closed form: its initial state.
    """
    return circuit.initial_state()


@closed_form.register(ORGaNICs)
def _(circuit: Any, x: Array) -> ORGaNICsState:
    return ORGaNICsState(*_normalize(circuit, x, circuit.b0, circuit.b1))


@closed_form.register(GatedORGaNICs)
def _(circuit: Any, x: Array) -> GatedORGaNICsState:
    y, a, b0, b1 = circuit.initial_state()
    y, a = jnp.zeros_like(y), jnp.zeros_like(a)
    for _ in range(_SWEEPS):
        b0, b1 = gains(circuit, y, a, x)
        y, a = _normalize(circuit, x, b0, b1)
    return GatedORGaNICsState(y, a, *gains(circuit, y, a, x))


@closed_form.register(FeedbackNetwork)
def _(circuit: Any, x: Array) -> FeedbackNetworkState:
    return FeedbackNetworkState(circuit.I + circuit.W_x @ x)  # No feedback: only a start.


@Fact
def is_exact(circuit: AbstractCircuit) -> Bool[Array, ""]:
    """Whether `closed_form` is the fixed point: W_r = I and gains that do not depend on y or a.

    W_r = I is data, so this is a traced truth value and not a Python `if`.
    """
    return jnp.asarray(False)


@is_exact.register(ORGaNICs)
def _(circuit: Any) -> Bool[Array, ""]:
    return _is_identity(circuit.W_r)


@is_exact.register(GatedORGaNICs)
def _(circuit: Any) -> Bool[Array, ""]:
    return _is_identity(circuit.W_r) & has_constant_gains(circuit)


def has_constant_gains(circuit: Any) -> Bool[Array, ""]:
    """Whether no gain depends on y or a: then the gains settle by themselves, and the rest sees
    constants."""
    feedback = (circuit.W_by0, circuit.W_ba0, circuit.W_by1, circuit.W_ba1)
    return ~jnp.stack([jnp.any(W != 0) for W in feedback]).any()


def gains(c: Any, y: Array, a: Array, x: Array) -> tuple[Array, Array]:
    """(b0, b1) where they rest for the given y, a and x."""
    b0 = jax.nn.sigmoid(c.W_bx0 @ x + c.W_by0 @ y + c.W_ba0 @ a)
    b1 = jax.nn.sigmoid(c.W_bx1 @ x + c.W_by1 @ y + c.W_ba1 @ a)
    return b0, b1


def _normalize(c: Any, x: Array, b0: Array, b1: Array) -> tuple[Array, Array]:
    drive = b1 * c.rectification.input(c.W_zx @ x)
    # |b1 z|^p: where a unit is active, y^p a is the power of its drive.
    a = power(c.sigma * b0, c.exponent) + c.W @ c.rectification.pooled(drive, c.exponent)
    y = drive / root(a, c.exponent)
    # A rectified unit that is driven below 0 gets no recurrent drive and rests at its input.
    is_active = drive > 0
    return y if c.rectification is Rectification.NONE else jnp.where(is_active, y, drive), a


def _is_identity(W_r: Array) -> Bool[Array, ""]:
    return jnp.all(W_r == jnp.eye(W_r.shape[0], dtype=W_r.dtype))
