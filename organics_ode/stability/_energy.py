"""An energy of a circuit about its stable fixed point, which falls along the linearised flow."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from .._cards import Card, carded, first_numbers
from .._checks import check_state, is_traced, refuse
from .._constraints import resolve
from .._nonlinearities import Rectification, highest, root
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit
from ..equilibria import StablePoint, stable_point
from ..facts import is_exact, normalization
from ..linear import refuse_unresolved, resolved_lyapunov
from ..programs import after, in_full_precision, quickly_compiled

_FORMS = ("symmetric", "oscillator", "lyapunov")
_SYMMETRIC, _OSCILLATOR, _LYAPUNOV = range(3)
_WORDS = {
    "symmetric": "a sum over units, reconstruction and normalization, weights in closed form",
    "oscillator": "a sum over units, reconstruction and normalization",
    "lyapunov": "quadratic in the distance from the fixed point, no sum over units",
}


@carded
class Energy(eqx.Module):
    """V, the energy of a circuit about a stable fixed point.

    V is a Lyapunov function of the linearised circuit: V ≥ 0, V = 0 at the fixed point, and V never
    grows along δ̇ = Jδ, δ = state − fixed point. Along the nonlinear flow it falls near the fixed
    point, but may grow far from it.

    - `energy(state)`: V, a scalar. `energy.gradient(state)`: ∇V, a state.
    - `energy.rate(state)`: V̇ = ∇V·Jδ, V per ms; ≤ 0 up to rounding.
    - `energy.reconstruction(state)`, `energy.normalization(state)`: (n,), the two terms of every
      unit, ≥ 0; together they sum to V. Only the closed forms have them.
    - `energy.form`: "symmetric", "oscillator" or "lyapunov", see the function `energy`.
    - `state`: the fixed point.

    The other attributes are the parts of V, with r = gain ⊙ δy + slope ⊙ δa:

        V = ½ Σ weights_i (r_i² + pull_i δy_i²) + ½ δᵀ hessian δ,   V̇ = −rᵀ dissipation r

    in the closed forms, where hessian = 0. In the fallback weights = 0 and V̇ = −|δ|². An energy
    from `jax.vmap` has the batch axes in front.
    """

    state: PyTree
    kind: Int[Array, "*batch"]
    weights: Float[Array, "*batch n"]
    gain: Float[Array, "*batch n"]
    slope: Float[Array, "*batch n"]
    pull: Float[Array, "*batch n"]
    dissipation: Float[Array, "*batch n n"]
    hessian: Float[Array, "*batch d d"]

    @property
    def form(self) -> str:
        if is_traced(self.kind) or self.kind.ndim:
            raise ValueError(
                "The form of an energy is known outside jit and vmap only: there take "
                f"`energy.kind`, 0, 1 or 2 for {', '.join(_FORMS)}."
            )
        return _FORMS[int(self.kind)]

    def _card(self) -> Card:
        facts = {"form": _WORDS[self.form], "fixed point": first_numbers(self.state)}
        return Card(f"Energy: {self.form}", facts)

    @in_full_precision
    def __call__(self, state: PyTree) -> Float[Array, ""]:
        """V at a state of the circuit."""
        delta = self._deviation(state)
        units = self._reconstruction(delta) + self._normalization(delta)
        return jnp.sum(units) + delta @ self.hessian @ delta / 2

    def gradient(self, state: PyTree) -> PyTree:
        """∇V at a state, as a state."""
        return jax.grad(self)(check_state("state", resolve(state), self.state))

    @in_full_precision
    def rate(self, state: PyTree) -> Float[Array, ""]:
        """V̇ at a state: how fast V changes along the linearised flow, V per ms."""
        delta = self._deviation(state)
        r = self._residual(delta)
        fallback = jnp.where(self.kind == _LYAPUNOV, delta @ delta, 0)
        return -(r @ self.dissipation @ r) - fallback

    def reconstruction(self, state: PyTree) -> Float[Array, " n"]:
        """½ c_i r_i², (n,): how far each gain-weighted response is from its gated input.

        Raises:
            ValueError: the form is "lyapunov", which is not a sum over units (inside jit: NaN).
        """
        return self._of_units(self._reconstruction(self._deviation(state)))

    def normalization(self, state: PyTree) -> Float[Array, " n"]:
        """½ c_i (τ_y/τ_a) a_s^(1/p) (y_i − y_s,i)², (n,): how far each response is from its
        normalized value.

        Raises:
            ValueError: the form is "lyapunov", which is not a sum over units (inside jit: NaN).
        """
        return self._of_units(self._normalization(self._deviation(state)))

    def _deviation(self, state: PyTree) -> Array:
        state = check_state("state", resolve(state), self.state)
        return ravel_pytree(state)[0] - ravel_pytree(self.state)[0]

    def _residual(self, delta: Array) -> Array:
        n = self.gain.size
        return self.gain * delta[:n] + self.slope * delta[n : 2 * n]

    def _reconstruction(self, delta: Array) -> Array:
        return self.weights * self._residual(delta) ** 2 / 2

    def _normalization(self, delta: Array) -> Array:
        return self.weights * self.pull * delta[: self.gain.size] ** 2 / 2

    def _of_units(self, terms: Array) -> Array:
        if not is_traced(self.kind) and self.form == "lyapunov":
            refuse("energy", "be a sum over units", 'its form is "lyapunov": d^T Q d is none')
        return jnp.where(self.kind == _LYAPUNOV, jnp.nan, terms)


def energy(
    circuit: AbstractCircuit[State], x: Numbers, *, state0: StateLike | None = None
) -> Energy:
    """The energy of a circuit about its stable fixed point, for any circuit that has one.

        V = ½ Σ_i c_i { r_i² + (τ_y,i/τ_a,i) a_s,i^(1/p) (y_i − y_s,i)² }

    where r_i = a_s,i^(1/p) δy_i + y_s,i a_s,i^(1/p − 1) δa_i / p is the linearised residual of the
    reconstruction a^(1/p) y = b1 z, and τ_y ẏ = −r. The first term is the error of reconstructing
    the gated input from the gain-weighted response, the second the distance of every response from
    its normalized value. τ_y/τ_a sets their balance, and the sum falls along the linearised flow. V
    was derived for this library; it is not the paper's expression. The formula holds for W_r = I
    and constant gains; of the following forms, the first that applies is used:

    - "symmetric", for W = Wᵀ and a single τ_a: c_i = p² a_s,i^(2 − 2/p) |y_s,i|^(p − 2). With
      p = 2, c_i = 4 a_s,i, also for silent units (y_s,i = 0): their modulators affect no other
      unit, and V ignores them. For one unit V = 2 a_s {r² + (τ_y/τ_a) √a_s (y − y_s)²}.
    - "oscillator": c_i = p² a_s,i^(2 − 2/p) w_i / y_s,i² with the weights w = (B⁻ᵀ1)/a_s of
      `oscillator`; c_i = 4 w_i a_s,i / y_s,i² for p = 2.
    - "lyapunov", for every other circuit: V = δᵀQδ, JᵀQ + QJ = −I, so that V̇ = −|δ|². It is also
      used where the form above would weight a unit by more than 1/ε times one with response 1,
      |y_s,i| ≤ √ε max(1, max|y_s|), or where a rectified unit is silent. It is not a sum over
      units: δ_i (Qδ)_i can be negative.

    V holds for the linearised circuit: see `Energy`. Whether W_r = I and W = Wᵀ is tested exactly
    and depends on the values: inside jit the form is chosen at run time. Pure (jit, vmap, grad); no
    batch axis.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input, held constant.
        state0: a state to search for the fixed point from, as in `fixed_point`.

    Returns:
        An `Energy`.

    Raises:
        ValueError: an argument is bad, no stable fixed point was found, or rounding may change the
            fallback by more than 1 % (inside jit, equinox's run-time error).
    """
    found = energy_about(stable_point(circuit, x, state0))
    return eqx.tree_at(lambda e: e.hessian, found, refuse_unresolved(found.hessian))


@quickly_compiled
@in_full_precision
def energy_about(point: StablePoint) -> Energy:
    """`energy` about a known stable point; its hessian is NaN where rounding leaves it unknown."""
    J, state = point.J, point.state
    if normalization(point.circuit) == "constant":
        kind, *parts = _closed_form(point.circuit, state.y, state.a)
    else:
        kind, parts = jnp.asarray(_LYAPUNOV), [J[:0, 0]] * 4 + [J[:0, :0]]
    eye = jnp.eye(J.shape[0], dtype=J.dtype)
    J = after(parts, J)
    Q = jax.lax.cond(kind == _LYAPUNOV, lambda: resolved_lyapunov(J.T, eye), lambda: 0 * eye)
    return Energy(state, kind, *parts, hessian=2 * Q)


def _closed_form(c: Any, y: Array, a: Array) -> tuple[Array, ...]:
    """The kind, and the weights c, gain, slope, pull and dissipation (0 for the fallback)."""
    p, s = c.exponent, root(a, c.exponent)
    tau_y, tau_a = (jnp.broadcast_to(tau, y.shape) for tau in (c.tau_y, c.tau_a))
    is_active = (y > 0) | (c.rectification is Rectification.NONE)
    is_heard = is_active & (jnp.abs(y) > _silence(y))
    kind = _kind(c, tau_a, jnp.all(is_heard))
    gain = jnp.where(is_active, s, 1)
    slope = jnp.where(is_active, y * s / (p * a), 0)
    # q̇ = −κ r; the product κ pooled has a limit where κ = p a / (s y) has none.
    pooled = c.rectification.pooled(y, p)
    kappa = p * a / s / jnp.where(is_heard, y, 1)
    kappa_pooled = p * a / s * pooled / jnp.where(pooled > 0, y, 1)
    weight = _oscillator_weights(c, gain / tau_y, pooled, a, tau_a, kind)
    heard_power = jnp.abs(jnp.where(is_heard, y, 1)) ** (p - 2)
    c_symmetric = (p * a / s) ** 2 * jnp.where(p == 2, 1, heard_power)
    c_i = _choose(kind, c_symmetric, weight * kappa**2)
    weight_kappa = _choose(kind, kappa_pooled, weight * kappa)
    coupling = (weight_kappa / tau_a)[:, None] * c.W * kappa_pooled[None, :]
    dissipation = jnp.diag(c_i * (gain / tau_y + 1 / tau_a)) - (coupling + coupling.T) / 2
    return kind, c_i, gain, slope, tau_y / tau_a * gain, dissipation


def _silence(y: Array) -> Array:
    """The |y_s,i| below which c_i would be more than 1/ε times that of a unit with response 1."""
    return jnp.sqrt(jnp.finfo(y.dtype).eps) * jnp.maximum(1, highest(jnp.abs(y)))


def _kind(c: Any, tau_a: Array, are_heard: Array) -> Array:
    is_symmetric = jnp.all(c.W == c.W.T) & jnp.all(tau_a == tau_a[0])
    closed = jnp.where(is_symmetric, _SYMMETRIC, _OSCILLATOR)
    has_weights = are_heard | (is_symmetric & (c.exponent == 2))
    return jnp.where(is_exact(c) & has_weights, closed, _LYAPUNOV)


def _oscillator_weights(
    c: Any, D: Array, pooled: Array, a: Array, tau_a: Array, kind: Array
) -> Array:
    """w = (B⁻ᵀ1)/a_s: positive, and diag(w) B + Bᵀ diag(w) is positive definite."""
    eye = jnp.eye(a.size, dtype=a.dtype)
    B = jnp.diag(D) + (eye - c.W * pooled[None, :]) / tau_a[:, None]
    # B may be singular where W_r ≠ I, and infinities, even if not chosen, would spoil derivatives.
    B = jnp.where(kind == _OSCILLATOR, B, eye)
    return jnp.linalg.solve(B.T, jnp.ones_like(a)) / a


def _choose(kind: Array, symmetric: Array, oscillator: Array) -> Array:
    return jnp.where(kind == _SYMMETRIC, symmetric, jnp.where(kind == _OSCILLATOR, oscillator, 0))
