"""Adaptation: normalization weights that follow the correlations of responses."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cards import carded
from .._checks import (
    as_float_array,
    check_finite,
    check_kind,
    check_positive_number,
    check_shape,
    is_traced,
    refuse,
)
from .._constraints import resolve
from .._nonlinearities import power
from .._operators import with_matrices
from .._types import Numbers, Scalar
from ..circuits import AbstractCircuit, ORGaNICs, ORGaNICsState, Time
from ..equilibria import steady_states


class ReweightingState(NamedTuple):
    """Responses y and modulators a, (n,) each, and normalization weights W, (n, n)."""

    y: Float[Array, "*batch n"]
    a: Float[Array, "*batch n"]
    W: Float[Array, "*batch n n"]


class Reweighting(AbstractCircuit[ReweightingState]):
    """An ORGaNICs whose normalization weights adapt: W is a slow state.

        Ẇ_ij = rate (R_i R_j − target_ij),   W ≥ 0,   R = ⌊y⌋^p

    Units that respond together more often than the target says come to suppress each other more,
    and otherwise less. Everything else is as in the circuit; `oo.simulate` and the rest of the
    library accept a `Reweighting` wherever they accept a circuit.

    Args:
        circuit: an `oo.ORGaNICs`; its W is where the weights start from.
        rate: 1/ms, > 0.
        target: (n, n), the products of responses at which the weights stay as they are, such as
            `cortex.mean_products` of an even mixture of stimuli.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Westrick, Heeger, Landy, "Pattern adaptation and normalization reweighting", J. Neuroscience
        36 (2016).
    """

    circuit: ORGaNICs
    rate: Array
    target: Float[Array, "n n"]

    def __init__(self, circuit: ORGaNICs, rate: Scalar, target: Numbers):
        check_kind("circuit", circuit, ORGaNICs)
        self.circuit = circuit
        dtype, n = resolve(circuit).W.dtype, circuit.size
        self.rate = jnp.asarray(check_positive_number("rate", rate), dtype)
        self.target = check_finite("target", as_float_array("target", target, dtype))
        check_shape("target", self.target, (n, n), "(n, n)")

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.circuit.input_size

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return self.circuit.size

    def vector_field(
        self, t: Time, state: ReweightingState, x: Float[Array, " m"]
    ) -> ReweightingState:
        """(ẏ, ȧ, Ẇ) in 1/ms at the state for the input x (m,); t is not used."""
        y, a, W = state
        circuit = _with_weights(self.circuit, W)
        dy, da = circuit.vector_field(t, ORGaNICsState(y, a), x)
        push = self.rate * (_products(_rates(circuit, y)) - self.target)
        # A weight of 0 does not fall any further.
        return ReweightingState(dy, da, jnp.where((W <= 0) & (push < 0), 0, push))

    def initial_state(self) -> ReweightingState:
        """The initial state of the circuit, with its weights."""
        return ReweightingState(*self.circuit.initial_state(), _weights(self.circuit))


@carded
class Adaptation(NamedTuple):
    """What a sequence of stimuli did to a circuit.

    Attributes:
        circuit: the circuit with its weights after the last stimulus.
        rates: (k, n), the responses to each stimulus, before the weights adapted to it.
    """

    circuit: ORGaNICs
    rates: Float[Array, "k n"]


def mean_products(circuit: ORGaNICs, xs: Numbers) -> Float[Array, "n n"]:
    """The mean of R_i R_j over the steady responses to some inputs: a target for `Reweighting`.

    Args:
        circuit: an `oo.ORGaNICs`.
        xs: (k, m), inputs.

    Returns:
        (n, n), NaN where there is no stable response.

    Raises:
        ValueError: an argument is bad.
    """
    check_kind("circuit", circuit, ORGaNICs)
    xs = _read_inputs(circuit, xs)
    R = _steady(resolve(circuit), xs)
    return R.T @ R / len(xs)


def adapt(reweighting: Reweighting, xs: Numbers, *, duration: Scalar = 1.0) -> Adaptation:
    """Adapt a circuit to a sequence of inputs, using its steady response to each.

        W ← ⌊W + duration · rate (R Rᵀ − target)⌋

    This is the limit of responses much faster than the weights: one step for the whole duration of
    each input. To follow both over time, use `oo.simulate(reweighting, …)`. Blanks that are too
    short for the weights to recover may be left out of the sequence.

    Args:
        reweighting: a `Reweighting`.
        xs: (k, m), inputs, one after the other.
        duration: ms, how long each is shown.

    Returns:
        An `Adaptation`: the circuit with its new weights, and the responses.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no stable response was found for some of the inputs.
    """
    check_kind("reweighting", reweighting, Reweighting)
    duration = check_positive_number("duration", duration)
    circuit = resolve(reweighting.circuit)
    xs = _read_inputs(circuit, xs)
    known = not any(map(is_traced, jax.tree.leaves((circuit, xs))))
    attempts = steady_states(circuit, xs[:1]).attempts if known else None
    push = jnp.asarray(duration * reweighting.rate, xs.dtype), jnp.asarray(reweighting.target)
    W, rates = _followed(circuit, xs, *push, attempts)
    if known and not bool(jnp.all(jnp.isfinite(rates))):
        raise RuntimeError("No stable response was found at some of the inputs `xs`.")
    return Adaptation(_with_weights(circuit, W), rates)


@eqx.filter_jit
def _followed(
    circuit: ORGaNICs, xs: Array, push: Array, target: Array, attempts: int | None
) -> tuple[Float[Array, "n n"], Float[Array, "k n"]]:
    """The weights after all of the inputs, and the responses to each."""

    def follow(W: Array, x: Array) -> tuple[Array, Array]:
        R = _steady(_with_weights(circuit, W), x[None, :], attempts)[0]
        return jax.nn.relu(W + push * (_products(R) - target)), R

    return jax.lax.scan(follow, _weights(circuit), xs)


def _steady(circuit: ORGaNICs, xs: Array, attempts: int | None = None) -> Float[Array, "k n"]:
    steady = steady_states(circuit, xs, attempts)
    return jnp.where(steady.found[:, None], _rates(circuit, steady.states.y), jnp.nan)


def _rates(circuit: ORGaNICs, y: Array) -> Array:
    return power(jax.nn.relu(y), resolve(circuit).exponent)


def _products(R: Float[Array, " n"]) -> Float[Array, "n n"]:
    return R[:, None] * R[None, :]


def _weights(circuit: ORGaNICs) -> Float[Array, "n n"]:
    return with_matrices(resolve(circuit).W)


def _with_weights(circuit: ORGaNICs, W: Array) -> ORGaNICs:
    return eqx.tree_at(lambda c: c.W, resolve(circuit), W)


def _read_inputs(circuit: ORGaNICs, xs: Numbers) -> Float[Array, "k m"]:
    array = check_finite("xs", as_float_array("xs", xs, resolve(circuit).W.dtype))
    if array.ndim != 2 or not len(array) or array.shape[1] != circuit.input_size:
        must = f"have shape (k, m) = (k, {circuit.input_size}), at least one input"
        refuse("xs", must, f"its shape is {array.shape}")
    return array
