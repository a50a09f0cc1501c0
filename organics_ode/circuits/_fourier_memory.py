"""Principal cells that start as a bank of oscillators: a memory of a whole sequence."""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import (
    as_known_array,
    check_finite,
    check_positive_number,
    read_key,
    refuse,
    refuse_traced,
    shape_input_array,
)
from .._constraints import replace, resolve
from .._nonlinearities import Rectification
from .._types import KeyLike, Numbers
from ._gated import GatedORGaNICs
from ._obeys import obeys, what_is
from ._rotational import RotationalORGaNICs, per_unit

Circuit = TypeVar("Circuit", GatedORGaNICs, RotationalORGaNICs)


def fourier_memory(
    circuit: Circuit,
    xs: Numbers,
    dt: float,
    *,
    cycles: tuple[float, float] = (0.25, 24.0),
    rms: float = 0.3,
    key: KeyLike,
) -> Circuit:
    """The circuit with W_r and W_zx such that pairs of its principal cells start as oscillators.

    For cells 2i and 2i + 1 with the time constant τ and the frequency ω_i (rad/ms),

        W_r = [[1, −ω_i τ], [ω_i τ, 1]],   so that   ẏ ≈ ((1 − √a) iω_i − √a/τ) y + b1 z/τ

    for y = y_2i + i y_2i+1, where both cells have the same a. Normalization also slows the
    rotation, stops it at √a = 1 and reverses it beyond. It must therefore be weak at first,
    √a ≪ 1, which takes a small σ and a small W. Each pair then holds a Fourier coefficient of its
    past drive, which fades at the rate √a/τ instead of within the time τ. The frequencies are
    evenly spaced between the two of `cycles`. The rows of W_zx have random directions, and lengths
    such that the responses at the end of `xs` have the size `rms`.

    An `Euler` step makes these oscillators grow by ω²dt/2 per ms: use `ShuOsher`.

    In a `RotationalORGaNICs` this W_r belongs to the class, so the circuit stays bounded while it
    learns. Each of its groups has a band of the frequencies, in rising order.

    Args:
        circuit: a `RotationalORGaNICs` with groups of even sizes, or a `GatedORGaNICs` without
            rectification (`Rectification.NONE`), of an even size and with a plain array W_r; with a
            plain array W_zx, and the same tau_y within each pair.
        xs: (batch, time, m), a few hundred of the sequences it will be trained on.
        dt: the time in ms for which each value of `xs` is held.
        cycles: the lowest and the highest frequency, in cycles over the whole sequence.
        rms: the root mean square of y at the end of `xs`, > 0.
        key: a PRNG key.

    Returns:
        The circuit with the new W_r (n, n) and W_zx (n, m), each trained as before.

    Raises:
        ValueError: an argument is bad.

    Reference:
        This library's own. It is related to linear memories: Jaeger, "Short term memory in
        echo state networks", GMD report 152 (2001); White, Lee, Sompolinsky, "Short-term memory in
        orthogonal neural networks", Physical Review Letters 92 (2004); Ganguli, Huh, Sompolinsky,
        "Memory traces in dynamical systems", PNAS 105 (2008); in other bases Voelker, Kajić,
        Eliasmith, "Legendre memory units", NeurIPS 32 (2019), and Gu et al., "HiPPO: Recurrent
        memory with optimal polynomial projections", NeurIPS 33 (2020).
    """
    key = read_key("key", key)
    c, xs = _read(circuit, xs)
    check_positive_number("dt", dt)
    check_positive_number("rms", rms)
    pair = as_known_array("cycles", cycles)
    if pair.shape != (2,):
        refuse("cycles", "have shape (2,)", f"it has shape {pair.shape}")
    low, high = pair
    if not 0 < low < high:
        refuse("cycles", "be two positive numbers in rising order", f"they are {low}, {high}")
    if high * 4 > xs.shape[1]:
        refuse("cycles", "leave four steps of `xs` to a cycle", f"{high} in {xs.shape[1]} do not")
    tau, rest = (np.broadcast_to(v, (c.size,))[::2] for v in (c.tau_y, _semisaturation(c)))
    omega = 2 * np.pi / (xs.shape[1] * dt) * np.linspace(low, high, c.size // 2)
    even, odd = np.arange(0, c.size, 2), np.arange(1, c.size, 2)
    W_r = np.eye(c.size)
    W_r[even, odd], W_r[odd, even] = -omega * tau, omega * tau
    W = np.array(jax.random.normal(key, (c.size, c.input_size)))
    size = _responses(xs, dt, omega, rest, tau, W)
    if not np.all(size > 0):
        refuse("xs", "drive every oscillator", "one has no response to any of them")
    W = W * np.repeat(rms / size, 2)[:, None]
    return replace(circuit, W_r=jnp.asarray(W_r, c.W_r.dtype), W_zx=jnp.asarray(W, c.W_r.dtype))


def _semisaturation(c: GatedORGaNICs | RotationalORGaNICs) -> Array:
    """√a at rest, per unit: σ b0 with the gates of b0 at ½."""
    if isinstance(c, GatedORGaNICs):
        return c.sigma / 2
    return per_unit(jnp.broadcast_to(c.sigma * (1 + c.floor) / 2, (c.groups,)), c.size)


def _read(circuit: Circuit, xs: Numbers) -> tuple[Circuit, np.ndarray]:
    if not obeys(circuit, GatedORGaNICs, RotationalORGaNICs):
        found = what_is(circuit, GatedORGaNICs, RotationalORGaNICs)
        refuse("circuit", "be a `GatedORGaNICs` or a `RotationalORGaNICs`", found)
    is_gated = isinstance(circuit, GatedORGaNICs)
    if is_gated and circuit.rectification is not Rectification.NONE:
        refuse("circuit", "be without rectification", f"it has {circuit.rectification}")
    for name in ("W_r", "W_zx") if is_gated else ("W_zx",):
        if not eqx.is_array(getattr(circuit, name)):
            refuse("circuit", f"have a plain array {name}", "it has a node")
    c = resolve(circuit)
    if (c.size if is_gated else c.size // c.groups) % 2:
        of = "principal cells" if is_gated else f"principal cells in {c.groups} groups"
        refuse("circuit", "have an even size", f"it has {c.size} {of}")
    tau = np.broadcast_to(c.tau_y, (c.size,))
    if not np.allclose(tau[::2], tau[1::2]):
        refuse("circuit", "have the same tau_y within each pair of cells", "it has not")
    refuse_traced("xs", xs, c)
    xs = shape_input_array("xs", xs, c.input_size, c.W_r.dtype, "batch", "time")
    return c, np.asarray(check_finite("xs", xs))


def _responses(
    xs: np.ndarray,
    dt: float,
    omega: np.ndarray,
    root: np.ndarray,
    tau: np.ndarray,
    W: np.ndarray,
) -> np.ndarray:
    """The root mean square of the linear oscillators at the end of the sequences, per pair."""
    drive = (W[::2] + 1j * W[1::2]) / (2 * tau[:, None])
    # With gains of 1/2 the modulators rest at √a = σ/2.
    rate = 1j * (1 - root) * omega - root / tau
    # Exact for a held input: y(t + dt) = e^{λdt} y + (e^{λdt} − 1)/λ · drive.
    turn = np.exp(rate * dt)
    y = np.zeros((len(xs), len(omega)), complex)
    for x in xs.swapaxes(0, 1):
        y = y * turn + (turn - 1) / rate * (x @ drive.T)
    return np.sqrt(np.mean(np.abs(y) ** 2, axis=0) / 2)
