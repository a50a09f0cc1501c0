import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._checks import (
    check_positive_integer,
    check_positive_number,
    check_state,
    is_traced,
    read_integer,
    refuse,
)
from .._types import Numbers, Scalar, StateLike
from ..cells import Euler
from ..circuits import FeedbackNetwork, FeedbackNetworkState
from ..programs import in_full_precision
from ._conditions import Conditions, read_conditions
from ._trained import Trained


def force(
    network: FeedbackNetwork,
    target: Numbers,
    x: Numbers | None = None,
    *,
    alpha: Scalar = 1.0,
    dt: Scalar = 0.1,
    every: int = 2,
    duration: Scalar = 60.0,
    state0: StateLike | None = None,
) -> Trained:
    """FORCE: recursive least squares of the readout while the network runs in closed loop.

        e = w·φ − A,   P ← P − Pφ (Pφ)ᵀ/(1 + φ·Pφ),   w ← w − e Pφ,   P(0) = 1/α,   n = N w

    at every `every`-th Euler step, from w = 0. The resulting readout minimises
    Σ|φ_t·w − A|² + α|w|² over the visited states φ_t. For a constant target these include the whole
    transient from x = 0, so n comes out large and along the input, with a single attractor where
    `least_squares` leaves two. Pure (jit, vmap) except for its errors.

    Args:
        network: a `FeedbackNetwork`; its readout is not used.
        target: A, scalar or (R,) like the readout.
        x: u, (k,); omit it for a network without inputs.
        alpha: α, a positive number.
        dt: step of Euler's method, in units of the time constant.
        every: steps from one update to the next.
        duration: of training, in units of the time constant; there are duration/(dt·every) updates.
        state0: where the network starts; x = 0 by default.

    Returns:
        A `Trained`, with the last state and its error; `history` is |e| before each update.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: training diverged.

    Reference:
        Sussillo, Abbott, "Generating coherent patterns of activity from chaotic neural networks",
        Neuron 63 (2009).
    """
    for name, value in (("alpha", alpha), ("dt", dt), ("duration", duration)):
        check_positive_number(name, value)
    every = check_positive_integer("every", every)
    conditions = read_conditions(network, target, x)
    if not conditions.is_single:
        refuse("x", "have shape (k,)", "it has two axes, and FORCE runs along one trajectory")
    updates = round(float(duration) / (float(dt) * every))
    if updates < 1:
        refuse("duration", "hold at least one update, dt·every", f"it is {duration}")
    read_integer("duration", updates, 1, "hold fewer than 2^31 updates, dt·every")
    start = check_state("state0", state0, conditions.network.initial_state())
    trained = _force(conditions, start, float(dt), (every, updates), jnp.asarray(alpha))
    return _raise_divergence(trained)


@eqx.filter_jit
@in_full_precision
def _force(
    conditions: Conditions,
    start: FeedbackNetworkState,
    dt: float,
    counts: tuple[int, int],
    alpha: Array,
) -> Trained:
    c, x, A = conditions.network, conditions.x[0], conditions.target[0]
    every, updates = counts
    P = jnp.eye(c.size, dtype=c.n.dtype) / alpha.astype(c.n.dtype)
    w = jnp.zeros((c.size, c.rank), c.n.dtype)

    def update(carry: tuple, _: None) -> tuple:
        w, P, state = carry
        cell = Euler(conditions.with_readout(w), dt)
        state = jax.lax.fori_loop(0, every, lambda _, s: cell.step(s, x), state)
        phi = c.phi(state.x)
        e = phi @ w - A
        Pphi = P @ phi
        gain = Pphi / (1 + phi @ Pphi)
        P = P - gain[:, None] * Pphi[None, :]
        return (w - gain[:, None] * e[None, :], P, state), jnp.sqrt(jnp.mean(e**2))

    (w, _, state), history = jax.lax.scan(update, (w, P, start), length=updates)
    return conditions.trained(conditions.with_readout(w), state.x[None], history)


def _raise_divergence(trained: Trained) -> Trained:
    bad = ~jnp.all(jnp.isfinite(trained.error))
    text = "The training diverged: the readout is no longer finite. Take a shorter step `dt`."
    if is_traced(bad):
        return eqx.error_if(trained, bad, text)
    if bad:
        raise RuntimeError(text)
    return trained
