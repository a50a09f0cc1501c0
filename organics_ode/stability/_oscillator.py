"""The linearised circuit as coupled damped oscillators, for W_r = I."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PyTree

from .._cards import Card, carded, first_numbers, summary
from .._checks import check_reach, counted, is_traced, refuse
from .._nonlinearities import Rectification, root
from .._types import Numbers
from ..circuits import AbstractCircuit, GatedORGaNICs, ORGaNICs, what_is
from ..facts import closed_form, is_exact, normalization
from ..linear import read_point
from ..programs import in_full_precision, quickly_compiled


@carded
class Oscillator(eqx.Module):
    """q̈ + B q̇ + K q = 0: a circuit with W_r = I, linearised at its fixed point.

    - `state`: the fixed point.
    - `damping`: B, (n, n), 1/ms. Units are coupled only through this matrix.
    - `stiffness`: K, (n, n), diagonal, 1/ms².
    - `displacement`: (n,), ms: δy = displacement ⊙ q; 0 for a unit with y_s = 0.
    - `weights`: p, (n,), > 0: V = ½ q̇ᵀPq̇ + ½ qᵀPKq with P = diag(p) falls along every trajectory.
    - `gain_rates`: (0,) or (2n,), 1/ms: the eigenvalues of gains that settle by themselves.
    - `dissipation`: PB + BᵀP, (n, n), positive definite: V̇ = −½ q̇ᵀ(PB + BᵀP)q̇.
    - `eigenvalues`: those of the pencil λ²I + λB + K and the gain rates; these are all eigenvalues
      of the Jacobian.
    """

    state: PyTree
    damping: Float[Array, "n n"]
    stiffness: Float[Array, "n n"]
    displacement: Float[Array, " n"]
    weights: Float[Array, " n"]
    gain_rates: Float[Array, " k"]

    @property
    def dissipation(self) -> Float[Array, "n n"]:
        PB = self.weights[:, None] * self.damping
        return PB + PB.T

    @property
    def eigenvalues(self) -> Complex[Array, " d"]:
        return _eigenvalues(self.damping, self.stiffness, self.gain_rates)

    def _card(self) -> Card:
        values: Any = np.asarray(self.eigenvalues)
        turning = np.abs(values.imag[values.imag > 0]) * (1000 / (2 * math.pi))
        modes = counted(turning.size, "mode")
        between = f", {turning.min():.4g} to {turning.max():.4g} Hz" if turning.size else ""
        facts = {
            "oscillating": modes + between,
            "abscissa": f"{values.real.max():.6g} /ms",
            "damping": summary(self.damping),
            "fixed point": first_numbers(self.state),
        }
        return Card(f"Oscillator: {counted(self.weights.size, 'unit')}", facts)


def oscillator(circuit: AbstractCircuit, x: Numbers) -> Oscillator:
    """The oscillator form of a circuit with W_r = I at its fixed point.

        q̈ + B q̇ + K q = 0,   D = diag(a_s^(1/p)/τ_y),
        B = D + T_a⁻¹(I − W diag(|y_s|^p)),   K = T_a⁻¹ D

    and δy = y_s a_s^(1/p − 1)/(p τ_y) ⊙ q. Since B a_s > 0 and the off-diagonals of B are ≤ 0, B is
    a nonsingular M-matrix. Hence the weights p = (B⁻ᵀ1)/a_s are > 0 and PB + BᵀP with P = diag(p)
    is positive definite: the circuit is locally stable for every input. A rectified unit that rests
    at y ≤ 0 has D = 1/τ_y and adds nothing to |y_s|^p. Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit: an `ORGaNICs` with W_r = I, or a `GatedORGaNICs` with W_r = I whose gains do not
            depend on y or a.
        x: (m,), the input.

    Returns:
        An `Oscillator`.

    Raises:
        ValueError: an argument is bad, or the circuit has no such form (inside jit, equinox's
            run-time error).

    Reference:
        Rawat, Heeger, Martiniani, "Unconditional stability of a recurrent neural circuit
        implementing divisive normalization", NeurIPS 37 (2024), arXiv:2409.18946.
    """
    circuit, _, x = read_point(circuit, None, x)
    if normalization(circuit) not in ("constant", "dynamic"):
        refuse(
            "circuit",
            "be an ORGaNICs or a GatedORGaNICs",
            what_is(circuit, ORGaNICs, GatedORGaNICs),
        )
    found = _oscillator(_with_closed_form(circuit), x)
    check_reach("x", found.state.a, "the modulators, |b1 z|^p,")
    return found


def _with_closed_form(circuit: AbstractCircuit) -> AbstractCircuit:
    exact = is_exact(circuit)
    must = "have W_r = I and gains that do not depend on y or a"
    if is_traced(exact):
        return eqx.error_if(circuit, ~exact, f"Argument `circuit` must {must}.")
    if not exact:
        refuse("circuit", must, "it does not; see `oo.spectrum` for its eigenvalues")
    return circuit


@quickly_compiled
def _eigenvalues(
    damping: Float[Array, "n n"], stiffness: Float[Array, "n n"], gain_rates: Float[Array, " k"]
) -> Complex[Array, " d"]:
    # (√K q, q̇) as variables: the companion matrix with its two blocks on one scale.
    root_K = jnp.sqrt(stiffness)
    companion = jnp.block([[jnp.zeros_like(root_K), root_K], [-root_K, -damping]])
    pencil = jnp.linalg.eigvals(companion)
    return jnp.concatenate([pencil, gain_rates.astype(pencil.dtype)])


@in_full_precision
def _oscillator(c: Any, x: Array) -> Oscillator:
    state, p = closed_form(c, x), c.exponent
    y, a = state.y, state.a
    tau_y, tau_a = (jnp.broadcast_to(tau, y.shape) for tau in (c.tau_y, c.tau_a))
    s = root(a, p)
    is_active = (y > 0) | (c.rectification is Rectification.NONE)
    D = jnp.where(is_active, s, 1) / tau_y
    pooled = c.rectification.pooled(y, p)
    eye = jnp.eye(y.size, dtype=y.dtype)
    damping = jnp.diag(D) + (eye - c.W * pooled[None, :]) / tau_a[:, None]
    displacement = jnp.where(is_active, y * s / (p * a * tau_y), 0)
    weights = jnp.linalg.solve(damping.T, jnp.ones_like(y)) / a
    gain_rates = jnp.zeros(0, y.dtype)
    if normalization(c) == "dynamic":
        taus: Any = (c.tau_b0, c.tau_b1)
        rates = [jnp.broadcast_to(-1 / tau, y.shape) for tau in taus]
        gain_rates = jnp.concatenate(rates)
    return Oscillator(state, damping, jnp.diag(D / tau_a), displacement, weights, gain_rates)
