from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_nonnegative, read_integer, read_key
from ..._constraints import Frozen, resolve
from ..._nonlinearities import power, root
from ..._types import KeyLike, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import Drawn, check_sizes, draw, input_matrix, pool_matrix
from .._parameters import INPUT, POOL, POSITIVE, RECURRENT, Kind, Parameter, read_parameters
from .._time import Time

FLOOR = 1e-6  # The least value of a potential where a rate is read from it.
_GAIN = Kind(("n",), check_nonnegative, Frozen, or_scalar=True)


class ORGaNICs2025State(NamedTuple):
    """The rate y⁺, which is the response; the potentials y, u, p and s; and the rates u⁺, p⁺ and
    s⁺, (n,) each."""

    y_rate: Float[Array, "*batch n"]
    y: Float[Array, "*batch n"]
    u: Float[Array, "*batch n"]
    p: Float[Array, "*batch n"]
    s: Float[Array, "*batch n"]
    u_rate: Float[Array, "*batch n"]
    p_rate: Float[Array, "*batch n"]
    s_rate: Float[Array, "*batch n"]


class ORGaNICs2025(AbstractCircuit[ORGaNICs2025State]):
    """The circuit of 2025: an area of a hierarchy that normalizes and receives feedback from above.

        τ ẏ = −y + β b ⊙ (W_zx x) + 1/(1+p⁺) ⊙ (W √y⁺ + γ f),      f = g ⊙ W_fb √h
        τ u̇ = −u + (σ b)² + W_n (y⁺ ⊙ u⁺²)
        τ ṗ = −p + f/s⁺ + u⁺ + p ⊙ u⁺ + α τ u̇
        τ ṡ = −s + √(y⁺ + ε)
        τ⁺ q̇⁺ = −q⁺ + (⌊y⌋², √⌊u⌋, ⌊p⌋, ⌊s⌋) for q = y, u, p, s,    ⌊q⌋ = max(q, ε),  ε = 10⁻⁶

    Its inputs are x from below, followed by the rates h of the area above. The membrane potentials
    y, u, p and s act through firing rates that follow them. Where W leaves √y⁺ as it is and γ = 1,
    the drive f from above cancels out of the mean: y⁺ is divisive normalization

        y⁺ = (β W_zx x)² / (σ² + W_n (β W_zx x)²),   u⁺² = b² (σ² + W_n (β W_zx x)²)

    up to ε, whatever the feedback from above, which does change how y⁺ fluctuates. A fixed point
    exists only where every u⁺ < 1. `Hierarchy` connects areas; `cortex.two_areas` has the published
    parameters. No theorem of `certify` covers this circuit.

    Args:
        W_zx: (n, m), input weights.
        W: (n, n), recurrent weights.
        W_n: (n, n), normalization weights, ≥ 0.
        W_fb: (n, k), weights of the rates of the area above; (n, 0) where there is none.
        sigma, b: scalar or (n,), > 0: the semi-saturation and the gain of the input.
        tau, tau_rate: scalar or (n,), ms, > 0, τ of the potentials and τ⁺ of the rates.
        g: scalar or (n,), ≥ 0, the gain of what comes from above.
        gamma: scalar or (n,), ≥ 0, how much of it reaches y.
        beta: scalar or (n,), ≥ 0, the gain of what comes from below.
        alpha: scalar or (n,), ≥ 0, the weight of u̇ in ṗ.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W_n is
    `NonNegative`, σ, b and τ are `Positive`, the matrices of weights are free, and g, γ, β and α
    are not trained.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Pal, Rawat, Heeger, Martiniani, PMC12338607 (2025).
    """

    W_zx: Parameter
    W: Parameter
    W_n: Parameter
    W_fb: Parameter
    sigma: Parameter
    b: Parameter
    tau: Parameter
    tau_rate: Parameter
    g: Parameter
    gamma: Parameter
    beta: Parameter
    alpha: Parameter

    kinds = {
        "W": RECURRENT,
        "W_zx": INPUT,
        "W_n": POOL,
        "W_fb": Kind(("n", "k"), may_be_empty=True),
        **dict.fromkeys(("sigma", "b", "tau", "tau_rate"), POSITIVE),
        **dict.fromkeys(("g", "gamma", "beta", "alpha"), _GAIN),
    }

    def __init__(
        self,
        W_zx: ParameterLike,
        W: ParameterLike,
        W_n: ParameterLike,
        W_fb: ParameterLike,
        sigma: ParameterLike,
        b: ParameterLike,
        tau: ParameterLike,
        tau_rate: ParameterLike,
        *,
        g: ParameterLike = 0.5,
        gamma: ParameterLike = 1.0,
        beta: ParameterLike = 1.0,
        alpha: ParameterLike = 0.0,
    ):
        given = {"W_zx": W_zx, "W": W, "W_n": W_n, "W_fb": W_fb, "sigma": sigma, "b": b}
        given |= {"tau": tau, "tau_rate": tau_rate}
        given |= {"g": g, "gamma": gamma, "beta": beta, "alpha": alpha}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        above: int = 0,
        sigma: Drawn = 0.1,
        b: Drawn = 0.5,
        tau: Drawn = 1.0,
        tau_rate: Drawn = 1.0,
        g: ParameterLike = 0.5,
        gamma: ParameterLike = 1.0,
        beta: ParameterLike = 1.0,
        alpha: ParameterLike = 0.0,
    ) -> "ORGaNICs2025":
        """A random circuit that normalizes.

        W_zx uniform with ‖W_zx‖₂ = 1, W = I, W_n ~ U(0, 1) with 1 on the diagonal, and
        W_fb ~ U(0, 1/k).

        Args:
            input_size: m, the inputs from below.
            size: n.
            key: a PRNG key.
            above: k, the inputs from above.
            sigma, b, tau, tau_rate: a value, a node, or an initializer such
                as `LogUniform(2, 200)`.
            g, gamma, beta, alpha: as above.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        k = read_integer("above", above, 0, "be an integer, at least 0")
        keys = jax.random.split(key, 7)
        W_zx, W_n = input_matrix(keys[0], (n, m)), pool_matrix(keys[1], n)
        W_fb = jax.random.uniform(keys[2], (n, k)) / max(k, 1)
        given = (sigma, b, tau, tau_rate)
        drawn = [draw(p, k, n) for p, k in zip(given, keys[3:], strict=True)]
        gains = {"g": g, "gamma": gamma, "beta": beta, "alpha": alpha}
        return cls(W_zx, jnp.eye(n), W_n, W_fb, *drawn, **gains)

    @property
    def input_size(self) -> int:
        """m + k, the number of inputs from below and from above."""
        return resolve(self.W_zx).shape[1] + resolve(self.W_fb).shape[1]

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return resolve(self.W).shape[0]

    def vector_field(
        self, t: Time, state: ORGaNICs2025State, x: Float[Array, " inputs"]
    ) -> ORGaNICs2025State:
        """The time derivative in 1/ms at the state for the inputs x (m + k,); t is not used."""
        c: ORGaNICs2025 = resolve(self)
        y_rate, y, u, p, s, u_rate, p_rate, s_rate = state
        m = c.W_zx.shape[1]
        back = c.g * (c.W_fb @ root(x[m:], 2))
        heard = (c.W @ _rooted(y_rate) + c.gamma * back) / (1 + p_rate)
        dy = -y + c.beta * c.b * (c.W_zx @ x[:m]) + heard
        du = -u + power(c.sigma * c.b, 2) + c.W_n @ (y_rate * power(u_rate, 2))
        # s⁺ is above its floor on every trajectory; a search may step below it.
        dp = -p + back / floored(s_rate) + u_rate + p * u_rate + c.alpha * du
        ds = -s + root(y_rate + FLOOR, 2)
        rates = (power(floored(y), 2), root(floored(u), 2), floored(p), floored(s))
        dy_rate, *others = [
            (r - now) / c.tau_rate
            for r, now in zip(rates, (y_rate, u_rate, p_rate, s_rate), strict=True)
        ]
        return ORGaNICs2025State(dy_rate, *[d / c.tau for d in (dy, du, dp, ds)], *others)

    def initial_state(self) -> ORGaNICs2025State:
        """The rest state without inputs: y = 0, u = (σ b)² and p = √u/(1 − √u), which exists where
        σ b < 1; p = 0 where it does not. The rates are at rest with the potentials."""
        c: ORGaNICs2025 = resolve(self)
        y = jnp.zeros(c.size, c.W.dtype)
        return at_rest(y, y + power(c.sigma * c.b, 2), y)


def at_rest(
    y: Float[Array, " n"], u: Float[Array, " n"], sent: Float[Array, " n"]
) -> ORGaNICs2025State:
    """The state at these y and u and this drive f/s⁺ from above, everything else at rest with them;
    where u ≥ 1 nothing is at rest, and p is that drive."""
    y_rate, u_rate = power(floored(y), 2), root(floored(u), 2)
    exists = u_rate < 1
    p = (sent + u_rate) / jnp.where(exists, 1 - u_rate, 1)
    p = jnp.where(exists, p, sent)
    s = root(y_rate + FLOOR, 2)
    return ORGaNICs2025State(y_rate, y, u, p, s, u_rate, floored(p), floored(s))


def floored(q: Float[Array, " n"]) -> Float[Array, " n"]:
    """⌊q⌋ = max(q, ε), with derivative 0 below ε."""
    return jnp.where(q > FLOOR, q, FLOOR)


def _rooted(rate: Float[Array, " n"]) -> Float[Array, " n"]:
    """√y⁺, continued by its tangent below ε². No trajectory goes there, but a search that does
    finds its way back."""
    is_there = rate > FLOOR**2
    return jnp.where(
        is_there, root(jnp.where(is_there, rate, 1), 2), (rate + FLOOR**2) / (2 * FLOOR)
    )
