"""Principal cells that start as a bank of oscillators: a memory of a whole sequence."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._checks import as_float_array, check_finite, check_positive_number, refuse
from ._constraints import resolve
from ._nonlinearities import Rectification
from .circuits import GatedORGaNICs


def fourier_memory(
    circuit: GatedORGaNICs,
    xs: Any,
    dt: float,
    *,
    cycles: tuple[float, float] = (0.25, 24.0),
    rms: float = 0.3,
    key: PRNGKeyArray,
) -> GatedORGaNICs:
    """The circuit with W_r and W_zx such that pairs of its principal cells start as oscillators.

    For cells 2i and 2i + 1 with the time constant τ and the frequency ω_i (rad/ms),

        W_r = [[1, −ω_i τ], [ω_i τ, 1]],   so that   ẏ ≈ (iω_i − √a/τ) y + b1 z/τ

    for y = y_2i + i y_2i+1, as long as normalization is weak: √a ≪ 1, that is a small σ and a small
    W. Each pair then holds a Fourier coefficient of all it was driven by, fading at the rate √a/τ,
    instead of forgetting it in the time τ. Frequencies are evenly spaced, `cycles` in the length of
    `xs`; the rows of W_zx have random directions, and lengths such that the responses to `xs` end
    with the given size.

    An `Euler` step makes these oscillators grow by ω²dt/2 per ms: use `ShuOsher`.

    Args:
        circuit: without rectification (`Rectification.NONE`), of an even size, with plain arrays
            W_r and W_zx, and the same tau_y within each pair.
        xs: (batch, time, m), a few hundred of the sequences it will be trained on.
        dt: ms each value of `xs` is held.
        cycles: the lowest and the highest frequency, in cycles during the whole sequence.
        rms: the root mean square of y at the end of `xs`, > 0.
        key: a PRNG key.

    Raises:
        ValueError: an argument is bad.
    """
    c, xs = _read(circuit, xs)
    check_positive_number("dt", dt)
    check_positive_number("rms", rms)
    low, high = cycles
    if not 0 < low < high:
        refuse("cycles", "be two positive numbers in rising order", f"they are {low}, {high}")
    if high * 4 > xs.shape[1]:
        refuse("cycles", "leave four steps of `xs` to a cycle", f"{high} in {xs.shape[1]} do not")
    tau, pairs = c.tau_y[::2], c.size // 2
    omega = 2 * jnp.pi / (xs.shape[1] * dt) * jnp.linspace(low, high, pairs, dtype=tau.dtype)
    blocks = jnp.stack([jnp.ones(pairs), -omega * tau, omega * tau, jnp.ones(pairs)], axis=-1)
    W_r = jax.scipy.linalg.block_diag(*blocks.reshape(pairs, 2, 2).astype(tau.dtype))
    W = jax.random.normal(key, (c.size, c.input_size), tau.dtype)
    size = _responses(xs, dt, omega, jnp.broadcast_to(c.sigma, (c.size,))[::2] / 2, tau, W)
    W = W * jnp.repeat(rms / size, 2)[:, None]
    return eqx.tree_at(lambda c: (c.W_r, c.W_zx), circuit, (W_r, W))


def _read(circuit: Any, xs: Any) -> tuple[Any, Array]:
    if not isinstance(circuit, GatedORGaNICs):
        refuse("circuit", "be a `GatedORGaNICs`", f"it is {type(circuit).__name__}")
    if circuit.rectification is not Rectification.NONE:
        refuse("circuit", "be without rectification", f"it has {circuit.rectification}")
    for name in ("W_r", "W_zx"):
        if not eqx.is_array(getattr(circuit, name)):
            refuse("circuit", f"have a plain array {name}", "it has a node")
    c = resolve(circuit)
    if c.size % 2:
        refuse("circuit", "have an even size", f"it has {c.size} principal cells")
    c = eqx.tree_at(lambda c: c.tau_y, c, jnp.broadcast_to(c.tau_y, (c.size,)))
    if not np.allclose(c.tau_y[::2], c.tau_y[1::2]):
        refuse("circuit", "have the same tau_y within each pair of cells", "it has not")
    xs = as_float_array("xs", xs, c.W_r.dtype)
    if xs.ndim != 3 or xs.shape[2] != c.input_size or not xs.size:
        refuse("xs", f"have shape (batch, time, {c.input_size})", f"it has {xs.shape}")
    check_finite("xs", xs)
    return c, xs


@jax.jit
def _responses(
    xs: Array, dt: Any, omega: Array, damping: Array, tau: Array, W: Array
) -> Float[Array, " pairs"]:
    """The root mean square of the linear oscillators at the end of the sequences, per pair."""
    drive = jax.lax.complex(W[::2], W[1::2]) / (2 * tau[:, None])
    rate = jax.lax.complex(-damping / tau, omega)
    # Exact for a held input: y(t + dt) = e^{λdt} y + (e^{λdt} − 1)/λ · drive.
    turn = jnp.exp(rate * dt)
    held = (turn - 1) / rate

    def step(y: Array, x: Array) -> tuple[Array, None]:
        return y * turn + held * (x.astype(y.dtype) @ drive.T), None

    start = jnp.zeros((len(xs), len(omega)), drive.dtype)
    last, _ = jax.lax.scan(step, start, jnp.swapaxes(xs, 0, 1))
    return jnp.sqrt(jnp.mean(jnp.abs(last) ** 2, axis=0) / 2)
